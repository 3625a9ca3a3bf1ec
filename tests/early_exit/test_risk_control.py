"""The chosen threshold is safe as often as promised."""

from __future__ import annotations

import numpy as np
import pytest
from planted_votes import planted, votes_of
from scipy.stats import binom, binomtest

from sn_viz.bench.policies import chosen_rungs, repeated_splits, synthetic_losses
from sn_viz.early_exit.policies import rows_of
from sn_viz.early_exit.risk_control import GRID, FullModel, RiskControlled, losses
from sn_viz.early_exit.trial import outcome
from sn_viz.errors import UserError


def test_the_boldest_safe_threshold_is_taken():
    votes, full = planted(4000)
    policy = RiskControlled.calibrated(votes, full, level=0.05)
    # P(disagree and margin >= t) = integral of (1 - m) / 2 over [t, 1] = (1 - t)^2 / 4, which is 5 % at t = 0.553
    assert isinstance(policy, RiskControlled) and 0.55 <= policy.threshold <= 0.62
    fresh, answers = planted(20_000, seed=1)
    seen = outcome(policy, fresh, answers)
    assert 0.03 < seen.risk.value <= 0.05 and seen.mean_layer == pytest.approx(1 + policy.threshold, abs=0.02)
    assert "95% confidence" in policy.sentence and "5.0 %" in policy.sentence


def test_errors_count_the_full_model_where_it_answers():
    votes, full = planted(2000)
    labels = np.where(np.arange(2000) % 50 == 0, 1 - full, full)  # the full model is wrong on 2 %
    never = votes_of(np.zeros((2000, 2)), votes.predicted)
    policy = RiskControlled.calibrated(never, full, level=0.05, labels=labels, grid=(1.0,))
    assert isinstance(policy, RiskControlled) and policy.certificate.losses.tolist() == [40]
    assert isinstance(RiskControlled.calibrated(never, full, level=0.02, labels=labels), FullModel)


@pytest.mark.parametrize(("n", "needed"), [(0, 59), (58, 59), (59, None)])
def test_too_few_images_are_told_how_many_are_needed(n, needed):
    votes = votes_of(np.ones((n, 2)), np.ones((n, 2)))
    policy = RiskControlled.calibrated(votes, np.ones(n, np.int64), level=0.05)
    if needed is None:
        assert isinstance(policy, RiskControlled) and policy.threshold == 0.0
    else:
        assert isinstance(policy, FullModel) and policy.images_needed == needed
        assert f"{needed} would be needed" in policy.sentence and "whole model" in policy.sentence


def test_a_vote_that_errs_too_often_is_refused_for_any_number_of_images():
    votes = votes_of(np.ones((100, 1)), np.ones((100, 1)))
    full = np.ones(100, np.int64)
    full[:6] = 0
    refused = RiskControlled.calibrated(votes, full, level=0.05)
    assert isinstance(refused, FullModel) and refused.images_needed is None and "Allow a higher risk" in refused.sentence
    close = RiskControlled.calibrated(votes, full, level=0.07)
    assert isinstance(close, FullModel) and close.images_needed > 1000 and f"{close.images_needed:,}" in close.sentence
    n = close.images_needed
    assert binom.cdf(np.ceil(0.06 * n), n, 0.07) <= 0.05 < binom.cdf(np.ceil(0.06 * (n - 1)), n - 1, 0.07)


def test_what_is_no_probability_or_does_not_fit_is_refused():
    votes, full = planted(10)
    for arguments in ({"level": 0.0}, {"level": 1.0}, {"confidence": 1.5}, {"level": float("nan")}, {"grid": ()}):
        with pytest.raises(UserError):
            RiskControlled.calibrated(votes, full, **arguments)
    with pytest.raises(UserError, match="9 answers of the full model for 10 images"):
        RiskControlled.calibrated(votes, full[:9])


@pytest.mark.parametrize("kind", ["just unsafe", "gradual", "not monotone"])
def test_on_exchangeable_images_the_promise_is_broken_as_seldom_as_promised(kind):
    pool = synthetic_losses(kind, level=0.05, seed=0)
    splits = repeated_splits(pool, 0.05, n_calibration=200, n_splits=2000, seed=1)
    broken = int((splits.risk > 0.05).sum())
    assert binomtest(broken, 2000, 0.05, alternative="greater").pvalue > 0.001
    assert (splits.naive_risk > 0.05).mean() > 0.2  # trusting the calibration images' own share fails


def test_the_simulation_chooses_as_the_policy_does():
    votes, full = planted(3000)
    pool = losses(votes, full, np.array(GRID))
    random = np.random.default_rng(3)
    for n in (100, 300, 1000):
        rows = random.integers(0, 3000, n)
        policy = RiskControlled.calibrated(rows_of(votes, rows), full[rows], 0.1)
        rung = int(chosen_rungs(pool[rows].sum(axis=0)[None], n, 0.1)[0])
        assert (policy.threshold if isinstance(policy, RiskControlled) else None) == (GRID[rung] if rung >= 0 else None)


def test_thresholds_are_tried_in_forty_equal_steps_from_the_most_cautious():
    np.testing.assert_allclose(GRID, np.linspace(1, 0, 41), rtol=0, atol=1e-12)
