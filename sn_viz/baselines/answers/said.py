"""Let a model answer until its answer names a class. Takes a model, pictures and questions; returns texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sn_viz.activations.legs import each
from sn_viz.baselines.answers.key import OBSERVED, observe
from sn_viz.types import AnswerKey, LabelledImages, Picture, Progress

if TYPE_CHECKING:
    from sn_viz.models import Vlm

BATCH = 8


def written_answers(
    vlm: Vlm, pictures: Sequence[Picture], questions: Sequence[str], key: AnswerKey | None, batch_size: int = BATCH
) -> list[str]:
    """Return the model's greedy answers: eight tokens, and more while they name no class, up to 64 (``Vlm.generate``).

    With a key that is None or unknown, eight tokens.
    """
    if key is None or not key.known:
        return vlm.generate(pictures, questions, batch_size=batch_size)
    return vlm.generate(pictures, questions, batch_size=batch_size, reading=_reader(key, questions))


def _reader(key: AnswerKey, questions: Sequence[str]) -> Callable[[int, str], int]:
    from sn_viz.baselines.answers import parse_answer

    def reading(row: int, text: str) -> int:
        if key.rule and "." not in text:  # published rules read whole sentences
            return -1
        return parse_answer(text, key.classes, questions[row], key)

    return reading


def observed(vlm: Vlm, train: LabelledImages, key: AnswerKey, progress: Progress) -> AnswerKey:
    """Return the key after looking at what the model says about probing images, where names and question tell nothing.

    Which images: ``OBSERVED`` at most, evenly spread over the split. Their labels are not looked at.
    """
    if key.known:
        return key
    rows = np.unique(np.linspace(0, len(train) - 1, min(OBSERVED, len(train))).astype(int))
    asked = [train.take(rows[start : start + BATCH]) for start in range(0, len(rows), BATCH)]
    texts: list[str] = []
    progress(0.0, "Looking which words the model answers with")
    for said in each(vlm, written_answers, [(some.pictures, some.questions, None) for some in asked]):
        texts += said
        progress(len(texts) / len(rows), "Looking which words the model answers with")
    return observe(key, texts)
