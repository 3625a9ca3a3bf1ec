"""What only the question tells about an answer: which numbers count what was asked for, and that nobody is no person.

Takes folded texts; knows nothing of which class stands for what.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from sn_viz.baselines.answers.fold import fold, words
from sn_viz.baselines.answers.inflect import english_forms, languages, same_word
from sn_viz.baselines.answers.mentions import Clause, Mention
from sn_viz.baselines.answers.names import parts
from sn_viz.baselines.answers.numbers import value_of
from sn_viz.baselines.answers.words import COUNTING, FILLER, NOBODY, PEOPLE, PLACED

_COUNTING = re.compile("|".join(rf"\b{re.escape(fold(phrase))}\b" for phrase in COUNTING))
_NOBODY = re.compile("|".join(rf"\b{re.escape(fold(phrase))}\b" for phrase in sorted(NOBODY, key=len, reverse=True)))
_REACH = 4
"""Words behind a number among which the noun is that it counts: "two small brown dogs"."""


@lru_cache(maxsize=512)
def spoken_of(question: str) -> frozenset[str]:
    """Return the words of a question, and what they may be forms of, without those that say nothing."""
    return frozenset(form for word in words(fold(question)) if word.text not in FILLER for form in english_forms(word.text))


@lru_cache(maxsize=512)
def counted(question: str) -> tuple[str, ...]:
    """Return the words by which a folded question says what is to be counted; () for a question that counts nothing."""
    found = _COUNTING.search(question)
    return tuple(word.text for word in words(question[found.end() :]) if word.text not in FILLER)[:2] if found else ()


def counting(
    mentions: Sequence[Mention], names: Sequence[tuple[str, ...]], text: str, cut: Sequence[Clause], question: str
) -> list[Mention]:
    """Return the mentions without those numbers that count something else than the question asks for.

    Where a number stands before the noun of the question, only such numbers are left: "2 trees and 3 dogs". Otherwise a number is
    left out that stands behind a word of place and before a noun: "under 2 trees". Whatever else comes behind a number may be
    another word for the same, and counts.
    """
    nouns = counted(fold(question))
    numbers = [mention for mention in mentions if value_of(" ".join(names[mention.name])) is not None]
    if not nouns or not numbers:
        return list(mentions)
    every = words(text)
    spoken = languages(f"{question} {text[:400]}")

    def behind(mention: Mention) -> list[str]:
        end = cut[mention.clause].end
        following = [word for word in every if mention.end <= word.start < end][:_REACH]
        stop = next(
            (i for i, word in enumerate(following) if value_of(word.text) is not None or word.text in PLACED), len(following)
        )
        return [word.text for word in following[:stop]]

    def counts_it(mention: Mention) -> bool:
        return any(same_word(noun, said, spoken) for noun in nouns for said in behind(mention))

    def is_placed(mention: Mention) -> bool:
        before = [word.text for word in every if word.end <= mention.start and word.start >= cut[mention.clause].start]
        before = before[:-1] if before[-1:] == ["the"] else before
        return bool(before) and before[-1] in PLACED and any(said not in FILLER for said in behind(mention))

    right = [mention for mention in numbers if counts_it(mention)]
    wrong = {mention for mention in numbers if (mention not in right if right else is_placed(mention))}
    return [mention for mention in mentions if mention not in wrong]


def without_nobody(text: str, classes: Sequence[str], question: str) -> str:
    """Return an answer in which "nobody" is "no" and the one word for people of the classes, or else of the question.

    Left as it is where there is none or several, or where a class is called so. Where people are counted and a class is 0, it is 0.
    """
    if not _NOBODY.search(text) or any(_NOBODY.search(fold(name)) for name in classes):
        return text
    for said in ([word for name in classes for word in parts(name)], [word.text for word in words(fold(question))]):
        people = {next(iter(sorted(found))) for word in said if (found := english_forms(word) & PEOPLE)}
        if len(people) == 1:
            zero = "0" if counted(fold(question)) and any(value_of(name) == "0" for name in classes) else "no"
            return _NOBODY.sub(f"{zero} {people.pop()}", text)
        if people:
            break
    return text
