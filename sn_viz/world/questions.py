"""Questions about a scene, with their true answers, in families that mirror the benchmarks of visual question answering.

Takes a ``Scene`` and what drawing it told; returns ``Asked`` values. It knows nothing of pixels, models or training.

Families: presence (as POPE), attribute, count and relation (as CLEVR), depth and occlusion (as InstaOrder), and multiple choice by
what is seen, by common sense (as A-OKVQA) and by school subject (as ScienceQA). What training never asks is in ``tasks.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sn_viz.world.scene import COLOUR_NAMES, TRAINED_KINDS, Drawing, Scene, Thing

NUMBERS = ("zero", "one", "two", "three", "four", "five")
LETTERS = ("A", "B", "C", "D")
SEEN = 0.5
"""A thing is asked about only when at least this fraction of it is seen."""

PLURAL = {"fish": "fish", "cactus": "cacti", "bus": "buses"}

USES = {
    "dog": "take it for a walk", "cat": "let it chase mice", "bird": "hear it sing", "fish": "keep it in a bowl",
    "snail": "see it crawl slowly", "car": "drive it on a road", "bus": "ride with many people", "boat": "sail across a lake",
    "rocket": "fly to the moon", "house": "live in it", "tree": "sit in its shade", "flower": "put it in a vase",
    "mushroom": "fry it in a pan", "cactus": "get pricked by it", "cup": "drink tea from it", "chair": "sit down on it",
    "ball": "throw and catch it",
}  # fmt: skip
"""Common sense: what one does with each kind."""

SUBJECTS = {
    "dog": "a mammal", "cat": "a mammal", "bird": "a bird", "fish": "a fish", "snail": "a mollusc", "car": "a vehicle",
    "bus": "a vehicle", "boat": "a vehicle", "rocket": "a spacecraft", "house": "a building", "tree": "a plant",
    "flower": "a plant",
    "mushroom": "a fungus", "cactus": "a plant", "cup": "crockery", "chair": "furniture", "ball": "a toy",
}  # fmt: skip
"""What a school subject calls each kind."""

WORDINGS: dict[str, tuple[str, ...]] = {
    "presence": (
        "Is there a {k} in the picture?",
        "Do you see a {k}?",
        "Does the image show a {k}?",
        "Is a {k} here?",
        "Can a {k} be seen?",
        "Is one of the things a {k}?",
        "Has this photo a {k} in it?",
        "Any {k} to be found?",
    ),
    "attribute": (
        "Is the {k} {c}?",
        "Is the colour of the {k} {c}?",
        "Does the {k} look {c}?",
        "Has the {k} been painted {c}?",
        "About the {k}: is it {c}?",
    ),
    "colour": ("What colour is the {k}?", "Name the colour of the {k}."),
    "count": (
        "Are there exactly {n} {ks}?",
        "Is the number of {ks} {n}?",
        "Do you see exactly {n} {ks}?",
        "Can you find {n} {ks} in all?",
    ),
    "how-many": ("How many {ks} are there?", "Count the {ks}."),
    "relation": ("Is the {a} {r} the {b}?", "Does the {a} stand {r} the {b}?", "Can you see the {a} {r} the {b}?"),
    "depth": (
        "Is the {a} {d} than the {b}?",
        "Does the {a} seem {d} than the {b}?",
        "Can you say that the {a} is {d} than the {b}?",
    ),
    "occlusion": ("Does the {a} cover part of the {b}?", "Is the {b} partly hidden by the {a}?"),
    "choice-kind": ("Which of these is in the picture? {o}", "What do you see? {o}"),
    "choice-sense": ("What could you do with something you see? {o}", "Which makes sense here? {o}"),
    "choice-subject": ("Science: what is shown? {o}", "Which group does something in the picture belong to? {o}"),
    "where": ("Where is the {k}, {p}?", "Does the {k} stand {p}?"),
    "place": ("Is the {k} {p}?", "Does the {k} stand {p}?"),
    "distance": ("Is the {k} {d}?", "Does the {k} seem {d}?"),
    "further": ("Which is further {p}, the {a} or the {b}?",),
    "open": ("Name a thing in the picture.", "Say one thing that is here."),
    "open-colour": ("Name a colour in the picture.",),
}
"""Wordings that training uses."""

NEW_WORDINGS: dict[str, tuple[str, ...]] = {
    "presence": ("Can you spot any {k} around?", "Would you say this photo contains a {k}?"),
    "attribute": ("Would you call the {k} {c}?", "Looking at the {k}, is {c} its colour?"),
    "count": ("Would you count {n} {ks} here?",),
    "relation": ("Would you find the {a} {r} the {b}?",),
    "depth": ("Would you say that the {a} is {d} than the {b}?",),
}
"""Wordings that training never uses."""

PLACES: dict[str, Callable[[Thing], float]] = {
    "on the left": lambda thing: 0.5 - thing.x,
    "on the right": lambda thing: thing.x - 0.5,
    "above the middle": lambda thing: 0.5 - thing.y,
    "below the middle": lambda thing: thing.y - 0.5,
}
"""How far a thing is on the named side of the middle, as a fraction of the picture."""

SIDES: dict[str, Callable[[Thing], float]] = {"left or right": lambda thing: thing.x, "above or below": lambda thing: thing.y}
"""Where a thing is, as a fraction of the picture, between the two named sides."""

RELATIONS: dict[str, Callable[[Thing, Thing], float]] = {
    "left of": lambda a, b: b.x - a.x,
    "right of": lambda a, b: a.x - b.x,
    "above": lambda a, b: b.y - a.y,
    "below": lambda a, b: a.y - b.y,
}
"""How far the first thing is on the named side of the second, as a fraction of the picture."""

FURTHER = {"left": "left of", "right": "right of", "up": "above", "down": "below"}
"""The relation that the thing further in a direction has to the other."""


@dataclass(frozen=True)
class Asked:
    """One question with its true answer."""

    family: str
    question: str
    answer: str


def plural(kind: str) -> str:
    return PLURAL.get(kind, kind + "s")


def _clear(scene: Scene, drawing: Drawing) -> list[int]:
    """Return the things that are well seen and the only one of their kind."""
    kinds = scene.kinds()
    return [i for i, kind in enumerate(kinds) if kinds.count(kind) == 1 and drawing.visible[i] >= SEEN]


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"


def _word(family: str, rng: np.random.Generator, wordings: dict[str, tuple[str, ...]], **slots: str) -> str:
    templates = wordings.get(family, WORDINGS[family])
    return templates[int(rng.integers(len(templates)))].format(**slots)


def _presence(scene, drawing, rng, wordings) -> Asked | None:
    seen = sorted({kind for i, kind in enumerate(scene.kinds()) if drawing.visible[i] >= SEEN})
    absent = [kind for kind in TRAINED_KINDS if kind not in scene.kinds()]
    truth = bool(seen) and rng.uniform() < 0.5
    kind = str(rng.choice(seen if truth else absent))
    return Asked("presence", _word("presence", rng, wordings, k=kind), _yes(truth))


def _attribute(scene, drawing, rng, wordings) -> Asked | None:
    clear = _clear(scene, drawing)
    if not clear:
        return None
    thing = scene.things[int(rng.choice(clear))]
    truth = rng.uniform() < 0.5
    others = [colour for colour in COLOUR_NAMES if colour != thing.colour]
    colour = thing.colour if truth else str(rng.choice(others))
    return Asked("attribute", _word("attribute", rng, wordings, k=thing.kind, c=colour), _yes(truth))


def _colour(scene, drawing, rng, wordings) -> Asked | None:
    clear = _clear(scene, drawing)
    if not clear:
        return None
    thing = scene.things[int(rng.choice(clear))]
    return Asked("colour", _word("colour", rng, wordings, k=thing.kind), thing.colour)


def _countable(scene: Scene, drawing: Drawing, rng: np.random.Generator) -> tuple[str, int] | None:
    """Return a kind whose every instance is seen, and how many there are; prefers kinds that occur more than once."""
    kinds = scene.kinds()
    hidden = {kind for i, kind in enumerate(kinds) if drawing.visible[i] < SEEN}
    present = sorted(set(kinds) - hidden)
    if not present:
        return None
    weight = np.array([kinds.count(kind) for kind in present], float)
    kind = str(rng.choice(present, p=weight / weight.sum()))
    return kind, kinds.count(kind)


def _count(scene, drawing, rng, wordings) -> Asked | None:
    counted = _countable(scene, drawing, rng)
    if counted is None:
        return None
    kind, n = counted
    truth = rng.uniform() < 0.5
    near = [m for m in (n - 1, n + 1) if 1 <= m <= 4]
    shown = n if truth else int(rng.choice(near))
    ks = kind if shown == 1 else plural(kind)
    return Asked("count", _word("count", rng, wordings, n=NUMBERS[shown], ks=ks), _yes(truth))


def _how_many(scene, drawing, rng, wordings) -> Asked | None:
    counted = _countable(scene, drawing, rng)
    if counted is None:
        return None
    return Asked("how-many", _word("how-many", rng, wordings, ks=plural(counted[0])), NUMBERS[counted[1]])


def _pair(scene: Scene, drawing: Drawing, rng: np.random.Generator) -> tuple[int, int] | None:
    clear = _clear(scene, drawing)
    if len(clear) < 2:
        return None
    a, b = (int(i) for i in rng.choice(clear, 2, replace=False))
    return a, b


def _relation(scene, drawing, rng, wordings) -> Asked | None:
    pair = _pair(scene, drawing, rng)
    if pair is None:
        return None
    a, b = scene.things[pair[0]], scene.things[pair[1]]
    names = list(RELATIONS)
    rng.shuffle(names)
    for name in names:
        gap = RELATIONS[name](a, b)
        if abs(gap) > 0.12:
            question = _word("relation", rng, wordings, a=a.kind, b=b.kind, r=name)
            return Asked("relation", question, _yes(gap > 0))
    return None


def _place(scene, drawing, rng, wordings) -> Asked | None:
    clear = _clear(scene, drawing)
    if not clear:
        return None
    thing = scene.things[int(rng.choice(clear))]
    name = str(rng.choice(list(PLACES)))
    side = PLACES[name](thing)
    if abs(side) < 0.06:
        return None
    return Asked("place", _word("place", rng, wordings, k=thing.kind, p=name), _yes(side > 0))


def _where(scene, drawing, rng, wordings) -> Asked | None:
    clear = _clear(scene, drawing)
    if not clear:
        return None
    thing = scene.things[int(rng.choice(clear))]
    names = str(rng.choice(list(SIDES)))
    at = SIDES[names](thing)
    if abs(at - 0.5) < 0.06:
        return None
    return Asked("where", _word("where", rng, wordings, k=thing.kind, p=names), names.split(" or ")[at > 0.5])


def _further(scene, drawing, rng, wordings) -> Asked | None:
    pair = _pair(scene, drawing, rng)
    if pair is None:
        return None
    a, b = scene.things[pair[0]], scene.things[pair[1]]
    name = str(rng.choice(list(FURTHER)))
    gap = RELATIONS[FURTHER[name]](a, b)
    if abs(gap) < 0.12:
        return None
    return Asked("further", _word("further", rng, wordings, a=a.kind, b=b.kind, p=name), a.kind if gap > 0 else b.kind)


def _distance(scene, drawing, rng, wordings) -> Asked | None:
    clear = _clear(scene, drawing)
    if not clear:
        return None
    thing = scene.things[int(rng.choice(clear))]
    if abs(thing.nearness - 0.5) < 0.1:
        return None
    word = "near" if rng.uniform() < 0.5 else "far"
    return Asked(
        "distance", _word("distance", rng, wordings, k=thing.kind, d=word), _yes((thing.nearness > 0.5) == (word == "near"))
    )


def _depth(scene, drawing, rng, wordings) -> Asked | None:
    pair = _pair(scene, drawing, rng)
    if pair is None:
        return None
    a, b = scene.things[pair[0]], scene.things[pair[1]]
    gap = a.nearness - b.nearness
    if abs(gap) < 0.2:
        return None
    word = "nearer" if rng.uniform() < 0.5 else "farther"
    truth = (gap > 0) == (word == "nearer")
    return Asked("depth", _word("depth", rng, wordings, a=a.kind, b=b.kind, d=word), _yes(truth))


def _occlusion(scene, drawing, rng, wordings) -> Asked | None:
    kinds = scene.kinds()
    single = [i for i, kind in enumerate(kinds) if kinds.count(kind) == 1]
    pairs = [(a, b) for a in single for b in single if drawing.covers[a, b] and drawing.visible[b] > 0.35]
    if not pairs:
        return None
    a, b = pairs[int(rng.integers(len(pairs)))]
    truth = rng.uniform() < 0.5
    if not truth:
        a, b = b, a
    return Asked("occlusion", _word("occlusion", rng, wordings, a=kinds[a], b=kinds[b]), _yes(truth))


def options(right: str, wrong: list[str], rng: np.random.Generator) -> tuple[str, str]:
    """Return "A one B two C three D four" with ``right`` at a random letter, and that letter."""
    chosen = [str(w) for w in rng.choice(wrong, 3, replace=False)]
    place = int(rng.integers(4))
    chosen.insert(place, right)
    return " ".join(f"{letter} {text}" for letter, text in zip(LETTERS, chosen, strict=True)), LETTERS[place]


def _choice(family: str, meaning: dict[str, str]):
    def ask(scene, drawing, rng, wordings) -> Asked | None:
        seen = sorted({kind for i, kind in enumerate(scene.kinds()) if drawing.visible[i] >= SEEN})
        if not seen:
            return None
        right = meaning[str(rng.choice(seen))]
        true = {meaning[kind] for kind in scene.kinds()}
        wrong = sorted(set(meaning.values()) - true)
        shown, letter = options(right, wrong, rng)
        return Asked(family, _word(family, rng, wordings, o=shown), letter)

    return ask


def _open(family: str, meaning: Callable[[Thing], str]):
    """Return a family without one right answer: any thing that is seen will do, as when many people name what they see."""

    def ask(scene, drawing, rng, wordings) -> Asked | None:
        seen = [thing for thing, part in zip(scene.things, drawing.visible, strict=True) if part >= SEEN]
        if not seen:
            return None
        return Asked(family, _word(family, rng, wordings), meaning(seen[int(rng.integers(len(seen)))]))

    return ask


QUESTION_FAMILIES: dict[str, Callable] = {
    "presence": _presence,
    "attribute": _attribute,
    "colour": _colour,
    "count": _count,
    "how-many": _how_many,
    "relation": _relation,
    "depth": _depth,
    "occlusion": _occlusion,
    "choice-kind": _choice("choice-kind", {kind: kind for kind in TRAINED_KINDS}),
    "choice-sense": _choice("choice-sense", USES),
    "choice-subject": _choice("choice-subject", SUBJECTS),
    "where": _where,
    "place": _place,
    "distance": _distance,
    "further": _further,
    "open": _open("open", lambda thing: thing.kind),
    "open-colour": _open("open-colour", lambda thing: thing.colour),
}


def ask(
    family: str, scene: Scene, drawing: Drawing, rng: np.random.Generator, wordings: dict[str, tuple[str, ...]] | None = None
) -> Asked | None:
    """Return one question of ``family`` about ``scene``, or None when the scene allows none.

    Parameters
    ----------
    family : str
        A name of ``QUESTION_FAMILIES``.
    scene, drawing
        What is there, and what of it is seen.
    rng : numpy.random.Generator
    wordings : dict, optional
        Templates by family; ``WORDINGS`` when None. Yes and no are equally likely by construction.
    """
    return QUESTION_FAMILIES[family](scene, drawing, rng, WORDINGS if wordings is None else wordings)
