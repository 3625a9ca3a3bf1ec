"""Questions about pictures made of photographs, with their true answers, in the families of ``questions`` and a few more.

Takes what the photographs of a picture show and where they are; returns ``Asked`` values. It knows nothing of pixels, models or
training. Half of the things asked about in vain are of the same group as what is there. What is never asked, of drawings or
photographs: day or night, whether a picture is usable, whether anything has a colour, "so many or more", all animals as a group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from sn_viz.training.nouns import NAMES, WITHOUT_ARTICLE, Noun, absent_from, members, plural, with_article
from sn_viz.world import questions
from sn_viz.world.questions import NUMBERS, Asked

Box = tuple[float, float, float, float]

WORDINGS: dict[str, tuple[str, ...]] = {
    "presence": (
        "Is there {ak} in the picture?",
        "Is there {ak}?",
        "Is there {ak} in this photo?",
        "Do you see {ak}?",
        "Does the image show {ak}?",
        "Does this picture show {ak}?",
        "Is {ak} here?",
        "Can {ak} be seen?",
        "Is one of the things {ak}?",
        "Has this photo {ak} in it?",
        "Any {k} to be found?",
        "Any {k} here?",
        "Can you see {ak} in the image?",
        "Do you notice {ak} anywhere?",
        "Is {ak} visible?",
        "Are there any {ks}?",
        "Are there any {ks} in the picture?",
        "{k}?",
        "{ak}?",
    ),
    "is-it": (
        "Is this {ak}?",
        "Is it {ak}?",
        "Is that {ak}?",
        "Is this a picture of {ak}?",
        "Is this a photo of {ak}?",
        "Is the thing shown {ak}?",
        "Is {ak} what you see?",
        "Does this look like {ak}?",
        "Is what is shown here {ak}?",
        "Is the subject of this image {ak}?",
    ),
    "what": (
        "What is this?",
        "What is it?",
        "What does the picture show?",
        "What do you see?",
        "Name what is shown.",
        "What is in the photo?",
        "Which thing is this?",
    ),
    "group": ("What kind of thing is this?", "To which group does this belong?", "What sort of thing is shown?"),
    "either": (
        "Is this {aa} or {ab}?",
        "Is it {aa} or {ab}?",
        "Which is it, {aa} or {ab}?",
        "{a} or {b}?",
        "Does the picture show {aa} or {ab}?",
        "What is this, {aa} or {ab}?",
    ),
    "any-of": (
        "Is there {aa} or {ab}?",
        "Is there {aa} or {ab} in the picture?",
        "Is there any {a} or {b}?",
        "Do you see {aa} or {ab}?",
        "Do you see any {a} or {b} here?",
        "Are there {as} or {bs}?",
        "Are there any {as} or {bs} in the picture?",
        "Is {aa} or {ab} to be seen?",
    ),
    "choice-kind": questions.WORDINGS["choice-kind"] + ("Which one is it? {o}", "Choose what is shown. {o}"),
    "count": questions.WORDINGS["count"],
    "how-many": questions.WORDINGS["how-many"],
    "place": questions.WORDINGS["place"],
    "where": questions.WORDINGS["where"],
    "relation": questions.WORDINGS["relation"],
    "further": questions.WORDINGS["further"],
    "cell": ("What is {p}?", "What do you see {p}?", "Name what is {p}."),
}
"""Wordings that training uses."""

NEW_WORDINGS: dict[str, tuple[str, ...]] = {
    "presence": (
        "Can you spot any {k} around?",
        "Would you say this photo contains {ak}?",
        "I wonder whether {ak} appears in this shot.",
        "Tell me if the scene includes {ak}.",
    ),
    "is-it": ("Could this be {ak}?", "Am I looking at {ak}?", "Would you call this {ak}?"),
}
"""Wordings that training never uses."""

SYLLABLES = tuple(a + b + c for a in ("b", "d", "f", "k", "m", "n", "p", "r", "s", "t", "tr", "ch") for b in "aeiou"
                  for c in ("", "n", "r", "l", "st"))  # fmt: skip
"""What made-up words are put together of."""

BEFORE = (
    "Look closely. ",
    "Please answer: ",
    "Yes or no: ",
    "Tell me: ",
    "Look at the picture. ",
    "Question: ",
    "Hello. ",
    "Well, ",
)
AFTER = (" Answer yes or no.", " Yes or no?", " Please say yes or no.", " Answer in one word.", " Answer briefly.", " Thank you.")
"""What people put around a question; none of it changes the answer."""
DRESSED = 0.3
"""Share of yes-or-no questions with something around them, or in small letters without a mark."""

CELLS: dict[str, Callable[[float, float], bool]] = {
    "at the top left": lambda x, y: x < 0.4 and y < 0.4,
    "at the top right": lambda x, y: x > 0.6 and y < 0.4,
    "at the bottom left": lambda x, y: x < 0.4 and y > 0.6,
    "at the bottom right": lambda x, y: x > 0.6 and y > 0.6,
    "on the left": lambda x, y: x < 0.4 and 0.4 <= y <= 0.6,
    "on the right": lambda x, y: x > 0.6 and 0.4 <= y <= 0.6,
    "at the top": lambda x, y: 0.4 <= x <= 0.6 and y < 0.4,
    "at the bottom": lambda x, y: 0.4 <= x <= 0.6 and y > 0.6,
}
"""Where the middle of a photograph must be to be called so."""

SINGLE = {
    "presence": 3.5, "is-it": 3.0, "what": 1.5, "group": 0.6, "either": 1.6, "any-of": 0.8, "choice-kind": 1.0,
}  # fmt: skip
"""How often each family is asked of one photograph."""
SEVERAL = {
    "presence": 5.0, "any-of": 1.2, "choice-kind": 0.8, "count": 1.5, "how-many": 0.8, "place": 2.0, "where": 1.5, "relation": 2.0,
    "further": 0.7, "cell": 1.5,
}  # fmt: skip
"""How often each family is asked of several photographs in one picture, or of one that fills a part of it."""


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"


def _word(family: str, rng: np.random.Generator, wordings: dict[str, tuple[str, ...]], **slots: str) -> str:
    templates = wordings.get(family, WORDINGS[family])
    asked = templates[int(rng.integers(len(templates)))].format(**slots)
    return asked[0].upper() + asked[1:] if asked[0].islower() and rng.uniform() < 0.7 else asked


def dress(asked: Asked, rng: np.random.Generator) -> Asked:
    """Return a yes-or-no question as people put it: with words around it, or in small letters without a mark."""
    if asked.answer not in ("yes", "no") or rng.uniform() > DRESSED:
        return asked
    text, how = asked.question, rng.integers(3)
    if how == 0:
        text = str(rng.choice(BEFORE)) + text
    elif how == 1:
        text += str(rng.choice(AFTER))
    else:
        text = text.lower().rstrip("?.")
    return Asked(asked.family, text, asked.answer)


@cache
def _false_of(noun: Noun) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words that are false of ``noun``: those nearest to it, from its own groups, and all."""
    absent = absent_from(noun)
    near = {word for group in noun.groups[:1] for other in members(group) for word in other.words} & absent
    return tuple(sorted(near)), tuple(sorted(absent))


def _not_there(nouns: Sequence[Noun], rng: np.random.Generator) -> str | None:
    """Return a word that is false of every one of ``nouns``, half of the time a near one."""
    near, absent = _false_of(nouns[int(rng.integers(len(nouns)))])
    absent_everywhere = [set(_false_of(noun)[1]) for noun in nouns]
    for _ in range(8):
        pool = near if near and rng.uniform() < 0.5 else absent
        word = str(pool[int(rng.integers(len(pool)))])
        if all(word in absent for absent in absent_everywhere):
            return word
    return None


def _named(word: str) -> dict[str, str]:
    return {"k": word, "ak": with_article(word), "ks": plural(word)}


def _some_word(noun: Noun, rng: np.random.Generator) -> str:
    """Return the noun's name, or sometimes a group of it."""
    return noun.name if not noun.groups or rng.uniform() < 0.6 else str(rng.choice(noun.groups))


def _presence(family: str):
    def ask(nouns, boxes, rng, wordings) -> Asked | None:
        truth = rng.uniform() < 0.5
        word = _some_word(nouns[int(rng.integers(len(nouns)))], rng) if truth else _not_there(nouns, rng)
        return Asked(family, _word(family, rng, wordings, **_named(word)), _yes(truth)) if word else None

    return ask


def _what(nouns, boxes, rng, wordings) -> Asked | None:
    return Asked("what", _word("what", rng, wordings), nouns[0].name)


def _group(nouns, boxes, rng, wordings) -> Asked | None:
    return Asked("group", _word("group", rng, wordings), nouns[0].groups[0]) if nouns[0].groups else None


def _either(nouns, boxes, rng, wordings) -> Asked | None:
    right, wrong = _some_word(nouns[0], rng), _not_there(nouns, rng)
    if wrong is None:
        return None
    a, b = (right, wrong) if rng.uniform() < 0.5 else (wrong, right)
    asked = _word("either", rng, wordings, a=a, b=b, aa=with_article(a), ab=with_article(b))
    return Asked("either", asked, right)


def _any_of(nouns, boxes, rng, wordings) -> Asked | None:
    """Ask whether there is one thing or another: yes where one of them is there."""
    truth = rng.uniform() < 0.5
    words = [_some_word(nouns[int(rng.integers(len(nouns)))], rng) if truth else _not_there(nouns, rng), _not_there(nouns, rng)]
    if None in words or words[0] == words[1]:
        return None
    a, b = (str(word) for word in (words if rng.uniform() < 0.5 else reversed(words)))
    slots = {"a": a, "b": b, "aa": with_article(a), "ab": with_article(b), "as": plural(a), "bs": plural(b)}
    return Asked("any-of", _word("any-of", rng, wordings, **slots), _yes(truth))


def _choice(nouns, boxes, rng, wordings) -> Asked | None:
    right = _some_word(nouns[int(rng.integers(len(nouns)))], rng)
    wrong = {word for word in (_not_there(nouns, rng) for _ in range(8)) if word}
    if len(wrong) < 3:
        return None
    shown, letter = questions.options(right, sorted(wrong), rng)
    return Asked("choice-kind", _word("choice-kind", rng, wordings, o=shown), letter)


def _sure_count(nouns: Sequence[Noun], word: str) -> int | None:
    """Return of how many of ``nouns`` ``word`` is true, None where it is unclear of one."""
    if any(word not in noun.words and word not in _false_of(noun)[1] for noun in nouns):
        return None
    return sum(word in noun.words for noun in nouns)


def _counted(nouns: Sequence[Noun], rng: np.random.Generator) -> tuple[str, int] | None:
    word = _some_word(nouns[int(rng.integers(len(nouns)))], rng)
    n = _sure_count(nouns, word)
    return None if n is None or n > 4 or word in WITHOUT_ARTICLE else (word, n)


def _count(nouns, boxes, rng, wordings) -> Asked | None:
    counted = _counted(nouns, rng)
    if counted is None:
        return None
    word, n = counted
    truth = rng.uniform() < 0.5
    shown = n if truth else int(rng.choice([m for m in (n - 1, n + 1) if 1 <= m <= 5]))
    return Asked("count", _word("count", rng, wordings, n=NUMBERS[shown], ks=word if shown == 1 else plural(word)), _yes(truth))


def _how_many(nouns, boxes, rng, wordings) -> Asked | None:
    counted = _counted(nouns, rng)
    if counted is None:
        return None
    return Asked("how-many", _word("how-many", rng, wordings, ks=plural(counted[0])), NUMBERS[counted[1]])


def _centre(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _only(nouns: Sequence[Noun], rng: np.random.Generator) -> tuple[int, str] | None:
    """Return one thing and a word that is true of it alone."""
    index = int(rng.integers(len(nouns)))
    word = _some_word(nouns[index], rng)
    return (index, word) if _sure_count(nouns, word) == 1 else None


def _place(nouns, boxes, rng, wordings) -> Asked | None:
    only = _only(nouns, rng)
    if only is None:
        return None
    x, y = _centre(boxes[only[0]])
    names = {"on the left": 0.5 - x, "on the right": x - 0.5, "above the middle": 0.5 - y, "below the middle": y - 0.5}
    name = str(rng.choice(list(names)))
    if abs(names[name]) < 0.1:
        return None
    return Asked("place", _word("place", rng, wordings, k=only[1], p=name), _yes(names[name] > 0))


def _where(nouns, boxes, rng, wordings) -> Asked | None:
    only = _only(nouns, rng)
    if only is None:
        return None
    at, names = [(c, n) for c, n in zip(_centre(boxes[only[0]]), questions.SIDES, strict=True)][int(rng.integers(2))]
    if abs(at - 0.5) < 0.1:
        return None
    return Asked("where", _word("where", rng, wordings, k=only[1], p=names), names.split(" or ")[at > 0.5])


def _pair(nouns: Sequence[Noun], boxes: Sequence[Box], rng: np.random.Generator):
    first, second = _only(nouns, rng), _only(nouns, rng)
    if first is None or second is None or first[0] == second[0]:
        return None
    (ax, ay), (bx, by) = _centre(boxes[first[0]]), _centre(boxes[second[0]])
    return first[1], second[1], {"left of": bx - ax, "right of": ax - bx, "above": by - ay, "below": ay - by}


def _relation(nouns, boxes, rng, wordings) -> Asked | None:
    pair = _pair(nouns, boxes, rng)
    if pair is None:
        return None
    a, b, gaps = pair
    names = [name for name, gap in gaps.items() if abs(gap) > 0.12]
    if not names:
        return None
    name = str(rng.choice(names))
    return Asked("relation", _word("relation", rng, wordings, a=a, b=b, r=name), _yes(gaps[name] > 0))


def _further(nouns, boxes, rng, wordings) -> Asked | None:
    pair = _pair(nouns, boxes, rng)
    if pair is None:
        return None
    a, b, gaps = pair
    name = str(rng.choice(list(questions.FURTHER)))
    gap = gaps[questions.FURTHER[name]]
    if abs(gap) < 0.12:
        return None
    return Asked("further", _word("further", rng, wordings, a=a, b=b, p=name), a if gap > 0 else b)


def _cell(nouns, boxes, rng, wordings) -> Asked | None:
    index = int(rng.integers(len(nouns)))
    x, y = _centre(boxes[index])
    place = next((name for name, there in CELLS.items() if there(x, y)), None)
    return Asked("cell", _word("cell", rng, wordings, p=place), nouns[index].name) if place else None


QUESTION_FAMILIES: dict[str, Callable] = {
    "presence": _presence("presence"), "is-it": _presence("is-it"), "what": _what, "group": _group, "either": _either,
    "any-of": _any_of, "choice-kind": _choice, "count": _count, "how-many": _how_many, "place": _place, "where": _where,
    "relation": _relation, "further": _further, "cell": _cell,
}  # fmt: skip


def ask(
    family: str,
    nouns: Sequence[Noun],
    boxes: Sequence[Box],
    rng: np.random.Generator,
    wordings: dict[str, tuple[str, ...]] | None = None,
) -> Asked | None:
    """Return one question of ``family`` about a picture of ``nouns`` in ``boxes``, or None when the picture allows none.

    Yes and no are equally likely by construction. ``wordings`` are templates by family; ``WORDINGS`` when None.
    """
    asked = QUESTION_FAMILIES[family](nouns, boxes, rng, WORDINGS if wordings is None else wordings)
    return None if asked is None else Asked(f"photo {asked.family}", asked.question, asked.answer)


def ask_some(nouns: Sequence[Noun], boxes: Sequence[Box], rng: np.random.Generator, most: int) -> list[Asked]:
    """Return up to ``most`` different questions about one picture."""
    whole = len(nouns) == 1 and boxes[0][2] - boxes[0][0] > 0.9
    weights = SINGLE if whole else SEVERAL
    names, chances = list(weights), np.array(list(weights.values()))
    asked = [ask(str(name), nouns, boxes, rng) for name in rng.choice(names, most, p=chances / chances.sum())]
    return [dress(one, rng) for one in dict.fromkeys(asked) if one is not None]


def unanswered(rng: np.random.Generator) -> Asked:
    """Return a question about a made-up thing; its answer is empty, for nobody knows it.

    What training asks of the places that answer besides the answer is asked of them here too, so that a word which was never taught
    leaves them as they are.
    """
    word = "".join(str(rng.choice(SYLLABLES)) for _ in range(int(rng.integers(1, 4))))
    return Asked("photo unanswered", _word(str(rng.choice(["presence", "is-it"])), rng, WORDINGS, **_named(word)), "")


def corpus(n: int, rng: np.random.Generator) -> list[str]:
    """Return texts for training the tokenizer: every word alone, often, and questions about made-up pictures."""
    nouns = [noun for word in NAMES for noun in members(word)[:1]]
    texts = [f" {word}" for name in NAMES for word in name.split()] * 30
    texts += [f" {plural(name)}" for name in NAMES] * 3 + [*BEFORE, *AFTER] * 20
    box = ((0.0, 0.0, 0.5, 0.5), (0.5, 0.0, 1.0, 0.5), (0.0, 0.5, 0.5, 1.0), (0.5, 0.5, 1.0, 1.0))
    for index in range(n):
        some = [nouns[int(i)] for i in rng.integers(len(nouns), size=4 if index % 2 else 1)]
        boxes = box if index % 2 else ((0.0, 0.0, 1.0, 1.0),)
        texts += [f"{a.question} {a.answer}" for a in ask_some(some, boxes, rng, 8)]
    return texts
