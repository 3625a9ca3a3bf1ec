"""The race: the picture that is shown runs, both lanes are on one clock, and behind is called behind."""

from __future__ import annotations

import json
from dataclasses import replace

import gradio as gr
import numpy as np
import pytest
from one_server import SERVER
from PIL import Image

from sn_viz.ui.components import race_panel
from sn_viz.ui.components.racing import Race
from sn_viz.voting.intervals import wilson

REQUEST = gr.Request(session_hash="one")


def raced(run, exit_ms, full_ms=30.0, exit_layer=2):
    """A race of six blocks, one every four milliseconds from the eighth on."""
    tally = np.tile([0.25, 0.75], (6, 1)).astype(np.float32)
    return Race(tally, 8.0 + 4 * np.arange(6), run.neurons.layers, exit_layer, "dog", exit_ms, "yes", full_ms)


def facts_of(run, finished, now):
    return {fact["label"]: fact["value"] for fact in race_panel.race_facts(run, finished, now, "dog")["facts"]}


def test_both_lanes_are_replayed_on_one_clock(planted):
    frames = list(race_panel._frames(planted, raced(planted, exit_ms=5.0), "dog"))
    assert len(frames) == 8
    first = json.loads(frames[0][0])["light"]["data"]
    blocks = next(trace for trace in first if "block finished" in trace["name"])
    assert blocks["y"] == [None, None] and any(trace["name"].startswith("exit: dog at 5 ms") for trace in first)
    assert frames[0][1]["facts"][1]["note"] == "0 of 6 blocks"
    assert frames[-1][1]["facts"][1]["value"] == "yes" and "not timed" in frames[-1][1]["note"]


def test_an_exit_that_comes_last_is_shown_last_and_called_behind(planted):
    finished = raced(planted, exit_ms=60.0)
    frames = list(race_panel._frames(planted, finished, "dog"))
    assert frames[-2][1]["facts"][0]["value"] == "…" and frames[-2][1]["facts"][1]["value"] == "yes"
    last = json.loads(frames[-2][0])["light"]["data"]
    assert not any(trace["name"].startswith("exit:") for trace in last)
    assert facts_of(planted, finished, 60.0)["the exit is behind"] == "2.0×"


def test_ahead_is_a_number_only_beside_an_accuracy_that_holds(planted):
    finished = raced(planted, exit_ms=5.0)
    assert facts_of(planted, finished, 30.0)["the exit is ahead"] == "6.0×"
    rows = tuple(replace(row, accuracy=wilson(30, 60)) for row in planted.by_layer)
    said = facts_of(replace(planted, by_layer=rows), finished, 30.0)
    assert said["the exit is"] == "first" and not any("×" in value for value in said.values())
    assert facts_of(planted, raced(planted, exit_ms=30.0), 30.0)["the exit is"] == "level"


@pytest.fixture()
def own(tmp_path):
    path = tmp_path / "own.png"
    Image.new("RGB", (40, 30), (1, 200, 3)).save(path)
    return str(path)


def test_a_new_run_and_a_click_forget_the_own_picture_and_the_old_race(run_key, event):
    assert race_panel.show(SERVER, run_key)[-1] is None
    example, shown, upload, figure, result = race_panel.pick_image(SERVER, run_key, event(group=0, item=3))
    assert upload is None and result == {} and json.loads(figure)["light"]["data"] == []
    assert shown == race_panel._chosen(SERVER.runs.get(run_key), example)


def test_an_own_picture_is_shown_as_the_model_will_see_it_and_taking_it_away_shows_the_chosen_one(run_key, own):
    shown, _, result = race_panel.show_upload(SERVER, REQUEST, run_key, 4, own)
    assert shown["groups"][0]["items"][0]["caption"] == "Your own image" and result == {}
    assert race_panel.show_upload(SERVER, REQUEST, run_key, 4, None)[0] == race_panel._chosen(SERVER.runs.get(run_key), 4)


def test_a_file_that_is_no_picture_is_told_in_place_of_one(run_key, tmp_path):
    (tmp_path / "not.png").write_bytes(b"no picture")
    shown = race_panel.show_upload(SERVER, REQUEST, run_key, 4, str(tmp_path / "not.png"))[0]
    assert not shown["groups"] and shown["empty"]


@pytest.mark.parametrize("with_upload", [False, True])
def test_the_race_runs_the_picture_it_shows(run_key, own, with_upload, monkeypatch):
    seen = []

    def race(run, vlm, picture, question, layer, progress):
        seen.append(picture)
        return raced(run, exit_ms=5.0)

    monkeypatch.setattr(race_panel, "race", race)
    monkeypatch.setattr(race_panel, "model_of", lambda config: None)
    monkeypatch.setattr(race_panel, "SHOW_SECONDS", 0.0)
    steps = list(race_panel.show_race(SERVER, REQUEST, SERVER.stops.new(), run_key, 4, own if with_upload else None, 2))
    run = SERVER.runs.get(run_key)
    expected = race_panel._contestant(run, 4, own if with_upload else None)[0]
    assert [picture.sha256 for picture in seen] == [expected.sha256]
    shown = [step[4] for step in steps if isinstance(step[4], dict) and "groups" in step[4]]
    assert shown[0]["groups"][0]["items"][0]["src"] == race_panel.views.thumbnail(expected, 224)
