"""From words and logits to classes."""

import numpy as np
import pytest

from sn_viz.baselines.answers import answer_words, class_logits, parse_answer, positive_class


@pytest.mark.parametrize(
    ("classes", "question", "positive"),
    [
        (("no", "yes"), "", 1),
        (("yes", "no"), "", 0),
        (("dog", "no dog"), "", 0),
        (("not ripe", "ripe"), "", 1),
        (("ripe", "unripe"), "", 0),
        (("without_mask", "with_mask"), "", 1),
        (("day", "night"), "Is it night?", 1),
        (("night", "day"), "Is it night?", 0),
        (("cat", "dog"), "What is it?", None),
    ],
)
def test_yes_stands_for_the_class_that_people_would_say(classes, question, positive):
    assert positive_class(classes, question) == positive


@pytest.mark.parametrize(
    ("answer", "classes", "label"),
    [
        ("yes", ("no", "yes"), 1),
        (" Yes, there is.", ("dog", "no dog"), 0),
        ("No.", ("dog", "no dog"), 1),
        ("There is no dog", ("dog", "no dog"), 1),
        ("It is not a dog", ("dog", "cat"), 1),
        ("a Dog!", ("cat", "dog", "horse"), 1),
        ("hotdog", ("cat", "dog"), -1),
        ("a cat and a dog", ("cat", "dog", "horse"), -1),
        ("It is a B", ("A", "B", "C", "D"), 1),
        ("light_blue", ("blue", "light blue", "red"), 1),
        ("", ("no", "yes"), -1),
        ("yesterday", ("no", "yes"), -1),
        ("(a+b)", ("(a+b)", "c*"), 0),
    ],
)
def test_an_answer_is_read_as_the_class_it_names(answer, classes, label):
    assert parse_answer(answer, classes) == label


class Words:
    """Stands in for a model: knows three words."""

    def answer_token_ids(self, text: str) -> list[int]:
        return {"yes": [0, 1], "no": [2], "cat": [3], "dog": [4]}[text]


def test_a_class_gets_the_largest_logit_among_its_first_tokens():
    logits = np.array([[1.0, 5.0, 2.0, 0.0, 0.0]], np.float32)
    assert class_logits(Words(), logits, ("no", "yes")).tolist() == [[2.0, 5.0]]


def test_two_classes_are_compared_by_whichever_words_the_model_finds_likelier():
    likes_yes = np.array([[5.0, 0, 5, 0, 0]], np.float32)
    likes_names = np.array([[0.0, 0, 0, 5, 5]], np.float32)
    assert answer_words(Words(), likes_yes, ("cat", "dog"), "Is it a dog?") == ("no", "yes")
    assert answer_words(Words(), likes_names, ("cat", "dog"), "Is it a dog?") == ("cat", "dog")
