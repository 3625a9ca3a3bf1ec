"""How far to trust a number: intervals, paired comparison, cross-validation over exit layers, the permutation p-value.

Takes counts, correctness per example, or values with labels; returns intervals, fractions and choices. Every function is total:
what cannot be computed is NaN or an empty result with a documented meaning, never an exception for odd data. It knows nothing about
models or images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import chdtrc, stdtrit

from sn_viz.groups import grouped_folds, is_single, most_folds, n_groups, rows_of_groups
from sn_viz.search.stumps import Search, find_stumps
from sn_viz.types import Interval, Neurons, Progress
from sn_viz.voting.committees import FEW, cross_fit, is_fitted
from sn_viz.voting.intervals import normal_squared, wilson_of_share
from sn_viz.voting.intervals import wilson as wilson
from sn_viz.voting.named import Committee
from sn_viz.voting.voters import right_by_layer, select_voters, voters_by_layer
from sn_viz.voting.votes import votes_by_layer

FORGIVEN = 0.125
"""Of few examples: how much less of one example a layer's neurons may name right, in the mean, than those of the best layer."""
MAX_FOLDS = 5
MAX_REPEATS = 10
ENOUGH_JUDGED = 500
"""Cross-validation is repeated, with new folds, until about so many left-out votes have been counted. With 100 images five times
instead of twice raised the accuracy at the chosen exit by half a point to a point on nine tasks (`EXPERIMENTS.md`)."""


def accuracy_interval(
    right: Bool[np.ndarray, " example"], groups: Int[np.ndarray, " example"] | None = None, confidence: float = 0.95
) -> Interval:
    """Return the share of examples that are right, with an interval that knows which examples share a picture or a group.

    Parameters
    ----------
    right : bool (example,)
    groups : int (example,), optional
        From `sn_viz.groups.group_index`; None when nothing is shared.
    confidence : float
        In (0, 1).

    Returns
    -------
    Interval
        Wilson's, as if there were as many independent examples as the spread between the groups says: never more than there are
        examples, never less than when all of a group were right or wrong together. ``n`` counts examples. For none: NaN, 0 to 1.

    Notes
    -----
    The effective number of examples is p (1 - p) over the variance of the mean from the sums of the groups, with Student's quantile
    for as many groups: E. L. Korn and B. I. Graubard, "Confidence intervals for proportions with small expected number of positive
    counts estimated from survey data", Survey Methodology 24 (1998), here with Wilson's interval, as N. Dean and M. Pagano,
    "Evaluating confidence interval methods for binomial proportions in clustered surveys", J. Survey Stat. Methodol. 3 (2015),
    recommend. The least is L. Kish's effective size, (sum w)^2 / sum w^2 ("Survey sampling", 1965), with the sizes of the groups as
    weights: the number of groups when they are equally large. It is also taken where the spread cannot be seen, when all answers
    are right or all wrong.

    Examples
    --------
    >>> right = np.repeat([True, False, True, True], 6)
    >>> accuracy_interval(right).low > accuracy_interval(right, np.repeat(np.arange(4), 6)).low
    True
    """
    right, n = np.asarray(right, bool), len(right)
    if groups is None or is_single(groups) or not n:
        return wilson(int(right.sum()), n, confidence)
    sizes, off = _group_sums(np.ones(n), groups), _group_sums(right - right.mean(), groups)
    worth, p, number = n**2 / float((sizes**2).sum()), float(right.mean()), len(sizes)
    spread = float((off**2).sum())
    if spread > 0 and number > 1:
        variance = spread / n**2 * number / (number - 1)
        student = float(stdtrit(number - 1, 0.5 + confidence / 2)) ** 2
        worth = float(np.clip(p * (1 - p) / variance * normal_squared(confidence) / student, worth, n))
    return wilson_of_share(p, worth, n, confidence)


def _group_sums(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the sum over each group, float64 (group,)."""
    return np.bincount(np.unique(groups, return_inverse=True)[1], weights=np.asarray(values, np.float64))


@dataclass(frozen=True)
class Difference:
    """How much more often one method is right than another, on the same images."""

    value: float
    """Fraction of images, first method minus second; NaN without images."""
    low: float
    high: float
    p_value: float
    """Exact two-sided McNemar test of no difference; 1 when they never disagree or there are no images."""
    n: int


def paired_difference(
    first: Bool[np.ndarray, " example"],
    second: Bool[np.ndarray, " example"],
    confidence: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
    groups: Int[np.ndarray, " example"] | None = None,
) -> Difference:
    """Compare two methods on the very same examples.

    Parameters
    ----------
    first, second : bool (example,)
        Whether each method was right.
    confidence : float
    n_resamples : int
        Bootstrap samples of the examples behind the interval.
    seed : int
    groups : int (example,), optional
        From `sn_viz.groups.group_index`, where examples share a picture or a group: whole groups are then drawn, and the p-value is
        that of the sums of the groups.

    Returns
    -------
    Difference
        With a percentile bootstrap interval; NaN and [-1, 1] without examples.

    Notes
    -----
    With groups the test is V. L. Durkalski et al., "The analysis of clustered matched-pair data", Statistics in Medicine 22 (2003).
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    n = len(first)
    if n == 0:
        return Difference(np.nan, -1.0, 1.0, 1.0, 0)
    wins, losses = int((first & ~second).sum()), int((second & ~first).sum())
    rng = np.random.default_rng(seed)
    if groups is not None and not is_single(groups):
        return _grouped_difference(first.astype(int) - second.astype(int), groups, confidence, n_resamples, rng)
    # only how many wins and losses a resample holds matters
    counts = rng.multinomial(n, np.array([wins, losses, int((first == second).sum())]) / n, n_resamples)
    tail = (1 - confidence) / 2
    low, high = np.quantile((counts[:, 0] - counts[:, 1]) / n, [tail, 1 - tail])
    return Difference((wins - losses) / n, float(low), float(high), _mcnemar(wins, losses), n)


def _grouped_difference(
    gap: np.ndarray, groups: np.ndarray, confidence: float, n_resamples: int, rng: np.random.Generator
) -> Difference:
    """Return the mean gap, int (example,), with a bootstrap over whole groups."""
    gaps, sizes = _group_sums(gap, groups), _group_sums(np.ones(len(gap)), groups)
    drawn = rng.integers(len(gaps), size=(n_resamples, len(gaps)))
    tail = (1 - confidence) / 2
    low, high = np.quantile(gaps[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), [tail, 1 - tail])
    square = float((gaps**2).sum())
    p_value = float(chdtrc(1, gaps.sum() ** 2 / square)) if square else 1.0
    return Difference(float(gap.mean()), float(low), float(high), p_value, len(gap))


def _mcnemar(wins: int, losses: int) -> float:
    """Return the exact two-sided p-value that wins and losses are equally likely."""
    from scipy.stats import binomtest

    differ = wins + losses
    return float(binomtest(wins, differ).pvalue) if differ else 1.0


def permutation_p_value(observed: float | np.floating, null: Float[np.ndarray, " labelling"]) -> float:
    """Return how often meaningless labels do at least as well.

    Parameters
    ----------
    observed : float
        The best score with the true labels.
    null : float (labelling,)
        The best score with each shuffled labelling.

    Returns
    -------
    float
        (1 + number of null scores >= observed) / (1 + number of null scores), NaN scores left out: never 0. NaN when the observed
        score is, or no null score is defined.
    """
    null = np.asarray(null, np.float64)
    null = null[~np.isnan(null)]
    if np.isnan(observed) or not len(null):
        return np.nan
    return (1 + int((null >= np.float64(observed) - 1e-6).sum())) / (1 + len(null))


@dataclass(frozen=True, eq=False)
class LeftOut:
    """What examples that were left out of the search say about the exit layers."""

    right: Float[np.ndarray, "judged layer"]
    """float64 (example, layer): how often each is voted right, a share of the repeats, 0 or 1 from ``ENOUGH_JUDGED`` examples on,
    where folds are made once. A layer where no neuron is defined is right about nothing. Shape (0, layer) when fewer than two
    classes are present or some class has a single group, so that nothing can be left out."""
    pooled: Float[np.ndarray, "few layer"]
    """float64 (example, layer): which share of the layer's own neurons is right about each, see
    `sn_viz.voting.voters.right_by_layer`; (0, layer) with `sn_viz.voting.committees.FEW` groups or more."""

    def exit_layer(self, groups: Int[np.ndarray, " example"] | None = None) -> int:
        """Return the exit by ``choose_exit_layer``; where there are few examples the earliest whose ``pooled`` names them as well.

        With few examples fifteen votes are right or wrong mostly by luck, but what a thousand neurons of a layer say is not. Of
        these means the deepest layers have the best by a hair, so ``FORGIVEN`` of an example is given away for an earlier exit
        (`EXPERIMENTS.md`).
        """
        if not len(self.pooled):
            return choose_exit_layer(self.right, groups=groups if len(self.right) else None)
        return int(np.argmax(self._near_best(groups))) + 1

    def deepest_layer(self, groups: Int[np.ndarray, " example"] | None = None) -> int:
        """Return the deepest layer whose neurons name few examples as well as any layer's do, for what need not answer early.

        "As well" is meant as in `exit_layer`, which is what is returned where there are not few.
        """
        if not len(self.pooled):
            return self.exit_layer(groups)
        return int(np.flatnonzero(self._near_best(groups))[-1]) + 1

    def _near_best(self, groups: Int[np.ndarray, " example"] | None) -> Bool[np.ndarray, " layer"]:
        """Return at which layers ``pooled`` names at most ``FORGIVEN`` of an example fewer than at the best."""
        n = len(self.pooled) if groups is None else len(np.unique(groups))
        share = self.pooled.mean(axis=0)
        return share >= share.max() - FORGIVEN / n - 1e-9


def left_out_layers(
    values: Float[np.ndarray, "example neuron"],
    labels: Int[np.ndarray, " example"],
    neurons: Neurons,
    rule: str = "best-split",
    metric: str = "balanced-accuracy",
    voters: int = 15,
    weighting: str = "majority",
    n_classes: int | None = None,
    n_folds: int = MAX_FOLDS,
    seed: int = 0,
    progress: Progress | None = None,
    groups: Int[np.ndarray, " example"] | None = None,
    search: Search = find_stumps,
) -> LeftOut:
    """Judge every exit layer on examples left out of the search.

    Parameters
    ----------
    values : float16 or float32 (example, neuron)
        The probing split.
    labels : int (example,)
    neurons : Neurons
        Sorted by layer.
    rule, metric, voters, weighting
        As for ``SuperNeuronClassifier``.
    n_classes : int, optional
    n_folds : int
        At most; fewer when a class has fewer groups. Stratified and shuffled.
    seed : int
        Of the first folds; repeats count on from it.
    progress : callable, optional
    groups : int (example,), optional
        From `sn_viz.groups.group_index`: examples of one group are left out together. None when nothing is shared.
    search : callable
        Finds the stumps of a fold.

    Returns
    -------
    LeftOut
        One search a fold; a layer's voters come from the neurons up to it.

    Notes
    -----
    Repeats average out the luck of the folds: with 5 to 20 images they raised the accuracy at the chosen layer by 2 to 7 points
    (`EXPERIMENTS.md`). The luck of the examples stays.
    """
    labels = np.asarray(labels)
    n_classes = max(2, n_classes or int(labels.max(initial=1)) + 1)
    if is_fitted(weighting) and most_folds(labels, groups, n_folds) > 1:
        choices = rule, metric, voters, n_classes, n_folds, seed, progress, groups, search
        fit = cross_fit(values, labels, neurons, *choices)
        return LeftOut(fit.right, fit.pooled)
    committee = Committee(rule, metric, voters, weighting)
    return left_out_committees(values, labels, neurons, [committee], n_classes, n_folds, seed, progress, groups, search)[0]


def left_out_committees(
    values: Float[np.ndarray, "example neuron"],
    labels: Int[np.ndarray, " example"],
    neurons: Neurons,
    committees: Sequence[Committee],
    n_classes: int,
    n_folds: int = MAX_FOLDS,
    seed: int = 0,
    progress: Progress | None = None,
    groups: Int[np.ndarray, " example"] | None = None,
    search: Search = find_stumps,
) -> tuple[LeftOut, ...]:
    """Judge several committees on the same left-out examples, at every exit layer.

    Parameters
    ----------
    values, labels, neurons, n_classes, n_folds, seed, progress, groups
        As for `left_out_layers`.
    committees : sequence of Committee
        None with a fitted weighting, which `sn_viz.voting.committees.cross_fit` judges.
    search : callable
        Finds the stumps of a fold, those that vote in the largest of the committees among them.

    Returns
    -------
    tuple of LeftOut
        In the order of ``committees``; two that rank neurons alike share their searches.
    """
    folds, shape = most_folds(labels, groups, n_folds), (len(labels), len(neurons.layers))
    if folds < 2:
        return tuple(LeftOut(*np.zeros((2, 0, shape[1]))) for _ in committees)
    independent = len(labels) if groups is None else n_groups(groups)
    if independent < FEW:
        search = find_stumps  # all neurons are asked, and a search for voters may leave most of them out
    repeats = int(np.clip(np.ceil(ENOUGH_JUDGED / independent), 1, MAX_REPEATS))
    right = [np.zeros(shape) for _ in committees]
    pooled = [np.zeros(shape if independent < FEW else (0, shape[1])) for _ in committees]
    for number in range(repeats * folds):
        if progress is not None:
            doing = "Choosing who votes and the exit layer" if len(committees) > 1 else "Choosing the exit layer"
            progress(number / (repeats * folds), f"{doing} on the probing images")
        held_out = grouped_folds(labels, groups, folds, seed + number // folds) == number % folds
        kept, rows = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        found = {by: search(values, labels, *by, n_classes, rows=kept) for by in {one[:2] for one in committees}}
        for at, committee in enumerate(committees):
            stumps = found[committee[:2]]
            if np.isnan(stumps.score).all():
                continue
            if len(pooled[at]):
                pooled[at][held_out] += right_by_layer(values, labels[held_out], stumps, neurons, n_classes, rows)
            by_layer = voters_by_layer(stumps, neurons, committee.voters, n_classes)
            votes = votes_by_layer(values, by_layer, n_classes, committee.weighting, rows=rows)
            spoken = np.array([len(one) > 0 for one in by_layer])
            right[at][held_out] += (votes.predicted == labels[held_out, None]) & spoken
    return tuple(LeftOut(one / repeats, all_of_it / repeats) for one, all_of_it in zip(right, pooled, strict=True))


def cross_validated_layers(
    values: Float[np.ndarray, "example neuron"],
    labels: Int[np.ndarray, " example"],
    neurons: Neurons,
    rule: str = "best-split",
    metric: str = "balanced-accuracy",
    voters: int = 15,
    weighting: str = "majority",
    n_classes: int | None = None,
    n_folds: int = MAX_FOLDS,
    seed: int = 0,
    progress: Progress | None = None,
    groups: Int[np.ndarray, " example"] | None = None,
    search: Search = find_stumps,
) -> Float[np.ndarray, "judged layer"]:
    """Return how often each example, left out of the search, is voted right at every exit layer.

    Parameters
    ----------
    values, labels, neurons, rule, metric, voters, weighting, n_classes, n_folds, seed, progress, groups, search
        As for `left_out_layers`.

    Returns
    -------
    float64 (example, layer)
        Its ``right``.
    """
    choices = rule, metric, voters, weighting, n_classes, n_folds, seed, progress, groups, search
    return left_out_layers(values, labels, neurons, *choices).right


def choose_exit_layer(
    right: Float[np.ndarray, "example layer"] | Bool[np.ndarray, "example layer"],
    se: float = 1.0,
    groups: Int[np.ndarray, " example"] | None = None,
) -> int:
    """Return the earliest layer within ``se`` standard errors of the best one.

    Parameters
    ----------
    right : float or bool (example, layer)
        Cross-validated, from ``cross_validated_layers``: how often each example was voted right.
    se : float
        How many standard errors of the paired difference from the best layer are forgiven.
    groups : int (example,), optional
        From `sn_viz.groups.group_index`: the standard error is then that between groups.

    Returns
    -------
    int
        Counted from 1, the first column; the last layer when there are no examples to go by, and 1 when there are no layers.

    Notes
    -----
    The one-standard-error rule of Breiman et al., "Classification and Regression Trees" (1984), with the error of the paired
    difference, which is smaller than that of either accuracy because the layers see the same examples. The best layer is the
    earliest of the most accurate. Losing a single example for good is exactly one standard error, so it is forgiven.

    Examples
    --------
    >>> choose_exit_layer(np.array([[0, 1, 1], [0, 1, 1], [1, 1, 1], [0, 1, 1]], bool))
    2
    """
    right = np.asarray(right, np.float64)
    if not right.size:
        return max(1, right.shape[1])
    share = right.mean(axis=0)
    best = right[:, int(np.argmax(share >= share.max() - 1e-9))]
    lost = best[:, None] - right
    forgiven = se * standard_error(lost, groups)
    return int(np.argmax(lost.mean(axis=0) <= forgiven + 1e-9)) + 1


def standard_error(lost: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Return the standard error of the mean of ``lost`` (example, layer), float64 (layer,)."""
    n = len(lost)
    if groups is None or is_single(groups):
        return lost.std(axis=0, ddof=1 if n > 1 else 0) / np.sqrt(n)
    off = lost - lost.mean(axis=0)
    sums = np.stack([_group_sums(column, groups) for column in off.T], axis=1)
    return np.sqrt((sums**2).sum(axis=0) * len(sums) / max(len(sums) - 1, 1)) / n


def selection_stability(
    values: Float[np.ndarray, "example neuron"],
    labels: Int[np.ndarray, " example"],
    chosen: Int[np.ndarray, " voter"],
    rule: str = "best-split",
    metric: str = "balanced-accuracy",
    voters: int = 15,
    n_classes: int = 2,
    n_resamples: int = 20,
    seed: int = 0,
    groups: Int[np.ndarray, " example"] | None = None,
    search: Search = find_stumps,
) -> Float[np.ndarray, " voter"]:
    """Return how often each chosen neuron is chosen again when the probing images are drawn anew.

    Parameters
    ----------
    values : float16 or float32 (example, neuron)
        Of the probing images: the neurons that could be chosen.
    labels : int (example,)
    chosen : int (voter,)
        Columns of the neurons chosen on all images.
    rule, metric, voters, n_classes
        As in the search that chose them.
    n_resamples : int
        Bootstrap samples of the images, each class resampled by itself.
    seed : int
    groups : int (example,), optional
        From `sn_viz.groups.group_index`: of each class whole groups are drawn.
    search : callable
        Finds the stumps of a sample.

    Returns
    -------
    float64 (voter,)
        Fraction of the samples in whose search the neuron votes again, for any class; NaN without samples. A neuron picked blindly
        would come again in about ``voters * classes / neurons`` of them.
    """
    labels, rng = np.asarray(labels), np.random.default_rng(seed)
    again = np.zeros((n_resamples, len(chosen)), bool)
    groups = np.arange(len(labels)) if groups is None else groups
    members = [rows_of_groups(rows, groups) for label in range(n_classes) if len(rows := np.flatnonzero(labels == label))]
    for one in again:
        drawn = np.concatenate([of_class[i] for of_class in members for i in rng.choice(len(of_class), len(of_class))])
        stumps = search(values, labels, rule, metric, n_classes, rows=drawn)
        one[:] = np.isin(chosen, select_voters(stumps, voters, n_classes).neuron)
    return again.mean(axis=0) if n_resamples else np.full(len(chosen), np.nan)
