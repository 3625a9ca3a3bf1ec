"""All methods side by side: held-out accuracy with its interval.

Takes a Run; returns one row per method, the super neurons first. It knows nothing of time (see ``tradeoff``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from sn_viz.plots import PLOTS, Plot, reference, style
from sn_viz.types import RunRecord

TITLE = "Every method, same images"


class Info(NamedTuple):
    """One row per method."""

    name: tuple[str, ...]
    key: tuple[str, ...]
    """The method's name in the run; "super-neurons" for ours."""
    accuracy: np.ndarray
    low: np.ndarray
    high: np.ndarray
    """float64 (method,): held-out accuracy and its 95 % interval."""
    latency_ms: np.ndarray
    """float64 (method,): NaN when it was not measured."""
    note: tuple[str, ...]
    chance: float
    """Always giving the commonest label; NaN without labels."""
    n: int
    """Test images."""


def info(run: RunRecord) -> Info:
    """Return the super neurons at the run's exit layer and every baseline, in the run's order."""
    rows = [
        (f"Super neurons, exit layer {run.neurons.layer_name(row.layer)}", "super-neurons", row.accuracy, row.latency_ms, "")
        for row in run.by_layer
        if row.layer == run.exit_layer
    ]
    rows += [(reference.shown_name(run, m.name), m.name, reference.measured(m), m.latency_ms, m.note) for m in run.baselines]
    return Info(
        tuple(row[0] for row in rows),
        tuple(row[1] for row in rows),
        np.array([row[2].value for row in rows], dtype=np.float64),
        np.array([row[2].low for row in rows], dtype=np.float64),
        np.array([row[2].high for row in rows], dtype=np.float64),
        np.array([row[3] for row in rows], dtype=np.float64),
        tuple(row[4] for row in rows),
        reference.commonest_answer(run),
        rows[0][2].n if rows else 0,
    )


def figure(info: Info, dark: bool = False) -> go.Figure:
    """Draw one dot with its interval per method; a dot's ``customdata`` is the method's name in the run."""
    if not info.name:
        return style.empty(TITLE, "No method has been measured yet.", dark)
    look = style.theme(dark)
    result = style.canvas(TITLE, dark, height=max(360, 150 + 52 * len(info.name)))
    colours = [reference.method_colour(key, dark) for key in info.key]
    for row, colour in enumerate(colours):
        result.add_scatter(
            x=style.numbers(info.accuracy[row : row + 1]),
            y=[row],
            mode="markers",
            error_x={
                "type": "data",
                "symmetric": False,
                "array": style.numbers((info.high - info.accuracy)[row : row + 1]),
                "arrayminus": style.numbers((info.accuracy - info.low)[row : row + 1]),
                "color": style.faded(colour, 0.6),
                "thickness": 3,
                "width": 6,
            },
            marker={"color": colour, "size": 14, "symbol": "diamond" if info.key[row] == "super-neurons" else "circle"},
            customdata=[info.key[row]],
            hovertext=[_hover(info, row)],
            hoverinfo="text",
            showlegend=False,
        )
    if np.isfinite(info.chance):
        result.add_shape(
            type="line",
            x0=round(info.chance, 4),
            x1=round(info.chance, 4),
            y0=0,
            y1=1,
            yref="paper",
            line={"color": look.faint, "dash": "dashdot", "width": 2},
            name=f"always the commonest answer: {style.percent(info.chance)}",
            showlegend=True,
        )
    result.update_xaxes(
        title_text=f"Accuracy, {info.n} held-out images", tickformat=".0%", zeroline=False, nticks=6, range=_range(info)
    )
    result.update_yaxes(
        tickvals=list(range(len(info.name))),
        ticktext=[style.wrapped(name, 14) for name in info.name],
        range=[len(info.name) - 0.4, -0.6],
        zeroline=False,
    )
    return style.below_title(result, 1)


def _range(info: Info) -> list[float]:
    """Room on both sides of everything drawn, without pretending that more than 100 % can be reached."""
    drawn = np.isfinite(info.accuracy)
    lowest, highest = (
        float(np.nanmin([*info.low[drawn], info.chance, 1.0])),
        float(np.nanmax([*info.high[drawn], info.chance, 0.0])),
    )
    return [max(-0.02, round(lowest - 0.05, 3)), min(1.02, round(highest + 0.05, 3))]


def _hover(info: Info, row: int) -> str:
    lines = [
        f"<b>{style.literal(info.name[row])}</b>",
        style.share(info.accuracy[row], info.low[row], info.high[row]),
    ]
    if np.isfinite(info.latency_ms[row]):
        lines.append(f"{info.latency_ms[row]:.1f} ms an image")
    if info.note[row]:
        lines.append(style.literal(info.note[row]))
    return "<br>".join(lines)


PLOTS.register("compare")(
    Plot(
        TITLE,
        "Accuracy of each method on images that were never used for choosing neurons; the bars are 95 % intervals, and "
        "methods whose bars overlap much cannot be told apart.",
        order=10,
        held_out=True,
        figure=figure,
        info=info,
        tab="compare",
    )
)
