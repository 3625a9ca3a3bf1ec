"""Super neurons of vision-language models: find them, look at them, and stop the model early.

    from sn_viz import find
    run = find("pack:presence-dog")

Names are loaded when first used, so that ``import sn_viz.search.stumps`` loads neither torch nor gradio.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sn_viz.activations.extract import extract
    from sn_viz.models import load_model
    from sn_viz.pipeline import find
    from sn_viz.run import Run
    from sn_viz.sources import load_images
    from sn_viz.voting.classifier import SuperNeuronClassifier

__version__ = "0.1.0"
__all__ = ["Run", "SuperNeuronClassifier", "extract", "find", "load_images", "load_model"]

_HOME = {
    "Run": "sn_viz.run",
    "SuperNeuronClassifier": "sn_viz.voting.classifier",
    "extract": "sn_viz.activations.extract",
    "find": "sn_viz.pipeline",
    "load_images": "sn_viz.sources",
    "load_model": "sn_viz.models",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'sn_viz' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keeps ``sn_viz.activations.extract`` the function: importing the module of that name would otherwise replace it."""

    def __setattr__(self, name: str, value: object) -> None:
        if name in _HOME and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
