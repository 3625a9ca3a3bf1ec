"""A sparse probe: logistic regression on the few scalars whose class means lie furthest apart, up to one layer.

Ranks every scalar that the run reads, at every site, by effect size and weighs the first 64, as in sparse probing (Gurnee et al.
2023, arXiv 2305.01610). It weighs raw values, so that it is no vote of super neurons, which only compare with a threshold; the same
scalars cut at their thresholds stand beside it in its note.
"""

from __future__ import annotations

import numpy as np

from sn_viz.activations.reader import truncated_forward
from sn_viz.baselines import BASELINES, Context
from sn_viz.baselines.linear_probe import MAX_FOLDS, fit_probe, folds_of
from sn_viz.formatting import percent
from sn_viz.groups import most_folds
from sn_viz.matrix import read_columns
from sn_viz.search import find_stumps
from sn_viz.types import Baseline
from sn_viz.voting.votes import vote, winners

N_SCALARS = 64


@BASELINES.register("sparse-probe", costly=True)
def run(context: Context) -> Baseline:
    """Rank all scalars up to a layer by effect size and fit a logistic regression on the first 64 (sparse probing). Layer and
    regularisation are chosen by cross-validation on the probing images, the ranking within each fold."""
    labels, neurons, n_classes = context.train.labels, context.neurons, context.n_classes
    layers = neurons.layers
    ends = [neurons.up_to(layer) for layer in layers]
    within = _scores_within(context, ends)
    effect = effect_sizes(context.train_values, labels, n_classes)
    on_test, fitted, scores = [], [], []
    for layer, end, score in zip(layers, ends, within, strict=True):
        context.progress((layer - layers.start + 1) / (len(layers) + 1), f"Sparse probe: layer {layer} of {neurons.n_layers}")
        columns = furthest_apart(effect[:end])
        probe, inside = fit_probe(_read(context.train_values, columns), labels, context.seed, context.groups)
        fitted.append((columns, probe))
        scores.append(inside if score is None else score)
        on_test.append(probe.predict(_read(context.test_values, columns)).astype(np.int64))
    at = int(np.argmax(scores))
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
        note=f"{len(columns)} of {ends[at]:,} scalars weighed, layer {neurons.layer_name(layers[at])}, C = {probe[-1].C:g}; the "
        f"same scalars cut at their thresholds: {percent(cut.value)}.",
        by_layer=tuple(context.accuracy(said) for said in on_test[max(0, 1 - layers.start) :]),
    )


def effect_sizes(values: np.ndarray, labels: np.ndarray, n_classes: int, rows: np.ndarray | None = None) -> np.ndarray:
    """Return how far the class means of every scalar lie apart, in standard deviations within the classes (Cohen's d).

    Parameters
    ----------
    values : numpy.ndarray
        float16 or float32 (example, neuron).
    labels : numpy.ndarray
        int64 (example,).
    n_classes : int
        More than two: the largest of each class against all others.
    rows : numpy.ndarray, optional
        int64 (row,): of these examples only.

    Returns
    -------
    numpy.ndarray
        float64 (neuron,), not negative, as the search's metric "effect-size" has them; 0 for constant scalars, and for those with a
        value that is not finite.
    """
    scores = find_stumps(values, labels, metric="effect-size", classes=n_classes, rows=rows).score
    return np.nan_to_num(scores.astype(np.float64), nan=0.0).reshape(values.shape[1], -1).max(axis=1)


def furthest_apart(effect: np.ndarray, n: int = N_SCALARS) -> np.ndarray:
    """Return the columns of the ``n`` largest effects, largest first; among equal ones the shallower."""
    return np.argsort(-effect, kind="stable")[:n]


def _read(values: np.ndarray, columns: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    return read_columns(values, columns, rows).astype(np.float32)


def _scores_within(context: Context, ends: list[int]) -> list[float | None]:
    """Return the cross-validated balanced accuracy of every layer, with the ranking made anew in each fold; None without folds."""
    labels, groups = context.train.labels, context.groups
    folds = most_folds(labels, groups, MAX_FOLDS)
    if folds < 2:
        return [None] * len(ends)
    scores = []
    for fitted, held_out in folds_of(labels, groups, folds, context.seed):
        effect = effect_sizes(context.train_values, labels, context.n_classes, fitted)
        scores.append([])
        for end in ends:
            columns = furthest_apart(effect[:end])
            probe, _ = fit_probe(_read(context.train_values, columns, fitted), labels[fitted], context.seed, groups[fitted])
            said = probe.predict(_read(context.train_values, columns, held_out))
            scores[-1].append(np.mean([np.mean(said[labels[held_out] == c] == c) for c in np.unique(labels[held_out])]))
    return list(np.mean(scores, axis=0))


def _thresholded(context: Context, columns: np.ndarray) -> np.ndarray:
    """Return what the same scalars say by majority, each cut at its best threshold: int64 (test example,)."""
    stumps = find_stumps(read_columns(context.train_values, columns), context.train.labels, classes=context.n_classes)
    return winners(vote(read_columns(context.test_values, columns), stumps.take(~np.isnan(stumps.score)), context.n_classes))
