"""Small views of our own: picture grids, cards, the status line and facts.

Each is ``gr.HTML`` with a fixed template; the page's script fills it through ``textContent``, so no text from a user is ever
read as HTML. Takes plain values; knows nothing about runs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import gradio as gr
from cachetools import LRUCache, cached

from sn_viz.errors import UserError
from sn_viz.report.thumbnails import data_url
from sn_viz.types import Picture
from sn_viz.ui.components.plotly_view import when_ready
from sn_viz.voting.verdict import Verdict

THUMBNAIL_PIXELS = 112
MAX_TILES = 40
THUMBNAILS_KEPT = 6000
"""Small data URLs of all visitors together; the one shown longest ago leaves first."""


def pictures_view(elem_id: str, empty: str = "", **more: Any) -> gr.HTML:
    """Return a grid of pictures; ``.pick`` tells which (``tile_of``)."""
    return _view(
        elem_id, "sn-pictures", "snViz.pictures(element, props, watch, (which) => trigger('pick', which))", {"empty": empty}, **more
    )


def cards_view(elem_id: str, **more: Any) -> gr.HTML:
    """Return a row of cards; ``.pick`` tells the name of the chosen one (``card_of``)."""
    return _view(elem_id, "sn-cards", "snViz.cards(element, props, watch, (which) => trigger('pick', which))", None, **more)


def status_view(elem_id: str, value: dict[str, Any] | None = None, **more: Any) -> gr.HTML:
    """Return the status line."""
    return _view(elem_id, "sn-status", "snViz.status(element, props, watch)", value, **more)


def facts_view(elem_id: str, value: dict[str, Any] | None = None, **more: Any) -> gr.HTML:
    """Return a row of figures in words."""
    return _view(elem_id, "sn-facts", "snViz.facts(element, props, watch)", value, **more)


def strips_view(elem_id: str, empty: str = "", **more: Any) -> gr.HTML:
    """Return rows of pictures, each of which enlarges."""
    return _view(elem_id, "sn-strips", "snViz.strips(element, props, watch)", {"empty": empty}, **more)


def counts_view(elem_id: str, **more: Any) -> gr.HTML:
    """Return the counts at the cut that stands in the figure; ``.pick`` tells which was clicked, as {which}."""
    return _view(elem_id, "sn-counts", "snViz.counts(element, props, watch, (which) => trigger('pick', which))", None, **more)


def neighbours_view(elem_id: str, **more: Any) -> gr.HTML:
    """Return a row of neurons; ``.pick`` tells which was clicked, as {neuron}."""
    return _view(elem_id, "sn-alike", "snViz.neighbours(element, props, watch, (which) => trigger('pick', which))", None, **more)


def selection_view(elem_id: str, **more: Any) -> gr.HTML:
    """Return an unseen view whose value, the one selection, every figure of the page shows."""
    return unseen_view(elem_id, "snViz.selected(element, props, watch)", **more)


def thumbs_view(elem_id: str, **more: Any) -> gr.HTML:
    """Return an unseen view whose value, a list of small pictures, the page takes from while a cut is dragged."""
    return unseen_view(elem_id, "snViz.thumbs(element, props, watch)", **more)


def go_view(elem_id: str, **more: Any) -> gr.HTML:
    """Return an unseen view that brings people to the section it is given, as {section, at}; "examples" is the drawer."""
    return unseen_view(elem_id, "snViz.go(element, props, watch)", **more)


def address_view(elem_id: str, **more: Any) -> gr.HTML:
    """Return an unseen view whose value, the query of a link, the browser's address says."""
    return unseen_view(elem_id, "snViz.address(element, props, watch)", **more)


def unseen_view(elem_id: str, start: str, value: Any = None, **more: Any) -> gr.HTML:
    """Return a view that shows nothing: it hands its value to the page's script, and brings to Python what that says.

    Parameters
    ----------
    elem_id : str
    start : str
        JavaScript that runs as soon as the page's script is there, such as "snViz.go(element, props, watch)".
    value
        What it begins with.
    **more
        Passed to ``gr.HTML``.
    """
    return _view(elem_id, "sn-go", start, value, elem_classes=["sn-unseen"], **more)


def _view(elem_id: str, css_class: str, start: str, value: Any, **more: Any) -> gr.HTML:
    return gr.HTML(
        value,
        elem_id=elem_id,
        html_template=f'<div class="{css_class}"></div>',
        js_on_load=when_ready(start),
        apply_default_css=False,
        **more,
    )


def status(text: str, detail: str = "", fraction: float | None = None, tone: str = "idle") -> dict[str, Any]:
    """Return the status line's value; ``tone`` is idle, busy, done or error."""
    return {"text": text, "detail": detail, "fraction": fraction, "tone": tone}


def fact(label: str, value: str, note: str = "", tone: str = "none") -> dict[str, str]:
    """Return one figure in words for ``facts_view``."""
    return {"label": label, "value": value, "note": note, "tone": tone}


def verdict_mark(found: Verdict) -> dict[str, str]:
    """Return a verdict for ``facts_view``, which shows it in words and colour above the figures."""
    return {"kind": found.kind, "text": found.sentence}


def tile(picture: Picture, caption: str, mark: str = "none", badge: str = "") -> dict[str, str]:
    """Return one picture of a grid; ``mark`` is none, right or wrong."""
    return {"src": thumbnail(picture), "caption": caption[:160], "mark": mark, "badge": badge}


def group(
    title: str, items: Iterable[dict[str, str]], note: str = "", colour: tuple[str, str] | None = None, more: int = 0
) -> dict[str, Any]:
    """Return one titled group of tiles; ``colour`` is that of its class on a light and on a dark page."""
    return {"title": title, "note": note, "colour": colour, "items": list(items), "more": more}


def _shown(picture: Picture, pixels: int = THUMBNAIL_PIXELS) -> tuple[str, int]:
    return picture.sha256, pixels


@cached(LRUCache(THUMBNAILS_KEPT), key=_shown, lock=threading.Lock())
def thumbnail(picture: Picture, pixels: int = THUMBNAIL_PIXELS) -> str:
    """Return ``picture`` as a small data URL, at most ``pixels`` wide and high; its own bytes are never passed on."""
    return data_url(picture.pixels, pixels, "WEBP", enlarge=True)


def forget_thumbnails(shas: set[str]) -> None:
    """Drop the small copies of pictures with these SHA-256."""
    kept: Any = thumbnail
    with kept.cache_lock:
        for key in [key for key in kept.cache if key[0] in shas]:
            kept.cache.pop(key)


def tile_of(event: gr.EventData, groups: Sequence[Sequence[Any]]) -> Any:
    """Return the entry of ``groups`` whose tile was clicked.

    Raises
    ------
    UserError
        When the browser named a tile that does not exist.
    """
    data = event._data if isinstance(event._data, dict) else {}
    g, i = data.get("group"), data.get("item")
    if isinstance(g, int) and isinstance(i, int) and 0 <= g < len(groups) and 0 <= i < len(groups[g]):
        return groups[g][i]
    raise UserError("This picture is not in the list.", "The page is older than the result.", "Reload the page.")


def card_of(event: gr.EventData, names: Sequence[str]) -> str:
    """Return the name of the clicked card, one of ``names``."""
    data = event._data if isinstance(event._data, dict) else {}
    if data.get("name") in names:
        return data["name"]
    raise UserError("This choice does not exist.", f"There are: {', '.join(names)}.", "Choose one of these.")
