"""A CSV or JSONL table together with a zip of its images, as people upload them.

Takes the two paths, in either order; returns the table's rows, each opening its image inside the zip. An image is found by its
path, else by its file name when that is the only one of its kind.
"""

from __future__ import annotations

import functools
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from sn_viz.errors import UserError
from sn_viz.sources import SOURCES
from sn_viz.sources.budget import Budget
from sn_viz.sources.csv_file import Csv, parse_csv
from sn_viz.sources.gather import Found
from sn_viz.sources.ingest import read_file
from sn_viz.sources.jsonl_file import Jsonl, parse_jsonl
from sn_viz.sources.rows import Row, checked_rows
from sn_viz.sources.text import quoted
from sn_viz.sources.zip_file import Zip, _check_directory, _damaged, _Inflater
from sn_viz.types import Picture


@SOURCES.register("table-with-zip")
class TableWithZip:
    """A CSV or JSONL table (image, label, question) and a zip of its images."""

    @staticmethod
    def accepts(data: object) -> bool:
        return isinstance(data, tuple) and len(data) == 2 and _sorted(data) is not None

    @staticmethod
    def read(data: tuple[Path, Path], budget: Budget) -> Iterator[Found]:
        paths = _sorted(data)
        assert paths is not None, data
        table, archive_path = paths
        parse = parse_jsonl if Jsonl.accepts(table) else parse_csv
        rows = parse(read_file(table, table.name, budget.table_bytes), table.name, budget)
        checked_rows(rows, table.name)
        if archive_path.stat().st_size > budget.zip_bytes:
            raise UserError(f"{quoted(archive_path.name)} was not read.", "It is too large.", "Use fewer or smaller images.")
        _check_directory(archive_path, budget)
        try:
            archive = zipfile.ZipFile(archive_path)
        except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
            raise _damaged(archive_path.name) from error
        with archive:
            yield from _images(rows, archive, archive_path.name, budget)


def _sorted(data: tuple) -> tuple[Path, Path] | None:
    """Return (table, zip), or None when the two are something else."""
    if not all(isinstance(path, Path) for path in data):
        return None
    tables = [path for path in data if Csv.accepts(path) or Jsonl.accepts(path)]
    zips = [path for path in data if path not in tables and Zip.accepts(path)]
    return (tables[0], zips[0]) if len(tables) == len(zips) == 1 else None


def _images(rows: list[Row], archive: zipfile.ZipFile, name: str, budget: Budget) -> Iterator[Found]:
    inflater = _Inflater(archive, name, budget)
    by_path: dict[PurePosixPath, zipfile.ZipInfo] = {}
    by_name: dict[str, list[zipfile.ZipInfo]] = {}
    for info in archive.infolist():
        if not info.is_dir():
            path = PurePosixPath(info.filename.replace("\\", "/"))
            by_path[path] = info
            by_name.setdefault(path.name, []).append(info)

    @functools.cache
    def read(filename: str) -> Picture:
        return inflater.open(archive.getinfo(filename))

    for row in rows:
        path = PurePosixPath(row.image.strip().replace("\\", "/"))
        alike = by_name.get(path.name, [])
        info = by_path.get(path) or (alike[0] if len(alike) == 1 else None)
        opened = functools.partial(read, info.filename) if info else functools.partial(_missing, row, len(alike))
        yield Found(row.image, row.label, opened, row.question)


def _missing(row: Row, n_alike: int) -> Picture:
    cause = f"{n_alike} files of that name are in the zip." if n_alike else "There is no such file in the zip."
    raise UserError(f"{quoted(row.image)} (row {row.number}) was not read.", cause, "Write its path as it is in the zip.")
