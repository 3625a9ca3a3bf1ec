"""Which neurons vote: the best stumps, of every class and up to every layer; and what each of them says.

Takes stumps and activations; returns the stumps that vote. It knows nothing about how votes are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int

from sn_viz.errors import UserError
from sn_viz.matrix import read_columns
from sn_viz.types import Neurons, Stumps


def select_voters(stumps: Stumps, k: int, n_classes: int) -> Stumps:
    """Return the super neurons: the k best stumps, or with more than two classes the k best of each class.

    Parameters
    ----------
    stumps : Stumps
        Candidates, any order.
    k : int
        At least 1. Fewer are returned when fewer are defined.
    n_classes : int

    Returns
    -------
    Stumps
        Higher score first; among equal scores the wider margin, then the lower neuron, which is the shallower one. Classes one
        after the other.

    Raises
    ------
    UserError
        When k is below 1, or no stump is defined.

    Notes
    -----
    With few images many neurons score alike, some of them by luck, and luck seldom leaves a gap: on planted neurons among 20,000
    of noise, 10 images, the vote was right on 100 % of new images with the margin as tie-break and on 76 % with the lower neuron.
    """
    if k < 1:
        raise UserError(f"{k} voters cannot vote.", "At least one is needed.", "Choose 1 or more voters.")
    best = [_best_of(stumps, candidates, k) for candidates in _by_class(stumps, n_classes)]
    if not sum(len(one) for one in best):
        raise UserError(
            "No super neuron was found.",
            "Every neuron says the same for all images, or something that is no number.",
            "Use images that differ, with at least two classes, and check that the model computes real numbers.",
        )
    return stumps.take(np.concatenate(best))


def voters_by_layer(stumps: Stumps, neurons: Neurons, k: int, n_classes: int) -> tuple[Stumps, ...]:
    """Return the super neurons of every exit layer: the best ``k`` (of each class) among those up to it.

    Parameters
    ----------
    stumps : Stumps
        The best stump of every neuron (of every neuron and class), in the order of the neurons, as `find_stumps` returns them.
    neurons : Neurons
        Sorted by layer.
    k, n_classes : int
        As for `select_voters`.

    Returns
    -------
    tuple of Stumps
        In the order of ``neurons.layers``. A layer has none where all neurons so far are constant: with sliding attention the last
        position may not have met the picture.

    Raises
    ------
    UserError
        When k is below 1, or no neuron of any layer is defined.
    """
    if k < 1 or np.isnan(stumps.score).all():
        select_voters(stumps, k, n_classes)  # says which of the two it is
    per_neuron, start, found = 1 if n_classes == 2 else n_classes, 0, []
    by_class = _by_class(stumps, n_classes)
    best = [np.empty(0, np.int64)] * len(by_class)
    for end in (neurons.up_to(layer) * per_neuron for layer in neurons.layers):
        parts = [of[slice(*np.searchsorted(of, (start, end)))] for of in by_class]
        best = [_best_of(stumps, np.concatenate(both), k) for both in zip(best, parts, strict=True)]
        found.append(stumps.take(np.concatenate(best)))
        start = end
    return tuple(found)


def candidates(stumps: Stumps, ends: Sequence[int], k: int, n_classes: int) -> np.ndarray:
    """Return the positions of the stumps of some neighbouring neurons that can be among the k best up to some layer, int64 (kept,).

    Parameters
    ----------
    stumps : Stumps
        As `find_stumps` returns them for these neurons.
    ends : sequence of int
        After how many of these neurons layers end; all of them, where a later layer is asked for.
    k, n_classes : int
        As for `select_voters`.

    Returns
    -------
    int64 (kept,)
        Ascending. `voters_by_layer` of all neurons chooses none but these, for the order of voters leaves no ties.
    """
    per_neuron, by_class = 1 if n_classes == 2 else n_classes, _by_class(stumps, n_classes)
    kept = [_best_of(stumps, of[: np.searchsorted(of, end * per_neuron)], k) for end in dict.fromkeys(ends) for of in by_class]
    return np.unique(np.concatenate([np.empty(0, np.int64), *kept]))


def _by_class(stumps: Stumps, n_classes: int) -> list[np.ndarray]:
    """Return the positions of the stumps of class 1 (two classes) or of every class (more), each ascending."""
    of = stumps.class_index
    if n_classes == 2:
        return [np.flatnonzero(of == 1)]
    if np.array_equal(of[:n_classes], np.arange(n_classes)) and np.array_equal(of[n_classes:], of[:-n_classes]):
        return [np.arange(c, len(of), n_classes) for c in range(n_classes)]  # neuron-major, as the search returns them
    order = np.argsort(of, kind="stable")
    edges = np.searchsorted(of[order], np.arange(n_classes + 1))
    return [order[start:end] for start, end in pairwise(edges)]


def _best_of(stumps: Stumps, candidates: np.ndarray, k: int) -> np.ndarray:
    """Return the positions of the k best defined stumps among ``candidates``, best first."""
    candidates = candidates[~np.isnan(stumps.score[candidates])]
    score = stumps.score[candidates]
    if len(candidates) > k:
        bar = np.partition(score, -k)[-k]
        candidates = candidates[score >= bar]
    margin = np.zeros(len(candidates)) if stumps.margin is None else stumps.margin[candidates]
    order = np.lexsort((stumps.neuron[candidates], -margin, -stumps.score[candidates]))
    return candidates[order[:k]]


def says_of(
    values: Float[np.ndarray, "example neuron"], voters: Stumps, rows: np.ndarray | None = None
) -> Bool[np.ndarray, "row stump"]:
    """Return whether each voter says its class of each example, or of those at ``rows``, int (row,): bool (row, stump).

    Values are compared as float32.
    """
    columns = np.asarray(read_columns(values, voters.neuron, rows), dtype=np.float32)
    return np.where(voters.sign > 0, columns > voters.threshold, columns < voters.threshold)


def right_by_layer(
    values: Float[np.ndarray, "example neuron"],
    labels: Int[np.ndarray, " row"],
    stumps: Stumps,
    neurons: Neurons,
    n_classes: int,
    rows: np.ndarray,
) -> Float[np.ndarray, "row layer"]:
    """Return which share of a layer's own neurons, good and bad, is right about each example.

    Parameters
    ----------
    values : float16 or float32 (example, neuron)
    labels : int (row,)
        Of the examples at ``rows``.
    stumps : Stumps
        The best of every neuron (of every neuron and class), in the order of the neurons, as `find_stumps` returns them.
    neurons : Neurons
    n_classes : int
    rows : int (row,)

    Returns
    -------
    float64 (row, layer)
        0.5 is what neurons that know nothing come to: with more than two classes, half for the stumps of the example's own class
        that say so, and half for those of other classes that do not. 0 where a layer has no stump with a score.
    """
    own = labels[:, None] == stumps.class_index
    right = says_of(values, stumps, rows) == own
    weight = np.isfinite(stumps.score) * (np.ones(own.shape) if n_classes == 2 else np.where(own, 0.5, 0.5 / (n_classes - 1)))
    layer = np.repeat(neurons.layer, 1 if n_classes == 2 else n_classes)
    parts = [(weight[:, of], right[:, of]) for of in (layer == at for at in neurons.layers)]
    total = [one.sum(axis=1) for one, _ in parts]
    hits = [(one * two).sum(axis=1) for one, two in parts]
    return np.stack([np.divide(hit, n, out=np.zeros(len(rows)), where=n > 0) for hit, n in zip(hits, total, strict=True)], axis=1)
