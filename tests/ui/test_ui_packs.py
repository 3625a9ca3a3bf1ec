"""Saved runs of packs keep to their room on the disk."""

from __future__ import annotations

import os
import time

from planted_run import measured

from sn_viz.activations.store import ABANDONED_SECONDS
from sn_viz.storage.summary import summary
from sn_viz.ui.server import packs
from sn_viz.ui.server.packs import bound


def test_the_runs_used_longest_ago_make_room_and_half_written_ones_go(tmp_path):
    now = time.time()
    for age in range(10):
        folder = tmp_path / f"pack.{age}"
        folder.mkdir()
        (folder / "run.json").write_bytes(b"x" * 100)
        os.utime(folder, (now - age, now - age))
    abandoned, fresh = tmp_path / ".pack.x-abc", tmp_path / ".pack.y-abc"
    for folder in (abandoned, fresh):
        folder.mkdir()
        (folder / "run.json").write_bytes(b"x")
    os.utime(abandoned, (now - 2 * ABANDONED_SECONDS,) * 2)
    bound(tmp_path, max_bytes=2000)
    assert len(list(tmp_path.iterdir())) == 11 and not abandoned.exists()
    bound(tmp_path, max_bytes=600)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".pack.y-abc", *(f"pack.{age}" for age in range(5))]


def test_the_newest_run_stays_however_large(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_bytes(b"x" * 100)
        os.utime(tmp_path / name, (time.time() - 10 * (name == "old"),) * 2)
    bound(tmp_path, max_bytes=50)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_damaged_saved_run_is_told_in_one_sentence_and_computed_again(planted, tmp_path, caplog):
    run = measured(planted)
    folder = run.save(tmp_path / "run")
    assert summary(packs._saved(folder)) == summary(run)
    text = bytearray((folder / "run.json").read_bytes())
    text[len(text) // 2] ^= 1
    (folder / "run.json").write_bytes(text)
    assert packs._saved(folder) is None
    assert "damaged" in caplog.text and "Traceback" not in caplog.text
