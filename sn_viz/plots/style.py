"""How every figure looks, and the one door through which user text reaches Plotly.

Takes text, arrays and a theme (light or dark); returns Plotly-ready values and the empty canvas all figures start from. It knows
nothing about runs or neurons.
"""

from __future__ import annotations

import copy
import itertools
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from sn_viz import formatting
from sn_viz.plots import colour_words

CONFIG = {"displayModeBar": False, "responsive": True, "scrollZoom": False, "doubleClick": "reset", "showTips": False}
"""Plotly configuration to show the figures with."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "hexagon", "star", "pentagon", "star-diamond")
"""Marker shapes, in class order: classes stay apart without colour. No cross among them: that means a wrong answer."""
NO_BREAK = "\u00a0"
TEXT_LIMIT = 80
"""Characters of a user's text that are shown."""


Drawing = dict[str, Any]
"""A figure as Plotly's JSON, {"data": traces, "layout": layout}: ``go.Figure`` makes a checked figure of it, which takes ten times
as long as drawing. The figures that answer a click are sent as they are drawn; tests check them."""


class Theme(NamedTuple):
    """The colours of one appearance. The paper is transparent: ``page`` only says what it was made to be read on."""

    page: str
    ink: str
    """Titles, ticks, important lines."""
    faint: str
    """Secondary text and reference lines."""
    grid: str
    accent: str
    """Super neurons, the chosen exit; nothing else."""
    rival: str
    """The full model; nothing else."""
    methods: tuple[str, ...]
    """Every other method, in the order in which they stand; told apart by their marks too."""
    luck: str
    """What shuffled labels reach."""
    classes: tuple[str, ...]
    """Classes only. Colour-blind safe after Okabe and Ito, moved in lightness until each reads on the page."""
    scale: tuple[tuple[float, str], ...]
    """Sequential colour scale of the super neurons, from the page's own lightness to the strongest contrast."""


LIGHT = Theme(
    page="#ffffff",
    ink="#1d2733",
    faint="#5d6875",
    grid="#dfe4ea",
    accent="#5b3fb0",
    rival="#a8125a",
    methods=("#4f6272", "#8d5f9c", "#56706a", "#94606f", "#6c6786", "#7c6b52"),
    luck="#746a60",
    classes=("#c95800", "#0072b2", "#00875f", "#5c5c5c", "#7b3f00", "#2f8fc4", "#8f6a00", "#5f7300"),
    scale=((0.0, "#f3f1f9"), (0.3, "#cfc4ee"), (0.6, "#9a82d8"), (0.8, "#5b3fb0"), (1.0, "#24125c")),
)
DARK = Theme(
    page="#0f1420",
    ink="#e9eef5",
    faint="#a6b1bf",
    grid="#2e3746",
    accent="#ab97f5",
    rival="#ff7eb0",
    methods=("#b3c1cf", "#d3aede", "#aecbc4", "#e0b3c0", "#c6c0e0", "#d4c3a8"),
    luck="#c4b8aa",
    classes=("#ff9248", "#5cb8ee", "#34c79b", "#c3c8cf", "#d69a6a", "#9fd3f5", "#e3b93c", "#c5d64f"),
    scale=((0.0, "#1c2432"), (0.3, "#392c66"), (0.6, "#6a51b4"), (0.8, "#ab97f5"), (1.0, "#f2edff")),
)


def theme(dark: bool) -> Theme:
    """Return the colours of the dark or the light appearance."""
    return DARK if dark else LIGHT


def class_colour(index: int, dark: bool = False) -> str:
    """Return colour ``index`` of the classes' palette (hexadecimal), which repeats after eight; see ``class_colours``."""
    colours = theme(dark).classes
    return colours[index % len(colours)]


@lru_cache(256)
def class_colours(names: tuple[str, ...], dark: bool = False) -> tuple[str, ...]:
    """Return the colour of every class (hexadecimal).

    A class called after a colour is drawn in it ("red", "red car", "rouge"); the others take the palette's colours in order, but
    none that looks like a colour given by name.
    """
    named = [None if colour is None else colour_words.SHADES[colour][dark] for colour in colour_words.colours_named(names)]
    taken = [colour for colour in named if colour is not None]
    free = [colour for colour in theme(dark).classes if all(_apart(colour, other) for other in taken)] or list(theme(dark).classes)
    rest = itertools.cycle(free)
    return tuple(colour if colour is not None else next(rest) for colour in named)


def colour_pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the colour of every class on a light and on a dark page."""
    return list(zip(class_colours(tuple(names)), class_colours(tuple(names), True), strict=True))


def _apart(one: str, other: str) -> bool:
    """Return whether two colours are told apart at a glance: a rough distance in red, green and blue."""
    mean = (int(one[1:3], 16) + int(other[1:3], 16)) / 2
    red, green, blue = (int(one[i : i + 2], 16) - int(other[i : i + 2], 16) for i in (1, 3, 5))
    return ((2 + mean / 256) * red**2 + 4 * green**2 + (2 + (255 - mean) / 256) * blue**2) ** 0.5 > 130


def class_symbol(index: int) -> str:
    """Return the marker shape of class ``index``."""
    return SYMBOLS[index % len(SYMBOLS)]


def rgb(colour: str) -> list[int]:
    """Return red, green and blue (0 to 255) of a colour in hexadecimal, ``#rrggbb``."""
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def luminance(channels: Sequence[float]) -> float:
    """Return the relative luminance, 0 to 1, of red, green and blue (0 to 255) as WCAG 2 defines it."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (c / 255 for c in channels)]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(one: float, other: float) -> float:
    """Return the contrast, 1 to 21, of two relative luminances."""
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def faded(colour: str, opacity: float) -> str:
    """Return ``colour`` (``#rrggbb``) as an ``rgba()`` of the given opacity in [0, 1]."""
    red, green, blue = rgb(colour)
    return f"rgba({red},{green},{blue},{opacity:g})"


# Plotly reads a small HTML, its own %{...} templates and, where MathJax is loaded, $TeX$. It turns these entities back into
# characters.
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "{": "&#123;", "$": "&#36;"})
_RIGHT_TO_LEFT = ("R", "AL", "AN")
_ISOLATE, _POP = "\u2068", "\u2069"


@lru_cache(8192)
def literal(text: str, limit: int = TEXT_LIMIT) -> str:
    """Return ``text`` so that Plotly shows exactly its characters, wherever it is put.

    Markup, entities, ``%{...}`` templates and TeX dollars become inert. Control characters and direction overrides (which could
    reorder the text around them) become spaces; text with right-to-left letters is isolated from its neighbours.

    Parameters
    ----------
    text : str
        A label, file name, question or answer: anything that came from outside.
    limit : int
        Characters kept; longer text ends in an ellipsis.

    Returns
    -------
    str
        Safe in titles, ticks, legends, annotations and hover text.

    Examples
    --------
    >>> literal("<b>%{x}</b>")
    '&lt;b&gt;%&#123;x}&lt;/b&gt;'
    """
    kept = "".join(character if _is_visible(character) else " " for character in str(text)[: limit + 1])
    kept = kept if len(kept) <= limit else kept[: limit - 1] + "…"
    escaped = kept.translate(_ENTITIES)
    turned = any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in kept)
    return f"{_ISOLATE}{escaped}{_POP}" if turned else escaped


def _is_visible(character: str) -> bool:
    if character == "\u200d":  # joins the parts of one emoji
        return True
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def wrapped(text: str, width: int = 14) -> str:
    """Return ``text`` (from outside) as ``literal`` lines of about ``width`` characters, broken at spaces and hyphens."""
    lines = [""]
    for word in str(text)[:TEXT_LIMIT].replace("-", " ").split():
        joined = f"{lines[-1]} {word}".strip()
        if lines[-1] and len(joined) > width:
            lines.append(word)
        else:
            lines[-1] = joined
    return "<br>".join(literal(line) for line in lines)


def layer_ticks(layers: Sequence[int], names: Sequence[str]) -> dict:
    """Return the ticks of a layer axis: whole layers by name, few enough for a telephone."""
    step = max(1, int(np.ceil(len(layers) / 12)))
    ticks = {"tickvals": [int(layer) for layer in layers[::step]], "ticktext": list(names[::step])}
    return ticks if any(not name.isdigit() for name in names) else {"tickvals": ticks["tickvals"]}


def numbers(values: np.ndarray | Iterable[float], digits: int = 4) -> list:
    """Return ``values`` (any shape) as nested lists rounded to ``digits`` significant digits; non-finite values become None."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim > 1:
        return [numbers(row, digits) for row in array]
    return [float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in array]


def percent(value: float | None) -> str:
    """Return a fraction as readable text such as ``87.5 %`` (unbreakable); "undefined" without a value."""
    return formatting.percent(value).replace(" ", NO_BREAK)


def percent_range(low: float | None, high: float | None) -> str:
    """Return an interval of fractions as readable text such as ``70.2 to 95.0 %``; the number and its sign stay together."""
    return formatting.percent_range(low, high, 1).replace(" %", NO_BREAK + "%")


def share(value: float | None, low: float | None, high: float | None) -> str:
    """Return a measured fraction with its interval, such as ``87.5 % (70.2 to 95.0 %)``; "undefined" alone without a value."""
    return percent(value) if value is None or not np.isfinite(value) else f"{percent(value)} ({percent_range(low, high)})"


def blank(title: str, dark: bool = False, height: int = 380) -> Drawing:
    """Return an empty drawing with the house look, as Plotly's JSON.

    Parameters
    ----------
    title : str
        Already literal text; keep it under 40 characters so that it fits a telephone.
    dark : bool
        For a dark page.
    height : int
        Pixels. The width always follows the page.
    """
    look = theme(dark)
    axis = {
        "gridcolor": look.grid,
        "linecolor": look.grid,
        "zerolinecolor": look.grid,
        "tickcolor": look.grid,
        "tickfont": {"size": 13},
        "title": {"font": {"size": 14}, "standoff": 8},
        "automargin": True,
        "fixedrange": True,
    }
    layout = {
        "template": {},
        "title": {
            "text": title,
            "x": 0.0,
            "xref": "container",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "font": {"size": 17, "color": look.ink},
            "pad": {"t": 12, "b": 8, "l": 8},
        },
        "font": {"family": FONT, "size": 14, "color": look.ink},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "height": height,
        "margin": {"l": 8, "r": 12, "t": 48, "b": 8},
        "xaxis": axis,
        "yaxis": copy.deepcopy(axis),
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 0,
            "yref": "container",
            "yanchor": "bottom",
            "font": {"size": 13},
        },
        "hoverlabel": {
            "bgcolor": look.page,
            "bordercolor": look.faint,
            "font": {"family": FONT, "size": 13, "color": look.ink},
            "align": "left",
            "namelength": -1,
        },
        "hovermode": "closest",
        "dragmode": False,
        "clickmode": "event",
    }
    return {"data": [], "layout": layout}


def canvas(title: str, dark: bool = False, height: int = 380) -> go.Figure:
    """Return an empty figure with the house look; see ``blank``."""
    return go.Figure(blank(title, dark, height))  # given whole: Plotly checks key by key fifteen times as slowly


def update(drawing: Drawing, changes: dict[str, Any]) -> Drawing:
    """Change the layout of a drawing in place, nested keys one by one; returns the drawing."""

    def merge(into: dict[str, Any], new: dict[str, Any]) -> None:
        for key, value in new.items():
            if isinstance(value, dict) and isinstance(into.get(key), dict):
                merge(into[key], value)
            else:
                into[key] = value

    merge(drawing["layout"], changes)
    return drawing


def below_title(figure: go.Figure, legend_rows: int) -> go.Figure:
    """Reserve room under the plot for a legend that wraps to ``legend_rows`` rows on a telephone; returns the figure."""
    return figure.update_layout(margin_b=bottom(legend_rows))


def bottom(legend_rows: int) -> int:
    """Return the pixels below a plot with a legend that wraps to ``legend_rows`` rows on a telephone."""
    return 56 + 22 * legend_rows


def marked(figure: go.Figure, mark: str, dark: bool = False) -> go.Figure:
    """Return ``figure`` with ``mark`` (our own words) in its upper right corner, whatever it is saved as; "" changes nothing."""
    if not mark:
        return figure
    look = theme(dark)
    return figure.add_annotation(
        text=mark,
        showarrow=False,
        xref="paper",
        yref="paper",
        x=1,
        y=1,
        xanchor="right",
        yanchor="bottom",
        yshift=2,
        borderpad=3,
        bordercolor=look.ink,
        bgcolor=look.page,
        font={"size": 12, "color": look.ink},
    )


def empty(title: str, message: str, dark: bool = False) -> go.Figure:
    """Return a titled figure that holds no data and says why in ``message`` (our own words, not the user's)."""
    return go.Figure(empty_drawing(title, message, dark))


def empty_drawing(title: str, message: str, dark: bool = False) -> Drawing:
    """Return the same as Plotly's JSON."""
    said = {"text": message, "showarrow": False, "font": {"size": 14, "color": theme(dark).faint}}
    hidden = {"visible": False}
    return update(blank(title, dark, height=220), {"xaxis": hidden, "yaxis": hidden, "annotations": [said]})
