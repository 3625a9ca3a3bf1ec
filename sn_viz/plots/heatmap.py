"""Where super neurons live: the best neuron of every block and site.

Takes a Run; returns one cell per (site, layer). It knows nothing of single neurons' histograms (see ``histogram``) nor of the other
units of a block (see ``units``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from sn_viz.plots import PLOTS, Plot, reference, style
from sn_viz.types import RunRecord

TITLE = "Where the super neurons live"


class Info(NamedTuple):
    """One cell per site (row) and layer (column)."""

    sites: tuple[str, ...]
    layers: np.ndarray
    """int64 (layer,): from 1; 0 and less in the vision tower."""
    share: np.ndarray
    """float64 (site, layer): the best score; 0 is chance, 1 is perfect; NaN where no neuron has a score."""
    neuron: np.ndarray
    """int64 (site, layer): column of the best neuron, the first of equals; -1 where there is none."""
    score: np.ndarray
    """float64 (site, layer): its score in the run's metric."""
    beyond_luck: np.ndarray
    """int64 (site, layer): neurons whose score lies above the 95 % line of shuffled labels; -1 when no null was computed."""
    names: tuple[tuple[str, ...], ...]
    """(site, layer): the best neuron's readable name, "" where there is none."""
    luck: float | None
    """The 95 % line on the same scale as ``share``; None when no null was computed or chance differs between the classes."""
    metric: str
    layer_names: tuple[str, ...] = ()
    """(layer,): what people call each, such as "3" or "V4"."""


def info(run: RunRecord, site: str | None = None) -> Info:
    """Return the best score of every (site, layer).

    Parameters
    ----------
    run : Run
        Stumps with undefined (NaN) scores are never the best.
    site : str, optional
        Only the row of this site.

    Raises
    ------
    ValueError
        When the run has no site of that name.
    """
    neurons, stumps, layers = run.neurons, run.stumps, run.neurons.layers
    if site is not None and site not in neurons.site_names:
        raise ValueError(f"no site {site!r}; there are {neurons.site_names}")
    shape = (len(neurons.site_names), len(layers))
    cell = neurons.site[stumps.neuron].astype(np.int64) * len(layers) + neurons.layer[stumps.neuron] - layers.start
    best = _first_best(cell, reference.above_chance(run, stumps.score, stumps.class_index), shape[0] * shape[1])
    has_one, line = best >= 0, reference.luck(run)
    rows = np.arange(shape[0]) if site is None else np.array([neurons.site_names.index(site)])

    def table(values: np.ndarray, missing: float) -> np.ndarray:
        filled = np.full(len(best), missing, dtype=np.result_type(values.dtype, type(missing)))
        filled[has_one] = values[best[has_one]]
        return filled.reshape(shape)[rows]

    neuron = table(stumps.neuron, -1)
    return Info(
        tuple(neurons.site_names[row] for row in rows),
        np.array(layers, dtype=np.int64),
        table(reference.above_chance(run, stumps.score, stumps.class_index), np.nan),
        neuron,
        table(stumps.score.astype(np.float64), np.nan),
        _count_above(run, cell, line, len(best)).reshape(shape)[rows],
        tuple(tuple(neurons.name(column) if column >= 0 else "" for column in row) for row in neuron),
        _luck_share(run, line),
        run.config.metric,
        tuple(neurons.layer_name(layer) for layer in layers),
    )


def best(info: Info) -> tuple[int, str, int] | None:
    """Return (layer, site, neuron) of the outlined cell, the shallowest of equals; None when no neuron has a score."""
    if not info.share.size or not np.isfinite(info.share).any():
        return None
    row, column = _outlined(info)
    return int(info.layers[column]), info.sites[row], int(info.neuron[row, column])


def _outlined(info: Info) -> tuple[int, int]:
    """Return row and column of the best cell; of equals the one of the shallowest layer."""
    column, row = np.unravel_index(int(np.nanargmax(info.share.T)), info.share.T.shape)
    return int(row), int(column)


def _luck_share(run: RunRecord, line: float | None) -> float | None:
    spoken_for = np.unique(run.stumps.class_index)
    if line is None or not len(spoken_for) or np.ptp(reference.chance(run, spoken_for)) > 0.01:
        return None
    return float(reference.above_chance(run, np.array(line), spoken_for[0]))


def _first_best(cell: np.ndarray, value: np.ndarray, n_cells: int) -> np.ndarray:
    """Return the index of the largest finite ``value`` of each cell, the first of equals, -1 where a cell has none."""
    defined = np.flatnonzero(np.isfinite(value))
    top = np.full(n_cells, -np.inf)
    np.maximum.at(top, cell[defined], value[defined])
    winners = defined[value[defined] == top[cell[defined]]]
    best = np.full(n_cells, -1, dtype=np.int64)
    best[cell[winners[::-1]]] = winners[::-1]  # the last assignment wins, so walk backwards to keep the first
    return best


def _count_above(run: RunRecord, cell: np.ndarray, line: float | None, n_cells: int) -> np.ndarray:
    if line is None:
        return np.full(n_cells, -1, dtype=np.int64)
    above = np.flatnonzero(run.stumps.score > line)
    _, first = np.unique(run.stumps.neuron[above], return_index=True)  # several classes: count a neuron once
    return np.bincount(cell[above[first]], minlength=n_cells)


def figure(info: Info, dark: bool = False) -> go.Figure:
    """Draw the heatmap; a cell's ``customdata`` is [layer, site, neuron column]."""
    if not info.share.size or not np.isfinite(info.share).any():
        return style.empty(TITLE, "No neuron has a score yet.", dark)
    look = style.theme(dark)
    result = style.canvas(TITLE, dark, height=210 + 46 * len(info.sites))
    result.add_heatmap(
        z=style.numbers(np.clip(info.share, 0, 1), 3),
        x=info.layers.tolist(),
        y=list(range(len(info.sites))),
        customdata=_customdata(info),
        hovertext=[[_hover(info, row, column) for column in range(len(info.layers))] for row in range(len(info.sites))],
        hoverinfo="text",
        colorscale=[list(stop) for stop in look.scale],
        zmin=0,
        zmax=1,
        xgap=2,
        ygap=2,
        colorbar=_colour_bar(info, look),
    )
    row, column = _outlined(info)
    centre, half = int(info.layers[column]), 0.5
    box = {"x0": centre - half, "x1": centre + half, "y0": row - half, "y1": row + half}
    for colour, width in ((look.ink, 6), (look.page, 2)):  # one in the other: it stands out from dark and light cells alike
        result.add_shape(type="rect", line={"color": colour, "width": width}, **box)
    result.update_xaxes(title_text="Layer (decoder block)", showgrid=False, zeroline=False, **_layer_ticks(info))
    result.update_yaxes(
        tickvals=list(range(len(info.sites))),
        ticktext=[style.wrapped(site, 10) for site in info.sites],
        autorange="reversed",
        showgrid=False,
        zeroline=False,
    )
    return result.update_layout(margin_b=110)


def _layer_ticks(info: Info) -> dict:
    ends = [float(info.layers[0]) - 0.5, float(info.layers[-1]) + 0.5]
    return {**style.layer_ticks(info.layers.tolist(), info.layer_names), "range": ends}


def _customdata(info: Info) -> list:
    return [
        [[int(layer), site, int(info.neuron[row, column])] for column, layer in enumerate(info.layers)]
        for row, site in enumerate(info.sites)
    ]


def _hover(info: Info, row: int, column: int) -> str:
    if info.neuron[row, column] < 0:
        return f"layer {info.layer_names[column]} {style.literal(info.sites[row])}<br>no neuron with a score"
    lines = [
        f"<b>{style.literal(info.names[row][column])}</b>",
        f"{style.literal(info.metric)}: {info.score[row, column]:.3f}",
        f"{style.percent(info.share[row, column])} of the way from chance to perfect",
    ]
    if info.beyond_luck[row, column] >= 0:
        lines.append(f"{info.beyond_luck[row, column]:,} neurons here beyond luck")
    return "<br>".join(lines)


def _colour_bar(info: Info, look: style.Theme) -> dict:
    ticks = {0.0: "chance", 1.0: "perfect"}
    if info.luck is not None and 0.2 < info.luck < 0.8:
        ticks[round(info.luck, 3)] = "luck"
    return {
        "orientation": "h",
        "thickness": 12,
        "len": 1.0,
        "x": 0.5,
        "y": 0,
        "yref": "container",
        "yanchor": "bottom",
        "tickvals": sorted(ticks),
        "ticktext": [ticks[value] for value in sorted(ticks)],
        "ticklabeloverflow": "allow",
        "tickfont": {"size": 13},
        "outlinewidth": 0,
        "ticks": "outside",
        "tickcolor": look.faint,
    }


PLOTS.register("heatmap")(
    Plot(
        TITLE,
        "The best single neuron of every layer and place in the block; the outlined cell holds the best of all, of equals the "
        "shallowest.",
        order=40,
        figure=figure,
        info=info,
        tab="neurons",
        hint="Click a cell to look inside that block.",
    )
)
