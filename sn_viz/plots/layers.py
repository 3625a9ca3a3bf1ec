"""Accuracy on held-out images, by the layer after which the model stops.

Takes a Run; returns one row per exit layer and the lines to compare with. It knows nothing of time (see ``tradeoff``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from sn_viz.plots import PLOTS, Plot, reference, style
from sn_viz.types import Interval, RunRecord

TITLE = "Accuracy by exit layer"


class Info(NamedTuple):
    """One row per exit layer."""

    layer: np.ndarray
    """int64 (layer,): from 1; 0 and less in the vision tower."""
    accuracy: np.ndarray
    """float64 (layer,): on images never used for selection."""
    low: np.ndarray
    high: np.ndarray
    """float64 (layer,): its 95 % interval."""
    cross_validated: np.ndarray
    """float64 (layer,): on the probing split; NaN where it was not computed."""
    exit_layer: int
    full_model: Interval | None
    chance: float
    """Always giving the commonest label of the test split."""
    luck: float | None
    """Best neuron of shuffled labels on the images it was selected on (95 %): what selection alone can feign."""
    others: tuple[tuple[str, np.ndarray], ...]
    """Other methods that answer at every layer: readable name, float64 (layer,)."""
    n: int
    """Test images."""
    names: tuple[str, ...] = ()
    """(layer,): what people call each, such as "3" or "V4"."""
    full_model_name: str = "full model"
    """Marked where its accuracy rests on an inferred reading."""


def info(run: RunRecord) -> Info:
    """Return the accuracy of every exit layer with everything it should be compared with."""
    rows = sorted(run.by_layer, key=lambda row: row.layer)
    full = reference.baseline(run, "full-model")
    return Info(
        np.array([row.layer for row in rows], dtype=np.int64),
        np.array([row.accuracy.value for row in rows], dtype=np.float64),
        np.array([row.accuracy.low for row in rows], dtype=np.float64),
        np.array([row.accuracy.high for row in rows], dtype=np.float64),
        np.array([row.cv_accuracy for row in rows], dtype=np.float64),
        run.exit_layer,
        None if full is None or not np.isfinite(reference.measured(full).value) else full.accuracy,
        reference.commonest_answer(run),
        reference.luck(run),
        tuple(
            (reference.shown_name(run, method.name), np.array([step.value for step in method.by_layer], dtype=np.float64))
            for method in run.baselines
            if method.by_layer
        ),
        rows[0].accuracy.n if rows else 0,
        tuple(run.neurons.layer_name(row.layer) for row in rows),
        reference.shown_name(run, "full-model").replace("Full", "full", 1),
    )


def figure(info: Info, dark: bool = False) -> go.Figure:
    """Draw accuracy by exit layer; a point's ``customdata`` is its layer."""
    if not len(info.layer):
        return style.empty(TITLE, "No exit layer has been measured yet.", dark)
    look = style.theme(dark)
    result = style.canvas(TITLE, dark, height=470)
    _add_references(result, info, look)
    _add_others(result, info, dark)
    _add_super_neurons(result, info, look)
    result.update_xaxes(title_text="Stop after layer", zeroline=False, **_ticks(info))
    result.update_yaxes(title_text=f"Accuracy, {info.n} held-out images", tickformat=".0%", zeroline=False, range=_range(info))
    return style.below_title(result, 6)


def _ticks(info: Info) -> dict:
    ends = [float(info.layer.min()) - 0.4, float(info.layer.max()) + 0.4]
    return {**style.layer_ticks(info.layer.tolist(), info.names), "range": ends}


def _range(info: Info) -> list[float]:
    """From a little below the lowest thing drawn to a little above 100 %."""
    parts = [info.low, info.cross_validated, [info.chance, np.nan if info.full_model is None else info.full_model.low]]
    parts += [values for _, values in info.others]
    return [max(0.0, float(np.nanmin(np.concatenate(parts))) - 0.05), 1.02]


def _add_super_neurons(result: go.Figure, info: Info, look: style.Theme) -> None:
    layers = info.layer.tolist()
    result.add_scatter(
        x=layers + layers[::-1],
        y=style.numbers(info.high) + style.numbers(info.low)[::-1],
        fill="toself",
        fillcolor=style.faded(look.accent, 0.18),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
    )
    result.add_scatter(
        x=layers,
        y=style.numbers(info.cross_validated),
        mode="lines",
        name="cross-validated, probing images",
        line={"color": look.accent, "width": 2, "dash": "dash"},
        hovertext=[
            f"layer {name}<br>cross-validated {style.percent(value)}"
            for name, value in zip(info.names, info.cross_validated, strict=True)
        ],
        hoverinfo="text",
        customdata=layers,
    )
    result.add_scatter(
        x=layers,
        y=style.numbers(info.accuracy),
        mode="lines+markers",
        name="super neurons (95 % band)",
        line={"color": look.accent, "width": 3},
        marker={"size": 8},
        hovertext=[
            f"<b>stop after layer {name}</b><br>{style.share(value, low, high)}"
            for name, value, low, high in zip(info.names, info.accuracy, info.low, info.high, strict=True)
        ],
        hoverinfo="text",
        customdata=layers,
    )
    chosen = np.flatnonzero(info.layer == info.exit_layer)
    result.add_scatter(
        x=info.layer[chosen].tolist(),
        y=style.numbers(info.accuracy[chosen]),
        mode="markers",
        name=f"chosen exit: layer {''.join(info.names[row] for row in chosen) or info.exit_layer}",
        marker={"size": 18, "symbol": "circle-open", "color": look.ink, "line": {"width": 3}},
        hoverinfo="skip",
    )


def _add_references(result: go.Figure, info: Info, look: style.Theme) -> None:
    ends = [float(info.layer.min()) - 0.4, float(info.layer.max()) + 0.4]
    if info.full_model is not None:
        full = info.full_model
        result.add_scatter(
            x=ends + ends[::-1],
            y=style.numbers([full.high, full.high, full.low, full.low]),
            fill="toself",
            fillcolor=style.faded(look.rival, 0.13),
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
        )
    lines = (
        (None if info.full_model is None else info.full_model.value, info.full_model_name, look.rival, "solid"),
        (info.luck, "shuffled labels, best 5 %", look.luck, "dot"),
        (info.chance if np.isfinite(info.chance) else None, "always the commonest answer", look.faint, "dashdot"),
    )
    for value, name, colour, dash in lines:
        if value is not None:
            result.add_scatter(
                x=ends,
                y=style.numbers([value, value]),
                mode="lines",
                name=f"{name}: {style.percent(value)}",
                line={"color": colour, "dash": dash, "width": 2},
                hoverinfo="skip",
            )


def _add_others(result: go.Figure, info: Info, dark: bool) -> None:
    for position, (name, values) in enumerate(info.others):
        result.add_scatter(
            x=list(range(1, len(values) + 1)),
            y=style.numbers(values),
            mode="lines+markers",
            name=style.literal(name),
            visible="legendonly",
            line={"color": reference.method_colour(name, dark), "width": 2},
            marker={"symbol": style.class_symbol(position + 1), "size": 7},
            hovertext=[
                f"{style.literal(name)}, layer {layer}<br>{style.percent(value)}" for layer, value in enumerate(values, start=1)
            ],
            hoverinfo="text",
        )


PLOTS.register("layers")(
    Plot(
        TITLE,
        "Accuracy if the model stops after each layer; a curve that reaches the full model's line early means the later "
        "layers were not needed.",
        order=20,
        held_out=True,
        figure=figure,
        info=info,
        tab="exit",
    )
)
