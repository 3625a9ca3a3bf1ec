"""What people land on: recorded, called so, and every figure with its interval and with what luck reaches."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import parse_qs

import numpy as np
import pytest
from PIL import Image

from sn_viz.paths import ASSETS
from sn_viz.types import Interval
from sn_viz.ui.components import recorded, story


@pytest.fixture(scope="module")
def kept():
    """The recording of a drawn pack, for where there is no photograph."""
    return recorded.read()


@pytest.fixture(scope="module")
def photograph():
    found = recorded.read_photograph()
    assert found is not None, "the installed scikit-learn holds another photograph, or none"
    return found


def test_people_land_on_the_photograph_with_its_credit_and_terms(photograph):
    assert recorded.landing().found == photograph.found
    told = story.value()
    assert told == story.shown(photograph) and "CC BY 2.0" in told["credit"] and "vultilion" in told["credit"]
    assert told["race"]["note"].startswith("A replay of a recorded run (")


def test_without_the_photograph_or_with_another_people_land_on_the_drawn_pack(kept, monkeypatch, tmp_path):
    monkeypatch.setattr(recorded, "flower_photograph", lambda: None)
    assert recorded.read_photograph() is None and recorded.landing().found == kept.found
    other = tmp_path / "flower.jpg"
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(other)
    monkeypatch.setattr(recorded, "flower_photograph", lambda: other)
    assert recorded.read_photograph() is None and recorded.landing().found == kept.found


def test_the_sentence_about_photographs_holds_the_measured_figures(photograph):
    found = replace(
        photograph.found, vote_right=Interval(0.935, 0.8915, 0.9617, 200), exit_layer=3, n_layers=8, n_test=200, n_voters=15
    )
    told = replace(photograph, found=found, times=replace(photograph.times, race_full_ms=60.0, race_exit_ms=20.0))
    assert story.sentence(told) == (
        "15 single numbers out of the first 3 of 8 blocks answer it: right on 93.5 % of 200 other photographs (89 to 96), and on "
        "this one 3.0 times sooner than the full model."
    )
    slow = replace(told, found=replace(found, exit_layer=8, n_voters=1), times=replace(told.times, race_exit_ms=60.0))
    assert story.sentence(slow).startswith("One single number out of all 8 blocks answers it")
    assert "no sooner than the full model" in story.sentence(slow)
    assert "out of the first of 8 blocks" in story.sentence(replace(told, found=replace(found, exit_layer=1)))


def test_what_it_was_searched_and_tested_on_is_kept_by_name_and_terms(photograph):
    sets = photograph.found.photographs.sets
    assert {line.split(":")[0] for line in sets} == {"flower", "other"} and all("," in line for line in sets)
    assert f"{len(sets)} public sets" in story.luck(photograph) and "The full model is right on" in story.luck(photograph)


def test_the_drawn_recording_is_shown_as_it_was(kept):
    told = story.shown(kept)
    assert told["link"] and told["on"] == "Look at this number" and told["lead"] == "This one number"


def test_the_photograph_goes_on_to_the_workbench_as_it_stands(photograph):
    assert story.shown(photograph)["link"] == "" and story.shown(photograph)["on"] == "On to the workbench"


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
    for name in (recorded.FACTS, recorded.PHOTOGRAPH):
        assert "/" not in (recorded.FOLDER / name).read_text()


def test_writing_and_reading_changes_nothing(kept, tmp_path):
    recorded.write(kept, tmp_path)
    again = recorded.read(tmp_path)
    assert (again.found, again.times, again.command) == (kept.found, kept.times, kept.command)
    assert again.picture.sha256 == kept.picture.sha256 == kept.found.sha256


def test_writing_the_photographs_run_and_reading_it_changes_nothing_and_keeps_no_picture(photograph, tmp_path):
    recorded.write(photograph, tmp_path)
    again = recorded.read_photograph(tmp_path)
    assert again is not None and (again.found, again.times, again.command) == (
        photograph.found,
        photograph.times,
        photograph.command,
    )
    assert [path.name for path in tmp_path.iterdir()] == [recorded.PHOTOGRAPH]
