"""How every figure looks, and the one door through which user text reaches Plotly.

Takes text, arrays and a theme (light or dark); returns Plotly-ready values and the empty canvas all figures start from. It knows
nothing about runs or neurons.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from sn_viz import formatting

CONFIG = {"displayModeBar": False, "responsive": True, "scrollZoom": False, "doubleClick": "reset", "showTips": False}
"""Plotly configuration to show the figures with."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x", "star", "cross", "pentagon")
"""Marker shapes, in class order: classes stay apart without colour."""
NO_BREAK = "\u00a0"
TEXT_LIMIT = 80
"""Characters of a user's text that are shown."""


class Theme(NamedTuple):
    """The colours of one appearance. The paper is transparent: ``page`` only says what it was made to be read on."""

    page: str
    ink: str
    """Titles, ticks, important lines."""
    faint: str
    """Secondary text and reference lines."""
    grid: str
    accent: str
    """Super neurons, the chosen exit."""
    rival: str
    """The full model."""
    luck: str
    """What shuffled labels reach."""
    classes: tuple[str, ...]
    """Colour-blind safe after Okabe and Ito, moved in lightness until each reads on the page."""
    scale: tuple[tuple[float, str], ...]
    """Sequential colour scale, from the page's own lightness to the strongest contrast."""


LIGHT = Theme(
    page="#ffffff",
    ink="#1d2733",
    faint="#5d6875",
    grid="#dfe4ea",
    accent="#0072b2",
    rival="#c24f00",
    luck="#a3477f",
    classes=("#c95800", "#0072b2", "#00875f", "#a3477f", "#8f6a00", "#2f8fc4", "#5c5c5c", "#7b3f00"),
    scale=((0.0, "#eef2f6"), (0.3, "#b9dcf2"), (0.6, "#4ba3d8"), (0.8, "#0072b2"), (1.0, "#00304d")),
)
DARK = Theme(
    page="#0f1420",
    ink="#e9eef5",
    faint="#a6b1bf",
    grid="#2e3746",
    accent="#5cb8ee",
    rival="#ff9248",
    luck="#e79cc8",
    classes=("#ff9248", "#5cb8ee", "#34c79b", "#e79cc8", "#e3b93c", "#9fd3f5", "#c3c8cf", "#f0e442"),
    scale=((0.0, "#1c2432"), (0.3, "#1d4a6e"), (0.6, "#2c82bd"), (0.8, "#5cb8ee"), (1.0, "#eaf6ff")),
)


def theme(dark: bool) -> Theme:
    """Return the colours of the dark or the light appearance."""
    return DARK if dark else LIGHT


def class_colour(index: int, dark: bool = False) -> str:
    """Return the colour of class ``index`` (hexadecimal); the palette repeats after eight classes."""
    colours = theme(dark).classes
    return colours[index % len(colours)]


def class_symbol(index: int) -> str:
    """Return the marker shape of class ``index``."""
    return SYMBOLS[index % len(SYMBOLS)]


def faded(colour: str, opacity: float) -> str:
    """Return ``colour`` (``#rrggbb``) as an ``rgba()`` of the given opacity in [0, 1]."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
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


def canvas(title: str, dark: bool = False, height: int = 380) -> go.Figure:
    """Return an empty figure with the house look.

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
    # Given whole: Plotly checks a layout that is updated key by key fifteen times as slowly.
    layout = {
        "template": go.layout.Template(),
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
        "yaxis": axis,
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
    return go.Figure(layout=layout)


def below_title(figure: go.Figure, legend_rows: int) -> go.Figure:
    """Reserve room under the plot for a legend that wraps to ``legend_rows`` rows on a telephone; returns the figure."""
    return figure.update_layout(margin_b=56 + 22 * legend_rows)


def empty(title: str, message: str, dark: bool = False) -> go.Figure:
    """Return a titled figure that holds no data and says why in ``message`` (our own words, not the user's)."""
    figure = canvas(title, dark, height=220)
    figure.update_xaxes(visible=False).update_yaxes(visible=False)
    return figure.add_annotation(text=message, showarrow=False, font={"size": 14, "color": theme(dark).faint})
