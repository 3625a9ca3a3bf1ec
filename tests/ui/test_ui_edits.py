"""Images moved to another class or removed by hand, and undone."""

from __future__ import annotations

import numpy as np
import pytest

from sn_viz.errors import UserError
from sn_viz.sources.ingest import picture_from_pixels
from sn_viz.types import LabelledImages
from sn_viz.ui.components import edits
from sn_viz.ui.components.edits import Edits, Example


@pytest.fixture()
def images() -> LabelledImages:
    """Six grey images, three of each class."""
    pictures = tuple(picture_from_pixels(np.full((4, 4, 3), 30 * i, np.uint8)) for i in range(6))
    return LabelledImages(tuple("abcdef"), pictures, np.array([0, 0, 0, 1, 1, 1]), ("no", "yes"), ("?",) * 6)


def test_an_image_moves_to_another_class_and_back(images):
    example = edits.example_at(images, 0)
    made = edits.move(images, Edits("own"), example, "yes")
    changed = edits.apply(images, made)
    assert changed.labels.tolist() == [1, 0, 0, 1, 1, 1] and edits.counts(changed) == [("no", 2), ("yes", 4)]
    assert changed.notes == ("Changed by hand: 1 image moved to another class.",) and edits.is_edited(changed)
    assert edits.moved_to(images, made) == {example} and images.labels[0] == 0
    back = edits.move(changed, made, example, "no")
    assert edits.apply(images, back) is images and edits.moved_to(images, back) == set()


def test_a_removed_image_is_gone_until_it_is_undone(images):
    made = edits.remove(images, Edits("own"), edits.example_at(images, 3))
    made = edits.remove(edits.apply(images, made), made, edits.example_at(images, 5))
    changed = edits.apply(images, made)
    assert changed.names == tuple("abce") and "2 images removed" in changed.notes[0]
    assert edits.too_few(changed) == ["The class “yes” has 1 image left; it needs at least 2. Move or add some, or undo."]
    once, last = edits.undo(made)
    assert last.example == edits.example_at(images, 5) and edits.apply(images, once).names == tuple("abcef")
    assert edits.undo(edits.undo(once)[0]) == (Edits("own"), None)


def test_moved_then_removed_counts_once(images):
    example = edits.example_at(images, 1)
    made = edits.move(images, Edits(), example, "yes")
    made = edits.remove(edits.apply(images, made), made, example)
    assert edits.apply(images, made).notes == ("Changed by hand: 1 image removed.",)


def test_what_is_not_there_is_refused_in_a_sentence(images):
    with pytest.raises(UserError, match="not in the set"):
        edits.remove(images, Edits(), Example("0" * 64, "?"))
    with pytest.raises(UserError, match="no class 'maybe'"):
        edits.move(images, Edits(), edits.example_at(images, 0), "maybe")
    assert edits.move(images, Edits(), edits.example_at(images, 0), "no") == Edits()


def test_edits_hold_when_more_images_arrive_and_not_for_another_set(images):
    made = edits.move(images.take([0, 3]), Edits("own"), edits.example_at(images, 3), "no")
    assert edits.apply(images, made).labels.tolist() == [0, 0, 0, 0, 1, 1]
    assert made.belonging_to("own") is made and made.belonging_to("pack:night") == Edits("pack:night")


def test_edits_to_a_class_that_was_renamed_do_nothing(images):
    made = Edits("own", (edits.Edit(edits.example_at(images, 0), "ripe"),))
    assert edits.apply(images, made) is images


def test_the_same_image_with_another_question_stays(images):
    twice = LabelledImages(("a", "b"), (images.pictures[0],) * 2, np.array([0, 1]), ("no", "yes"), ("red?", "blue?"))
    made = edits.remove(twice, Edits(), edits.example_at(twice, 0))
    assert edits.apply(twice, made).questions == ("blue?",)


def test_what_was_undone_is_made_again_in_the_same_steps(images):
    both = [edits.Edit(edits.example_at(images, i), "yes") for i in (0, 1)]
    made = edits.several(edits.remove(images, Edits("own"), edits.example_at(images, 5)), both)
    none, _ = edits.undo(edits.undo(made)[0])
    assert none.made == ()
    once, last = edits.redo(none)
    assert last == made.made[0] and edits.redo(once)[0] == made, "the two are one step again"
    assert edits.redo(edits.redo(once)[0])[1] is None
    assert edits.remove(images, none, edits.example_at(images, 2)).undone == ()
    assert edits.renamed(none, "yes", "ripe").undone[0][-1].to == "ripe"
