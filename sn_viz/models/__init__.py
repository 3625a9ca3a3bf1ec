"""A vision-language model seen one way, whichever family it is of.

Takes the name of a known model or a local folder; returns a ``Vlm``. It knows nothing about neurons or labels. Importing this
package loads neither torch nor transformers: that happens when ``load_model`` or ``Vlm`` is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sn_viz.models.load import load_model
    from sn_viz.models.vlm import Vlm

__all__ = ["Vlm", "load_model"]


def __getattr__(name: str) -> object:
    if name == "load_model":
        from sn_viz.models.load import load_model

        return load_model
    if name == "Vlm":
        from sn_viz.models.vlm import Vlm

        return Vlm
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
