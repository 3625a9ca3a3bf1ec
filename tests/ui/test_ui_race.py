"""The race: the picture that is shown runs, both lanes are on one clock, and behind is called behind."""

from __future__ import annotations

import json
from dataclasses import replace

import gradio as gr
import numpy as np
import pytest
from one_server import SERVER
from PIL import Image

from sn_viz.errors import UserError
from sn_viz.ui.components import race_panel
from sn_viz.ui.components.racing import Race
from sn_viz.voting.intervals import wilson

REQUEST = gr.Request(session_hash="one")


def raced(run, exit_ms, full_ms=30.0, exit_layer=2):
    """A race of six blocks, one every four milliseconds from the eighth on."""
    tally = np.tile([0.25, 0.75], (6, 1)).astype(np.float32)
    return Race(tally, 8.0 + 4 * np.arange(6), run.neurons.layers, exit_layer, "dog", exit_ms, "yes", full_ms)


def facts_of(run, finished):
    return {fact["label"]: fact["value"] for fact in race_panel.race_facts(run, finished, "dog")["facts"]}


def test_a_race_is_drawn_whole_with_both_answers(planted):
    drawn = json.loads(race_panel._figure(planted, raced(planted, exit_ms=5.0), "dog"))["light"]["data"]
    blocks = next(trace for trace in drawn if "block finished" in trace["name"])
    assert blocks["y"] == [8.0, 12.0, 16.0, 20.0, 24.0, 28.0]
    assert any(trace["name"].startswith("exit: dog at 5 ms") for trace in drawn)
    assert any(trace["name"].startswith("full model: yes at 30 ms") for trace in drawn)


def test_ahead_is_a_number_only_beside_an_accuracy_that_holds(planted):
    assert facts_of(planted, raced(planted, exit_ms=5.0))["the exit is ahead"] == "6.0×"
    rows = tuple(replace(row, accuracy=wilson(30, 60)) for row in planted.by_layer)
    said = facts_of(replace(planted, by_layer=rows), raced(planted, exit_ms=5.0))
    assert said["the exit is"] == "first" and not any("×" in value for value in said.values())
    assert facts_of(planted, raced(planted, exit_ms=30.0))["the exit is"] == "level"
    assert facts_of(planted, raced(planted, exit_ms=60.0))["the exit is behind"] == "2.0×"


@pytest.fixture()
def own(tmp_path):
    path = tmp_path / "own.png"
    Image.new("RGB", (40, 30), (1, 200, 3)).save(path)
    return str(path)


def test_a_new_run_and_a_click_forget_the_own_picture_and_the_old_race(run_key, event):
    assert race_panel.show(SERVER, run_key)[3] is None
    example, shown, upload, lanes, figure, result = race_panel.pick_image(SERVER, run_key, event(group=0, item=3))
    assert upload is None and result == {} and "blocks" not in lanes and json.loads(figure)["light"]["data"] == []
    assert shown == race_panel._chosen(SERVER.runs.get(run_key), example)


def test_an_own_picture_is_shown_as_the_model_will_see_it_and_taking_it_away_shows_the_chosen_one(run_key, own):
    shown, _, _, result = race_panel.show_upload(SERVER, REQUEST, run_key, 4, own)
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
    steps = list(race_panel.run_race(SERVER, REQUEST, SERVER.stops.new(), run_key, 4, own if with_upload else None, 2))
    run = SERVER.runs.get(run_key)
    expected = race_panel._contestant(run, 4, own if with_upload else None)[0]
    assert [picture.sha256 for picture in seen] == [expected.sha256]
    shown = [step[5] for step in steps if isinstance(step[5], dict) and "groups" in step[5]]
    assert shown[0]["groups"][0]["items"][0]["src"] == race_panel.views.thumbnail(expected, 224)
    last = steps[-1]
    assert last[0]["early"]["ms"] == 5.0 and "the exit is ahead" in str(last[2])


def test_any_picture_of_the_run_opens_in_the_race_and_no_other(planted):
    last = len(planted.shown) - 1
    assert last not in race_panel.race_examples(planted)
    example, shown, *_ = race_panel.choose(planted, last)
    assert example == last and planted.shown.names[last] in shown["groups"][0]["items"][0]["caption"]
    for wrong in (last + 1, -1):
        with pytest.raises(UserError, match="not in the list"):
            race_panel.choose(planted, wrong)


def test_cancel_ends_a_replay_at_once_and_leaves_a_running_race_to_end_itself():
    job = SERVER.stops.new()
    assert SERVER.stops.end(job)
    lanes, _, result, *buttons = race_panel.cancel_race(SERVER, job)
    assert "blocks" not in lanes and "Stopped" in result["note"]
    assert [button.interactive for button in buttons] == [True, False]
    assert SERVER.stops.flag(job).is_set()
    assert race_panel.cancel_race(SERVER, SERVER.stops.new()) == (gr.skip(),) * 5


def test_a_cancel_is_never_lost_between_the_end_of_a_race_and_its_replay(run_key, monkeypatch):
    job = SERVER.stops.new()
    monkeypatch.setattr(race_panel, "race", lambda run, *rest: raced(run, exit_ms=5.0))
    monkeypatch.setattr(race_panel, "model_of", lambda config: None)
    told = []
    for step in race_panel.run_race(SERVER, REQUEST, job, run_key, 0, None, 2):
        told.append(step)
        if isinstance(step[0], dict) and "blocks" in step[0]:
            assert "Stopped" in race_panel.cancel_race(SERVER, job)[2]["note"], "the race has ended: its replay is stopped"
    assert "Stopped" in told[-1][2]["note"] and "blocks" not in told[-1][0]


def test_a_race_that_was_cancelled_says_so_and_can_be_started_again(run_key):
    job = SERVER.stops.new()
    SERVER.stops.stop(job)
    last = list(race_panel.run_race(SERVER, REQUEST, job, run_key, 0, None, 2))[-1]
    assert "Stopped" in last[2]["note"]
