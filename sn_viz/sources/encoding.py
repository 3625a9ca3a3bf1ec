"""In which encoding a text is written that does not say so: tables, and the names in a zip.

Takes bytes; returns text, and a sentence whenever the encoding had to be guessed. It knows nothing about what the text says.
"""

from __future__ import annotations

import re

from sn_viz.errors import UserError
from sn_viz.sources.text import quoted

TABLE_ENCODINGS = ("cp1252", "gb18030", "cp932", "big5", "cp949", "cp1251", "cp1250", "cp1253", "cp1254")
"""What spreadsheets save as when they do not save UTF-8, the likeliest first."""
NAME_ENCODINGS = ("cp437", "gb18030", "cp932", "big5", "cp949", "cp866", "cp850", "cp1252")
"""What zip programs write names in when they do not write UTF-8, the likeliest first."""
TITLES = {
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "cp1252": "Windows-1252 (Western European)",
    "cp1250": "Windows-1250 (Central European)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "cp1253": "Windows-1253 (Greek)",
    "cp1254": "Windows-1254 (Turkish)",
    "gb18030": "GB 18030 (Simplified Chinese)",
    "big5": "Big5 (Traditional Chinese)",
    "cp932": "Shift JIS (Japanese)",
    "cp949": "Windows-949 (Korean)",
    "cp437": "DOS code page 437",
    "cp850": "DOS code page 850",
    "cp866": "DOS code page 866 (Cyrillic)",
}
SAMPLE_WORDS = 50
SAMPLE_BYTES = 1 << 16
"""How much of the text that is not ASCII is looked at."""
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"))
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
# Separators below 0x40 are never the second byte of a character in the encodings above, so this cuts between characters.
_WORD = re.compile(rb'[^,;\t\r\n"/ .]*[\x80-\xff][^,;\t\r\n"/ .]*')
_CLOSE = 2.5
"""Windows-1252 is kept unless a neighbour of it looks this many times better: the detector hardly tells them apart."""
_NEIGHBOURS = ("cp1250", "cp1253", "cp1254")
_EVERYDAY = {"gb18030": (0xA1, 0xD7, 0xA1), "cp932": (0x81, 0x97, 0x40), "big5": (0xA1, 0xC6, 0x40), "cp949": (0xA1, 0xC8, 0xA1)}
"""First and last lead byte, and lowest second byte, of the characters that everyday text in an encoding consists of."""
_UNSCORED = 1e-3
"""Weight of an encoding that fits and that the detector says nothing about."""


def decode_text(data: bytes, name: str) -> tuple[str, str]:
    """Return the text of a table and a note, which is "" unless its encoding was guessed.

    Parameters
    ----------
    data : bytes
        The whole file. A byte order mark decides; then UTF-8 where it fits; else UTF-16 or the likeliest of ``TABLE_ENCODINGS``.
    name : str
        What messages call it.

    Raises
    ------
    UserError
        When no encoding fits, or the text holds a NUL character, whose line is named as a row.
    """
    encoding, guessed = _encoding(data)
    try:
        text = data.decode(encoding or "ascii").removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise UserError(f"{quoted(name)} was not read.", "Its text encoding is not known.", "Export it again as UTF-8.") from None
    if (at := text.find("\0")) >= 0:
        row = text.count("\n", 0, at) + 1
        raise UserError(
            f"Row {row} of {quoted(name)} was not read.", "It contains a NUL character.", "Export the table again as UTF-8."
        )
    title = TITLES.get(encoding, encoding)
    note = f"The encoding of {quoted(name)} is a guess: {title}, for it is not UTF-8. If letters look wrong, save it as UTF-8."
    return text, note if guessed else ""


def decode_names(names: list[bytes], archive: str) -> tuple[list[str], str]:
    """Return file names of an archive that does not say how they are encoded, and a note when that was guessed.

    Parameters
    ----------
    names : list of bytes
        UTF-8 where all of them are; else one encoding is guessed for all.
    archive : str
        What messages call the archive.
    """
    try:
        return [name.decode("utf-8") for name in names], ""
    except UnicodeDecodeError:
        encoding = guess(b"\n".join(names), NAME_ENCODINGS) or "cp437"
        decoded = [name.decode(encoding, errors="replace") for name in names]
        odd = [text for text, name in zip(decoded, names, strict=True) if not name.isascii()]
        example = f"{quoted(odd[0])}{' and others' * (len(odd) > 1)}"
        return (
            decoded,
            f"The encoding of names in {quoted(archive)} is a guess: {TITLES[encoding]}, for it is not UTF-8: {example}.",
        )


def guess(data: bytes, encodings: tuple[str, ...]) -> str:
    """Return the likeliest of ``encodings`` for text that is not UTF-8, or "" when none fits.

    The detector is shown only the words that are not plain ASCII, for in a table the others would drown them.

    Examples
    --------
    >>> guess("früh,spät".encode("cp1252"), TABLE_ENCODINGS), guess("a.png,犬\\nb.png,猫".encode("cp932"), TABLE_ENCODINGS)
    ('cp1252', 'cp932')
    """
    words = list(dict.fromkeys(_WORD.findall(data[: 1 << 22])))
    fitting = [encoding for encoding in encodings if _fits(data, encoding)]
    if fitting[:1] == ["cp437"] and all(_is_latin_word(word) for word in words):
        return "cp437"
    sample = b"\n".join(words)[:SAMPLE_BYTES]
    score: dict[str, float] = {}
    for group in ([e for e in fitting if e in _EVERYDAY], [e for e in fitting if e not in _EVERYDAY]):
        # apart, for the detector drops whole groups of encodings once it has made up its mind
        score |= _detected(sample, group) or _mean([_detected(word, group) for word in words[:SAMPLE_WORDS]])
    likely = {encoding: (score.get(encoding, 0.0) + _UNSCORED) * _common_share(sample, encoding) for encoding in fitting}
    best = max(likely, key=lambda encoding: likely[encoding], default="")
    near = best in _NEIGHBOURS and likely.get("cp1252", 0.0) * _CLOSE >= likely[best]
    return "cp1252" if near else best


def _detected(sample: bytes, group: list[str]) -> dict[str, float]:
    """Return the detector's confidence in each encoding of a group; nothing when it finds no match."""
    import chardet  # its tables take a while to load, and most text is UTF-8

    if not group:
        return {}
    found = chardet.detect_all(sample, ignore_threshold=True, include_encodings=group, no_match_encoding=group[0])
    if len(found) == 1 and found[0]["confidence"] == 0.1:
        return {}  # what it gives the encoding that it falls back on
    return {_own_name(said["encoding"], group): said["confidence"] for said in found}


def _mean(scores: list[dict[str, float]]) -> dict[str, float]:
    return {name: sum(one.get(name, 0.0) for one in scores) / len(scores) for name in {name for one in scores for name in one}}


def _common_share(sample: bytes, encoding: str) -> float:
    """Return the share of characters beyond ASCII that lie where an encoding has its everyday ones: letters, in one byte."""
    odd = [c for c in sample.decode(encoding, errors="ignore") if not c.isascii()]
    if encoding not in _EVERYDAY:
        return sum(c.isalpha() or c in "“”’–…°€" for c in odd) / max(len(odd), 1)
    first, last, second = _EVERYDAY[encoding]
    pairs = [c.encode(encoding) for c in odd]
    common = sum(len(pair) == 2 and first <= pair[0] <= last and pair[1] >= second for pair in pairs)
    return common / max(len(pairs), 1)


def _is_latin_word(word: bytes) -> bool:
    """Return whether a word is plain letters with a few accented ones of code page 437, whose signs and frames lie above them."""
    accented = [byte for byte in word if byte >= 0x80]
    return max(accented) < 0xA6 and sum(65 <= byte <= 122 for byte in word) > len(accented)


def _encoding(data: bytes) -> tuple[str, bool]:
    """Return the encoding of a table, "" when none fits, and whether it is a guess."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding, False
    if data[:2] in _WIDE_MARKS:
        return "utf-16", False
    if _fits(data, "utf-8"):
        wide = _wide_without_mark(data)
        return wide or "utf-8", bool(wide)
    encoding = _wide_without_mark(data) or guess(data, TABLE_ENCODINGS)
    return encoding, True


def _wide_without_mark(data: bytes) -> str:
    """Return the UTF-16 that ``data`` is in when every second byte of its beginning is mostly zero, else ""."""
    head = data[:2000]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if min(even, odd) * 8 > max(even, odd) or max(even, odd) * 4 < len(head) / 2:
        return ""
    encoding = "utf-16-le" if odd > even else "utf-16-be"
    return encoding if _fits(data, encoding) else ""


def _fits(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _own_name(said: str | None, encodings: list[str]) -> str:
    """Return the member of ``encodings`` that the detector's name stands for."""
    import codecs

    try:
        plain = codecs.lookup(said or "").name
    except LookupError:
        return ""
    return next((encoding for encoding in encodings if codecs.lookup(encoding).name == plain), "")
