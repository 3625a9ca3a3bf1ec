"""A JSONL table of images: one JSON object a line, with ``image``, ``label`` and perhaps ``question`` and ``group``.

Takes a path, returns rows. POPE's own files (``question_id, image, text, label``, named ``.json``) are such tables too; their
images lie beside the table or in a folder ``images`` or ``val2014`` beside it.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sn_viz.errors import UserError
from sn_viz.sources.budget import Budget
from sn_viz.sources.encoding import decode_text
from sn_viz.sources.gather import Found, Note
from sn_viz.sources.ingest import read_file
from sn_viz.sources.rows import COLUMNS, Row, Table, label_of, open_rows, row_error, table_of
from sn_viz.sources.source import SOURCES
from sn_viz.sources.text import quoted

LINE_CHARACTERS = 100_000
NESTED = 20
"""Brackets open at once: a row is flat, and what lies deep in it is not read."""
BLANKS = 10
"""Blank lines read for each row that is allowed."""
_BRACKETS = re.compile(r"[\[\]{}]")


@SOURCES.register("jsonl")
class Jsonl:
    """A JSONL table: objects with image, label and perhaps question and group; POPE's own files are understood."""

    @staticmethod
    def accepts(data: object) -> bool:
        return isinstance(data, Path) and data.suffix.lower() in (".jsonl", ".ndjson", ".json") and data.is_file()

    @staticmethod
    def read(data: Path, budget: Budget) -> Iterator[Found | Note]:
        table = parse_jsonl(read_file(data, data.name, budget.table_bytes), data.name, budget)
        return open_rows(table, data, budget)


def parse_jsonl(data: bytes, name: str, budget: Budget) -> Table:
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
        For a line that is not a JSON object, lacks an image or a label, or is overlong; the line is named as a row. A label that is
        null or not a number is a missing one.
    """
    text, note = decode_text(data, name)
    lines, rows, number = io.StringIO(text), [], 0
    while line := lines.readline(LINE_CHARACTERS + 1):
        number += 1
        if len(line) > LINE_CHARACTERS:
            raise row_error(name, number, f"It is longer than {LINE_CHARACTERS} characters.", "Write one object on each line.")
        if line.strip():
            rows.append(_row(line, number, name))
        if len(rows) > budget.files or number > BLANKS * budget.files:
            raise UserError(f"{quoted(name)} has too many rows.", f"At most {budget.files} are read.", "Use a smaller table.")
    if not rows:
        raise UserError(f"{quoted(name)} has no rows.", "One JSON object on each line is expected.")
    return table_of(rows, name, (note,) if note else ())


class _Pairs(dict):
    """An object of JSON that remembers a name that it had twice."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        names = Counter(name for name, _ in pairs)
        self.twice = next((name for name, n in names.items() if n > 1), "")


def _row(line: str, number: int, name: str) -> Row:
    try:
        if _depth(line) > NESTED:
            raise ValueError
        entry = json.loads(line, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        raise row_error(name, number, "It is not JSON.", "Write one object on each line.") from None
    if not isinstance(entry, _Pairs):
        raise row_error(name, number, "It is not a JSON object.", 'Write {"image": ..., "label": ...} on each line.')
    if entry.twice:
        raise row_error(name, number, f"It has {quoted(entry.twice)} twice.", "Which of them holds cannot be told; remove one.")
    values = {}
    for field, aliases in COLUMNS.items():
        value = next((entry[alias] for alias in aliases if entry.get(alias) is not None), None)
        if field == "label" and any(alias in entry for alias in aliases):
            value = "" if value is None or (isinstance(value, float) and not math.isfinite(value)) else value
        if value is None and field in ("image", "label"):
            raise row_error(name, number, f"It has no '{field}'.", "Every row needs an image and a label.")
        if isinstance(value, (dict, list)):
            raise row_error(name, number, f"Its '{field}' is not a text.", "Write a text or a number.")
        values[field] = json.dumps(value) if isinstance(value, bool) else value if value is None else str(value)
    return Row(
        number,
        values["image"],
        label_of(values["label"]),
        values["question"],
        group=values["group"] or "",
        split=values["split"] or "",
    )


def _depth(line: str) -> int:
    """Return how many brackets are open at once at most; those inside of texts count too, for that only errs towards more."""
    depth = deepest = 0
    for bracket in _BRACKETS.findall(line):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest
