"""Reading a visitor's own images can be stopped between two of them."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from PIL import Image

from sn_viz.errors import Cancelled
from sn_viz.ui.components import run_panel
from sn_viz.ui.server.jobs import STOPS
from sn_viz.ui.tabs import examples_tab
from sn_viz.ui.tabs.examples_tab import Where

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
    job, *_, button = run_panel.begin()
    assert button.interactive, "Cancel can be pressed while it reads"
    told = []
    with pytest.raises(Cancelled):
        for step in run_panel._read(where, owner, STOPS.flag(job)):
            told.append(step.text)
            if step.text.startswith("Reading your images: number"):
                run_panel.cancel(job)
    assert told[-1].startswith("Reading your images: number ")
    assert int(told[-1].rsplit(" ", 1)[1].replace(",", "")) < MANY, "it did not read to the end"
    assert examples_tab.at_hand(where, owner) is None, "half a set is no set"
