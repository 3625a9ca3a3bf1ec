"""Accuracy against time: every exit layer and every other method.

Takes a Run; returns one point per method and which of them no other beats on both counts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from sn_viz.plots import PLOTS, Plot, reference, style
from sn_viz.types import RunRecord
from sn_viz.voting.verdict import verdict

TITLE = "Accuracy against time"
NO_LAYER = -(2**15)
"""Stands for a method that has no exit layer."""


class Info(NamedTuple):
    """One point per exit layer, then one per baseline that was timed."""

    name: tuple[str, ...]
    layer: np.ndarray
    """int64 (point,): exit layer; ``NO_LAYER`` for a baseline."""
    latency_ms: np.ndarray
    """float64 (point,): median, one image at a time."""
    accuracy: np.ndarray
    low: np.ndarray
    high: np.ndarray
    """float64 (point,): held-out accuracy and its 95 % interval."""
    is_best: np.ndarray
    """bool (point,): no other point is at least as fast and at least as accurate, and better in one."""
    exit_layer: int
    untimed: tuple[str, ...]
    """Methods left out because their time was not measured."""
    doubt: str = ""
    """Why no speed counts here; "" where the accuracy at the chosen exit holds."""


def info(run: RunRecord) -> Info:
    """Return every timed method."""
    points = [(f"exit layer {run.neurons.layer_name(row.layer)}", row.layer, row.latency_ms, row.accuracy) for row in run.by_layer]
    points += [
        (reference.shown_name(run, method.name), NO_LAYER, method.latency_ms, reference.measured(method))
        for method in run.baselines
    ]
    points = [point for point in points if np.isfinite(point[3].value)]
    timed = [point for point in points if np.isfinite(point[2])]
    latency = np.array([point[2] for point in timed], dtype=np.float64)
    accuracy = np.array([point[3].value for point in timed], dtype=np.float64)
    return Info(
        tuple(point[0] for point in timed),
        np.array([point[1] for point in timed], dtype=np.int64),
        latency,
        accuracy,
        np.array([point[3].low for point in timed], dtype=np.float64),
        np.array([point[3].high for point in timed], dtype=np.float64),
        _undominated(latency, accuracy),
        run.exit_layer,
        tuple(point[0] for point in points if not np.isfinite(point[2])),
        "" if verdict(run).holds else "No speed counts here: the accuracy may be chance.",
    )


def _undominated(latency: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    no_worse = (latency[:, None] <= latency) & (accuracy[:, None] >= accuracy)
    better = (latency[:, None] < latency) | (accuracy[:, None] > accuracy)
    return np.logical_not(np.any(no_worse & better, axis=0))


def figure(info: Info, dark: bool = False) -> go.Figure:
    """Draw time against accuracy; a point's ``customdata`` is its exit layer, ``NO_LAYER`` for another method."""
    if not info.name:
        return style.empty(TITLE, "Nothing has been timed yet.", dark)
    look = style.theme(dark)
    result = style.canvas(TITLE, dark, height=480)
    if info.doubt:
        place = {"x": 0, "xref": "paper", "xanchor": "left", "y": 1, "yref": "paper", "yanchor": "bottom"}
        result.add_annotation(text=info.doubt, showarrow=False, font={"size": 13, "color": look.ink}, **place)
    else:
        _add_frontier(result, info, look)
    _add_points(result, info, np.flatnonzero(info.layer != NO_LAYER), "super neurons, by exit layer", look.accent, "circle", look)
    for position, row in enumerate(np.flatnonzero(info.layer == NO_LAYER)):
        method = info.name[row].removesuffix(reference.INFERRED)
        is_full = method == reference.method_name("full-model")
        colour = reference.method_colour(method, dark)
        symbol = "star" if is_full else style.class_symbol(position + 1)
        _add_points(result, info, np.array([row]), style.literal(info.name[row]), colour, symbol, look)
    result.update_xaxes(title_text="Milliseconds an image (median)", rangemode="tozero", zeroline=False)
    result.update_yaxes(title_text="Held-out accuracy", tickformat=".0%", zeroline=False)
    return style.below_title(result, 2 + int((info.layer == NO_LAYER).sum() + 1) // 2)


def _add_frontier(result: go.Figure, info: Info, look: style.Theme) -> None:
    """Join what nothing else beats on both counts."""
    best = np.flatnonzero(info.is_best)
    best = best[np.argsort(info.latency_ms[best], kind="stable")]
    result.add_scatter(
        x=style.numbers(info.latency_ms[best]),
        y=style.numbers(info.accuracy[best]),
        mode="lines",
        name="nothing is faster and better",
        line={"color": look.ink, "width": 1.5, "dash": "dot", "shape": "hv"},
        hoverinfo="skip",
    )


def _add_points(result: go.Figure, info: Info, rows: np.ndarray, name: str, colour: str, symbol: str, look: style.Theme) -> None:
    if not len(rows):
        return
    chosen = [info.layer[row] == info.exit_layer for row in rows]
    result.add_scatter(
        x=style.numbers(info.latency_ms[rows]),
        y=style.numbers(info.accuracy[rows]),
        error_y={
            "type": "data",
            "symmetric": False,
            "array": style.numbers((info.high - info.accuracy)[rows]),
            "arrayminus": style.numbers((info.accuracy - info.low)[rows]),
            "color": style.faded(colour, 0.45),
            "thickness": 1.5,
            "width": 3,
        },
        mode="markers+text",
        text=[info.name[row].removeprefix("exit layer ") if info.layer[row] in _labelled(info) else "" for row in rows],
        textposition="top left",
        textfont={"size": 12, "color": look.faint},
        name=name,
        marker={
            "color": colour,
            "symbol": symbol,
            "size": [15 if mark else 11 for mark in chosen],
            "line": {"color": look.ink, "width": [3 if mark else 0 for mark in chosen]},
        },
        customdata=[int(info.layer[row]) for row in rows],
        hovertext=[_hover(info, int(row)) for row in rows],
        hoverinfo="text",
    )


def _labelled(info: Info) -> set[int]:
    """The first, last and chosen exit layers: numbers on all of them would run into each other."""
    exits = info.layer[info.layer != NO_LAYER]
    return {int(exits.min()), int(exits.max()), info.exit_layer} if len(exits) else set()


def _hover(info: Info, row: int) -> str:
    return (
        f"<b>{style.literal(info.name[row])}</b><br>{info.latency_ms[row]:.1f} ms<br>"
        f"{style.share(info.accuracy[row], info.low[row], info.high[row])}"
    )


PLOTS.register("tradeoff")(
    Plot(
        TITLE,
        "Each mark is a method or an exit layer; up is more accurate, left is faster, and the dotted line joins what "
        "nothing else beats on both.",
        order=30,
        held_out=True,
        figure=figure,
        info=info,
        tab="compare",
    )
)
