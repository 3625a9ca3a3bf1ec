"""May one believe what a run found? Said before any speed.

Takes a finished ``Run``; returns one of three verdicts in words, and whether its accuracy holds. It weighs two things: the held-out
accuracy against what never looking at the picture would reach, and the best neuron against the best neurons of shuffled labels. It
knows nothing of models or figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from sn_viz.formatting import metric_name, percent, percent_range, probability
from sn_viz.types import Interval, RunRecord
from sn_viz.voting.intervals import mean_of_shares, wilson

Kind = Literal["beyond luck", "unclear", "nothing found"]
KINDS: tuple[Kind, ...] = ("beyond luck", "unclear", "nothing found")

FEW = 10
"""Fewer images of a class than this earn a warning."""
SURE = 0.01
"""Where shuffled labels reach the best neuron, the test images alone must be this unlikely to come out so well by chance."""


@dataclass(frozen=True)
class Verdict:
    """What a run's accuracy is worth."""

    kind: Kind
    sentence: str
    """The verdict with the figures it rests on."""
    reasons: tuple[str, ...]
    """What to know before believing it; empty when nothing speaks against it."""
    holds: bool
    """Whether the held-out interval lies above chance. A speed-up is shown only where it does."""


@dataclass(frozen=True)
class Chance:
    """What is reached without looking at the picture."""

    value: float
    """Fraction of the test images; NaN without labelled ones."""
    words: str
    """How: "chance" where the classes are even, else always giving the commonest answer."""


def verdict(run: RunRecord, layer: int | None = None) -> Verdict:
    """Return what the accuracy of a run is worth when the model stops after ``layer``.

    Parameters
    ----------
    run : Run
    layer : int, optional
        From 1; 0 and less in the vision tower; by default the run's exit layer.

    Returns
    -------
    Verdict
        "beyond luck": the held-out interval lies above chance, and either no shuffled labelling reaches the best neuron or the test
        images alone rule chance out (exact binomial tail of at most ``SURE``). "nothing found": the held-out accuracy is not above
        chance; or it touches chance, shuffled labels reach the best neuron, and there were images enough to tell. "unclear":
        everything between, and whatever has no defined held-out accuracy.

    Notes
    -----
    Chance is the share of the commonest class among the test images, which is never below 1 / classes. Where classes are uneven,
    super neurons that tell them apart may still be right less often than the commonest answer; the mean of the classes' shares
    against 1 / classes then makes it "unclear" rather than "nothing found", and no speed-up is shown.
    """
    found = _weighed(run, layer)
    if not run.edited_after_looking:
        return found
    sentence = f"{found.sentence.removesuffix('.')}; {run.held_out_mark}."
    return replace(found, sentence=sentence, reasons=(edited_reason(run), *found.reasons))


def edited_reason(run: RunRecord) -> str:
    """Return what it means that test images were edited after their result had been seen."""
    n = run.edited_after_looking
    edited = f"{n:,} test image{' was' if n == 1 else 's were'} relabelled or left out after a result on them had been seen"
    return (
        f"Edited after looking ({n:,}): {edited}, so the held-out figures say less of new pictures, until new test pictures come."
    )


def _weighed(run: RunRecord, layer: int | None) -> Verdict:
    seen = _held_out(run, run.exit_layer if layer is None else layer)
    chance = chance_of(run)
    if seen is None or not seen.n or not math.isfinite(seen.value) or not math.isfinite(chance.value):
        missing = "There are no labelled test images, so nothing is known of new pictures."
        missing = missing if len(run.test) or not run.test.notes else run.no_held_out
        return Verdict("unclear", "Unclear: the held-out accuracy is undefined.", (missing, *_null_reasons(run)), False)
    few = _few_reasons(run)
    if chance.value >= 1:
        one = "All test images are of one class, so that any accuracy on them could be the habit of one answer."
        shown = f"Unclear: right on {_measured(seen)}, all of one class."
        return Verdict("unclear", shown, (one, *_null_reasons(run), *few), False)
    luck, holds = _null_reasons(run), seen.low > chance.value
    kind, told = _kind(run, seen, chance, bool(luck), bool(few), layer)
    reasons = (*_chance_reasons(seen, chance), *luck, *few)
    return Verdict(kind, f"{kind.capitalize()}: right on {_measured(seen)}{told}.", reasons, holds and kind != "nothing found")


def chance_of(run: RunRecord) -> Chance:
    """Return what always giving the commonest label of the test images reaches."""
    known = run.test.labels[run.test.labels >= 0]
    if not len(known):
        return Chance(math.nan, "chance")
    counts = np.bincount(known, minlength=len(run.test.classes))
    commonest = int(counts.argmax())
    even = counts.min() == counts.max()
    return Chance(float(counts[commonest] / len(known)), "chance" if even else f"always answering “{run.test.classes[commonest]}”")


def balanced(run: RunRecord, layer: int | None = None) -> Interval:
    """Return the mean over the classes of the share answered right, on the test images, with its 95 % interval.

    Returns
    -------
    Interval
        Value NaN, from 0 to 1, when a class has no test image or there are no votes.
    """
    index = (run.exit_layer if layer is None else layer) - run.neurons.layers.start
    labels, n_classes = run.test.labels, len(run.test.classes)
    counts = np.bincount(labels[labels >= 0], minlength=n_classes)
    if not len(counts) or counts.min() == 0 or not 0 <= index < run.votes.predicted.shape[1]:
        return Interval(math.nan, 0.0, 1.0, 0)
    right = run.votes.predicted[:, index] == labels
    return mean_of_shares([wilson(int(right[labels == label].sum()), int(counts[label])) for label in range(n_classes)])


def _held_out(run: RunRecord, layer: int) -> Interval | None:
    return next((row.accuracy for row in run.by_layer if row.layer == layer), None)


def _kind(run: RunRecord, seen: Interval, chance: Chance, lucky: bool, few: bool, layer: int | None) -> tuple[Kind, str]:
    """Return the verdict and the end of its sentence."""
    reached = f"{chance.words}, {percent(chance.value)}"
    if seen.low > chance.value:
        if not lucky or _tail(round(seen.value * seen.n), seen.n, chance.value) <= SURE:
            return "beyond luck", f"; {chance.words} reaches {percent(chance.value)}"
        return "unclear", f"; {chance.words} reaches {percent(chance.value)}, and shuffled labels fit as well"
    even = balanced(run, layer)
    if chance.words != "chance" and even.low > 1 / len(run.test.classes):
        return "unclear", (
            f", no more than by {reached}; yet it tells the classes apart (right on {percent(even.value)} of each on "
            f"average, {percent_range(even.low, even.high)})"
        )
    if seen.high < chance.value:
        return "nothing found", f", worse than {reached}"
    if seen.value <= chance.value:
        return "nothing found", f", no better than {reached}"
    if lucky and not few:
        return "nothing found", f", which cannot be told from {reached}, and shuffled labels fit as well"
    return "unclear", f", which cannot be told from {reached}"


def _measured(seen: Interval) -> str:
    images = "image" if seen.n == 1 else "images"
    return f"{percent(seen.value)} of {seen.n:,} held-out {images} ({percent_range(seen.low, seen.high)})"


def _chance_reasons(seen: Interval, chance: Chance) -> tuple[str, ...]:
    if seen.low > chance.value:
        return ()
    where = "lies below" if seen.high < chance.value else "touches"
    return (
        f"The held-out interval, {percent_range(seen.low, seen.high)}, {where} what {chance.words} reaches, "
        f"{percent(chance.value)}: the accuracy may be no better than not looking at the pictures.",
    )


def _null_reasons(run: RunRecord) -> tuple[str, ...]:
    """Return the sentence that the best neuron lies within the null's spread, where it does; a run without a null says nothing."""
    null = run.null_scores[np.isfinite(run.null_scores)].astype(np.float64)
    scores = run.stumps.score[np.isfinite(run.stumps.score)]
    if not len(null):
        return ()
    if not len(scores):
        return ("No neuron has a defined score on the probing images.",)
    best, as_good = float(scores.max()), int((null >= scores.max()).sum())
    if not as_good:
        return ()
    chance = probability((as_good + 1) / (len(null) + 1))
    kind = "" if run.config.metric != "effect-size" else f" ({metric_name(run.config.metric)})"
    return (
        f"The best neuron scores {best:.2f}{kind} on the probing images; the best neuron of {as_good} of {len(null)} shuffled "
        f"labellings does as well (p = {chance}). That a single neuron fits may be luck.",
    )


def _few_reasons(run: RunRecord) -> tuple[str, ...]:
    """Return a sentence where a class has few probing or few test images."""
    told = []
    for images, what, means in (
        (run.train, "probing", "with so few, neurons that fit by luck are common"),
        (run.test, "test", "with so few, the measured accuracy can be far from the true one"),
    ):
        counts = np.bincount(images.labels[images.labels >= 0], minlength=len(images.classes))
        if len(counts) and counts.min() < FEW:
            few = int(counts.argmin())
            plural = "" if counts[few] == 1 else "s"
            counted = f"{counts[few]} {what} image{plural} of {images.classes[few]!r}"
            told.append(f"Only {counted}: {means}. {FEW} or more of each class are better.")
    return tuple(told)


def _tail(right: int, n: int, chance: float) -> float:
    """Return the probability that ``right`` or more of ``n`` are right by chance."""
    from scipy.stats import binom

    return float(binom.sf(right - 1, n, chance))
