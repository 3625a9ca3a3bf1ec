"""The split: stratified, disjoint, repeatable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sn_viz.errors import UserError
from sn_viz.sources.classes import TEST, TRAIN
from sn_viz.splits.split import own_split, split


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
