"""Runs the sample packs of the lesson with the embedded model and keeps what its steps tell.

``measure`` runs everything and returns what ``recorded.json`` holds; ``differences`` says where that no longer holds. Times are not
kept: they are the machine's.
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sn_viz.activations.model_cache import model_named
from sn_viz.checks import Options, examine
from sn_viz.lessons import habit, measured
from sn_viz.lessons.steps import CHANGING, COSTLY, FIRST, STEPS, WHOLE
from sn_viz.lessons.told import RECORDED
from sn_viz.pipeline import find
from sn_viz.progress import silent
from sn_viz.run import Run
from sn_viz.types import LabelledImages, Progress

MODEL = "tiny-llava"
"""Every step is recorded with the embedded model."""
N_HABIT, N_TEST, SEED = 60, 200, 0
"""Probing pictures with the habit; new pictures with it, and as many without."""
CLOSE = 1e-3
"""Numbers nearer than this are equal: two hundred pictures move in steps of 0.005."""


class Runs:
    """The runs that the steps share, each made once."""

    def __init__(self, progress: Progress = silent) -> None:
        self._made: dict[str, Run] = {}
        self._progress = progress

    def pack(self, name: str) -> Run:
        """Return the run of a sample pack, beside the full model."""
        if name not in self._made:
            self._made[name] = find(
                f"pack:{name}", model=MODEL, compare=("full-model",), committee="plain", progress=self._progress
            )
        return self._made[name]

    def with_causes(self, name: str) -> Run:
        """Return the same run with its voters overwritten in the full pass."""
        run = self.pack(name)
        if "causal" not in run.findings:
            run = self._made[name] = examine(run, ["causal"], model_named(MODEL), Options(), self._progress)
        return run

    def with_habit(self) -> Run:
        """Return the run of the scenes with a habit, tested on scenes with it, then on others."""
        if "habit" not in self._made:
            test = together(habit.scenes(N_TEST, SEED + 1, True), habit.scenes(N_TEST, SEED + 2, False))
            train = habit.scenes(N_HABIT, SEED, True)
            self._made["habit"] = find(train, test=test, model=MODEL, compare="none", committee="plain", progress=self._progress)
        return self._made["habit"]


def together(first: LabelledImages, second: LabelledImages) -> LabelledImages:
    """Return two sets of the same classes as one, the first before the second."""
    return replace(
        first,
        names=(*first.names, *(f"other {name}" for name in second.names)),
        pictures=(*first.pictures, *second.pictures),
        labels=np.concatenate([first.labels, second.labels]),
        questions=(*first.questions, *second.questions),
    )


MEASURES: dict[str, Callable[[Runs], measured.Numbers]] = {
    "one-number": lambda runs: measured.one_number(runs.pack(FIRST)),
    "luck": lambda runs: measured.luck(runs.pack(FIRST)),
    "whole-or-named": lambda runs: measured.two_questions(runs.pack(WHOLE), runs.pack(CHANGING)),
    "race": lambda runs: measured.race(runs.pack(FIRST)),
    "cost": lambda runs: measured.cost(runs.pack(COSTLY), runs.pack(FIRST).exit_layer),
    "certified": lambda runs: measured.certified(runs.pack(FIRST)),
    "causal": lambda runs: measured.causal(runs.with_causes(FIRST)),
    "own": lambda runs: measured.shortcut(runs.with_habit(), N_TEST, np.arange(N_TEST) // 2 % 2 == 1),
}
"""How each step is measured, in the order of the lesson."""


def measure(names: tuple[str, ...] = (), progress: Progress = silent) -> dict[str, Any]:
    """Run what the steps tell and return it as ``recorded.json`` holds it.

    Parameters
    ----------
    names : tuple of str
        Only these steps; all when empty.
    progress : callable
    """
    runs = Runs(progress)
    steps = {step.key: rounded(MEASURES[step.key](runs)) for step in STEPS if not names or step.key in names}
    when = {"on": datetime.datetime.now(datetime.UTC).date().isoformat(), "model": MODEL}
    return {"recorded": when, "steps": steps}


def rounded(value: Any) -> Any:
    """Return JSON values with six significant digits, whatever they are nested in; what is not finite is None."""
    if isinstance(value, Mapping):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def write(found: Mapping[str, Any], target: Path | None = None) -> Path:
    """Write what ``measure`` returned beside this file, or to ``target``."""
    target = target or Path(__file__).with_name(RECORDED)
    target.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return target


def differences(kept: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Return where what was found now differs from what is kept, a line each; steps that were not measured are left alone."""
    return [line for key, now in found["steps"].items() for line in _differing(kept["steps"].get(key), now, key)]


def _differing(kept: Any, now: Any, where: str) -> Iterator[str]:
    if isinstance(now, Mapping) and isinstance(kept, Mapping) and set(now) == set(kept):
        for name in now:
            yield from _differing(kept[name], now[name], f"{where}.{name}")
    elif isinstance(now, list) and isinstance(kept, list) and len(now) == len(kept):
        for index, (before, after) in enumerate(zip(kept, now, strict=True)):
            yield from _differing(before, after, f"{where}[{index}]")
    elif isinstance(now, float) and isinstance(kept, float | int) and not isinstance(kept, bool):
        if not math.isclose(now, kept, rel_tol=CLOSE, abs_tol=CLOSE):
            yield f"{where} was {kept:g} and is {now:g}"
    elif now != kept:
        yield f"{where} was {str(kept)[:60]} and is {str(now)[:60]}"
