"""Numbers about numbers: against scipy, against planted answers, and on data where nothing can be said."""

import numpy as np
import pytest
from scipy import stats
from scipy.stats import binomtest

from sn_viz.search.stumps import find_stumps
from sn_viz.types import Neurons
from sn_viz.voting.intervals import wilson_of_share
from sn_viz.voting.statistics import (
    accuracy_interval,
    choose_exit_layer,
    cross_validated_layers,
    left_out_layers,
    paired_difference,
    permutation_p_value,
    selection_stability,
    wilson,
)
from sn_viz.voting.voters import right_by_layer

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


@pytest.mark.parametrize(("correct", "n"), [(0, 5), (5, 5), (7, 10), (1, 200), (199, 200), (1, 1)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_wilson_equals_scipy_and_its_definition(correct, n, confidence):
    """The bounds are the rates whose score test just rejects: roots of (share - rate)^2 = z^2 rate (1 - rate) / n."""
    ours, theirs = wilson(correct, n, confidence), binomtest(correct, n).proportion_ci(confidence, method="wilson")
    share, z2 = correct / n, stats.norm.ppf((1 + confidence) / 2) ** 2
    roots = np.sort(np.roots([1 + z2 / n, -2 * share - z2 / n, share**2]))
    assert (ours.value, ours.n) == (share, n)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert (ours.low, ours.high) == pytest.approx(tuple(roots), abs=1e-12)


@pytest.mark.parametrize(("correct", "n"), [(0, 5), (5, 5), (7, 10), (199, 200)])
def test_an_interval_for_as_many_independent_examples_as_there_are_is_wilsons(correct, n):
    ours, whole = wilson_of_share(correct / n, float(n), n, 0.95), wilson(correct, n)
    assert (ours.value, ours.n) == (whole.value, whole.n)
    assert (ours.low, ours.high) == pytest.approx((whole.low, whole.high), abs=1e-12)


def test_wilson_of_nothing_is_undefined_and_says_so():
    nothing = wilson(0, 0)
    assert np.isnan(nothing.value) and (nothing.low, nothing.high, nothing.n) == (0, 1, 0)


def test_wilson_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.05, 0.95, 3000)
    found = [wilson(int(k), 60) for k in rng.binomial(60, truth)]
    assert 0.93 <= np.mean([one.low <= p <= one.high for one, p in zip(found, truth, strict=True)]) <= 0.97


def test_a_paired_difference_sees_what_two_intervals_cannot():
    first = np.r_[np.ones(85, bool), np.zeros(15, bool)]
    second = first.copy()
    second[:10] = False
    found = paired_difference(first, second)
    assert found.value == pytest.approx(0.1) and 0 < found.low < 0.1 < found.high
    assert found.p_value == pytest.approx(2 * 0.5**10)
    mirrored = paired_difference(second, first)
    assert mirrored.value == -found.value and mirrored.p_value == found.p_value


def test_equal_methods_and_no_examples_do_not_differ():
    same = paired_difference(np.array([True, False]), np.array([True, False]))
    assert (same.value, same.low, same.high, same.p_value) == (0, 0, 0, 1)
    nothing = paired_difference(np.zeros(0, bool), np.zeros(0, bool))
    assert np.isnan(nothing.value) and (nothing.low, nothing.high, nothing.p_value, nothing.n) == (-1, 1, 1, 0)


def test_the_p_value_is_never_zero_and_nan_stays_nan():
    assert permutation_p_value(0.9, np.array([0.5, 0.6, 0.7])) == 0.25
    assert permutation_p_value(0.6, np.array([0.5, 0.6, 0.7, np.nan])) == 0.75
    assert permutation_p_value(np.float32(0.7), np.array([0.7], np.float32)) == 1
    assert np.isnan(permutation_p_value(np.nan, np.array([0.5]))) and np.isnan(permutation_p_value(0.5, np.array([np.nan])))


def neurons_of(n_layers, width):
    layer = np.repeat(np.arange(1, n_layers + 1), width).astype(np.int16)
    return Neurons(np.zeros(len(layer), np.int8), layer, np.tile(np.arange(width, dtype=np.int32), n_layers), ("residual",))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_layer_that_first_knows_is_chosen(n_classes):
    rng = np.random.default_rng(1)
    labels = rng.permutation(np.arange(90) % n_classes)
    values = rng.normal(size=(90, 4 * 60)).astype(np.float16)
    values[:, 120:150] += 4 * (labels[:, None] == np.arange(30) % n_classes)
    right = cross_validated_layers(values, labels, neurons_of(4, 60), voters=5)
    assert right.shape == (90, 4)
    assert right[:, :2].mean() < 0.7 and right[:, 2:].mean() > 0.9
    assert choose_exit_layer(right) == 3


@pytest.mark.parametrize(("n", "repeats"), [(12, 10), (50, 10), (60, 9), (150, 4), (500, 1)])
def test_few_images_are_judged_repeatedly_with_other_folds(n, repeats):
    rng = np.random.default_rng(5)
    labels = np.arange(n) % 2
    values = rng.normal(size=(n, 400)).astype(np.float16)
    values[:, 200:] += labels[:, None]
    right = cross_validated_layers(values, labels, neurons_of(2, 200), voters=5)
    assert np.allclose(right * repeats, np.round(right * repeats)) and right.min() >= 0 and right.max() <= 1
    assert (np.modf(right)[0] > 0).any() == (repeats > 1)


@pytest.mark.parametrize(("in_poorest_class", "folds"), [(100, 5), (5, 5), (4, 4), (2, 2)])
def test_there_are_five_folds_or_as_many_as_the_poorest_class_has_examples_and_each_is_told(in_poorest_class, folds):
    labels = np.repeat([0, 1], [200 - in_poorest_class, in_poorest_class])
    values = np.random.default_rng(6).normal(size=(200, 4)).astype(np.float16)
    told = []
    cross_validated_layers(values, labels, neurons_of(2, 2), voters=1, progress=lambda part, _: told.append(part))
    assert told == pytest.approx(np.arange(3 * folds) / (3 * folds)), "three times, for 500 judged"


def test_cross_validation_is_not_fooled_by_noise():
    rng = np.random.default_rng(2)
    right = cross_validated_layers(rng.normal(size=(60, 3000)).astype(np.float16), np.arange(60) % 2, neurons_of(3, 1000))
    assert abs(right.mean() - 0.5) < 0.2


def test_odd_data_gives_an_empty_answer_not_an_error():
    neurons, values = neurons_of(2, 3), np.random.default_rng(3).normal(size=(5, 6)).astype(np.float32)
    assert cross_validated_layers(values, np.zeros(5, int), neurons).shape == (0, 2)
    assert cross_validated_layers(values, np.array([0, 0, 0, 0, 1]), neurons).shape == (0, 2)
    assert choose_exit_layer(np.zeros((0, 2), bool)) == 2 and choose_exit_layer(np.zeros((0, 0), bool)) == 1


def test_a_layer_without_defined_neurons_is_right_about_nothing():
    values = np.random.default_rng(4).normal(size=(20, 6)).astype(np.float32)
    values[:, :3] = np.nan
    right = cross_validated_layers(values, np.arange(20) % 2, neurons_of(2, 3), voters=1)
    assert not right[:, 0].any()


def test_every_fold_holds_every_class():
    from sn_viz.groups import grouped_folds

    labels = np.array([0] * 7 + [1] * 20 + [2] * 5)
    fold = grouped_folds(labels, None, 5, seed=0)
    assert all(set(labels[fold == number]) == {0, 1, 2} for number in range(5))
    assert max(np.bincount(fold)) - min(np.bincount(fold)) <= 1


def test_a_neuron_that_knows_is_chosen_again_and_one_that_was_lucky_is_not():
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    values = rng.normal(size=(40, 400)).astype(np.float32)
    values[:, 7] += 4 * labels
    lucky = int(np.argsort(-find_stumps(values, labels).score)[40])
    again = selection_stability(values, labels, np.array([7, lucky]), voters=5)
    assert again[0] == 1 and again[1] < 0.5
    assert np.isnan(selection_stability(values, labels, np.array([7]), n_resamples=0)).all()


def by_hand(right: list[bool], groups: list[int]) -> tuple[float, float, float]:
    """Return share, low and high as the sources in `accuracy_interval` say, one sum after the other."""
    n, names = len(right), sorted(set(groups))
    p = sum(right) / n
    sums = [sum(int(r) - p for r, g in zip(right, groups, strict=True) if g == name) for name in names]
    variance = len(names) / (len(names) - 1) * sum(s * s for s in sums) / n / n
    normal, student = stats.norm.ppf(0.975), stats.t.ppf(0.975, len(names) - 1)
    kish = n * n / sum(groups.count(name) ** 2 for name in names)
    worth = p * (1 - p) / variance * (normal / student) ** 2 if variance else kish
    worth = min(max(worth, min(kish, n)), n)
    middle = (p + normal**2 / 2 / worth) / (1 + normal**2 / worth)
    half = normal * (p * (1 - p) / worth + normal**2 / 4 / worth / worth) ** 0.5 / (1 + normal**2 / worth)
    return p, middle - half, middle + half


@pytest.mark.parametrize(
    ("right", "groups"),
    [
        ([1, 1, 1, 0, 0, 1, 1, 0, 1, 1], [0, 0, 0, 1, 1, 2, 2, 3, 4, 4]),
        ([1, 0, 1, 0, 1, 0, 1, 1], [0, 0, 1, 1, 2, 2, 3, 3]),
        ([0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1], [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 4, 5, 5]),
        ([1, 1, 1, 1, 0, 0, 0, 0, 1], [0, 0, 0, 0, 1, 1, 1, 1, 2]),
        ([1, 0, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 5]),
    ],
)
def test_the_interval_of_grouped_examples_is_the_one_worked_out_by_hand(right, groups):
    found = accuracy_interval(np.array(right, bool), np.array(groups))
    p, low, high = by_hand([bool(r) for r in right], groups)
    assert (found.value, found.low, found.high, found.n) == (pytest.approx(p), pytest.approx(low), pytest.approx(high), len(right))


def test_one_group_is_worth_one_example():
    found = accuracy_interval(np.array([True, False]), np.array([7, 7]))
    assert (found.value, found.n) == (0.5, 2)
    assert (found.low, found.high) == (pytest.approx(0.0546, abs=1e-3), pytest.approx(0.9454, abs=1e-3))


def test_all_right_in_groups_is_worth_no_more_than_the_groups():
    right, groups = np.ones(12, bool), np.repeat(np.arange(4), 3)
    found, four = accuracy_interval(right, groups), wilson(4, 4)
    assert (found.low, found.high, found.n) == (pytest.approx(four.low), 1.0, 12)


def test_the_interval_covers_the_truth_where_groups_are_right_or_wrong_together():
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(40), 6)
    inside = {"grouped": 0, "plain": 0}
    for _ in range(400):
        right = np.repeat(rng.random(40) < 0.7, 6) ^ (rng.random(240) < 0.05)
        truth = 0.7 * 0.95 + 0.3 * 0.05
        for name, found in (("grouped", accuracy_interval(right, groups)), ("plain", accuracy_interval(right))):
            inside[name] += found.low <= truth <= found.high
    assert inside["grouped"] >= 0.92 * 400 and inside["plain"] <= 0.75 * 400, inside


def test_the_exit_forgives_astandard_error_of_the_groups_not_of_the_examples():
    from sn_viz.voting.statistics import standard_error

    rng = np.random.default_rng(0)
    lost = rng.normal(size=(12, 3))
    groups = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 4, 4])
    sums = [[sum(column[i] - column.mean() for i in range(12) if groups[i] == g) for g in range(5)] for column in lost.T]
    expected = [(5 / 4 * sum(s * s for s in column)) ** 0.5 / 12 for column in sums]
    assert np.allclose(standard_error(lost, groups), expected)
    alone = [column.std(ddof=1) / 12**0.5 for column in lost.T]
    assert np.allclose(standard_error(lost, None), alone) and np.allclose(standard_error(lost, np.arange(12)), alone)
    assert np.allclose(standard_error(lost[:1], None), 0)


def test_the_p_value_of_grouped_pairs_is_that_of_the_sums_of_the_groups():
    first = np.array([1, 1, 0, 1, 1, 0, 1, 1, 1], bool)
    second = np.array([0, 0, 0, 1, 1, 1, 1, 0, 0], bool)
    found = paired_difference(first, second, groups=np.array([0, 0, 0, 1, 1, 2, 2, 3, 3]))
    assert found.p_value == pytest.approx(stats.chi2.sf((2 - 1 + 2) ** 2 / (4 + 1 + 4), 1)) and found.value == pytest.approx(3 / 9)
    assert paired_difference(first, first, groups=np.array([0, 0, 0, 1, 1, 2, 2, 3, 3])).p_value == 1


def test_two_groups_and_one_have_astandard_error():
    from sn_viz.voting.statistics import standard_error

    lost = np.array([[1.0], [0.0], [0.0], [0.0]])
    assert standard_error(lost, np.array([0, 0, 1, 1]))[0] == pytest.approx((2 * (0.5**2 + 0.5**2)) ** 0.5 / 4)
    assert standard_error(lost, np.zeros(4, int))[0] == pytest.approx(0)
    assert standard_error(lost, np.array([0, 0, 1, 2]))[0] == pytest.approx((3 / 2 * (0.5**2 + 0.25**2 + 0.25**2)) ** 0.5 / 4)


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize(("right", "groups"), [([1, 1, 0, 0, 0, 1, 1], [0, 0, 1, 1, 2, 2, 2]), ([1, 1, 1], [0, 0, 1])])
def test_a_grouped_interval_has_the_confidence_that_is_asked_for(right, groups, confidence):
    right, groups = np.array(right, bool), np.array(groups)
    found, n, p = accuracy_interval(right, groups, confidence), len(right), right.mean()
    sizes, off = np.bincount(groups), np.bincount(groups, weights=right - p)
    kish, number, normal = n**2 / (sizes**2).sum(), len(sizes), stats.norm.ppf(0.5 + confidence / 2)
    variance = (off**2).sum() / n**2 * number / (number - 1)
    student = stats.t.ppf(0.5 + confidence / 2, number - 1)
    worth = np.clip(p * (1 - p) / variance * (normal / student) ** 2, kish, n) if variance else kish
    middle = (p + normal**2 / 2 / worth) / (1 + normal**2 / worth)
    half = normal * (p * (1 - p) / worth + normal**2 / 4 / worth**2) ** 0.5 / (1 + normal**2 / worth)
    assert found.low == pytest.approx(middle - half) and found.high == pytest.approx(min(1, middle + half))


def test_all_wrong_and_nothing_in_groups():
    none = accuracy_interval(np.zeros(6, bool), np.array([0, 0, 1, 1, 2, 2]))
    assert (none.value, none.low, none.n) == (0, 0, 6) and none.high == pytest.approx(wilson(0, 3).high)
    nothing = accuracy_interval(np.zeros(0, bool), np.zeros(0, int))
    assert np.isnan(nothing.value) and (nothing.low, nothing.high, nothing.n) == (0, 1, 0)


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.95])
def test_the_bootstrap_interval_is_that_of_the_binomial_distribution(confidence):
    first, second = np.arange(37) < 11, np.zeros(37, bool)
    found = paired_difference(first, second, confidence, n_resamples=60_000)
    tail = (1 - confidence) / 2
    assert (found.low * 37, found.high * 37) == pytest.approx(tuple(stats.binom.ppf([tail, 1 - tail], 37, 11 / 37)))
    assert found.value == 11 / 37 and found.n == 37
    other = paired_difference(second, first, confidence, n_resamples=60_000)
    assert (other.low, other.high) == pytest.approx((-found.high, -found.low))


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_examples_that_come_twice_in_a_group_are_worth_what_they_are_worth_once(confidence):
    rng = np.random.default_rng(8)
    first, second = rng.random(41) < 0.6, rng.random(41) < 0.4
    once = paired_difference(first, second, confidence, n_resamples=40_000)
    twice = paired_difference(
        np.repeat(first, 2), np.repeat(second, 2), confidence, n_resamples=40_000, groups=np.repeat(np.arange(41), 2)
    )
    assert (twice.value, twice.low, twice.high) == pytest.approx((once.value, once.low, once.high))
    assert twice.n == 82


def test_large_groups_weigh_as_much_as_they_hold():
    first, groups = np.array([1, 1, 1, 1, 1, 1, 0], bool), np.array([0, 0, 0, 0, 0, 0, 1])
    found = paired_difference(first, np.zeros(7, bool), groups=groups, n_resamples=500)
    assert (found.low, found.high, found.value) == (0, 1, pytest.approx(6 / 7))


@pytest.mark.parametrize(("wins", "losses"), [(3, 0), (3, 1), (3, 3), (1, 6), (0, 1), (10, 4)])
def test_the_p_value_of_single_pairs_is_mcnemars(wins, losses):
    first = np.array([True] * wins + [False] * losses + [True, False])
    second = np.array([False] * wins + [True] * losses + [True, False])
    assert paired_difference(first, second, n_resamples=5).p_value == pytest.approx(binomtest(wins, wins + losses).pvalue)


def test_scores_that_differ_by_rounding_count_as_equal():
    null = np.array([0.7 - 5e-7, 0.7 - 2e-6, 0.7 + 1e-3, 0.1])
    assert permutation_p_value(0.7, null) == 3 / 5


def test_every_repeat_makes_new_folds_and_its_share_is_counted():
    from sn_viz.groups import grouped_folds
    from sn_viz.voting.voters import voters_by_layer
    from sn_viz.voting.votes import votes_by_layer

    rng, neurons = np.random.default_rng(9), neurons_of(2, 30)
    labels = rng.permutation(np.arange(46) % 3)
    values = rng.normal(size=(46, 60)).astype(np.float16)
    values[:, ::7] += labels[:, None]
    expected = np.zeros((46, 2))
    for repeat in range(10):
        fold = grouped_folds(labels, None, 4, 11 + repeat)
        for number in range(4):
            out = fold == number
            by_layer = voters_by_layer(find_stumps(values[~out], labels[~out], classes=3), neurons, 3, 3)
            expected[out] += votes_by_layer(values[out], by_layer, 3, "majority").predicted == labels[out, None]
    told = []
    right = cross_validated_layers(
        values, labels, neurons, voters=3, n_folds=4, seed=11, progress=lambda part, what: told.append((part, what))
    )
    np.testing.assert_allclose(right, expected / 10)
    by_default = cross_validated_layers(values, labels, neurons)
    np.testing.assert_array_equal(by_default, cross_validated_layers(values, labels, neurons, voters=15, n_folds=5, seed=0))
    assert [part for part, _ in told] == pytest.approx(np.arange(40) / 40) and told[0][1].startswith("Choosing the exit layer")


def test_groups_are_judged_as_often_as_there_are_few_of_them():
    labels, groups = np.repeat([0, 1], 60), np.repeat(np.arange(20), 6)
    values = np.random.default_rng(10).normal(size=(120, 4)).astype(np.float32)
    told = []
    cross_validated_layers(values, labels, neurons_of(2, 2), voters=1, groups=groups, progress=lambda part, _: told.append(part))
    assert len(told) == 10 * 5
    told.clear()
    cross_validated_layers(values, labels, neurons_of(2, 2), voters=1, progress=lambda part, _: told.append(part))
    assert len(told) == 5 * 5


def test_the_earliest_layer_within_so_manystandard_errors_is_chosen():
    right = np.ones((100, 4))
    right[:9, 0], right[:4, 1], right[:1, 2] = 0, 0, 0
    assert [choose_exit_layer(right, se) for se in (0.0, 0.9, 1.0, 2.0, 2.1, 3.2)] == [4, 4, 3, 3, 2, 1]
    assert choose_exit_layer(np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 1]]), se=0.0) == 3
    assert choose_exit_layer(np.array([[1.0, 1.0]])) == 1 and choose_exit_layer(np.array([[0.0, 1.0]])) == 2


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_layer_is_as_right_as_its_neurons_are_on_average(n_classes):
    rng = np.random.default_rng(11)
    labels, neurons = np.arange(12) % n_classes, neurons_of(3, 5)
    values = rng.normal(size=(12, 15)).astype(np.float32)
    values[:, 5] = 1  # constant: it has no score and says nothing
    rows = np.array([2, 7, 9])
    stumps = find_stumps(values, labels, classes=n_classes)
    found = right_by_layer(values, labels[rows], stumps, neurons, n_classes, rows)
    expected = np.zeros((3, 3))
    for i, row in enumerate(rows):
        for layer in (1, 2, 3):
            shares = []
            for at in np.flatnonzero(np.isfinite(stumps.score) & (neurons.layer[stumps.neuron] == layer)):
                says = stumps.sign[at] * (values[row, stumps.neuron[at]] - stumps.threshold[at]) > 0
                own = stumps.class_index[at] == labels[row]
                shares.append((says == own, 1.0 if n_classes == 2 else 0.5 if own else 0.25))
            expected[i, layer - 1] = np.average([one for one, _ in shares], weights=[weight for _, weight in shares])
    np.testing.assert_allclose(found, expected)


def test_few_images_choose_the_exit_where_whole_layers_know_and_many_by_their_votes():
    hits, by_votes, neurons = [], [], neurons_of(5, 400)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        labels = np.array([0, 1, 0, 1, 1])
        values = rng.normal(size=(5, 2000)).astype(np.float32)
        values[:, 800:] += 0.9 * labels[:, None]  # from the third layer on every neuron knows a little
        judged = left_out_layers(values, labels, neurons, seed=seed)
        assert judged.pooled.shape == judged.right.shape == (5, 5)
        hits.append(judged.exit_layer())
        by_votes.append(choose_exit_layer(judged.right))
    assert np.mean(np.array(hits) >= 3) > 0.9 and np.mean(hits) < 4
    assert np.mean(np.array(hits) == 3) > np.mean(np.array(by_votes) == 3)
    many = left_out_layers(rng.normal(size=(20, 2000)).astype(np.float32), np.arange(20) % 2, neurons)
    assert len(many.pooled) == 0 and many.exit_layer() == choose_exit_layer(many.right)
    grouped = left_out_layers(
        rng.normal(size=(30, 2000)).astype(np.float32), np.arange(30) // 2 % 2, neurons, groups=np.arange(30) // 2
    )
    assert grouped.pooled.shape == (30, 5), "fifteen groups are few"
    alone = left_out_layers(values, np.array([0, 0, 0, 0, 1]), neurons)
    assert alone.right.shape == alone.pooled.shape == (0, 5) and alone.exit_layer(np.arange(5)) == 5


def test_a_share_of_the_samples_chooses_a_neuron_again():
    rng = np.random.default_rng(12)
    labels, groups = np.arange(30) % 3, np.arange(30) // 2
    values = rng.normal(size=(30, 12)).astype(np.float32)
    chosen = np.array([3, 8, 0])
    from sn_viz.groups import rows_of_groups
    from sn_viz.voting.voters import select_voters

    for given in (None, groups):
        again, draws = np.zeros(3), np.random.default_rng(4)
        for _ in range(6):
            parts = []
            for c in range(3):
                of_class = rows_of_groups(np.flatnonzero(labels == c), np.arange(30) if given is None else given)
                parts += [of_class[i] for i in draws.choice(len(of_class), len(of_class))]
            drawn = np.concatenate(parts)
            voters = select_voters(find_stumps(values[drawn], labels[drawn], classes=3), 2, 3)
            again += np.isin(chosen, voters.neuron)
        found = selection_stability(values, labels, chosen, voters=2, n_classes=3, n_resamples=6, seed=4, groups=given)
        np.testing.assert_allclose(found, again / 6)
