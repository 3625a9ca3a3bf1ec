"""What a policy did with images is counted, timed and told."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from planted_run import make_run
from planted_votes import planted, votes_of

from sn_viz.early_exit.policies import MarginPolicy, rows_of
from sn_viz.early_exit.risk_control import FullModel, RiskControlled
from sn_viz.early_exit.trial import outcome, trial_of_run, try_out
from sn_viz.errors import UserError
from sn_viz.types import AnswerKey, Baseline, Interval


def test_without_an_exit_the_full_model_answers_and_never_disagrees():
    votes, full = planted(50)
    policy = RiskControlled.calibrated(votes, full, level=0.01)
    assert isinstance(policy, FullModel) and not policy.should_exit(1, 1.0) and policy.exit_layers(votes).tolist() == [2] * 50
    seen = outcome(policy, votes, full, layer_ms=np.array([1.0, 2.0]), full_ms=4.0)
    assert seen.risk.value == 0 and seen.speedup == 1 and not seen.stopped.any() and (seen.predicted == full).all()


def test_expected_time_mixes_exits_and_full_answers():
    votes = votes_of([[0.9, 0.9], [0.1, 0.9], [0.1, 0.1], [np.nan, np.nan]], np.ones((4, 2)))
    seen = outcome(MarginPolicy(0.5), votes, np.zeros(4, np.int64), layer_ms=np.array([1.0, 3.0]), full_ms=6.0)
    assert seen.layer.tolist() == [1, 2, 2, 2] and seen.stopped.tolist() == [True, True, False, False]
    assert seen.predicted.tolist() == [1, 1, 0, 0] and seen.risk.value == 0.5
    assert (seen.milliseconds, seen.speedup, seen.mean_layer) == (4.0, 1.5, 1.75)


def trial(n=400, level=0.1):
    votes, full = planted(2 * n)
    policy = RiskControlled.calibrated(rows_of(votes, np.arange(n)), full[:n], level)
    rest = np.arange(n, 2 * n)
    return try_out(policy, rows_of(votes, rest), full[rest], layer_ms=np.array([1.0, 2.0]), full_ms=4.0)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("n", [0, 10, 400])
def test_the_figure_shows_level_bound_and_choice(n, dark):
    from sn_viz.plots import policies as plot

    shown = plot.info(trial(n))
    drawn = plot.figure(shown, dark)
    assert len(json.loads(drawn.to_json())["data"]) == (4 if n else 0)
    if n:
        level, choice = drawn.data[2], drawn.data[3]
        assert list(level.y) == [0.1, 0.1] and ("chosen: margin" if n == 400 else "full model answers") in choice.name
        assert choice.error_y.array[0] > 0 and (shown.upper[shown.certified] <= 0.1).all()


def test_a_trial_says_choice_risk_depth_and_speed():
    said = trial().sentence
    assert "400 calibration images" in said and "400 test images" in said and "of 2 on average" in said and "times as fast" in said


def test_a_run_is_split_into_calibration_and_test():
    run = make_run(n_test=300)
    found = trial_of_run(run, level=0.3, risk="error")
    assert found.policy.certificate.n == found.outcome.risk.n == 150 and found.last_layer == 6
    assert trial_of_run(run, level=0.3, risk="error").outcome.risk == found.outcome.risk
    with pytest.raises(UserError, match="full model was not asked"):
        trial_of_run(replace(run, baselines=()))
    for arguments in ({"risk": "danger"}, {"calibration": 0.0}):
        with pytest.raises(UserError):
            trial_of_run(run, **arguments)


def test_words_that_nobody_can_read_contradict_nothing():
    run = make_run()
    unread = AnswerKey(run.train.classes, run.train.classes, "unknown", "Nobody knows.")
    right = np.where(np.arange(len(run.test)) < 54, run.votes.predicted[:, -1], 1 - run.votes.predicted[:, -1])
    silent = Baseline("full-model", np.full(len(run.test), -1), Interval(np.nan, 0.0, 1.0, 60), 90.0)
    calibrated = Baseline("full-model-calibrated", right, Interval(0.9, 0.8, 0.95, 60), 92.0)
    trial = trial_of_run(replace(run, answer_key=unread, baselines=(silent, calibrated)), level=0.3)
    read = trial_of_run(replace(run, baselines=(replace(calibrated, name="full-model"),)), level=0.3)
    assert trial.outcome.risk == read.outcome.risk
    with pytest.raises(UserError, match="what each class is answered with"):
        trial_of_run(replace(run, answer_key=unread, baselines=(silent,)))
