"""Which committee votes: the one that is right about most left-out probing examples, on planted neurons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sn_viz.types import Neurons
from sn_viz.voting.choosing import CANDIDATES, EXPECTED, MOST_VOTERS, ChosenCommittee, choice_told, choose_committee
from sn_viz.voting.named import COMMITTEES
from sn_viz.voting.statistics import LeftOut, left_out_committees, left_out_layers


def neurons_of(n_layers: int, each: int) -> Neurons:
    """As many neurons in every layer, of one site."""
    layer = np.repeat(np.arange(1, n_layers + 1), each).astype(np.int16)
    unit = np.tile(np.arange(each), n_layers).astype(np.int32)
    return Neurons(np.zeros(n_layers * each, np.int8), layer, unit, ("residual",))


def few_that_know(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Fifteen neurons that nearly answer, among many that say one wrong thing together: sixty-four votes are worse."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    habit = np.where(rng.random(n) < 0.72, labels, 1 - labels)
    values = (habit[:, None] + 0.05 * rng.normal(size=(n, 300))).astype(np.float32)
    values[:, :15] = labels[:, None] + 0.25 * rng.normal(size=(n, 15))
    return values, labels


def many_that_know_a_little(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three hundred neurons that each know a little, whatever the others do: more votes are better."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    return (labels[:, None] + 1.3 * rng.normal(size=(n, 300))).astype(np.float32), labels


def test_the_plain_committee_votes_where_few_neurons_know_and_sixty_four_where_many_know_a_little():
    neurons = neurons_of(1, 300)
    assert choose_committee(*few_that_know(100), neurons, 2).name == "plain"
    many = choose_committee(*many_that_know_a_little(100), neurons, 2)
    assert many.name.startswith("64-by-") and max(many.accuracy) - many.accuracy[CANDIDATES.index("plain")] > 0.02
    assert many.committee == COMMITTEES[many.name] and many.left_out.right.shape == (100, 1) and not many.by_trust


@pytest.mark.parametrize("n", [2, 3, 6, 19])
def test_too_few_examples_choose_nothing_and_the_most_trusted_votes(n):
    chosen = choose_committee(*few_that_know(n), neurons_of(1, 300), 2)
    assert chosen.name == CANDIDATES[0] and chosen.by_trust and chosen.committee == EXPECTED
    assert choice_told(chosen)["why"].endswith("too few to choose by.")


def test_twenty_pictures_choose_and_groups_count_as_one_picture_each():
    values, labels = few_that_know(20)
    neurons = neurons_of(1, 300)
    assert not choose_committee(values, labels, neurons, 2).by_trust
    assert choose_committee(
        np.repeat(values, 3, axis=0), np.repeat(labels, 3), neurons, 2, groups=np.repeat(np.arange(20), 3) // 2
    ).by_trust


def test_what_is_judged_is_what_each_committee_is_judged_by_alone():
    values, labels = many_that_know_a_little(40)
    neurons = neurons_of(3, 100)
    together = left_out_committees(values, labels, neurons, [COMMITTEES[name] for name in CANDIDATES], 2, seed=4)
    chosen = choose_committee(values, labels, neurons, 2, seed=4)
    for name, one, at, share in zip(CANDIDATES, together, chosen.exits, chosen.accuracy, strict=True):
        alone = left_out_layers(values, labels, neurons, *COMMITTEES[name], seed=4)
        np.testing.assert_array_equal(one.right, alone.right)
        assert (at, share) == (alone.exit_layer(), alone.right[:, alone.exit_layer() - 1].mean())


def test_an_exit_that_is_asked_for_is_where_all_are_judged():
    values, labels = many_that_know_a_little(60)
    chosen = choose_committee(values, labels, neurons_of(3, 100), 2, exit_at=2)
    assert chosen.exits == (2, 2, 2)
    told = choice_told(chosen, first_layer=-1)
    assert [one["exit_layer"] for one in told["candidates"]] == [0, 0, 0] and told["chosen"] == chosen.name
    assert "right about left-out ones: 64 by effect size " in told["why"]


def test_who_led_by_too_little_is_told_so():
    chosen = ChosenCommittee(CANDIDATES[0], LeftOut(*np.zeros((2, 0, 1))), (1, 1, 1), (0.95, 0.95, 0.96), False)
    assert choice_told(chosen)["why"].endswith(
        "the paper's plain committee 96.0 %. A lead below half a standard error counts for nothing."
    )
    clear = replace(chosen, name="plain")
    assert choice_told(clear)["why"].endswith("the paper's plain committee 96.0 %.")


def test_the_choice_is_the_same_every_time_and_another_seed_makes_other_folds():
    values, labels = many_that_know_a_little(50)
    one, again, other = (choose_committee(values, labels, neurons_of(2, 150), 2, seed=seed) for seed in (1, 1, 2))
    assert (
        (one.name, one.exits, one.accuracy)
        == (again.name, again.exits, again.accuracy)
        != (other.name, other.exits, other.accuracy)
    )


def test_a_search_that_keeps_only_what_can_vote_is_enough():
    values, labels = many_that_know_a_little(50)
    neurons, asked = neurons_of(2, 150), []

    def search(values, labels, rule, metric, n_classes, rows=None):
        from sn_viz.search.stumps import find_stumps
        from sn_viz.voting.voters import candidates

        found = find_stumps(values, labels, rule, metric, n_classes, rows=rows)
        kept = candidates(found, [neurons.up_to(layer) for layer in neurons.layers], MOST_VOTERS, n_classes)
        found.score[np.setdiff1d(np.arange(len(found)), kept)] = np.nan
        asked.append(metric)
        return found

    few, all_of_them = choose_committee(values, labels, neurons, 2, search=search), choose_committee(values, labels, neurons, 2)
    assert (few.name, few.exits, few.accuracy) == (all_of_them.name, all_of_them.exits, all_of_them.accuracy)
    assert asked.count("effect-size") == asked.count("balanced-accuracy") == 50, "the two by accuracy share their searches"


def test_constant_neurons_and_one_example_of_a_class_choose_nothing_and_break_nothing():
    values, labels = np.zeros((30, 300), np.float32), np.arange(30) % 2
    assert choose_committee(values, labels, neurons_of(1, 300), 2).accuracy == (0, 0, 0)
    values, labels = many_that_know_a_little(30)
    labels = np.where(np.arange(30) == 0, 1, 0)
    alone = choose_committee(values, labels, neurons_of(2, 150), 2)
    assert alone.by_trust and np.isnan(alone.accuracy).all() and alone.exits == (2, 2, 2)
