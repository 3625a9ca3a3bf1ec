"""Where to stop: at a layer, or where the vote becomes clear."""

from __future__ import annotations

import numpy as np
import pytest
from planted_votes import votes_of

from sn_viz.early_exit.policies import FixedLayer, MarginPolicy
from sn_viz.early_exit.risk_control import RiskControlled
from sn_viz.early_exit.trial import outcome


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
