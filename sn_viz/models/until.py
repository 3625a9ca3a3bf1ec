"""Generation that goes on while nothing has been said: a stopping criterion of transformers made of a plain function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from sn_viz.models.torchvision_guard import hide_broken_torchvision

hide_broken_torchvision()

from transformers import StoppingCriteria, StoppingCriteriaList  # noqa: E402


class Until(StoppingCriteria):
    """Stops a sequence once ``reading(row, text)`` is the same at two steps in a row and not -1, at ``least`` tokens or later.

    Two steps, because the last word may not be whole yet: "dog" may become "dogwood".

    Parameters
    ----------
    texts : callable
        Takes tokens (row, token); returns what they say, without control tokens.
    start : int
        Tokens of the prompt.
    least : int
        Tokens that are generated in any case, unless the model ends its answer before.
    reading : callable
        Takes the row of the batch and the text so far; returns what it names, or -1.
    """

    def __init__(
        self, texts: Callable[[torch.Tensor], list[str]], start: int, least: int, reading: Callable[[int, str], int]
    ) -> None:
        self.texts, self.start, self.least, self.reading = texts, start, least, reading
        self.before: dict[int, int] = {}

    def __call__(self, input_ids: torch.LongTensor, scores: Any, **more: Any) -> torch.BoolTensor:
        done = torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)
        if input_ids.shape[1] - self.start >= self.least - 1:
            for row, text in enumerate(self.texts(input_ids[:, self.start :])):
                now = self.reading(row, text.strip())
                done[row] = input_ids.shape[1] - self.start >= self.least and now >= 0 and now == self.before.get(row, -1)
                self.before[row] = now
        return done  # type: ignore[return-value]


def stopped_by(until: Until) -> StoppingCriteriaList:
    """Return the criterion in the form that ``generate`` takes."""
    return StoppingCriteriaList([until])
