"""A CSV or JSONL table together with a zip of its images, as people upload them.

Takes the two paths, in either order; returns the table's rows, each opening its image inside the zip. An image is found by its
path, else by its file name when that is the only one of its kind.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

from sn_viz.errors import UserError
from sn_viz.sources.budget import Budget
from sn_viz.sources.csv_file import Csv, parse_csv
from sn_viz.sources.gather import Found, Note
from sn_viz.sources.ingest import read_file
from sn_viz.sources.jsonl_file import Jsonl, parse_jsonl
from sn_viz.sources.rows import PathIndex, Row, checked_rows, labelled
from sn_viz.sources.source import SOURCES
from sn_viz.sources.text import quoted
from sn_viz.sources.zip_file import Entry, Inflater, Zip, entries_of, opened_archive
from sn_viz.types import Picture


@SOURCES.register("table-with-zip")
class TableWithZip:
    """A CSV or JSONL table (image, label, question, group) and a zip of its images."""

    @staticmethod
    def accepts(data: object) -> bool:
        return isinstance(data, tuple) and len(data) == 2 and _sorted(data) is not None

    @staticmethod
    def read(data: tuple[Path, Path], budget: Budget) -> Iterator[Found | Note]:
        paths = _sorted(data)
        assert paths is not None, data
        table, archive_path = paths
        parse = parse_jsonl if Jsonl.accepts(table) else parse_csv
        parsed = parse(read_file(table, table.name, budget.table_bytes), table.name, budget)
        checked_rows(parsed.rows, table.name)
        rows, unlabelled = labelled(parsed.rows, table.name)
        with opened_archive(archive_path, budget) as archive:
            entries, notes = entries_of(archive, archive_path.name, budget)
            yield from (Note(text) for text in (*parsed.notes, *unlabelled, *notes))
            yield from _images(rows, entries, Inflater(archive, archive_path.name, budget))


def _sorted(data: tuple) -> tuple[Path, Path] | None:
    """Return (table, zip), or None when the two are something else."""
    if not all(isinstance(path, Path) for path in data):
        return None
    tables = [path for path in data if Csv.accepts(path) or Jsonl.accepts(path)]
    zips = [path for path in data if path not in tables and Zip.accepts(path)]
    return (tables[0], zips[0]) if len(tables) == len(zips) == 1 else None


def _images(rows: list[Row], entries: list[Entry], inflater: Inflater) -> Iterator[Found]:
    index = PathIndex((entry.path.as_posix(), entry) for entry in entries)

    @functools.cache
    def read(number: int) -> Picture:
        return inflater.open_later(by_number[number])

    by_number = {id(entry): entry for entry in entries}
    for row in rows:
        alike = index.find(row.image.strip())
        opened = functools.partial(read, id(alike[0])) if len(alike) == 1 else functools.partial(_missing, row, len(alike))
        yield Found(row.image, row.label, opened, row.question, row.part, row.exact, row.group)


def _missing(row: Row, n_alike: int) -> Picture:
    cause = f"{n_alike} files of that name are in the zip." if n_alike else "There is no such file in the zip."
    raise UserError(f"{quoted(row.image)} (row {row.number}) was not read.", cause, "Write its path as it is in the zip.")
