"""What the tests of the engines share: photographs in files, and a cache of each test's own."""

from __future__ import annotations

import os

os.environ.update(RAY_worker_niceness="0")  # Ray's workers else step back for whatever runs beside the tests

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Return ``photographs(n)``: a folder of two classes with ``n`` small JPEGs in all, brighter in one class."""
    made: dict[int, Path] = {}

    def make(n: int) -> Path:
        if n not in made:
            made[n] = tmp_path_factory.mktemp("photographs")
            for i in range(n):
                folder = made[n] / ("light" if i % 2 else "dark")
                folder.mkdir(exist_ok=True)
                pixels = np.random.default_rng(i).normal(100 + 60 * (i % 2), 40, (48, 64, 3))
                Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{i}.jpg", quality=60)
        return made[n]

    return make


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def same_bits(one: Any, other: Any) -> bool:
    """Return whether two arrays are equal bit for bit."""
    one, other = np.ascontiguousarray(one), np.ascontiguousarray(other)
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
