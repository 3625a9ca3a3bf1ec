"""What people land on: recorded, called so, and every figure with its interval and with what luck reaches."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from sn_viz.paths import ASSETS
from sn_viz.types import Interval
from sn_viz.ui.components import recorded, story


@pytest.fixture(scope="module")
def kept():
    return recorded.read()


def test_the_sentence_holds_the_measured_figures(kept):
    found = replace(kept.found, neuron_right=Interval(0.95, 0.91, 0.9726, 200), exit_layer=4, n_layers=12, n_test=200)
    times = replace(kept.times, full_model_ms=82.0, early_exit_ms=20.0)
    assert story.sentence(replace(kept, found=found, times=times)) == (
        "This one number alone is right on 95 % of 200 new pictures (91 to 97); the model could stop after block 4 of 12, "
        "4.1 times as fast."
    )
    tower = replace(kept, found=replace(found, exit_layer=0, n_tower=4))
    assert "after block V4 of the vision tower, before any of 12" in story.sentence(tower)


def test_luck_stands_beside_it(kept):
    said = story.luck(replace(kept, found=replace(kept.found, luck=0.8333, probing_score=0.98333, n_neurons=13824)))
    assert "best of 13,824 numbers scores 0.83" in said and "this one 0.98" in said


def test_it_is_called_a_replay_of_a_recorded_run_with_machine_and_day(kept):
    note = story.shown(kept)["race"]["note"]
    assert note.startswith("A replay of a recorded run (") and kept.times.date[:4] in note and "than it ran" in note


def test_the_link_goes_on_to_that_neuron(kept):
    asked = parse_qs(story.shown(kept)["link"].removeprefix("?"))
    assert asked["pack"] == [kept.found.pack] and asked["model"] == [kept.found.model]
    assert asked["neuron"] == [str(kept.found.neuron)] and asked["tab"] == ["neurons"]


def test_what_is_sent_is_small_and_says_nothing_of_a_machines_folders():
    sent = json.dumps(story.value(), allow_nan=False)
    assert len(sent) < 60_000 and str(ASSETS.parent) not in sent
    assert "/" not in (recorded.FOLDER / recorded.FACTS).read_text()


def test_writing_and_reading_changes_nothing(kept, tmp_path):
    recorded.write(kept, tmp_path)
    again = recorded.read(tmp_path)
    assert (again.found, again.times, again.command) == (kept.found, kept.times, kept.command)
    assert again.picture.sha256 == kept.picture.sha256 == kept.found.sha256
