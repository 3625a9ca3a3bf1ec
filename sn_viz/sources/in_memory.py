"""Labelled images that a program holds: a ``datasets.Dataset``, or anything that yields (picture, label[, question]).

Takes the object; returns images to open. A data set of the package ``datasets`` is asked for bytes, so that it decodes nothing
itself; at most as many rows as the budget allows are read, which a note says.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sn_viz.errors import UserError
from sn_viz.sources.budget import Budget
from sn_viz.sources.classes import TEST, split_of
from sn_viz.sources.columns import Asked, Column, NoLabels, asked_of, find_columns, others_note
from sn_viz.sources.gather import Found, Note
from sn_viz.sources.later import picture_of
from sn_viz.sources.rows import label_of
from sn_viz.sources.shards import sides_of
from sn_viz.sources.source import SOURCES
from sn_viz.sources.text import quoted

NAME = "the data set"
PEEKED = 1000
"""Rows of a test split that are looked at for a label."""


@SOURCES.register("dataset-object")
class DatasetObject:
    """A ``datasets.Dataset``, ``IterableDataset`` or ``DatasetDict`` in memory, with a column of pictures and one of labels."""

    @staticmethod
    def accepts(data: object) -> bool:
        rows = asked_of(data)[0]
        return _is_rows(rows) or _is_splits(rows)

    @staticmethod
    def read(data: Any, budget: Budget) -> Iterator[Found | Note]:
        rows, asked = asked_of(data)
        if not _is_splits(rows):
            yield from _found_in(rows, asked, NAME, budget)
            return
        bare = {split for split, own in rows.items() if split_of(split) == TEST and not has_labels(own, asked)}
        sides, note = sides_of(list(rows), "The splits of the data set are used", lambda split: split not in bare)
        if note:
            yield Note(note)
        for split, own in rows.items():
            if split in bare and note:
                continue
            name = f"{NAME}, split {quoted(split)}"
            for one in _found_in(own, asked, name, budget):
                yield replace(one, name=f"{split} {one.name}", part=sides.get(split, "")) if isinstance(one, Found) else one


def _is_rows(data: object) -> bool:
    return hasattr(data, "features") and hasattr(data, "cast_column") and not isinstance(data, Mapping)


def _is_splits(data: object) -> bool:
    """Return whether it is what ``datasets.load_dataset`` returns where no split is named."""
    return isinstance(data, Mapping) and bool(data) and all(isinstance(k, str) and _is_rows(v) for k, v in data.items())


@SOURCES.register("pairs")
class Pairs:
    """Anything that yields (picture, label) or (picture, label, question): a generator, a list, a torch data set."""

    @staticmethod
    def accepts(data: object) -> bool:
        if isinstance(data, (str, bytes, Path, Asked, Mapping)):
            return False
        if isinstance(data, (list, tuple)):
            return bool(data) and all(_is_pair(one) for one in itertools.islice(data, 3))
        return isinstance(data, Iterator) or (
            hasattr(data, "__getitem__") and hasattr(data, "__len__") and not hasattr(data, "shape")
        )

    @staticmethod
    def read(data: Iterable[Any], budget: Budget) -> Iterator[Found | Note]:
        names = getattr(data, "classes", None)
        names = list(names) if isinstance(names, (list, tuple)) else []
        unlabelled = 0
        for number, one in enumerate(_each(data), start=1):
            if number > budget.files:
                yield Note(f"Only the first {budget.files:,} images were read.")
                break
            name = f"image {number}"
            if not _is_pair(one):
                cause = f"A {type(one).__name__} arrived where (picture, label) was expected."
                raise UserError(f"{quoted(name)} was not read.", cause, "Yield pairs, or triples with a question.")
            picture, label, *rest = one
            label = own_kind(label)
            if label is None or not label_of(plain(label)):
                unlabelled += 1
                continue
            named = names[label] if isinstance(label, int) and not isinstance(label, bool) and 0 <= label < len(names) else label
            yield Found(name, plain(named), functools.partial(picture_of, picture, name, budget), str(rest[0]) if rest else None)
        if unlabelled:
            yield Note(f"{unlabelled:,} image{'s' * (unlabelled > 1)} without a label left out.")


def own_kind(label: Any) -> Any:
    """Return a label as Python has it: the number in an array or tensor of one, the text of bytes.

    Examples
    --------
    >>> own_kind(b"cat"), own_kind("dog")
    ('cat', 'dog')
    """
    if isinstance(label, bytes):
        return label.decode("utf-8", "replace")
    if getattr(label, "shape", None) == () and hasattr(label, "item"):
        return own_kind(label.item())
    return label


def plain(label: Any) -> str:
    """Return a label as text; a whole number that is written with a point, as beside a missing one, without it.

    Examples
    --------
    >>> plain(1.0), plain("1.0"), plain(True)
    ('1', '1.0', 'True')
    """
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def _each(data: Any) -> Iterator[Any]:
    """Yield what an iterable holds; of a sequence without an end of its own, as many as it says it has."""
    if isinstance(data, Iterable):
        yield from data
    else:
        yield from (data[index] for index in range(len(data)))


def _is_pair(one: object) -> bool:
    return isinstance(one, (list, tuple)) and len(one) in (2, 3) and not isinstance(one[1], (list, tuple, Mapping))


def _found_in(rows: Any, asked: Mapping[str, str], name: str, budget: Budget) -> Iterator[Found | Note]:
    """Yield rows of a data set in memory as images to open; a row may name a file of this machine."""
    for each in rows_in(rows, asked, name, budget.files, with_paths=True):
        if isinstance(each, Note):
            yield each
            continue
        at = f"row {each.number}"
        yield Found(at, each.label, functools.partial(picture_of, each.image, at, budget), each.question, group=each.group)


@dataclass(frozen=True, eq=False)
class SetRow:
    """One row with a label."""

    number: int
    label: str
    image: Any
    """As the data set holds it, not decoded: mostly bytes."""
    question: str | None
    group: str


def rows_in(rows: Any, asked: Mapping[str, str], name: str, n: int, *, with_paths: bool) -> Iterator[SetRow | Note]:
    """Yield the labelled rows of a data set of the package ``datasets``, and what there is to say of the others.

    Parameters
    ----------
    rows : datasets.Dataset or datasets.IterableDataset
    asked : mapping
        Columns that the user named.
    name : str
        What messages call it.
    n : int
        The most rows that are read.
    with_paths : bool
        Whether a row may name a file of this machine; never one that came from elsewhere.
    """
    import datasets  # pyright: ignore[reportMissingImports]  # whoever holds such a data set has it

    shown = name if name.startswith(NAME) else quoted(name)
    if rows.features is None:  # of a stream it may first be seen in its rows
        rows = rows._resolve_features()
    there = columns_of(rows.features or {})
    columns = find_columns(there, asked, shown)
    if note := others_note(there, columns, asked, shown):
        yield Note(note)
    if isinstance(rows.features[columns["image"].name], datasets.Image):
        rows = rows.cast_column(columns["image"].name, datasets.Image(decode=False))
    unlabelled = 0
    for number, row in enumerate(rows, start=1):
        if number > n:
            yield Note(f"Only the first {n:,} rows of {shown} were read.")
            break
        label = _label(row[columns["label"].name], columns["label"])
        if not label:
            unlabelled += 1
            continue
        said = {what: row[columns[what].name] for what in ("question", "group") if what in columns}
        image = row[columns["image"].name]
        if isinstance(image, Mapping):
            image = image.get("bytes") or (with_paths and image.get("path")) or b""
        elif isinstance(image, str) and not with_paths:
            image = b""
        question = None if said.get("question") is None else str(said["question"])
        yield SetRow(number, label, image, question, str(said.get("group") or ""))
    if unlabelled:
        these = f"{unlabelled:,} rows of {shown} have" if unlabelled > 1 else f"1 row of {shown} has"
        yield Note(f"{these} no label and {'were' if unlabelled > 1 else 'was'} left out.")


def _label(value: Any, column: Column) -> str:
    """Return a label as text, by the names of the classes where the data set has them; "" where there is none."""
    value = own_kind(value)
    if column.class_names and isinstance(value, int):
        return column.class_names[value] if 0 <= value < len(column.class_names) else ""
    return "" if value is None else label_of(plain(value))


def has_labels(rows: Any, asked: Mapping[str, str]) -> bool:
    """Return whether any of the first rows has a label; pictures are not looked at."""
    if rows.features is None:
        rows = rows._resolve_features()
    try:
        column = find_columns(columns_of(rows.features or {}), asked, NAME)["label"]
    except NoLabels:
        return False
    return any(_label(row[column.name], column) for row in itertools.islice(rows.select_columns([column.name]), PEEKED))


def columns_of(features: Mapping[str, Any]) -> list[Column]:
    """Return the columns of the features of a data set of the package ``datasets``."""
    found = []
    for name, feature in features.items():
        kind = type(feature).__name__
        names = tuple(feature.names) if kind == "ClassLabel" else ()
        said = str(getattr(feature, "dtype", ""))
        scalar = kind == "ClassLabel" or (
            kind == "Value" and said.startswith(("string", "large_string", "bool", "int", "uint", "float"))
        )
        found.append(Column(name, kind == "Image" or said in ("binary", "large_binary"), kind == "Image", scalar, names))
    return found
