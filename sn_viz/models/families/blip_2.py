"""BLIP-2 has no chat template, and its processor puts the picture's places before the text itself."""

from __future__ import annotations

from collections.abc import Sequence

from sn_viz.models.families import FAMILIES


@FAMILIES.register("blip-2")
def blip_2(processor: object, questions: Sequence[str]) -> list[str]:
    """Return ``Question: QUESTION Answer:`` for each question, as BLIP-2 was tried on questions."""
    return [f"Question: {question} Answer:" for question in questions]
