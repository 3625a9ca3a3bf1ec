"""One neuron: its activations per class, its threshold, and every image as a tick.

Takes a Run and a neuron's column; returns binned and single values. It knows nothing of other neurons.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from sn_viz.plots import PLOTS, Plot, heatmap, reference, style
from sn_viz.types import RunRecord

BINS = 24
MOST_CLASSES = 3
"""With more classes than this, the stump's class is shown against all others together."""
EMPTY_TITLE = "One neuron, image by image"


class Group(NamedTuple):
    """The images of one class (or of all other classes together)."""

    name: str
    colour: int | None
    """Class index that lends its colour; None is grey."""
    train_share: np.ndarray
    test_share: np.ndarray
    """float64 (bin,): share of the group's images of that split in each bin; all zero when the group has none."""
    train_values: np.ndarray
    test_values: np.ndarray
    """float64 (image,): finite activations."""
    train_index: np.ndarray
    test_index: np.ndarray
    """int64 (image,): which example of the split each value belongs to."""


class Info(NamedTuple):
    """One neuron's activations and what its stump does with them."""

    neuron: int
    name: str
    edges: np.ndarray
    """float64 (bin + 1,): empty when there is nothing finite to show."""
    groups: tuple[Group, ...]
    threshold: float
    """NaN when the neuron has no defined stump."""
    sign: int
    says: str
    """The class it speaks for on its side of the threshold."""
    says_colour: int
    score: float
    metric: str
    left_out: int
    """Images whose activation is not finite."""
    train_names: tuple[str, ...]
    test_names: tuple[str, ...]
    classes: tuple[str, ...] = ()
    """All of them: their names decide their colours."""


def info(run: RunRecord, neuron: int, class_index: int | None = None) -> Info:
    """Return everything to draw about one neuron.

    Parameters
    ----------
    run : Run
    neuron : int
        Column of the activations.
    class_index : int, optional
        Show the stump for this class; by default the class the neuron is best at.

    Raises
    ------
    ValueError
        When there is no such neuron.
    """
    if not 0 <= neuron < len(run.neurons):
        raise ValueError(f"no neuron {neuron}; there are {len(run.neurons)}")
    stump = stump_of(run, neuron, class_index)
    speaks_for = min(1, len(run.train.classes) - 1) if stump is None else int(run.stumps.class_index[stump])
    values = [np.asarray(run.train_values[:, neuron], dtype=np.float64), np.asarray(run.test_values[:, neuron], dtype=np.float64)]
    finite = np.concatenate(values)
    finite = finite[np.isfinite(finite)]
    edges = np.histogram_bin_edges(finite, bins=BINS) if len(finite) else np.empty(0)
    return Info(
        neuron,
        run.neurons.name(neuron),
        edges,
        _groups(run, values, edges, speaks_for) if len(finite) else (),
        float("nan") if stump is None else float(run.stumps.threshold[stump]),
        1 if stump is None else int(run.stumps.sign[stump]),
        run.train.classes[speaks_for] if run.train.classes else "",
        speaks_for,
        float("nan") if stump is None else float(run.stumps.score[stump]),
        run.config.metric,
        sum(len(split) for split in values) - len(finite),
        run.train.names,
        run.test.names,
        run.train.classes,
    )


def info_of_best(run: RunRecord) -> Info | None:
    """Return the best neuron of all; None when no neuron has a score."""
    best = heatmap.best(heatmap.info(run))
    return None if best is None else info(run, best[2])


def stump_of(run: RunRecord, neuron: int, class_index: int | None = None) -> int | None:
    """Return the row of the neuron's best defined stump (for ``class_index``, when given), measured from chance; or None."""
    stumps = run.stumps
    usable = (stumps.neuron == neuron) & np.isfinite(stumps.score) & np.isfinite(stumps.threshold)
    if class_index is not None:
        usable &= stumps.class_index == class_index
    rows = np.flatnonzero(usable)
    if not len(rows):
        return None
    return int(rows[np.argmax(reference.above_chance(run, stumps.score[rows], stumps.class_index[rows]))])


def _groups(run: RunRecord, values: list[np.ndarray], edges: np.ndarray, speaks_for: int) -> tuple[Group, ...]:
    members = _members(run.train.classes, speaks_for)
    return tuple(_group(run, values, edges, name, colour, wanted) for name, colour, wanted in members)


def _members(classes: tuple[str, ...], speaks_for: int) -> list[tuple[str, int | None, tuple[int, ...]]]:
    """Return name, colour and classes of every group that is drawn."""
    if len(classes) <= MOST_CLASSES:
        return [(name, index, (index,)) for index, name in enumerate(classes)]
    others = tuple(index for index in range(len(classes)) if index != speaks_for)
    return [("all other classes", None, others), (classes[speaks_for], speaks_for, (speaks_for,))]


def rows_of(classes: tuple[str, ...], speaks_for: int) -> list[int]:
    """Return the row of ticks on which each class is drawn."""
    return [row for index in range(len(classes)) for row, m in enumerate(_members(classes, speaks_for)) if index in m[2]]


def _group(
    run: RunRecord, values: list[np.ndarray], edges: np.ndarray, name: str, colour: int | None, wanted: tuple[int, ...]
) -> Group:
    index = [
        np.flatnonzero(np.isin(split.labels, wanted) & np.isfinite(column))
        for split, column in zip((run.train, run.test), values, strict=True)
    ]
    picked = [column[rows] for column, rows in zip(values, index, strict=True)]
    shares = [np.histogram(part, bins=edges)[0] / max(1, len(part)) for part in picked]
    return Group(name, colour, shares[0], shares[1], picked[0], picked[1], index[0], index[1])


def docked(info: Info, dark: bool = False) -> style.Drawing:
    """Draw the same, lower and without the threshold: the page lays its own over it, which can be dragged."""
    result = drawing(info._replace(threshold=float("nan")), dark)
    look, room = style.theme(dark), 22 * len(info.groups)
    changes: dict[str, Any] = {
        "height": 250 + room if info.groups else 220,
        "margin": {"t": 44, "b": 40 + room, "r": 16},
        "title": {"font": {"size": 12, "color": look.faint}, "pad": {"t": 2, "b": 0, "l": 8}},
        "legend": {"font": {"size": 11}},
    }
    if info.groups:
        changes["yaxis"] = {"title": {"text": "Share"}}
    return style.update(result, changes)


def figure(info: Info, dark: bool = False) -> go.Figure:
    """Draw the histograms above and one tick per image below; a tick's ``customdata`` is [example index, "train" or "test"]."""
    return go.Figure(drawing(info, dark))


def drawing(info: Info, dark: bool = False) -> style.Drawing:
    """Draw the same as Plotly's JSON."""
    if not info.groups:
        return style.empty_drawing(EMPTY_TITLE, "This neuron has no finite activation to show.", dark)
    result = style.blank(style.literal(info.name), dark, height=430 + 22 * len(info.groups))
    result["data"] = [trace for row, group in enumerate(info.groups) for trace in _traces(info, group, row, dark)]
    rows = len(info.groups)
    split = min(0.45, 0.12 * rows)
    changes = {
        "barmode": "overlay",
        "bargap": 0,
        "yaxis": {"domain": [split + 0.06, 1], "title": {"text": "Share of images"}, "tickformat": ".0%", "rangemode": "tozero"},
        "xaxis": {"anchor": "y2", "title": {"text": "Activation"}, "zeroline": False, "range": _span(info)},
        "yaxis2": {
            "domain": [0, split],
            "range": [-0.6, rows - 0.4],
            "showgrid": False,
            "zeroline": False,
            "showticklabels": False,
            "fixedrange": True,
        },
        "margin": {"t": 64, "b": style.bottom(1 + len(info.groups))},
        **_threshold(info, dark),
    }
    return style.update(result, changes)


def _colour(info: Info, index: int | None, dark: bool) -> str:
    colours = style.class_colours(info.classes, dark)
    return style.theme(dark).faint if index is None or index >= len(colours) else colours[index]


def _span(info: Info) -> list[float]:
    low, high = float(info.edges[0]), float(info.edges[-1])
    if np.isfinite(info.threshold):
        low, high = min(low, info.threshold), max(high, info.threshold)
    margin = 0.03 * (high - low)
    return style.numbers([low - margin, high + margin], 6)


def _traces(info: Info, group: Group, row: int, dark: bool) -> list[dict[str, Any]]:
    colour, name = _colour(info, group.colour, dark), style.literal(group.name)
    centres, width = style.numbers((info.edges[:-1] + info.edges[1:]) / 2, 5), float(f"{info.edges[1] - info.edges[0]:.5g}")
    counts = f"{len(group.train_values)} probing, {len(group.test_values)} test"
    bars = {
        "type": "bar",
        "x": centres,
        "y": style.numbers(group.test_share),
        "width": width,
        "name": f"{style.literal(group.name, 18)} ({counts})",
        "legendgroup": str(row),
        "marker": {"color": style.faded(colour, 0.62), "line": {"width": 0}},
        "hovertext": [f"{name}, test<br>{style.percent(share)} of its images" for share in group.test_share],
        "hoverinfo": "text",
    }
    outline = {
        "type": "scatter",
        "x": style.numbers(np.concatenate([info.edges[:1], (info.edges[:-1] + info.edges[1:]) / 2, info.edges[-1:]]), 5),
        "y": style.numbers(np.concatenate([[0.0], group.train_share, [0.0]])),
        "mode": "lines",
        "line": {"color": colour, "width": 1.5, "shape": "hvh"},
        "fill": "tozeroy",
        "fillcolor": style.faded(colour, 0.08),
        "opacity": 0.8,
        "legendgroup": str(row),
        "showlegend": False,
        "hoverinfo": "skip",
    }
    splits = (
        ("train", group.train_values, group.train_index, info.train_names),
        ("test", group.test_values, group.test_index, info.test_names),
    )
    return [bars, outline, *(_ticks(*split, row, colour, name) for split in splits)]


def _ticks(
    split: str, values: np.ndarray, index: np.ndarray, names: tuple[str, ...], row: int, colour: str, class_name: str
) -> dict[str, Any]:
    told = "probing" if split == "train" else "test"
    return {
        "type": "scatter",
        "x": style.numbers(values, 5),
        "y": [row + (0.2 if split == "train" else -0.2)] * len(values),
        "yaxis": "y2",
        "mode": "markers",
        "marker": {
            "symbol": "line-ns",
            "size": 11,
            "opacity": 0.45 if split == "train" else 1.0,
            "line": {"color": colour, "width": 1.5},
        },
        "legendgroup": str(row),
        "showlegend": False,
        "customdata": [[int(example), split] for example in index],
        "hovertext": [
            f"<b>{style.literal(names[example])}</b><br>{class_name}, {told} image<br>{value:.4g}"
            for example, value in zip(index, values, strict=True)
        ],
        "hoverinfo": "text",
    }


def _threshold(info: Info, dark: bool) -> dict[str, Any]:
    """Return what the layout says of the threshold: its line, the shaded side and a word; nothing where there is none."""
    if not np.isfinite(info.threshold):
        return {}
    look, (low, high) = style.theme(dark), _span(info)
    threshold = float(f"{info.threshold:.5g}")
    yes = (threshold, high) if info.sign > 0 else (low, threshold)
    colour = _colour(info, info.says_colour, dark)
    shade = {"xref": "x", "yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    # Written inwards from the roomier end of the shaded side, so that it never leaves the plot.
    right = info.sign > 0
    word = {
        "x": 1 if right else 0,
        "xref": "paper",
        "xanchor": "right" if right else "left",
        "y": 1,
        "yref": "paper",
        "yanchor": "bottom",
        "text": f"says {style.literal(info.says, 18)} {'above' if right else 'below'} {threshold:.4g}",
        "showarrow": False,
        "font": {"size": 13, "color": colour},
    }
    line = {"color": look.ink, "width": 2, "dash": "dash"}
    side = {"type": "rect", "x0": yes[0], "x1": yes[1], "fillcolor": style.faded(colour, 0.11), "line": {"width": 0}, **shade}
    return {"shapes": [side, {"type": "line", "x0": threshold, "x1": threshold, "line": line, **shade}], "annotations": [word]}


PLOTS.register("histogram")(
    Plot(
        "The best neuron, image by image",
        "How strongly this neuron responds to each class: bars are test images, outlines probing images, ticks single "
        "images; in the shaded part it says yes.",
        order=70,
        figure=figure,
        info=info_of_best,
        tab="neurons",
    )
)
