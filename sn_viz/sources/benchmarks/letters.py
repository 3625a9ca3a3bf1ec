"""Questions with numbered choices, asked so that one letter answers them.

Takes a question, its choices and the index of the right one; returns the text and the letter. It knows no benchmark.
"""

from __future__ import annotations

from collections.abc import Sequence

from sn_viz.sources.benchmarks.files import wrong
from sn_viz.sources.text import clean

LETTERS = tuple("ABCDEFGH")


def with_letters(question: str, choices: Sequence[object], right: int, source: str, number: object) -> tuple[str, str]:
    """Return the question with lettered choices, and the letter of the right one.

    Raises
    ------
    UserError
        With fewer than two choices or more than there are letters, or a right one that is none of them.

    Examples
    --------
    >>> with_letters("What is it?", ["a cat", "a dog"], 1, "val.json", 1)
    ('What is it? A. a cat B. a dog. Answer with one letter.', 'B')
    """
    if not 2 <= len(choices) <= len(LETTERS):
        raise wrong(source, number, f"It has {len(choices)} choices; 2 to {len(LETTERS)} are read.")
    if not 0 <= right < len(choices):
        raise wrong(source, number, f"The right choice is number {right} of {len(choices)}.")
    options = " ".join(f"{letter}. {str(choice).strip().rstrip('.')}" for letter, choice in zip(LETTERS, choices, strict=False))
    return clean(f"{question} {options}. Answer with one letter."), LETTERS[right]


def choices_of(asked: str) -> list[tuple[str, str]]:
    """Return the letters and choices of a question made by `with_letters`.

    Examples
    --------
    >>> choices_of("What is it? A. a cat B. a dog. Answer with one letter.")
    [('A', 'a cat'), ('B', 'a dog')]
    """
    body = asked.removesuffix(" Answer with one letter.").removesuffix(".")
    found: list[tuple[str, str]] = []
    for letter in reversed(LETTERS):
        before, mark, choice = body.rpartition(f" {letter}. ")
        if mark:
            found.append((letter, choice.strip()))
            body = before
    return found[::-1]
