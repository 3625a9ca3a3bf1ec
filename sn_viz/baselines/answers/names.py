"""What the names of classes are made of: "no_dog" denies dog, "hasdog" is a dog, "others" a leftover."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

from sn_viz.baselines.answers.fold import fold, is_unspaced, words
from sn_viz.baselines.answers.inflect import same_word
from sn_viz.baselines.answers.words import (
    FILLER,
    GONE,
    NEGATORS,
    NO_NAMES,
    PREFIX_NO,
    PREFIX_NO_UNSPACED,
    PREFIX_YES,
    PREFIX_YES_UNSPACED,
    RESIDUAL,
    SUFFIX_NO,
    SUFFIX_YES,
    UNSPACED_NO,
    UNSPACED_YES,
    YES_NAMES,
)

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ARTICLES = frozenset("a an any the ein eine einen un une una des de du het een el la los las".split())
_NEGATING = NEGATORS | frozenset(("not", "non", "no")) | GONE
_AFFIRMING = frozenset("with has have is mit avec con com med met с present visible contains having".split())

_WHOLE = frozenset(
    "import index inch discover discovery deport depart depress detail decode deliver delight denote desire disease display "
    "dispatch "
    "indoor indoors inside insight inland inform income input intake install intent invest inset inner image imam ill ilk iron "
    "unit unite union unique under until uniform nonet nothing nobody note noble notable noon north nose notch november "
    "dean deal".split()
)
"""Words that only look as if they denied the rest of themselves."""

MOST_PARTNERS = 20
"""Among more classes than this, names in one piece ("nodog") are not set against each other."""


class Core(NamedTuple):
    """What a name speaks of, and whether it says that it is not so."""

    words: tuple[str, ...]
    """Folded; one entry for a script without spaces."""
    negated: bool


@lru_cache(maxsize=1024)
def parts(name: str) -> tuple[str, ...]:
    """Return the folded words of a name; case, underscores and hyphens part them.

    Examples
    --------
    >>> parts("NoDog"), parts("light_blue")
    (('no', 'dog'), ('light', 'blue'))
    """
    return tuple(word.text for word in words(fold(_CAMEL.sub(" ", name.strip()).replace("_", " "))))


@lru_cache(maxsize=1024)
def sense(name: str) -> int:
    """Return 1 for a name that means yes, -1 for one that means no, in any language; else 0.

    Examples
    --------
    >>> [sense(name) for name in ("Yes", "否", "oui", "0", "dog")]
    [1, -1, 1, -1, 0]
    """
    plain = fold(name).strip(" .!。！_")
    if plain in NO_NAMES or plain in UNSPACED_NO:
        return -1
    return 1 if plain in YES_NAMES or plain in UNSPACED_YES else 0


@lru_cache(maxsize=1024)
def is_residual(name: str) -> bool:
    """Return whether a class of this name holds whatever the other class does not ("others", "background", "その他")."""
    said = [word for word in parts(name) if word not in FILLER or word in RESIDUAL]
    return (bool(said) and said[0] in RESIDUAL) or fold(name).strip() in RESIDUAL


@lru_cache(maxsize=1024)
def cores(classes: tuple[str, ...]) -> tuple[Core, ...]:
    """Return what each class speaks of; prefixes and suffixes count where another class stands without them.

    Examples
    --------
    >>> cores(("nodog", "hasdog"))
    (Core(words=('dog',), negated=True), Core(words=('dog',), negated=False))
    >>> cores(("ripe", "unripe"))[1], cores(("without_mask", "with_mask"))[0]
    (Core(words=('ripe',), negated=True), Core(words=('mask',), negated=True))
    """
    plain = tuple(_plain_core(name) for name in classes)
    if len(plain) > MOST_PARTNERS:
        return plain
    found = []
    for i, core in enumerate(plain):
        partners = [_glued(other) for j, other in enumerate(plain) if j != i]
        others = {*partners, *(stripped for partner in partners for stripped in _stripped(partner, affirming=True))}
        found.append(core if core.negated else _against(core, others))
    return tuple(found)


@lru_cache(maxsize=512)
def own_words(classes: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return what is left of each name without the words that it shares with another; () where nothing is shared, or left.

    Examples
    --------
    >>> own_words(("red car", "blue_car", "bus")), own_words(("dog", "hot dog"))
    ((('red',), ('blue',), ()), ((), ()))
    """
    said = [core.words for core in cores(classes)]
    count = Counter(word for words_ in said for word in set(words_))
    left = [tuple(word for word in words_ if count[word] == 1) for words_ in said]
    shares = [any(count[word] > 1 for word in words_) for words_ in said]
    if any(shared and (not own or is_unspaced("".join(own))) for own, shared in zip(left, shares, strict=True)):
        return ((),) * len(classes)
    return tuple(own if shared else () for own, shared in zip(left, shares, strict=True))


def _glued(core: Core) -> str:
    return "".join(core.words)


def _plain_core(name: str) -> Core:
    """Return the core as far as the name alone tells: separate words of negation, "sugar-free", "dog absent"."""
    said = list(parts(name))
    negated = False
    while len(said) > 1 and (said[0] in _NEGATING or said[0] in _AFFIRMING or said[0] in _ARTICLES):
        negated ^= said[0] in _NEGATING
        said.pop(0)
    while len(said) > 1 and (said[-1] in _NEGATING | {"free", "frei"} or said[-1] in _AFFIRMING):
        negated ^= said[-1] not in _AFFIRMING
        said.pop()
    return Core(tuple(said), negated)


def _against(core: Core, others: set[str]) -> Core:
    """Return the core of a name in one piece, seen beside the other classes."""
    whole = _glued(core)
    if whole in others:
        return core
    for stripped in _stripped(whole, affirming=False):
        if any(stripped == other or (len(stripped) > 2 and same_word(stripped, other)) for other in others):
            return Core((stripped,), True)
    for stripped in _stripped(whole, affirming=True):
        rivals = {end for other in others for end in (other, *_stripped(other, affirming=False))}
        if stripped in rivals:
            return Core((stripped,), False)
    return core


def _stripped(whole: str, affirming: bool) -> list[str]:
    """Return what is left of a word without each prefix or suffix that affirms, or denies, it."""
    unspaced = is_unspaced(whole) or bool(re.search("[\uac00-\ud7a3]", whole))
    if affirming:
        before, behind = (PREFIX_YES_UNSPACED if unspaced else PREFIX_YES), SUFFIX_YES
    else:
        before, behind = (PREFIX_NO_UNSPACED if unspaced else PREFIX_NO), SUFFIX_NO
    if not affirming and whole in _WHOLE:
        return []
    found = [whole[len(p) :] for p in map(fold, before) if whole.startswith(p) and len(whole) > len(p)]
    found += [whole[: -len(s)] for s in map(fold, behind) if whole.endswith(s) and len(whole) > len(s)]
    found += [end for piece in found for end in (piece.rstrip("がは"),) if unspaced and end and end != piece]
    return [piece for piece in found if unspaced or len(piece) > 1]
