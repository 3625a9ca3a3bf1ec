"""Nothing that was seen in the search is tested on."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from sn_viz.errors import UserError
from sn_viz.splits.held_out import align_classes, joined, kept_apart, shared, usable, without_seen
from sn_viz.types import LabelledImages, Picture

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


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


def test_probing_pictures_leave_the_test_whatever_they_are_asked():
    train = images([0, 1])
    test = images([0, 1, 0], questions=["Is it?", "Is it red?", "Is it?"])
    fresh = without_seen(test, train)
    assert fresh.names == ("2.png",)
    assert not shared(train, fresh) and shared(train, test)
    assert "2 test images are also probing images" in fresh.notes[-1] and "1.png" in fresh.notes[-1]


def test_a_group_of_the_probing_images_leaves_the_test_and_is_named():
    train = replace(images([0, 1]), groups=("Ann", ""))
    test = replace(images([0, 1, 1], first=50), groups=("Ann", "Bob", ""))
    fresh = without_seen(test, train)
    assert fresh.names == ("1.png", "2.png")
    assert "1 test images belong together with probing images" in fresh.notes[-1] and "'Ann'" in fresh.notes[-1]


def test_a_group_is_left_out_whole_when_one_of_its_pictures_was_seen():
    train = images([0, 1])
    test = replace(images([0, 1, 1, 0], first=1), groups=("", "", "", ""))
    assert len(without_seen(test, train)) == 3
    assert len(without_seen(replace(test, groups=("Ann", "Ann", "", "Ann")), train)) == 1


def test_a_test_set_of_probing_images_only_is_refused():
    with pytest.raises(UserError, match="Every test image"):
        without_seen(images([0, 1]), images([0, 1]))


def test_near_duplicates_are_one_group_and_those_of_probing_pictures_leave_the_test():
    photo, other = (Picture(np.asarray(part)) for part in halves_of_a_photograph())
    smaller = Picture(np.asarray(Image.fromarray(photo.pixels).resize((150, 200))))
    both = replace(images([0, 1]), names=("a.png", "b.jpg"), pictures=(photo, smaller))
    together = joined(both)
    assert together.groups[0] == together.groups[1] != ""
    assert "1 pair of images show one photograph" in together.notes[-1] and "'a.png' and 'b.jpg'" in together.notes[-1]
    train = replace(images([0, 1], first=9), pictures=(photo, images([0], first=90).pictures[0]))
    test = replace(images([0, 1]), names=("small.png", "other.png"), pictures=(smaller, other))
    _, fresh = kept_apart(train, test)
    assert fresh.names == ("other.png",)
    assert "'small.png' is '0.png'" in fresh.notes[-1]
    assert len(fresh.notes) == 1, "nothing is said of pairs that are not there"


def test_near_duplicates_within_the_test_stay_together_and_are_named_there_alone():
    photo, other = (Picture(np.asarray(part)) for part in halves_of_a_photograph())
    smaller = Picture(np.asarray(Image.fromarray(photo.pixels).resize((150, 200))))
    pair = replace(images([0, 1, 1], first=90), names=("a.png", "b.jpg", "c.png"), pictures=(photo, smaller, other))
    alone = images([0, 1])
    train, test = kept_apart(alone, pair)
    assert train.notes == () and len(test) == 3 and test.groups[0] == test.groups[1] != test.groups[2]
    assert len(test.notes) == 1 and "1 pair of test images" in test.notes[0] and "'a.png' and 'b.jpg'" in test.notes[0]
    train, test = kept_apart(pair, alone)
    assert test.notes == () and len(train.notes) == 1 and "1 pair of probing images" in train.notes[0]


def halves_of_a_photograph():
    photo = Image.fromarray(load_sample_images().images[0])
    return photo.crop((0, 0, 300, 400)), photo.crop((340, 0, 640, 400))


def test_every_reason_for_leaving_the_test_is_told_once():
    photo, other = (Picture(np.asarray(part)) for part in halves_of_a_photograph())
    smaller = Picture(np.asarray(Image.fromarray(photo.pixels).resize((150, 200))))
    plain = images([0, 1, 0, 1], first=90).pictures
    train = replace(images([0, 1, 1]), names=("p.png", "q.png", "r.png"), pictures=(photo, *plain[:2]), groups=("", "", "Ann"))
    test = replace(
        images([0, 1, 0, 1, 0]),
        names=("same.png", "small.png", "hers.png", "other.png", "again.png"),
        pictures=(photo, smaller, plain[2], other, plain[0]),
        groups=("", "", "Ann", "", ""),
        notes=("read",),
        left_out=("x.png: broken",),
    )
    kept, fresh = kept_apart(train, test)
    assert fresh.names == ("other.png",) and kept.names == train.names
    assert kept.notes == () and len(set(kept.groups)) == 3 and fresh.groups == ("",)
    assert fresh.notes == (
        "read",
        "2 test images are also probing images and were left out of the test: 'same.png', 'again.png'.",
        "1 test images show the photograph of a probing image, re-encoded, rescaled or cropped, and were left out of the test: "
        "'small.png' is 'p.png'.",
        "1 test images belong together with probing images and were left out of the test: 'Ann'.",
    )
    why = "shares a picture or a group with the probing images"
    assert fresh.left_out == ("x.png: broken", *(f"'{name}.png': {why}" for name in ("same", "small", "hers", "again")))


def test_drawn_pictures_are_not_compared_and_a_test_without_groups_has_none():
    photo, other = (Picture(np.asarray(part)) for part in halves_of_a_photograph())
    smaller = Picture(np.asarray(Image.fromarray(photo.pixels).resize((150, 200))))
    train, test = replace(images([0, 1]), pictures=(photo, other)), replace(images([0, 1], first=7), pictures=(smaller, photo))
    kept, fresh = kept_apart(train, test, drawn=True)
    assert fresh.names == ("0.png",) and kept.groups == fresh.groups == () and len(fresh.notes) == 1
    nothing = kept_apart(train, test.take([]))[1]
    assert len(nothing) == 0 and nothing.notes == ()


def test_an_image_that_goes_for_the_group_of_its_picture_is_told_by_its_own_name():
    train = images([0, 1])
    test = images([0, 1, 1, 0], first=1)
    test = replace(
        test, names=("a", "b", "c", "d"), pictures=(*test.pictures[:2], *test.pictures[1:3]), groups=("Bob", "Bob", "", "")
    )
    _, fresh = kept_apart(train, test)
    assert fresh.names == ("d",)
    assert "also probing images and were left out of the test: 'a'." in fresh.notes[0]
    assert "2 test images belong together with probing images and were left out of the test: 'Bob', 'c'." in fresh.notes[1]


def test_classes_are_found_in_another_spelling_and_the_exact_one_first():
    train = images([0, 1, 2], ("dog", "Dog", "cat"))
    aligned = align_classes(images([2, 1, 0, 1], ("CAT", "Dog", "dog", "owl")), replace(train, classes=("dog", "Dog", "cat")))
    assert aligned.labels.tolist() == [0, 1, 2, 1] and aligned.classes == ("dog", "Dog", "cat")


def test_what_has_no_label_is_counted_and_said_of_what_it_is():
    kept = usable(replace(images([0, -1, 1, -1, -1]), notes=("read",)), "test set")
    assert kept.notes == ("read", "3 images of the test set have no label and were left out.")
    assert usable(images([0, 1])).notes == ()
    with pytest.raises(UserError, match="The test set has fewer than two classes. No labelled image was found"):
        usable(images([-1, -1]), "test set")
