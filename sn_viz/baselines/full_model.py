"""The model as it is: it writes its answer, the answer is read as a class."""

from __future__ import annotations

import numpy as np

from sn_viz.baselines import BASELINES, Context
from sn_viz.baselines.answers import parse_answer
from sn_viz.types import Baseline, LabelledImages

BATCH = 8


@BASELINES.register("full-model")
def run(context: Context) -> Baseline:
    """Let the frozen model write its answer and read the class from it. An answer that names no class counts as wrong."""
    answers = generate_answers(context)
    predicted = np.array([parse_answer(a, context.test.classes, q) for a, q in zip(answers, context.test.questions, strict=True)])
    unparsed = int(np.sum(predicted == -1))
    return Baseline(
        name="full-model",
        predicted=predicted.astype(np.int64),
        accuracy=context.accuracy(predicted),
        latency_ms=context.latency_ms(lambda asked: context.vlm.generate([asked[0]], [asked[1]])),
        note=f"{unparsed} of {len(answers)} answers named no class and count as wrong." if unparsed else "",
        answers=tuple(answers),
    )


def generate_answers(context: Context) -> list[str]:
    """Return what the model says about every test image."""
    test: LabelledImages = context.test
    answers: list[str] = []
    for start in range(0, len(test), BATCH):
        context.progress(start / len(test), f"The full model answers: {start} of {len(test)} images")
        rows = slice(start, start + BATCH)
        answers += context.vlm.generate(test.pictures[rows], test.questions[rows])
    return answers
