"""Parquet files, folders of them, and folders that ``datasets.Dataset.save_to_disk`` wrote.

Takes a path; returns rows as images to open. A picture is bytes, a struct of bytes and path as the hub's data sets have it, or the
path of a file beside the table. The rows come from ``arrow_rows``.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sn_viz.errors import UserError
from sn_viz.sources.arrow_rows import ArrowRow, Splits, has_labels, read_rows
from sn_viz.sources.budget import Budget
from sn_viz.sources.columns import Asked, asked_of
from sn_viz.sources.gather import Found, Note
from sn_viz.sources.later import from_bytes
from sn_viz.sources.rows import Row, Table, label_of, labelled, open_rows
from sn_viz.sources.shards import FILES, Shards, check_number, loose_images, shards_in, sides_of
from sn_viz.sources.source import SOURCES
from sn_viz.sources.text import quoted
from sn_viz.types import Picture

STATE, SPLITS = "state.json", "dataset_dict.json"
"""What ``save_to_disk`` writes into the folder of a split, and into the folder of them all."""
STATE_BYTES = 1 << 20


@SOURCES.register("parquet")
class Parquet:
    """A Parquet file, or a folder of them, with a column of pictures and one of labels (needs the package pyarrow)."""

    @staticmethod
    def accepts(data: object) -> bool:
        path = asked_of(data)[0]
        return isinstance(path, Path) and (_is_parquet(path) or (path.is_dir() and bool(shards_in(path, _is_parquet))))

    @staticmethod
    def read(data: Path | Asked, budget: Budget) -> Iterator[Found | Note]:
        path, asked = asked_of(data)
        parts = [Shards("", (path,))] if path.is_file() else shards_in(path, _is_parquet)
        named: set[str] = set()
        yield from _found(parts, "parquet", asked, path, budget, named)
        if path.is_dir() and (note := loose_images(path, named, "Parquet files")):
            yield Note(note)


@SOURCES.register("saved-dataset")
class SavedDataset:
    """A folder that ``datasets.Dataset.save_to_disk`` or ``DatasetDict.save_to_disk`` wrote (needs the package pyarrow)."""

    @staticmethod
    def accepts(data: object) -> bool:
        path = asked_of(data)[0]
        return isinstance(path, Path) and ((path / STATE).is_file() or (path / SPLITS).is_file())

    @staticmethod
    def read(data: Path | Asked, budget: Budget) -> Iterator[Found | Note]:
        path, asked = asked_of(data)
        yield from _found(_saved_parts(path), "arrow", asked, path, budget)


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in (".parquet", ".parq", ".pq") and path.is_file()


def _saved_parts(folder: Path) -> list[Shards]:
    if not (folder / SPLITS).is_file():
        return [Shards("", _saved_files(folder))]
    names = _json(folder / SPLITS).get("splits")
    if not isinstance(names, list) or not all(isinstance(name, str) and re.fullmatch(r"[\w.-]+", name) for name in names):
        raise _unlike(folder)
    return [Shards(name, _saved_files(folder / name)) for name in names]


def _saved_files(folder: Path) -> tuple[Path, ...]:
    told = _json(folder / STATE).get("_data_files")
    names = [str(file.get("filename")) for file in told if isinstance(file, dict)] if isinstance(told, list) else [""]
    if not all(re.fullmatch(r"[\w.-]+\.arrow", name) for name in names):
        raise _unlike(folder)
    return tuple(folder / name for name in names[: FILES + 1])


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > STATE_BYTES:
            raise ValueError
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise _unlike(path.parent) from None
    return value if isinstance(value, dict) else {}


def _unlike(folder: Path) -> UserError:
    cause = "It looks like a data set saved by the package datasets, but its description is damaged."
    return UserError(f"{quoted(folder.name)} was not read.", cause, "Save it again with save_to_disk.")


def _found(
    parts: Sequence[Shards], kind: str, asked: Any, path: Path, budget: Budget, named: set[str] | None = None
) -> Iterator[Found | Note]:
    """Yield the images of each split, its columns found on their own; put the files that rows name into ``named``."""
    check_number(parts, path.name)
    files = {part.split: part.files for part in parts}
    bare: set[str] = set()

    def named_in(split: str) -> str:
        return f"{path.name}, split {split}" if split and len(parts) > 1 else path.name

    def is_labelled(split: str) -> bool:
        if files[split] and not has_labels(files[split], kind, asked, named_in(split), budget):
            bare.add(split)
        return split not in bare

    sides, note = sides_of(list(files), f"The files of {quoted(path.name)} are splits", is_labelled)
    if note:
        yield Note(note)
    for part in parts:
        if not part.files or part.split in bare:  # a split that was saved without a row, or without labels
            continue
        rows = read_rows(part.files, kind, asked, named_in(part.split), budget)
        yield from _images(rows, path, budget, sides.get(part.split, ""), f"{part.split} " if sides else "", named)


def _images(
    rows: Iterator[ArrowRow | Splits | str], path: Path, budget: Budget, part: str, before: str, files: set[str] | None
) -> Iterator[Found | Note]:
    """Yield rows as images to open: those with bytes as they come, then those that name a file beside the table."""
    sides: dict[str, str] = {}
    named: list[Row] = []
    unlabelled: list[Row] = []
    for row in rows:
        if isinstance(row, str):
            yield Note(row)
        elif isinstance(row, Splits):
            used = f"The splits in {quoted(path.name)} are used"
            sides, note = ({}, "") if part else sides_of(row.names, used, lambda split, bare=row.bare: split not in bare)
            if note:
                yield Note(note)
        else:
            side = part or sides.get(row.split, "")
            plain = Row(row.number + 1, row.path, label_of(row.label), row.question, group=row.group, part=side)
            if row.path and not row.image and not row.too_large:
                named.append(plain)
            elif plain.label:
                yield _image(plain, row, budget, before)
            else:
                unlabelled.append(plain)
    yield from (Note(text) for text in labelled(unlabelled, path.name)[1])
    if files is not None:
        files.update(row.image for row in named)
    if named:
        yield from open_rows(Table(tuple(named)), path / path.name if path.is_dir() else path, budget)


def _image(row: Row, arrived: ArrowRow, budget: Budget, before: str) -> Found:
    name = f"{before}row {row.number}"
    return Found(name, row.label, opener(arrived, name, budget), row.question, row.part, group=row.group)


def opener(row: ArrowRow, name: str, budget: Budget) -> Callable[[], Picture]:
    """Return what decodes the picture of a row, or says that it is too large."""
    if row.too_large:
        return functools.partial(_too_large, name, budget)
    return functools.partial(from_bytes, row.image, name, budget)


def _too_large(name: str, budget: Budget) -> Picture:
    cause = f"It has more than {budget.file_bytes >> 20} MiB."
    raise UserError(f"{quoted(name)} was not read.", cause, "Make it smaller.")
