"""The vote of the super neurons: planted neurons are found, the estimator keeps scikit-learn's promises."""

import jaxtyping
import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator

from sn_viz.errors import UserError
from sn_viz.search.stumps import find_stumps
from sn_viz.types import Neurons, Stumps
from sn_viz.voting.classifier import SuperNeuronClassifier
from sn_viz.voting.voters import select_voters, voters_by_layer
from sn_viz.voting.votes import vote, votes_by_layer, winners


def stumps_of(rows):
    neuron, class_index, threshold, sign, score = zip(*rows, strict=True)
    return Stumps(
        np.array(neuron), np.array(class_index, np.int16), np.array(threshold, np.float32),
        np.array(sign, np.int8), np.array(score, np.float32),
    )  # fmt: skip


def planted(rng, n, n_classes, m=300, strength=3.0):
    labels = rng.permutation(np.arange(n) % n_classes)
    values = rng.normal(size=(n, m)).astype(np.float16)
    for i in range(12):
        values[:, 20 * i] += strength * (labels == i % n_classes)
    return values, labels


def test_scikit_learn_finds_no_fault(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # it hands __init__ nonsense, which must only be stored
    check_estimator(SuperNeuronClassifier())
    check_estimator(SuperNeuronClassifier(rule="midpoint", metric="roc-auc", voters=3, weighting="log-odds"))


@pytest.mark.parametrize("weighting", ["majority", "log-odds"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_planted_neurons_are_chosen_and_decide(n_classes, weighting):
    rng = np.random.default_rng(0)
    values, labels = planted(rng, 240, n_classes)
    names = np.array(["ape", "bee", "cow"])[labels]
    model = SuperNeuronClassifier(voters=4, weighting=weighting).fit(values[:120], names[:120])
    assert set(model.stumps_.neuron % 20) == {0}
    assert len(model.stumps_) == (4 if n_classes == 2 else 12)
    assert model.score(values[120:], names[120:]) > 0.9
    np.testing.assert_allclose(model.predict_proba(values).sum(axis=1), 1)


def test_a_vote_is_the_share_of_voters_that_say_the_class():
    voters = stumps_of([(0, 1, 0.5, 1, 0.9), (1, 1, 0.5, -1, 0.9), (2, 1, 0.5, 1, 0.9)])
    tally = vote(np.array([[1, 0, 0], [0.5, 0.5, 0.5], [1, 0, 1]], np.float16), voters, 2)
    np.testing.assert_allclose(tally[:, 1], [2 / 3, 0, 1], rtol=1e-6)
    assert winners(tally).tolist() == [1, 0, 1]


def test_log_odds_let_one_good_voter_outweigh_two_poor_ones():
    voters = stumps_of([(0, 1, 0, 1, 0.99), (1, 1, 0, 1, 0.6), (2, 1, 0, 1, 0.6)])
    values = np.array([[1, -1, -1]], np.float32)
    assert winners(vote(values, voters, 2, "majority")).tolist() == [0]
    assert winners(vote(values, voters, 2, "log-odds")).tolist() == [1]


def test_useless_voters_count_equally_under_log_odds():
    voters = stumps_of([(0, 1, 0, 1, 0.5), (1, 1, 0, 1, 0.5)])
    np.testing.assert_allclose(vote(np.array([[1, -1]], np.float32), voters, 2, "log-odds"), [[0.5, 0.5]])


def test_silence_and_ties_go_to_the_first_class():
    voters = stumps_of([(0, 0, 0, 1, 0.9), (0, 1, 0, 1, 0.9), (0, 2, 0, 1, 0.9)])
    tally = vote(np.array([[-1], [1]], np.float32), voters, 3)
    np.testing.assert_allclose(tally, 1 / 3)
    assert winners(tally).tolist() == [0, 0]


def test_a_class_with_more_voters_gains_nothing_by_it():
    voters = stumps_of([(0, 0, 0, 1, 0.9), (1, 1, 0, 1, 0.9), (2, 1, 0, 1, 0.9), (1, 2, 9, 1, 0.9)])
    tally = vote(np.array([[1, 1, -1]], np.float32), voters, 3)
    np.testing.assert_allclose(tally, [[2 / 3, 1 / 3, 0]], rtol=1e-6)


def test_equal_scores_go_to_the_shallower_neuron_and_undefined_ones_never_vote():
    stumps = stumps_of([(4, 1, 0, 1, 0.8), (3, 1, 0, 1, np.nan), (2, 1, 0, 1, 0.8), (1, 1, 0, 1, 0.7), (0, 1, 0, 1, 0.9)])
    assert select_voters(stumps, 2, 2).neuron.tolist() == [0, 2]
    assert select_voters(stumps, 99, 2).neuron.tolist() == [0, 2, 4, 1]


def test_among_many_lucky_neurons_the_ones_with_a_wide_gap_vote():
    rng = np.random.default_rng(2)
    labels = np.arange(210) % 2
    values = rng.normal(size=(210, 20_000)).astype(np.float16)
    values[:, 15_000::500] += 5 * labels[:, None]
    model = SuperNeuronClassifier(voters=5).fit(values[:10], labels[:10])
    assert (find_stumps(values[:10], labels[:10]).score == 1).sum() > 30
    assert model.score(values[10:], labels[10:]) > 0.9


def test_of_two_classes_only_stumps_of_the_second_vote():
    stumps = stumps_of([(0, 0, 0, 1, 0.9), (1, 1, 0, 1, 0.8), (2, 0, 0, 1, 0.95), (3, 1, 0, 1, 0.7)])
    assert select_voters(stumps, 3, 2).neuron.tolist() == [1, 3]


def test_the_margin_of_a_layer_is_between_its_two_largest_shares():
    values = np.array([[1, 1, -1, -1]], np.float32)
    voters = stumps_of([(0, 0, 0, 1, 0.9), (0, 1, 0, 1, 0.9), (2, 1, 0, 1, 0.9), (2, 2, 0, 1, 0.9), (3, 3, 0, 1, 0.9)])
    votes = votes_by_layer(values, [voters], 4)
    np.testing.assert_allclose(votes.tally[0, 0], [2 / 3, 1 / 3, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(votes.margin, [[1 / 3]], rtol=1e-6)


def test_the_best_of_many_are_those_that_sorting_them_all_would_give():
    rng = np.random.default_rng(8)
    score = rng.permutation(5000).astype(np.float32)
    stumps = stumps_of([(i, 1, 0, 1, float(one)) for i, one in enumerate(score)])
    for k in (1, 7, 900, 1700, 3300, 4100, 4900):
        assert select_voters(stumps, k, 2).neuron.tolist() == np.argsort(-score)[:k].tolist()


@pytest.mark.parametrize("k", [0, -1])
def test_too_few_voters_get_a_sentence(k):
    with pytest.raises(UserError, match="voters"):
        select_voters(stumps_of([(0, 1, 0, 1, 0.9)]), k, 2)


def test_nothing_defined_gets_a_sentence():
    with pytest.raises(UserError, match="No super neuron"):
        select_voters(find_stumps(np.ones((6, 4), np.float16), np.arange(6) % 3), 5, 3)
    with pytest.raises(UserError, match="log-odds"):
        vote(np.zeros((1, 1)), stumps_of([(0, 1, 0, 1, 0.9)]), 2, "loud")


def test_layers_hear_only_their_own_voters():
    rng = np.random.default_rng(1)
    values, labels = planted(rng, 60, 2)
    stumps = find_stumps(values, labels)
    by_layer = [select_voters(stumps.take(slice(0, end)), 5, 2) for end in (100, 200, 300)]
    votes = votes_by_layer(values, by_layer, 2)
    assert votes.tally.shape == (60, 3, 2) and votes.predicted.shape == votes.margin.shape == (60, 3)
    changed = values.copy()
    changed[:, 100:] = 0
    np.testing.assert_array_equal(votes_by_layer(changed[:, :100], by_layer[:1], 2).tally[:, 0], votes.tally[:, 0])
    np.testing.assert_allclose(votes.margin, abs(votes.tally[..., 1] - votes.tally[..., 0]))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_voters_of_a_layer_lie_in_it_or_before_it_and_are_the_best_of_those(n_classes):
    rng = np.random.default_rng(4)
    values, labels = planted(rng, 60, n_classes)
    layer = np.repeat([-1, 0, 1, 1, 2], 60)  # two blocks of a vision tower, then the decoder's, the first of them twice as wide
    values[:, layer == 2] += 6 * (labels == 1)[:, None]  # the last layer knows best
    values[:, layer == -1] = 1  # and the first, being constant, nothing
    neurons = Neurons(np.zeros(300, np.int8), layer.astype(np.int16), np.arange(300, dtype=np.int32), ("residual",))
    stumps = find_stumps(values, labels)
    found = voters_by_layer(stumps, neurons, 5, n_classes)
    assert len(found) == 4 and len(found[0]) == 0
    for voters, last in zip(found[1:], (0, 1, 2), strict=True):
        allowed = stumps.take(np.flatnonzero(layer[stumps.neuron] <= last))
        expected = select_voters(allowed, 5, n_classes)
        assert voters.neuron.tolist() == expected.neuron.tolist() and voters.class_index.tolist() == expected.class_index.tolist()
        assert layer[voters.neuron].max() == last


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_layers_before_the_first_that_says_anything_have_no_voters(n_classes, first):
    labels = np.arange(30) % n_classes
    values = np.random.default_rng(5).normal(size=(30, 40)).astype(np.float32)
    values[:, : 10 * first] = 1
    neurons = Neurons(np.zeros(40, np.int8), np.repeat(np.arange(1, 5), 10).astype(np.int16), np.arange(40, dtype=np.int32), ("x",))
    found = voters_by_layer(find_stumps(values, labels, classes=n_classes), neurons, 4, n_classes)
    assert [len(voters) for voters in found] == [0] * first + [4 * (1 if n_classes == 2 else n_classes)] * (4 - first)


def test_the_decision_is_the_lead_of_the_second_class_or_every_share():
    rng = np.random.default_rng(6)
    two, three = (SuperNeuronClassifier(voters=4).fit(*planted(rng, 60, n)) for n in (2, 3))
    values = 3 * rng.normal(size=(30, 300)).astype(np.float32)
    share = two.tally(values)
    np.testing.assert_allclose(two.decision_function(values), share[:, 1] - share[:, 0], atol=1e-7)
    assert len(np.unique(two.decision_function(values))) > 2
    np.testing.assert_allclose(three.decision_function(values), three.tally(values), atol=1e-7)
    np.testing.assert_allclose(three.predict_proba(values).sum(axis=1), 1)
    assert votes_by_layer(values, [two.stumps_], 2).first_layer == 1


def test_one_class_is_no_question():
    with pytest.raises(ValueError, match="at least two classes"):
        SuperNeuronClassifier().fit(np.arange(8.0).reshape(4, 2), ["yes"] * 4)


def test_poor_voters_still_count_by_their_log_odds():
    voters = stumps_of([(0, 1, 0, 1, 0.6), (1, 1, 0, 1, 0.55)])
    odds = np.log([0.6 / 0.4, 0.55 / 0.45])
    share = vote(np.array([[1.0, -1.0]], np.float32), voters, 2, "log-odds")
    np.testing.assert_allclose(share[0], odds[[1, 0]] / odds.sum(), rtol=1e-5)


def test_stumps_that_are_not_one_of_every_class_are_chosen_from_as_well():
    stumps = stumps_of([(0, 0, 0, 1, 0.7), (1, 0, 0, 1, 0.9), (2, 2, 0, 1, 0.8), (3, 1, 0, 1, 0.6)])
    assert select_voters(stumps, 1, 3).neuron.tolist() == [1, 3, 2]
    assert select_voters(stumps.take([1, 2, 3]), 2, 3).neuron.tolist() == [1, 3, 2]


def test_voters_of_three_hundred_classes_are_those_chosen_class_by_class_in_any_order():
    rng = np.random.default_rng(3)
    n, n_classes = 30, 300
    score = np.where(rng.random(n * n_classes) < 0.1, np.nan, rng.integers(0, 20, n * n_classes) / 20).astype(np.float32)
    stumps = Stumps(
        neuron=np.repeat(np.arange(n), n_classes),
        class_index=np.tile(np.arange(n_classes, dtype=np.int16), n),
        threshold=np.zeros(n * n_classes, np.float32),
        sign=np.ones(n * n_classes, np.int8),
        score=score,
        margin=rng.random(n * n_classes).astype(np.float32),
    )
    chosen = select_voters(stumps, 4, n_classes)
    for c in (0, 17, 299):
        alone = stumps.take(np.flatnonzero(stumps.class_index == c))
        best = np.lexsort((alone.neuron, -alone.margin, -np.nan_to_num(alone.score, nan=-1)))[:4]
        assert chosen.neuron[chosen.class_index == c].tolist() == alone.neuron[best].tolist()
    shuffled = stumps.take(rng.permutation(len(stumps)))
    again = select_voters(shuffled, 4, n_classes)
    assert again.neuron.tolist() == chosen.neuron.tolist() and again.class_index.tolist() == chosen.class_index.tolist()


def test_log_odds_weigh_the_voters_within_each_of_several_classes():
    voters = stumps_of([(0, 0, 0, 1, 0.9), (1, 0, 0, 1, 0.6), (0, 1, 0, 1, 0.7), (1, 2, 0, 1, 0.9)])
    good, poor = np.log(0.9 / 0.1), np.log(0.6 / 0.4)
    first = good / (good + poor)
    share = vote(np.array([[1.0, -1.0]], np.float32), voters, 3, "log-odds")
    np.testing.assert_allclose(share[0], np.array([first, 1, 0]) / (first + 1), rtol=1e-5)


def test_shares_that_differ_by_rounding_go_to_the_first_class():
    assert winners(np.array([[0.5, 0.5 + 5e-7], [0.5, 0.5 + 5e-6], [0.5 + 5e-6, 0.5]], np.float32)).tolist() == [0, 1, 0]


def test_winners_are_found_along_the_last_axis_whatever_stands_before_it():
    tally = np.array([[[0.9, 0.1], [0.6, 0.4]], [[0.3, 0.7], [0.2, 0.8]]], np.float32)
    assert winners(tally).tolist() == [[0, 0], [1, 1]]


def test_effect_sizes_choose_voters_too_and_log_odds_refuse_them():
    rng = np.random.default_rng(2)
    labels = np.arange(60) % 2
    values = rng.normal(size=(60, 300)).astype(np.float32)
    values[:, 7] += 4 * labels
    model = SuperNeuronClassifier(metric="effect-size", voters=3).fit(values, labels)
    assert model.stumps_.neuron[0] == 7 and model.stumps_.score[0] > 2
    with pytest.raises(UserError, match="Log-odds"):
        SuperNeuronClassifier(metric="effect-size", weighting="log-odds").fit(values, labels)
