"""From a benchmark to the questions of one run: probing and test questions that share no picture, drawn by seed.

Takes ``bench:NAME=FOLDER`` (or ``=hub``, ``=hub:OWNER/NAME``) and two sizes; returns two ``LabelledImages``. It knows no
benchmark by name and no model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from sn_viz.errors import UserError
from sn_viz.sources.benchmarks import BENCHMARKS, Asked, Benchmark
from sn_viz.sources.benchmarks.files import Missing
from sn_viz.sources.benchmarks.hub_rows import rows
from sn_viz.sources.budget import DEFAULT, MIB, Budget
from sn_viz.sources.text import clean, display_name, listed, quoted
from sn_viz.types import LabelledImages, Picture

SCHEME, HUB = "bench:", "hub"
N_TRAIN, N_TEST = 400, 1000
"""How many probing and test questions are drawn unless asked otherwise."""
HUB_SPARE = 2
"""Rows fetched for each question that is wanted: some turn out to be repeats, or of a picture on the other side."""
PATIENCE = 50
"""Pictures in a row that cannot be opened before anything could, after which the folder is taken to be the wrong one."""
_SALT = 20260310


@dataclass(frozen=True)
class Reference:
    """What ``bench:NAME=WHERE`` names."""

    benchmark: Benchmark
    folder: Path | None
    """None for the hub."""
    hub: str = ""
    """OWNER/NAME, perhaps with a revision; "" for a folder."""


def load_benchmark(
    reference: str, n_train: int = N_TRAIN, n_test: int = N_TEST, seed: int = 0, budget: Budget = DEFAULT
) -> tuple[LabelledImages, LabelledImages]:
    """Return probing and test questions of a benchmark.

    Pictures are shuffled by seed, then questions are taken picture by picture: a second question of a picture only once every
    picture had its first. Questions differ from example to example; classes and their order are the same on both sides.

    Parameters
    ----------
    reference : str
        ``bench:NAME=FOLDER``, ``bench:NAME=hub`` or ``bench:NAME=hub:OWNER/NAME``.
    n_train, n_test : int
        How many of each are wanted; there may be fewer, then a note says so.
    seed : int
        The same seed draws the same questions from the same files.
    budget : Budget
        Limits on each picture, and on the memory of all.

    Returns
    -------
    (train, test) : tuple of LabelledImages
        Without a common picture. Where a benchmark has a training part, probing questions come from it and test questions from
        the validation part; where it has one part, or the training files are not there, both come from the validation part.

    Raises
    ------
    UserError
        When the benchmark is unknown, its files are missing or differ from the published form, or too little could be read.
    """
    if n_train < 2 or n_test < 2:
        raise UserError(
            "The sample is too small.", f"{n_train} probing and {n_test} test questions were asked for.", "Give 2 or more."
        )
    source = parse(reference)
    one, pools = _pools(source, n_train, n_test, seed)
    rng = np.random.default_rng((_SALT, seed))
    if one is None:
        probing, testing = (_by_picture(pool, rng) for pool in pools)
    else:
        probing, testing = _cut(_by_picture(pools[0], rng), n_train / (n_train + n_test))
    notes = () if one is None or source.benchmark.parts[0] == source.benchmark.parts[1] else (one,)
    train = _side(probing, n_train, source.benchmark, budget, frozenset(), "probing")
    seen = frozenset(picture.sha256 for picture in train.pictures)
    test = _side(testing, n_test, source.benchmark, budget, seen, "test")
    rule = reference.removeprefix(SCHEME).partition("=")[0] if source.benchmark.read else ""
    train, test = replace(train, notes=notes + train.notes, answer_rule=rule), replace(test, answer_rule=rule)
    return _same_classes(train, test, source.benchmark)


def parse(reference: str) -> Reference:
    """Return what a reference names.

    Raises
    ------
    UserError
        For an unknown benchmark (there is a list), no place, no such folder, or the hub where it has no copy.
    """
    name, _, where = reference.removeprefix(SCHEME).partition("=")
    benchmark = BENCHMARKS[name]
    if not where:
        raise UserError(
            f"{quoted(reference)} does not say where the files are.",
            f"The folder of {benchmark.title} holds {benchmark.layout}. {benchmark.home}",
            f"Write bench:{name}=FOLDER{f', or bench:{name}=hub' if benchmark.hub else ''}.",
        )
    if where == HUB or where.startswith(f"{HUB}:"):
        return Reference(benchmark, None, _hub_name(benchmark, name, where.removeprefix(HUB).removeprefix(":")))
    folder = Path(where).expanduser()
    if not folder.is_dir():
        cause = f"{benchmark.title} is read from a folder that holds {benchmark.layout}."
        raise UserError(f"There is no folder {quoted(where)}.", cause, f"{benchmark.home}")
    return Reference(benchmark, folder)


def _hub_name(benchmark: Benchmark, name: str, given: str) -> str:
    if benchmark.row is None or not (given or benchmark.hub):
        cause = f"No data set of the hub that holds {benchmark.title} with its published fields is known here."
        hint = f"Write bench:{name}=FOLDER" + ("" if benchmark.row is None else f", or bench:{name}=hub:OWNER/NAME") + "."
        raise UserError(f"{benchmark.title} was not read from the hub.", cause, hint)
    return given or (benchmark.hub.name if benchmark.hub else "")


def _pools(source: Reference, n_train: int, n_test: int, seed: int) -> tuple[str | None, list[list[Asked]]]:
    """Return the questions to draw probing and test from, or one list for both and the reason."""
    benchmark = source.benchmark
    first, second = benchmark.parts
    if source.folder is None:
        return _hub_pools(source, n_train, n_test, seed)
    test = list(benchmark.local(source.folder, second))
    if first == second:
        return "There is one part.", [test]
    try:
        return None, [list(benchmark.local(source.folder, first)), test]
    except Missing as error:
        reason = f"{error.what} Probing questions are taken from the {second} part, from pictures that the test does not use."
        return f"{benchmark.title}: {reason}", [test]


def _hub_pools(source: Reference, n_train: int, n_test: int, seed: int) -> tuple[str | None, list[list[Asked]]]:
    benchmark, read = source.benchmark, source.benchmark.row
    assert read is not None, f"{benchmark.title} has no reader of rows"
    first, second = benchmark.parts
    splits = dict(benchmark.hub.parts) if benchmark.hub else {part: part for part in benchmark.parts}

    def pool(part: str, n: int) -> list[Asked]:
        asked = (read(row, number, source.hub) for number, row in enumerate(rows(source.hub, splits[part], seed), start=1))
        return list(islice((one for one in asked if one is not None), HUB_SPARE * n))

    if first == second or first not in splits:
        reason = f"{benchmark.title}: the data set has one part; probing and test questions share no picture."
        return reason, [pool(second, n_train + n_test)]
    return None, [pool(first, n_train), pool(second, n_test)]


def _by_picture(pool: Iterable[Asked], rng: np.random.Generator) -> list[list[Asked]]:
    """Return the questions of each picture, pictures and the questions of each in a random order."""
    groups: defaultdict[str, list[Asked]] = defaultdict(list)
    for asked in pool:
        groups[asked.image].append(asked)
    names = sorted(groups)  # so that the draw does not depend on the order of a file
    shuffled = [groups[names[i]] for i in rng.permutation(len(names))]
    return [[group[i] for i in rng.permutation(len(group))] for group in shuffled]


def _cut(groups: list[list[Asked]], share: float) -> tuple[list[list[Asked]], list[list[Asked]]]:
    first = min(max(round(share * len(groups)), 1), max(len(groups) - 1, 1))
    return groups[:first], groups[first:]


def _side(
    groups: Sequence[list[Asked]], n: int, benchmark: Benchmark, budget: Budget, seen: frozenset[str], what: str
) -> LabelledImages:
    """Open pictures until ``n`` questions are ready; ``seen`` are the pictures of the other side."""
    kept: list[tuple[Asked, Picture]] = []
    failures: list[UserError] = []
    pictures: dict[str, Picture | None] = {}
    distinct: dict[str, Picture] = {}
    asked_before: set[tuple[str, str]] = set()
    held = 0
    for asked in _in_turns(groups):
        if len(kept) == n:
            break
        if asked.image not in pictures:
            pictures[asked.image] = _opened(asked, budget, failures)
            if not kept and len(failures) >= PATIENCE:
                break
        picture = pictures[asked.image]
        if picture is None or picture.sha256 in seen or (picture.sha256, asked.question) in asked_before:
            continue
        held += 0 if picture.sha256 in distinct else picture.kept_bytes
        picture = distinct.setdefault(picture.sha256, picture)
        asked_before.add((picture.sha256, asked.question))
        kept.append((asked, picture))
        if held > budget.memory_bytes:
            limit = f"At most {budget.memory_bytes // MIB} MiB are kept."
            raise UserError(f"The pictures of {benchmark.title} are too large together.", limit, "Ask for fewer questions.")
    if not kept:
        cause = f"The first: {failures[0]}" if failures else "There is none."
        raise UserError(f"No {what} question of {benchmark.title} could be read.", cause, f"The folder holds {benchmark.layout}.")
    return LabelledImages(
        names=tuple(display_name(asked.name) for asked, _ in kept),
        pictures=tuple(picture for _, picture in kept),
        labels=np.array([benchmark.classes.index(asked.answer) for asked, _ in kept], np.int64),
        classes=benchmark.classes,
        questions=tuple(clean(asked.question) for asked, _ in kept),
        notes=_notes(benchmark, len(kept), n, failures, what),
    )


def _opened(asked: Asked, budget: Budget, failures: list[UserError]) -> Picture | None:
    try:
        return asked.open(budget)
    except UserError as error:
        failures.append(error)
        return None


def _in_turns(groups: Sequence[list[Asked]]) -> Iterable[Asked]:
    """Yield the first question of every picture, then the second of every picture, and so on."""
    for turn in range(max(map(len, groups), default=0)):
        yield from (group[turn] for group in groups if turn < len(group))


def _notes(benchmark: Benchmark, kept: int, wanted: int, failures: list[UserError], what: str) -> tuple[str, ...]:
    notes = []
    if failures:
        names = listed([error.what.removesuffix(" was not read.") for error in failures])
        notes.append(f"{benchmark.title}: {len(failures)} pictures for {what} were passed over: {names}. {failures[0].cause}")
    if kept < wanted:
        notes.append(f"{benchmark.title}: there are {kept} {what} questions, {wanted} were asked for.")
    return tuple(notes)


def _same_classes(train: LabelledImages, test: LabelledImages, benchmark: Benchmark) -> tuple[LabelledImages, LabelledImages]:
    """Leave out the classes that have fewer than two different questions on either side, and say so."""
    counts = np.stack([np.bincount(side.labels, minlength=len(side.classes)) for side in (train, test)])
    enough = np.flatnonzero((counts >= 2).all(axis=0))
    if len(enough) < 2:
        have = ", ".join(f"{name} {a} and {b}" for name, (a, b) in zip(benchmark.classes, counts.T, strict=True))
        raise UserError(
            f"The sample of {benchmark.title} has fewer than two classes.",
            f"Probing and test questions: {have}; each class needs 2 of each.",
            "Ask for more questions, or add the missing pictures.",
        )
    lost = int(counts.sum() - counts[:, enough].sum())
    rare = [benchmark.classes[c] for c in range(len(benchmark.classes)) if c not in enough and counts[:, c].any()]
    note = (f"{benchmark.title}: {lost} questions whose answer is {listed(rare)} were left out: too few.",) if rare else ()
    classes = tuple(benchmark.classes[c] for c in enough)
    train, test = (_only(side, enough, classes) for side in (train, test))
    return replace(train, notes=train.notes + note), test


def _only(side: LabelledImages, enough: np.ndarray, classes: tuple[str, ...]) -> LabelledImages:
    kept = side.take(np.flatnonzero(np.isin(side.labels, enough)))
    return replace(kept, labels=np.searchsorted(enough, kept.labels).astype(np.int64), classes=classes)
