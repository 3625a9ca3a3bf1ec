"""Small image files for the tests of sources, made on the spot."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(seed: int, width: int = 20, height: int = 16) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def png(seed: int = 0) -> bytes:
    return encoded(picture(seed))


def class_folders(root: Path, **counts: int) -> Path:
    """Write ``counts[name]`` different PNGs into a folder for each class."""
    seed = 0
    for name, count in counts.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            seed += 1
            (root / name / f"{number}.png").write_bytes(png(seed))
    return root


def zipped(path: Path, entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def two_classes() -> dict[str, bytes]:
    return {f"{name}/{i}.png": png(i + 10 * (name == "dog")) for name in ("cat", "dog") for i in range(2)}
