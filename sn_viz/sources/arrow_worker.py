"""The process that reads Parquet and Arrow files: a task as JSON on standard input, rows on standard output.

Takes the task that ``arrow_rows`` writes; sends frames: a length of four bytes, JSON of that length, and the bytes of a picture. It
limits its own memory first. It knows nothing of classes or splits.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import numpy as np

from sn_viz.errors import UserError
from sn_viz.sources.columns import Column, NoLabels, find_columns, others_note
from sn_viz.sources.rows import label_of
from sn_viz.sources.text import quoted

BATCH = 32
"""Rows decoded at once."""
CHARACTERS = 4000
"""Of a label, a question, a path: what is looked at further on is less."""
MAX_SPLITS = 50
SEED = 0
LABELLED = "labelled"
"""What is sent of files with a label, where only that is asked for."""


def main() -> None:
    """Read the task and send its rows, ending with "done", "refused" or "failed"."""
    task = json.loads(sys.stdin.buffer.read())
    limit_memory(task["memory"])
    try:
        for header, image in _rows(task):
            send(header, image)
        send({"done": True})
    except UserError as error:
        send({"refused": [error.what, error.cause, error.hint]})
    except Exception as error:  # damage of any kind: the other side has one sentence for it
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        send({"failed": True})


def limit_memory(n_bytes: int) -> None:
    """Let this process have so much address space and no more, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (n_bytes, n_bytes))


def send(header: dict[str, Any], image: bytes = b"", out: IO[bytes] | None = None) -> None:
    """Write a frame, to standard output unless told otherwise."""
    to: IO[bytes] = sys.stdout.buffer if out is None else out
    text = json.dumps(header).encode()
    to.write(len(text).to_bytes(4, "little") + text + image)
    to.flush()


def _rows(task: dict[str, Any]) -> Iterator[tuple[dict[str, Any], bytes]]:
    tables = [_Parquet(path) if task["kind"] == "parquet" else _Stream(path) for path in task["paths"]]
    name = quoted(task["name"])
    if task["peek"]:
        if _has_labels(tables, task["asked"], name):
            yield {"note": LABELLED}, b""
        return
    columns = find_columns(columns_of(tables[0].schema), task["asked"], name)
    names = list(dict.fromkeys(column.name for column in columns.values()))
    label = columns["label"].name
    classes = []
    for path, table in zip(task["paths"], tables, strict=True):
        if missing := [quoted(name) for name in names if name not in table.schema.names]:
            cause = f"The file {quoted(Path(path).name)} has no column {missing[0]}, the first one has."
            raise UserError(
                f"{quoted(task['name'])} was not read.", cause, "Give files with the same columns, or call them by their splits."
            )
        classes.append(next(column for column in columns_of(table.schema) if column.name == label).class_names)
        _check_label(table.schema.field(label).type, tables[0].schema.field(label).type, label, quoted(Path(path).name), name)
    if note := others_note(columns_of(tables[0].schema), columns, task["asked"], name):
        yield {"note": note}, b""
    n_rows = sum(table.n_rows for table in tables)
    chosen = np.arange(n_rows)
    if n_rows > task["rows"]:
        chosen = np.sort(np.random.default_rng(SEED).choice(n_rows, task["rows"], replace=False))
        yield {"note": f"{quoted(task['name'])} has {n_rows:,} rows; {task['rows']:,} of them were read, chosen at random."}, b""
    if "split" in columns:
        found = _distinct(tables, columns["split"].name, columns["label"])
        yield {"splits": sorted(found)[:MAX_SPLITS], "bare": [split for split, has_labels in found.items() if not has_labels]}, b""
    number = 0
    for table, own in zip(tables, classes, strict=True):
        columns = {**columns, "label": replace(columns["label"], class_names=own)}
        for batch in table.batches(names):
            for row in chosen[np.searchsorted(chosen, number) : np.searchsorted(chosen, number + batch.num_rows)]:
                yield _row(batch, int(row) - number, int(row), columns, task["file_bytes"])
            number += batch.num_rows


def _check_label(kind: Any, first: Any, label: str, file: str, name: str) -> None:
    """Refuse words for labels that are no text, and files of which one has words where another has numbers."""
    import pyarrow.types as kinds

    def counts(one: Any) -> bool:
        one = one.value_type if kinds.is_dictionary(one) else one
        return kinds.is_integer(one) or kinds.is_floating(one) or kinds.is_decimal(one) or kinds.is_boolean(one)

    if not (kinds.is_null(kind) or kinds.is_null(first)) and counts(kind) != counts(first):
        cause = f"The column {quoted(label)} holds {kind} in {file} and {first} in the first file."
        raise UserError(f"{name} was not read.", cause, "Write the labels of all files alike.")


def _has_labels(tables: list[Any], asked: dict[str, str], name: str) -> bool:
    """Return whether any row has a label; only that column is read, and no further than to the first."""
    for table in tables:
        try:
            column = find_columns(columns_of(table.schema), asked, name)["label"]
        except NoLabels:
            continue
        for batch in table.batches([column.name]):
            if any(label_of(_label(value, column)) for value in batch.column(0).to_pylist()):
                return True
    return False


def _distinct(tables: list[Any], name: str, label: Column) -> dict[str, bool]:
    """Return the values of a column, until there are more than splits can be, each with whether a row of it has a label."""
    found: dict[str, bool] = {}
    for table in tables:
        for batch in table.batches(list(dict.fromkeys([name, label.name]))):
            values = (batch.column(batch.schema.get_field_index(each)).to_pylist() for each in (name, label.name))
            for split, value in zip(*values, strict=True):
                split = _text(split)
                found[split] = found.get(split, False) or bool(label_of(_label(value, label)))
            if len(found) > MAX_SPLITS:
                return found
    return found


class _Parquet:
    """A Parquet file, row group by row group."""

    def __init__(self, path: str) -> None:
        import pyarrow.parquet as parquet

        self.file = parquet.ParquetFile(path)
        self.schema, self.n_rows = self.file.schema_arrow, self.file.metadata.num_rows

    def batches(self, names: list[str]) -> Iterator[Any]:
        yield from self.file.iter_batches(batch_size=BATCH, columns=names, use_threads=False)


class _Stream:
    """A file of the Arrow stream format, as ``datasets`` saves it."""

    def __init__(self, path: str) -> None:
        import pyarrow as pa

        self.path = path
        with self._open() as stream:
            self.schema = stream.schema
            self.n_rows = sum(batch.num_rows for batch in stream)
        self.pa = pa

    def _open(self) -> Any:
        import pyarrow as pa

        return pa.ipc.open_stream(pa.memory_map(self.path))

    def batches(self, names: list[str]) -> Iterator[Any]:
        with self._open() as stream:
            for batch in stream:
                yield batch.select(names)


def columns_of(schema: Any) -> list[Column]:
    """Return the columns of an Arrow schema; one that ``datasets`` wrote says which are pictures, and what numbers stand for."""
    import pyarrow.types as kinds

    features = _features(schema)
    found = []
    for each in schema:
        feature = _mapping(features.get(each.name))
        is_bytes = kinds.is_binary(each.type) or kinds.is_large_binary(each.type) or kinds.is_binary_view(each.type)
        is_bytes = is_bytes or kinds.is_fixed_size_binary(each.type)
        is_struct = kinds.is_struct(each.type) and each.type.get_field_index("bytes") >= 0
        scalar = kinds.is_string(each.type) or kinds.is_large_string(each.type) or kinds.is_string_view(each.type)
        scalar = scalar or kinds.is_integer(each.type) or kinds.is_floating(each.type) or kinds.is_decimal(each.type)
        scalar = scalar or kinds.is_boolean(each.type) or kinds.is_dictionary(each.type) or kinds.is_null(each.type) or is_bytes
        named = _class_names(feature) if feature.get("_type") == "ClassLabel" else ()
        found.append(Column(each.name, is_bytes or is_struct, feature.get("_type") == "Image", scalar, named))
    return found


def _features(schema: Any) -> dict[str, Any]:
    """Return what the package ``datasets`` wrote of the columns; nothing where that is damaged, for the table goes without it."""
    try:
        told = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    except (ValueError, RecursionError):
        return {}
    return _mapping(_mapping(_mapping(told).get("info")).get("features"))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _class_names(feature: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of the classes: a list, or as the hub's cards write them, by their numbers."""
    names = feature.get("names")
    if isinstance(names, dict) and set(names) == {str(number) for number in range(len(names))}:
        names = [names[str(number)] for number in range(len(names))]
    return tuple(str(name) for name in names) if isinstance(names, list) else ()


def _row(batch: Any, at: int, number: int, columns: dict[str, Column], file_bytes: int) -> tuple[dict[str, Any], bytes]:
    values = {what: _plain(batch, column.name, at) for what, column in columns.items()}
    image, path = values["image"], ""
    if isinstance(image, dict):
        path, image = image.get("path") or "", image.get("bytes")
    if isinstance(image, str):
        path, image = image, b""
    too_large = image is not None and len(image) > file_bytes
    image = b"" if image is None or too_large else image
    label = _label(values["label"], columns["label"])
    header: dict[str, Any] = {"number": number, "label": label, "path": str(path)[:CHARACTERS], "n_bytes": len(image)}
    header["too_large"] = too_large
    if values.get("question") is not None:
        header["question"] = _text(values["question"])
    for what in ("group", "split"):
        header[what] = _text(values.get(what))
    return header, bytes(image)


def _label(value: Any, column: Column) -> str:
    """Return a label as text, by the names of the classes where the table has them; "" where there is none."""
    if column.class_names and isinstance(value, float) and value.is_integer():
        value = int(value)  # as whole numbers are kept beside a missing one
    if column.class_names and isinstance(value, int):
        value = column.class_names[value] if 0 <= value < len(column.class_names) else None
    return _text(value)


def _plain(batch: Any, name: str, at: int) -> Any:
    return batch.column(batch.schema.get_field_index(name))[at].as_py()


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float | Decimal) and not math.isfinite(value)):
        return ""
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = int(value)
    if isinstance(value, bytes):
        value = _words(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # how whole numbers are written beside a missing one
    return (json.dumps(value) if isinstance(value, bool) else str(value))[:CHARACTERS]


def _words(value: bytes) -> str:
    """Return the text of bytes, which is how tables without a kind for texts keep them."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        cause = "They are bytes that are no text."
        raise UserError(
            "The labels or questions were not read.", cause, "Write texts or numbers, or name another column."
        ) from None


if __name__ == "__main__":
    main()
