"""What one worker does: it holds the model, reads batches, and searches blocks of neurons; whoever hands it jobs, and wherever.

Takes jobs, returns next to nothing: rows go to the store and to the shared matrix, which all workers and whoever hands out the jobs
see as files. So little travels, and a job that is done twice, by whomever, writes the same bytes again. It knows nothing about Ray.
"""

from __future__ import annotations

import os
import pickle
import platform
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sn_viz.activations.store import Store
from sn_viz.errors import UserError
from sn_viz.matrix import SharedFile
from sn_viz.models.options import LoadOptions
from sn_viz.search.stumps import best_scores_under_null, find_stumps, warm_up
from sn_viz.sources.later import Reference
from sn_viz.types import Picture, Stumps
from sn_viz.voting.voters import candidates

if TYPE_CHECKING:
    from sn_viz.models.vlm import Vlm

OPEN_AT_ONCE = 4
"""Matrices that a worker keeps open: those of the two splits of a run, and of the run before."""


@dataclass(frozen=True)
class Setup:
    """What a worker is when it begins."""

    source: str
    """What loads the model, as it does where the jobs come from."""
    options: LoadOptions
    device: str
    key: str
    """Names the model's weights, numbers and preparation: another key is another model."""
    threads: int
    """How many it computes with, in passes and in the search: numbers may depend on it in their last bits."""
    version: str
    """Of this package."""


@dataclass(frozen=True)
class Kept:
    """A picture that only the sender had, as a file in the shared folder."""

    path: str
    sha256: bytes

    def picture(self) -> Picture:
        try:
            found = Picture(np.load(self.path, allow_pickle=False))
        except (OSError, ValueError) as error:
            raise _not_shared(Path(self.path).parent) from error
        if found.sha256 != self.sha256.hex():
            raise UserError("A picture was damaged on its way.", "Its file in the cache folder has other pixels.", "Run it again.")
        return found


@dataclass(frozen=True)
class Pass:
    """One batch: read it, write its rows."""

    pictures: tuple[Reference | Kept, ...]
    questions: tuple[str, ...]
    last: int
    sites: tuple[str, ...]
    parts: tuple[tuple[str, tuple[str, ...]], ...]
    """As in `sn_viz.activations.extract.Reading`."""
    matrix: SharedFile
    rows: tuple[int, ...]
    """Where the rows go in it."""
    store: str | None
    """The folder of the store; None where nothing is kept."""

    def run(self, worker: Worker) -> None:
        """Read the batch and write its rows to the matrix and the store."""
        from sn_viz.activations.extract import Reading, keep, read_pass, row_names_of

        vlm, dtype = worker.vlm, np.float16 if self.matrix.dtype == "float16" else np.float32
        pictures = [one.picture() for one in self.pictures]
        reading = Reading(vlm, pictures, self.questions, (), self.last, self.sites, dtype, self.parts)
        columns = reading.columns()
        try:
            found = read_pass(vlm, pictures, self.questions, self.last, self.sites, dtype)
        except UserError as error:
            if "can no longer be read" in error.what:
                hint = "Let all machines see the pictures, under the same path."
                raise UserError(f"{error.what[:-1]} on {platform.node()}.", error.cause, hint) from error
            raise
        self.matrix.write(list(self.rows), found[:, columns[0]])
        if self.store is not None:
            keep(worker.store(self.store).put, self.parts, columns, row_names_of(pictures, self.questions), found)


@dataclass(frozen=True)
class Copy:
    """Rows that the store holds: write them to the matrix."""

    store: str
    keys: tuple[str, ...]
    names: tuple[bytes, ...]
    """SHA-256 that the rows are named by."""
    matrix: SharedFile
    rows: tuple[tuple[int, ...], ...]
    """Where each goes."""

    def run(self, worker: Worker) -> list[int]:
        """Return which of the names were not there, or damaged."""
        store, absent, width = worker.store(self.store), [], self.matrix.shape[1]
        for number, (name, rows) in enumerate(zip(self.names, self.rows, strict=True)):
            found = next((row for key in self.keys if (row := store.get(key, [name.hex()]).get(name.hex())) is not None), None)
            if found is None:
                absent.append(number)
            else:
                self.matrix.write(list(rows), np.broadcast_to(found[:width], (len(rows), width)))
        return absent


@dataclass(frozen=True)
class Block:
    """Some neighbouring neurons of a matrix, to be searched."""

    matrix: SharedFile
    start: int
    stop: int
    labels: np.ndarray
    """Of the smallest type that holds them."""

    def values(self, worker: Worker) -> np.ndarray:
        return worker.matrix(self.matrix)[:, self.start : self.stop]


@dataclass(frozen=True)
class Search(Block):
    """Find the stumps of a block."""

    rule: str
    metric: str
    classes: int | None
    rows: np.ndarray | None
    voters: int | None = None
    """With a number, only what may be among so many voters up to a layer comes back."""
    ends: tuple[int, ...] = ()
    """After how many neurons of the block layers end."""

    def run(self, worker: Worker) -> tuple[np.ndarray | None, Lean]:
        """Return the stumps, and of which positions they are where not all were wanted."""
        labels, rows = self.labels.astype(np.int64), None if self.rows is None else self.rows.astype(np.int64)
        stumps = find_stumps(self.values(worker), labels, self.rule, self.metric, self.classes, rows, threads=worker.setup.threads)
        if self.voters is None:
            return None, Lean.of(stumps)
        n_classes = self.classes or max(2, int(labels.max()) + 1)
        kept = candidates(stumps, self.ends, self.voters, n_classes)
        return kept.astype(np.int32), Lean.of(stumps.take(kept))


@dataclass(frozen=True)
class Null(Block):
    """Find how well the best neuron of a block does on shuffled labels."""

    metric: str
    rule: str
    n_labellings: int
    seed: int
    groups: np.ndarray | None

    def run(self, worker: Worker) -> np.ndarray:
        given = self.labels.astype(np.int64), self.metric, self.rule, self.n_labellings, self.seed, self.groups
        return best_scores_under_null(self.values(worker), *given, threads=worker.setup.threads)


Job = Pass | Copy | Search | Null


class Lean(NamedTuple):
    """Stumps without what whoever asked for them knows: neurons and classes follow from the order."""

    threshold: np.ndarray
    sign: np.ndarray
    score: np.ndarray
    margin: np.ndarray

    @classmethod
    def of(cls, stumps: Stumps) -> Lean:
        """Return the bare numbers of what a search has found."""
        assert stumps.margin is not None, "a search knows the margins"
        return cls(stumps.threshold, stumps.sign, stumps.score, stumps.margin)


class Worker:
    """Does jobs, one after the other.

    Parameters
    ----------
    setup : Setup
    """

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._stores: dict[str, Store] = {}
        self._matrices: OrderedDict[str, np.ndarray] = OrderedDict()

    @cached_property
    def vlm(self) -> Vlm:
        """The model, loaded on first use, computing with as many threads as it was told.

        Raises
        ------
        UserError
            When it cannot be loaded here, or is another one.
        """
        from sn_viz.activations.model_cache import model_named
        from sn_viz.models.threads import use_threads

        if self.setup.device == "cpu":
            use_threads(self.setup.threads)
        found = model_named(self.setup.source, self.setup.device, options=self.setup.options)
        if found.key != self.setup.key:
            raise UserError(
                f"{platform.node()} has another model called {found.name!r}.",
                f"It is {found.key}; {self.setup.key} was asked for.",
                "Give all machines the same files, and the same versions of the libraries.",
            )
        return found

    def _check_version(self) -> None:
        import sn_viz

        if sn_viz.__version__ != self.setup.version:
            raise UserError(
                f"{platform.node()} has sn_viz {sn_viz.__version__}, where {self.setup.version} is running.",
                "Versions may read other numbers.",
                "Install the same version on all machines.",
            )

    def store(self, folder: str) -> Store:
        """Return the store in a folder.

        Raises
        ------
        UserError
            When the folder is not there.
        """
        if folder not in self._stores:
            if not Path(folder).is_dir():
                raise _not_shared(Path(folder))
            self._stores[folder] = Store(folder, max_bytes=None)  # who hands out the jobs bounds it
        return self._stores[folder]

    def matrix(self, file: SharedFile) -> np.ndarray:
        """Return the values of a shared matrix, mapped once."""
        if file.path not in self._matrices:
            self._matrices[file.path] = file.values()
        self._matrices.move_to_end(file.path)
        while len(self._matrices) > OPEN_AT_ONCE:
            self._matrices.popitem(last=False)
        return self._matrices[file.path]

    def do(self, message: bytes) -> bytes:
        """Do a job that was packed, and return what it gives, packed: a result, or what the user has to put right."""
        try:
            return pack(("done", unpack(message).run(self)))
        except UserError as error:
            return pack(("refused", (error.what, error.cause, error.hint)))

    def ready(self) -> bytes:
        """Load the model and the kernels of the search; gives machine and process, packed, or why it is of no use."""
        try:
            self._check_version()
            _ = self.vlm
            warm_up((np.float16,), fixed=False)
            return pack(("done", (platform.node(), os.getpid())))
        except UserError as error:
            return pack(("refused", (error.what, error.cause, error.hint)))


def pack(value: Any) -> bytes:
    """Return any value of this package as few bytes."""
    return zlib.compress(pickle.dumps(value, protocol=5), 6)


def unpack(message: bytes) -> Any:
    """Return what was packed; only ever called on what this program itself has sent."""
    return pickle.loads(zlib.decompress(message))


def result_of(message: bytes) -> Any:
    """Return the result of a job; raises the UserError of one that was refused."""
    kind, value = unpack(message)
    if kind == "refused":
        raise UserError(*value)
    return value


def _not_shared(folder: Path) -> UserError:
    return UserError(
        f"{platform.node()} does not see the cache folder.",
        f"There is no {folder} on it, or another one.",
        "Let SN_VIZ_CACHE name a folder that all machines see, under the same path.",
    )


def smallest(numbers: np.ndarray) -> np.ndarray:
    """Return whole numbers from 0 in the smallest type that holds them."""
    return np.asarray(numbers).astype(np.min_scalar_type(int(np.max(numbers, initial=0))))


def edges(n_neurons: int, n_blocks: int, width: int) -> Sequence[tuple[int, int]]:
    """Return where blocks of neurons begin and end: at whole pieces of ``width``, about equally large.

    Examples
    --------
    >>> edges(10, 2, 4)
    [(0, 8), (8, 10)]
    """
    pieces = -(-n_neurons // width)
    n_blocks = max(1, min(n_blocks, pieces))
    at = [min(n_neurons, round(i * pieces / n_blocks) * width) for i in range(n_blocks + 1)]
    return [(start, stop) for start, stop in pairwise(at) if stop > start]
