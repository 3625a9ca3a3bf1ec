"""Labelled flat pictures, where a test needs no files."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sn_viz.sources.ingest import picture_from_pixels
from sn_viz.types import LabelledImages


def labelled(labels: list[int], classes: tuple[str, ...] = ("no", "yes"), first: int = 0) -> LabelledImages:
    """Return one different flat picture per label, the first of grey ``first``."""
    pictures = tuple(picture_from_pixels(np.full((8, 8, 3), first + i, np.uint8)) for i in range(len(labels)))
    names = tuple(f"{i}.png" for i in range(len(labels)))
    return LabelledImages(names, pictures, np.array(labels, np.int64), classes, ("Is it?",) * len(labels))


@pytest.fixture
def make_labelled() -> Callable[..., LabelledImages]:
    return labelled
