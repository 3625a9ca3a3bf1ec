"""Weights for voters, and how good they are on what they were not fitted on.

Takes activations, labels and the voters of every exit layer; returns the voters with weights. Search, choice and fit are made anew
on every fold, so that what is said of a left-out example was never fitted on it. A weighting that needs no fit leaves voters as
they are. It knows nothing about models or images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from sn_viz.groups import grouped_folds, most_folds, n_groups
from sn_viz.search.stumps import Search, find_stumps
from sn_viz.types import Config, Interval, Neurons, Progress, RunRecord, Stumps
from sn_viz.voting.voters import says_of, voters_by_layer
from sn_viz.voting.weightings import WEIGHTINGS, Fitted
from sn_viz.voting.weightings.logistic import LOGISTIC, STRENGTHS, Strength, softmax

MAX_FOLDS = 5
ENOUGH_JUDGED = 100
MAX_REPEATS = 5
"""Cross-fitting is repeated, with new folds, until about so many left-out examples were judged."""
MAX_FITS = 4000
"""More fits than this leave only the first strengths to choose among, and at last one."""
TEMPERATURES = (1.0, 1.25, 1.6, 2.0, 0.8, 0.65, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1)
"""Weights are multiplied by one of these, the first of equals: on what they were fitted on they are surer than on new examples, and
a strong penalty makes them less sure than they may be."""


@dataclass(frozen=True, eq=False)
class CrossFit:
    """What left-out examples say about a fitted weighting."""

    right: Float[np.ndarray, "judged layer"]
    """float64: how often each example was named right; (0, layer) where nothing can be left out."""
    strength: Strength
    """The penalty whose probabilities of left-out examples were best (log loss over all layers)."""
    temperature: Float[np.ndarray, " layer"]
    """float64 (layer,): what makes them best when their log-odds are multiplied by it (C. Guo et al., "On calibration of modern
    neural networks", 2017)."""


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
        the best of six.
    """
    labels, layers = np.asarray(labels), neurons.layers
    n_classes = max(2, n_classes or int(labels.max()) + 1)
    folds = most_folds(labels, groups, n_folds)
    if folds < 2:
        return CrossFit(np.zeros((0, len(layers))), STRENGTHS[0], np.ones(len(layers)))
    independent = len(labels) if groups is None else n_groups(groups)
    repeats = int(np.clip(np.ceil(ENOUGH_JUDGED / independent), 1, MAX_REPEATS))
    fits = repeats * folds * len(layers) * (1 if n_classes == 2 else n_classes)
    strengths = STRENGTHS[: int(np.clip(MAX_FITS // fits, 1, len(STRENGTHS)))]
    odds = np.zeros((repeats, len(strengths), len(labels), len(layers), n_classes), np.float32)
    for number in range(repeats * folds):
        if progress is not None:
            progress(number / (repeats * folds), "Choosing weights and the exit layer on the probing images")
        held_out = grouped_folds(labels, groups, folds, seed + number // folds) == number % folds
        kept, left_out = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        stumps = search(values, labels, rule, metric, n_classes, rows=kept)
        if np.isnan(stumps.score).all():
            continue
        for at, chosen in enumerate(voters_by_layer(stumps, neurons, voters, n_classes)):
            fitted, unseen = says_of(values, chosen, kept), says_of(values, chosen, left_out)
            for which, strength in enumerate(strengths):
                weighed = LOGISTIC.fit(chosen, fitted, labels[~held_out], n_classes, strength)
                odds[number // folds, which, held_out, at] = LOGISTIC.log_odds(unseen, weighed, n_classes)
    loss = np.array([_log_loss(one, labels).mean() for one in odds.transpose(1, 0, 2, 3, 4)])
    best = odds[:, int(np.argmin(loss))]
    by_temperature = np.stack([_log_loss(t * best, labels).mean(axis=(0, 1)) for t in TEMPERATURES])
    right = (best.argmax(axis=-1) == labels[None, :, None]).mean(axis=0)
    return CrossFit(right, strengths[int(np.argmin(loss))], np.array(TEMPERATURES)[by_temperature.argmin(axis=0)])


def _log_loss(odds: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return minus the log probability of the true class, float64 (repeat, example, layer)."""
    probability = softmax(odds.astype(np.float64))
    true = np.take_along_axis(probability, labels[None, :, None, None], axis=-1)[..., 0]
    return -np.log(np.maximum(true, 1e-12))


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
        Strength and temperatures; without it the strongest penalty and weights as fitted.
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


PLAIN = {"rule": "best-split", "metric": "balanced-accuracy", "weighting": "majority"}
"""The paper's method: the neurons with the most accurate cuts, one vote each."""


def is_plain(config: Config) -> bool:
    """Return whether a run's committee is the plain one of the paper, however many neurons vote."""
    return all(getattr(config, name) == value for name, value in PLAIN.items())


def committee_words(config: Config) -> str:
    """Return which committee votes, for people.

    Examples
    --------
    >>> committee_words(Config())
    'the best neurons by balanced accuracy, one vote each (the plain method)'
    """
    from sn_viz.formatting import metric_name

    count = {
        "majority": "one vote each",
        "log-odds": "each counting by the odds that it is right",
        "logistic": "their yes and no weighed by a logistic regression",
    }.get(config.weighting, f"weighed by {config.weighting}")
    plain = " (the plain method)" if is_plain(config) else ""
    return f"the best neurons by {metric_name(config.metric)}, {count}{plain}"


def counts_words(voters: Stumps, at: int) -> str:
    """Return how much one voter counts, for people: its weight where weights were fitted."""
    return "1 vote" if voters.weight is None else f"{float(voters.weight[at]):+.2f}"


def gain_of(run: RunRecord) -> Interval | None:
    """Return what a run's committee gained over the plain one at its exit, on its test images; None where nothing was compared."""
    found = run.findings.get("committee", {}).get("gain") or {}
    try:
        value, low, high = (float(found[name]) for name in ("value", "low", "high"))
        return Interval(value, low, high, int(found["n"]))
    except (KeyError, TypeError, ValueError):
        return None
