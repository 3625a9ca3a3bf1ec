"""Which classes a text names, and whether it says so or denies it. Takes folded text and names; knows nothing of yes and no."""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from sn_viz.baselines.answers.fold import Word, fold, is_unspaced, words
from sn_viz.baselines.answers.inflect import english_forms, languages, same_word
from sn_viz.baselines.answers.numbers import numbers, value_of
from sn_viz.baselines.answers.words import (
    BEFORE,
    BEHIND,
    FILLER,
    GONE,
    NAMED_AFTER,
    NEGATORS,
    NO_KIND_OF,
    NOT_NEGATING,
    PART_OF,
    SEEN,
    SEPARATING,
    THINGS,
    UNSURE,
)

_BEFORE, _BEHIND, _UNSURE = (tuple(map(fold, group)) for group in (BEFORE, BEHIND, UNSURE))
_STOP = re.compile(
    r"[.!?;:,\n。、|،؛؟।]+(?!\d)|(?<=\s)-(?=\s)|而是|但是|但|可是|却|就是|只有|ではなく|じゃなくて|でなく"
    r"|(?<=^ไม่)\s+|(?<=^ไม่ใช่)\s+|(?<=^ใช่)\s+|(?<=[\u0e00-\u0e7f])\s+(?=มี|เป็น|คือ|แต่)"
)
_TURNS = ("ではなく", "じゃなくて", "でなく")
_HARD = re.compile(r"[.!?;:\n。|؛؟।]")
_LIKENED = re.compile(r"-(?:shaped|like|looking|themed|sized|style)\b")
"""What follows a name that something else is only likened to: "a dog-shaped cloud"."""
_VAGUE = re.compile(
    r"\b(?:at least|at most|up to|about|around|almost|nearly|no (?:more|fewer|less) than|mindestens|höchstens|au moins|au plus|"
    r"al menos|almeno|pelo menos|не менее|至少|最多)\s*$|(?:至少|最多)$"
)
"""What stands before a number that is only a bound."""
_BEYOND = re.compile(
    r"(?:\b(?:(?:more|fewer|less|greater|other) than|(?:mehr|weniger) als|über|(?:plus|moins) de|(?:más|menos) de|"
    r"(?:più|meno) di|mais de|больше|более|меньше|менее|meer dan|minder dan)\s*|"
    r"(?:^|\b(?:are|were|is|was|see|has|have|of|with|well)\s)\s*(?:over|under)\s+|超过|多于|少于|不到)$"
)
"""What stands before a number that is meant to be exceeded, or not reached."""
_CONCORD = frozenset(
    fold(w) for w in "nadie nada nessuno niente personne rien никто ничего nikt nic ninguém nobody nothing none".split()
)
"""Names that deny by themselves: a negation before them is not a second one ("no hay nadie")."""
_LISTING = frozenset("or nor and oder und ou et o e y ni и или of en of".split())
_POSTPOSED = frozenset(
    fold(word) for word in ("değil", "yok", "नहीं", "없습니다", "없어요", "없다", "아닙니다", "아니에요", "아니다", "않습니다")
)
_HARMLESS = re.compile(
    "不过|不错|差不多|不仅|不但|不同|不少|没错|沒錯|没问题|非常|无疑|无论|かもしれない|に違いない|にちがいない|しかない|간"
)


class Mention(NamedTuple):
    """One place of the text that names a class."""

    start: int
    end: int
    name: int
    """Index into the names that were looked for."""
    negated: bool
    clause: int
    """Index of the clause it stands in."""


class Clause(NamedTuple):
    """A stretch of text in which a negation holds."""

    start: int
    end: int
    words: tuple[Word, ...]
    unsure: bool


@lru_cache(maxsize=512)
def clauses(text: str) -> tuple[Clause, ...]:
    """Return the clauses of folded text; a list of nouns after a negation stays with it ("no dog, cat or bird")."""
    every = words(text)
    cuts = [(m.start(), m.end(), bool(_HARD.search(m.group()))) for m in _STOP.finditer(text) if m.group() not in _TURNS]
    for word in every:
        if word.text in SEPARATING:
            cuts.append((word.start, word.end, True))
    for match in re.finditer("|".join(_TURNS), text):
        cuts.append((match.end(), match.end(), True))
    cuts.sort()
    pieces: list[tuple[int, int, bool]] = []
    start = 0
    for begin, end, hard in cuts:
        pieces.append((start, max(begin, start), hard))
        start = max(end, start)
    pieces.append((start, len(text), True))
    joined: list[tuple[int, int]] = []
    i = 0
    while i < len(pieces):
        begin, end, hard = pieces[i]
        j = i
        while not hard and _goes_on(text, pieces, j + 1):
            j += 1
            end, hard = pieces[j][1], pieces[j][2]
        joined.append((begin, end))
        i = j + 1
    found = []
    for begin, end in joined:
        inside = tuple(word for word in every if begin <= word.start and word.end <= end)
        if not inside:
            inside = tuple(
                Word(text[max(w.start, begin) : min(w.end, end)], max(w.start, begin), min(w.end, end))
                for w in every
                if w.start < end and w.end > begin
            )
        if inside or text[begin:end].strip():
            found.append(Clause(begin, end, inside, any(said in text[begin:end] for said in _UNSURE)))
    return tuple(found)


def _goes_on(text: str, pieces: list[tuple[int, int, bool]], at: int) -> bool:
    """Return whether the piece ``at`` is a further noun of a list that ends with "or", and no clause of its own."""
    for i in range(at, min(at + 6, len(pieces))):
        said = [word.text for word in words(text[pieces[i][0] : pieces[i][1]])]
        if not said or (len(said) > 4 and said[0] not in _LISTING):
            return False
        if said[0] in _LISTING or any(word in _LISTING for word in said[1:-1]):
            return not any(word in _SUBJECTS for word in said)
        if len(said) > 3 or any(word in _SUBJECTS for word in said) or pieces[i][2]:
            return False
    return False


_SUBJECTS = frozenset(
    "it its it's is are was were there there's theres i this that he she they we see looks appears shows yes no not "
    "es ist ich das il c y hay è это est".split()
)


@lru_cache(maxsize=512)
def find(text: str, names: tuple[tuple[str, ...], ...], asked: frozenset[str] = frozenset()) -> tuple[Mention, ...]:
    """Return where folded ``text`` mentions each of ``names`` (folded words each); the longest of overlapping mentions counts.

    A word that is exactly one name is no inflected form of another; of inflected forms, the name that shares more letters counts. A
    noun that is only part of another one ("hot dog", "dog house") is no mention, unless the other part is among ``asked``, the
    words that a question speaks of.
    """
    cut = clauses(text)
    spoken = languages(" ".join([*(" ".join(name) for name in names), text[:400]]))
    starts = [clause.start for clause in cut]
    spans: dict[tuple[int, int], list[tuple[int, int]]] = {}
    every = words(text)
    counted = numbers(every, text)
    for index, name in enumerate(names):
        for start, end, closeness in _places(text, every, counted, name, spoken):
            if len(name) == 1 and _is_part_of_another(text, every, start, asked):
                continue
            spans.setdefault((start, end), []).append((closeness, index))
    found = []
    reached = -1
    for (start, end), candidates in sorted(spans.items(), key=lambda span: (span[0][0], -span[0][1])):
        if end <= reached:  # inside an earlier, longer one
            continue
        reached = end
        best = max(closeness for closeness, _ in candidates)
        for closeness, index in candidates:
            if closeness == best:
                at = max(0, bisect_right(starts, start) - 1)
                found.append((start, end, index, at))
    found = [place for place in sorted(found) if not _LIKENED.match(text, place[1]) and not _VAGUE.search(text[: place[0]][-20:])]
    return tuple(Mention(s, e, i, _negated(text, cut[at], (s, e), found), at) for s, e, i, at in found)


def _is_part_of_another(text: str, every: Sequence[Word], start: int, asked: frozenset[str]) -> bool:
    """Return whether the word at ``start`` stands in a compound noun that names something else."""
    at = next((i for i, word in enumerate(every) if word.start == start), None)
    if at is None:
        return False
    for first, second in ((at - 1, at), (at, at + 1)):
        if first < 0 or second >= len(every) or not re.fullmatch(r"[ -]", text[every[first].end : every[second].start]):
            continue
        before, behind = english_forms(every[first].text), english_forms(every[second].text)
        if asked & (before if second == at else behind):
            continue
        if any(pair in (PART_OF if first == at else NO_KIND_OF) for pair in itertools.product(before, behind)):
            return True
        if first == at and before & NAMED_AFTER and behind & THINGS:
            return True
    return False


def _places(
    text: str, every: Sequence[Word], counted: Sequence, name: tuple[str, ...], spoken: frozenset[str]
) -> list[tuple[int, int, int]]:
    """Return (start, end, closeness) of every mention of one name."""
    if not name:
        return []
    value = value_of(" ".join(name))
    if value is not None:
        said = [(number.start, number.end, 1000) for number in counted if number.value == value]
        if name in (("on",), ("sex",)):  # numbers in Turkish and Swedish
            said = sorted({*said, *((word.start, word.end, 1000) for word in every if word.text == name[0])})
        return said
    if len(name) == 1 and is_unspaced(name[0]):
        return [(m.start(), m.end(), 1000) for m in re.finditer(re.escape(name[0]), text)]
    found = []
    for i in range(len(every) - len(name) + 1):
        window = every[i : i + len(name)]
        if all(_same(part, word.text, spoken) for part, word in zip(name, window, strict=True)):
            if any(not re.fullmatch(r"[\s_'/-]*", text[a.end : b.start]) for a, b in itertools.pairwise(window)):
                continue
            close = sum(1000 if part == word.text else _common(part, word.text) for part, word in zip(name, window, strict=True))
            found.append((window[0].start, window[-1].end, close))
    return found


def _same(part: str, said: str, spoken: frozenset[str]) -> bool:
    return same_word(part, said, spoken) or (value_of(said) is not None and value_of(said) == value_of(part))


def _common(one: str, other: str) -> int:
    n = 0
    while n < min(len(one), len(other)) and one[n] == other[n]:
        n += 1
    return n


def is_negator(word: str) -> bool:
    """Return whether a folded word negates what follows it."""
    return word.endswith("n't") or word.replace("'", "") in NEGATORS


def _negated(text: str, clause: Clause, span: tuple[int, int], found: Sequence[tuple[int, int, int, int]]) -> bool:
    """Return whether the mention at ``span`` is denied in its clause."""
    if text[span[0] : span[1]] in _CONCORD:
        return False
    if _BEYOND.search(text[: span[0]][-16:]) and value_of(text[span[0] : span[1]].split()[0]) is not None:
        return True
    if is_unspaced(text[span[0] : span[1]]):
        before = _HARMLESS.sub("", text[clause.start : span[0]])
        behind = _HARMLESS.sub("", text[span[1] : clause.end])
        later = [s for s, *_ in found if span[1] <= s < clause.end]
        if later:
            behind = text[span[1] : later[0]]
        if any(word in behind for word in (*_BEHIND, "ない", "なく", "しません")):
            return True
        return any(word in before for word in _BEFORE)
    said = [word.text for word in clause.words]
    here = next((i for i, word in enumerate(clause.words) if word.end > span[0]), len(said))
    last = next((i for i, word in enumerate(clause.words) if word.end >= span[1]), here)
    forward = [i for i in range(here) if is_negator(said[i]) and said[i] not in _POSTPOSED and not _harmless(said, i)]
    if forward:
        return not ("without" in said[:here] and any(said[i] in ("not", "never") for i in forward))
    after = said[last + 1 :]
    if any(word in _POSTPOSED or word.startswith(("없", "아니", "아닙", "않")) for word in after[:4]):
        return True
    if any(word in GONE for word in after[:4]) and not any(span[1] <= s < clause.end for s, *_ in found):
        return True
    for i, word in enumerate(after):
        if is_negator(word) and not _harmless(after, i):
            rest = after[i + 1 :]
            if (after[:i] and after[i - 1] in _JOINING) or (rest and rest[-1] in _DETERMINERS):  # "a dog and not a": cut off
                return False
            return all(w in SEEN or w in _VERBS or w in FILLER for w in rest) and not any(
                span[1] <= s < clause.end for s, *_ in found
            )
    return False


_JOINING = frozenset("and und et y e и en och og ve".split())
_DETERMINERS = frozenset("a an the any ein eine einen un une una el la le les een en ett der die das".split())
_VERBS = frozenset("be been appear appears exist visible seem है हैं sehe see".split())


def _harmless(said: Sequence[str], i: int) -> bool:
    return i + 1 < len(said) and (said[i], said[i + 1]) in NOT_NEGATING
