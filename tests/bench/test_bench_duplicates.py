"""``bench duplicates`` on a small made folder: copies are found again, repeats in the folder are counted and named."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from sn_viz.bench.duplicates import ALTERATIONS, measure
from sn_viz.cli import app
from sn_viz.errors import UserError


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Return a folder of two classes with eight pictures unlike all others, and one of them once more, smaller."""
    folder, rng = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    for i in range(8):
        place = folder / ("a", "b")[i % 2]
        place.mkdir(exist_ok=True)
        picture = Image.fromarray(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)).resize((180, 140), Image.Resampling.BICUBIC)
        picture.save(place / f"{i}.jpg", quality=90)
    picture.resize((120, 93)).save(folder / "b" / "again.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_copies_are_found_again_and_a_repeat_is_named(photographs):
    pairs, time, *found = measure(photographs, "all")
    assert pairs.measured == pytest.approx(1 / 36) and not pairs.holds and time.measured > 0
    assert pairs.note == "36 pairs: b/7.jpg = b/again.png"
    assert [row.name for row in found] == [f"found: {name}" for name in ALTERATIONS]
    assert all(row.measured == 1 and row.holds for row in found)


def test_the_halves_share_no_picture_and_are_all(photographs):
    halves = [measure(photographs, half, n_altered=1)[1].note for half in ("first", "second")]
    assert sum(int(note.split()[0]) for note in halves) == 9


def test_the_command_writes_what_it_prints(photographs, tmp_path):
    done = CliRunner().invoke(
        app, ["bench", "duplicates", str(photographs), "--half", "all", "--json", str(tmp_path / "found.json")]
    )
    assert done.exit_code == 0 and "pairs among different pictures" in done.output
    assert "b/7.jpg = b/again.png" in json.dumps(json.loads((tmp_path / "found.json").read_text()))


def test_a_folder_without_pictures_is_told(tmp_path):
    with pytest.raises(UserError, match="too few pictures"):
        measure(tmp_path)
