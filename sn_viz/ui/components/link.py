"""Deep links: which sample pack, model, layer, site, neuron, threshold, exit, view of the heatmap and section a link asks for.

Takes query parameters, which anyone can write, and returns a checked ``Link``; and back. A link names a sample pack, never a
result of somebody's own images.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from sn_viz.plots.heatmap import SHOWN
from sn_viz.ui.components.chosen import is_pick

TABS = ("examples", "neurons", "exit", "compare", "learn")


@dataclass(frozen=True)
class Link:
    """What a link asks for; None where it is silent or was not understood."""

    pack: str | None = None
    model: str | None = None
    layer: int | None = None
    """Of the neuron; in links without ``site`` and ``exit``, which are older than these, of the exit too."""
    site: str | None = None
    neuron: int | None = None
    t: float | None = None
    """The threshold, where it is not the found one."""
    exit: int | None = None
    view: str | None = None
    """What the heatmap shows, one of ``heatmap.SHOWN``."""
    tab: str | None = None
    pick: str | None = None
    """Chosen pictures, as ``chosen.picks_of`` writes them."""
    edited: int | None = None
    """Test pictures of the linked result that were edited after looking: the pack that opens has them as they were."""

    @property
    def exit_layer(self) -> int | None:
        """The exit layer that is asked for."""
        return self.layer if self.exit is None and self.site is None else self.exit


def read_link(parameters: Mapping[str, str], packs: tuple[str, ...], models: tuple[str, ...]) -> Link:
    """Return the link in ``parameters``; whatever is not allowed is left out.

    Parameters
    ----------
    parameters : mapping of str to str
        The query of the address; a value that is no text is left out.
    packs, models : tuple of str
        Names that exist.
    """
    return Link(
        pack=_one_of(parameters.get("pack"), packs),
        model=_one_of(parameters.get("model"), models),
        layer=_whole(parameters.get("layer"), 1, 1000),
        site=_site(parameters.get("site")),
        neuron=_whole(parameters.get("neuron"), 0, 2**31),
        t=_finite(parameters.get("t")),
        exit=_whole(parameters.get("exit"), 1, 1000),
        view=_one_of(parameters.get("view"), tuple(SHOWN)),
        tab=_one_of(parameters.get("tab"), TABS),
        pick=parameters.get("pick") if is_pick(parameters.get("pick")) else None,
        edited=_whole(parameters.get("edited"), 1, 10**6),
    )


def write_link(link: Link) -> str:
    """Return the query of ``link``, with its question mark; silent parts are left out."""
    parts = {name: value for name, value in vars(link).items() if value is not None}
    if link.t is not None:
        parts["t"] = f"{link.t:.9g}"  # a threshold is a float32, which this tells exactly
    return "?" + urlencode(parts)


def _one_of(text: object, names: tuple[str, ...]) -> str | None:
    return text if isinstance(text, str) and text in names else None


def _site(text: object) -> str | None:
    """Return a name that a site could have; whether the run has it is seen when it is there."""
    return text if isinstance(text, str) and re.fullmatch("[a-z0-9-]{1,60}", text) else None


def _whole(text: object, low: int, high: int) -> int | None:
    if not isinstance(text, str) or not text.isascii() or not text.isdigit() or len(text) > 10:
        return None
    return int(text) if low <= int(text) <= high else None


def _finite(text: object) -> float | None:
    if not isinstance(text, str) or len(text) > 40:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and abs(number) < 1e30 else None
