"""Which neurons vote on photographs, and how: the committees of ``bench tasks --committees`` on the questions of ``bench photos``.

Takes a model and a folder as ``bench photos`` does; returns the same lines, all of them for judging: no committee was chosen here.
Draws are of a question's probing photographs, so the largest number of them has one draw.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from sn_viz.bench.photo_questions import PhotoQuestion
from sn_viz.bench.photos import chosen_of
from sn_viz.bench.tasks.committees import Line, Read, Split, folder_of, lines, plan_of, work
from sn_viz.models import Vlm

SHOTS = (5, 20, 64, 100, 500)


def measure(
    vlm: Vlm,
    folder: str | Path,
    only: Sequence[str] = (),
    probing: int | None = None,
    draws: int = 5,
    tell: Callable[[str], None] = lambda line: None,
) -> list[Line]:
    """Return the table of every committee on every question in ``folder``, or on those called ``only``.

    What is finished is kept; a second call goes on where the first stopped.

    Raises
    ------
    UserError
        Where there is no such question, or no photograph of it.
    """
    asked = {question.id: question for question in chosen_of(folder, only, probing)}
    split = Split((), tuple(asked))
    plan = replace(plan_of(split, n_draws=draws), shots=SHOTS, seed=0)
    place = folder_of(vlm, plan) / _digest(asked.values())

    def material(task: str) -> Read:
        return Read(vlm, task, *asked[task].load(folder), plan.seed)

    for name, question in asked.items():
        work(vlm, replace(plan, tasks=(name,), n_pool=len(question.probing)), tell, material, place)
    return lines(place, plan, split)


def _digest(questions: Iterable[PhotoQuestion]) -> str:
    """Return what tells these photographs from others."""
    files = [[one.id, one.probing, one.test] for one in questions]
    return f"photos-{hashlib.sha256(json.dumps(files).encode()).hexdigest()[:12]}"
