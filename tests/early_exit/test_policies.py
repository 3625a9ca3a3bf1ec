"""Where to stop: at a layer, or where the vote becomes clear."""

from __future__ import annotations

import numpy as np
import pytest
from planted_votes import votes_of
from scipy.stats import binomtest

from sn_viz.early_exit.policies import FixedLayer, MarginPolicy, rows_of
from sn_viz.early_exit.risk_control import RiskControlled
from sn_viz.early_exit.trial import outcome
from sn_viz.search.stumps import find_stumps
from sn_viz.types import Neurons
from sn_viz.voting.committees import cross_fit, weighed
from sn_viz.voting.voters import voters_by_layer
from sn_viz.voting.votes import votes_by_layer


def test_layers_of_the_vision_tower_count_below_one():
    votes = votes_of([[0.9, 0.9, 0.9], [0.1, 0.1, 0.9]], np.ones((2, 3)), first_layer=-1)
    full = np.ones(2, np.int64)
    assert outcome(MarginPolicy(0.5), votes, full).layer.tolist() == [-1, 1]
    assert outcome(FixedLayer(0), votes, full).layer.tolist() == [0, 0]


@pytest.mark.parametrize("make", [MarginPolicy, lambda threshold: RiskControlled(threshold, None)])
def test_a_margin_that_just_reaches_the_threshold_exits(make):
    policy, below = make(0.5), float(np.nextafter(np.float32(0.5), np.float32(0)))
    votes = votes_of([[0.25, 0.5, 1.0], [below, below, np.nan], [0.5, 0.0, 0.0]], np.zeros((3, 3)))
    np.testing.assert_array_equal(policy.exit_mask(votes), [[False, True, True], [False, False, False], [True, False, False]])
    assert policy.exit_layers(votes).tolist() == [2, 3, 1]
    assert (
        policy.should_exit(1, 0.5)
        and policy.should_exit(1, 0.75)
        and not policy.should_exit(1, below)
        and not policy.should_exit(1, float("nan"))
    )


def test_a_fixed_layer_exits_at_that_layer_and_not_before():
    policy, votes = FixedLayer(0), votes_of(np.zeros((2, 4)), np.zeros((2, 4)), first_layer=-1)
    np.testing.assert_array_equal(policy.exit_mask(votes), [[False, True, True, True]] * 2)
    assert policy.exit_layers(votes).tolist() == [0, 0]
    assert [policy.should_exit(layer, 0.0) for layer in (-1, 0, 1)] == [False, True, True]


def test_a_margin_is_as_bold_as_the_accuracy_that_may_be_given_up_allows():
    labels = np.ones(100, np.int64)
    margin = np.stack([np.linspace(0.01, 1, 100), np.ones(100)], axis=1)
    right = np.ones((100, 2), np.int64)
    right[:10:2, 0] = 0  # of the ten least clear votes of the first layer half are wrong, the second layer is always right
    votes = votes_of(margin, right)
    bold = [MarginPolicy.calibrated(votes, labels, loss) for loss in (0, 0.021, 0.5)]
    np.testing.assert_allclose([policy.threshold for policy in bold], [0.1, 0.06, 0.0], atol=1e-6)
    assert (votes_of(margin, right).predicted[np.arange(100), bold[0].exit_layers(votes) - 1] == 1).all()


def clear_votes(margin):
    return votes_of(margin, np.ones(np.shape(margin)))


def test_a_fixed_layer_stops_everything_there():
    assert FixedLayer(2).exit_layers(clear_votes([[0.1, 0.2, 0.9]] * 4)).tolist() == [2, 2, 2, 2]
    assert [FixedLayer(2).should_exit(layer, 0.0) for layer in (1, 2, 3)] == [False, True, True]


def test_a_margin_stops_each_example_as_soon_as_it_is_clear():
    margins = [[0.1, 0.6, 0.9], [0.5, 0.1, 0.1], [0.1, 0.2, 0.3], [np.nan, np.nan, 1.0]]
    policy = MarginPolicy(0.5)
    assert policy.exit_layers(clear_votes(margins)).tolist() == [2, 1, 3, 3]
    assert [policy.should_exit(1, margin) for margin in (0.4, 0.5, float("nan"))] == [False, True, False]


def test_calibration_stops_as_soon_as_accuracy_allows():
    predicted = np.array([[1, 1], [0, 1], [1, 1], [0, 1]])  # layer 1 is wrong exactly where its margin is small
    margin = np.array([[0.8, 1.0], [0.2, 1.0], [0.7, 1.0], [0.1, 1.0]], dtype=np.float32)
    seen = votes_of(margin, predicted)
    policy = MarginPolicy.calibrated(seen, np.ones(4, dtype=np.int64))
    assert policy.exit_layers(seen).tolist() == [1, 2, 1, 2]
    generous = MarginPolicy.calibrated(seen, np.ones(4, dtype=np.int64), loss=0.5)
    assert generous.exit_layers(seen).tolist() == [1, 1, 1, 1]


DEPTH, EACH = 4, 300


def weighed_votes(n_probing, seed, n=400):
    """Votes by logistic shares at four layers, each with clearer neurons than the one before, of calibration and test images."""
    rng = np.random.default_rng(seed)
    layer = np.repeat(np.arange(1, DEPTH + 1), EACH).astype(np.int16)
    neurons = Neurons(np.zeros(len(layer), np.int8), layer, np.tile(np.arange(EACH, dtype=np.int32), DEPTH), ("residual",))
    strength = np.where(np.tile(np.arange(EACH) < 12, DEPTH), 0.6 * layer, 0)
    labels = [np.arange(size) % 2 for size in (n_probing, n, n)]
    values = [(rng.normal(size=(len(y), len(layer))) + strength * y[:, None]).astype(np.float16) for y in labels]
    judged = cross_fit(values[0], labels[0], neurons, metric="effect-size", voters=20, seed=seed)
    by_layer = voters_by_layer(find_stumps(values[0], labels[0], metric="effect-size"), neurons, 20, 2)
    by_layer = weighed(by_layer, values[0], labels[0], 2, "logistic", judged)
    return [(votes_by_layer(one, by_layer, 2, "logistic"), y) for one, y in zip(values[1:], labels[1:], strict=True)]


@pytest.mark.parametrize("n_probing", [9, 40])
def test_a_margin_of_logistic_shares_stops_clear_pictures_early_and_gives_up_no_more_than_was_said(n_probing):
    (votes, labels), (unseen, truth) = weighed_votes(n_probing, seed=2)
    policy = MarginPolicy.calibrated(votes, labels, loss=0.02)
    layers = policy.exit_layers(unseen)
    right = unseen.predicted[np.arange(len(truth)), layers - 1] == truth
    assert len(np.unique(layers)) > 1, "shares differ between pictures, so that some stop before others"
    assert right.mean() > (unseen.predicted[:, -1] == truth).mean() - 0.05
    early = unseen.margin[:, 0] >= np.median(unseen.margin[:, 0])
    first = unseen.predicted[:, 0] == truth
    assert first[early].mean() > first[~early].mean(), "where a layer is surer it is more often right"


def test_what_is_certified_of_logistic_shares_is_broken_as_seldom_as_promised():
    (votes, labels), (many, truth) = weighed_votes(9, seed=0, n=4000)
    random, broken, stopped, draws, level = np.random.default_rng(1), 0, [], 300, 0.1
    for _ in range(draws):
        rows = random.permutation(4000)[:150]
        policy = RiskControlled.calibrated(rows_of(votes, rows), labels[rows], level, labels[rows])  # the full model is never wrong
        told = outcome(policy, many, truth, truth)
        broken += told.risk.value > level
        stopped.append(told.stopped.mean())
    assert binomtest(broken, draws, 0.05, alternative="greater").pvalue > 0.001
    assert np.mean(stopped) > 0.2, "and it is no empty promise"
