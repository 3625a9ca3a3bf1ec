"""A JSONL table of images: one JSON object a line, with ``image``, ``label`` and perhaps ``question``.

Takes a path, returns rows. POPE's own files (``question_id, image, text, label``, named ``.json``) are such tables too; their
images lie beside the table or in a folder ``images`` or ``val2014`` beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from sn_viz.errors import UserError
from sn_viz.sources import SOURCES
from sn_viz.sources.budget import Budget
from sn_viz.sources.csv_file import decode_text
from sn_viz.sources.gather import Found
from sn_viz.sources.ingest import read_file
from sn_viz.sources.rows import COLUMNS, Row, open_rows, row_error
from sn_viz.sources.text import quoted


@SOURCES.register("jsonl")
class Jsonl:
    """A JSONL table: objects with image, label and perhaps question; POPE's own files are understood."""

    @staticmethod
    def accepts(data: object) -> bool:
        return isinstance(data, Path) and data.suffix.lower() in (".jsonl", ".ndjson", ".json") and data.is_file()

    @staticmethod
    def read(data: Path, budget: Budget) -> Iterator[Found]:
        rows = parse_jsonl(read_file(data, data.name, budget.table_bytes), data.name, budget)
        return open_rows(rows, data, budget)


def parse_jsonl(data: bytes, name: str, budget: Budget) -> list[Row]:
    """Return the rows of a JSONL table.

    Parameters
    ----------
    data : bytes
        The whole file.
    name : str
        What messages call it.
    budget : Budget
        Limits the number of rows.

    Raises
    ------
    UserError
        For a line that is not a JSON object, or lacks an image or a label; the line is named as a row.
    """
    rows = []
    for number, line in enumerate(decode_text(data, name).split("\n"), start=1):
        if line.strip():
            rows.append(_row(line, number, name))
        if len(rows) > budget.files:
            raise UserError(f"{quoted(name)} has too many rows.", f"At most {budget.files} are read.", "Use a smaller table.")
    if not rows:
        raise UserError(f"{quoted(name)} has no rows.", "One JSON object on each line is expected.")
    return rows


def _row(line: str, number: int, name: str) -> Row:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        raise row_error(name, number, "It is not JSON.", "Write one object on each line.") from None
    if not isinstance(entry, dict):
        raise row_error(name, number, "It is not a JSON object.", 'Write {"image": ..., "label": ...} on each line.')
    values = {}
    for field, aliases in COLUMNS.items():
        value = next((entry[alias] for alias in aliases if entry.get(alias) is not None), None)
        if value is None and field != "question":
            raise row_error(name, number, f"It has no '{field}'.", "Every row needs an image and a label.")
        if isinstance(value, (dict, list)):
            raise row_error(name, number, f"Its '{field}' is not a text.", "Write a text or a number.")
        values[field] = json.dumps(value) if isinstance(value, bool) else value if value is None else str(value)
    return Row(number, values["image"], values["label"], values["question"])
