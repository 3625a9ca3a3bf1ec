"""Finds the best threshold of every neuron: the search for super neurons.

Takes values (example, neuron) and integer labels, returns ``Stumps``; or, for meaningless labels, the scores of the best. It knows
nothing about models, images or layers. The compiled kernels are loaded on the first search; call ``warm_up`` at start to have
that, and the one compilation a new machine needs, out of the way.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from math import prod
from pathlib import Path
from threading import RLock, Thread, local
from types import ModuleType
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int64, Shaped, UInt16

from sn_viz.errors import UserError
from sn_viz.groups import shuffled_labels
from sn_viz.matrix import slabs
from sn_viz.search.rules import RULES, Rule
from sn_viz.types import Stumps

_LOADING = {kind: RLock() for kind in ("search", "null", "fixed")}
"""Each is held while kernels of that kind are compiled or loaded."""

METRICS = ("balanced-accuracy", "accuracy", "roc-auc", "f1", "effect-size")
"""What a stump can be scored by, on one class against the rest."""
METRIC_WORDS = {
    "balanced-accuracy": "Mean of the shares right of the class and of the others, at the best cut.",
    "accuracy": "Share right at the best cut.",
    "roc-auc": "Area under the curve of all cuts: the chance that a picture of the class has the higher value.",
    "f1": "Harmonic mean of precision and recall at the best cut.",
    "effect-size": "How far the class means lie apart, in deviations within the classes (Cohen's d, 1988; as sparse probing ranks "
    "neurons, Gurnee et al. 2023, arXiv 2305.01610). Not a share: from 0, without an upper end that means perfect.",
}
"""What each of them says, for people."""
WITHOUT_CUT = ("roc-auc", "effect-size")
"""Metrics that score the values themselves: they decide score and sign, and the cut is the most accurate one with that sign."""

Search = Callable[..., Stumps]
"""Whatever is called as `find_stumps` is and returns the same; who only chooses the best of them may leave out the others (NaN)."""
MAX_EXAMPLES = 60_000
"""Counts of pairs must fit 32 bits."""
STUMP_BYTES = 100
"""Memory for each stump while it is searched, chosen and kept, measured with 300 classes: what bounds the number of classes."""
FEW_STUMPS = 10**6
"""Up to this many are searched without asking how much memory is free."""
STRIP_VALUES = 2**21
"""Values a thread works on between two looks at the queue."""
WORK_BYTES = 2**20
"""Values a thread has before it as sortable keys: they stay in the second-level cache."""


def find_stumps(
    values: np.ndarray,
    labels: np.ndarray,
    rule: str = "best-split",
    metric: str = "balanced-accuracy",
    classes: int | Sequence[str] | None = None,
    rows: np.ndarray | None = None,
    threads: int | None = None,
) -> Stumps:
    """Return the best stump of every neuron (two classes), or of every neuron and class (more).

    Parameters
    ----------
    values : float16 or float32 (example, neuron)
        May be a read-only memory map: it is then read a slab of neurons at a time. Other float types are searched as float32.
    labels : int (example,)
        From 0; -1 (unknown) is refused.
    rule : str
        "best-split" tries every cut between two distinct values; "midpoint" and "zero" fix the threshold beforehand.
    metric : str
        "balanced-accuracy", "accuracy", "roc-auc", "f1" or "effect-size", of one class against the rest.
    classes : int or sequence of str, optional
        How many classes there are, or their names; by default the highest label plus one, and at least two.
    rows : int (row,), optional
        These examples only, one as often as it is named: the same as ``values[rows]`` and ``labels[rows]``, without the copy.
    threads : int, optional
        How many search side by side; by default as many as there are cores. The result does not depend on it.

    Returns
    -------
    Stumps
        Two classes: one stump per neuron, in the order of the columns, speaking for class 1. More: one per neuron and class,
        neuron-major. Scores are exact counts, rounded once to float32. ``margin`` is the gap around the threshold as a fraction
        of the neuron's range.

    Raises
    ------
    UserError
        For unknown rules or metrics, unknown labels, shapes that do not match, fewer than two examples or too many; when so many
        stumps need more memory than is free.

    Notes
    -----
    A value equal to the threshold is on neither side. Equal values are never separated, and minus zero equals zero. With
    "best-split" the threshold is the midpoint between the two neighbouring distinct values, rounded to float32; where float32
    has none between them it is the neighbour that is not to be included. Among cuts of equal score the one with the wider gap
    wins, then the lower cut, then sign +1. For "roc-auc" the area decides score and sign, and the cut is the one of highest
    balanced accuracy with that sign. "effect-size" does the same with the distance of the class means over the pooled deviation
    (Cohen's d, J. Cohen, "Statistical power analysis for the behavioral sciences", 1988, eq. 2.5.1), which ranks neurons in sparse
    probing (W. Gurnee et al., "Finding neurons in a haystack", 2023, arXiv 2305.01610): a positive number without an upper end,
    at most 1000, which stands for neurons that do not spread within the classes. Undefined, with score NaN: neurons with a NaN or
    infinite value, constant neurons, and classes that hold no example or all of them.
    """
    values, labels, n_classes = _checked(values, labels, classes, rows)
    code, chosen = _metric_code(metric), RULES[rule]
    target_classes = np.array([1] if n_classes == 2 else range(n_classes), np.int64)
    shape = (values.shape[1], len(target_classes))
    _check_memory(*shape)
    found = np.empty(shape, np.float32), np.empty(shape, np.int8), np.empty(shape, np.float32), np.empty(shape, np.float32)
    search = _strip_searcher(labels, n_classes, target_classes, chosen, code)

    def work(slab: np.ndarray, start: int, stop: int, offset: int) -> None:
        search(slab, start, stop, *(one[offset + start : offset + stop] for one in found))

    _in_strips(values, work, rows, threads)
    threshold, sign, score, margin = found
    return Stumps(
        neuron=np.repeat(np.arange(shape[0], dtype=np.int64), len(target_classes)),
        class_index=np.tile(target_classes.astype(np.int16), shape[0]),
        threshold=threshold.ravel(),
        sign=sign.ravel(),
        score=score.ravel(),
        margin=margin.ravel(),
    )


def _check_memory(n_neurons: int, n_classes: int) -> None:
    """Refuse a search whose stumps need more memory than is free: with many classes there is one for each neuron and class."""
    if n_neurons * n_classes <= FEW_STUMPS:
        return
    needed, free = STUMP_BYTES * n_neurons * n_classes, _free_bytes()
    if needed > free:
        gib = 2**30
        raise UserError(
            "The search needs more memory than is free.",
            f"{n_neurons} neurons for {n_classes} classes take about {needed / gib:.1f} GiB; {free / gib:.1f} GiB are free.",
            "Use fewer classes, sites or layers.",
        )


def _free_bytes(told: Path = Path("/proc/meminfo")) -> float:
    """Return how much memory can be had; infinity where the system does not tell."""
    try:
        lines = told.read_text(encoding="ascii").splitlines()
    except OSError:
        return float("inf")
    found = (line.split() for line in lines if line.startswith("MemAvailable:"))
    return next((float(words[1]) * 1024 for words in found), float("inf"))


def best_scores_under_null(
    values: np.ndarray,
    labels: np.ndarray,
    metric: str = "balanced-accuracy",
    rule: str = "best-split",
    n_labellings: int = 100,
    seed: int = 0,
    groups: np.ndarray | None = None,
    threads: int | None = None,
) -> Float32[np.ndarray, " labelling"]:
    """Return how well the best neuron does when the labels are shuffled and mean nothing.

    Parameters
    ----------
    values : float16 or float32 (example, neuron)
    labels : int (example,)
        Shuffled ``n_labellings`` times, so that class sizes stay.
    metric, rule : str
        As in ``find_stumps``.
    n_labellings : int
    seed : int
    groups : int (example,), optional
        From ``sn_viz.groups.group_index``, where examples share a picture or a group: groups exchange their labels as wholes, and
        class sizes may change; see ``sn_viz.groups.shuffled_labels``.
    threads : int, optional
        As in ``find_stumps``.

    Returns
    -------
    float32 (labelling,)
        The highest score over neurons and classes; NaN when no neuron is defined.

    Notes
    -----
    Each neuron is sorted once and all labellings are read off together. Fixed-threshold rules are searched once a labelling.
    """
    values, labels, n_classes = _checked(values, labels, None)
    code = _metric_code(metric)
    rng = np.random.default_rng(seed)
    labellings = [shuffled_labels(labels, groups, rng) for _ in range(n_labellings)]
    shuffled = np.stack(labellings, axis=1) if n_labellings else labels[:, :0]
    if RULES[rule](np.zeros((2, 1), np.float32), np.array([True, False])) is not None:
        scores = [find_stumps(values, column, rule, metric, n_classes, threads=threads).score for column in shuffled.T]
        return np.array([np.nan if np.isnan(one).all() else np.nanmax(one) for one in scores], np.float32)
    target_classes = [1] if n_classes == 2 else range(n_classes)
    per_class = [_null_by_size(values, shuffled == c, code, threads) for c in target_classes]
    with np.errstate(invalid="ignore"):
        return np.fmax.reduce(per_class).astype(np.float32)


def warm_up(dtypes: Sequence[type[np.floating]] = (np.float16, np.float32), fixed: bool = True, apart: bool = False) -> None:
    """Load the compiled kernels for values of these types, and the fixed rules', compiling what this machine has not yet.

    With ``apart`` a process of its own compiles: the compiler would hold this one's interpreter lock for ten seconds. Whoever needs
    a kernel meanwhile waits for it, not for the others.
    """
    kinds = list(_LOADING)[: None if fixed else 2]
    with ExitStack() as beside:
        held = {kind: beside.enter_context(ExitStack()) for kind in kinds}
        for kind in reversed(kinds):  # who waits here for one that warms up already has none of those that are done
            held[kind].enter_context(_LOADING[kind])
        if apart and sys.executable and not _kernels("search").kept():
            said = beside.enter_context(_compiler([np.dtype(dtype).name for dtype in dtypes], kinds))
        else:
            said = iter(())
        for kind in kinds:
            next(said, None)  # or it has ended, and what is missing is compiled here
            _load(kind, dtypes)
            held[kind].close()


@contextmanager
def _compiler(dtypes: Sequence[str], kinds: Sequence[str]) -> Iterator[Iterator[str]]:
    """Start a process that compiles kernels; it says a line after each kind."""
    code = (
        "import numpy; from sn_viz.search.stumps import _load\n"
        f"for kind in {list(kinds)}: print(_load(kind, [getattr(numpy, name) for name in {list(dtypes)}]), flush=True)"
    )
    where = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": where},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process.stdout


def warm_up_beside(fixed: bool = True) -> None:
    """Warm up for float16 in a thread of its own, compiling apart; a process that ends does not wait for it."""
    Thread(target=warm_up, args=((np.float16,), fixed, True), name="warm-up", daemon=True).start()


def is_warming_up(kind: str = "search") -> bool:
    """Return whether a search, or a "null", that began now would wait for kernels that somebody is compiling or loading."""
    free = _LOADING[kind].acquire(blocking=False)
    if free:
        _LOADING[kind].release()
    return not free


def _load(kind: str, dtypes: Sequence[type[np.floating]]) -> None:
    """Load kernels of one kind for values of these types, compiling what this machine has not yet."""
    kernels = _kernels(kind)
    if kind == "fixed":
        for kernel in (kernels.halves, kernels.sums, kernels.cuts):
            kernel()
        return
    for dtype in dtypes:
        getattr(kernels, kind)(np.dtype(dtype).itemsize)


def _checked(
    values: np.ndarray, labels: np.ndarray, classes: int | Sequence[str] | None, rows: np.ndarray | None = None
) -> tuple[Shaped[np.ndarray, "example neuron"], Int64[np.ndarray, " row"], int]:
    """Return values, int64 labels and the number of classes, or say what is wrong with them: a caller gets a sentence, no shape."""
    values, labels = values if isinstance(values, np.ndarray) else np.asarray(values), np.asarray(labels)
    if values.ndim != 2 or labels.shape != values.shape[:1]:
        raise UserError(
            "The search cannot start.",
            f"Values have shape {values.shape} and labels {labels.shape}; (example, neuron) and (example,) are needed.",
            "Give one label per row of values.",
        )
    labels = labels if rows is None else labels[rows]
    if not 2 <= len(labels) <= MAX_EXAMPLES:
        raise UserError(
            "The search cannot start.",
            f"There are {len(labels)} examples; 2 to {MAX_EXAMPLES:,} are allowed.",
            "Label more images." if len(labels) < 2 else "Search a sample of them.",
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise UserError(
            "The search cannot start.",
            "Some labels are unknown (-1) or not whole numbers from 0.",
            "Label every image of the probing set, or leave the others out.",
        )
    highest = int(labels.max())
    if classes is None:
        n_classes = highest + 1
    else:
        n_classes = int(classes) if isinstance(classes, int | np.integer) else len(classes)
    if highest >= n_classes:
        raise UserError(
            "The search cannot start.",
            f"A label is {highest}, but there are {n_classes} classes.",
            "Number the labels from 0 to the number of classes less one.",
        )
    return values, labels.astype(np.int64), max(2, n_classes)


def _metric_code(metric: str) -> int:
    """Return the number the kernels know a metric by."""
    if metric not in METRICS:
        raise UserError(f"There is no metric called {metric!r}.", f"There are: {', '.join(METRICS)}.", "Choose one of these.")
    return METRICS.index(metric)


def _kernels(kind: str) -> ModuleType:
    """Import the module of the compiled kernels of a kind, once those who warm up are done with it."""
    with _LOADING[kind]:
        from sn_viz.search.kernels import best_split, fixed

    return fixed if kind == "fixed" else best_split


def _in_strips(
    values: np.ndarray,
    work: Callable[[np.ndarray, int, int, int], None],
    rows: np.ndarray | None = None,
    threads: int | None = None,
) -> None:
    """Call ``work(slab, start, stop, first column of the slab)`` on every strip of neurons of these rows, on all cores."""
    _kernels("search")
    threads = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        for slab, offset in slabs(values, rows):
            columns = slab.shape[1]
            share = 64 * max(1, -(-columns // (64 * threads)))  # of few values every thread has a part
            width = min(share, _neurons_of(STRIP_VALUES, len(slab)))
            starts = range(0, columns, width)
            done = pool.map(lambda start: work(slab, start, min(start + width, columns), offset), starts)  # noqa: B023
            for _ in done:
                pass


def _neurons_of(n_values: int, n_examples: int) -> int:
    """Return how many neurons hold about so many values of ``n_examples``: at least 64, and a multiple of it."""
    width = n_values // n_examples
    return max(64, width - width % 64)


def _bits(slab: np.ndarray, start: int, stop: int) -> tuple[np.ndarray, int, int]:
    """Return bit patterns, uint16 or uint32 (example, neuron), and which columns; copies only rows that are not in one piece."""
    if slab.strides[1] != slab.itemsize:
        slab, start, stop = np.ascontiguousarray(slab[:, start:stop]), 0, stop - start
    return slab.view(np.uint16 if slab.dtype == np.float16 else np.uint32), start, stop


class _Plan(NamedTuple):
    """In which order the kernels take the examples; see ``sn_viz.search.kernels.best_split``."""

    place: Int64[np.ndarray, " example"]
    """The row each example is loaded into."""
    rows: int
    """Rows of a group of lanes."""
    runs: Int64[np.ndarray, " border"]
    """Where rows that are sorted apart begin and end; empty when none are."""
    source: Int64[np.ndarray, " example"]
    """The rows to merge, in this order: the first of two neighbouring runs falls."""
    tags: UInt16[np.ndarray, " example"]
    """What each of them carries along."""
    ends: Int64[np.ndarray, " run"]
    """Where each run ends among them."""

    def work_space(self, itemsize: int) -> tuple[np.ndarray, ...]:
        """Return strip, keys and qualities: rows of integers for as many neurons as there are lanes."""
        lanes, n = (32, len(self.place)) if itemsize == 2 else (16, len(self.place))
        groups = min(16, max(1, WORK_BYTES // (self.rows * lanes * itemsize)))
        narrow, wide = (np.uint16, np.uint32) if itemsize == 2 else (np.uint32, np.uint64)
        keys = _aligned((n if len(self.ends) else self.rows, 16), wide)
        return _aligned((groups * self.rows, lanes), narrow), keys, _aligned((n, 16), np.int32)


def _in_order(tags: np.ndarray) -> _Plan:
    """Return the plan that sorts all examples together, each with its tag (example,)."""
    rows, none = np.arange(len(tags), dtype=np.int64), np.empty(0, np.int64)
    return _Plan(rows, _whole_blocks(len(tags)), none, rows, tags.astype(np.uint16), none)


def _by_class(labels: np.ndarray, n_classes: int) -> _Plan:
    """Return the plan that sorts each class apart and then merges; with many small classes that does not pay."""
    counts = np.bincount(labels, minlength=n_classes)
    runs = np.concatenate([[0], np.cumsum([_whole_blocks(count) for count in counts.tolist()])])
    if runs[-1] > max(2 * len(labels), 64):
        return _in_order(labels)
    source = [start + np.arange(count) for start, count in zip(runs[:-1], counts, strict=True)]
    place = np.empty(len(labels), np.int64)
    for c, rows in enumerate(source):
        place[labels == c] = rows
    source[:-1:2] = [rows[::-1] for rows in source[:-1:2]]
    tags = np.repeat(np.arange(n_classes), counts).astype(np.uint16)
    return _Plan(place, int(runs[-1]), runs, np.concatenate(source), tags, np.cumsum(counts))


def _whole_blocks(n: int) -> int:
    """Return how many rows the sorting kernels need for ``n``: a multiple of 16."""
    return -(-n // 16) * 16


def _aligned(shape: tuple[int, int], dtype: type[np.generic]) -> np.ndarray:
    """Return an empty array that begins on a cache line, which vector registers load in one piece."""
    size = prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + 64, np.uint8)
    first = -memory.ctypes.data % 64
    return memory[first : first + size].view(dtype).reshape(shape)


class _Spaces(local):
    """Work space of one plan, one per thread and kept until the search is over."""

    def __init__(self, plan: _Plan) -> None:
        self._plan, self._spaces = plan, dict[int, tuple[np.ndarray, ...]]()

    def get(self, itemsize: int) -> tuple[np.ndarray, ...]:
        if itemsize not in self._spaces:
            self._spaces[itemsize] = self._plan.work_space(itemsize)
        return self._spaces[itemsize]


def _strip_searcher(labels: np.ndarray, n_classes: int, target_classes: np.ndarray, rule: Rule, code: int) -> Callable[..., None]:
    """Return search(slab, start, stop, threshold, sign, score, margin), which fills the last four (stop - start, output)."""
    counts = np.bincount(labels, minlength=n_classes)
    plan = _by_class(labels, n_classes)
    spaces = _Spaces(plan)

    def every_cut(slab: np.ndarray, start: int, stop: int, *found: np.ndarray) -> None:
        columns = _bits(slab, start, stop)
        _kernels("search").search(slab.itemsize)(*columns, *plan, counts, target_classes, code, *spaces.get(slab.itemsize), *found)

    def fixed_cut(slab: np.ndarray, start: int, stop: int, *found: np.ndarray) -> None:
        width = _neurons_of(WORK_BYTES // 4, len(slab))
        for first in range(start, stop, width):
            after = min(first + width, stop)
            fixed_cut_of_block(slab, first, after, *(one[first - start : after - start] for one in found))

    def fixed_cut_of_block(slab: np.ndarray, start: int, stop: int, *found: np.ndarray) -> None:
        threshold, sign, score, margin = found
        if METRICS[code] in WITHOUT_CUT:
            every_cut(slab, start, stop, *found)
        else:
            sign[:], score[:] = 1, np.nan
        threshold[:], margin[:] = 0, 0
        kernels = _kernels("fixed")
        block = kernels.as_float32(*_bits(slab, start, stop))
        for output, c in enumerate(target_classes):
            if 0 < counts[c] < len(labels):
                is_class = labels == c
                with np.errstate(invalid="ignore", over="ignore"):
                    cut = rule(block, is_class)
                assert cut is not None, "a rule gives thresholds always or never"
                kernels.cuts()(block, is_class, np.ascontiguousarray(cut, np.float32), code, output, *found)

    trial = rule(np.zeros((2, 1), np.float32), np.array([True, False]))
    return every_cut if trial is None else fixed_cut


def _null_by_size(values: np.ndarray, is_class: np.ndarray, code: int, threads: int | None) -> np.ndarray:
    """Return what `_null_of_class` does, for labellings whose classes need not be equally large."""
    sizes, found = is_class.sum(axis=0), np.full(is_class.shape[1], np.nan)
    for size in np.unique(sizes):
        found[sizes == size] = _null_of_class(values, np.ascontiguousarray(is_class[:, sizes == size]), code, threads)
    return found


def _null_of_class(values: np.ndarray, is_class: np.ndarray, code: int, threads: int | None = None) -> np.ndarray:
    """Return the best score over neurons for each labelling: is_class bool (example, labelling) -> float64 (labelling,)."""
    n_examples, n_labellings = is_class.shape
    n_inside = int(is_class[:, 0].sum()) if n_labellings else 0
    n_outside = n_examples - n_inside
    if not n_labellings or not n_inside or not n_outside:
        return np.full(n_labellings, np.nan)
    name = METRICS[code]
    weights = {
        "balanced-accuracy": np.where(is_class, n_outside, -n_inside).astype(np.int32),
        "accuracy": np.where(is_class, 1, -1).astype(np.int32),
    }.get(name, is_class.astype(np.int32))
    below, above = {"accuracy": (n_outside, n_inside), "f1": (n_inside, n_outside)}.get(name, (0, 0))
    offsets = np.full(n_labellings, below, np.int32), np.full(n_labellings, above, np.int32)
    plan = _in_order(np.arange(n_examples))
    spaces, found = _Spaces(plan), []

    def work(slab: np.ndarray, start: int, stop: int, offset: int) -> None:
        best = np.full(n_labellings, -np.inf)
        columns = _bits(slab, start, stop)
        _kernels("null").null(slab.itemsize)(*columns, *plan, weights, *offsets, code, *spaces.get(slab.itemsize)[:2], best)
        found.append(best)

    _in_strips(values, work, threads=threads)
    best = np.max(found, axis=0) if found else np.full(n_labellings, -np.inf)
    if name == "effect-size":
        return np.where(best >= 0, _kernels("null").effect_size(np.maximum(best, 0), n_inside, n_outside), np.nan)
    if name == "accuracy":
        best /= n_examples
    elif name != "f1":
        best = best / (2 * n_inside * n_outside) + 0.5
    return np.where(best > 0, best, np.nan)  # where no neuron is defined it is the lowest number
