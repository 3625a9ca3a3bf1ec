"""PaliGemma has no chat template: it expects a task word, the language and the question behind the image."""

from __future__ import annotations

from collections.abc import Sequence

from sn_viz.models.families import FAMILIES


@FAMILIES.register("paligemma")
def paligemma(processor: object, questions: Sequence[str]) -> list[str]:
    """Return ``<image>answer en QUESTION`` for each question."""
    image_token = getattr(processor, "image_token", "<image>")
    return [f"{image_token}answer en {question}" for question in questions]
