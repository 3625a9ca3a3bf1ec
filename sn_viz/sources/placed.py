"""Files of a folder or an archive, with the table that may lie among them, put into their classes and splits.

Takes relative paths and a way to open each; returns images to open. It knows nothing about where the files are.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from sn_viz.errors import UserError
from sn_viz.sources.budget import Budget
from sn_viz.sources.classes import Layout, layout_of, looks_like_image, split_of
from sn_viz.sources.csv_file import parse_csv
from sn_viz.sources.gather import Found, Note
from sn_viz.sources.jsonl_file import parse_jsonl
from sn_viz.sources.rows import PathIndex, Row, Table, checked_rows, labelled, unmatched_note
from sn_viz.sources.text import quoted
from sn_viz.types import Picture

TABLE = "images.csv"
"""The table that ``export.save_folders`` writes."""
TABLES = (TABLE, "images.tsv", "images.jsonl", "metadata.csv", "metadata.jsonl", "labels.csv", "labels.jsonl", "annotations.csv")
"""Tables that are looked for beside the class folders, or in the folder of a split; the first of a folder is read."""


def placed(
    paths: Sequence[PurePosixPath],
    open_file: Callable[[PurePosixPath], Picture],
    read_table: Callable[[PurePosixPath], bytes],
    budget: Budget,
    where: str,
) -> Iterator[Found | Note]:
    """Yield every file as an image of its class; stray files are found too, and say so when opened.

    Parameters
    ----------
    paths : sequence of PurePosixPath
        Relative paths of all files.
    open_file : callable
        Reads and decodes one of them.
    read_table : callable
        Returns the bytes of one of them.
    budget : Budget
    where : str
        What notes call the whole: "the folder", "the zip".

    Raises
    ------
    UserError
        When a table among the files cannot be read.
    """
    for each in places(paths, read_table, budget, where):
        if isinstance(each, Note) or each.is_stray:
            yield each if isinstance(each, Note) else each.found
        else:
            yield replace(each.found, open=functools.partial(open_file, each.path))


@dataclass(frozen=True, eq=False)
class Placed:
    """One file, or one row of a table that names it."""

    path: PurePosixPath
    found: Found
    """Without a way to open it, unless it is a stray."""
    is_stray: bool
    """Whether it belongs to no class; ``found.open`` then says why."""


def places(
    paths: Sequence[PurePosixPath], read_table: Callable[[PurePosixPath], bytes], budget: Budget, where: str
) -> Iterator[Placed | Note]:
    """Yield, like `placed`, which image is of which class, for whoever cannot open them in that order."""
    tables = table_files(paths)
    files = [path for path in paths if path not in tables]
    rows_of: defaultdict[PurePosixPath, list[Row]] = defaultdict(list)
    index = PathIndex((path.as_posix(), path) for path in files)
    read: list[tuple[PurePosixPath, Table]] = []
    unused: list[Note] = []
    for path in tables:
        try:
            read.append((path, _parsed(read_table(path), path, budget)))
        except UserError as error:
            if path.name.casefold() == TABLE or "has no column" not in error.what:
                raise
            unused.append(Note(f"{quoted(str(path))} was not used. {error.what} {error.cause}"))
    layout = layout_of(
        files, {file for path, table in read for row in table.rows if row.label for file in _named(row, path, index)}
    )
    yield from ([Note(layout.note)] if layout.note else []) + unused
    for path, table in read:
        yield from map(Note, table.notes)
        yield from _matched(table, path, index, rows_of, layout, where)
    tabled = {path.parent for path in tables} - {PurePosixPath()}
    for path in files:
        if path not in rows_of and path.parent in tabled and layout.place(path).class_name == path.parent.name:
            cause = "It lies beside a table, and no row names it."
            yield Placed(path, Found(str(path), "", functools.partial(_stray, path, cause)), True)
            continue
        rows = rows_of.get(path) or [None]
        for row in rows:
            found = _found(path, row, layout, functools.partial(_stray, path, "It was not opened."))
            yield Placed(path, found, not found.class_name)


def table_files(paths: Sequence[PurePosixPath]) -> list[PurePosixPath]:
    """Return the first table of every folder that holds class folders, is a split, or holds everything."""
    root = layout_of([path for path in paths if path.name.casefold() not in TABLES]).root
    first: dict[PurePosixPath, PurePosixPath] = {}
    for path in sorted(paths, key=lambda path: TABLES.index(path.name.casefold()) if path.name.casefold() in TABLES else 0):
        if path.name.casefold() not in TABLES:
            continue
        near = path.parent in (root, *root.parents) or (path.parent.parent == root and split_of(path.parent.name))
        if near or all(path.parent in other.parents for other in paths):
            first.setdefault(path.parent, path)
    return list(first.values())


def _parsed(data: bytes, path: PurePosixPath, budget: Budget) -> Table:
    parse = parse_jsonl if path.suffix.casefold() == ".jsonl" else parse_csv
    table = parse(data, path.name, budget)
    checked_rows(table.rows, path.name)
    return table


def _matched(
    table: Table,
    path: PurePosixPath,
    index: PathIndex[PurePosixPath],
    rows_of: defaultdict[PurePosixPath, list[Row]],
    layout: Layout,
    where: str,
) -> list[Note]:
    """Give the rows of a table to the files they name; return notes on those that name none, and on those without a label."""
    unmatched, unlabelled = [], []
    for row in table.rows:
        files = _named(row, path, index)
        if len(files) != 1:
            unmatched.append(row)
        elif row.label or layout.place(files[0]).class_name:
            rows_of[files[0]].append(row)
        else:
            unlabelled.append(row)
    lines = tuple(f"{quoted(row.image)} (row {row.number}): it matches no file" for row in unmatched)
    told = [Note(text, lines) for text in unmatched_note(unmatched, path.name, where)]
    return told + [Note(text) for text in labelled(unlabelled, path.name)[1]]


def _named(row: Row, table: PurePosixPath, index: PathIndex[PurePosixPath]) -> list[PurePosixPath]:
    return index.find((table.parent / row.image.strip().replace("\\", "/")).as_posix())


def _found(path: PurePosixPath, row: Row | None, layout: Layout, opened: Callable[[], Picture]) -> Found:
    place = layout.place(path)
    class_name = (row.label if row else "") or place.class_name
    if place.is_outside:
        return Found(str(path), "", functools.partial(_stray, path, "It lies in none of the splits."))
    if class_name:
        shown = path.relative_to(layout.root) if path.is_relative_to(layout.root) else path
        part = (row.part if row else "") or place.part
        exact, group = bool(row and row.label and row.exact), row.group if row else ""
        return Found(str(shown), class_name, opened, row.question if row else None, part, exact, group)
    if not looks_like_image(path):
        return Found(str(path), "", functools.partial(_stray, path, "It is no image, and lies in no class folder."))
    split = f"It lies in the split '{place.part}', but " if place.part else "It lies "
    cause = f"{split}in no class folder."
    hint = "Put images into one sub-folder for each class."
    return Found(str(path), "", functools.partial(_stray, path, cause, hint))


def _stray(path: PurePosixPath, cause: str, hint: str = "") -> Picture:
    raise UserError(f"{quoted(str(path))} was not read.", cause, hint)
