"""A model is loaded once per process. Takes a name or a loaded model; returns a ``Vlm``."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sn_viz.models.vlm import Vlm


def model_named(model: str | Vlm, device: str | None = None, dtype: Any = None) -> Vlm:
    """Return the model of that name, loaded once per process; a loaded model is returned as it is."""
    return _loaded(model, device, dtype) if isinstance(model, str) else model


@lru_cache(maxsize=1)
def _loaded(name: str, device: str | None, dtype: Any) -> Vlm:
    from sn_viz.models.load import load_model

    return load_model(name, device=device, dtype=dtype)
