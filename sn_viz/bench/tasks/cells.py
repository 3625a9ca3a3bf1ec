"""The cells of the table and the differences between methods, from the files that there are.

Intervals allow for other draws and other images, see ``sn_viz.bench.crossed``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sn_viz.bench import Row
from sn_viz.bench.crossed import accuracy_interval, difference_interval
from sn_viz.bench.tasks.jobs import jobs_of
from sn_viz.bench.tasks.material import Result
from sn_viz.bench.tasks.methods import EXITS
from sn_viz.bench.tasks.plan import Plan
from sn_viz.types import Interval
from sn_viz.world.tasks import TASKS

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
    note = f"{span(accuracy)}, {len(results)} x {accuracy.n} images, {ms:.1f} ms an image"
    note += f", fitted in {seconds:.1f} s" if np.isfinite(seconds) else ""
    if "layer" in results[0] and method == "exit-chosen":
        note += f", exits {sorted({result['layer'] for result in results})}"
    return Cell(
        name=title_of(task, shots, TITLES[method]),
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
        name=title_of(task, shots, f"super neurons, exit by cross-validation, minus {TITLES[rival]}"),
        measured=gap.value,
        unit="difference in accuracy",
        note=f"{span(gap)}, {len(ours)} x {gap.n} images",
        task=task,
        method=f"exit-chosen - {rival}",
        shots=shots,
        low=gap.low,
        high=gap.high,
        n=gap.n,
        draws=len(ours),
    )


def title_of(task: str, shots: int | None, title: str) -> str:
    return f"{task}: {title}" if shots is None else f"{task}, {shots} shots: {title}"


def span(interval: Interval) -> str:
    return f"{interval.low:.3f} to {interval.high:.3f} (95 %)"
