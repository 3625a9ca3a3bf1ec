"""Is it causal? How often the full model's answer moves when neurons are overwritten, chosen ones against random ones.

Takes a Run that was asked so (`sn_viz.checks.causal`); returns a pair of bars for each kind of overwriting. It knows nothing about
models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from sn_viz.plots import PLOTS, Plot, style
from sn_viz.types import RunRecord

TITLE = "Does the answer depend on them?"
NAMES = {"mean": "set to their mean", "zero": "set to zero", "other-class": "set to the other answer's mean"}


class Bars(NamedTuple):
    """One bar for each kind of overwriting, with its 95 % interval: float64 (kind,) each."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Info(NamedTuple):
    """One entry for each kind of overwriting."""

    name: tuple[str, ...]
    moved: tuple[Bars, Bars]
    """Fraction of images whose answer moved: with the chosen neurons, and with random ones of the same layers and sites."""
    fall: tuple[Bars, Bars]
    """By how much the lead of the answer fell, in logits: effects too small to turn an answer."""
    difference: tuple[str, ...]
    """Chosen minus random with its paired 95 % interval, as text."""
    n_neurons: int
    n_images: int


def info(run: RunRecord) -> Info | None:
    """Return what every kind of overwriting did; None when the run was not asked."""
    found = run.findings.get("causal")
    if not found:
        return None
    kinds: list[dict[str, Any]] = found["kinds"]
    gaps = [one["difference"] for one in kinds]
    return Info(
        tuple(NAMES[one["kind"]] for one in kinds),
        (_bars(kinds, "moved"), _bars(kinds, "random_moved")),
        (_bars(kinds, "fall"), _bars(kinds, "random_fall")),
        tuple(style.share(gap["value"], gap["low"], gap["high"]) for gap in gaps),
        max((one["n_neurons"] for one in kinds), default=0),
        max((gap["n"] for gap in gaps), default=0),
    )


def _bars(kinds: Sequence[Mapping[str, Any]], what: str) -> Bars:
    ends = np.array([[one[what][end] for end in Bars._fields] for one in kinds], dtype=np.float64)
    return Bars(*ends.reshape(-1, 3).T)


def figure(info: Info, dark: bool = False) -> go.Figure:
    """Draw two bars for each kind of overwriting: answers that moved above, the fall of the lead below."""
    if not info.n_images:
        return style.empty(TITLE, "No neuron has been overwritten yet.", dark)
    look = style.theme(dark)
    result = style.canvas(TITLE, dark, height=520)
    axis: Any = result["layout"]["yaxis"]
    result.update_layout(barmode="group", bargap=0.3, yaxis_domain=[0.56, 1], yaxis2=axis.to_plotly_json())
    names = (f"the {info.n_neurons} chosen neurons", "as many random ones"), (look.accent, look.luck)
    for axis, pair, unit in (("y", info.moved, style.percent), ("y2", info.fall, _logits)):
        for name, colour, bars in zip(*names, pair, strict=True):
            result.add_bar(
                x=list(map(style.wrapped, info.name)),
                y=style.numbers(bars.value),
                yaxis=axis,
                name=name,
                showlegend=axis == "y",
                marker={"color": style.faded(colour, 0.8), "line": {"width": 0}},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": style.numbers(bars.high - bars.value),
                    "arrayminus": style.numbers(bars.value - bars.low),
                    "color": look.ink,
                    "thickness": 1.5,
                    "width": 4,
                },
                hovertext=[_hover(info, kind, name, bars, unit) for kind in range(len(info.name))],
                hoverinfo="text",
            )
    result.update_layout(
        xaxis_anchor="y2",
        yaxis={"title": {"text": "answers moved"}, "tickformat": ".0%", "rangemode": "tozero", "zeroline": False, "nticks": 4},
        yaxis2={"title": {"text": "lead fell (logits)"}, "domain": [0, 0.44], "anchor": "x", "rangemode": "tozero", "nticks": 4},
    )
    return style.below_title(result, 2)


def _logits(value: float) -> str:
    return f"{value:.2f} logits"


def _hover(info: Info, kind: int, name: str, bars: Bars, unit: Callable[[float], str]) -> str:
    value, low, high = (unit(float(end[kind])) for end in bars)
    return f"<b>{name}</b> {info.name[kind]}<br>{value} ({low} to {high})<br>moved, chosen minus random: {info.difference[kind]}"


PLOTS.register("causal")(
    Plot(
        TITLE,
        "How often the full model changes its answer when the chosen neurons are overwritten, beside equally many random neurons "
        "of the same layers and sites, and how far the answer's lead over the next falls; where the pairs stand alike, nothing "
        "shows that the model uses the chosen ones.",
        order=60,
        held_out=True,
        figure=figure,
        info=info,
        missing="Not asked yet.",
        hint="Overwriting is done in the full pass, at the last prompt position.",
    )
)
