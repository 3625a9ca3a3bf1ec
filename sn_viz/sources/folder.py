"""A folder with one sub-folder of images for each class.

Takes a path, returns images to open. A table ``images.csv`` in the folder, as ``export.save_folders`` writes it, gives the files
it lists their exact label and question; nothing outside the folder is read.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from sn_viz.errors import UserError
from sn_viz.sources import SOURCES
from sn_viz.sources.budget import Budget
from sn_viz.sources.classes import class_of, is_ignored, looks_like_image, root_of
from sn_viz.sources.csv_file import parse_csv
from sn_viz.sources.gather import Found
from sn_viz.sources.ingest import read_file, read_picture
from sn_viz.sources.rows import Row, checked_rows
from sn_viz.sources.text import quoted
from sn_viz.types import Picture

TABLE = "images.csv"


@SOURCES.register("folder")
class Folder:
    """A folder with one sub-folder of images for each class."""

    @staticmethod
    def accepts(data: object) -> bool:
        return isinstance(data, Path) and data.is_dir()

    @staticmethod
    def read(data: Path, budget: Budget) -> Iterator[Found]:
        paths = _files(data, budget)
        root = root_of(paths)
        table = data / root / TABLE
        listed = {}
        if root / TABLE in paths:
            listed = table_rows(read_file(table, TABLE, budget.table_bytes), budget)
        for path in paths:
            if found := in_class(path, root, listed, functools.partial(_open, data, path, budget)):
                yield found


def in_class(path: PurePosixPath, root: PurePosixPath, listed: dict[PurePosixPath, Row], opened) -> Found | None:
    """Return a file of a class folder as an image to open.

    Parameters
    ----------
    path, root : PurePosixPath
        The file, and the folder that holds the class folders.
    listed : dict
        What ``images.csv`` says, by path below ``root``.
    opened : callable
        Reads and decodes the file.

    Returns
    -------
    Found or None
        A stray image outside of every class folder is found with no class, and says so when opened; other stray files are None.
    """
    if class_name := class_of(path, root):
        shown = path.relative_to(root)
        row = listed.get(shown)
        return Found(str(shown), row.label if row else class_name, opened, row.question if row else None)
    return Found(str(path), "", functools.partial(_stray, str(path))) if looks_like_image(path) else None


def table_rows(data: bytes, budget: Budget) -> dict[PurePosixPath, Row]:
    """Return the rows of an ``images.csv`` by the path of their image."""
    rows = parse_csv(data, TABLE, budget)
    checked_rows(rows, TABLE)
    return {PurePosixPath(row.image): row for row in rows}


def _files(folder: Path, budget: Budget) -> list[PurePosixPath]:
    """Return every file below ``folder``, sorted, relative to it."""
    paths: list[PurePosixPath] = []
    for parent, folders, files in os.walk(folder):
        folders.sort()
        below = PurePosixPath(Path(parent).relative_to(folder).as_posix())
        paths += [path for file in sorted(files) if not is_ignored(path := below / file)]
        if len(paths) > budget.files:
            cause = f"At most {budget.files} are read."
            raise UserError(f"The folder {quoted(folder.name)} holds too many files.", cause, "Give a smaller folder.")
    return paths


def _open(folder: Path, path: PurePosixPath, budget: Budget) -> Picture:
    where = (folder / path).resolve()
    if not where.is_relative_to(folder.resolve()):
        raise UserError(f"{quoted(str(path))} was not read.", "It is a link that leads out of the folder.", "Copy the file itself.")
    return read_picture(where, str(path), budget)


def _stray(name: str) -> Picture:
    raise UserError(
        f"{quoted(name)} was not read.", "It lies in no class folder.", "Put images into one sub-folder for each class."
    )
