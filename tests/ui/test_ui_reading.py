"""Reading a visitor's own images can be stopped between two of them."""

from __future__ import annotations

import io
import tarfile
import zipfile

import numpy as np
import pyarrow as pa
import pytest
from one_server import SERVER
from PIL import Image
from pyarrow import parquet

from sn_viz.errors import Cancelled
from sn_viz.sources.ingest import as_picture
from sn_viz.ui.components import run_panel
from sn_viz.ui.sections import examples_section
from sn_viz.ui.sections.examples_section import Where

MANY = 40


@pytest.fixture
def slow_pictures(tmp_path) -> list[str]:
    """Pictures that each take a while to decode."""
    noise = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((2400, 1800)).save(tmp_path / "0.jpg", quality=80)
    data = (tmp_path / "0.jpg").read_bytes()
    for number in range(1, MANY):
        (tmp_path / f"{number}.jpg").write_bytes(data)
    return [str(tmp_path / f"{number}.jpg") for number in range(MANY)]


def one_gallery_a_class(paths: list[str]) -> Where:
    half = len(paths) // 2
    return Where("own", "", 2, None, ("cat", "dog"), (paths[:half], paths[half:]))


def one_zip(paths: list[str]) -> Where:
    name = paths[0].replace("0.jpg", "all.zip")
    with zipfile.ZipFile(name, "w") as archive:
        for number, path in enumerate(paths):
            archive.write(path, f"{'cat' if number % 2 else 'dog'}/{number}.jpg")
    return Where("file", "", 2, [name], (), ())


@pytest.mark.parametrize("way_in", [one_gallery_a_class, one_zip])
def test_cancel_stops_the_reading_between_two_images(way_in, slow_pictures):
    where, owner = way_in(slow_pictures), f"somebody with {way_in.__name__}"
    job, *_, button = run_panel.begin(SERVER)
    assert button.interactive, "Cancel can be pressed while it reads"
    told = []
    with pytest.raises(Cancelled):
        for step in run_panel._read(SERVER, where, owner, SERVER.stops.flag(job)):
            told.append(step.text)
            if step.text.startswith("Reading your images: number"):
                run_panel.cancel(SERVER, job)
    assert told.pop() == "Stopping after this batch", "the job says it, so that no reply of the button comes after its end"
    assert told[-1].startswith("Reading your images: number ")
    assert int(told[-1].rsplit(" ", 1)[1].replace(",", "")) < MANY, "it did not read to the end"
    assert examples_section.at_hand(SERVER, where, owner) is None, "half a set is no set"


def test_a_parquet_or_a_tar_is_read_like_a_zip(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 12, 3), dtype=np.uint8)
    data = []
    for one in pixels:
        buffer = io.BytesIO()
        Image.fromarray(one).save(buffer, "PNG")
        data.append(buffer.getvalue())
    parquet.write_table(pa.table({"image": data, "label": ["cat", "dog"] * 4}), tmp_path / "pets.parquet")
    with tarfile.open(tmp_path / "pets.tar", "w") as archive:
        for i, one in enumerate(data):
            member = tarfile.TarInfo(f"{('cat', 'dog')[i % 2]}/{i}.png")
            member.size = len(one)
            archive.addfile(member, io.BytesIO(one))
    for name in ("pets.parquet", "pets.tar"):
        images = examples_section.from_files([str(tmp_path / name)], "Which?")
        assert images.classes == ("cat", "dog") and {p.sha256 for p in images.pictures} == {as_picture(one).sha256 for one in data}
