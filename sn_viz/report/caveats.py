"""What a reader of a run should know before believing it, in plain words.

Takes a finished run or its parts; returns sentences. What the accuracy is worth is weighed in ``verdict``. It knows nothing about
models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from sn_viz.types import Baseline, LabelledImages, Neurons, RunRecord, Stumps, Votes
from sn_viz.voting.verdict import verdict

AnyRun = TypeVar("AnyRun", bound=RunRecord)


def with_warnings(run: AnyRun, *more: str) -> AnyRun:
    """Return ``run`` with everything its readers should know as its warnings: of the data, of the verdict, then ``more``."""
    parts = run.train, run.test, run.stumps, run.null_scores, run.baselines, run.votes, run.exit_layer, run.neurons
    found = verdict(run)
    told = [*run.train.notes, *run.test.notes, *found.reasons, *plain_warnings(*parts), *more]
    if not found.holds and run.latency_ms:
        told.append(f"The times say nothing of a speed-up: the accuracy beside them does not hold ({found.kind}).")
    return replace(run, warnings=tuple(dict.fromkeys(told)))


def plain_warnings(
    train: LabelledImages,
    test: LabelledImages,
    stumps: Stumps,
    null_scores: np.ndarray,
    baselines: Sequence[Baseline],
    votes: Votes,
    exit_layer: int,
    neurons: Neurons | None = None,
) -> tuple[str, ...]:
    """Return what a reader of the results should know, in plain words; notes of the data come first, without repeats."""
    notes = [*train.notes, *test.notes]
    if neurons is not None and neurons.n_tower and not train.question:
        notes.append(
            "Questions differ between the images, and the vision tower never sees the question: its neurons answer the same "
            "whatever is asked."
        )
    notes += [baseline.note for baseline in baselines if baseline.name == "full-model" and np.any(baseline.predicted == -1)]
    return tuple(dict.fromkeys(notes))
