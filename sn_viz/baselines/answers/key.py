"""What each class is answered with: said by the user, else told by names and question, else by the words that occur, else unknown.

Takes names, a question and, where those decide nothing, what the model said about the probing images. No label is looked at, and
no reading is chosen because it scores better: a model that answers the wrong way round is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from sn_viz.baselines.answers.fold import fold, is_unspaced, words
from sn_viz.baselines.answers.inflect import languages, same_word
from sn_viz.baselines.answers.mentions import find, is_negator
from sn_viz.baselines.answers.names import cores, is_residual, own_words, parts, sense
from sn_viz.baselines.answers.parse import polarity, read
from sn_viz.baselines.answers.words import (
    AMBIGUOUS,
    BAD,
    FILLER,
    GOOD,
    KIN,
    OPEN,
    OPEN_START,
    OPEN_UNSPACED,
    OR,
    OR_UNSPACED,
)
from sn_viz.errors import UserError
from sn_viz.types import AnswerKey

OBSERVED = 32
"""At most this many probing images are answered to see which words occur."""
CLEAR = 0.9
"""This share of the answers that tell anything must tell the same."""
FEWEST = 3
"""Fewer answers than this tell nothing."""
LONGEST_ANSWER, LONGEST_ANSWERS = 80, 20_000
"""Characters of one answer, and of all of them in one text."""


def answer_key(
    classes: Sequence[str], questions: str | Sequence[str] = "", given: Mapping[str, str] | None = None, rule: str = ""
) -> AnswerKey:
    """Return what each class is answered with, as far as the user, the names and the questions tell.

    Parameters
    ----------
    classes : sequence of str
        In the order of the labels.
    questions : str or sequence of str
        The question, or that of every example.
    given : mapping of str to str, optional
        Class name -> its answer ("yes", "no", or any word); classes that are left out keep their names.
    rule : str
        The published benchmark whose own rule reads the answers; "" for ours.

    Raises
    ------
    UserError
        When ``given`` names a class that there is not, or gives two classes one answer.

    Examples
    --------
    >>> answer_key(["dogs", "others"], "Is there a dog in the picture?").words
    ('yes', 'no')
    >>> answer_key(["cat", "dog"], "Is it heavy?").source
    'unknown'
    """
    classes = tuple(classes)
    if given:
        return _given(classes, given)
    asked = tuple(dict.fromkeys((questions,) if isinstance(questions, str) else questions)) or ("",)
    keys = [told_by_words(classes, question) for question in asked]
    if all(key.words == keys[0].words and key.source == keys[0].source for key in keys):
        return replace(keys[0], rule=rule)
    reason = "What yes stands for changes with the question; each answer is read beside its own."
    return AnswerKey(classes, classes, "asked", reason, inferred=True, by_question=True, rule=rule)


def given_answers(answers: Mapping[str, str] | str | None) -> dict[str, str]:
    """Return class -> answer from a mapping, or from text such as "dog=yes,cat=no"; names with a comma or "=" go in quotes.

    Raises
    ------
    UserError
        When the text cannot be read so.

    Examples
    --------
    >>> given_answers('dog=yes, "cats, big"=no')
    {'dog': 'yes', 'cats, big': 'no'}
    """
    if not answers:
        return {}
    if isinstance(answers, Mapping):
        return {str(name): str(answer) for name, answer in answers.items() if str(answer).strip()}
    found: dict[str, str] = {}
    text, at = str(answers)[:LONGEST_ANSWERS], 0
    pair = re.compile(r'\s*(?:"([^"]*)"|([^=,"]*))\s*=\s*(?:"([^"]*)"|([^,"]*))\s*(?:,|$)')
    while at < len(text):
        match = pair.match(text, at)
        name = match and (match[1] if match[1] is not None else match[2]).strip()
        answer = match and (match[3] if match[3] is not None else match[4]).strip()
        if not match or not name or not answer or name in found:
            raise UserError(
                "The answers were not understood.",
                f"{text[at : at + 60]!r} arrived.",
                "Write them like: dog=yes,cat=no, each class once.",
            )
        found[name], at = answer, match.end()
    return found


def settled(key: AnswerKey, question: str) -> AnswerKey:
    """Return the key for one question, where it changes with the question."""
    return told_by_words(key.classes, question) if key.by_question else key


def _given(classes: tuple[str, ...], given: Mapping[str, str]) -> AnswerKey:
    by_fold = {fold(name).strip(): name for name in classes}
    answers = {}
    for name, answer in given.items():
        known = name if name in classes else by_fold.get(fold(str(name)).strip())
        if known is None:
            raise UserError(
                f"There is no class called {str(name)[:60]!r}.",
                f"The classes are: {', '.join(classes)[:300]}.",
                "Name one of these.",
            )
        answers[known] = " ".join(str(answer).split())[:LONGEST_ANSWER]
    if len(classes) == 2 and len(answers) == 1:
        ((name, answer),) = answers.items()
        if sense(answer):
            answers[classes[1 - classes.index(name)]] = "no" if sense(answer) > 0 else "yes"
    said = tuple(answers.get(name) or name for name in classes)
    folded = [fold(word).strip() for word in said]
    twice = next((word for i, word in enumerate(said) if folded[i] in folded[:i]), None)
    if twice is not None:
        raise UserError(
            f"Two classes have the answer {twice!r}.",
            "Then it could not be told which one is meant.",
            "Give each class its own answer.",
        )
    senses = [sense(word) for word in said]
    yes, no = (senses.index(way) if senses.count(way) == 1 else -1 for way in (1, -1))
    return AnswerKey(classes, said, "given", "Said by you.", yes, no)


@lru_cache(maxsize=4096)
def told_by_words(classes: tuple[str, ...], question: str = "") -> AnswerKey:
    """Return the key that names and question decide; source "unknown" when they do not."""
    named = AnswerKey(classes, classes, "named", "Each class is answered with its name.")
    senses = [sense(name) for name in classes]
    if senses.count(1) == 1 and senses.count(-1) == 1:
        yes, no = senses.index(1), senses.index(-1)
        spoken = ("yes", "no") if (yes, no) == (0, 1) else ("no", "yes") if len(classes) == 2 else classes
        return AnswerKey(classes, spoken, "named", "The classes are called yes and no.", yes, no)
    if len(classes) != 2:
        return named
    folded = fold(question)
    by_question = _asked(classes, folded)
    by_names = _opposed(classes)
    if _is_choice(classes, folded):
        return replace(named, source="asked", reason="The question asks which of the two it is.")
    if by_question is not None:
        return _polar(classes, by_question, "asked", f"The question asks for {classes[by_question]!r}.")
    if by_names is not None:
        return _polar(classes, by_names[0], "named", by_names[1])
    if _is_open(folded):
        return replace(named, source="asked", reason="The question is answered with a name, not with yes or no.")
    return replace(named, source="unknown", reason="Neither the names nor the question say which class “yes” stands for.")


def _polar(classes: tuple[str, ...], yes: int, source: str, reason: str) -> AnswerKey:
    spoken = ("yes", "no") if yes == 0 else ("no", "yes")
    return AnswerKey(classes, spoken, source, reason, yes, 1 - yes, inferred=True)


def _opposed(classes: tuple[str, ...]) -> tuple[int, str] | None:
    """Return which of two names is the yes, and why, when the names alone tell."""
    for c, name in enumerate(classes):
        if _is_plainly_polar(name) and not sense(classes[1 - c]):
            return (c if sense(name) > 0 else 1 - c), f"{name!r} is a {'yes' if sense(name) > 0 else 'no'}."
    spoken = cores(classes)
    if spoken[0].negated != spoken[1].negated:
        no = 0 if spoken[0].negated else 1
        return 1 - no, f"{classes[no]!r} is the negation."
    left = [is_residual(name) for name in classes]
    if left[0] != left[1]:
        no = 0 if left[0] else 1
        return 1 - no, f"{classes[no]!r} is what is left when it is not {classes[1 - no]!r}."
    return None


def _is_plainly_polar(name: str) -> bool:
    """Return whether a name means yes or no whatever stands beside it: "yes" does, "1", "n", "present" or "with" need not."""
    plain = fold(name).strip(" .!。！_")
    if (
        (len(plain) == 1 and not is_unspaced(plain))
        or plain in (AMBIGUOUS - {"no", "none", "nothing"})
        or plain in _OFTEN_OTHERWISE
    ):
        return False
    return bool(sense(name))


_OFTEN_OTHERWISE = frozenset("present presente présent présente with mit avec con com med met con".split())


def _asked(classes: tuple[str, ...], question: str) -> int | None:
    """Return the class that a folded question asks for; None when it names both, or neither."""
    if not question:
        return None
    spoken = cores(classes)
    literal = {m.name for m in find(question, tuple(_glue(parts(name)) for name in classes)) if not m.negated}
    if len(literal) == 1 and spoken[(only := literal.pop())].negated:
        return only
    sought = tuple(_glue(core.words) for core in spoken)
    if sought[0] == sought[1]:
        mentions = find(question, (sought[0],))
        if not mentions:
            return None
        plain = 0 if not spoken[0].negated else 1
        return 1 - plain if all(m.negated for m in mentions) and not _is_tag(question) else plain
    mentions = find(question, sought)
    asked = {m.name for m in mentions if not m.negated or _is_tag(question)}
    apart = own_words(classes)
    if not mentions and all(apart):
        asked = {m.name for m in find(question, apart) if not m.negated or _is_tag(question)}
    elif not mentions:
        asked = _by_kin(classes, sought, question)
    elif not asked:  # "Is this not a cat?" may be answered either way
        return None
    found = {c if not spoken[c].negated else 1 - c for c in asked}
    return found.pop() if len(found) == 1 else None


def _glue(core: tuple[str, ...]) -> tuple[str, ...]:
    return ("".join(core),) if core and all(is_unspaced(part) for part in core) else core


def _by_kin(classes: tuple[str, ...], sought: Sequence[tuple[str, ...]], question: str) -> set[int]:
    """Return the classes with a word that asks for the same as a word of the question; good and bad are each other's opposite."""
    spoken = languages(question)
    asked = [word.text for word in words(question) if word.text not in FILLER]
    denied = any(is_negator(word.text) for word in words(question)) and not _is_tag(question)

    def among(said: Sequence[str], kin: frozenset[str]) -> bool:
        return any(word in kin or any(is_unspaced(k) and k in word for k in kin) for word in said) or any(
            same_word(k, word, spoken) for word in said if len(word) > 3 for k in kin if len(k) > 3
        )

    found = {c for c, name in enumerate(sought) for kin in KIN if among(asked, kin) and among(name, kin)}
    if len(found) != 1:
        bad, good = among(asked, BAD), among(asked, GOOD)
        if bad != good:
            same, against = (BAD, GOOD) if bad else (GOOD, BAD)
            found = {c for c, name in enumerate(sought) if among(name, same)}
            found = found or {1 - c for c, name in enumerate(sought) if among(name, against)}
    return {1 - c for c in found} if denied else found


def _is_tag(question: str) -> bool:
    """Return whether the question begins with "isn't", "doesn't": asked in the negative, meant in the positive."""
    return bool(words(question)) and words(question)[0].text.endswith("n't")


def _is_choice(classes: tuple[str, ...], question: str) -> bool:
    said = [word.text for word in words(question)]
    both = {m.name for m in find(question, tuple(_glue(parts(name)) for name in classes))} == {0, 1}
    return both and (any(word in OR for word in said) or any(word in question for word in OR_UNSPACED))


def _is_open(question: str) -> bool:
    said = [word.text for word in words(question)]
    return (
        any(word in OPEN for word in said[:3])
        or question.lstrip("¿ ").startswith(tuple(map(fold, OPEN_START)))
        or any(fold(word) in question for word in OPEN_UNSPACED)
    )


def observe(key: AnswerKey, answers: Sequence[str]) -> AnswerKey:
    """Return the key after looking at which words occur in the answers about probing images; a decided one stays as it is.

    Names that occur decide for names. A yes or no that comes with a name ("Yes, there is a fire") tells what it stands for. Where
    only yes and no occur the key stays unknown.
    """
    if key.source != "unknown" or len(key.classes) != 2 or not answers:
        return key
    said = [(polarity(text), read(text, key)) for text in answers]
    n = len(said)
    votes = [(named if way > 0 else 1 - named) for way, named in said if way and named >= 0]
    alone = sum(1 for way, named in said if way and named < 0)
    names = sum(1 for _, named in said if named >= 0)
    if len(votes) >= FEWEST and max(votes.count(0), votes.count(1)) >= CLEAR * len(votes):
        yes = 0 if votes.count(0) > votes.count(1) else 1
        reason = f"In {votes.count(yes)} of {n} probing answers “yes” or “no” comes with the name of a class."
        return replace(_polar(key.classes, yes, "observed", reason), rule=key.rule)
    if (not alone and not votes) or (names >= FEWEST and n - alone - len(votes) >= CLEAR * n):
        reason = f"{names} of {n} probing answers name a class, {alone} say only yes or no."
        return replace(key, source="observed", reason=reason, inferred=True)
    reason = f"{key.reason[:-1]}, and {alone + len(votes)} of {n} probing answers say yes or no without telling."
    return replace(key, reason=reason)
