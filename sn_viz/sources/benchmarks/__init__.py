"""Published benchmarks, read from the files as their authors give them out: one file each, registered under the name users type.

A benchmark lists its questions without opening a picture; ``sample`` draws probing and test questions from that list. To add one,
copy ``vizwiz.py``. Nothing here knows about models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sn_viz.registry import Registry
from sn_viz.sources.budget import Budget
from sn_viz.types import Picture

NO, YES = "no", "yes"
TRAIN, VAL = "train", "val"


@dataclass(frozen=True, slots=True)
class Asked:
    """One question about one picture; nothing has been opened yet."""

    name: str
    """What messages call it; literal text."""
    image: str
    """Tells pictures apart before they are opened: questions with the same ``image`` never fall on both sides of a split."""
    question: str
    answer: str
    """The right class, by name."""
    open: Callable[[Budget], Picture]
    """Reads and decodes; raises UserError when it cannot."""


@dataclass(frozen=True)
class HubSet:
    """A data set of the hub that holds a benchmark's rows, pictures included."""

    name: str
    """OWNER/NAME."""
    parts: Mapping[str, str]
    """The hub's split for each part of the benchmark."""


@dataclass(frozen=True)
class Benchmark:
    """How one benchmark is read."""

    title: str
    classes: tuple[str, ...]
    """In the order in which they are numbered; those that a sample lacks are left out of it."""
    folder: str
    """Name of its folder below a common root."""
    layout: str
    """What the folder holds, in words."""
    home: str
    """Where the files come from."""
    ours: str
    """What the published files leave open and we chose; "" where they settle everything."""
    local: Callable[[Path, str], Iterator[Asked]]
    """Lists the questions of one part of a folder; raises ``files.Missing`` when the part's files are not there."""
    row: Callable[[Mapping[str, Any], int, str], Asked | None] | None = None
    """Reads (row, its number, name of the data set) of the hub; None for a row that is no question of this benchmark."""
    hub: HubSet | None = None
    parts: tuple[str, str] = (TRAIN, VAL)
    """The part that probing questions are drawn from, and the part for test questions; equal where only one is published."""
    read: Callable[[str, str, tuple[str, ...]], int] | None = None
    """Reads (answer, question, classes) as the benchmark's own evaluator does: index of the class, or -1. None where the evaluator
    takes no free text, and answers are read as everywhere else."""


BENCHMARKS: Registry[Benchmark] = Registry("published benchmark", __name__)
