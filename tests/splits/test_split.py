"""The split: stratified, disjoint, repeatable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sn_viz.errors import UserError
from sn_viz.sources.classes import TEST, TRAIN
from sn_viz.splits.split import own_split, split

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def keys(images) -> set[tuple[str, str]]:
    return {(picture.sha256, question) for picture, question in zip(images.pictures, images.questions, strict=True)}


@pytest.mark.parametrize("test_size", [0.01, 0.2, 0.5, 0.9, 0.99])
def test_every_class_is_on_both_sides_and_nothing_is_on_both(make_labelled, test_size: float) -> None:
    images = make_labelled([0] * 30 + [1] * 2 + [2] * 7, classes=("a", "b", "c"))
    train, test = split(images, test_size, seed=3)
    assert len(train) + len(test) == 39 and not keys(train) & keys(test)
    assert set(train.labels) == set(test.labels) == {0, 1, 2}
    expected = [int(np.clip(np.floor(n * test_size + 0.5), 1, n - 1)) for n in (30, 2, 7)]
    assert np.bincount(test.labels).tolist() == expected


def test_duplicates_stay_together_and_other_questions_need_not(make_labelled) -> None:
    images = make_labelled([0, 1] * 5)
    twice = images.take([*range(10), *range(10)])
    for seed in range(10):
        train, test = split(twice, 0.5, seed)
        assert len(train) + len(test) == 20 and not keys(train) & keys(test)


def test_the_seed_decides(make_labelled) -> None:
    images = make_labelled([0, 1] * 20)
    names = [split(images, 0.5, seed)[1].names for seed in (0, 0, 1)]
    assert names[0] == names[1] != names[2]


def test_what_cannot_be_split_says_why(make_labelled) -> None:
    with pytest.raises(UserError, match="Class 'yes' needs at least 2 different images; it has 1"):
        split(make_labelled([0, 0, 1]), 0.5, 0)
    with pytest.raises(UserError, match="it has 1"):
        split(make_labelled([0, 0, 1]).take([0, 1, 2, 2]), 0.5, 0)
    for size in (0, 1, -1, 5, float("nan")):
        with pytest.raises(UserError, match="not a fraction"):
            split(make_labelled([0, 0, 1, 1]), size, 0)


def test_only_classes_without_test_images_of_their_own_are_drawn_from(make_labelled) -> None:
    images = make_labelled([0] * 6 + [1] * 6)
    own = replace(images, parts=(TRAIN, TRAIN, TEST, "", "", "", "", "", "", "", "", ""))
    train, test = own_split(own, 0.5, seed=0)
    assert np.bincount(train.labels).tolist() == [5, 3] and np.bincount(test.labels).tolist() == [1, 3]
    assert [name for name, label in zip(test.names, test.labels, strict=True) if label == 0] == [images.names[2]]
    assert own_split(images) is None


def test_splits_named_for_every_image_are_kept_as_they_are(make_labelled) -> None:
    images = replace(make_labelled([0, 1] * 3), parts=(TRAIN, TRAIN, TEST, TEST, TEST, TRAIN))
    train, test = own_split(images)
    assert train.names == tuple(images.names[i] for i in (0, 1, 5)) and test.names == tuple(images.names[i] for i in (2, 3, 4))
    with pytest.raises(UserError, match="The test split is empty"):
        own_split(replace(images, parts=(TRAIN,) * 6))


@pytest.mark.parametrize("test_size", [0.25, 0.5, 0.3])
def test_a_half_is_rounded_up_when_images_without_a_side_are_drawn(make_labelled, test_size) -> None:
    images = make_labelled([0] * 10 + [1] * 2 + [2] * 3, classes=("a", "b", "c", "d"))
    train, test = own_split(replace(images, parts=("",) * 10 + (TRAIN, TEST) + (TRAIN, "", "")), test_size, seed=1)
    expected = {0.25: [3, 1, 1], 0.5: [5, 1, 1], 0.3: [3, 1, 1]}[test_size]
    assert np.bincount(test.labels).tolist() == expected and len(train) + len(test) == 15


def test_half_of_the_images_without_a_side_are_tested_on_by_default(make_labelled) -> None:
    images = replace(make_labelled([0] * 8 + [1] * 8), parts=("",) * 16)
    _train, test = own_split(images)
    assert np.bincount(test.labels).tolist() == [4, 4]
    assert test.names == own_split(images, 0.5, seed=0)[1].names != own_split(images, 0.5, seed=1)[1].names


def test_a_test_image_of_a_class_keeps_the_rest_of_it_from_the_test(make_labelled) -> None:
    """Where somebody said what is tested of a class, what has no side is learned from."""
    images = replace(make_labelled([0] * 4 + [1] * 4), parts=(TEST, "", "", "", TRAIN, "", "", ""))
    train, test = own_split(images)
    assert np.bincount(train.labels).tolist() == [3, 2] and np.bincount(test.labels).tolist() == [1, 2]
    assert images.names[4] in train.names


def test_own_splits_without_a_training_image_or_with_one_group_say_so(make_labelled) -> None:
    images = make_labelled([0, 1] * 3)
    with pytest.raises(UserError, match="The train split is empty"):
        own_split(replace(images, parts=(TEST,) * 6))
    one = replace(images, parts=("",) * 6, groups=("Ann", "", "Ann", "", "Ann", ""), notes=("before",))
    train, test = own_split(one)
    assert train is one and len(test) == 0 and len(test.notes) == 1 and "No accuracy was measured" in test.notes[0]


def test_notes_and_what_was_left_out_stay_with_the_training_half(make_labelled) -> None:
    images = replace(make_labelled([0, 1] * 2), parts=(TRAIN, TRAIN, TEST, TEST), notes=("read",), left_out=("x.png: broken",))
    train, test = own_split(images)
    assert (train.notes, train.left_out, test.notes, test.left_out) == (("read",), ("x.png: broken",), (), ())


def test_the_classes_that_lie_in_one_group_are_named(make_labelled) -> None:
    images = make_labelled([0] * 3 + [1] * 3 + [2] * 3, classes=("a", "b", "c"))
    one = split(replace(images, groups=("x",) * 3 + ("",) * 6), 0.5, 0)[1].notes[0]
    assert "nothing is left to test on: all images of 'a' belong together (one recording, one person, one picture)" in one
    two = split(replace(images, groups=("x",) * 3 + ("y",) * 3 + ("",) * 3), 0.5, 0)[1].notes[0]
    assert "in each of 'a', 'b' all images belong together" in two and "'c'" not in two


def test_groups_that_no_draw_divides_are_said_to_be_the_reason(make_labelled) -> None:
    """Three groups, each two classes in two of them: whatever goes, one class is on one side."""
    images = make_labelled([0, 0, 1, 1, 2, 2], classes=("a", "b", "c"))
    train, test = split(replace(images, groups=("x", "y", "y", "z", "z", "x")), 0.5, 0)
    assert len(train) == 6 and len(test) == 0
    assert "its groups cannot be divided so that each class has some on either side. To measure, record" in test.notes[0]


def test_images_without_a_side_are_learned_from_when_only_the_test_is_named(make_labelled) -> None:
    images = replace(make_labelled([0] * 3 + [1] * 3), parts=(TEST, "", "", TEST, "", ""))
    train, test = own_split(images)
    assert (len(train), len(test)) == (4, 2)


def test_an_image_in_two_classes_is_named(make_labelled) -> None:
    images = make_labelled([0, 0, 1, 1])
    again = replace(images.take([0, 1, 2, 3, 0]), labels=np.array([0, 0, 1, 1, 1]), names=("a", "b", "c", "d", "e"))
    with pytest.raises(UserError, match="The same image is in two classes. 'a' and 'e' are identical"):
        split(again, 0.5, 0)
    assert len(split(images.take([0, 1, 2, 3, 0]), 0.5, 0)[0]) in (2, 3)
