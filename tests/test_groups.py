"""What belongs together stays together: sides, folds, shuffled labels, draws."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from sn_viz.errors import UserError
from sn_viz.groups import (
    TRIES,
    drawn_apart,
    group_index,
    group_key,
    grouped_folds,
    linked,
    merged_groups,
    most_folds,
    one_of_each,
    rows_of_groups,
    shuffled_labels,
)
from sn_viz.splits.split import split
from sn_viz.types import LabelledImages, Picture

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
"""The machine is not judged."""


def asked(labels, shown, groups=()):
    """Return one example a label; ``shown`` says which picture each shows."""
    pictures = {name: Picture(np.full((8, 8, 3), i, np.uint8)) for i, name in enumerate(dict.fromkeys(shown))}
    n = len(labels)
    questions = tuple(f"Question {i}?" for i in range(n))
    labels = np.array(labels, np.int64)
    return LabelledImages(
        tuple(f"{i}" for i in range(n)), tuple(pictures[name] for name in shown), labels, ("no", "yes"), questions, groups=groups
    )


def test_examples_of_one_picture_or_one_named_group_belong_together_also_through_others():
    images = asked([0] * 6, "abcadd", ("", "Ann", "", "Ann", "", "Bob"))
    assert group_index(images).tolist() == [0, 0, 2, 0, 4, 4]
    assert merged_groups(images) == ("Ann", "Ann", "", "Ann", "Bob", "Bob")
    assert group_index(asked([0, 1, 0], "abc")).tolist() == [0, 1, 2]


@pytest.mark.parametrize("other", ["eve brown", "EVE  BROWN ", "Eve\u00a0Brown", "Ｅｖｅ Brown", "\tEve Brown\n"])
def test_a_group_in_another_spelling_is_the_same_group(other):
    images = asked([0, 0, 1, 1], "abcd", ("Eve Brown", "", other, ""))
    assert group_index(images).tolist() == [0, 1, 0, 3]
    assert len(set(merged_groups(images, [(1, 3)]))) == 2


def test_composed_and_decomposed_letters_and_whole_numbers_name_one_group():
    images = asked([0, 0, 1, 1], "abcd", ("Zoë", "12", "Zoe\u0308", "12.0"))
    assert group_index(images).tolist() == [0, 1, 0, 1]


def test_a_group_of_nothing_but_spaces_is_none_and_links_survive_it():
    images = asked([0, 0, 1, 1], "abcd", ("  ", "  ", "", "\t"))
    assert group_index(images).tolist() == [0, 1, 2, 3]
    assert group_index(replace(images, groups=merged_groups(images, [(0, 2)]))).tolist() == [0, 1, 0, 3]


def test_groups_that_do_not_fit_are_refused_in_a_sentence():
    with pytest.raises(UserError, match="2 groups for 3 images"):
        group_index(replace(asked([0, 1, 0], "abc"), groups=("x", "y")))


@UNTIMED
@given(some.lists(some.tuples(some.integers(0, 1), some.integers(0, 7)), min_size=6, max_size=40), some.integers(0, 99))
def test_no_group_is_ever_on_both_sides_and_every_class_is_on_each(rows, seed):
    labels, groups = np.array(rows, np.int64).T
    wanted = [max(1, int((labels == c).sum()) // 2) if (labels == c).any() else 0 for c in (0, 1)]
    apart = drawn_apart(labels, groups, wanted, seed)
    poorest = min((len(np.unique(groups[labels == c])) for c in (0, 1) if (labels == c).any()), default=0)
    if apart is None:
        assert poorest < 2 or len(np.unique(groups)) < 4
        return
    assert not set(groups[apart]) & set(groups[~apart])
    assert all(set(labels[side]) == set(labels) for side in (apart, ~apart))
    assert (apart == drawn_apart(labels, groups, wanted, seed)).all()


@UNTIMED
@given(some.lists(some.tuples(some.integers(0, 2), some.integers(0, 9)), min_size=2, max_size=60), some.integers(0, 99))
def test_folds_hold_whole_groups(rows, seed):
    labels, groups = np.array(rows, np.int64).T
    n = most_folds(labels, groups, 5)
    if n < 2:
        return
    fold = grouped_folds(labels, groups, n, seed)
    assert all(len(np.unique(fold[groups == g])) == 1 for g in groups)
    assert (fold == grouped_folds(labels, groups, n, seed)).all() and set(fold) <= set(range(n))


def test_groups_of_one_class_are_spread_over_the_folds():
    labels, groups = np.repeat(np.arange(20) % 2, 6), np.repeat(np.arange(20), 6)
    fold = grouped_folds(labels, groups, 5, seed=1)
    assert all(np.bincount(labels[fold == number]).tolist() == [12, 12] for number in range(5))


def test_single_examples_are_drawn_as_if_there_were_no_groups():
    labels = np.random.default_rng(0).permutation(np.arange(31) % 3)
    alone, rng = np.arange(31), np.random.default_rng(4)
    assert (grouped_folds(labels, alone, 4, 2) == grouped_folds(labels, None, 4, 2)).all()
    assert (shuffled_labels(labels, alone, np.random.default_rng(4)) == rng.permutation(labels)).all()
    assert (one_of_each(alone, 3) == alone).all()
    apart = drawn_apart(labels, alone, [5, 5, 5], 7)
    rng = np.random.default_rng(7)
    drawn = [rng.permutation(np.flatnonzero(labels == c))[:5] for c in range(3)]
    assert apart is not None and np.flatnonzero(apart).tolist() == sorted(np.concatenate(drawn).tolist())


def test_groups_exchange_their_labels_as_wholes():
    groups = np.repeat(np.arange(12), np.arange(1, 13))
    labels = (groups % 3 == 0).astype(np.int64)
    every = [shuffled_labels(labels, groups, np.random.default_rng(seed)) for seed in range(20)]
    assert len({tuple(shuffled) for shuffled in every}) > 15
    for shuffled in every:
        per_group = [set(shuffled[groups == g]) for g in range(12)]
        assert all(len(of_group) == 1 for of_group in per_group)
        assert sum(1 in of_group for of_group in per_group) == 4


def test_one_group_stays_however_many_are_wanted_apart():
    labels, groups = np.repeat([0, 1], 10), np.repeat(np.arange(4), 5)
    for seed in range(5):
        apart = drawn_apart(labels, groups, [9, 9], seed)
        assert apart is not None and [int(apart[labels == c].sum()) for c in (0, 1)] == [5, 5]


def test_of_two_numbers_equally_near_to_the_wanted_one_the_smaller_goes_apart():
    apart = drawn_apart(np.zeros(12, int), np.repeat(np.arange(6), 2), [3], seed=0)
    assert apart is not None and apart.sum() == 2


def test_questions_of_one_picture_go_to_one_side_whatever_their_labels():
    images = asked([0, 1] * 60, [f"picture {i // 6}" for i in range(120)])
    for seed in range(5):
        train, test = split(images, 0.5, seed)
        assert not {p.sha256 for p in train.pictures} & {p.sha256 for p in test.pictures}
        assert len(train) == len(test) == 60 and np.bincount(test.labels).tolist() == [30, 30]


def test_a_class_of_one_recording_leaves_nothing_to_test_on_and_says_so():
    images = asked([0] * 10 + [1] * 10, range(20), ("first",) * 10 + ("",) * 10)
    train, test = split(images, 0.5, 0)
    assert len(train) == 20 and len(test) == 0
    assert "No accuracy was measured" in test.notes[0] and "'no'" in test.notes[0]


def test_one_example_stands_for_each_group():
    groups = np.array([0, 0, 2, 3, 3, 3])
    chosen = one_of_each(groups, seed=1)
    assert sorted(groups[chosen]) == [0, 2, 3] and chosen.tolist() == sorted(chosen)
    assert {tuple(one_of_each(groups, seed)) for seed in range(20)} > {tuple(chosen)}


def test_the_first_thousand_characters_of_a_name_are_folded_and_the_rest_is_compared_as_it_is():
    long = "E" * 1000
    assert group_key(long + "x") == "e" * 1000 + "x" != group_key(long + "X")
    assert group_key("E" * 999 + "X") == "e" * 999 + "x"


@pytest.mark.parametrize(
    ("name", "key"), [("7.0", "7"), ("-3.00", "-3"), ("+1.0", "+1"), ("7.5", "7.5"), ("7.", "7."), ("x7.0", "x7.0"), ("", "")]
)
def test_only_whole_numbers_lose_their_noughts(name, key):
    assert group_key(name) == key


def test_links_reach_through_others_and_the_first_of_all_names_the_group():
    assert linked([(4, 2), (2, 1), (5, 5)], 6).tolist() == [0, 1, 1, 3, 1, 5]
    assert linked([], 3).tolist() == [0, 1, 2] and linked([], 0).tolist() == []


def test_groups_linked_by_pairs_take_the_first_name_or_that_of_the_first_picture():
    images = asked([0] * 5, "abcde", ("", "", "Ann", "", "Bob"))
    digest = images.pictures[0].sha256[:12]
    assert merged_groups(images, [(0, 3)]) == (f"as {digest}", "", "Ann", f"as {digest}", "Bob")
    assert merged_groups(images, [(1, 4), (4, 2)]) == ("", "Ann", "Ann", "", "Ann")


def test_rows_come_group_by_group_in_the_order_of_the_groups():
    rows = rows_of_groups(np.array([5, 1, 0, 3]), np.array([7, 2, 9, 7, 2, 2]))
    assert [of_group.tolist() for of_group in rows] == [[5, 1], [0, 3]]


def folds_by_hand(labels, groups, n_folds, seed):
    """The largest group first, each into the fold where its classes are rarest, of equal ones the emptiest."""
    names = np.unique(groups).tolist()
    order = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    held = {g: {c: sum(1 for x, y in zip(labels, groups, strict=True) if (x, y) == (c, g)) for c in set(labels)} for g in names}
    total = {c: sum(held[g][c] for g in names) for c in set(labels)}
    filled = [dict.fromkeys(total, 0.0) for _ in range(n_folds)]
    fold_of = {}
    for g in sorted(order, key=lambda g: -sum(held[g].values())):
        share = {c: held[g][c] / total[c] for c in total}
        crowd = [(round(sum(fold[c] * share[c] for c in total), 9), round(sum(fold.values()), 9)) for fold in filled]
        fold_of[g] = crowd.index(min(crowd))
        for c in total:
            filled[fold_of[g]][c] += share[c]
    return [fold_of[g] for g in groups]


@pytest.mark.parametrize("seed", range(6))
def test_the_largest_group_goes_first_to_where_its_classes_are_rarest(seed):
    rng = np.random.default_rng(seed)
    labels, groups = rng.choice(3, 70, p=[0.6, 0.3, 0.1]), rng.choice(16, 70, p=rng.dirichlet(np.full(16, 2.0)))
    for n_folds in (2, 3, 5):
        assert grouped_folds(labels, groups, n_folds, seed).tolist() == folds_by_hand(
            labels.tolist(), groups.tolist(), n_folds, seed
        )


def test_one_large_group_balances_many_small_ones():
    labels, groups = np.zeros(8, int), np.array([0, 1, 2, 3, 4, 4, 4, 4])
    for seed in range(8):
        assert np.bincount(grouped_folds(labels, groups, 2, seed)).tolist() == [4, 4]


def test_the_poorest_class_says_how_many_folds_there_are():
    labels, groups = np.array([0, 0, 0, 0, 1, 1, 1]), np.array([0, 1, 2, 3, 4, 4, 5])
    assert most_folds(labels, groups, 9) == 2 and most_folds(labels, None, 9) == 3 and most_folds(labels, None, 2) == 2
    assert most_folds(np.zeros(5, int), None, 9) == most_folds(np.zeros(0, int), None, 9) == 0


def draws_by_hand(labels, groups, wanted, seed, tries=TRIES):
    """The most even of the draws, class after class as the notes of `drawn_apart` say."""
    rng, best = np.random.default_rng(seed), (np.inf, None)
    for _ in range(tries):
        side: dict[int, bool] = {}
        for label, want in enumerate(wanted):
            sizes = {g: int((groups[labels == label] == g).sum()) for g in np.unique(groups[labels == label]).tolist()}
            order = [sorted(sizes)[i] for i in rng.permutation(len(sizes))]
            taken = sum(sizes[g] for g in order if side.get(g))
            free = [g for g in order if g not in side]
            for g in free:
                stays = any(side.get(other) is False for other in order)
                nearer = abs(taken + sizes[g] - want) < abs(taken - want)
                side[g] = not (g == free[-1] and not stays) and (taken == 0 or nearer)
                taken += sizes[g] if side[g] else 0
        apart = np.array([side[g] for g in groups.tolist()])
        there = np.bincount(labels)
        went = np.bincount(labels[apart], minlength=len(there))
        cost = float((abs(went - wanted) / there).sum())
        if ((went > 0) & (went < there)).all() and cost < best[0]:
            best = cost, apart
    return best[1]


@pytest.mark.parametrize("seed", range(8))
def test_the_most_even_draw_of_groups_with_several_classes_is_taken(seed):
    rng = np.random.default_rng(100 + seed)
    labels, groups = rng.choice(3, 45, p=[0.5, 0.3, 0.2]), rng.choice(14, 45, p=rng.dirichlet(np.full(14, 1.5)))
    wanted = [max(1, int((labels == c).sum() * share)) for c, share in enumerate((0.5, 0.25, 0.4))]
    found, expected = drawn_apart(labels, groups, wanted, seed), draws_by_hand(labels, groups, wanted, seed)
    assert expected is not None and found is not None and found.tolist() == expected.tolist()


def test_groups_of_one_class_each_are_drawn_once():
    groups = np.repeat(np.arange(12), [1, 4, 2, 7, 3, 5, 6, 2, 1, 8, 3, 4])
    labels = (groups % 2).astype(np.int64)
    for seed in range(6):
        found = drawn_apart(labels, groups, [8, 11], seed)
        assert found is not None and found.tolist() == draws_by_hand(labels, groups, [8, 11], seed, tries=1).tolist()


def test_nothing_goes_apart_of_a_class_of_which_nothing_is_wanted():
    labels, groups = np.array([0, 0, 0, 1, 1, 1, 2]), np.arange(7)
    apart = drawn_apart(labels, groups, [0, 2, 0], seed=3)
    assert apart is not None and apart[labels == 1].sum() == 2 and not apart[labels != 1].any()
    assert drawn_apart(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2]), [1, 1], seed=0) is None
    assert drawn_apart(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]), [1, 1, 0], seed=0) is not None


def test_shuffled_groups_keep_every_class_or_are_shuffled_one_by_one():
    labels, groups = np.array([0, 0, 0, 0, 0, 1]), np.array([0, 0, 0, 1, 1, 1])
    for seed in range(20):
        assert set(shuffled_labels(labels, groups, np.random.default_rng(seed))) == {0, 1}
    torn = shuffled_labels(np.array([0, 0, 1]), np.zeros(3, int), np.random.default_rng(0))
    assert sorted(torn) == [0, 0, 1]
