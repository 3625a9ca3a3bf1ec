"""Where to stop: the chosen threshold is safe as often as promised, and a refused exit costs nothing twice."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from planted_run import make_run
from scipy.stats import binom, binomtest

from sn_viz.activations.extract import neurons_of
from sn_viz.bench.policies import chosen_rungs, repeated_splits, synthetic_losses
from sn_viz.early_exit import certificates, policies
from sn_viz.early_exit.policies import FixedLayer, FullModel, MarginPolicy, RiskControlled
from sn_viz.errors import UserError
from sn_viz.search.stumps import find_stumps
from sn_viz.types import AnswerKey, Baseline, Interval, Votes
from sn_viz.voting.classifier import voters_by_layer, votes_by_layer


def votes_of(margin, predicted, first_layer=1):
    margin, predicted = np.asarray(margin, np.float32), np.asarray(predicted, np.int64)
    tally = np.stack([0.5 - margin / 2, 0.5 + margin / 2], axis=-1)
    return Votes(tally, predicted, margin, first_layer)


def planted(n, seed=0):
    """Two layers; the clearer the first one's vote, the likelier it agrees with the full model; the second always agrees."""
    random = np.random.default_rng(seed)
    full = random.integers(0, 2, n)
    margin = np.stack([random.random(n), np.ones(n)], axis=1)
    agrees = random.random(n) < 0.5 + margin[:, 0] / 2
    return votes_of(margin, np.stack([np.where(agrees, full, 1 - full), full], axis=1)), full


def test_p_values_and_bounds_are_scipys():
    losses = np.array([0, 3, 7, 40])
    np.testing.assert_allclose(certificates.p_values(losses, 40, 0.1), binom.cdf(losses, 40, 0.1))
    for lost in losses:
        whole = binomtest(int(lost), 40).proportion_ci(0.95, "exact")
        found = certificates.exact_interval(int(lost), 40)
        assert (found.low, found.high) == pytest.approx((whole.low, whole.high))
    one_sided = [binomtest(int(lost), 40, alternative="less").proportion_ci(0.95, "exact").high for lost in losses]
    np.testing.assert_allclose(certificates.upper_bounds(losses, 40), one_sided)


def test_a_p_value_rejects_just_when_the_bound_reaches_the_level():
    losses = np.arange(101)
    for level in (0.01, 0.05, 0.2):
        np.testing.assert_array_equal(
            certificates.p_values(losses, 100, level) <= 0.05, certificates.upper_bounds(losses, 100) <= level
        )


def test_testing_ends_at_the_first_failure():
    assert certificates.certified(np.array([0, 1, 9, 0, 0]), 100, 0.05).tolist() == [True, True, False, False, False]


def test_the_boldest_safe_threshold_is_taken():
    votes, full = planted(4000)
    policy = RiskControlled.calibrated(votes, full, level=0.05)
    # P(disagree and margin >= t) = integral of (1 - m) / 2 over [t, 1] = (1 - t)^2 / 4, which is 5 % at t = 0.553
    assert isinstance(policy, RiskControlled) and 0.55 <= policy.threshold <= 0.62
    fresh, answers = planted(20_000, seed=1)
    seen = policies.outcome(policy, fresh, answers)
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


def test_without_an_exit_the_full_model_answers_and_never_disagrees():
    votes, full = planted(50)
    policy = RiskControlled.calibrated(votes, full, level=0.01)
    assert isinstance(policy, FullModel) and not policy.should_exit(1, 1.0) and policy.exit_layers(votes).tolist() == [2] * 50
    seen = policies.outcome(policy, votes, full, layer_ms=np.array([1.0, 2.0]), full_ms=4.0)
    assert seen.risk.value == 0 and seen.speedup == 1 and not seen.stopped.any() and (seen.predicted == full).all()


def test_expected_time_mixes_exits_and_full_answers():
    votes = votes_of([[0.9, 0.9], [0.1, 0.9], [0.1, 0.1], [np.nan, np.nan]], np.ones((4, 2)))
    seen = policies.outcome(MarginPolicy(0.5), votes, np.zeros(4, np.int64), layer_ms=np.array([1.0, 3.0]), full_ms=6.0)
    assert seen.layer.tolist() == [1, 2, 2, 2] and seen.stopped.tolist() == [True, True, False, False]
    assert seen.predicted.tolist() == [1, 1, 0, 0] and seen.risk.value == 0.5
    assert (seen.milliseconds, seen.speedup, seen.mean_layer) == (4.0, 1.5, 1.75)


def test_layers_of_the_vision_tower_count_below_one():
    votes = votes_of([[0.9, 0.9, 0.9], [0.1, 0.1, 0.9]], np.ones((2, 3)), first_layer=-1)
    full = np.ones(2, np.int64)
    assert policies.outcome(MarginPolicy(0.5), votes, full).layer.tolist() == [-1, 1]
    assert policies.outcome(FixedLayer(0), votes, full).layer.tolist() == [0, 0]


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
    pool = policies.losses(votes, full, np.array(policies.GRID))
    random = np.random.default_rng(3)
    for n in (100, 300, 1000):
        rows = random.integers(0, 3000, n)
        policy = RiskControlled.calibrated(policies.rows_of(votes, rows), full[rows], 0.1)
        rung = int(chosen_rungs(pool[rows].sum(axis=0)[None], n, 0.1)[0])
        assert (policy.threshold if isinstance(policy, RiskControlled) else None) == (policies.GRID[rung] if rung >= 0 else None)


@pytest.fixture
def streamed(llava, noise_pictures):
    """A tiny random model, one image, and voters found on meaningless labels; counts calls of blocks."""
    neurons = neurons_of(llava)
    random = np.random.default_rng(0)
    values = random.standard_normal((12, len(neurons))).astype(np.float16)
    voters = voters_by_layer(find_stumps(values, np.arange(12) % 2), neurons, 5, 2)
    pictures, question = noise_pictures(1), "Is there a dog in this picture?"
    inputs, ran, handles = llava.prepare(pictures, [question]), Counter(), []
    parts = {"tower": llava.module.get_submodule("model.vision_tower"), "norm": llava.norm, "lm_head": llava.lm_head}
    for name, part in (parts | dict(enumerate(llava.blocks, start=1))).items():
        handles.append(part.register_forward_pre_hook(lambda *_, name=name: ran.update([name])))
    decide = lambda policy: policies.decide_stream(llava, inputs, policy, voters, neurons, ("no", "yes"), question)  # noqa: E731
    yield SimpleNamespace(decide=decide, ran=ran, vlm=llava, inputs=inputs, voters=voters, pictures=pictures, question=question)
    for handle in handles:
        handle.remove()


def test_a_refused_exit_computes_no_block_twice_and_ends_in_the_full_models_first_token(streamed):
    votes, full = planted(20)
    policy = RiskControlled.calibrated(votes, full, level=0.01)
    assert isinstance(policy, FullModel)
    found = streamed.decide(policy)
    assert dict(streamed.ran) == {"tower": 1, 1: 1, 2: 1, 3: 1, "norm": 1, "lm_head": 1}
    assert not found.stopped and found.layer == 3 and len(found.tally) == 3
    expected = streamed.vlm.first_token_logits(streamed.pictures, [streamed.question])[0]
    np.testing.assert_allclose(found.logits, expected, atol=1e-5)
    assert found.token == streamed.vlm.tokenizer.decode([int(expected.argmax())])


def test_an_accepted_exit_runs_nothing_behind_it_and_says_what_the_vote_says(streamed):
    from sn_viz.activations.reader import truncated_forward

    found = streamed.decide(FixedLayer(2))
    assert dict(streamed.ran) == {"tower": 1, 1: 1, 2: 1}
    values = truncated_forward(streamed.vlm, streamed.inputs, 2)
    expected = votes_by_layer(values, streamed.voters[:2], 2)
    assert found.stopped and found.layer == 2 and found.logits is None
    assert found.class_index == expected.predicted[0, 1]
    np.testing.assert_allclose(found.tally, expected.tally[0], atol=1e-6)


def test_a_margin_stops_where_the_vote_becomes_clear(streamed):
    whole = streamed.decide(FixedLayer(3))
    margin = np.abs(whole.tally[:, 1] - whole.tally[:, 0])
    streamed.ran.clear()
    found = streamed.decide(MarginPolicy(float(margin.max())))
    assert found.layer == int(margin.argmax()) + 1 and streamed.ran[found.layer] == 1 and streamed.ran[found.layer + 1] == 0


def trial(n=400, level=0.1):
    votes, full = planted(2 * n)
    policy = RiskControlled.calibrated(policies.rows_of(votes, np.arange(n)), full[:n], level)
    rest = np.arange(n, 2 * n)
    return policies.try_out(policy, policies.rows_of(votes, rest), full[rest], layer_ms=np.array([1.0, 2.0]), full_ms=4.0)


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
    found = policies.trial_of_run(run, level=0.3, risk="error")
    assert found.policy.certificate.n == found.outcome.risk.n == 150 and found.last_layer == 6
    assert policies.trial_of_run(run, level=0.3, risk="error").outcome.risk == found.outcome.risk
    with pytest.raises(UserError, match="full model was not asked"):
        policies.trial_of_run(replace(run, baselines=()))
    for arguments in ({"risk": "danger"}, {"calibration": 0.0}):
        with pytest.raises(UserError):
            policies.trial_of_run(run, **arguments)


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


def test_words_that_nobody_can_read_contradict_nothing():
    run = make_run()
    unread = AnswerKey(run.train.classes, run.train.classes, "unknown", "Nobody knows.")
    right = np.where(np.arange(len(run.test)) < 54, run.votes.predicted[:, -1], 1 - run.votes.predicted[:, -1])
    silent = Baseline("full-model", np.full(len(run.test), -1), Interval(np.nan, 0.0, 1.0, 60), 90.0)
    calibrated = Baseline("full-model-calibrated", right, Interval(0.9, 0.8, 0.95, 60), 92.0)
    trial = policies.trial_of_run(replace(run, answer_key=unread, baselines=(silent, calibrated)), level=0.3)
    read = policies.trial_of_run(replace(run, baselines=(replace(calibrated, name="full-model"),)), level=0.3)
    assert trial.outcome.risk == read.outcome.risk
    with pytest.raises(UserError, match="what each class is answered with"):
        policies.trial_of_run(replace(run, answer_key=unread, baselines=(silent,)))


def test_thresholds_are_tried_in_forty_equal_steps_from_the_most_cautious():
    np.testing.assert_allclose(policies.GRID, np.linspace(1, 0, 41), rtol=0, atol=1e-12)


def test_a_margin_is_as_bold_as_the_accuracy_that_may_be_given_up_allows():
    labels = np.ones(100, np.int64)
    margin = np.stack([np.linspace(0.01, 1, 100), np.ones(100)], axis=1)
    right = np.ones((100, 2), np.int64)
    right[:10:2, 0] = 0  # of the ten least clear votes of the first layer half are wrong, the second layer is always right
    votes = votes_of(margin, right)
    bold = [MarginPolicy.calibrated(votes, labels, loss) for loss in (0, 0.021, 0.5)]
    np.testing.assert_allclose([policy.threshold for policy in bold], [0.1, 0.06, 0.0], atol=1e-6)
    assert (votes_of(margin, right).predicted[np.arange(100), bold[0].exit_layers(votes) - 1] == 1).all()


def test_a_stream_decides_one_picture_at_a_time():
    with pytest.raises(ValueError, match="2 were given"):
        policies.decide_stream(None, {"input_ids": np.zeros((2, 3))}, MarginPolicy(0.5), [], None, ("no", "yes"))
