"""Risk against depth: what every margin threshold risks, and how early it lets the model stop.

Takes a policy's trial (`sn_viz.early_exit.trial.trial_of_run`): calibration counts and test measurements of every threshold.
Returns one point per threshold, the level, the chosen one. It knows nothing about votes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import plotly.graph_objects as go

from sn_viz.plots import PLOTS, Plot, style
from sn_viz.types import layer_name

if TYPE_CHECKING:
    from sn_viz.early_exit.trial import Trial

TITLE = "Risk against depth"
RISK_NAMES = {"disagreement": "Disagreement with the full model", "error": "Error against the labels"}


class Info(NamedTuple):
    """One point per threshold, in the order they were tested: the most cautious first."""

    risk: str
    """"disagreement" or "error"."""
    threshold: np.ndarray
    calibration_layer: np.ndarray
    calibration_risk: np.ndarray
    upper: np.ndarray
    """float64 (rung,): on the calibration images: average exit layer, share that went wrong, its one-sided 95 % bound."""
    test_layer: np.ndarray
    test_risk: np.ndarray
    """float64 (rung,): the same two on the test images; NaN without any."""
    certified: np.ndarray
    """bool (rung,)."""
    chosen: int
    """Position of the chosen threshold; -1 when nothing was certified and the full model answers everything."""
    level: float
    confidence: float
    n_calibration: int
    n_test: int
    test_low: float
    test_high: float
    """95 % interval of the chosen threshold's risk on the test images."""
    last_layer: int
    speedup: float
    """Expected, against the full model's answer; NaN when not known."""
    n_tower: int = 0
    """How many blocks of the vision tower were read: layers of 0 and less."""


def info(trial: Trial, n_tower: int = 0) -> Info:
    """Return every threshold of a trial; ``n_tower`` blocks of the vision tower come before layer 1."""
    seen, found = trial.policy.certificate, trial.outcome
    return Info(
        seen.risk,
        seen.threshold,
        seen.mean_layer,
        seen.losses / seen.n if seen.n else np.full(len(seen.losses), np.nan),
        seen.upper,
        trial.test_layer,
        trial.test_risk,
        seen.certified,
        int(seen.certified.sum()) - 1,
        seen.level,
        seen.confidence,
        seen.n,
        found.risk.n,
        found.risk.low,
        found.risk.high,
        trial.last_layer,
        found.speedup,
        n_tower,
    )


def figure(info: Info, dark: bool = False) -> go.Figure:
    """Draw average exit layer against risk; a point's ``customdata`` is its threshold."""
    if not info.n_calibration:
        return style.empty(TITLE, "There are no calibration images.", dark)
    look = style.theme(dark)
    result = style.canvas(TITLE, dark, height=460)
    bound = f"{100 * info.confidence:.0f} % bound, {info.n_calibration:,} calibration images"
    _add_line(result, info, info.calibration_layer, info.upper, bound, look.luck, "dash", "line-ns-open")
    if info.n_test:
        name = f"measured, {info.n_test:,} test images"
        _add_line(result, info, info.test_layer, info.test_risk, name, look.accent, "solid", "circle")
    edges = [*info.calibration_layer, *info.test_layer, info.last_layer]
    result.add_scatter(
        x=style.numbers([np.nanmin(edges), np.nanmax(edges)]),
        y=style.numbers([info.level] * 2),
        mode="lines",
        name=f"level not to be passed: {style.percent(info.level)}",
        line={"color": look.ink, "width": 2, "dash": "dot"},
        hoverinfo="name",
    )
    _add_choice(result, info, look)
    layers = range(1 - info.n_tower, info.last_layer + 1)
    ticks = style.layer_ticks(list(layers), [layer_name(layer, info.n_tower) for layer in layers])
    title = f"Average exit layer, of {layer_name(info.last_layer, info.n_tower)}"
    result.update_xaxes(title_text=title, zeroline=False, **ticks)
    result.update_yaxes(title_text=RISK_NAMES[info.risk], tickformat=".0%", rangemode="tozero", zeroline=False)
    return style.below_title(result, 4)


def _add_line(
    result: go.Figure, info: Info, layer: np.ndarray, risk: np.ndarray, name: str, colour: str, dash: str, symbol: str
) -> None:
    result.add_scatter(
        x=style.numbers(layer),
        y=style.numbers(risk),
        mode="lines+markers",
        name=name,
        line={"color": colour, "width": 2, "dash": dash},
        marker={"color": colour, "size": 7, "symbol": symbol},
        customdata=style.numbers(info.threshold),
        hovertext=[_hover(info, rung) for rung in range(len(info.threshold))],
        hoverinfo="text",
    )


def _add_choice(result: go.Figure, info: Info, look: style.Theme) -> None:
    """Mark what was chosen: with the interval of the test images where there are some, else at the bound."""
    if info.chosen < 0:
        x, y, name = float(info.last_layer), 0.0, "nothing certified: the full model answers"
        if info.risk == "error" or not info.n_test:
            y = np.nan
    else:
        at_test = info.n_test > 0
        x = float((info.test_layer if at_test else info.calibration_layer)[info.chosen])
        y = float((info.test_risk if at_test else info.upper)[info.chosen])
        name = f"chosen: margin {info.threshold[info.chosen]:g}"
        if np.isfinite(info.speedup):
            name += f", {info.speedup:.1f}× as fast"
    shown = info.n_test > 0 and np.isfinite(y)
    result.add_scatter(
        x=style.numbers([x]),
        y=style.numbers([y]),
        error_y={
            "type": "data",
            "symmetric": False,
            "array": style.numbers([info.test_high - y]) if shown else [0],
            "arrayminus": style.numbers([y - info.test_low]) if shown else [0],
            "color": look.ink,
            "thickness": 2,
            "width": 5,
        },
        mode="markers",
        name=name,
        marker={"color": look.ink, "size": 14, "symbol": "diamond"},
        customdata=style.numbers([info.threshold[info.chosen]]) if info.chosen >= 0 else [None],
        hoverinfo="name",
    )


def _hover(info: Info, rung: int) -> str:
    lines = [
        f"<b>margin {info.threshold[rung]:g}</b> ({'certified' if info.certified[rung] else 'not certified'})",
        f"calibration: {style.percent(info.calibration_risk[rung])}, at most {style.percent(info.upper[rung])}, "
        f"exit layer {info.calibration_layer[rung]:.2f}",
    ]
    if info.n_test:
        lines.append(f"test: {style.percent(info.test_risk[rung])}, exit layer {info.test_layer[rung]:.2f}")
    return "<br>".join(lines)


PLOTS.register("policies")(
    Plot(
        TITLE,
        "Each mark is a margin that a vote must reach before the model may stop; left is earlier, up is riskier. The dashed line "
        "is what the calibration images cannot rule out; the choice is the boldest margin before it passes the dotted level.",
        order=35,
        held_out=True,
        figure=figure,
        in_report=False,
        hint="Left is earlier, up is riskier. Dashed: what the calibration images cannot rule out.",
    )
)
