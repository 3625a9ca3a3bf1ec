"""Rows of Parquet files and of folders that ``datasets`` saved, read by a process of their own with bounded memory.

Takes paths; yields rows, their pictures still bytes. Files of this kind say themselves how large they become when they are read,
and may say it untruly, so ``arrow_worker`` reads them in a process whose memory is limited; whatever becomes of it, this one lives.
The package pyarrow is optional. Nothing of these files is ever unpickled.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sn_viz.errors import UserError
from sn_viz.sources.budget import MIB, Budget
from sn_viz.sources.text import quoted

WORKER_BYTES = 3072 * MIB
"""Address space of the reading process, where the system can limit it."""
HEADER_BYTES = 1 << 20
"""Of one row: everything but its picture."""


@dataclass(frozen=True)
class ArrowRow:
    """One row."""

    number: int
    label: str
    """"" where it has none."""
    image: bytes
    """Empty where the row has none, or only names a file."""
    path: str = ""
    """The file that it names."""
    question: str | None = None
    group: str = ""
    split: str = ""
    too_large: bool = False
    """Whether its picture has more bytes than one may have; then there are none."""


@dataclass(frozen=True)
class Splits:
    """What a table's column of splits says; comes before its rows."""

    names: tuple[str, ...]
    bare: frozenset[str] = frozenset()
    """Those of which no row has a label."""


def has_labels(paths: Sequence[Path], kind: str, asked: Mapping[str, str], name: str, budget: Budget) -> bool:
    """Return whether any row has a label; arguments and errors are those of `read_rows`, and a missing column is no error."""
    return bool(list(read_rows(paths, kind, asked, name, budget, peek=True)))


def read_rows(
    paths: Sequence[Path], kind: str, asked: Mapping[str, str], name: str, budget: Budget, peek: bool = False
) -> Iterator[ArrowRow | Splits | str]:
    """Yield notes (str), splits and rows of a table that lies in one or several files.

    Parameters
    ----------
    paths : sequence of Path
        In order; a table of more than ``budget.files`` rows is read as a random choice of that many, which a note says.
    kind : str
        "parquet" or "arrow".
    asked : mapping
        Columns that the user named.
    name : str
        What messages call the whole.
    budget : Budget
    peek : bool
        Yield no rows, but one note when any has a label.

    Raises
    ------
    UserError
        When the package pyarrow is missing, and whenever the table cannot be read.
    """
    if importlib.util.find_spec("pyarrow") is None:
        cause = "The package 'pyarrow' is not installed."
        raise UserError(f"{quoted(name)} was not read.", cause, "Run: pip install pyarrow")
    task = {
        "paths": [str(path.resolve()) for path in paths],
        "kind": kind,
        "asked": dict(asked),
        "name": name,
        "rows": budget.files,
        "peek": peek,
        "file_bytes": budget.file_bytes,
        "memory": WORKER_BYTES,
    }
    try:
        yield from from_worker("sn_viz.sources.arrow_worker", task)
    except WorkerFailed:
        raise _damaged(name) from None


class WorkerFailed(Exception):
    """Raised when a reading process ended without saying why: by damage, or for want of memory."""


def from_worker(module: str, task: Mapping[str, Any]) -> Iterator[ArrowRow | Splits | str]:
    """Yield what a process of its own sends, which is given the task as JSON.

    Raises
    ------
    UserError
        The one that the process ended with.
    WorkerFailed
    """
    environment = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env=environment,
            cwd=Path(__file__).parents[2],
        ) as worker,
    ):
        assert worker.stdin is not None and worker.stdout is not None
        try:
            worker.stdin.write(json.dumps(task).encode())
            worker.stdin.close()
            yield from _frames(worker.stdout)
        except BrokenPipeError:
            raise WorkerFailed from None
        finally:
            worker.kill()


def _frames(pipe: IO[bytes]) -> Iterator[ArrowRow | Splits | str]:
    """Yield what the worker sends: a length, a line of JSON of that length, and the picture's bytes."""
    while True:
        header = _header(pipe)
        if header is None or "failed" in header:
            raise WorkerFailed
        if "done" in header:
            return
        if "refused" in header:
            raise UserError(*header["refused"])
        if "note" in header:
            yield header["note"]
            continue
        if "splits" in header:
            yield Splits(tuple(header["splits"]), frozenset(header["bare"]))
            continue
        n_bytes = header.pop("n_bytes")
        image = pipe.read(n_bytes)
        if len(image) != n_bytes:
            raise WorkerFailed
        yield ArrowRow(image=image, **header)


def _header(pipe: IO[bytes]) -> dict[str, Any] | None:
    length = int.from_bytes(pipe.read(4), "little")
    text = pipe.read(length) if 0 < length <= HEADER_BYTES else b""
    return json.loads(text) if text and len(text) == length else None


def _damaged(name: str) -> UserError:
    cause = f"It is damaged, of another kind, or needs more than {WORKER_BYTES // MIB} MiB to be read."
    return UserError(f"{quoted(name)} was not read.", cause, "Write it again, in smaller row groups.")
