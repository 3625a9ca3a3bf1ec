"""Weights for voters, and how good they are on what they were not fitted on.

Takes activations, labels and the voters of every exit layer; returns the voters with weights. Search, choice and fit are made anew
on every fold, so that what is said of a left-out example was never fitted on it. A weighting that needs no fit leaves voters as
they are. It knows nothing about models or images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from sn_viz.groups import grouped_folds, most_folds, n_groups
from sn_viz.search.stumps import Search, find_stumps
from sn_viz.types import Neurons, Progress, Stumps
from sn_viz.voting.voters import right_by_layer, says_of, voters_by_layer
from sn_viz.voting.weightings import WEIGHTINGS, Fitted
from sn_viz.voting.weightings.logistic import LOGISTIC, STRENGTHS, Strength

MAX_FOLDS = 5
ENOUGH_JUDGED = 100
MAX_REPEATS = 5
"""Cross-fitting is repeated, with new folds, until about so many left-out examples were judged."""
FEW = 20
"""Below so many groups the exit is chosen by what all neurons say, see `sn_viz.voting.statistics.LeftOut`, and no strength."""
MAX_FITS = 4000
"""More fits than this leave only the first strengths to choose among, and at last one."""
LEAST_TEMPERED, MOST_TEMPERED = 0.02, 20.0
"""What log-odds are multiplied by lies between: on what they were fitted on they are surer than on new examples, and a strong
penalty makes them less sure than they may be."""
SPREAD = 2.0


@dataclass(frozen=True, eq=False)
class CrossFit:
    """What left-out examples say about a fitted weighting."""

    right: Float[np.ndarray, "judged layer"]
    """float64: how often each example was named right; (0, layer) where nothing can be left out."""
    strength: Strength
    """The penalty whose probabilities of left-out examples were best, scaled by what suits them (log loss over all layers)."""
    temperature: Float[np.ndarray, " layer"]
    """float64 (layer,): what makes them best when their log-odds are multiplied by it (C. Guo et al., "On calibration of modern
    neural networks", 2017), best for `smoothed_targets`."""
    pooled: Float[np.ndarray, "few layer"] = field(default_factory=lambda: np.zeros((0, 0)))
    """float64: as in `sn_viz.voting.statistics.LeftOut`."""


def cross_fit(
    values: Float[np.ndarray, "example neuron"],
    labels: Int[np.ndarray, " example"],
    neurons: Neurons,
    rule: str = "best-split",
    metric: str = "balanced-accuracy",
    voters: int = 15,
    n_classes: int | None = None,
    n_folds: int = MAX_FOLDS,
    seed: int = 0,
    progress: Progress | None = None,
    groups: Int[np.ndarray, " example"] | None = None,
    search: Search = find_stumps,
) -> CrossFit:
    """Judge logistic weights on examples left out of search, choice and fit, at every exit layer.

    Parameters
    ----------
    values, labels, neurons, rule, metric, voters, n_classes, n_folds, seed, progress, groups, search
        As for `sn_viz.voting.statistics.cross_validated_layers`.

    Returns
    -------
    CrossFit
        The one strength is chosen for all layers together, out of ``STRENGTHS``, which makes ``right`` a little too good: it is
        the best of three.
    """
    labels, layers = np.asarray(labels), neurons.layers
    n_classes = max(2, n_classes or int(labels.max()) + 1)
    folds = most_folds(labels, groups, n_folds)
    if folds < 2:
        return CrossFit(np.zeros((0, len(layers))), STRENGTHS[0], np.ones(len(layers)))
    independent = len(labels) if groups is None else n_groups(groups)
    if independent < FEW:
        search = find_stumps  # all neurons are asked, and a search for voters may leave most of them out
    repeats = int(np.clip(np.ceil(ENOUGH_JUDGED / independent), 1, MAX_REPEATS))
    fits = repeats * folds * len(layers) * (1 if n_classes == 2 else n_classes)
    strengths = STRENGTHS[: 1 if independent < FEW else int(np.clip(MAX_FITS // fits, 1, len(STRENGTHS)))]
    odds = np.zeros((len(strengths), repeats, len(labels), len(layers), n_classes), np.float32)
    pooled = np.zeros((len(labels) if independent < FEW else 0, len(layers)))
    for number in range(repeats * folds):
        if progress is not None:
            progress(number / (repeats * folds), "Choosing weights and the exit layer on the probing images")
        held_out = grouped_folds(labels, groups, folds, seed + number // folds) == number % folds
        kept, left_out = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        stumps = search(values, labels, rule, metric, n_classes, rows=kept)
        if np.isnan(stumps.score).all():
            continue
        if len(pooled):
            pooled[held_out] += right_by_layer(values, labels[held_out], stumps, neurons, n_classes, left_out) / repeats
        by_layer = voters_by_layer(stumps, neurons, voters, n_classes)
        for at, chosen in enumerate(by_layer):
            if at and np.array_equal(chosen.neuron, by_layer[at - 1].neuron):  # a deeper layer adds none: the same fit
                odds[:, number // folds, held_out, at] = odds[:, number // folds, held_out, at - 1]
                continue
            fitted, unseen = says_of(values, chosen, kept), says_of(values, chosen, left_out)
            for which, strength in enumerate(strengths):
                weighed = LOGISTIC.fit(chosen, fitted, labels[~held_out], n_classes, strength)
                odds[which, number // folds, held_out, at] = LOGISTIC.log_odds(unseen, weighed, n_classes)
    target = smoothed_targets(labels, n_classes, groups)
    loss = [_log_loss(_temperature(one, target) * one, target) for one in odds]
    best = odds[int(np.argmin(loss))]
    right = (best.argmax(axis=-1) == labels[None, :, None]).mean(axis=0)
    temperature = [_temperature(best[:, :, at : at + 1], target) for at in range(len(layers))]
    return CrossFit(right, strengths[int(np.argmin(loss))], np.array(temperature), pooled)


def smoothed_targets(
    labels: Int[np.ndarray, " example"], n_classes: int, groups: Int[np.ndarray, " example"] | None = None
) -> Float[np.ndarray, "example class"]:
    """Return what probabilities should be at most, seen from so few examples, float64 (example, class), rows sum to 1.

    Parameters
    ----------
    labels : int (example,)
    n_classes : int
    groups : int (example,), optional
        From `sn_viz.groups.group_index`; examples of one group count once.

    Notes
    -----
    The true class has (n + 1) / (n + classes), where n is its number of examples, and the others share the rest: what J. Platt,
    "Probabilistic outputs for support vector machines" (1999), fits in place of 1 and 0. Nine pictures named right while they were
    left out are no proof that the hundredth will be.

    Examples
    --------
    >>> smoothed_targets(np.array([0, 0, 0, 1]), 2).round(2).tolist()
    [[0.8, 0.2], [0.8, 0.2], [0.8, 0.2], [0.33, 0.67]]
    """
    labels = np.asarray(labels)
    counted = [labels == c if groups is None else np.unique(groups[labels == c]) >= 0 for c in range(n_classes)]
    n = np.array([np.count_nonzero(one) for one in counted], np.float64)
    true = ((n + 1) / (n + n_classes))[labels]
    target = np.tile(((1 - true) / (n_classes - 1))[:, None], (1, n_classes))
    target[np.arange(len(labels)), labels] = true
    return target


def calibration_error(shares: Float[np.ndarray, "example class"], labels: Int[np.ndarray, " example"], bins: int = 10) -> float:
    """Return the expected calibration error: by how much shares are off from how often they are right, weighed by examples.

    Parameters
    ----------
    shares : float (example, class)
        Of each class, rows sum to 1; the largest of each example is judged.
    labels : int (example,)
    bins : int
        Of equal width, from 0 to 1.

    Returns
    -------
    float
        From 0, calibrated, to 1; NaN without examples.

    Notes
    -----
    M. P. Naeini et al., "Obtaining well calibrated probabilities using Bayesian binning" (2015). A calibrated vote has more than 0
    by chance alone, the more the fewer examples.

    Examples
    --------
    >>> calibration_error(np.array([[0.75, 0.25]] * 4), np.array([0, 0, 0, 1]))
    0.0
    """
    if not len(labels):
        return np.nan
    sure, right = shares.max(axis=1).astype(np.float64), shares.argmax(axis=1) == np.asarray(labels)
    of = np.minimum((sure * bins).astype(int), bins - 1)
    return float(np.abs(np.bincount(of, sure - right, bins)).sum() / len(labels))


def _temperature(odds: np.ndarray, target: np.ndarray) -> float:
    """Return by how much to multiply log-odds (repeat, example, layer, class) for the least log loss, near 1 with few examples.

    The logarithm has a normal prior of spread ``SPREAD``: a handful of left-out votes that went wrong by luck would else leave
    every share at chance.
    """
    from scipy.optimize import minimize_scalar

    def loss(log_t: float) -> float:
        return _log_loss(np.exp(log_t) * odds, target) + log_t**2 / (2 * SPREAD**2 * len(target))

    best: Any = minimize_scalar(loss, bounds=(np.log(LEAST_TEMPERED), np.log(MOST_TEMPERED)), method="bounded")
    return float(np.exp(best.x))


def _log_loss(odds: np.ndarray, target: np.ndarray) -> float:
    """Return the mean cross entropy of log-odds (repeat, example, layer, class) to targets (example, class)."""
    odds = odds.astype(np.float64)
    top = odds.max(axis=-1, keepdims=True)
    log_probability = odds - top - np.log(np.exp(odds - top).sum(axis=-1, keepdims=True))
    return float(-(target[None, :, None, :] * log_probability).sum(axis=-1).mean())


def is_fitted(weighting: str) -> bool:
    """Return whether a weighting has to see labelled examples before it can weigh."""
    return isinstance(WEIGHTINGS[weighting], Fitted)


def weighed(
    by_layer: Sequence[Stumps],
    values: Float[np.ndarray, "example neuron"],
    labels: Int[np.ndarray, " example"],
    n_classes: int,
    weighting: str = "logistic",
    judged: CrossFit | None = None,
) -> tuple[Stumps, ...]:
    """Return the voters of every exit layer with their weights, fitted on all examples; as they are where the weighting needs none.

    Parameters
    ----------
    by_layer : sequence of Stumps
        From `sn_viz.voting.voters.voters_by_layer`.
    values, labels
        The examples that chose them.
    n_classes : int
    weighting : str
    judged : CrossFit, optional
        Strength and temperatures; without it the first penalty and weights as fitted.
    """
    if not is_fitted(weighting):
        return tuple(by_layer)
    return tuple(_weighed(by_layer, values, np.asarray(labels), n_classes, judged))


def _weighed(
    by_layer: Sequence[Stumps], values: np.ndarray, labels: np.ndarray, n_classes: int, judged: CrossFit | None
) -> Iterator[Stumps]:
    strength = STRENGTHS[0] if judged is None else judged.strength
    for at, voters in enumerate(by_layer):
        found = LOGISTIC.fit(voters, says_of(values, voters), labels, n_classes, strength)
        scale = np.float32(1.0 if judged is None else judged.temperature[at])
        weight, offset = np.asarray(found.weight), np.asarray(found.offset)
        yield replace(found, weight=weight * scale, offset=offset * scale)
