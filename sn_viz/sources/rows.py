"""What CSV and JSONL tables share: rows that name an image file, its label and perhaps a question.

Takes rows with their numbers and the folder the table lies in; returns them as images to open. It knows nothing about how a
table is written.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from sn_viz.errors import UserError
from sn_viz.sources.budget import Budget
from sn_viz.sources.gather import Found
from sn_viz.sources.ingest import read_picture
from sn_viz.sources.text import quoted
from sn_viz.types import Picture

COLUMNS = {
    "image": ("image", "file", "filename", "file_name", "path"),
    "label": ("label", "class", "answer"),
    "question": ("question", "text"),
}
"""What is read, and the names it goes by; the first one that is there is taken."""
IMAGE_FOLDERS = ("", "images", "val2014")
"""Where an image named by a table is looked for, beside the table."""


@dataclass(frozen=True)
class Row:
    """One row of a table."""

    number: int
    """As an editor counts: the first line of the file is 1."""
    image: str
    label: str
    question: str | None = None


def checked_rows(rows: Sequence[Row], table: str) -> None:
    """Refuse empty cells and rows that say the same thing twice, or two things of one image, naming the row.

    Parameters
    ----------
    rows : sequence of Row
    table : str
        The table's name, for messages.

    Raises
    ------
    UserError
    """
    first: dict[tuple[PurePosixPath, str | None], Row] = {}
    for row in rows:
        for field in ("image", "label"):
            if not getattr(row, field).strip():
                raise row_error(table, row.number, f"It has no {field}.", "Fill it in or remove the row.")
        earlier = first.setdefault((PurePosixPath(row.image.replace("\\", "/")), row.question), row)
        if earlier is not row:
            same = earlier.label == row.label
            cause = f"It repeats row {earlier.number}" + ("." if same else f" with another label, for image {quoted(row.image)}.")
            raise row_error(table, row.number, cause, "Remove one of the two rows.")


def row_error(table: str, number: int, cause: str, mend: str = "") -> UserError:
    """Return the error for one row of a table."""
    return UserError(f"Row {number} of {quoted(table)} was not read.", cause, mend)


def open_rows(rows: Sequence[Row], table: Path, budget: Budget) -> Iterator[Found]:
    """Yield each row as an image to open, found beside the table.

    Raises
    ------
    UserError
        Before anything is read, when an image lies outside the table's folder.
    """
    checked_rows(rows, table.name)
    paths = [_find(row, table) for row in rows]

    @functools.cache
    def read(path: Path, name: str) -> Picture:
        return read_picture(path, name, budget)

    for row, path in zip(rows, paths, strict=True):
        shown = f"{row.image} (row {row.number})"
        # the cached name leaves the row out, so that an image asked many questions is decoded once
        opened = functools.partial(read, path, row.image) if path else functools.partial(_missing, shown)
        yield Found(row.image, row.label, opened, row.question)


def _missing(name: str) -> Picture:
    raise UserError(f"{quoted(name)} was not read.", "There is no such file beside the table.", "Check its name and folder.")


def _find(row: Row, table: Path) -> Path | None:
    """Return where the row's image lies, or None; refuse a path that leads out of the table's folder."""
    relative = PurePosixPath(row.image.strip().replace("\\", "/"))
    if "://" in row.image:
        raise row_error(table.name, row.number, f"{quoted(row.image)} is an address.", "Images are read from files only.")
    outside = f"{quoted(row.image)} lies outside the table's folder."
    if relative.is_absolute() or PureWindowsPath(row.image.strip()).drive or ".." in relative.parts:
        raise row_error(table.name, row.number, outside, "Give paths relative to the table.")
    home = table.parent.resolve()
    for folder in IMAGE_FOLDERS:
        try:
            path = (home / folder / relative).resolve()
            there = path.exists()
        except (OSError, ValueError, RuntimeError):
            return None  # a name no file system takes, or a loop of links
        if there and not path.is_relative_to(home):
            raise row_error(table.name, row.number, outside, "Replace the link by the file.")
        if there:
            return path
    return None
