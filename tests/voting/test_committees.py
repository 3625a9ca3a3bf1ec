"""Weighed votes: planted truths are found, probabilities are honest, nothing is judged on what it was fitted on."""

import numpy as np
import pytest

from sn_viz.search.stumps import find_stumps
from sn_viz.types import Config, Interval, Neurons
from sn_viz.voting.classifier import SuperNeuronClassifier
from sn_viz.voting.committees import CrossFit, calibration_error, cross_fit, is_fitted, smoothed_targets, weighed
from sn_viz.voting.named import (
    COMMITTEE_WORDS,
    COMMITTEES,
    Committee,
    committee_asked,
    committee_words,
    gain_of,
    is_chosen,
    is_plain,
    named_committee,
)
from sn_viz.voting.statistics import cross_validated_layers
from sn_viz.voting.voters import says_of, voters_by_layer
from sn_viz.voting.votes import vote, votes_by_layer, winners
from sn_viz.voting.weightings import WEIGHTINGS
from sn_viz.voting.weightings.logistic import LOGISTIC, STRENGTHS, Strength, softmax


def neurons_of(layers, each):
    n = layers * each
    at = np.repeat(np.arange(1, layers + 1), each).astype(np.int16)
    return Neurons(np.zeros(n, np.int8), at, np.tile(np.arange(each), layers).astype(np.int32), ("residual",))


def planted(n, n_classes, seed=0):
    """Two good neurons a class that err apart, and one weak one that ten copies repeat; the rest is noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    values = rng.normal(size=(n, 120)).astype(np.float32)
    for c in range(n_classes):
        is_class = labels == c
        values[:, 20 * c] += 3.0 * is_class
        values[:, 20 * c + 1] += 3.0 * is_class
        weak = rng.normal(size=n) + 1.6 * is_class
        values[:, 20 * c + 2 : 20 * c + 12] = weak[:, None] + rng.normal(0, 0.01, (n, 10))
    return values, labels


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_weights_see_through_voters_that_repeat_each_other(n_classes):
    values, labels = planted(400, n_classes)
    unseen, truth = planted(2000, n_classes, seed=1)
    stumps = find_stumps(values, labels, metric="effect-size", classes=n_classes)
    voters = voters_by_layer(stumps, neurons_of(1, 120), 12, n_classes)
    plain = np.mean(winners(vote(unseen, voters[0], n_classes)) == truth)
    judged = CrossFit(np.zeros((0, 1)), Strength("l2", 0.1), np.ones(1))
    fitted = weighed(voters, values, labels, n_classes, "logistic", judged)[0]
    shares = vote(unseen, fitted, n_classes, "logistic")
    assert np.mean(winners(shares) == truth) > plain + 0.02
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    assert fitted.neuron.tolist() == voters[0].neuron.tolist() and fitted.threshold is voters[0].threshold


def test_a_share_of_ninety_percent_is_right_in_ninety_of_hundred():
    rng = np.random.default_rng(3)
    labels, truth = np.arange(120) % 2, np.arange(4000) % 2
    draw = lambda y: (rng.normal(size=(len(y), 3000)) + 0.9 * (np.arange(3000) < 12) * y[:, None]).astype(np.float16)  # noqa: E731
    values, unseen, neurons = draw(labels), draw(truth), neurons_of(1, 3000)
    judged = cross_fit(values, labels, neurons, metric="effect-size", voters=32)
    stumps = find_stumps(values, labels, metric="effect-size")
    (sure,) = weighed(voters_by_layer(stumps, neurons, 32, 2), values, labels, 2, "logistic", judged)
    free = CrossFit(judged.right, Strength("l2", 1.0), np.ones(1))
    (freely,) = weighed(voters_by_layer(stumps, neurons, 32, 2), values, labels, 2, "logistic", free)

    def too_sure(voters):
        shares = vote(unseen, voters, 2, "logistic")
        return shares.max(axis=1).mean() - np.mean(winners(shares) == truth)

    assert too_sure(freely) > 0.03, "luck among 3,000 neurons makes weights too sure of themselves"
    assert abs(too_sure(sure)) < 0.05


def test_l1_leaves_voters_out_and_the_weights_say_how_much_each_counts():
    values, labels = planted(200, 2)
    (voters,) = voters_by_layer(find_stumps(values, labels), neurons_of(1, 120), 30, 2)
    sparse = LOGISTIC.fit(voters, says_of(values, voters), labels, 2, Strength("l1", 0.1))
    counts = WEIGHTINGS["logistic"](sparse)
    assert 0 < np.count_nonzero(counts) < 30
    assert set(sparse.neuron[np.argsort(-counts)[:4]].tolist()) == {0, 1, 20, 21}, "two a class; against the other they say no"
    says = says_of(values, sparse)
    by_hand = 1 / (1 + np.exp(-(sparse.offset[1] + says.astype(float) @ sparse.weight)))
    np.testing.assert_allclose(vote(values, sparse, 2, "logistic")[:, 1], by_hand, atol=1e-5)


def test_noise_earns_no_more_than_chance_and_few_examples_are_no_trouble():
    rng = np.random.default_rng(5)
    values, labels = rng.normal(size=(60, 2000)).astype(np.float16), np.arange(60) % 2
    judged = cross_fit(values, labels, neurons_of(2, 1000), voters=10)
    assert judged.right.shape == (60, 2) and abs(judged.right.mean() - 0.5) < 0.15
    np.testing.assert_array_equal(
        cross_validated_layers(values, labels, neurons_of(2, 1000), voters=10, weighting="logistic"), judged.right
    )
    alone = cross_fit(values[:3], np.array([0, 0, 1]), neurons_of(2, 1000))
    assert alone.right.shape == (0, 2) and alone.strength is STRENGTHS[0] and alone.temperature.tolist() == [1, 1]


def test_a_layer_of_constant_neurons_and_an_absent_class_have_shares_too():
    values, labels = planted(60, 2)
    values[:, :60] = 1
    neurons = neurons_of(2, 60)
    voters = voters_by_layer(find_stumps(values, labels, classes=3), neurons, 5, 3)
    fitted = weighed(voters, values, labels, 3, "logistic", cross_fit(values, labels, neurons, voters=5, n_classes=3))
    votes = votes_by_layer(values, fitted, 3, "logistic")
    np.testing.assert_allclose(votes.tally.sum(axis=2), 1, atol=1e-5)
    np.testing.assert_allclose(votes.tally[:, 0], 1 / 3, atol=1e-6)
    assert (votes.tally[:, 1, 2] < 0.1).all() and np.mean(votes.predicted[:, 1] == labels) > 0.8


def test_other_weightings_are_left_as_they_are_and_unfitted_voters_are_refused():
    values, labels = planted(40, 2)
    voters = voters_by_layer(find_stumps(values, labels), neurons_of(1, 120), 5, 2)
    assert weighed(voters, values, labels, 2, "majority")[0] is voters[0] and not is_fitted("log-odds") and is_fitted("logistic")
    with pytest.raises(ValueError, match="no weights"):
        vote(values, voters[0], 2, "logistic")


def test_the_classifier_weighs_too():
    values, labels = planted(120, 3)
    unseen, truth = planted(600, 3, seed=2)
    model = SuperNeuronClassifier(metric="effect-size", voters=12, weighting="logistic").fit(values, labels)
    assert model.score(unseen, truth) > 0.85 and model.stumps_.weight is not None


def test_the_temperature_only_tempers():
    values, labels = planted(80, 2)
    voters = voters_by_layer(find_stumps(values, labels), neurons_of(1, 120), 5, 2)
    hot = weighed(voters, values, labels, 2, "logistic", CrossFit(np.zeros((0, 1)), STRENGTHS[2], np.ones(1)))[0]
    cool = weighed(voters, values, labels, 2, "logistic", CrossFit(np.zeros((0, 1)), STRENGTHS[2], np.array([0.5])))[0]
    said = [vote(values, one, 2, "logistic") for one in (hot, cool)]
    np.testing.assert_array_equal(winners(said[0]), winners(said[1]))
    assert (said[0].max(axis=1) >= said[1].max(axis=1)).all()
    np.testing.assert_allclose(softmax(0.5 * np.log(said[0])), said[1], atol=1e-5)


def test_the_committee_is_named():
    assert is_plain(Config()) and committee_words(Config()).endswith("(the paper's plain committee)")
    assert committee_words(Config(voters=31)).endswith("(the paper's plain method)"), "however many vote"
    other = Config(metric="effect-size", weighting="logistic")
    assert not is_plain(other)
    assert committee_words(other) == (
        "the best neurons by effect size (Cohen's d), their yes and no weighed by a logistic regression"
    )
    assert committee_words(Config(metric="effect-size", weighting="logistic", voters=64)).endswith("(best scalars)")


def test_only_a_committee_that_pictures_chose_is_called_chosen():
    run = type("Run", (), {"findings": {}})()
    for findings, chosen in (
        ({}, False),
        ({"committee": {"plain": True}}, False),
        ({"committee": {"choice": "damaged"}}, False),
        ({"committee": {"choice": {"by_trust": True}}}, False),
        ({"committee": {"choice": {"by_trust": False}}}, True),
    ):
        run.findings = findings
        assert is_chosen(run) == chosen


def test_every_committee_with_a_name_is_what_that_name_stands_for_and_one_of_them_is_the_default():
    for name, chosen in COMMITTEES.items():
        config = Config(**chosen._asdict())
        assert named_committee(*Committee.of(config)) == name and COMMITTEE_WORDS[name]
        assert chosen.voters <= 64
    assert named_committee(*Committee.of(Config())) == "plain" == next(iter(COMMITTEES))
    assert named_committee("midpoint", "f1", 15, "majority") is None


@pytest.mark.parametrize(
    ("name", "parts", "said"),
    [
        ("auto", {}, {**COMMITTEES["plain"]._asdict(), "committee": "auto"}),
        ("auto", {"voters": 15}, {**COMMITTEES["plain"]._asdict(), "committee": ""}),
        ("auto", {"metric": "f1"}, {**COMMITTEES["plain"]._asdict(), "metric": "f1", "committee": ""}),
        ("plain", {}, {**COMMITTEES["plain"]._asdict(), "committee": ""}),
        ("best-scalars", {"voters": 5}, {**COMMITTEES["best-scalars"]._asdict(), "voters": 5, "committee": ""}),
    ],
)
def test_whatever_is_asked_for_stands_and_only_who_asks_for_nothing_has_the_committee_chosen(name, parts, said):
    unsaid = dict.fromkeys(("rule", "metric", "voters", "weighting"))
    assert committee_asked(name, **{**unsaid, **parts}) == said


def test_what_a_vote_gained_is_read_from_the_run_and_damaged_findings_say_nothing():
    run = type("Run", (), {"findings": {"committee": {"gain": {"value": 0.02, "low": -0.01, "high": 0.05, "n": 80}}}})()
    assert gain_of(run) == Interval(0.02, -0.01, 0.05, 80)
    for damaged in ({}, {"committee": {}}, {"committee": {"gain": "much"}}, {"committee": {"gain": {"value": 1}}}):
        run.findings = damaged
        assert gain_of(run) is None


def shares_by_layer(values, labels, unseen, neurons, voters=64, metric="effect-size", seed=0):
    judged = cross_fit(values, labels, neurons, metric=metric, voters=voters, seed=seed)
    by_layer = voters_by_layer(find_stumps(values, labels, metric=metric), neurons, voters, 2)
    return votes_by_layer(unseen, weighed(by_layer, values, labels, 2, "logistic", judged), 2, "logistic").tally, by_layer


def test_nine_pictures_that_are_told_apart_without_a_mistake_leave_room_for_one():
    rng = np.random.default_rng(1)
    labels = np.arange(9) % 2
    values = (rng.normal(size=(9, 200)) + 20 * labels[:, None]).astype(np.float32)
    shares, by_layer = shares_by_layer(values, labels, values, neurons_of(1, 200), 20)
    assert 0.65 < shares.max() < 0.9, "as if six of seven were right (Platt)"
    assert (shares[:, 0].argmax(axis=1) == labels).all()
    free = weighed(by_layer, values, labels, 2, "logistic", CrossFit(np.zeros((0, 1)), Strength("l2", 1.0), np.ones(1)))
    assert vote(values, free[0], 2, "logistic").max() > 0.97


def test_targets_know_how_many_groups_there_are():
    labels, groups = np.array([0, 0, 0, 0, 1, 2]), np.array([0, 0, 0, 3, 4, 5])
    target = smoothed_targets(labels, 3, groups)
    np.testing.assert_allclose(target[:5, 0], [3 / 5] * 4 + [1 / 4])
    np.testing.assert_allclose(target.sum(axis=1), 1)
    np.testing.assert_allclose(smoothed_targets(labels, 3)[0], [5 / 7, 1 / 7, 1 / 7])


def test_the_calibration_error_is_the_mean_distance_of_shares_from_hits():
    rng = np.random.default_rng(2)
    sure, n = np.repeat([0.55, 0.75, 0.95], 20000), 60000
    right = rng.random(n) < sure
    shares = np.stack([sure, 1 - sure], axis=1)
    assert calibration_error(shares, 1 - right.astype(int)) < 0.01
    assert calibration_error(shares, np.zeros(n, int)) == pytest.approx(0.25)
    assert np.isnan(calibration_error(shares[:0], np.zeros(0, int)))


@pytest.mark.parametrize("n", [9, 20, 60])
def test_shares_of_new_examples_are_calibrated_with_few_and_with_many_pictures(n):
    """Planted neurons of all strengths among noise; the mean over draws, as nine pictures may mislead anyone."""
    errors, too_sure, neurons = [], [], neurons_of(1, 2000)
    strengths = np.concatenate([np.linspace(0, 2, 40), np.zeros(1960)])
    for seed in range(8):
        rng = np.random.default_rng(seed)
        labels, truth = np.arange(n) % 2, np.arange(1000) % 2
        values, unseen = (rng.normal(size=(len(y), 2000)) + strengths * y[:, None] for y in (labels, truth))
        shares, _ = shares_by_layer(values.astype(np.float16), labels, unseen.astype(np.float16), neurons, 32, seed=seed)
        errors.append(calibration_error(shares[:, 0], truth))
        too_sure.append(shares[:, 0].max(axis=1).mean() - np.mean(shares[:, 0].argmax(axis=1) == truth))
    assert np.mean(errors) < 0.13 and np.mean(too_sure) < 0.02


@pytest.mark.long
def test_shares_are_calibrated_on_a_models_own_activations(tiny_llava):
    from sn_viz.activations.extract import extract
    from sn_viz.sources.pack import load_pack

    pool, test = load_pack("three-or-more", 60, 100, seed=5)
    seen, unseen = extract(tiny_llava, pool, sites="residual"), extract(tiny_llava, test, sites="residual")
    some = np.flatnonzero(np.isin(seen.neurons.layer, (3, 8)))
    neurons = Neurons(*(getattr(seen.neurons, name)[some] for name in ("site", "layer", "unit")), seen.neurons.site_names)
    for n in (9, 20):
        errors, too_sure = [], []
        for seed in range(10):
            rows = np.random.default_rng(seed).permutation(60)[:n]
            shares, _ = shares_by_layer(seen.values[rows][:, some], pool.labels[rows], unseen.values[:, some], neurons, seed=seed)
            shares = shares[:, [2, 7]]
            right = shares.argmax(axis=2) == test.labels[:, None]
            errors.append(np.mean([calibration_error(shares[:, at], test.labels) for at in range(shares.shape[1])]))
            too_sure.append(shares.max(axis=2).mean() - right.mean())
        assert np.mean(errors) < 0.18 and np.mean(too_sure) < 0.03
