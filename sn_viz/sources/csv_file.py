"""A CSV table of images: ``image,label`` and perhaps ``question``, paths relative to the table.

Takes a path or bytes, returns rows. Comma, semicolon or tab; UTF-8 with or without a byte order mark, UTF-16 or Windows-1252.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from sn_viz.errors import UserError
from sn_viz.sources import SOURCES
from sn_viz.sources.budget import Budget
from sn_viz.sources.gather import Found
from sn_viz.sources.ingest import read_file
from sn_viz.sources.rows import COLUMNS, Row, open_rows, row_error
from sn_viz.sources.text import listed, plain_cell, quoted

DELIMITERS = (",", ";", "\t")


@SOURCES.register("csv")
class Csv:
    """A CSV table: image,label[,question], image paths relative to the table."""

    @staticmethod
    def accepts(data: object) -> bool:
        return isinstance(data, Path) and data.suffix.lower() in (".csv", ".tsv") and data.is_file()

    @staticmethod
    def read(data: Path, budget: Budget) -> Iterator[Found]:
        rows = parse_csv(read_file(data, data.name, budget.table_bytes), data.name, budget)
        return open_rows(rows, data, budget)


def parse_csv(data: bytes, name: str, budget: Budget) -> list[Row]:
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
    list of Row
        Numbered as a spreadsheet does: the header is row 1. Blank rows are passed over.

    Raises
    ------
    UserError
        For a missing column, a row with missing or extra cells, a NUL byte, an unclosed quote or an unknown encoding; the row is
        named.
    """
    text = decode_text(data, name)
    header = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number, columns, width, rows = 0, {}, 0, []
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            raise row_error(name, number, f"It is not well-formed CSV ({error}).", "Look for a stray quote.") from None
        if number == 1:
            columns, width = _columns(cells, name), len(cells)
        elif any(cell.strip() for cell in cells):
            rows.append(_row(cells, number, columns, width, name))
        if len(rows) > budget.files:
            raise UserError(f"{quoted(name)} has too many rows.", f"At most {budget.files} are read.", "Use a smaller table.")
    if not rows:
        raise UserError(f"{quoted(name)} has no rows.", "A header image,label and one row for each image are expected.")
    return rows


def decode_text(data: bytes, name: str) -> str:
    """Return a table's text from UTF-16 or UTF-8 with a byte order mark, UTF-8, or Windows-1252; refuse NUL with its row."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if (at := text.find("\0")) >= 0:
            raise row_error(name, text.count("\n", 0, at) + 1, "It contains a NUL character.", "Export the table again as UTF-8.")
        return text
    raise UserError(f"{quoted(name)} was not read.", "Its text encoding is not known.", "Export it again as UTF-8.")


def _columns(header: list[str], name: str) -> dict[str, int]:
    """Return at which position each known field stands."""
    titles = [title.strip().lower() for title in header]
    columns = {
        field: titles.index(next(alias for alias in aliases if alias in titles))
        for field, aliases in COLUMNS.items()
        if any(alias in titles for alias in aliases)
    }
    for field in ("image", "label"):
        if field not in columns:
            cause = f"There are: {listed([quoted(title) for title in titles])}."
            raise UserError(
                f"Row 1 of {quoted(name)} has no column '{field}'.", cause, "Start it with image,label or image,label,question."
            )
    return columns


def _row(cells: list[str], number: int, columns: dict[str, int], width: int, name: str) -> Row:
    if len(cells) != width:
        problem = "missing" if len(cells) < width else "extra"
        cause = f"It has {problem} cells: {len(cells)} where the header has {width}."
        raise row_error(name, number, cause, "Put quotes around text that contains the separator.")
    values = {field: plain_cell(cells[at]) for field, at in columns.items()}
    return Row(number, values["image"], values["label"], values.get("question"))
