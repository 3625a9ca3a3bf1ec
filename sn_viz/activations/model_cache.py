"""A model is loaded, tested and warmed up, once per process. Takes a name or a loaded model; returns a ``Vlm``.

A branch of the hub is the commit that it is at on this machine, so that it is loaded anew once it has moved.

The first pass of a process is slow: memory is fetched, code is chosen for the machine, and what this project tries out about a
model is tried. That belongs to loading, so that every later call runs each picture once and takes as long as it says. A small model
is warmed up with one blank picture; in a large one a pass costs more than it saves, and its first call is slower instead.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

from sn_viz.activations.reader import get_ready
from sn_viz.activations.self_test import self_test
from sn_viz.models.hub.obtain import obtain
from sn_viz.models.options import DEFAULT, LoadOptions, dtype_name
from sn_viz.models.vlm import Vlm
from sn_viz.types import Config

LARGE = 1e8
"""Weights from which a model is not warmed up: a pass then takes tenths of a second and more."""


def model_named(model: str | Vlm, device: str | None = None, dtype: Any = None, options: LoadOptions = DEFAULT) -> Vlm:
    """Return the model of that name, loaded and warmed up once per process; a loaded model is returned as it is."""
    if not isinstance(model, str):
        return model
    from sn_viz.models.detail import settled

    name, options = obtain(model).name, options if dtype is None else replace(options, dtype=dtype_name(dtype))
    options = replace(options, detail=settled(options.detail, device))
    if name in _ONE_LOOK:
        return _loaded(name, device, replace(options, detail=_ONE_LOOK[name]))
    found = _loaded(name, device, options)
    if not found.look.matters:
        _ONE_LOOK[name] = options.detail
    return found


_ONE_LOOK: dict[str, str] = {}
"""Models that have one way to look at pictures, and the detail that they were first loaded with: any other is the same model."""


def model_of(config: Config, device: str | None = None) -> Vlm:
    """Return the model of a run, loaded as it was then."""
    return model_named(config.model, device, options=LoadOptions.of(config.loading))


@lru_cache(maxsize=2)  # used in turn, two models do not load each other anew
def _loaded(name: str, device: str | None, options: LoadOptions) -> Vlm:
    from sn_viz.models.load import load_model  # transformers takes seconds to import

    vlm = load_model(name, device=device, options=options)
    self_test(vlm)
    if vlm.n_weights < LARGE:
        vlm.warm_up()
        get_ready(vlm)
    return vlm
