"""What a reader of a run should know before believing it, in plain words.

Takes the parts of a finished run; returns sentences. It knows nothing about models.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sn_viz.types import Baseline, LabelledImages, Neurons, Stumps, Votes

FEW = 10
"""Fewer probing images of a class than this earn a warning."""


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
    counts = np.bincount(train.labels, minlength=len(train.classes))
    if counts.min() < FEW:
        few = int(counts.argmin())
        notes.append(
            f"Only {counts[few]} probing image{'' if counts[few] == 1 else 's'} of {train.classes[few]!r}: with so few, "
            f"neurons that fit by luck are common. {FEW} or more of each class are better."
        )
    best, lucky = np.nanmax(stumps.score, initial=-np.inf), _percentile(null_scores, 95)
    if not best > lucky:
        notes.append(
            f"The best neuron scores {best:.2f} on the probing images; shuffled labels reach {lucky:.2f} in 1 of 20 cases. "
            "What was found may be luck."
        )
    majority = np.bincount(test.labels, minlength=len(test.classes)).max() / len(test)
    right = float(np.mean(votes.predicted[:, exit_layer - votes.first_layer] == test.labels))
    if right <= majority:
        notes.append(
            f"Always saying the commonest class would be right on {majority:.0%} of the test images, "
            f"the super neurons are right on {right:.0%}."
        )
    if neurons is not None and neurons.n_tower and not train.question:
        notes.append(
            "Questions differ between the images, and the vision tower never sees the question: its neurons answer the same "
            "whatever is asked."
        )
    notes += [baseline.note for baseline in baselines if baseline.name == "full-model" and np.any(baseline.predicted == -1)]
    return tuple(dict.fromkeys(notes))


def _percentile(values: np.ndarray, q: float) -> float:
    finite = values[np.isfinite(values)]
    return float(np.percentile(finite, q)) if len(finite) else float("nan")
