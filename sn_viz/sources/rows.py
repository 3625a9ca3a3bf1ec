"""What CSV and JSONL tables share: rows that name an image file, its label and perhaps a question and a group.

Takes rows with their numbers and the files they may mean; returns them as images to open. It knows nothing about how a table is
written.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Generic, TypeVar

from sn_viz.errors import UserError
from sn_viz.sources.budget import Budget
from sn_viz.sources.classes import TEST, TRAIN, no_labels_note, part_of, split_of, use_of_splits
from sn_viz.sources.gather import Found, Note
from sn_viz.sources.later import from_file
from sn_viz.sources.text import is_base64, listed, path_key, quoted
from sn_viz.types import Picture

COLUMNS = {
    "image": ("image", "file", "filename", "file_name", "path"),
    "label": ("label", "class", "answer"),
    "question": ("question", "text"),
    "spelling": ("spelling",),
    "group": ("group",),
    "split": ("split", "subset", "partition"),
}
"""What is read, and the names it goes by; the first one that is there is taken."""
IMAGE_FOLDERS = ("", "images", "val2014")
"""Where an image named by a table is looked for, beside the table."""
NO_LABEL = frozenset("|#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|-NaN|-nan|1.#IND|1.#QNAN|<NA>|NaN|nan|NAN|NaT".split("|"))
"""Cells that stand for a missing value and for nothing else, as spreadsheets and pandas write them."""
WORDS = frozenset(("NA", "N/A", "n/a", "NULL", "Null", "null", "None"))
"""Words that some programs write for a missing value, and people for a class: Namibia, or none of these."""
PATH_CHARACTERS, DEPTH = 1000, 60
"""A longer or deeper path is looked for nowhere."""
SPLIT_CHARACTERS = 100
"""How much of the name of a split is looked at."""
NUMBERS = 100
"""How many numbers of rows a note spells out."""
_T = TypeVar("_T")


@dataclass(frozen=True)
class Row:
    """One row of a table."""

    number: int
    """As an editor counts: the first line of the file is 1."""
    image: str
    label: str
    """"" when the row has none."""
    question: str | None = None
    exact: bool = False
    """Whether the column ``spelling`` says "exact": the label is then no spelling of another one."""
    group: str = ""
    """What the image belongs to besides itself, such as a person or a recording; "" where to nothing."""
    split: str = ""
    """As the table says it."""
    part: str = ""
    """"train" or "test", where the splits of the table are used; "" where it names none."""


EXACT = "exact"


@dataclass(frozen=True)
class Table:
    """A table that was read."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def table_of(rows: Sequence[Row], name: str, notes: Sequence[str] = ()) -> Table:
    """Return the table, its splits understood where it has a column of them, with a note on what they are used for.

    Parameters
    ----------
    rows : sequence of Row
        As they were read.
    name : str
        What messages call the table.
    notes : sequence of str
        What there is to say already.
    """
    said = Counter(" ".join(row.split.split())[:SPLIT_CHARACTERS] for row in rows)
    n_without = said.pop("", 0)
    if not said:
        return Table(tuple(rows), tuple(notes))
    kind = {text: split_of(text) for text in said}
    labelled_in = {" ".join(row.split.split())[:SPLIT_CHARACTERS] for row in rows if row.label}
    bare = [text for text in said if kind[text] == TEST and text not in labelled_in]
    splits = frozenset(kind[text] for text in said if text not in bare) - {""}
    column = f"The splits in {quoted(name)}"
    if unknown := [quoted(text) for text in said if not kind[text]]:
        note = f"{column} were not used: {listed(unknown)} names none. Call them train, val and test."
        return Table(tuple(rows), (*notes, note))
    if len(splits) < 2:
        one = next((text for text in said if text not in bare), next(iter(said)))
        those = "all rows with a label" if bare else "all rows"
        return Table(tuple(rows), (*notes, f"{column} were not used: {those} are in one, {quoted(one)}."))
    without = f" {n_without} row{'s' * (n_without > 1)} without a split joined those of training." if n_without else ""
    parts = {text: part_of(kind[text], splits) for text in said}
    placed = [replace(row, part=parts.get(" ".join(row.split.split())[:SPLIT_CHARACTERS], TRAIN)) for row in rows]
    return Table(tuple(placed), (*notes, f"{column} are used: {use_of_splits(splits)}.{without}{no_labels_note(bare)}"))


class PathIndex(Generic[_T]):
    """Finds things by their relative path: exactly, else whatever its slashes, letter case and Unicode normal form.

    Parameters
    ----------
    items : iterable of (str, object)
        Relative paths and what they stand for.
    """

    def __init__(self, items: Iterable[tuple[str, _T]]) -> None:
        self._exact: dict[str, _T] = {}
        self._alike: dict[str, list[_T]] = {}
        self._named: dict[str, list[_T]] = {}
        for path, thing in items:
            self._exact[path] = thing
            key = path_key(path)
            self._alike.setdefault(key, []).append(thing)
            self._named.setdefault(key.rpartition("/")[2], []).append(thing)

    def find(self, path: str) -> list[_T]:
        """Return what ``path`` means: one thing, none, or several when its spelling does not decide.

        A path that leads nowhere is looked up by its file name alone.
        """
        if len(path) > PATH_CHARACTERS or path.count("/") + path.count("\\") > DEPTH:
            return []
        if (thing := self._exact.get(path)) is not None:
            return [thing]
        key = path_key(path)
        return self._alike.get(key) or self._named.get(key.rpartition("/")[2], [])


def checked_rows(rows: Sequence[Row], table: str) -> None:
    """Refuse rows without an image and rows that say the same thing twice, or two things of one image, naming the row.

    Parameters
    ----------
    rows : sequence of Row
    table : str
        The table's name, for messages.

    Raises
    ------
    UserError
    """
    first: dict[tuple[str, str | None], Row] = {}
    for row in rows:
        if not row.image.strip():
            raise row_error(table, row.number, "It has no image.", "Fill it in or remove the row.")
        if is_base64(row.image):
            cause = "Its picture is written as text (base64)."
            raise row_error(table, row.number, cause, "Write a file's name, or in Parquet the bytes.")
        if not row.label:
            continue  # it is left out, whatever it repeats
        earlier = first.setdefault((row.image.strip().replace("\\", "/"), row.question), row)
        if earlier is not row:
            same = earlier.label == row.label
            cause = f"It repeats row {earlier.number}" + ("." if same else f" with another label, for image {quoted(row.image)}.")
            raise row_error(table, row.number, cause, "Remove one of the two rows.")


def labelled(rows: Sequence[Row], table: str) -> tuple[list[Row], tuple[str, ...]]:
    """Return the rows that have a label, and a note with the numbers of those that have none."""
    without = [row.number for row in rows if not row.label]
    if not without:
        return list(rows), ()
    cause = "no label (it is empty or NaN) and"
    if len(without) == 1:
        note = f"Row {without[0]} of {quoted(table)} has {cause} was left out."
    else:
        note = f"Rows {_numbers(without)} of {quoted(table)} have {cause} were left out."
    return [row for row in rows if row.label], (f"{note} If that is a class, give it another name.",)


def words_note(rows: Sequence[Row], table: str) -> tuple[str, ...]:
    """Return the note on words taken as the name of a class that other programs write for a missing value."""
    said = Counter(row.label.strip() for row in rows if len(row.label) < 20 and row.label.strip() in WORDS)
    if not said:
        return ()
    words = listed([f"{quoted(word)} ({n} row{'s' * (n > 1)})" for word, n in said.items()])
    return (f"Read as the name of a class in {quoted(table)}: {words}. If it means that there is no label, leave the cell empty.",)


def label_of(text: str) -> str:
    """Return a label as it was written, or "" when it stands for a missing one; ``WORDS`` are labels.

    Examples
    --------
    >>> label_of("cat"), label_of(" NaN"), label_of("None")
    ('cat', '', 'None')
    """
    return "" if (len(text) < 20 and text.strip() in NO_LABEL) or text.isspace() else text


def row_error(table: str, number: int, cause: str, hint: str = "") -> UserError:
    """Return the error for one row of a table."""
    return UserError(f"Row {number} of {quoted(table)} was not read.", cause, hint)


def unmatched_note(rows: Sequence[Row], table: str, where: str) -> tuple[str, ...]:
    """Return the note that names the rows whose image is not there."""
    if not rows:
        return ()
    names = listed([f"{quoted(row.image)} (row {row.number})" for row in rows])
    n = f"{len(rows)} rows of {quoted(table)} match" if len(rows) > 1 else f"1 row of {quoted(table)} matches"
    return (f"{n} no file in {where}: {names}.",)


def open_rows(table: Table, path: Path, budget: Budget) -> Iterator[Found | Note]:
    """Yield each row as an image to open, found beside the table at ``path``.

    Raises
    ------
    UserError
        Before anything is read, when an image lies outside the table's folder.
    """
    checked_rows(table.rows, path.name)
    rows, notes = labelled(table.rows, path.name)
    beside = _Beside(path, budget)
    found = [beside.find(row) for row in rows]
    yield from (Note(text) for text in (*table.notes, *notes))

    @functools.cache
    def read(file: Path, name: str) -> Picture:
        return from_file(file, name, budget)

    for row, files in zip(rows, found, strict=True):
        # the cached name leaves the row out, so that an image asked many questions is decoded once
        opened = functools.partial(read, files[0], row.image) if len(files) == 1 else functools.partial(_missing, row, len(files))
        yield Found(row.image, row.label, opened, row.question, row.part, row.exact, row.group)


def _missing(row: Row, n_alike: int) -> Picture:
    cause = f"{n_alike} files of that name lie beside the table." if n_alike else "There is no such file beside the table."
    raise UserError(f"{quoted(f'{row.image} (row {row.number})')} was not read.", cause, "Check its name and folder.")


class _Beside:
    """The files in the folder of a table, listed once and only when a path is not there as it is written."""

    def __init__(self, table: Path, budget: Budget) -> None:
        self._name, self._home, self._budget = table.name, table.parent.resolve(), budget

    def find(self, row: Row) -> list[Path]:
        """Return the files that a row may mean; refuse a path that leads out of the table's folder."""
        if len(row.image) > PATH_CHARACTERS or row.image.count("/") + row.image.count("\\") > DEPTH:
            return []
        relative = PurePosixPath(row.image.strip().replace("\\", "/"))
        if "://" in row.image:
            raise row_error(self._name, row.number, f"{quoted(row.image)} is an address.", "Images are read from files only.")
        outside = f"{quoted(row.image)} lies outside the table's folder."
        if relative.is_absolute() or PureWindowsPath(row.image.strip()).drive or ".." in relative.parts:
            raise row_error(self._name, row.number, outside, "Give paths relative to the table.")
        for folder in IMAGE_FOLDERS:
            try:
                path = self._home / folder / relative
                if not path.exists():  # one question to the system; to resolve a deep path takes one for every folder
                    continue
                path = path.resolve()
            except (OSError, ValueError, RuntimeError):
                return []  # a name no file system takes, or a loop of links
            if not path.is_relative_to(self._home):
                raise row_error(self._name, row.number, outside, "Replace the link by the file.")
            return [path]
        return self._index.find(relative.as_posix())

    @functools.cached_property
    def _index(self) -> PathIndex[Path]:
        items: list[tuple[str, Path]] = []
        for parent, folders, files in os.walk(self._home):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            below = Path(parent).relative_to(self._home)
            for file in sorted(files):
                path = Path(parent) / file
                if not path.is_symlink():
                    items.append(((below / file).as_posix(), path))
            if len(items) > self._budget.files:
                break  # a folder of much else; what is not found as it is written is then named
        for folder in filter(None, IMAGE_FOLDERS):
            items += [(path.removeprefix(f"{folder}/"), file) for path, file in items if path.startswith(f"{folder}/")]
        return PathIndex(_once(items))


def _once(items: list[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """Return the items with each file once, under its shortest path."""
    shortest: dict[Path, str] = {}
    for path, file in items:
        if file not in shortest or len(path) < len(shortest[file]):
            shortest[file] = path
    return [(path, file) for file, path in shortest.items()]


def _numbers(numbers: list[int]) -> str:
    more = len(numbers) - NUMBERS
    return ", ".join(map(str, numbers[:NUMBERS])) + (f" and {more} more" if more > 0 else "")
