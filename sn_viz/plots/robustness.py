"""What does it cost to ask differently, or to change the pictures? Accuracy under every condition, full model and super neurons.

Takes a Run that was asked so (`sn_viz.checks.wordings`, `sn_viz.checks.pictures`); returns one row for each condition.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from sn_viz.plots import PLOTS, Plot, style
from sn_viz.plots.reference import INFERRED, is_inferred
from sn_viz.types import RunRecord

TITLE = "Other words, other pictures"
METHODS = {"full_model": "full model", "super_neurons": "super neurons"}


class Info(NamedTuple):
    """One entry for each condition, as it was first."""

    name: tuple[str, ...]
    accuracy: np.ndarray
    low: np.ndarray
    high: np.ndarray
    """float64 (method, condition): accuracy and its 95 % interval, in the order of ``METHODS``."""
    lost: tuple[tuple[str, ...], ...]
    """(method, condition): points lost with their paired interval, as text."""
    n: int
    methods: tuple[str, ...]
    """What the methods are called, marked where answers were read by an inferred key."""


def info(run: RunRecord) -> Info | None:
    """Return every condition that the run was asked under; None when it was not asked."""
    names = [*("wordings", "pictures"), *sorted(run.findings)]  # any check that compares before and after is drawn
    found = [run.findings[name] for name in dict.fromkeys(names) if "conditions" in run.findings.get(name, {})]
    if not found:
        return None
    rows: list[dict[str, Any]] = [{"name": "as it was"}]
    rows[0] |= {method: {"accuracy": found[0]["before"][method]} for method in METHODS}
    rows += [one for part in found for one in part["conditions"]]
    value, low, high = (
        np.array([[row[method]["accuracy"][end] for row in rows] for method in METHODS], dtype=np.float64)
        for end in ("value", "low", "high")
    )
    lost = tuple(tuple(_lost(row[method].get("lost")) for row in rows) for method in METHODS)
    methods = tuple(METHODS.values())
    if is_inferred(run, "full-model"):
        methods = (METHODS["full_model"] + INFERRED, METHODS["super_neurons"])
    return Info(tuple(row["name"] for row in rows), value, low, high, lost, int(found[0]["n"]), methods)


def _lost(gap: dict[str, Any] | None) -> str:
    if gap is None:
        return ""
    return f"lost {100 * gap['value']:.1f} points ({100 * gap['low']:.1f} to {100 * gap['high']:.1f})"


def figure(info: Info, dark: bool = False) -> go.Figure:
    """Draw two dots for each condition, and lines at what either method got as it was."""
    look = style.theme(dark)
    result = style.canvas(TITLE, dark, height=170 + 44 * len(info.name))
    rows = np.arange(len(info.name))
    for number, (method, shift) in enumerate(zip(info.methods, (0.14, -0.14), strict=True)):
        colour = (look.rival, look.accent)[number]
        value, low, high = info.accuracy[number], info.low[number], info.high[number]
        before = style.numbers(value[:1])[0]
        dotted = {"color": style.faded(colour, 0.5), "dash": "dot"}
        result.add_shape(type="line", x0=before, x1=before, y0=0, y1=1, yref="paper", line=dotted)
        result.add_scatter(
            x=style.numbers(value),
            y=style.numbers(rows + shift),
            mode="markers",
            name=method,
            error_x={
                "type": "data",
                "symmetric": False,
                "array": style.numbers(high - value),
                "arrayminus": style.numbers(value - low),
                "color": style.faded(colour, 0.5),
                "thickness": 2,
                "width": 4,
            },
            marker={"color": colour, "size": 11, "symbol": ("circle", "diamond")[number]},
            hovertext=[_hover(info, number, method, row) for row in range(len(rows))],
            hoverinfo="text",
        )
    result.update_xaxes(title_text=f"Accuracy, {info.n} test images", tickformat=".0%", zeroline=False, nticks=6)
    result.update_yaxes(
        tickvals=rows.tolist(),
        ticktext=[style.wrapped(name.replace("{question}", "…?"), 24) for name in info.name],
        range=[len(info.name) - 0.4, -0.6],
        zeroline=False,
    )
    return style.below_title(result, 1)


def _hover(info: Info, number: int, method: str, row: int) -> str:
    at = number, row
    lines = [
        f"<b>{method}</b>, {style.literal(info.name[row])}",
        style.share(info.accuracy[at], info.low[at], info.high[at]),
    ]
    return "<br>".join(lines + [info.lost[number][row]] * bool(info.lost[number][row]))


PLOTS.register("robustness")(
    Plot(
        TITLE,
        "Accuracy of the full model and of the super neurons when the question is put in other words and when the pictures are "
        "changed, with thresholds as they were; dotted lines stand where either was before.",
        order=50,
        held_out=True,
        figure=figure,
        info=info,
        missing="Not asked yet.",
    )
)
