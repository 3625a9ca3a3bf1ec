"""Kosmos-2 has no chat template, and its processor puts the picture's places before the text itself."""

from __future__ import annotations

from collections.abc import Sequence

from sn_viz.models.families import FAMILIES


@FAMILIES.register("kosmos-2")
def kosmos_2(processor: object, questions: Sequence[str]) -> list[str]:
    """Return ``Question: QUESTION Answer:`` for each question, as Kosmos-2 was tuned for."""
    return [f"Question: {question} Answer:" for question in questions]
