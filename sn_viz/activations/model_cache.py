"""A model is loaded, tested and warmed up, once per process. Takes a name or a loaded model; returns a ``Vlm``.

A branch of the hub is the commit that it is at on this machine, so that it is loaded anew once it has moved.

The first pass of a process is slow: memory is fetched, code is chosen for the machine, and what this project tries out about a
model is tried. That belongs to loading, so that every later call runs each picture once and takes as long as it says. A small model
is warmed up with one blank picture; in a large one a pass costs more than it saves, and its first call is slower instead.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sn_viz.activations.reader import get_ready
from sn_viz.activations.self_test import self_test
from sn_viz.models.hub.obtain import obtain
from sn_viz.models.vlm import Vlm

LARGE = 1e8
"""Weights from which a model is not warmed up: a pass then takes tenths of a second and more."""


def model_named(model: str | Vlm, device: str | None = None, dtype: Any = None) -> Vlm:
    """Return the model of that name, loaded and warmed up once per process; a loaded model is returned as it is."""
    return _loaded(obtain(model).name, device, dtype) if isinstance(model, str) else model


@lru_cache(maxsize=2)  # used in turn, two models do not load each other anew
def _loaded(name: str, device: str | None, dtype: Any) -> Vlm:
    from sn_viz.models.load import load_model  # transformers takes seconds to import

    vlm = load_model(name, device=device, dtype=dtype)
    self_test(vlm)
    if vlm.n_weights < LARGE:
        vlm.warm_up()
        get_ready(vlm)
    return vlm
