"""A file for each task, number of probing images and draw: what is there is not computed again, and all may stop at any time."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sn_viz.activations.store import Store
from sn_viz.baselines.sav import N_HEADS
from sn_viz.bench.tasks.material import Material
from sn_viz.bench.tasks.methods import VOTERS, frozen_methods, lora_method, once_a_task
from sn_viz.bench.tasks.plan import DIGITS, MOST_TESTED_DIGITS, N_DIGITS, Plan
from sn_viz.models import Vlm

FORMAT = 3
"""Of the files; rises when a method changes, so that old files are not read."""


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
    n_pool = min(plan.n_pool, N_DIGITS - min(plan.n_test, MOST_TESTED_DIGITS)) if task == DIGITS else plan.n_pool
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
        write(folder / job.name, job.run(material, job.shots, job.draw))
        spent.append(time.perf_counter() - start)
        left = np.mean(spent) * (len(missing) - number)
        tell(f"{number} of {len(missing)}: {job.name.removesuffix('.json')}, {spent[-1]:.0f} s; about {left / 60:.0f} min left")
    return folder


def write(path: Path, result: Mapping[str, Any]) -> None:
    """Write a result as a whole or not at all."""
    half = path.with_suffix(f".{os.getpid()}.part")
    half.write_text(json.dumps(result), encoding="utf-8")
    os.replace(half, path)
