"""What a process of its own draws is what is drawn here; where it cannot, it is drawn here."""

import subprocess
import sys

import numpy as np
import pytest

from sn_viz.sources.pack import begin_pack, load_pack
from sn_viz.world import ahead
from sn_viz.world.tasks import draw_task

WANTED = [("presence-dog", 3, 4), ("colour-of-car", 5, 1)]


def same(one, other):
    return (
        (one.names, one.classes, one.questions) == (other.names, other.classes, other.questions)
        and np.array_equal(one.labels, other.labels)
        and one.labels.dtype == other.labels.dtype
        and [picture.sha256 for picture in one.pictures] == [picture.sha256 for picture in other.pictures]
    )


def test_scenes_drawn_ahead_are_those_drawn_here_and_are_taken_once():
    ahead.draw_ahead(WANTED)
    drawn = ahead.drawn_ahead(WANTED)
    assert drawn is not None and all(same(one, draw_task(*wanted)) for one, wanted in zip(drawn, WANTED, strict=True))
    assert not any(picture.pixels.flags.writeable for picture in drawn[0].pictures)
    assert ahead.drawn_ahead(WANTED) is None


def test_a_pack_is_the_same_with_and_without_beginning_ahead(monkeypatch):
    monkeypatch.setattr("sn_viz.sources.pack.N_TRAIN", 4)
    monkeypatch.setattr("sn_viz.sources.pack.N_TEST", 6)
    plain = load_pack("left-of", 4, 6, seed=3)
    begin_pack("pack:left-of", seed=3)
    monkeypatch.setattr("sn_viz.sources.pack.draw_task", None)  # nothing is drawn here any more
    assert all(same(one, other) for one, other in zip(load_pack("left-of", 4, 6, seed=3), plain, strict=True))


@pytest.mark.parametrize("failing", [[sys.executable, "-c", "raise SystemExit(3)"], None])
def test_a_process_that_fails_leaves_the_drawing_to_who_asks(monkeypatch, failing):
    start = subprocess.Popen

    def instead(command, **options):
        if failing is None:
            raise OSError("no more processes")
        return start(failing, **options)

    monkeypatch.setattr(ahead.subprocess, "Popen", instead)
    ahead.draw_ahead(WANTED)
    assert ahead.drawn_ahead(WANTED) is None


@pytest.mark.parametrize("data", ["pack:photos", "pack:none-such", "folder", 3, None])
def test_what_is_not_drawn_is_not_begun(data, monkeypatch):
    monkeypatch.setattr(ahead.subprocess, "Popen", None)
    begin_pack(data)
