"""Nothing that was seen in the search is tested on."""

import numpy as np
import pytest

from sn_viz.errors import UserError
from sn_viz.held_out import align_classes, asked, usable, without_seen
from sn_viz.types import LabelledImages, Picture


def images(labels, classes=("no", "yes"), questions=None, first=0):
    pictures = tuple(Picture(np.full((8, 8, 3), i + first, np.uint8)) for i in range(len(labels)))
    names = tuple(f"{i}.png" for i in range(len(labels)))
    return LabelledImages(names, pictures, np.array(labels), classes, tuple(questions or ["Is it?"] * len(labels)))


def test_unlabelled_images_and_empty_classes_are_left_out():
    kept = usable(images([0, -1, 2, 2], ("a", "b", "c")))
    assert kept.classes == ("a", "c")
    assert kept.labels.tolist() == [0, 1, 1]
    assert "1 images of the data have no label" in kept.notes[0]


def test_one_class_gets_a_clear_sentence():
    with pytest.raises(UserError, match="fewer than two classes. Only 'yes'"):
        usable(images([1, 1]))


def test_a_missing_question_gets_a_clear_sentence():
    with pytest.raises(UserError, match="no question"):
        usable(images([0, 1], questions=["Is it?", " "]))


def test_a_separate_test_set_follows_the_order_of_the_probing_classes():
    test = align_classes(images([0, 1, 1], ("yes", "no")), images([0, 1]))
    assert test.classes == ("no", "yes")
    assert test.labels.tolist() == [1, 0, 0]


def test_an_unknown_class_in_the_test_set_is_named():
    with pytest.raises(UserError, match="'maybe'"):
        align_classes(images([0, 1], ("no", "maybe")), images([0, 1]))


def test_probing_images_leave_the_test_set_unless_asked_something_else():
    train = images([0, 1])
    test = images([0, 1, 0], questions=["Is it?", "Is it red?", "Is it?"])
    fresh = without_seen(test, train)
    assert len(fresh) == 2
    assert not asked(fresh) & asked(train)
    assert "1 test images" in fresh.notes[-1]


def test_a_test_set_of_probing_images_only_is_refused():
    with pytest.raises(UserError, match="Every test image"):
        without_seen(images([0, 1]), images([0, 1]))
