"""The files that benchmarks come in: JSON too large to hold, and pictures in one of several folders.

Takes paths and field names; returns entries one by one, or says which file, entry and field is wrong. It knows no benchmark.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, TextIO, TypeVar

from sn_viz.errors import UserError
from sn_viz.sources.budget import MIB, Budget
from sn_viz.sources.later import from_bytes, from_file
from sn_viz.sources.text import listed, quoted
from sn_viz.types import Picture

T = TypeVar("T")
CHUNK = MIB
LARGEST_VALUE = 64 * MIB
"""Characters of one entry beyond which a file is taken to be damaged; entries of every benchmark are far smaller."""
AS_PUBLISHED = "Use the file as it is published."


class Missing(UserError):
    """A part of a benchmark that is not in its folder."""


def find_file(folder: Path, names: Sequence[str], layout: str) -> Path:
    """Return the first of ``names`` that is a file in ``folder``.

    Raises
    ------
    Missing
        When none is there; the message says what the folder holds where everything is in place.
    """
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise Missing(f"{quoted(names[0])} is not in the folder {quoted(folder.name)}.", f"The folder holds {layout}.", "Add the file.")


def picture_in(folder: Path, places: Sequence[str], name: str) -> Callable[[Budget], Picture]:
    """Return what opens the picture ``name``, found in the first of several folders that has it.

    Parameters
    ----------
    folder : Path
        The benchmark's folder.
    places : sequence of str
        Folders relative to it. Links are followed: photographs that several benchmarks share are often linked.
    name : str
        As the benchmark's file has it; an absolute path, or one with ``..``, is refused when opened.
    """
    return functools.partial(_open, folder, tuple(places), name)


def _open(folder: Path, places: tuple[str, ...], name: str, budget: Budget) -> Picture:
    relative = PurePosixPath(name.replace("\\", "/"))
    if relative.is_absolute() or ".." in relative.parts or PureWindowsPath(name).drive:
        raise UserError(f"{quoted(name)} was not read.", "It leads out of the benchmark's folder.", AS_PUBLISHED)
    for place in places:
        if (path := folder / place / relative).is_file():
            return from_file(path, name, budget)
    where = listed([place for place in places if place])
    raise UserError(f"{quoted(name)} was not read.", f"No such file is in {where}.", "Add the pictures.")


def bytes_of_row(row: Mapping[str, Any], number: int, source: str) -> Callable[[Budget], Picture]:
    """Return what decodes the picture of a row of the hub; the picture itself may be missing, then opening it says so."""
    image = row.get("image")
    data = image.get("bytes") if isinstance(image, Mapping) else None
    return functools.partial(_decoded, data or b"", f"row {number} of {source}")


def _decoded(data: bytes, name: str, budget: Budget) -> Picture:
    return from_bytes(data, name, budget)


def field(entry: Mapping[str, Any], name: str, kind: type[T], source: str, number: object) -> T:
    """Return a field of an entry.

    Parameters
    ----------
    entry : mapping
    name : str
    kind : type
        What the value must be; ``int`` refuses true and false.
    source, number : str, object
        The file, and which of its entries this is, for the message.

    Raises
    ------
    UserError
        When the field is absent or of another kind.
    """
    value = entry.get(name)
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    if value is None:
        raise wrong(source, number, f"It has no '{name}'. There are: {listed(sorted(map(str, entry))) or 'no fields'}.")
    raise wrong(source, number, f"Its '{name}' is not {_KINDS.get(kind, kind.__name__)} but {quoted(str(value)[:80])}.")


_KINDS: dict[type, str] = {str: "a text", int: "a whole number", list: "a list", dict: "an object"}


def wrong(source: str, number: object, cause: str) -> UserError:
    """Return the error for one entry of a file."""
    return UserError(f"Entry {number} of {quoted(source)} was not read.", cause, AS_PUBLISHED)


def entries(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON list, or of a file with one object a line, whichever ``path`` is.

    Raises
    ------
    UserError
        When the file is unreadable, damaged, or holds something else than objects.
    """
    with _opened(path) as file:
        text = _Window(file, path.name)
        for number, value in enumerate(text.array() if text.peek() == "[" else text.values(), start=1):
            yield _object(value, path.name, number)


def keyed(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each key of a JSON object with its value, which is an object too; errors as ``entries``."""
    with _opened(path) as file:
        text = _Window(file, path.name)
        for key in text.keys():  # noqa: SIM118 - no mapping: it reads on
            yield key, _object(text.value(), path.name, key)


def whole(path: Path) -> dict[str, Any]:
    """Return a small file that is one JSON object; errors as ``entries``."""
    with _opened(path) as file:
        return _object(_Window(file, path.name).value(), path.name, 1)


def arrays(path: Path, keys: Set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (key, entry) for every entry of the lists that a JSON object holds under ``keys``, in one pass; errors as ``entries``.

    Files of several hundred megabytes are read this way: nothing but the entry at hand is held. A file with none of the keys is an
    error too.
    """
    seen: set[str] = set()
    with _opened(path) as file:
        text = _Window(file, path.name)
        for key in text.keys():  # noqa: SIM118 - no mapping: it reads on
            seen.add(key)
            if text.peek() != "[":
                text.value()
                continue
            for number, value in enumerate(text.array(), start=1):
                if key in keys:
                    yield key, _object(value, path.name, number)
    if not seen & keys:
        cause = f"It has no list '{min(keys)}'. There are: {listed(sorted(seen)) or 'no fields'}."
        raise UserError(f"{quoted(path.name)} was not read.", cause, AS_PUBLISHED)


def _object(value: object, source: str, number: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong(source, number, "It is not a JSON object.")
    return value


def _opened(path: Path) -> TextIO:
    try:
        return open(path, encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{quoted(path.name)} was not read.", f"The file system says: {error.strerror}.") from None


class _Window:
    """What has been read of a JSON file and not yet been understood; grows on demand."""

    def __init__(self, file: TextIO, name: str) -> None:
        self._file, self._name = file, name
        self._text, self._at = "", 0
        self._decoder = json.JSONDecoder()

    def _more(self) -> bool:
        try:
            chunk = self._file.read(CHUNK)
        except UnicodeDecodeError:
            raise self._damaged("It is not UTF-8 text.") from None
        except OSError as error:
            raise self._damaged(f"The file system says: {error.strerror}.") from None
        self._text, self._at = self._text[self._at :] + chunk, 0
        return bool(chunk)

    def _damaged(self, cause: str) -> UserError:
        return UserError(f"{quoted(self._name)} was not read.", cause, "Download it again.")

    def peek(self) -> str:
        """Return the next character that is no white space, or "" at the end."""
        while True:
            while self._at < len(self._text):
                if not self._text[self._at].isspace():
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def _skip(self, character: str) -> None:
        if self.peek() != character:
            raise self._damaged("It is no JSON of the expected form, or it is cut short.")
        self._at += 1

    def value(self) -> Any:
        """Return the next value."""
        while True:
            self.peek()
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except (ValueError, RecursionError):
                if len(self._text) - self._at > LARGEST_VALUE or not self._more():
                    raise self._damaged("It is no JSON of the expected form, or it is cut short.") from None
                continue
            if end == len(self._text) and self._more():
                continue  # a number may go on in what follows
            self._at = end
            return value

    def values(self) -> Iterator[Any]:
        """Yield values that follow one another, as in a file with one object a line."""
        while self.peek():
            yield self.value()

    def array(self) -> Iterator[Any]:
        """Yield the elements of the list that comes next."""
        self._skip("[")
        if self.peek() != "]":
            yield self.value()
        while self.peek() != "]":
            self._skip(",")
            yield self.value()
        self._skip("]")

    def keys(self) -> Iterator[str]:
        """Yield the keys of the object that comes next; whoever iterates reads the value of each."""
        self._skip("{")
        while self.peek() != "}":
            yield str(self.value_before(":"))
            if self.peek() != "}":
                self._skip(",")
        self._skip("}")

    def value_before(self, character: str) -> Any:
        """Return the next value, and pass the character that follows it."""
        value = self.value()
        self._skip(character)
        return value
