"""Would other images have chosen the same neurons? How often each voter is chosen again from resampled probing images.

Takes a Run; returns the share of samples for each voter of the exit layer, and what blind luck would give.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from sn_viz.plots import PLOTS, Plot, style
from sn_viz.types import RunRecord

TITLE = "Would other images choose them?"


class Info(NamedTuple):
    """One entry for each voter, the steadiest first."""

    name: tuple[str, ...]
    again: np.ndarray
    """float64 (voter,): fraction of resampled probing sets in which it votes again."""
    by_luck: float
    """The fraction for a neuron that is picked blindly."""
    n: int
    """Resampled probing sets."""


def info(run: RunRecord) -> Info | None:
    """Return how steady each voter is; None when it was not measured."""
    found = run.findings.get("stability")
    if not found or not found["again"]:
        return None
    again = np.array(found["again"], dtype=np.float64)
    order = np.argsort(-again, kind="stable")
    return Info(tuple(found["neuron"][i] for i in order), again[order], float(found["by_luck"]), int(found["n_resamples"]))


def figure(info: Info, dark: bool = False) -> go.Figure:
    """Draw one bar for each voter."""
    look = style.theme(dark)
    result = style.canvas(TITLE, dark, height=190 + 20 * len(info.name))
    result.add_bar(
        x=style.numbers(info.again),
        y=list(range(len(info.name))),
        orientation="h",
        marker={"color": style.faded(look.accent, 0.8), "line": {"width": 0}},
        hovertext=[
            f"<b>{name}</b><br>chosen again in {style.percent(share)}" for name, share in zip(info.name, info.again, strict=True)
        ],
        hoverinfo="text",
        showlegend=False,
    )
    result.update_xaxes(title_text=f"Chosen again of {info.n} resamples", tickformat=".0%", range=[0, 1.02], nticks=6)
    result.update_yaxes(
        tickvals=list(range(len(info.name))), ticktext=list(info.name), range=[len(info.name) - 0.4, -0.6], tickfont={"size": 11}
    )
    return style.below_title(result, 0)


PLOTS.register("stability")(
    Plot(
        TITLE,
        "How often each super neuron is chosen again when the probing images are drawn anew with repeats; neurons that rarely come "
        "again owe their place to these very images, though others may answer as well.",
        order=40,
        figure=figure,
        info=info,
        tab="compare",
    )
)
