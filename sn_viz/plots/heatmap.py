"""Where super neurons live: the best neuron of every block and site.

Takes a Run; returns one cell per (site, layer). It knows nothing of single neurons' histograms (see ``histogram``) nor of the other
units of a block (see ``units``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from sn_viz.formatting import metric_name
from sn_viz.plots import PLOTS, Plot, reference, style
from sn_viz.plots.words import place_words
from sn_viz.types import RunRecord
from sn_viz.voting.stump_scores import stump_score

SHOWN = {"best": "best score", "luck": "beyond luck", "held-out": "held-out score", "voters": "voters"}
"""What the cells may be coloured by, and how it is called."""
MARKED_WITH_COUNT = 16
"""Layers up to which a cell has room for the number of its voters."""
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
    layer_names: tuple[str, ...]
    """(layer,): what people call each, such as "3" or "V4"."""
    held_out: np.ndarray
    """float64 (site, layer): balanced accuracy of the best neuron on the test images; NaN where it is undefined."""
    voters: np.ndarray
    """int64 (site, layer): how many of the super neurons that vote at the run's exit live there."""
    n_units: np.ndarray
    """int64 (site, layer): neurons there."""


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
        table(_held_out(run, best), np.nan),
        _count(run, _voting(run), shape)[rows],
        _count(run, np.arange(len(neurons)), shape)[rows],
    )


def _held_out(run: RunRecord, rows: np.ndarray) -> np.ndarray:
    """Return the balanced accuracy of the stumps ``rows`` (-1 is none) on the test images: float64 (stump,), NaN elsewhere."""
    stumps, found = run.stumps, np.full(len(run.stumps), np.nan)
    for row in rows[rows >= 0]:
        cut = float(stumps.threshold[row]), int(stumps.sign[row]), int(stumps.class_index[row])
        found[row] = stump_score(run.test_values[:, stumps.neuron[row]], run.test.labels, *cut).balanced_accuracy
    return found


def _voting(run: RunRecord) -> np.ndarray:
    """Return the neurons that vote at the run's exit, each once: int64 (neuron,)."""
    return np.unique(run.voters[run.exit_index].neuron) if run.voters else np.empty(0, np.int64)


def _count(run: RunRecord, columns: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return how many of the neurons ``columns`` lie in each cell: int64 (site, layer)."""
    neurons = run.neurons
    cell = neurons.site[columns].astype(np.int64) * shape[1] + neurons.layer[columns] - neurons.layers.start
    return np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)


def described(info: Info, held_out_mark: str = "") -> list[list[str]]:
    """Return what stands in every cell, in words: (site, layer); ``held_out_mark`` is said behind every held-out figure."""
    return [[_words(info, row, column, held_out_mark) for column in range(len(info.layers))] for row in range(len(info.sites))]


def _words(info: Info, row: int, column: int, mark: str) -> str:
    place = place_words(info.layer_names[column], info.sites[row])
    if info.neuron[row, column] < 0:
        return f"{place}: no neuron has a score"
    share = info.metric != "effect-size"
    told = [f"best {'probing score' if share else metric_name(info.metric)} {info.score[row, column]:.3f}"]
    if np.isfinite(info.held_out[row, column]):
        measure = "" if share else " balanced accuracy"
        told.append(f"{info.held_out[row, column]:.3f}{measure} held out{mark and f', {mark}'}")
    if info.beyond_luck[row, column] >= 0:
        told.append(f"{info.beyond_luck[row, column]:,} of {info.n_units[row, column]:,} units beyond luck")
    count = int(info.voters[row, column])
    told.append(f"{count} {'voter' if count == 1 else 'voters'}")
    return f"{place}: {' · '.join(told)}"


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


class Shade(NamedTuple):
    """What colours the cells."""

    value: np.ndarray
    """float64 (site, layer): from 0 to 1; NaN leaves a cell empty."""
    text: list[list[str]]
    """(site, layer): the number itself."""
    ticks: dict[float, str]
    """Of the colour bar."""
    missing: str
    """Why there is nothing to show, where there is not."""


def shade(info: Info, shown: str = "best") -> Shade:
    """Return what colours the cells when they show ``shown``, one of ``SHOWN``."""
    if shown == "best":
        return Shade(np.clip(info.share, 0, 1), _texts(info.score, ".2f"), _luck_ticks(info), "No neuron has a score yet.")
    if shown == "held-out":
        share = np.clip((info.held_out - 0.5) / 0.5, 0, 1)  # balanced accuracy: one half is chance
        ticks = {0.0: "chance", 1.0: "perfect"}
        return Shade(share, _texts(info.held_out, ".2f"), ticks, "Nothing was held out, so there is no held-out score.")
    counts = (info.beyond_luck if shown == "luck" else info.voters).astype(np.float64)
    counts[counts < 0] = np.nan
    most = max(1.0, float(np.nanmax(counts, initial=0.0)))
    told = counts if shown == "luck" else np.where(counts > 0, np.nan, counts)  # the mark of voters tells their number already
    return Shade(counts / most, _texts(told, ".0f"), {0.0: "none", 1.0: f"{most:,.0f}"}, "No null was computed.")


def _texts(values: np.ndarray, form: str) -> list[list[str]]:
    return [[f"{value:{form}}" if np.isfinite(value) else "" for value in row] for row in values]


def figure(info: Info, dark: bool = False, shown: str = "best", numbers: bool = False) -> go.Figure:
    """Draw the heatmap; a cell's ``customdata`` is [layer, site, neuron column].

    Parameters
    ----------
    info : Info
    dark : bool
    shown : str
        What the cells are coloured by, one of ``SHOWN``.
    numbers : bool
        Whether they carry it as a number too, where there is room.

    Notes
    -----
    Of cells that show voters and have some, the diamond tells the number, with or without ``numbers``.
    """
    drawn, height = shade(info, shown), 210 + 46 * len(info.sites)
    if not drawn.value.size or not np.isfinite(info.share).any() or not np.isfinite(drawn.value).any():
        return style.empty(TITLE, drawn.missing, dark).update_layout(height=height)
    look = style.theme(dark)
    result = style.canvas(TITLE, dark, height=height)
    result.add_heatmap(
        z=style.numbers(drawn.value, 3),
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
        colorbar=_colour_bar(drawn.ticks, look),
        **({"text": drawn.text, "texttemplate": "%{text}"} if numbers else {}),
    )
    _add_voters(result, info, drawn, look, numbers and shown != "voters")
    row, column = _outlined(info)
    centre, half = int(info.layers[column]), 0.5
    box = {"x0": centre - half, "x1": centre + half, "y0": row - half, "y1": row + half}
    for colour, width in ((look.page, 8), (look.ink, 3)):  # one in the other: it stands out from dark and light cells alike
        result.add_shape(type="rect", line={"color": colour, "width": width}, **box)
    result.update_xaxes(title_text="Layer (decoder block)", showgrid=False, zeroline=False, **_layer_ticks(info))
    result.update_yaxes(
        tickvals=list(range(len(info.sites))),
        ticktext=[style.wrapped(site, 10) for site in info.sites],
        range=[len(info.sites) - 0.5, -0.5],
        showgrid=False,
        zeroline=False,
    )
    return result.update_layout(margin_b=110)


def _add_voters(result: go.Figure, info: Info, drawn: Shade, look: style.Theme, below: bool) -> None:
    """Mark the cells of the voters by a diamond, with their number where there is room, below the cell's own where it has one."""
    rows, columns = np.nonzero(info.voters)
    counted = len(info.layers) <= MARKED_WITH_COUNT
    result.add_scatter(
        x=info.layers[columns].tolist(),
        y=(rows + (0.3 if below else 0.0)).tolist(),
        mode="text",
        text=[f"◆{info.voters[row, column]}" if counted else "◆" for row, column in zip(rows, columns, strict=True)],
        textfont={
            "size": 12 if counted else 8,
            "color": [_ink_on(drawn.value[row, column], look) for row, column in zip(rows, columns, strict=True)],
        },
        hoverinfo="skip",
        showlegend=False,
    )


def _ink_on(value: float, look: style.Theme) -> str:
    """Return black or white, whichever reads better on a cell of ``value``; one of them always has a contrast above 4.5."""
    stops = np.array([style.rgb(colour) for _, colour in look.scale])
    at = [place for place, _ in look.scale]
    cell = style.luminance([np.interp(0.0 if np.isnan(value) else value, at, stops[:, i]) for i in range(3)])
    return max(("#000000", "#ffffff"), key=lambda colour: style.contrast(cell, style.luminance(style.rgb(colour))))


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
        f"{style.literal(metric_name(info.metric))}: {info.score[row, column]:.3f}",
        f"{style.percent(info.share[row, column])} of the way from {_ends(info)}",
    ]
    if np.isfinite(info.held_out[row, column]):
        lines.append(f"held out: {info.held_out[row, column]:.3f} balanced accuracy")
    if info.beyond_luck[row, column] >= 0:
        lines.append(f"{info.beyond_luck[row, column]:,} neurons here beyond luck")
    if info.voters[row, column]:
        lines.append(f"super neurons that vote: {info.voters[row, column]}")
    return "<br>".join(lines)


def _ends(info: Info) -> str:
    """Return what the shade of best scores runs from and to, in words."""
    return "0 to the largest here" if info.metric == "effect-size" else "chance to perfect"


def _luck_ticks(info: Info) -> dict[float, str]:
    ticks = {0.0: "chance", 1.0: "perfect"}
    if info.metric == "effect-size":  # no share: it has no perfect value, and is shown as it is
        ticks = {0.0: "d = 0", 1.0: f"{np.nanmax(info.score):.2f}"}
    if info.luck is not None and 0.2 < info.luck < 0.8:
        ticks[round(info.luck, 3)] = "luck"
    return ticks


def _colour_bar(ticks: dict[float, str], look: style.Theme) -> dict:
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
        "The best single neuron of every layer and place in the block; diamonds count the super neurons that vote; the outlined "
        "cell holds the best of all, of equals the shallowest.",
        order=40,
        figure=figure,
        info=info,
        tab="neurons",
        held_out=True,
        hint="Click a cell, or move with the arrow keys; ◆ counts the super neurons that vote there.",
    )
)
