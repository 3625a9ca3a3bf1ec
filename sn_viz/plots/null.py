"""How good the best neuron would look if the labels meant nothing.

Takes a Run; returns the best scores under shuffled labels and the best score found.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from sn_viz import formatting
from sn_viz.plots import PLOTS, Plot, reference, style
from sn_viz.types import RunRecord

TITLE = "Could it be luck?"
BINS = 20


class Info(NamedTuple):
    """Best scores of meaningless labellings, binned."""

    edges: np.ndarray
    """float64 (bin + 1,): empty when no null was computed."""
    labellings: np.ndarray
    """int64 (bin,): how many scored in it."""
    luck: float | None
    """95 % of labellings stay below."""
    best: float
    """The best score found with the true labels; NaN when there is none."""
    as_good: int
    """Shuffled labellings whose best neuron scores at least as high."""
    n: int
    """Shuffled labellings."""
    metric: str

    @property
    def p_value(self) -> float:
        """Share of labellings, the true one included, that do at least as well."""
        return (self.as_good + 1) / (self.n + 1)


def info(run: RunRecord) -> Info:
    """Return the permutation null and where the true labels' best neuron stands in it."""
    scores = run.null_scores[np.isfinite(run.null_scores)].astype(np.float64)
    found = run.stumps.score[np.isfinite(run.stumps.score)]
    best = float(found.max()) if len(found) else float("nan")
    if not len(scores):
        return Info(np.empty(0), np.empty(0, dtype=np.int64), None, best, 0, 0, run.config.metric)
    count, edges = np.histogram(scores, bins=BINS)
    return Info(edges, count, reference.luck(run), best, int((scores >= best).sum()), len(scores), run.config.metric)


def _range(info: Info) -> list[float]:
    low, high = float(info.edges[0]), float(np.nanmax([info.edges[-1], info.best]))
    margin = 0.04 * (high - low)
    return style.numbers([low - margin, high + margin], 6)


def figure(info: Info, dark: bool = False) -> go.Figure:
    """Draw the null's histogram, its 95 % line and the best score found."""
    if not info.n:
        return style.empty(TITLE, "No shuffled labelling has been scored.", dark)
    look = style.theme(dark)
    result = style.canvas(TITLE, dark, height=340)
    centres = (info.edges[:-1] + info.edges[1:]) / 2
    result.add_bar(
        x=style.numbers(centres, 5),
        y=info.labellings.tolist(),
        width=float(f"{info.edges[1] - info.edges[0]:.5g}"),
        name=f"{info.n} shuffled labellings",
        marker={"color": style.faded(look.luck, 0.5), "line": {"width": 0}},
        hovertext=[
            f"best neuron near {centre:.3f}<br>{count} labellings" for centre, count in zip(centres, info.labellings, strict=True)
        ],
        hoverinfo="text",
    )
    top = 1.08 * max(1, int(info.labellings.max()))
    lines = ((info.luck, "95 % stay below", look.luck, "dot"), (info.best, "true labels", look.accent, "solid"))
    p = f" (p = {formatting.probability(info.p_value)})"
    for value, name, colour, dash in lines:
        if value is not None and np.isfinite(value):
            result.add_scatter(
                x=style.numbers([value, value]),
                y=[0, top],
                mode="lines",
                name=f"{name}: {value:.3f}{p if dash == 'solid' else ''}",
                line={"color": colour, "width": 3, "dash": dash},
                hoverinfo="name",
            )
    result.update_xaxes(
        title_text=f"Best neuron's {style.literal(formatting.metric_name(info.metric))}",
        zeroline=False,
        nticks=6,
        range=_range(info),
    )
    result.update_yaxes(title_text="Labellings", range=[0, top], nticks=5)
    return style.below_title(result, 2)


PLOTS.register("null")(
    Plot(
        TITLE,
        "The best neuron under shuffled, meaningless labels; the true labels' line should stand clear of the bars, "
        "otherwise the neuron may be a lucky find.",
        order=50,
        figure=figure,
        info=info,
        tab="compare",
        hint="With this many neurons, some fit any labelling. Finds count when they beat shuffled labels.",
    )
)
