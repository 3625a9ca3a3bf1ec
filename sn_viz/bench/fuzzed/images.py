"""Pictures of every format, damaged: the one door for bytes."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, features

from sn_viz.bench.fuzzed import TARGETS, Try, mutated, text
from sn_viz.sources.ingest import KEEP_SIDE, decode

MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16")
OPTIONS: tuple[tuple[str, dict], ...] = (
    *(("JPEG", {"quality": 60}), ("JPEG", {"progressive": True}), ("PNG", {}), ("PNG", {"optimize": True}), ("GIF", {})),
    *(("WEBP", {}), ("WEBP", {"lossless": True}), ("BMP", {}), ("TIFF", {}), ("ICO", {}), ("PPM", {}), ("TGA", {}), ("AVIF", {})),
)


def sample(rng: np.random.Generator) -> bytes:
    """Return the bytes of a small sound picture of some format and mode."""
    width, height = (int(side) for side in rng.integers(1, 120, 2))
    image = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    form, options = OPTIONS[rng.integers(len(OPTIONS))]
    if form == "AVIF" and not features.check("avif"):
        form, options = "PNG", {}
    mode = MODES[rng.integers(len(MODES))]
    shown = Image.new("I;16", image.size, 700) if mode == "I;16" else image.convert(mode)
    options = dict(options)
    if rng.random() < 0.3:
        exif = Image.Exif()
        exif[0x0112] = int(rng.integers(0, 20))
        options["exif"] = exif
    if form in ("GIF", "WEBP") and rng.random() < 0.5:
        options |= {"save_all": True, "append_images": [shown] * int(rng.integers(1, 6))}
    file = io.BytesIO()
    try:
        shown.save(file, form, **options)
    except (OSError, ValueError, KeyError, TypeError):  # this format cannot say that
        file = io.BytesIO()
        image.save(file, "PNG")
    return file.getvalue()


def sealed_png(data: bytes) -> bytes:
    """Return a PNG with every checksum right again, so that its damage reaches the decoder."""
    fixed, at = bytearray(data), 8
    while at + 12 <= len(fixed):
        (length,) = struct.unpack(">I", fixed[at : at + 4])
        end = at + 8 + length
        if end + 4 > len(fixed):
            break
        fixed[end : end + 4] = struct.pack(">I", zlib.crc32(fixed[at + 4 : end]))
        at = end + 4
    return bytes(fixed)


@TARGETS.register("images")
def images(folder: Path) -> Try:
    """Pictures of every format, damaged."""

    def attempt(rng: np.random.Generator) -> None:
        data = sample(rng)
        if rng.random() < 0.95:
            data = mutated(data, rng)
        if data[:4] == b"\x89PNG" and rng.random() < 0.7:
            data = sealed_png(data)
        pixels = decode(data, text(rng)).pixels
        assert pixels.dtype == np.uint8 and pixels.shape[2] == 3 and max(pixels.shape) <= KEEP_SIDE

    return attempt
