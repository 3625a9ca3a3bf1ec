"""Every method on every task: accuracy on held-out images over several draws of the probing images, and time; hours unless quick.

Each task has a pool that probing images are drawn from and test images of its own, which no choice is made by. Activations and
heads are read once a task; every draw then only searches, fits and votes (LoRA trains). What is finished is kept in one JSON file
per task, number of probing images and draw, in a folder of the cache named after the model, the images and the settings: a second
call goes on where the first stopped, and a finished one only prints. Intervals allow for other draws and other images, see
``crossed``.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sn_viz.activations.extract import extract
from sn_viz.activations.sites import site_names
from sn_viz.activations.store import Store
from sn_viz.baselines import BASELINES, Context
from sn_viz.baselines.sav import N_HEADS, SITE, HeadVote, heads_of, read_heads
from sn_viz.bench import BENCHES, Options, Row
from sn_viz.bench.crossed import accuracy_interval, difference_interval
from sn_viz.early_exit.decide import measure_latency
from sn_viz.errors import UserError
from sn_viz.latency import median_milliseconds
from sn_viz.models import Vlm
from sn_viz.search.stumps import find_stumps
from sn_viz.sources.pack import load_pack
from sn_viz.splits.held_out import without_seen
from sn_viz.types import Activations, Config, Interval, LabelledImages
from sn_viz.voting.classifier import voters_by_layer, votes_by_layer
from sn_viz.voting.statistics import choose_exit_layer, cross_validated_layers
from sn_viz.world.tasks import TASKS

DIGITS = "digits-three"
N_DIGITS = 366
"""As many digits as can be drawn half and half."""
VOTERS = 15
EXITS = (1, 2, 4)
FORMAT = 2
"""Of the files; rises when a method changes, so that old files are not read."""

TITLES = {
    "full-model": "full model",
    "full-model-calibrated": "full model, calibrated",
    **{f"exit-{layer}": f"super neurons, exit {layer}" for layer in EXITS},
    "exit-chosen": "super neurons, exit by cross-validation",
    "exit-all": "super neurons, all layers",
    "sav": "SAV",
    "logit-lens": "logit lens",
    "linear-probe": "linear probe",
    "lora": "LoRA",
}
"""Every method in the order of the table's columns."""
RIVALS = ("full-model", "full-model-calibrated", "sav", "linear-probe", "lora")
"""What the super neurons at the exit chosen by cross-validation are compared with, image by image."""


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    tasks: tuple[str, ...]
    shots: tuple[int, ...]
    """Probing images in all, not of each class; at least two of each class are drawn."""
    n_pool: int
    n_test: int
    n_draws: int
    lora_shots: tuple[int, ...]
    lora_draws: int
    seed: int = 70
    """Of the images."""


def fixed_and_mirroring() -> tuple[str, ...]:
    """Return the twins of the paper's benchmarks, all tasks with a fixed question (never trained ones among them), the digits."""
    return (*(name for name, task in TASKS.items() if task.question or task.mirrors and task.trained), DIGITS)


FULL = Plan(fixed_and_mirroring(), (5, 20, 100, 500), 1000, 500, 5, (5, 20, 100, 500), 3)
QUICK = Plan(("presence-any", "new-kind", DIGITS), (5, 100), 160, 100, 3, (5,), 1)


@dataclass(frozen=True)
class Cell(Row):
    """A row that also says where in the table it stands."""

    task: str = ""
    method: str = ""
    """A key of ``TITLES``; "exit-chosen - X" is a difference in accuracy to X, image by image."""
    shots: int | None = None
    """Probing images asked for; None for the full model, which needs none."""
    n_train: int | None = None
    """Probing images drawn."""
    low: float = np.nan
    high: float = np.nan
    """95 %, over draws and images."""
    n: int = 0
    """Test images."""
    draws: int = 0
    latency_ms: float = np.nan
    """Median, one image at a time, from decoded image to label; median over draws."""
    train_seconds: float = np.nan
    """Median over draws of the time to choose or fit, from activations; LoRA's is its training."""


Result = dict[str, Any]
"""What a file holds: by method "right" (a string of 0 and 1, one per test image), "ms" and "seconds"."""


@dataclass(frozen=True, eq=False)
class Material:
    """The images of one task and what the model makes of them, read when first asked for."""

    vlm: Vlm
    task: str
    pool: LabelledImages
    test: LabelledImages
    seed: int

    @classmethod
    def of(cls, vlm: Vlm, task: str, plan: Plan) -> Material:
        """Draw pool and test images; a test image that is in the pool too, with the same question, is left out."""
        n_test = min(plan.n_test, N_DIGITS - 166) if task == DIGITS else plan.n_test
        n_pool = min(plan.n_pool, N_DIGITS - n_test) if task == DIGITS else plan.n_pool
        pool, test = load_pack(task, n_pool, n_test, plan.seed)
        return cls(vlm, task, pool, without_seen(test, pool), plan.seed)

    @cached_property
    def read(self) -> tuple[Activations, Activations]:
        """All that is read of pool and test images: every usual site and the attention heads."""
        return extract(self.vlm, self.pool, sites=("all", SITE)), extract(self.vlm, self.test, sites=("all", SITE))

    @cached_property
    def seen(self) -> Activations:
        """The neurons that are searched, of the pool."""
        return self.read[0].of_sites(site_names("all"))

    @cached_property
    def unseen(self) -> Activations:
        """The same neurons, of the test images."""
        return self.read[1].of_sites(site_names("all"))

    @cached_property
    def heads(self) -> tuple[np.ndarray, ...]:
        """Every attention head of pool and test images, float32 (example, head, unit) each."""
        return tuple(heads_of(self.vlm, split.of_sites((SITE,))) for split in self.read)

    def rows(self, shots: int, draw: int) -> np.ndarray:
        """Return the probing images of a draw; see `drawn`."""
        return drawn(self.pool.labels, shots, len(self.pool.classes), (zlib.crc32(self.task.encode()), self.seed, shots, draw))

    def context(self, rows: np.ndarray, draw: int) -> Context:
        """Return what a baseline may look at: the probing images at ``rows`` of the pool, and the test images."""
        return Context(
            self.vlm,
            self.pool.take(rows),
            self.test,
            self.seen.values[rows],
            self.unseen.values,
            self.seen.neurons,
            seed=draw,
        )

    def result(self, predicted: np.ndarray, ms: float, seconds: float | None = None) -> Result:
        """Return what is kept of a method's predictions, int (example,)."""
        right = "".join("1" if same else "0" for same in predicted == self.test.labels)
        return {"right": right, "ms": float(ms), "seconds": seconds}


def drawn(labels: np.ndarray, shots: int, n_classes: int, seed: Sequence[int]) -> np.ndarray:
    """Return the rows of a draw, the classes as even as can be.

    Parameters
    ----------
    labels : numpy.ndarray
        int64 (example,), of the pool.
    shots : int
        How many; two of each class at least.
    n_classes : int
    seed : sequence of int

    Returns
    -------
    numpy.ndarray
        int64 (drawn,), in random order; which class has one image more is random too.
    """
    random = np.random.default_rng(seed)
    shots = max(shots, 2 * n_classes)
    share = np.full(n_classes, shots // n_classes)
    share[random.permutation(n_classes)[: shots % n_classes]] += 1
    rows = [random.permutation(np.flatnonzero(labels == c))[: share[c]] for c in range(n_classes)]
    return random.permutation(np.concatenate(rows))


def frozen_methods(material: Material, shots: int, draw: int) -> dict[str, Result]:
    """Return every method that trains no weight of the model, from one draw of the probing images; times of exits come later."""
    rows = material.rows(shots, draw)
    context, found = material.context(rows, draw), {}
    for name in ("full-model-calibrated", "logit-lens", "linear-probe"):
        start = time.perf_counter()
        said = BASELINES[name](context)
        found[name] = material.result(said.predicted, said.latency_ms, time.perf_counter() - start)
    return found | _sav(material, rows) | _super_neurons(material, rows, draw)


def _sav(material: Material, rows: np.ndarray) -> dict[str, Result]:
    seen, unseen = material.heads
    start = time.perf_counter()
    voter = HeadVote(seen[rows], material.pool.labels[rows], len(material.pool.classes), N_HEADS)
    seconds, test = time.perf_counter() - start, material.test
    asked = list(zip(test.pictures, test.questions, strict=True))[:5]
    ms = median_milliseconds(lambda one: voter.predict(read_heads(material.vlm, one)), asked)
    return {"sav": material.result(voter.predict(unseen), ms, seconds)}


def _super_neurons(material: Material, rows: np.ndarray, draw: int) -> dict[str, Result]:
    """Return the super neurons at fixed exits, at the exit chosen on the probing images, and over all layers."""
    values, labels, neurons = material.seen.values[rows], material.pool.labels[rows], material.seen.neurons
    n_classes, start = len(material.pool.classes), time.perf_counter()
    voters = voters_by_layer(find_stumps(values, labels, classes=n_classes), neurons, VOTERS, n_classes)
    searched = time.perf_counter() - start
    correct = cross_validated_layers(values, labels, neurons, voters=VOTERS, n_classes=n_classes, seed=draw)
    chosen, seconds = choose_exit_layer(correct), time.perf_counter() - start
    votes = votes_by_layer(material.unseen.values, voters, n_classes)
    exits = {f"exit-{layer}": layer for layer in EXITS if layer <= neurons.n_layers}
    found = {}
    for name, layer in {**exits, "exit-chosen": chosen, "exit-all": neurons.n_layers}.items():
        took = seconds if name == "exit-chosen" else searched
        found[name] = material.result(votes.predicted[:, layer - 1], np.nan, took) | {"layer": int(layer)}
    return found


def lora_method(material: Material, shots: int, draw: int) -> dict[str, Result]:
    """Return LoRA, trained on one draw of the probing images; its seconds are those of training alone."""
    from sn_viz.baselines.lora import judged, train_lora

    context = material.context(material.rows(shots, draw), draw)
    taught = train_lora(context)
    said = judged(context, taught, "lora")
    return {"lora": material.result(said.predicted, said.latency_ms, taught.seconds) | {"note": said.note}}


def once_a_task(material: Material, shots: int) -> dict[str, Any]:
    """Return the full model's answers, and the time of every exit and of the full model, measured in turns."""
    rows = material.rows(shots, 0)
    said = BASELINES["full-model"](material.context(rows, 0))
    n_classes, neurons = len(material.pool.classes), material.seen.neurons
    stumps = find_stumps(material.seen.values[rows], material.pool.labels[rows], classes=n_classes)
    voters = voters_by_layer(stumps, neurons, VOTERS, n_classes)
    named, layer_ms = measure_latency(Config(), material.vlm, material.test, material.seen, voters, neurons.n_layers)
    return {"full-model": material.result(said.predicted, named["full_model"]), "layer_ms": [float(ms) for ms in layer_ms]}


@dataclass(frozen=True)
class Job:
    """One file to come."""

    task: str
    name: str
    shots: int
    draw: int
    run: Callable[[Material, int, int], dict[str, Any]]

    @property
    def turn(self) -> int:
        """When it is done: first, in every task, what takes seconds; then what trains, with few probing images before many."""
        return self.shots if self.run is lora_method else 0


def jobs_of(plan: Plan, task: str) -> Iterator[Job]:
    """Yield what there is to do for a task; more probing images than its pool holds are left out."""
    n_pool = min(plan.n_pool, 166) if task == DIGITS else plan.n_pool
    shots = [n for n in plan.shots if n <= n_pool]
    yield Job(task, f"{task}.json", max(shots), 0, lambda material, n, _: once_a_task(material, n))
    for n in shots:
        for draw in range(plan.n_draws):
            yield Job(task, f"{task}.{n}.{draw}.json", n, draw, frozen_methods)
        for draw in range(plan.lora_draws if n in plan.lora_shots else 0):
            yield Job(task, f"{task}.{n}.{draw}.lora.json", n, draw, lora_method)


def folder_of(vlm: Vlm, plan: Plan) -> Path:
    """Return where results of this model on these images are kept; more tasks, shots or draws may join them there."""
    settings = json.dumps([FORMAT, vlm.key, plan.n_pool, plan.n_test, plan.seed, VOTERS, N_HEADS])
    return Path(Store().root) / "bench-tasks" / hashlib.sha256(settings.encode()).hexdigest()[:16]


def work(vlm: Vlm, plan: Plan, tell: Callable[[str], None] = lambda line: print(line, file=sys.stderr)) -> Path:
    """Do every job that has no file yet and return the folder; ``tell`` is given a line a job.

    It may be stopped at any time: a file is there as a whole or not at all.
    """
    folder = folder_of(vlm, plan)
    folder.mkdir(parents=True, exist_ok=True)
    missing = [job for task in plan.tasks for job in jobs_of(plan, task) if not (folder / job.name).exists()]
    missing.sort(key=lambda job: job.turn)
    material, spent = None, []
    for number, job in enumerate(missing, 1):
        start = time.perf_counter()
        if material is None or material.task != job.task:
            material = Material.of(vlm, job.task, plan)
        _write(folder / job.name, job.run(material, job.shots, job.draw))
        spent.append(time.perf_counter() - start)
        left = np.mean(spent) * (len(missing) - number)
        tell(f"{number} of {len(missing)}: {job.name.removesuffix('.json')}, {spent[-1]:.0f} s; about {left / 60:.0f} min left")
    return folder


def _write(path: Path, result: Mapping[str, Any]) -> None:
    half = path.with_suffix(f".{os.getpid()}.part")
    half.write_text(json.dumps(result), encoding="utf-8")
    os.replace(half, path)


def rows_of(folder: Path, plan: Plan) -> list[Cell]:
    """Return the table's cells, and the differences, from the files that there are."""
    return [cell for task in plan.tasks for cell in _task_cells(folder, plan, task)]


def _task_cells(folder: Path, plan: Plan, task: str) -> Iterator[Cell]:
    whole, layer_ms = None, []
    by_shots: dict[int, dict[str, list[Result]]] = {}
    for job in jobs_of(plan, task):
        if not (folder / job.name).exists():
            continue
        found = json.loads((folder / job.name).read_text(encoding="utf-8"))
        if "layer_ms" in found:
            whole, layer_ms = found["full-model"], found["layer_ms"]
            continue
        for method, result in found.items():
            if "layer" in result:
                result["ms"] = layer_ms[result["layer"] - 1]
            by_shots.setdefault(job.shots, {}).setdefault(method, []).append(result)
    if whole is None:
        return
    yield _cell(task, "full-model", None, [whole])
    least = 2 * len(TASKS[task].classes) if task in TASKS else 4
    for shots, methods in by_shots.items():
        for method in TITLES:
            if method in methods:
                yield _cell(task, method, shots, methods[method], max(shots, least))
        for rival in RIVALS if "exit-chosen" in methods else ():
            others = [whole] if rival == "full-model" else methods.get(rival)
            if others:
                yield _difference(task, rival, shots, methods["exit-chosen"], others)


def _right(results: Sequence[Result]) -> np.ndarray:
    """Return bool (draw, example)."""
    return np.array([[mark == "1" for mark in result["right"]] for result in results])


def _median(results: Sequence[Result], name: str) -> float:
    known = [result[name] for result in results if result.get(name) is not None]
    return float(np.median(known)) if known else np.nan


def _cell(task: str, method: str, shots: int | None, results: Sequence[Result], n_train: int | None = None) -> Cell:
    accuracy, ms, seconds = accuracy_interval(_right(results)), _median(results, "ms"), _median(results, "seconds")
    note = f"{_span(accuracy)}, {len(results)} x {accuracy.n} images, {ms:.1f} ms an image"
    note += f", fitted in {seconds:.1f} s" if np.isfinite(seconds) else ""
    if "layer" in results[0] and method == "exit-chosen":
        note += f", exits {sorted({result['layer'] for result in results})}"
    return Cell(
        name=_name(task, shots, TITLES[method]),
        measured=accuracy.value,
        unit="accuracy",
        note=note,
        task=task,
        method=method,
        shots=shots,
        n_train=n_train,
        low=accuracy.low,
        high=accuracy.high,
        n=accuracy.n,
        draws=len(results),
        latency_ms=ms,
        train_seconds=seconds,
    )


def _difference(task: str, rival: str, shots: int, ours: Sequence[Result], theirs: Sequence[Result]) -> Cell:
    """Compare on the draws that both have; the full model has one answer for all draws."""
    ours = ours if len(theirs) == 1 and rival == "full-model" else ours[: len(theirs)]
    gap = difference_interval(_right(ours), _right(theirs))
    return Cell(
        name=_name(task, shots, f"super neurons, exit by cross-validation, minus {TITLES[rival]}"),
        measured=gap.value,
        unit="difference in accuracy",
        note=f"{_span(gap)}, {len(ours)} x {gap.n} images",
        task=task,
        method=f"exit-chosen - {rival}",
        shots=shots,
        low=gap.low,
        high=gap.high,
        n=gap.n,
        draws=len(ours),
    )


def _name(task: str, shots: int | None, title: str) -> str:
    return f"{task}: {title}" if shots is None else f"{task}, {shots} shots: {title}"


def _span(interval: Interval) -> str:
    return f"{interval.low:.3f} to {interval.high:.3f} (95 %)"


@BENCHES.register("tasks", costly=True)
def measure(options: Options) -> list[Row]:
    """Compare every method on every task, as far as that is not on disk yet."""
    from sn_viz.models import load_model

    return list(measured(load_model(options.model, device=options.device), QUICK if options.quick else FULL))


def measured(vlm: Vlm, plan: Plan, so_far: bool = False) -> list[Cell]:
    """Return the table's cells; with ``so_far`` those of what is on disk, and nothing is computed."""
    return rows_of(folder_of(vlm, plan) if so_far else work(vlm, plan), plan)


def part_of(plan: Plan, tasks: str) -> Plan:
    """Return the plan with only some of its tasks, named behind commas; "" leaves all.

    Raises
    ------
    UserError
        When one of them is not in the plan.
    """
    names = tuple(name.strip() for name in tasks.split(",") if name.strip())
    for name in names:
        if name not in plan.tasks:
            raise UserError(f"There is no task {name!r} here.", f"There are: {', '.join(plan.tasks)}.", "Choose some of these.")
    return replace(plan, tasks=names) if names else plan


def markdown(facts: Mapping[str, Any], shots: Sequence[int] | None = None) -> str:
    """Return the tables task x method, one for each number of probing images.

    Parameters
    ----------
    facts : dict
        What ``bench tasks --json`` writes.
    shots : sequence of int, optional
        Which numbers of probing images; by default all there are.

    Returns
    -------
    str
        Accuracies in percent with 95 % intervals over draws and images; below them the mean over the tasks, milliseconds an image,
        seconds to fit (medians over the tasks), and on how many tasks the super neurons (exit by cross-validation) are better or
        worse than the method by more than chance.
    """
    cells = [row for row in facts["rows"] if row.get("bench") == "tasks" and row.get("method")]
    there = sorted({row["shots"] for row in cells if row["shots"] is not None})
    parts = [_one_table(cells, n) for n in there if shots is None or n in shots]
    return "\n\n".join(parts)


def _one_table(cells: Sequence[Mapping[str, Any]], shots: int) -> str:
    here = {(row["task"], row["method"]): row for row in cells if row["shots"] in (shots, None)}
    tasks = list(dict.fromkeys(task for task, method in here if (task, "exit-chosen") in here))
    methods = [method for method in TITLES if any((task, method) in here for task in tasks)]
    some = here[tasks[0], "exit-chosen"]
    lines = [
        f"**{shots} probing images**, {some['draws']} draws, {some['n']} test images a task (the digits fewer):",
        "",
        "| task | " + " | ".join(TITLES[method] for method in methods) + " |",
        "|---|" + "---|" * len(methods),
    ]
    for task in tasks:
        mirrored = TASKS[task].mirrors if task in TASKS else ""
        shown = [_percent(here.get((task, method))) for method in methods]
        lines.append(f"| {task}{f' ({mirrored})' if mirrored else ''} | " + " | ".join(shown) + " |")

    def over_tasks(name: str, show: Callable[[np.ndarray], str]) -> list[str]:
        columns = [[here[task, method][name] for task in tasks if (task, method) in here] for method in methods]
        return [show(np.array([value for value in column if value is not None], float)) for column in columns]

    rows = {
        f"mean of {len(tasks)} tasks": over_tasks("measured", lambda values: f"{100 * values.mean():.1f}" if values.size else ""),
        "ms an image": over_tasks("latency_ms", lambda values: f"{np.median(values):.1f}" if values.size else ""),
        "seconds to fit": over_tasks("train_seconds", lambda values: f"{np.median(values):.2g}" if values.size else ""),
        "super neurons better / worse than it": [_wins(here, tasks, method) for method in methods],
    }
    return "\n".join([*lines, *(f"| *{name}* | " + " | ".join(shown) + " |" for name, shown in rows.items())])


def _percent(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    value, low, high = (100 * row[name] for name in ("measured", "low", "high"))
    return f"{value:.1f} ({low:.0f} to {high:.0f})"


def _wins(here: Mapping[tuple[str, str], Mapping[str, Any]], tasks: Sequence[str], method: str) -> str:
    gaps = [here[task, f"exit-chosen - {method}"] for task in tasks if (task, f"exit-chosen - {method}") in here]
    better, worse = sum(gap["low"] > 0 for gap in gaps), sum(gap["high"] < 0 for gap in gaps)
    return f"{better} / {worse} of {len(gaps)}" if gaps else ""
