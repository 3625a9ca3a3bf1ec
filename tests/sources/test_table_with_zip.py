"""A table and a zip of its images, handed over together."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sn_viz.errors import UserError
from sn_viz.sources import load_images


def _png(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (12, 12, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _files(folder: Path, table: str, names: list[str]) -> tuple[Path, Path]:
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for seed, name in enumerate(names):
            archive.writestr(name, _png(seed))
    (folder / "labels.csv").write_text(table)
    return folder / "labels.csv", folder / "images.zip"


def test_rows_find_their_images_whatever_the_order_of_the_files(tmp_path: Path):
    table = "image,label,question\na.png,yes,Q?\nb.png,yes,Q?\nc.png,no,Q?\nin/d.png,no,Q?\n"
    pair = _files(tmp_path, table, ["photos/a.png", "b.png", "deep/er/c.png", "in/d.png"])
    for data in (pair, pair[::-1]):
        images = load_images(data)
        assert images.classes == ("no", "yes") and images.labels.tolist() == [1, 1, 0, 0] and images.question == "Q?"


def test_a_missing_image_is_named_with_its_row_and_the_rest_is_read(tmp_path: Path):
    table = "image,label\na.png,yes\nb.png,yes\nc.png,no\nd.png,no\nzzz.png,no\n"
    images = load_images(_files(tmp_path, table, ["a.png", "b.png", "c.png", "d.png"]))
    assert len(images) == 4 and any("zzz.png" in note for note in images.notes)


def test_two_zips_are_refused_with_a_sentence(tmp_path: Path):
    _, archive = _files(tmp_path, "image,label\n", ["a.png"])
    with pytest.raises(UserError):
        load_images((archive, archive))
