"""From what a model wrote to the class it names, or to none. Takes text and an ``AnswerKey``; total, and quick on any text.

How contradictions are read: a leading yes or no counts before what follows it ("No, that is a statue of a dog" is a no), but a yes
before a denial ("Yes, there is no dog") names no class, and so does a yes to one class before the name of the other.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from sn_viz.baselines.answers.asked_for import counting, spoken_of, without_nobody
from sn_viz.baselines.answers.fold import LONGEST, fold, is_unspaced, words
from sn_viz.baselines.answers.inflect import bare_noun, languages, same_word
from sn_viz.baselines.answers.mentions import Clause, Mention, clauses, find, is_negator
from sn_viz.baselines.answers.names import cores, is_residual, own_words, parts, sense
from sn_viz.baselines.answers.words import (
    AMBIGUOUS,
    BAD,
    CERTAIN,
    FILLER,
    FILLER_UNSPACED,
    GOOD,
    KIN,
    NO,
    NOT_NEGATING,
    UNSPACED_NO,
    UNSPACED_YES,
    YES,
)
from sn_viz.types import AnswerKey

_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|$)", re.IGNORECASE | re.DOTALL)
_TAGS = re.compile(
    r"</?(?:answer|final|output|result|response)>|\\(?:boxed|text|textbf|mathrm|mathbf)(?=\{)|<\|[^<>|]{1,30}\|>|</?s>",
    re.IGNORECASE,
)
_ALONE = {**dict.fromkeys(("y", "positive", "affirmative"), 1), **dict.fromkeys(("n", "negative"), -1)}
"""Answers that mean yes and no when nothing else is said."""
_AGREED = re.compile(
    r"^\W*(?:(?:well|hmm|yes|oh),?\s+)?(?:(?:i (?:believe|think|guess) so|"
    r"(?:it )?(?:seems|appears|looks) so|so it (?:seems|appears)|"
    r"(?:that's|that is) (?:right|so|true|correct))(?:[.!,;]|\s*$))"
)
_REFUSED = re.compile(
    r"^\W*(?:(?:no|well|hmm|oh),?\s+)?(?:(?:absolutely|definitely|certainly|of course|obviously|clearly|surely|"
    r"probably|likely) not|"
    r"not at all|no way|i doubt it|(?:that's|that is) (?:wrong|false|incorrect|not so|not right))(?:[.!,;]|\s*$)"
)
_PLAINER = (
    (re.compile(r"\bfail(?:s|ed)? to (see|show|find|detect|contain|depict|include)\b"), r"not \1"),
    (re.compile(r"\b(?:free|devoid|empty) (?:of|from)\b|\b(?:the )?absence of\b"), "without"),
    (re.compile(r"\b(?:no longer|not any(?: ?more| longer))\b"), "not"),
    (re.compile(r"\b(?:impossible|unlikely|untrue|false) that\b"), "not that"),
)
"""Phrases that deny, and the plain words for them."""
_MARKUP = re.compile(r"[*`#~]+|(?<!\w)_+|_+(?!\w)")
_CERTAIN = re.compile(CERTAIN)
_MARKER = re.compile(
    r"(?:\b(?:final )?(?:answer|antwort|réponse|respuesta|risposta|resposta|ответ)\b|答案|答え)"
    r"\s*(?:(?:is|ist|est|es|è|é|是|は)\b\s*:?|[:：=])\s*"
)
_OPTION = re.compile(r"(?:^|(?<=\s))\(?([A-H])[.)]\s+(.+?)(?=\s+\(?[A-H][.)]\s|\.?\s*Answer with|\.?\s*$)")
_LETTER_SAID = re.compile(
    r"(?i:\b(?:answer|option|choice|letter|choose|select|pick)\b)(?i:\s+(?:is|would be|option|choice|letter))*\s*[:=]?\s*[(\[\"']*"
    r"(?:([A-Z])(?![\w'])(?!\s[a-z])|([a-z])(?=[)\].:]|\s*$))"
)
_DENIED_BEHIND = re.compile(r"(?i)[)\].\"']*\s+(?:is|are|was)\s*(?:n['’]t|not|wrong|incorrect|false)\b")
_LETTER_FIRST = re.compile(r"^\W*([A-Za-z])\W*\n")
_LETTER_MARKED = re.compile(r"[(\[]\s*([A-Za-z])\s*[)\]]|(?:^|\n)\s*([A-Za-z])\s*[).:](?=\s|$)")
_LETTER_ALONE = re.compile(r"(?<![\w'])([A-Z])(?![\w'])")
_THINKING = frozenset(
    "answer think say would believe guess final so then well i'd that's it's absolutely definitely certainly of course".split()
)
_CLEAR_YES = tuple(word for word in UNSPACED_YES if len(word) > 1 or word in ("네", "예"))
_CLEAR_NO = tuple(word for word in UNSPACED_NO if len(word) > 1)
_ENDS = re.compile(r"\s*(?:$|[.!?,;:。！？、，]|ค่ะ|ครับ|คะ)")
_EXISTENTIAL = re.compile(
    r"\b(?:there|see|show|shows|shown|contain|contains|include|visible|depict|gibt es|zu sehen|siehst|y a|voit|vois|hay|ve|vedi|"
    r"есть|видно|has|have|finns|zie)\b|c'è|há "
)


def read(text: str, key: AnswerKey, question: str = "") -> int:
    """Return the index of the class that ``text`` names, or -1.

    Parameters
    ----------
    text : str
        What the model wrote; at most the first ``LONGEST`` characters are looked at.
    key : AnswerKey
        What each class is answered with.
    question : str
        What was asked: "There is a dog" is a yes to one question only.
    """
    text = _TAGS.sub(" ", _THOUGHT.sub(" ", text[: 4 * LONGEST])).strip()[:LONGEST]
    if not text or not key.classes:
        return -1
    whole = _whole(text, key)
    if whole is not None:
        return whole
    letters = [name.strip().upper() for name in key.classes]
    if (
        all(len(letter) == 1 and letter.isascii() and letter.isalpha() for letter in letters)
        and len(set(letters)) == len(letters) > 1
    ):
        if set(letters) != {"Y", "N"}:
            return _letter(text, letters, question)
    folded = _plain(text)
    markers = list(_MARKER.finditer(folded))
    if markers:
        tail = _sentence(folded[markers[-1].end() :], key, question)
        if tail >= 0:
            return tail
    return _sentence(folded, key, question)


def polarity(text: str) -> int:
    """Return 1 for an answer that says yes, -1 for one that says no, 0 for neither or both; what they stand for is not asked."""
    folded = _plain(text)
    return _polar(folded, clauses(folded), lambda clause: False)


def _plain(text: str) -> str:
    """Return ``text`` folded, without markup and phrases of certainty, in plain words."""
    folded = _CERTAIN.sub(" ", _MARKUP.sub(" ", fold(text)))
    for phrase, plain in _PLAINER:
        folded = phrase.sub(plain, folded)
    return folded


def _whole(text: str, key: AnswerKey) -> int | None:
    """Return the class whose name or answer is the whole text, whatever characters it is made of."""
    said = fold(text).strip()
    bare = said.strip(" .!?,;:\"'*_`()[]。！？「」")
    for answers in (key.words, key.classes):
        hits = [c for c, answer in enumerate(answers) if fold(answer).strip() in (said, bare) and fold(answer).strip()]
        if len(hits) == 1:
            return hits[0]
    if key.yes >= 0 and bare in _ALONE:
        return key.yes if _ALONE[bare] > 0 else key.no
    return None


def _letter(text: str, letters: list[str], question: str) -> int:
    plain = _MARKUP.sub(" ", unicodedata.normalize("NFKC", text)[:LONGEST]).strip()
    if len(plain.strip(" .()[]:\"'")) == 1 and plain.strip(" .()[]:\"'").upper() in letters:
        return letters.index(plain.strip(" .()[]:\"'").upper())
    for pattern in (_LETTER_FIRST, _LETTER_SAID, _LETTER_MARKED, _LETTER_ALONE):
        found = set()
        for match in pattern.finditer(plain):
            letter = next(group for group in match.groups() if group)
            after = plain[match.end() :]
            word = (
                pattern is _LETTER_ALONE
                and letter in "AI"
                and re.match(r"\s+(?!(?:or|and|is|because|since)\b)[a-z]|\s*['’]", after)
            )
            denied = re.search(r"(?i)\b(?:not|isn't|nor)\s*$", plain[: match.start()].rstrip("([ ")) or _DENIED_BEHIND.match(after)
            if letter.upper() in letters and not word and not denied:
                found.add(letters.index(letter.upper()))
        if found:
            return found.pop() if len(found) == 1 else -1
    options = {letter: option for letter, option in _OPTION.findall(question) if letter in letters}
    if len(options) < 2:
        return -1
    named = tuple(options)
    said = read(text, AnswerKey(tuple(options[n] for n in named), tuple(options[n] for n in named), "named", ""), "")
    return letters.index(named[said]) if said >= 0 else -1


@lru_cache(maxsize=512)
def _forms(key: AnswerKey) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[int, int], ...]]:
    """Return the names to look for, and for each the class it speaks for when it is said and when it is denied (-1: none)."""
    n = len(key.classes)
    made: dict[tuple[str, ...], tuple[int, int]] = {}
    spoken = cores(key.classes)

    def other(c: int) -> int:
        return 1 - c if n == 2 else -1

    taken = {fold(word).strip(): c for c, word in enumerate(key.words)}
    for c, word in enumerate(key.words):
        if sense(word) == 0 or c not in (key.yes, key.no):
            made.setdefault(_looked_for(word), (c, other(c)))
    for c, (name, core) in enumerate(zip(key.classes, spoken, strict=True)):
        if taken.get(fold(name).strip(), c) != c or (
            sense(name) and fold(name).strip() in YES | NO | set(UNSPACED_YES) | set(UNSPACED_NO)
        ):
            continue
        literal = _looked_for(name)
        if not (core.negated and (is_negator(literal[0]) if literal else True)):
            made.setdefault(literal, (c, other(c)))
        if core.negated:
            same = next((d for d in range(n) if d != c and spoken[d] == (core.words, False)), other(c))
            made[core.words] = (same, c)
        elif core.words != literal:
            made.setdefault(core.words, (c, other(c)))
    made.pop((), None)
    return tuple(made), tuple(made.values())


@lru_cache(maxsize=512)
def _told_apart(key: AnswerKey) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[int, int], ...]]:
    """Return, like `_forms`, the words by which names that share some are told apart: "red" and "blue" of red car, blue car."""
    own = own_words(key.classes)
    pairs = [(word, c) for c, word in enumerate(own) if word]
    n = len(key.classes)
    return tuple(word for word, _ in pairs), tuple((c, 1 - c if n == 2 else -1) for _, c in pairs)


def _looked_for(name: str) -> tuple[str, ...]:
    """Return the words of a name; of a script without spaces the whole, spaces left out."""
    said = parts(name)
    return ("".join(said),) if said and all(is_unspaced(part) for part in said) else said


def _sentence(text: str, key: AnswerKey, question: str) -> int:
    text, asked = without_nobody(text, key.classes, question), spoken_of(question)
    names, senses = _forms(key)
    mentions = [m for m in find(text, names, asked) if not clauses(text)[m.clause].unsure]
    if not mentions:
        names, senses = _told_apart(key)
        mentions = [m for m in find(text, names, asked) if not clauses(text)[m.clause].unsure]
    mentions = counting(mentions, names, text, clauses(text), question)
    said = {senses[m.name][0] for m in mentions if not m.negated} - {-1}
    denied = {senses[m.name][1] for m in mentions if m.negated} - {-1}
    named = _named(said, denied, len(key.classes))
    if key.yes < 0 and key.no < 0:
        return named
    focus, needed = _focus(fold(question), len(key.classes))
    stated = _stated(text, focus, needed, asked)
    about = {m.clause for m in mentions} | {m.clause for f in focus for m in find(text, (f,), asked)}
    spoken = _polar(text, clauses(text), lambda clause: clause in about)
    polar = {1: key.yes, -1: key.no}.get(spoken, -1)
    if polar < 0:
        if named >= 0:
            return named
        return {1: key.yes, -1: key.no}.get(stated, -1) if not said else -1
    if spoken > 0 and (stated < 0 or (not said and denied and key.yes not in denied)):
        return -1
    if named >= 0 and named != polar and not _complements(key) and not (spoken < 0 and named == key.yes and not said):
        return -1
    return polar


def _named(said: set[int], denied: set[int], n: int) -> int:
    """Return the only class that is said; of two, the one that is left when the other is denied."""
    if len(said) == 1:
        return next(iter(said)) if (n == 2 and denied <= said) or n != 2 or not denied else -1
    return next(iter(denied)) if not said and len(denied) == 1 else -1


def _complements(key: AnswerKey) -> bool:
    """Return whether one class is the denial of the other, so that its name in an explanation contradicts nothing."""
    spoken = cores(key.classes)
    return (
        len(spoken) != 2
        or spoken[0].words == spoken[1].words
        or any(core.negated for core in spoken)
        or any(is_residual(name) or sense(name) for name in key.classes)
    )


def _polar(text: str, cut: tuple[Clause, ...], about) -> int:
    """Return what the yes and no words say together: 1, -1, or 0 for none or both."""
    if _AGREED.match(text) or _REFUSED.match(text):
        return 1 if _AGREED.match(text) else -1
    heard = set()
    for i, clause in enumerate(cut):
        if clause.unsure:
            continue
        inside = text[clause.start : clause.end].strip()
        if is_unspaced(inside[:2]):
            heard.add(_unspaced_polar(inside))
            continue
        said = [word.text for word in clause.words]
        if not said:
            continue
        polar = [(j, 1 if word in YES else -1) for j, word in enumerate(said) if word in YES or word in NO]
        if tuple(said) in NOT_NEGATING:
            continue
        others = [word for word in said if word not in YES and word not in NO and word not in _THINKING and word not in FILLER]
        if len({way for _, way in polar}) == 1 and not [w for w in others if not is_negator(w)]:
            alone = len(said) == len(polar)
            j, way = polar[-1]
            if alone or j == len(said) - 1 or (said[0] in YES | NO and said[0] not in AMBIGUOUS):
                turned = any(is_negator(word) for word in said[:j] if word not in NO or way > 0)
                heard.add(-way if turned and not alone else way)
                continue
        first = said[0]
        if tuple(said[:2]) in NOT_NEGATING:
            continue
        if i == 0 and (first in YES or first in NO) and not (len({way for _, way in polar}) > 1 and len(said) <= 4):
            if (first == "no" and not about(i)) or first in YES - AMBIGUOUS or (first in NO - AMBIGUOUS - {"no"} and not about(i)):
                heard.add(1 if first in YES else -1)
    heard.discard(0)
    return heard.pop() if len(heard) == 1 else 0


def _unspaced_polar(text: str) -> int:
    for way, clear, every in ((-1, _CLEAR_NO, UNSPACED_NO), (1, _CLEAR_YES, UNSPACED_YES)):
        for word in sorted(map(fold, every), key=len, reverse=True):
            if text.startswith(word) and _ENDS.match(text[len(word) :]):
                return way
        for word in sorted(map(fold, clear), key=len, reverse=True):
            if text.startswith(word) and word in (
                "是的",
                "对的",
                "對的",
                "はい",
                "いいえ",
                "没错",
                "ใช่",
                "ไม่ใช่",
                "そうです",
                "いえ",
            ):
                return way
    return 0


@lru_cache(maxsize=1024)
def _focus(question: str, n: int) -> tuple[tuple[tuple[str, ...], ...], int]:
    """Return what a folded yes/no question asks for, one entry a word, and how many of them an answer must speak of."""
    if is_unspaced(question):
        for word in sorted(map(fold, FILLER_UNSPACED), key=len, reverse=True):
            question = question.replace(word, " ")
        found = [run for run in question.split() if is_unspaced(run)]
        return (((found[0],),), 1) if len(found) == 1 and len(found[0]) <= 8 else ((), 0)
    said = [bare_noun(word.text) for word in words(question) if word.text not in FILLER]
    said = [word for word in said if word]
    if not said or len(said) > 4:
        return (), 0
    if _EXISTENTIAL.search(question):
        return tuple((word,) for word in said), len(said)
    return ((said[-1],),), 1


def _stated(text: str, focus: tuple[tuple[str, ...], ...], needed: int, asked: frozenset[str]) -> int:
    """Return 1 when the text states what was asked, -1 when it denies it, else 0."""
    if not focus:
        return 0
    cut = clauses(text)
    spoken = languages(text)
    affirmed, denied = set(), False
    for index, word in enumerate(focus):
        for kin, turned in _kin(word, text, spoken):
            for mention in find(text, (kin,), asked):
                if cut[mention.clause].unsure:
                    continue
                if mention.negated != turned:
                    denied = True
                else:
                    affirmed.add(index)
    if len(affirmed) >= needed:
        return 0 if denied and len(focus) == 1 else 1
    return -1 if denied else 0


@lru_cache(maxsize=1024)
def _kin(word: tuple[str, ...], text: str, spoken: frozenset[str]) -> tuple[tuple[tuple[str, ...], bool], ...]:
    """Return the words of the text that say the same as ``word``, and those that say the opposite (True)."""
    found: list[tuple[tuple[str, ...], bool]] = [(word, False)]
    alike = [kin for kin in KIN if word[0] in kin]
    against = GOOD if word[0] in BAD else BAD if word[0] in GOOD else frozenset()
    for said in {w.text for w in words(text)}:
        if said == word[0] or same_word(word[0], said, spoken):
            continue
        if any(said in kin for kin in alike):
            found.append(((said,), False))
        elif said in against:
            found.append(((said,), True))
    return tuple(found)


__all__ = ["Mention", "polarity", "read"]
