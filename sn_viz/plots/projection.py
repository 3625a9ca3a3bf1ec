"""The space of activations, flattened to two dimensions: similar images lie close together.

Takes a Run; returns one point per image. UMAP is imported only when it is needed (15 images or more); it compiles on first use.
"""

from __future__ import annotations

import warnings
from typing import Literal, NamedTuple, get_args

import numpy as np
import plotly.graph_objects as go

from sn_viz.plots import PLOTS, Plot, style
from sn_viz.types import RunRecord
from sn_viz.voting.settling import settles_at

FEWEST_FOR_UMAP = 15
COMPONENTS = 50
"""Principal components handed to UMAP: bounds its work whatever the number of neurons."""
TITLE = "Map of the activations"

ColouredBy = Literal["class", "correct", "vote", "settles", "split"]


class Info(NamedTuple):
    """One point per image: the probing split first, then the test split."""

    x: np.ndarray
    y: np.ndarray
    """float64 (image,)."""
    group: np.ndarray
    """int64 (image,): index into ``group_names``."""
    group_names: tuple[str, ...]
    group_colours: tuple[int | str | None, ...]
    """Class index that lends each group its colour; "right", "wrong", "probing" and "test" have their own; "depth 0.3" is a place
    on the sequential scale; None is grey."""
    example: np.ndarray
    """int64 (image,): index inside its split."""
    split: tuple[str, ...]
    """(image,): "train" or "test"."""
    hover: tuple[str, ...]
    """(image,): name and class, not yet made literal; lines are split by a newline."""
    method: str
    """"UMAP" or "PCA"."""
    n_neurons: int
    what: str
    """Which neurons: "all layers", "layer 3", "super neurons"."""
    classes: tuple[str, ...] = ()
    """All of them: their names decide their colours."""
    wrong: tuple[int, ...] = ()
    """Images that were answered wrong, unless a group of their own says so: they wear a cross."""


def info(run: RunRecord, layer: int | Literal["all", "super"] = "all", coloured_by: ColouredBy = "class", seed: int = 0) -> Info:
    """Return a two-dimensional map of all images.

    Neurons are centred and scaled to unit variance (constant ones drop out, non-finite activations count as the mean), reduced to
    at most 50 principal components, then laid out by UMAP; below 15 images by the first two components.

    Parameters
    ----------
    run : Run
    layer : int, "all" or "super"
        Neurons of one layer (from 1), of all layers, or only the voters of the run's exit layer.
    coloured_by : "class", "correct", "vote", "settles" or "split"
        "correct" asks whether the super neurons were right, "vote" what they said, "settles" from which layer on their vote stays
        the same (see `sn_viz.voting.settling`); probing images, on which they were chosen, have no such answer and stay grey.
    seed : int
        Of UMAP; the same seed gives the same map.

    Raises
    ------
    ValueError
        When there is no such layer or colouring.
    """
    columns, what = _columns(run, layer)
    group, names, colours = _grouping(run, coloured_by)
    scores = _principal(_standardised(run, columns))
    method = "PCA" if len(scores) < FEWEST_FOR_UMAP or not np.any(scores) else "UMAP"
    flat = scores[:, :2] if method == "PCA" else _umap(scores, seed)
    example = np.concatenate([np.arange(len(run.train)), np.arange(len(run.test))])
    hover = tuple(
        f"{name}\n{part.classes[label] if label >= 0 else 'unlabelled'}"
        for part in (run.train, run.test)
        for name, label in zip(part.names, part.labels, strict=True)
    )
    split = ("train",) * len(run.train) + ("test",) * len(run.test)
    classes = run.train.classes
    wrong = _wrong(run, coloured_by)
    return Info(flat[:, 0], flat[:, 1], group, names, colours, example, split, hover, method, len(columns), what, classes, wrong)


def recoloured(info: Info, run: RunRecord, coloured_by: ColouredBy) -> Info:
    """Return the same map of the same run with other colours: nothing is laid out again."""
    group, names, colours = _grouping(run, coloured_by)
    return info._replace(group=group, group_names=names, group_colours=colours, wrong=_wrong(run, coloured_by))


def _wrong(run: RunRecord, coloured_by: str) -> tuple[int, ...]:
    """Return the images that were answered wrong, where the colours do not tell them."""
    if coloured_by == "correct" or not len(run.test):
        return ()
    wrong = (run.votes.predicted[:, run.exit_index] != run.test.labels) & (run.test.labels >= 0)
    return tuple((len(run.train) + np.flatnonzero(wrong)).tolist())


def _columns(run: RunRecord, layer: int | str) -> tuple[np.ndarray, str]:
    if layer == "all":
        return np.arange(len(run.neurons)), "all layers"
    if layer == "super":
        return np.unique(run.voters[run.exit_index].neuron), "super neurons"
    layers = run.neurons.layers
    if isinstance(layer, str) or layer not in layers:
        raise ValueError(f"no layer {layer!r}; there are 'all', 'super' and {layers.start} to {layers.stop - 1}")
    return np.flatnonzero(run.neurons.layer == layer), f"layer {run.neurons.layer_name(layer)}"


def _grouping(run: RunRecord, coloured_by: str) -> tuple[np.ndarray, tuple[str, ...], tuple[int | str | None, ...]]:
    n_train, n_test = len(run.train), len(run.test)
    if coloured_by == "split":
        return np.repeat([0, 1], [n_train, n_test]), ("probing", "test"), ("probing", "test")
    if coloured_by == "class":
        labels = np.concatenate([run.train.labels, run.test.labels])
        count = len(run.train.classes)
        return np.where(labels < 0, count, labels), (*run.train.classes, "unlabelled"), (*range(count), None)
    if coloured_by == "correct":
        right = run.votes.predicted[:, run.exit_index] == run.test.labels if n_test else np.empty(0, dtype=bool)
        return np.concatenate([np.full(n_train, 2), np.where(right, 1, 0)]), ("wrong", "right", "probing"), ("wrong", "right", None)
    if coloured_by == "vote":
        count = len(run.train.classes)
        said = run.votes.predicted[:, run.exit_index] if n_test else np.empty(0, np.int64)
        return np.concatenate([np.full(n_train, count), said]), (*run.train.classes, "probing"), (*range(count), None)
    if coloured_by == "settles":
        return _by_depth(run, n_train)
    raise ValueError(f"cannot colour by {coloured_by!r}; there are {', '.join(map(repr, get_args(ColouredBy)))}")


def _by_depth(run: RunRecord, n_train: int) -> tuple[np.ndarray, tuple[str, ...], tuple[int | str | None, ...]]:
    """Return a group for every layer at which the vote on some test image settles."""
    settled = settles_at(run.votes) if len(run.test) else np.empty(0, np.int64)
    layers, group = np.unique(settled, return_inverse=True)
    names = tuple(f"layer {run.neurons.layer_name(layer)}" for layer in layers)
    depth = len(run.neurons.layers) - 1
    colours = tuple(f"depth {(layer - run.neurons.layers.start) / max(depth, 1):.3f}" for layer in layers.tolist())
    return np.concatenate([np.full(n_train, len(layers)), group]), (*names, "probing"), (*colours, None)


def _standardised(run: RunRecord, columns: np.ndarray) -> np.ndarray:
    """Return float32 (image, neuron) of zero mean and unit variance."""
    values = np.concatenate([np.asarray(part[:, columns], dtype=np.float32) for part in (run.train_values, run.test_values)])
    values[~np.isfinite(values)] = np.nan
    if not values.size:
        return values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a neuron that is never finite: its mean is NaN and it drops out below
        values -= np.nanmean(values, axis=0)
    np.nan_to_num(values, copy=False)
    spread = values.std(axis=0)
    return values / np.where(spread > 1e-6, spread, np.inf)


def _principal(values: np.ndarray) -> np.ndarray:
    """Return principal component scores float64 (image, at most 50), at least two columns, signs fixed.

    Works on the (image, image) Gram matrix: images are few, neurons many.
    """
    n_images = len(values)
    if not values.size:
        return np.zeros((n_images, 2))
    strength, direction = np.linalg.eigh((values @ values.T).astype(np.float64))
    order = np.argsort(strength)[::-1][:COMPONENTS]
    kept = order[strength[order] > 1e-9 * max(strength[order[0]], 1e-12)]
    scores = direction[:, kept] * np.sqrt(strength[kept])
    if scores.shape[1]:
        scores *= np.where(scores[np.abs(scores).argmax(axis=0), np.arange(scores.shape[1])] < 0, -1, 1)
    return np.pad(scores, ((0, 0), (0, max(0, 2 - scores.shape[1]))))


def _umap(scores: np.ndarray, seed: int) -> np.ndarray:
    import umap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # says that a seed means one thread, which is what we ask for
        layout = umap.UMAP(n_neighbors=min(15, len(scores) - 1), min_dist=0.15, random_state=seed, n_jobs=1)
        return np.asarray(layout.fit_transform(scores.astype(np.float32)), dtype=np.float64)


def figure(info: Info, dark: bool = False) -> go.Figure:
    """Draw the map; a point's ``customdata`` is [example index, "train" or "test"]; probing images are hollow."""
    title = f"{TITLE}: {style.literal(info.what)}"
    if not len(info.x):
        return style.empty(title, "There are no images to map.", dark)
    look = style.theme(dark)
    result = style.canvas(title, dark, height=460)
    # Grey goes underneath and the first group on top: wrong answers must not hide behind right ones.
    order = sorted(range(len(info.group_names)), key=lambda group: (info.group_colours[group] is not None, -group))
    for group in order:
        rows = np.flatnonzero(info.group == group)
        if len(rows):
            result.add_trace(_points(info, rows, group, look, dark))
    if info.wrong:
        result.add_trace(_crosses(info, look))
    hidden = {"showticklabels": False, "zeroline": False, "showgrid": True}
    note = f"{info.method} of {info.n_neurons:,} neurons; hollow: probing images"
    result.update_xaxes(title_text=note, title_font_size=13, **hidden).update_yaxes(**hidden)
    return style.below_title(result, 1 + (len(order) + bool(info.wrong)) // 3).update_layout(legend_traceorder="reversed")


def _mark(info: Info, lent: int | str | None, look: style.Theme, dark: bool) -> tuple[str, str]:
    """Return a group's colour and marker shape; a wrong answer is a cross, in no class's colour."""
    if isinstance(lent, int):
        return style.class_colours(info.classes, dark)[lent], style.class_symbol(lent)
    if isinstance(lent, str) and lent.startswith("depth "):
        return _on_scale(look, float(lent.removeprefix("depth "))), "circle"
    own = {
        "wrong": (look.ink, "x"),
        "right": (look.accent, "circle"),
        "test": (look.ink, "circle"),
        "probing": (look.faint, "circle"),
    }
    return own.get(lent or "", (look.faint, "circle"))


def _on_scale(look: style.Theme, share: float) -> str:
    """Return the colour of a depth from 0 to 1, never so pale that it is lost on the page."""
    from plotly.colors import sample_colorscale

    return str(sample_colorscale([list(stop) for stop in look.scale], [0.25 + 0.75 * share])[0])


def _crosses(info: Info, look: style.Theme) -> go.Scatter:
    """Return the crosses over what was answered wrong, whatever its colour says."""
    rows = list(info.wrong)
    return go.Scatter(
        x=style.numbers(info.x[rows]),
        y=style.numbers(info.y[rows]),
        mode="markers",
        name=f"answered wrong ({len(rows)})",
        marker={"symbol": "x-thin", "size": 8, "color": look.ink, "line": {"color": look.ink, "width": 2}},
        customdata=[[int(info.example[row]), info.split[row]] for row in rows],
        hoverinfo="skip",
        legendrank=1,  # last in a reversed legend, behind the groups, whose colours it goes with
        meta="wrong",
    )


def _points(info: Info, rows: np.ndarray, group: int, look: style.Theme, dark: bool) -> go.Scatter:
    rows = rows[np.argsort([info.split[row] == "train" for row in rows], kind="stable")]  # the legend shows the first: a filled one
    lent = info.group_colours[group]
    colour, symbol = _mark(info, lent, look, dark)
    return go.Scatter(
        x=style.numbers(info.x[rows]),
        y=style.numbers(info.y[rows]),
        mode="markers",
        name=f"{style.literal(info.group_names[group], 30)} ({len(rows)})",
        marker={
            "color": colour,
            "symbol": [symbol if info.split[row] == "test" else f"{symbol}-open" for row in rows],
            "size": 9,
            "opacity": 0.9,
        },
        customdata=[[int(info.example[row]), info.split[row]] for row in rows],
        hovertext=["<br>".join(style.literal(line) for line in info.hover[row].split("\n")) for row in rows],
        hoverinfo="text",
    )


PLOTS.register("map")(
    Plot(
        "The space of activations",
        "Every image placed by its activations, so that similar ones lie together; well separated colours are easy for "
        "the model to tell apart.",
        order=80,
        figure=figure,
        info=info,
        tab="neurons",
    )
)

PLOTS.register("map-correct")(
    Plot(
        "Where the super neurons are wrong",
        "The same map, coloured by whether the super neurons answered right; wrong answers that lie together may share a cause.",
        order=81,
        held_out=True,
        figure=figure,
        info=lambda run, layout: recoloured(layout, run, "correct"),
        again="map",
    )
)
