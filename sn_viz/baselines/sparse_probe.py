"""A sparse probe: logistic regression on the few scalars that tell the classes apart together, up to one layer.

Ranks every scalar that the run reads, at every site, by effect size, in turn for each class, and of the first 256 keeps the 64 that
a logistic regression gives the most weight, halving them and fitting anew: the adaptive thresholding of sparse probing (Gurnee et
al. 2023, arXiv 2305.01610), which is recursive feature elimination (Guyon et al. 2002, "Gene selection for cancer classification
using support vector machines"). It weighs raw values, so that it is no vote of super neurons, which only compare with a threshold;
the same scalars cut at their thresholds stand beside it in its note.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sn_viz.activations.reader import truncated_forward
from sn_viz.baselines import BASELINES, Context, without_model
from sn_viz.baselines.linear_probe import MAX_FOLDS, MAX_STEPS, STRENGTHS, fit_strength, folds_of, lenient, path_scores
from sn_viz.formatting import percent
from sn_viz.groups import most_folds, n_groups
from sn_viz.matrix import read_columns
from sn_viz.progress import part, silent
from sn_viz.search import find_stumps
from sn_viz.types import Baseline, Neurons, Progress
from sn_viz.voting.committees import FEW
from sn_viz.voting.statistics import left_out_layers
from sn_viz.voting.votes import vote, winners

N_SCALARS = 64
N_CANDIDATES = 256
"""The scalars of largest effect size, out of which those that are weighed are kept."""
KEEPING_STRENGTH = 0.01
"""Inverse regularisation strength of the fits that say which to keep."""
VERY_FEW = 5
"""Fewer groups of examples than this for each class rank thousands of scalars by luck: only the residual stream of the layer itself
is read."""
ENOUGH_JUDGED = 100
MAX_REPEATS = 5
"""Cross-validation is repeated, with new folds, until about so many left-out examples were judged."""


@BASELINES.register("sparse-probe", costly=True)
@without_model
def run(context: Context) -> Baseline:
    """Of the 256 scalars up to a layer with the largest effect size keep the 64 with the most weight and fit a logistic regression
    on them (sparse probing). Layer and regularisation are chosen by cross-validation on the probing images, all of it within each
    fold; below 20 images it is the deepest layer whose neurons are as good as any's, below 5 a class only its residual stream is
    read."""
    labels, neurons, n_classes = context.train.labels, context.neurons, context.n_classes
    layers = neurons.layers
    among = [candidates(neurons, layer, _independent(labels, context.groups) / n_classes) for layer in layers]
    judging = part(context.progress, 0.0, 0.7)
    scores = left_out_scores(context.train_values, labels, among, n_classes, context.seed, context.groups, judging)
    effect = effect_sizes(context.train_values, labels, n_classes)
    on_test, fitted = [], []
    for layer, reach, score in zip(layers, among, scores, strict=True):
        context.progress(0.7 + 0.3 * (layer - layers.start) / len(layers), f"Sparse probe: layer {layer} of {neurons.n_layers}")
        columns = weightiest(context.train_values, labels, reach[furthest_apart(effect[reach])])
        probe = fit_strength(_read(context.train_values, columns), labels, STRENGTHS[int(np.argmax(score))])
        fitted.append((columns, probe))
        on_test.append(probe.predict(_read(context.test_values, columns)).astype(np.int64))
    at = chosen_layer(scores, context.train_values, labels, neurons, n_classes, context.seed, context.groups)
    columns, probe = fitted[at]
    cut = context.accuracy(_thresholded(context, columns))

    def label_of(asked: tuple) -> np.ndarray:
        seen = truncated_forward(context.vlm, context.vlm.prepare([asked[0]], [asked[1]]), layers[at], neurons.site_names)
        return probe.predict(_read(np.asarray(seen), columns))

    return Baseline(
        name="sparse-probe",
        predicted=on_test[at],
        accuracy=context.accuracy(on_test[at]),
        latency_ms=context.latency_ms(label_of),
        note=f"{len(columns)} of {len(among[at]):,} scalars weighed, layer {neurons.layer_name(layers[at])}, C = {probe[-1].C:g}; "
        f"the same scalars cut at their thresholds: {percent(cut.value)}.",
        by_layer=tuple(context.accuracy(said) for said in on_test[max(0, 1 - layers.start) :]),
    )


def candidates(neurons: Neurons, layer: int, for_each_class: float) -> np.ndarray:
    """Return out of which columns a sparse probe at ``layer`` takes its scalars, int64 (candidate,): all up to it.

    With fewer than ``VERY_FEW`` independent examples for each class, in the mean, those of its own residual stream, where the sites
    that are read hold that.
    """
    if for_each_class < VERY_FEW and "residual" in neurons.site_names:
        residual = neurons.site == neurons.site_names.index("residual")
        if len(own := np.flatnonzero(residual & (neurons.layer == layer))):
            return own
    return np.arange(neurons.up_to(layer))


def _independent(labels: np.ndarray, groups: np.ndarray | None) -> int:
    return len(labels) if groups is None else n_groups(groups)


def effect_sizes(values: np.ndarray, labels: np.ndarray, n_classes: int, rows: np.ndarray | None = None) -> np.ndarray:
    """Return how far the class means of every scalar lie apart, in standard deviations within the classes (Cohen's d).

    Parameters
    ----------
    values : numpy.ndarray
        float16 or float32 (example, neuron).
    labels : numpy.ndarray
        int64 (example,).
    n_classes : int
        More than two: of each class against all others.
    rows : numpy.ndarray, optional
        int64 (row,): of these examples only.

    Returns
    -------
    numpy.ndarray
        float64 (neuron, class), one column with two classes: not negative, as the search's metric "effect-size" has them; 0 for
        constant scalars, and for those with a value that is not finite.
    """
    scores = find_stumps(values, labels, metric="effect-size", classes=n_classes, rows=rows).score
    return np.nan_to_num(scores.astype(np.float64), nan=0.0).reshape(values.shape[1], -1)


def furthest_apart(effect: np.ndarray, n: int = N_CANDIDATES) -> np.ndarray:
    """Return the neurons of the ``n`` largest effects, float64 (neuron, class), in turn for each class, largest first.

    Among equal ones the shallower comes first. A class that is easily told apart would else take the places of all others.

    Examples
    --------
    >>> furthest_apart(np.array([[3.0, 0.1], [2.0, 0.2], [0.1, 1.0]]), 2).tolist()
    [0, 2]
    """
    in_turn = np.argsort(-effect, axis=0, kind="stable")[:n].ravel()
    return in_turn[np.sort(np.unique(in_turn, return_index=True)[1])[:n]]


def weightiest(
    values: np.ndarray, labels: np.ndarray, columns: np.ndarray, rows: np.ndarray | None = None, n: int = N_SCALARS
) -> np.ndarray:
    """Return the ``n`` of some columns that logistic regressions give the most weight, half as many after each fit.

    Parameters
    ----------
    values : numpy.ndarray
        float16 or float32 (example, neuron).
    labels : numpy.ndarray
        int64 (example,).
    columns : numpy.ndarray
        int64 (candidate,).
    rows : numpy.ndarray, optional
        int64 (row,): fitted on these examples only.
    n : int

    Returns
    -------
    numpy.ndarray
        int64 (n,), in the order of ``columns``; all of them where there are no more.
    """
    if len(columns) <= n:
        return columns
    from sklearn.feature_selection import RFE
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    seen = np.nan_to_num(_read(values, columns, rows))
    with lenient(seen.size):
        scaled = StandardScaler().fit_transform(seen)
        half: Any = 0.5  # scikit-learn's own hints know whole numbers only
        weighs = LogisticRegression(C=KEEPING_STRENGTH, max_iter=MAX_STEPS, class_weight="balanced")
        kept = RFE(weighs, n_features_to_select=n, step=half)
        return columns[kept.fit(scaled, labels if rows is None else labels[rows]).support_]


def _read(values: np.ndarray, columns: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    return read_columns(values, columns, rows).astype(np.float32)


def left_out_scores(
    values: np.ndarray,
    labels: np.ndarray,
    among: Sequence[np.ndarray],
    n_classes: int,
    seed: int = 0,
    groups: np.ndarray | None = None,
    progress: Progress = silent,
) -> np.ndarray:
    """Return how well sparse probes name left-out examples, for every layer and strength of the penalty.

    Parameters
    ----------
    values : numpy.ndarray
        float16 or float32 (example, neuron), the probing images.
    labels : numpy.ndarray
        int64 (example,).
    among : sequence of numpy.ndarray (layer,)
        int64 (candidate,): out of which columns each layer's scalars are taken, from `candidates`.
    n_classes, seed : int
    groups : numpy.ndarray, optional
        int64 (example,), from `sn_viz.groups.group_index`.
    progress : callable
        Told before each fold how many were judged; may raise ``errors.Cancelled``.

    Returns
    -------
    numpy.ndarray
        float64 (layer, strength): balanced accuracy, mean over folds, which are made anew until about ``ENOUGH_JUDGED`` left-out
        examples are named. The ranking is made anew in every fold, and the strength is judged together with it: among scalars that
        were ranked on the left-out examples too, too weak a penalty would look best. All 0 where nothing can be left out, so that
        the first layer and the strongest penalty come first.
    """
    folds = most_folds(labels, groups, MAX_FOLDS)
    if folds < 2:
        return np.zeros((len(among), len(STRENGTHS)))
    repeats = int(np.clip(np.ceil(ENOUGH_JUDGED / _independent(labels, groups)), 1, MAX_REPEATS))
    scores = []
    for rows, held_out in (pair for r in range(repeats) for pair in folds_of(labels, groups, folds, seed + r)):
        progress(len(scores) / (repeats * folds), f"Sparse probe: fold {len(scores) + 1} of {repeats * folds}")
        effect, found = effect_sizes(values, labels, n_classes, rows), np.zeros((len(among), len(STRENGTHS)))
        before: np.ndarray | None = None
        for at, reach in enumerate(among):
            columns = reach[furthest_apart(effect[reach])]
            if before is not None and np.array_equal(before, columns):  # deeper layers add none
                found[at] = found[at - 1]
                continue
            before, columns = columns, weightiest(values, labels, columns, rows)
            found[at] = path_scores(_read(values, columns), labels, rows, held_out)
        scores.append(found)
    return np.mean(scores, axis=0)


def chosen_layer(
    scores: np.ndarray,
    values: np.ndarray,
    labels: np.ndarray,
    neurons: Neurons,
    n_classes: int,
    seed: int = 0,
    groups: np.ndarray | None = None,
) -> int:
    """Return at which of the layers a sparse probe reads, from 0: that of the best of ``scores``, from `left_out_scores`.

    With fewer than 20 groups of examples, where a score is mostly luck, it is the deepest layer whose neurons together name
    left-out ones as well as any layer's; see `sn_viz.voting.statistics.LeftOut.deepest_layer`.
    """
    if _independent(labels, groups) >= FEW:
        return int(np.argmax(scores.max(axis=1)))
    asked = {"metric": "effect-size", "n_classes": n_classes, "seed": seed, "groups": groups}
    return left_out_layers(values, labels, neurons, **asked).deepest_layer(groups) - 1


def _thresholded(context: Context, columns: np.ndarray) -> np.ndarray:
    """Return what the same scalars say by majority, each cut at its best threshold: int64 (test example,)."""
    stumps = find_stumps(read_columns(context.train_values, columns), context.train.labels, classes=context.n_classes)
    return winners(vote(read_columns(context.test_values, columns), stumps.take(~np.isnan(stumps.score)), context.n_classes))
