"""Archives of labelled pictures: names of every kind, entries that lie, and bytes damaged."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path

import numpy as np

from sn_viz.bench.fuzzed import TARGETS, Try, mutated, text
from sn_viz.bench.fuzzed.images import sample
from sn_viz.sources import load_images

WAYS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def archive(rng: np.random.Generator) -> bytes:
    """Return an archive: folders of pictures, with some names and contents that no camera makes."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two entries of one name are meant
        with zipfile.ZipFile(file, "w", WAYS[rng.integers(len(WAYS))]) as made:
            for number in range(int(rng.integers(0, 10))):
                plain = f"{'ab'[number % 2]}/{number}.png"
                name = plain if rng.random() < 0.6 else f"{text(rng, 12)}/{text(rng, 12)}"
                content = sample(rng) if rng.random() < 0.8 else bytes(int(rng.integers(0, 3_000_000)))
                info = zipfile.ZipInfo(name.encode("utf-8", "replace").decode() or "x")
                info.external_attr = int(rng.choice([0o644, 0o120777, 0o040755])) << 16
                info.compress_type = made.compression
                made.writestr(info, content)
            if rng.random() < 0.2:
                made.writestr("inner.zip", file.getvalue())
            made.comment = rng.bytes(int(rng.integers(0, 50)))
    return file.getvalue()


@TARGETS.register("zips")
def zips(folder: Path) -> Try:
    """Archives of labelled pictures, damaged."""

    def attempt(rng: np.random.Generator) -> None:
        data = archive(rng)
        path = folder / "pictures.zip"
        path.write_bytes(mutated(data, rng) if rng.random() < 0.7 else data)
        load_images(path, "Is it?" if rng.random() < 0.5 else None)

    return attempt
