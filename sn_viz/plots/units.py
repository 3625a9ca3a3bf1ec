"""Inside one block: its best units, one mark each.

Takes a Run, a layer and a site; returns the top units. It knows nothing of other blocks (see ``heatmap``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from sn_viz.formatting import metric_name
from sn_viz.plots import PLOTS, Plot, heatmap, reference, style
from sn_viz.types import RunRecord


class Info(NamedTuple):
    """The best units of one block and site, best first; equals in order of unit."""

    layer: int
    site: str
    neuron: np.ndarray
    """int64 (unit,): column of the activations."""
    unit: np.ndarray
    """int64 (unit,): index inside the site's vector."""
    score: np.ndarray
    """float64 (unit,)."""
    is_voter: np.ndarray
    """bool (unit,): whether it votes at the run's exit layer."""
    says: tuple[str, ...]
    """(unit,): the class its best stump speaks for."""
    n_units: int
    """How many units the block has at this site."""
    luck: float | None
    metric: str
    layer_name: str = ""
    """What people call the layer, such as "3" or "V4"."""


def info(run: RunRecord, layer: int, site: str, top: int = 60) -> Info:
    """Return the ``top`` best units of ``site`` in ``layer`` (from 1).

    Units without a defined score are left out. With several classes a unit stands for its best class.

    Raises
    ------
    ValueError
        When the run has no such layer or site.
    """
    neurons, stumps = run.neurons, run.stumps
    if site not in neurons.site_names or layer not in neurons.layers:
        there = f"layers {neurons.layers.start} to {neurons.n_layers}"
        raise ValueError(f"no site {site!r} in layer {layer}; sites {neurons.site_names}, {there}")
    here = (neurons.layer == layer) & (neurons.site == neurons.site_names.index(site))
    mine = np.flatnonzero(here[stumps.neuron] & np.isfinite(stumps.score))
    share = reference.above_chance(run, stumps.score[mine], stumps.class_index[mine])
    mine = mine[np.lexsort((stumps.neuron[mine], -share))]
    _, first = np.unique(stumps.neuron[mine], return_index=True)
    mine = mine[np.sort(first)][:top]
    voters = run.voters[run.exit_index].neuron if run.voters else np.empty(0, dtype=np.int64)
    return Info(
        layer,
        site,
        stumps.neuron[mine],
        neurons.unit[stumps.neuron[mine]].astype(np.int64),
        stumps.score[mine].astype(np.float64),
        np.isin(stumps.neuron[mine], voters),
        tuple(run.train.classes[index] for index in stumps.class_index[mine]),
        int(here.sum()),
        reference.luck(run),
        run.config.metric,
        neurons.layer_name(layer),
    )


def info_of_best(run: RunRecord) -> Info | None:
    """Return the units of the block and site that hold the best neuron of all; None when no neuron has a score."""
    best = heatmap.best(heatmap.info(run))
    return None if best is None else info(run, best[0], best[1])


def figure(info: Info, dark: bool = False) -> go.Figure:
    """Draw unit against score; a point's ``customdata`` is [layer, site, neuron column]."""
    return go.Figure(drawing(info, dark))


def drawing(info: Info, dark: bool = False) -> style.Drawing:
    """Draw the same as Plotly's JSON."""
    title = f"Units of layer {info.layer_name}, {style.literal(info.site)}"
    if not len(info.neuron):
        return style.empty_drawing(title, "No unit of this block has a score.", dark)
    look = style.theme(dark)
    result = style.blank(title, dark, height=340)
    across = [-0.02 * info.n_units, 1.02 * info.n_units]
    for chosen, name, colour, symbol in (
        (False, "other top units", look.faint, "circle"),
        (True, "super neurons", look.accent, "diamond"),
    ):
        rows = np.flatnonzero(info.is_voter == chosen)
        if not len(rows):
            continue
        points = {
            "type": "scatter",
            "x": info.unit[rows].tolist(),
            "y": style.numbers(info.score[rows]),
            "mode": "markers",
            "name": name,
            "marker": {"color": colour, "symbol": symbol, "size": 11, "line": {"color": look.page, "width": 1}},
            "customdata": [[info.layer, info.site, int(info.neuron[row])] for row in rows],
            "hovertext": [_hover(info, int(row)) for row in rows],
            "hoverinfo": "text",
            "showlegend": True,
        }
        result["data"].append(points)
    if info.luck is not None:
        luck = {
            "type": "scatter",
            "x": across,
            "y": style.numbers([info.luck] * 2),
            "mode": "lines",
            "name": "best under shuffled labels (95 %)",
            "line": {"color": look.luck, "dash": "dot", "width": 2},
            "hoverinfo": "skip",
        }
        result["data"].append(luck)
    changes = {
        "xaxis": {"title": {"text": f"Unit (of {info.n_units:,})"}, "range": across, "zeroline": False},
        "yaxis": {"title": {"text": style.literal(metric_name(info.metric))}, "zeroline": False, "tickformat": ".2f"},
        "margin": {"b": style.bottom(2)},
    }
    return style.update(result, changes)


def _hover(info: Info, row: int) -> str:
    role = "<br>a super neuron" if info.is_voter[row] else ""
    metric = style.literal(metric_name(info.metric))
    return (
        f"<b>Layer {info.layer_name}, {style.literal(info.site)} {info.unit[row]}</b><br>{metric}: "
        f"{info.score[row]:.3f}<br>speaks for {style.literal(info.says[row])}{role}"
    )


PLOTS.register("units")(
    Plot(
        "Inside the best block",
        "The best units of the outlined block; diamonds are super neurons that vote, and marks above the dotted line beat luck.",
        order=60,
        figure=figure,
        info=info_of_best,
        tab="neurons",
        hint="Click a unit to see its neuron page.",
    )
)
