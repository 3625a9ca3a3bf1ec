"""Deep links: which sample pack, model, layer, neuron, threshold and tab a link asks for.

Takes query parameters, which anyone can write, and returns a checked ``Link``; and back. A link names a sample pack, never a
result of somebody's own images.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

TABS = ("examples", "neurons", "exit", "compare")


@dataclass(frozen=True)
class Link:
    """What a link asks for; None where it is silent or was not understood."""

    pack: str | None = None
    model: str | None = None
    layer: int | None = None
    neuron: int | None = None
    t: float | None = None
    tab: str | None = None


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
        neuron=_whole(parameters.get("neuron"), 0, 2**31),
        t=_finite(parameters.get("t")),
        tab=_one_of(parameters.get("tab"), TABS),
    )


def write_link(link: Link) -> str:
    """Return the query of ``link``, with its question mark; silent parts are left out."""
    parts = {name: value for name, value in vars(link).items() if value is not None}
    if link.t is not None:
        parts["t"] = f"{link.t:.9g}"  # a threshold is a float32, which this tells exactly
    return "?" + urlencode(parts)


def _one_of(text: object, names: tuple[str, ...]) -> str | None:
    return text if isinstance(text, str) and text in names else None


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
