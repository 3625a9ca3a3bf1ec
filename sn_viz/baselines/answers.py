"""From what a model says to a class: takes text or first-token logits and class names; knows nothing about models' insides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sn_viz.models import Vlm

YES_WORDS = ("yes", "true", "positive", "present", "1")
NO_WORDS = ("no", "false", "negative", "absent", "none", "0")
_NEGATED = r"(?:(?:no|not|without|isn't|non)[\s_-]+(?:(?:a|an|any|the)[\s_-]+)?)"


def positive_class(classes: Sequence[str], question: str = "") -> int:
    """Return which of two classes "yes" stands for.

    A class called yes (or true, present, ...), or whose partner is called no (or "no dog", "not ripe", "unripe"), is the positive
    one; else the only class that the question names ("Is it night?"); else the second.

    Parameters
    ----------
    classes : sequence of str
        Exactly two names.
    question : str
        The question, when all images share one.

    Returns
    -------
    int
        0 or 1.

    Examples
    --------
    >>> positive_class(["cat", "no cat"]), positive_class(["unripe", "ripe"]), positive_class(["day", "night"], "Is it day?")
    (0, 1, 0)
    """
    low = [name.strip().lower() for name in classes]
    for index, name in enumerate(low):
        if name in YES_WORDS:
            return index
    for index, (name, other) in enumerate(zip(low, low[::-1], strict=True)):
        if name in NO_WORDS or re.match(_NEGATED, name) or name in (f"un{other}", f"non{other}", f"in{other}"):
            return 1 - index
    named = [_mentions(name, question) for name in low]
    return 0 if named == [True, False] else 1


def parse_answer(text: str, classes: Sequence[str], question: str = "") -> int:
    """Return the class that an answer names, or -1.

    With two classes, an answer that begins with yes or no is read through `positive_class`. Otherwise the classes whose names occur
    as whole words count; a name inside a longer one ("dog" in "no dog") does not, and with two classes "not a dog" speaks
    for the other class. Single letters must be capitals, so that the article in "a dog" is no answer A.

    Parameters
    ----------
    text : str
        What the model said.
    classes : sequence of str
        Names, in the order of the labels.
    question : str
        What it was asked.

    Returns
    -------
    int
        Index into ``classes``; -1 when none is named, or several.

    Examples
    --------
    >>> [parse_answer(t, ["cat", "no cat"]) for t in ("Yes.", "no", "There is no cat", "a dog")]
    [0, 1, 1, -1]
    """
    text = text.strip()
    if len(classes) == 2:
        first = re.match(r"\W*(yes|no)\b", text, re.IGNORECASE)
        if first:
            positive = positive_class(classes, question)
            return positive if first.group(1).lower() == "yes" else 1 - positive
    found = [(m.start(), m.end(), c) for c, name in enumerate(classes) for m in _pattern(name).finditer(text)]
    outer = [f for f in found if not any(g is not f and g[0] <= f[0] and f[1] <= g[1] and g[:2] != f[:2] for g in found)]
    named = {1 - c if len(classes) == 2 and _is_negated(text, start) else c for start, _, c in outer}
    return named.pop() if len(named) == 1 else -1


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


def answer_words(vlm: Vlm, logits: np.ndarray, classes: Sequence[str], question: str = "") -> tuple[str, ...]:
    """Return the word each class is answered with: its name, or yes and no when the model finds those likelier.

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

    Returns
    -------
    tuple of str
        One word per class. No label is looked at.
    """
    if len(classes) != 2:
        return tuple(classes)
    yes_no = ("no", "yes") if positive_class(classes, question) == 1 else ("yes", "no")

    def likelihood(words: Sequence[str]) -> float:
        ids = sorted({i for word in words for i in vlm.answer_token_ids(word)})
        return float(np.logaddexp.reduce(logits[:, ids], axis=1).mean())

    return max((yes_no, tuple(classes)), key=likelihood)


def _pattern(name: str) -> re.Pattern[str]:
    words = r"[\s_-]+".join(re.escape(word) for word in re.split(r"[\s_-]+", name.strip()) if word)
    return re.compile(rf"(?<!\w){words or '(?!)'}(?!\w)", 0 if len(name.strip()) == 1 else re.IGNORECASE)


def _mentions(name: str, text: str) -> bool:
    return bool(_pattern(name).search(text))


def _is_negated(text: str, start: int) -> bool:
    return bool(re.search(rf"\b{_NEGATED}$", text[:start], re.IGNORECASE))
