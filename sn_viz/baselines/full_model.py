"""The model as it is: it writes its answer, the answer is read as a class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from sn_viz.baselines import BASELINES, Context
from sn_viz.baselines.answers import parse_answer
from sn_viz.baselines.answers.said import kept_answers, written_answers
from sn_viz.types import AnswerKey, Baseline, Interval

SHOWN, SHOWN_CHARACTERS = 5, 60
"""How many texts that named no class a note quotes, and how much of each."""


@BASELINES.register("full-model")
def run(context: Context) -> Baseline:
    """Let the frozen model write its answer and read the class from it. An answer that names no class counts as wrong; where it
    cannot be told which class "yes" stands for, there is no accuracy."""
    key, test = context.key, context.test
    answers = generate_answers(context)
    predicted = np.array([parse_answer(a, test.classes, q, key) for a, q in zip(answers, test.questions, strict=True)], np.int64)
    return Baseline(
        name="full-model",
        predicted=predicted,
        accuracy=context.accuracy(predicted) if key.known else Interval(np.nan, 0.0, 1.0, len(test)),
        latency_ms=context.latency_ms(lambda asked: written_answers(context.vlm, [asked[0]], [asked[1]], key)),
        note=note_on(key, answers, predicted),
        answers=tuple(answers),
    )


def note_on(key: AnswerKey, answers: Sequence[str], predicted: np.ndarray) -> str:
    """Say how the answers were read: what yes stands for and why, and which answers named no class."""
    if not key.known:
        return f"Cannot tell: {key.reason} Say what each class is answered with ({example_of(key)}), or see the calibrated model."
    unnamed = unnamed_answers(answers, predicted)
    parts = [f"Inferred: {meaning(key)}. {key.reason}"] if key.inferred else []
    if key.source == "given":
        parts = [f"Given: {meaning(key)}."]
    if unnamed:
        shown = ", ".join(f"“{text[:SHOWN_CHARACTERS]}” ({count})" for text, count in unnamed[:SHOWN])
        more = f", and {len(unnamed) - SHOWN} other texts" if len(unnamed) > SHOWN else ""
        total = sum(count for _, count in unnamed)
        parts.append(f"{total} of {len(answers)} answers named no class and count as wrong: {shown}{more}.")
    return " ".join(parts)


def meaning(key: AnswerKey) -> str:
    """Return the mapping in short: "yes = dogs, no = others"."""
    if key.by_question:
        return "yes stands for the class that each question asks for"
    return ", ".join(f"{word} = {name}" for word, name in sorted(zip(key.words, key.classes, strict=True), reverse=True))


def example_of(key: AnswerKey) -> str:
    """Return how the answers may be given."""
    return ", ".join(f"{name} = {word}" for name, word in zip(key.classes, ("yes", "no"), strict=False))


def unnamed_answers(answers: Sequence[str], predicted: np.ndarray) -> list[tuple[str, int]]:
    """Return the texts that named no class and how often each was written, the commonest first."""
    return Counter(text for text, said in zip(answers, predicted, strict=True) if said < 0).most_common()


def generate_answers(context: Context) -> list[str]:
    """Return what the model says about every test image; what it said before is read from the cache."""

    def tell(done: int, total: int) -> None:
        context.progress(done / total, f"The full model answers: {done} of {total} images")

    return kept_answers(context.vlm, context.test, context.key, context.cache, tell)
