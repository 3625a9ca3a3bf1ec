"""A data set of the Hugging Face Hub: ``hub:OWNER/NAME``, ``hub:OWNER/NAME@REVISION``.

Takes that reference, returns images to open. The package ``datasets`` is optional and imported on use; rows are streamed, only the
first ``IMAGES`` of a seeded shuffle are fetched, and the bytes go through the one door like any others. No code of it is run.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sn_viz.errors import UserError
from sn_viz.sources.budget import Budget
from sn_viz.sources.gather import Found
from sn_viz.sources.ingest import decode
from sn_viz.sources.rows import COLUMNS
from sn_viz.sources.source import SOURCES
from sn_viz.sources.text import listed, quoted
from sn_viz.types import Picture

SCHEME = "hub:"
SPLIT = "train"
IMAGES = 400
SHUFFLE = 1000
"""Rows held while shuffling: many data sets are sorted by class."""
_REFERENCE = re.compile(r"(?P<name>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>[\w./-]+))?", re.ASCII)


@SOURCES.register("hub")
class Hub:
    """A data set of the Hugging Face Hub, as hub:OWNER/NAME or hub:OWNER/NAME@REVISION (needs the package datasets)."""

    @staticmethod
    def accepts(data: object) -> bool:
        return isinstance(data, str) and data.startswith(SCHEME)

    @staticmethod
    def read(data: str, budget: Budget) -> Iterator[Found]:
        rows = _stream(data)
        columns = _columns(rows.features, data)
        label_names = getattr(rows.features[columns["label"]], "names", None)
        for number, row in enumerate(_rows(rows, data)):
            label = row[columns["label"]]
            if label is None:
                continue
            class_name = label_names[label] if label_names else str(label)
            image = row[columns["image"]] or {}
            question = row[columns["question"]] if "question" in columns else None
            yield Found(f"row {number}", class_name, functools.partial(_open, image.get("bytes"), number, budget), question)


def _stream(data: str) -> Any:
    """Return the shuffled beginning of the data set, with images left as bytes."""
    match = _REFERENCE.fullmatch(data.removeprefix(SCHEME))
    if match is None:
        raise UserError(f"{quoted(data)} is not a data set of the hub.", "It is written hub:OWNER/NAME.", "Check the name.")
    if Path(match["name"]).exists():
        cause = f"There is also a folder {match['name']} here, which would be read instead."
        raise UserError(f"{quoted(data)} was not read.", cause, "Leave out hub: to read the folder, or start elsewhere.")
    try:
        import datasets  # pyright: ignore[reportMissingImports]  # optional
    except ImportError:
        cause = "The package 'datasets' is not installed."
        raise UserError(f"{quoted(data)} was not read.", cause, "Run: pip install datasets") from None
    try:
        rows = datasets.load_dataset(match["name"], split=SPLIT, streaming=True, revision=match["revision"])
        if rows.features is None:
            rows = rows._resolve_features()
        image = next((name for name, kind in (rows.features or {}).items() if isinstance(kind, datasets.Image)), None)
        if image is None:
            raise UserError(f"{quoted(data)} was not read.", "It has no column of images.", "Choose another data set.")
        return rows.cast_column(image, datasets.Image(decode=False)).shuffle(seed=0, buffer_size=SHUFFLE).take(IMAGES)
    except _hub_failures() as error:
        raise _unreachable(data) from error


def _columns(features: Any, data: str) -> dict[str, str]:
    """Return the name of the column of each field: the image by its kind, the others by their names."""
    columns = {"image": next(name for name, kind in features.items() if type(kind).__name__ == "Image")}
    for field in ("label", "question"):
        for alias in COLUMNS[field]:
            if alias in features:
                columns.setdefault(field, alias)
    if "label" not in columns:
        columns["label"] = next((name for name, kind in features.items() if hasattr(kind, "names")), "")
    if not columns["label"]:
        cause = f"No column is called label or class. There are: {listed([quoted(name) for name in features])}."
        raise UserError(f"{quoted(data)} was not read.", cause, "Choose another data set.")
    return columns


def _rows(rows: Any, data: str) -> Iterator[dict]:
    try:
        yield from rows
    except _hub_failures() as error:
        raise _unreachable(data) from error


def _hub_failures() -> tuple[type[Exception], ...]:
    """Return what the hub's client raises for an unknown name, a refused access, a missing split or no network."""
    from httpx import HTTPError

    return (OSError, ValueError, RuntimeError, HTTPError)


def _open(data: bytes | None, number: int, budget: Budget) -> Picture:
    return decode(data or b"", f"row {number}", budget)


def _unreachable(data: str) -> UserError:
    cause = f"The hub cannot be reached, or it has no such public data set with a split '{SPLIT}'."
    return UserError(
        f"{quoted(data)} was not read.", cause, "Check the name and the network, or use a folder, a table or a sample pack."
    )
