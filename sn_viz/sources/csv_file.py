"""A CSV table of images: ``image,label`` and perhaps ``question`` and ``group``, paths relative to the table.

Takes a path or bytes, returns rows. Comma, semicolon, tab or bar; the encoding is stated, UTF-8, or guessed aloud.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from sn_viz.errors import UserError
from sn_viz.sources.budget import Budget
from sn_viz.sources.encoding import decode_text
from sn_viz.sources.gather import Found, Note
from sn_viz.sources.ingest import read_file
from sn_viz.sources.rows import COLUMNS, EXACT, Row, Table, label_of, open_rows, row_error, table_of, words_note
from sn_viz.sources.source import SOURCES
from sn_viz.sources.text import cut, listed, plain_cell, quoted

DELIMITERS = (",", ";", "\t", "|")
RECORD_CHARACTERS = 1 << 20
"""Characters of one row, all its cells and lines together."""
HEADER_CHARACTERS = 10_000
"""How much of the first line is looked at for the separator."""
BLANKS = 10
"""Blank lines read for each row that is allowed."""


@SOURCES.register("csv")
class Csv:
    """A CSV table: ``image,label[,question][,group]``, image paths relative to the table."""

    @staticmethod
    def accepts(data: object) -> bool:
        return isinstance(data, Path) and data.suffix.lower() in (".csv", ".tsv") and data.is_file()

    @staticmethod
    def read(data: Path, budget: Budget) -> Iterator[Found | Note]:
        table = parse_csv(read_file(data, data.name, budget.table_bytes), data.name, budget)
        return open_rows(table, data, budget)


def parse_csv(data: bytes, name: str, budget: Budget) -> Table:
    """Return the rows of a CSV table.

    Parameters
    ----------
    data : bytes
        The whole file.
    name : str
        What messages call it.
    budget : Budget
        Limits the number of rows.

    Returns
    -------
    Table
        Rows numbered as a spreadsheet does: the header is row 1. Blank rows are passed over. Blanks after a separator do not count.

    Raises
    ------
    UserError
        For a missing column, a row with missing or extra cells, an overlong row, a NUL byte, an unclosed quote or an unknown
        encoding; the row is named.
    """
    text, note = decode_text(data, name)
    lines = _Lines(text, name)
    reader = csv.reader(lines, delimiter=lines.delimiter, strict=True, skipinitialspace=True)
    columns: dict[str, int] = {}
    titles: list[str] = []
    width, rows = 0, []
    while True:
        lines.start_row()
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            cause = f"It is not well-formed CSV ({error})."
            raise row_error(name, lines.number, cause, "Look for a stray quote.") from None
        if not columns:
            titles, width = [cut(title.strip().lower(), 100) for title in cells], len(cells)
            columns = _columns(titles, name, lines.number)
        elif any(cell.strip() for cell in cells):
            rows.append(_row(cells, lines.number, columns, width, name))
        if len(rows) > budget.files or lines.number > BLANKS * budget.files:
            raise UserError(f"{quoted(name)} has too many rows.", f"At most {budget.files} are read.", "Use a smaller table.")
    if not rows:
        raise UserError(f"{quoted(name)} has no rows.", "A header image,label and one row for each image are expected.")
    return table_of(rows, name, [text for text in (note, _unread(titles, columns), *words_note(rows, name)) if text])


class _Lines:
    """The lines of a table, counted by row; a row that goes on and on is refused while it is read."""

    def __init__(self, text: str, name: str) -> None:
        self.number = 0
        self._name, self._used = name, 0
        self._lines = io.StringIO(text, newline="")
        header = self._lines.readline(HEADER_CHARACTERS)
        stated = header.strip().lower()
        if stated.startswith("sep=") and len(stated) == 5:
            self.delimiter = header.strip()[4]  # how spreadsheets state it; this line is no header
            self.number = 1
        else:
            self.delimiter = max(DELIMITERS, key=header.count)
            self._lines.seek(0)

    def start_row(self) -> None:
        self.number, self._used = self.number + 1, 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._lines.readline(RECORD_CHARACTERS + 1)
        self._used += len(line)
        if self._used > RECORD_CHARACTERS:
            cause = f"It is longer than {RECORD_CHARACTERS} characters."
            raise row_error(self._name, self.number, cause, "Look for a stray quote.")
        if not line:
            raise StopIteration
        return line


def _unread(titles: list[str], columns: dict[str, int]) -> str:
    """Return the note that names the columns of which nothing is made; "" when there are none."""
    left = [quoted(title) for at, title in enumerate(titles) if title and at not in columns.values()]
    return f"Columns that are not used: {listed(left)}." if left else ""


def _columns(titles: list[str], name: str, number: int) -> dict[str, int]:
    """Return at which position each known field stands; refuse two columns of one name that is read."""
    columns = {
        field: titles.index(next(alias for alias in aliases if alias in titles))
        for field, aliases in COLUMNS.items()
        if any(alias in titles for alias in aliases)
    }
    if twice := [titles[at] for at in columns.values() if titles.count(titles[at]) > 1]:
        cause = "Which of them holds cannot be told."
        raise UserError(f"Row {number} of {quoted(name)} has two columns {quoted(twice[0])}.", cause, "Rename or remove one.")
    for field in ("image", "label"):
        if field not in columns:
            cause = f"There are: {listed([quoted(title) for title in titles])}."
            raise UserError(
                f"Row {number} of {quoted(name)} has no column '{field}'.",
                cause,
                "Start it with image,label or image,label,question.",
            )
    return columns


def _row(cells: list[str], number: int, columns: dict[str, int], width: int, name: str) -> Row:
    if len(cells) != width:
        problem = "missing" if len(cells) < width else "extra"
        cause = f"It has {problem} cells: {len(cells)} where the header has {width}."
        raise row_error(name, number, cause, "Put quotes around text that contains the separator.")
    values = {field: plain_cell(cells[at]) for field, at in columns.items()}
    return Row(
        number,
        values["image"],
        label_of(values["label"]),
        values.get("question"),
        values.get("spelling") == EXACT,
        values.get("group", ""),
        values.get("split", ""),
    )
