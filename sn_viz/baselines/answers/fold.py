"""Text as the parser compares it: one normal form, and its words. Takes any string; ``LONGEST`` bounds time and memory."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

LONGEST = 2000
"""Characters of an answer that are looked at; what follows is cut off before anything else is done."""
_QUOTES = str.maketrans(
    {
        "’": "'",
        "‘": "'",
        "ʼ": "'",
        "ʹ": "'",
        "′": "'",
        "`": "'",
        "´": "'",
        "＇": "'",
        "“": '"',
        "”": '"',
        "„": '"',
        "«": '"',
        "»": '"',
    }
)
_DASHES = re.compile(r"[‐‑‒–—―−]")
_UNSPACED = re.compile(
    "[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u0e00-\u0eff\u1780-\u17ff\u1000-\u109f]"
)
_ELISION = re.compile(r"\b(l|d|qu|c|n|j|s|m|t|un|dell|nell|all|dall|sull|quest)'(?=\w)")


class Word(NamedTuple):
    """A word, a number, or a run of a script that writes without spaces; ``text[start:end]`` of the folded text."""

    text: str
    start: int
    end: int


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Return ``text`` in one spelling: NFKC, case folded, straight quotes, plain dashes, no Turkish dots, at most ``LONGEST`` long.

    Examples
    --------
    >>> fold("ISN’T") == fold("isn't"), fold("Straße"), fold("cafe\\u0301") == fold("café"), fold("İstanbul")
    (True, 'strasse', True, 'istanbul')
    """
    plain = unicodedata.normalize("NFKC", text[:LONGEST].translate(_QUOTES))[: 2 * LONGEST]
    plain = _DASHES.sub("-", plain.translate(_QUOTES)).casefold()
    plain = unicodedata.normalize("NFKC", plain).casefold().replace("i\u0307", "i").replace("ı", "i")
    return "".join(c for c in unicodedata.normalize("NFC", plain) if unicodedata.category(c) not in ("Cf", "Cc") or c in "\n\t")


def is_unspaced(text: str) -> bool:
    """Return whether ``text`` has a character of a script that writes words without spaces between them."""
    return bool(_UNSPACED.search(text))


def words(folded: str) -> list[Word]:
    """Return the words of folded text; marks belong to their letter, an apostrophe inside a word to the word.

    A run of Chinese, Japanese, Thai, Lao, Khmer or Burmese is one word, whatever it says.
    """
    found: list[Word] = []
    start, kind = -1, ""
    for i, c in enumerate(folded + "\0"):
        now = _kind(c, folded, i) if c != "\0" else ""
        if now == "mark":
            now = kind
        if now != kind:
            if kind:
                found.append(Word(folded[start:i], start, i))
            start, kind = i, now
    return [piece for word in found for piece in _elided(word)]


def _kind(c: str, text: str, i: int) -> str:
    if _UNSPACED.match(c):
        return "unspaced"
    if c.isdigit():
        return "number"
    if c.isalpha():
        return "letter"
    if unicodedata.category(c).startswith("M"):
        return "mark"
    if c == "'" and 0 < i < len(text) - 1 and text[i - 1].isalpha() and text[i + 1].isalpha():
        return "mark"
    return ""


def _elided(word: Word) -> list[Word]:
    match = _ELISION.match(word.text)
    if not match:
        return [word]
    cut = match.end()
    return [Word(word.text[: cut - 1], word.start, word.start + cut - 1), Word(word.text[cut:], word.start + cut, word.end)]


def without_marks(text: str) -> str:
    """Return ``text`` without accents: what plurals with an umlaut are compared by."""
    return unicodedata.normalize("NFC", "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn"))
