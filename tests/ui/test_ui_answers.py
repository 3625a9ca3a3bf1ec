"""The fields beside the classes: a guess with its reason, and what the user writes instead."""

import numpy as np

from sn_viz.types import LabelledImages, Picture
from sn_viz.ui.components import answer_row
from sn_viz.ui.server.arguments import Arguments


def images(classes: tuple[str, str], question: str = "") -> LabelledImages:
    pictures = tuple(Picture(np.full((4, 4, 3), i, np.uint8)) for i in range(4))
    return LabelledImages(tuple("abcd"), pictures, np.array([0, 0, 1, 1]), classes, (question,) * 4)


def test_the_fields_are_filled_in_with_a_guess():
    key = answer_row.guessed(images(("dogs", "others")), "Is there a dog?")
    assert answer_row.shown_words(key) == ("yes", "no") and "dogs" in key.reason


def test_what_cannot_be_told_is_left_empty():
    key = answer_row.guessed(images(("alpha", "beta")), "Is there a dog?")
    assert answer_row.shown_words(key) == ("", "") and not key.known


def filled(classes: tuple[str, str], question: str = "Is there a dog?") -> answer_row.Guess:
    return answer_row.Guess(classes, answer_row.shown_words(answer_row.guessed(images(classes), question)))


def test_a_guess_that_stays_is_not_the_users_word():
    dogs = ("dogs", "others")
    assert answer_row.given(dogs, filled(dogs), ["yes", "no", "", ""]) == ()


def test_what_the_user_writes_goes_into_the_run():
    letters, dogs = ("alpha", "beta"), ("dogs", "others")
    assert answer_row.given(letters, filled(letters), ["yes", "", "", ""]) == (("alpha", "yes"),)
    turned = answer_row.given(dogs, filled(dogs), ["no", "yes"])
    assert dict(turned) == {"dogs": "no", "others": "yes"}
    half_turned = answer_row.given(dogs, filled(dogs), ["no", "no"])
    assert half_turned == (("dogs", "no"),), "the field that was changed counts"
    assert Arguments("m", answers=turned).keywords()["answers"] == {"dogs": "no", "others": "yes"}


def test_fields_filled_in_for_other_classes_say_nothing_of_these():
    assert answer_row.given(("alpha", "beta"), filled(("dogs", "others")), ["yes", "no"]) == ()
    assert answer_row.given((), answer_row.Guess(), ["yes", "no"]) == ()
