"""The one text boundary: what a user typed, or named a file, becomes short, plain, literal text.

Takes any string and returns one that is NFC-normalised, free of control and direction-changing characters, and capped. Text is cut
before it is normalised, so that no text takes long. It knows nothing about HTML: whoever draws text still escapes it there.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

from sn_viz.errors import UserError
from sn_viz.sources.budget import DEFAULT

NAME_CHARACTERS = 200
"""Cap of a display name; the middle of a longer one is left out."""
RAW_CHARACTERS = 4000
"""How much of a text is looked at before it is cleaned; all caps are far below."""
MARKS = 30
"""Combining marks kept on one letter, as in the stream-safe text format (Unicode Standard Annex 15): more make normalising slow."""
LISTED = 5
"""How many names a message spells out before it only counts."""

_JOINERS = "\u200c\u200d"  # format characters that scripts and emoji need
_QUOTES = {('"', '"'), ("'", "'"), ("“", "”"), ("„", "“"), ("‘", "’"), ("«", "»"), ("「", "」")}
_INVISIBLE = {"Cc", "Cf", "Cs", "Co"}
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def clean(text: str) -> str:
    """Return ``text`` NFC-normalised, on one line, without control, bidirectional or other invisible characters.

    Parameters
    ----------
    text : str
        Anything, lone surrogates included. Beyond ``RAW_CHARACTERS`` the end is cut off.

    Returns
    -------
    str
        May be empty. Line breaks and runs of white space become one space; a letter keeps at most ``MARKS`` combining marks.

    Examples
    --------
    >>> clean("  ripe\\u202e\\n  fruit ")
    'ripe fruit'
    """
    spaced = re.sub(r"\s+", " ", text[:RAW_CHARACTERS])
    if spaced.isascii() and spaced.isprintable():
        return spaced.strip()
    kept = "".join(c for c in spaced if c in _JOINERS or unicodedata.category(c) not in _INVISIBLE)
    return re.sub(r" +", " ", unicodedata.normalize("NFC", _few_marks(kept))).strip()


def label_key(text: str) -> str:
    """Return what all spellings of one label have in common: without case, width, composition, spaces, quotes and ".0".

    Examples
    --------
    >>> {label_key(text) for text in ("yes", "YES ", "Ｙｅｓ", '"yes"')}
    {'yes'}
    """
    folded = unicodedata.normalize("NFKC", clean(text)).casefold()
    plain = clean(unicodedata.normalize("NFKC", folded))
    quotes = len(plain) > 2 and (plain[0], plain[-1]) in _QUOTES
    plain = plain[1:-1].strip() if quotes else plain
    whole = re.fullmatch(r"([+-]?\d+)\.0+", plain)  # how a column of numbers is written once a cell of it is missing
    return whole[1] if whole else plain


def is_base64(text: str | bytes) -> bool:
    """Return whether a text is no name but the bytes of a picture written as letters, by how PNG, JPEG, WebP and GIF then begin.

    Examples
    --------
    >>> is_base64("iVBORw0KGgoAAAANSUhEUgAAABQ" + 80 * "A"), is_base64("pets/1.png")
    (True, False)
    """
    begun = text[:40] if isinstance(text, str) else text[:40].decode("latin-1")
    return begun.startswith("data:image/") or (len(text) >= 100 and begun.startswith(("iVBORw0KGgo", "/9j/", "UklGR", "R0lGOD")))


def path_key(text: str) -> str:
    """Return what all spellings of one relative path have in common: slashes, letter case and composition are taken away.

    Examples
    --------
    >>> path_key("Cat\\\\1.PNG") == path_key("./cat/1.png")
    True
    """
    folded = unicodedata.normalize("NFC", _few_marks(text[:RAW_CHARACTERS]).strip().replace("\\", "/")).casefold()
    return "/".join(part for part in unicodedata.normalize("NFC", folded).split("/") if part not in ("", "."))


def _few_marks(text: str) -> str:
    """Return ``text`` with at most ``MARKS`` combining marks in a row: sorting them is what takes time."""
    if text.isascii():
        return text
    kept, run = [], 0
    for character in text:
        run = run + 1 if unicodedata.category(character).startswith("M") else 0
        if run <= MARKS:
            kept.append(character)
    return "".join(kept)


def cut(text: str, characters: int) -> str:
    """Return ``text``, or its beginning and an ellipsis so that it has at most ``characters`` characters."""
    return text if len(text) <= characters else text[: characters - 1].rstrip() + "…"


def display_name(text: str) -> str:
    """Return a file's name as literal text to show: cleaned, and the middle left out beyond ``NAME_CHARACTERS``."""
    half = NAME_CHARACTERS // 2
    plain = clean(text if len(text) <= RAW_CHARACTERS else f"{text[: RAW_CHARACTERS // 2]}{text[-RAW_CHARACTERS // 2 :]}")
    return plain if len(plain) <= NAME_CHARACTERS else f"{plain[: half - 1]}…{plain[-half:]}"


def distinct_names(paths: Sequence[str]) -> list[str]:
    """Return a name for every path, all different: the file's, with as many of its folders as tell it from the others.

    Parameters
    ----------
    paths : sequence of str
        A path that is given again is numbered.

    Examples
    --------
    >>> distinct_names(["x/a/1.png", "x/b/1.png", "x/b/2.png", "x/b/2.png"])
    ['a/1.png', 'b/1.png', '2.png', '2.png (2)']
    """
    parts = [PurePath(path).parts or (path,) for path in paths]
    alike: dict[str, list[int]] = {}
    for i, one in enumerate(parts):
        alike.setdefault(one[-1], []).append(i)
    names = [""] * len(paths)
    for group in alike.values():
        different = {parts[i] for i in group}
        depth = 1
        while len({one[-depth:] for one in different}) < len(different):
            depth += 1
        for i in group:
            names[i] = display_name("/".join(parts[i][-depth:]).replace("//", "/"))
    return numbered(names)


def numbered(names: Sequence[str]) -> list[str]:
    """Return the names with a number behind every repeat of one.

    Examples
    --------
    >>> numbered(["a", "b", "a", "a (2)"])
    ['a', 'b', 'a (2)', 'a (2) (2)']
    """
    taken: set[str] = set()
    count: Counter[str] = Counter()
    given = []
    for name in names:
        count[name] += 1
        new = name if count[name] == 1 else f"{name} ({count[name]})"
        while new in taken:
            count[name] += 1
            new = f"{name} ({count[name]})"
        taken.add(new)
        given.append(new)
    return given


def quoted(text: str) -> str:
    """Return a display name in single quotes, for messages."""
    return f"'{display_name(text)}'"


def listed(texts: list[str]) -> str:
    """Return the first few of ``texts``, separated by commas, and how many more there are."""
    more = len(texts) - LISTED
    return ", ".join(texts[:LISTED]) + (f" and {more} more" if more > 0 else "")


def clean_question(text: str, where: str = "The question", characters: int = DEFAULT.question_characters) -> str:
    """Return a question as one plain line.

    Parameters
    ----------
    text : str
        As it was typed or read.
    where : str
        What is being read, for the message: "The question", "Row 3: the question".
    characters : int
        The longest question that is allowed.

    Raises
    ------
    UserError
        When the cleaned question is longer than that.
    """
    plain = clean(text)
    length = len(plain) if len(text) <= RAW_CHARACTERS else len(text)
    if length > characters:
        raise UserError(f"{where} is too long.", f"It has {length} characters; {characters} are allowed.", "Shorten it.")
    return plain


def csv_cell(text: str) -> str:
    """Return ``text`` so that a spreadsheet shows it instead of running it: a leading ``= + - @`` or tab gets a quote.

    ``plain_cell`` is the exact inverse.

    Examples
    --------
    >>> csv_cell("=cmd()"), csv_cell("cat")
    ("'=cmd()", 'cat')
    """
    return f"'{text}" if _FORMULA.match(text) else text


def plain_cell(text: str) -> str:
    """Return what ``csv_cell`` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def safe_file_name(text: str, fallback: str = "class") -> str:
    """Return a name that every file system takes: letters, digits, ``_``, ``-``, inner spaces; never reserved, at most 60 long.

    Parameters
    ----------
    text : str
        Any label, hostile ones included.
    fallback : str
        Used when nothing of the label is left.

    Examples
    --------
    >>> safe_file_name("../../x"), safe_file_name("CON")
    ('x', '_CON')
    """
    plain = re.sub(r"[^\w\- ]+", "_", clean(text)).strip("_ -")
    while len(plain.encode()) > 60:
        plain = plain[:-1].rstrip("_ -")
    return f"_{plain}" if _RESERVED.fullmatch(plain) else plain or fallback
