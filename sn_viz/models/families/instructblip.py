"""InstructBLIP has no chat template, and its processor puts the picture's places before the text itself."""

from __future__ import annotations

from collections.abc import Sequence

from sn_viz.models.families import FAMILIES


@FAMILIES.register("instructblip")
def instructblip(processor: object, questions: Sequence[str]) -> list[str]:
    """Return the questions: they are the instruction."""
    return list(questions)
