"""From what a model says to a class: takes text or first-token logits and class names; knows nothing about models' insides.

``key`` says what each class is answered with, ``parse`` reads an answer by it, ``said`` lets a model answer; ``words`` holds the
vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sn_viz.baselines.answers.key import answer_key, given_answers, observe, settled, told_by_words
from sn_viz.baselines.answers.parse import read
from sn_viz.types import AnswerKey

if TYPE_CHECKING:
    from sn_viz.models import Vlm

__all__ = ["answer_key", "answer_words", "class_logits", "given_answers", "observe", "parse_answer", "positive_class", "settled"]


def positive_class(classes: Sequence[str], question: str = "") -> int | None:
    """Return which of two classes "yes" stands for, or None when neither names nor question tell; see `answer_key`.

    Examples
    --------
    >>> positive_class(["cat", "no cat"]), positive_class(["unripe", "ripe"]), positive_class(["day", "night"], "Is it day?")
    (0, 1, 0)
    """
    yes = told_by_words(tuple(classes), question).yes
    return None if yes < 0 else yes


def parse_answer(text: str, classes: Sequence[str], question: str = "", key: AnswerKey | None = None) -> int:
    """Return the class that an answer names, or -1.

    Parameters
    ----------
    text : str
        What the model said, in any language and script; only its beginning is looked at when it is very long.
    classes : sequence of str
        Names, in the order of the labels.
    question : str
        What it was asked.
    key : AnswerKey, optional
        What each class is answered with; by default what names and question tell.

    Returns
    -------
    int
        Index into ``classes``; -1 when none is named, or several, or the answer contradicts itself.

    Examples
    --------
    >>> [parse_answer(t, ["cat", "no cat"]) for t in ("Yes.", "no", "There is no cat", "a dog")]
    [0, 1, 1, -1]
    """
    if key is not None and key.rule:
        from sn_viz.sources.benchmarks import BENCHMARKS

        published = BENCHMARKS[key.rule].read
        if published is not None:
            return published(text, question, tuple(classes))
    key = told_by_words(tuple(classes), question) if key is None else settled(key, question)
    return read(text, key, question)


def class_logits(
    vlm: Vlm, logits: np.ndarray, classes: Sequence[str], question: str = "", words: Sequence[str] | None = None
) -> np.ndarray:
    """Return one logit per class: the largest among the tokens its answer may start with.

    Parameters
    ----------
    vlm : Vlm
        For its tokens.
    logits : numpy.ndarray
        float32 (example, vocabulary), of the first generated token.
    classes : sequence of str
        Names, in the order of the labels.
    question : str
        What was asked, to tell which class "yes" stands for.
    words : sequence of str, optional
        The answer of each class; by default `answer_words`.

    Returns
    -------
    numpy.ndarray
        float32 (example, class); two classes whose answers start alike get equal logits.
    """
    words = answer_words(vlm, logits, classes, question) if words is None else words
    return np.stack([logits[:, vlm.answer_token_ids(word)].max(axis=1) for word in words], axis=1)


def answer_words(
    vlm: Vlm, logits: np.ndarray, classes: Sequence[str], question: str = "", key: AnswerKey | None = None, fitted: bool = False
) -> tuple[str, ...]:
    """Return the word each class is compared by: its answer, or its name when the model finds the names likelier.

    Parameters
    ----------
    vlm : Vlm
        For its tokens.
    logits : numpy.ndarray
        float32 (example, vocabulary) of the first generated token, on images that may be looked at (the probing split).
    classes : sequence of str
        Names, in the order of the labels.
    question : str
        What was asked.
    key : AnswerKey, optional
        What each class is answered with; by default what names and question tell. Answers that the user gave are taken as they are.
    fitted : bool
        Whether what is made of the words is fitted to the labels in either direction: then yes and no serve even when it is not
        known which class they stand for.

    Returns
    -------
    tuple of str
        One word per class. No label is looked at.
    """
    key = told_by_words(tuple(classes), question) if key is None else key
    if key.source == "given" or len(classes) != 2:
        return key.words
    answers = ("no", "yes") if fitted and not key.known else key.words

    def likelihood(words: Sequence[str]) -> float:
        ids = sorted({i for word in words for i in vlm.answer_token_ids(word)})
        return float(np.logaddexp.reduce(logits[:, ids], axis=1).mean()) if ids else -np.inf

    return max((answers, tuple(classes)), key=likelihood)
