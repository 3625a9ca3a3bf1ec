"""One image, live: what the super neurons say block by block, and when.

Takes plain arrays from one streamed forward pass; returns votes and milliseconds by layer. It knows nothing of how they were
measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from sn_viz.formatting import milliseconds
from sn_viz.plots import PLOTS, Plot, style
from sn_viz.types import layer_name

TITLE = "Early exit against the full model"
VOTES, CLOCK = [0.56, 1.0], [0.0, 0.42]
"""Where the upper and lower half of the figure lie, as fractions of its height."""


class Info(NamedTuple):
    """One image's race, one row per layer."""

    share: np.ndarray
    """float64 (layer, class): share of the vote; a row of NaN where no voter has spoken."""
    milliseconds: np.ndarray
    """float64 (layer,): when the block of the full model's lane had finished; NaN where it has not yet."""
    classes: tuple[str, ...]
    exit_layer: int
    """Row of the exit, counted from 1; 0 when the race has not reached an exit."""
    exit_ms: float
    """NaN when there was no exit."""
    exit_answer: str
    full_ms: float
    """When the full model's answer was complete; NaN when it was not run."""
    full_answer: str
    truth: str
    first_layer: int = 1
    """The layer of the first row: 1, or less when the vision tower was read."""

    @property
    def names(self) -> tuple[str, ...]:
        """What people call each layer, such as "3" or "V4"."""
        return tuple(layer_name(self.first_layer + row, 1 - self.first_layer) for row in range(len(self.milliseconds)))


def info(
    tally: np.ndarray,
    milliseconds: np.ndarray,
    classes: Sequence[str],
    exit_layer: int,
    *,
    exit_ms: float | None = None,
    full_ms: float = float("nan"),
    full_answer: str = "",
    truth: str = "",
    first_layer: int = 1,
) -> Info:
    """Return one image's race.

    Parameters
    ----------
    tally : float (layer, class)
        Share of the vote after each layer; fewer layers than the model has while the race still runs.
    milliseconds : float (layer,)
        When each block of the full model's lane had finished, from the decoded image; NaN where it has not yet.
    classes : sequence of str
    exit_layer : int
        The layer after which the early exit answers. A layer that is not reached yet counts as no exit.
    exit_ms : float, optional
        When the early exit had answered; by default the time of its layer.
    full_ms, full_answer : float, str
        The full model's answer and when it was complete; NaN and "" when it was not run.
    truth : str
        The image's label; "" when unknown.
    first_layer : int
        The layer of the first row: 1, or less when the vision tower was read.

    Raises
    ------
    ValueError
        When the shapes disagree.
    """
    share, clock = np.asarray(tally, dtype=np.float64), np.asarray(milliseconds, dtype=np.float64)
    share = share.reshape(0, len(classes)) if not share.size else share
    if share.shape != (len(clock), len(classes)):
        raise ValueError(f"votes {share.shape} do not match {len(clock)} layers and {len(classes)} classes")
    row = exit_layer - first_layer + 1
    reached = 1 <= row <= len(clock)
    winner = share[row - 1] if reached else np.full(len(classes), np.nan)
    return Info(
        share,
        clock,
        tuple(classes),
        row if reached else 0,
        float("nan") if not reached else float(clock[row - 1] if exit_ms is None else exit_ms),
        classes[int(np.nanargmax(winner))] if np.isfinite(winner).any() else "",
        float(full_ms),
        full_answer,
        truth,
        first_layer,
    )


def figure(info: Info, dark: bool = False) -> go.Figure:
    """Draw votes by layer above and elapsed time by layer below, on one layer axis; class colours appear above only."""
    if not len(info.milliseconds):
        return style.empty(TITLE, "Choose an image and start the race.", dark)
    result = style.canvas(TITLE, dark, height=520)
    layers = list(range(1, len(info.milliseconds) + 1))
    _add_votes(result, info, layers, dark)
    _add_clock(result, info, layers, dark)
    ticks = style.layer_ticks(layers, info.names)
    result.update_layout(
        barmode="stack",
        bargap=0.12,
        xaxis={"title": {"text": "Layer"}, "anchor": "y2", "range": [0.4, len(layers) + 0.6], **ticks},
        yaxis={"domain": VOTES, "title": {"text": "Vote"}, "tickformat": ".0%", "range": [0, 1.001], "tickvals": [0, 0.5, 1]},
        yaxis2={
            **result.to_dict()["layout"]["yaxis"],
            "domain": CLOCK,
            "title": {"text": "Elapsed ms", "standoff": 8, "font": {"size": 14}},
            "tickformat": None,
            "tickvals": None,
            "range": [0, 1.12 * _latest(info)],
        },
    )
    result.update_xaxes(zeroline=False, showgrid=False)
    if info.exit_layer:
        band = {"x0": info.exit_layer - 0.5, "x1": info.exit_layer + 0.5, "y0": 0, "y1": 1, "xref": "x", "yref": "paper"}
        result.add_shape(type="rect", line={"color": style.theme(dark).ink, "width": 2}, **band)
    return style.below_title(result, 2 + len(info.classes) // 2)


def _latest(info: Info) -> float:
    times = np.array([*info.milliseconds, info.full_ms, info.exit_ms])
    return float(times[np.isfinite(times)].max(initial=1.0))


def _add_votes(result: go.Figure, info: Info, layers: list[int], dark: bool) -> None:
    colours = style.class_colours(info.classes, dark)
    for index, name in enumerate(info.classes):
        shown = style.literal(name, 30)
        result.add_bar(
            x=layers,
            y=style.numbers(info.share[:, index]),
            name=shown,
            marker={"color": colours[index], "opacity": 0.85, "line": {"width": 0}},
            hovertext=[
                f"layer {layer}<br>{shown}: {style.percent(share)}"
                for layer, share in zip(info.names, info.share[:, index], strict=True)
            ],
            hoverinfo="text",
        )


def _add_clock(result: go.Figure, info: Info, layers: list[int], dark: bool) -> None:
    look = style.theme(dark)
    result.add_scatter(
        x=layers,
        y=style.numbers(info.milliseconds),
        yaxis="y2",
        mode="lines+markers",
        name="full model: block finished",
        line={"color": look.rival, "width": 2, "shape": "hv"},
        marker={"size": 6},
        hovertext=[
            f"layer {layer} of the full model done at {milliseconds(value)}"
            for layer, value in zip(info.names, info.milliseconds, strict=True)
        ],
        hoverinfo="text",
    )
    if info.exit_layer:
        result.add_scatter(
            x=[info.exit_layer],
            y=style.numbers([info.exit_ms]),
            yaxis="y2",
            mode="markers",
            name=f"exit: {_said(info.exit_answer)} at {info.exit_ms:.0f} ms",
            marker={"size": 14, "symbol": "diamond", "color": look.accent},
            hoverinfo="name",
        )
    if np.isfinite(info.full_ms):
        result.add_scatter(
            x=[0.4, len(layers) + 0.6],
            y=style.numbers([info.full_ms] * 2),
            yaxis="y2",
            mode="lines",
            name=f"full model: {_said(info.full_answer)} at {info.full_ms:.0f} ms",
            line={"color": look.rival, "width": 3, "dash": "dash"},
            hoverinfo="name",
        )


def _said(answer: str) -> str:
    return style.literal(answer, 14) if answer else "no answer"


PLOTS.register("race")(
    Plot(
        TITLE,
        "What the super neurons said about one image after every layer, and when exit and full model had answered, on one clock "
        "from the decoded picture; the frame marks the exit. The votes are read in a pass of their own.",
        order=90,
        figure=figure,
        tab="exit",
        in_report=False,
    )
)
