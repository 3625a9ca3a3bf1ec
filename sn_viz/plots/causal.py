"""Is it causal? How often the full model's answer moves when neurons are overwritten, chosen ones against random ones.

Takes a Run that was asked so (`sn_viz.checks.causal`); returns a pair of bars for each kind of overwriting. It knows nothing about
models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from sn_viz.plots import PLOTS, Plot, style
from sn_viz.types import Run

TITLE = "Does the answer depend on them?"
NAMES = {"mean": "set to their mean", "zero": "set to zero", "other-class": "set to the other answer's mean"}


class Info(NamedTuple):
    """One entry for each kind of overwriting."""

    name: tuple[str, ...]
    chosen: np.ndarray
    chosen_low: np.ndarray
    chosen_high: np.ndarray
    """float64 (kind,): fraction of images whose answer moved, and its 95 % interval."""
    random: np.ndarray
    random_low: np.ndarray
    random_high: np.ndarray
    """float64 (kind,): the same with random neurons of the same layers and sites."""
    difference: tuple[str, ...]
    """Chosen minus random with its paired 95 % interval, as text."""
    n_neurons: int
    n_images: int


def info(run: Run) -> Info | None:
    """Return the shares of every kind of overwriting; None when the run was not asked."""
    found = run.findings.get("causal")
    if not found:
        return None
    kinds: list[dict[str, Any]] = found["kinds"]
    gaps = [one["difference"] for one in kinds]
    return Info(
        tuple(NAMES[one["kind"]] for one in kinds),
        *_ends([one["moved"] for one in kinds]),
        *_ends([one["random_moved"] for one in kinds]),
        tuple(f"{style.percent(gap['value'])} ({style.percent(gap['low'])} to {style.percent(gap['high'])})" for gap in gaps),
        max((one["n_neurons"] for one in kinds), default=0),
        max((gap["n"] for gap in gaps), default=0),
    )


def _ends(intervals: Sequence[Mapping[str, float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    value, low, high = np.array([(one["value"], one["low"], one["high"]) for one in intervals], dtype=np.float64).reshape(-1, 3).T
    return value, low, high


def figure(info: Info, dark: bool = False) -> go.Figure:
    """Draw two bars for each kind of overwriting."""
    if not info.n_images:
        return style.empty(TITLE, "No neuron has been overwritten yet.", dark)
    look = style.theme(dark)
    result = style.canvas(TITLE, dark, height=400)
    bars = (
        (f"the {info.n_neurons} chosen neurons", look.accent, info.chosen, info.chosen_low, info.chosen_high),
        ("as many random neurons of the same layers and sites", look.luck, info.random, info.random_low, info.random_high),
    )
    for name, colour, value, low, high in bars:
        spread = {
            "type": "data",
            "symmetric": False,
            "array": style.numbers(high - value),
            "arrayminus": style.numbers(value - low),
            "color": look.ink,
            "thickness": 1.5,
            "width": 4,
        }
        result.add_bar(
            x=list(map(style.wrapped, info.name)),
            y=style.numbers(value),
            name=name,
            marker={"color": style.faded(colour, 0.8), "line": {"width": 0}},
            error_y=spread,
            hovertext=[_hover(info, kind, name, value, low, high) for kind in range(len(info.name))],
            hoverinfo="text",
        )
    result.update_yaxes(
        title_text=f"Answers that moved, of {info.n_images:,}", tickformat=".0%", rangemode="tozero", zeroline=False
    )
    result.update_layout(barmode="group", bargap=0.3)
    return style.below_title(result, 3)


def _hover(info: Info, kind: int, name: str, value: np.ndarray, low: np.ndarray, high: np.ndarray) -> str:
    return (
        f"<b>{name}</b> {info.name[kind]}<br>{style.percent(value[kind])} ({style.percent(low[kind])} to "
        f"{style.percent(high[kind])})<br>chosen minus random: {info.difference[kind]}"
    )


PLOTS.register("causal")(
    Plot(
        TITLE,
        "How often the full model changes its answer when the chosen neurons are overwritten, beside equally many random neurons "
        "of the same layers and sites; where the pairs stand alike, nothing shows that the model uses the chosen ones.",
        order=60,
        figure=figure,
        info=info,
        missing="Not asked yet.",
        hint="Overwriting is done in the full pass, at the last prompt position.",
    )
)
