"""A run that reads the vision tower, through every tab that names layers: a small random LLaVA with two blocks in its tower."""

from __future__ import annotations

import json

import gradio as gr
import numpy as np
import pytest
from one_server import SERVER

from sn_viz.errors import UserError
from sn_viz.pipeline import find
from sn_viz.plots.words import exit_words
from sn_viz.types import LabelledImages
from sn_viz.ui import api, page
from sn_viz.ui.components import map_panel, maps, neuron, race_panel
from sn_viz.ui.components.layers import checked_layer, layer_asked
from sn_viz.ui.components.link import Link
from sn_viz.ui.components.racing import race
from sn_viz.ui.sections import exit_section, neurons_section

QUESTION = "Is it night?"


@pytest.fixture(scope="module")
def run(llava, noise_pictures, tmp_path_factory):
    pictures = tuple(noise_pictures(12))
    labels = np.arange(12) % 2
    images = LabelledImages(tuple(map(str, range(12))), pictures, labels, ("no", "yes"), (QUESTION,) * 12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SN_VIZ_CACHE", str(tmp_path_factory.mktemp("cache")))
        return find(images, model=llava, sites=("residual", "tower-residual"), compare="none", exit_layer="V1")


@pytest.fixture()
def key(run) -> str:
    return SERVER.runs.put(run)


def _title(text: str) -> str:
    return json.loads(text)["light"]["layout"]["title"]["text"]


def test_the_exit_tab_begins_in_the_tower(run, key):
    assert run.exit_layer == -1 and list(run.neurons.layers) == [-1, 0, 1, 2, 3]
    layers, slider, facts, *_ = exit_section.show(SERVER, key, None)
    assert (slider.minimum, slider.maximum, slider.value) == (-1, 3, -1) and "V1 to V2 of the vision tower" in slider.label
    assert facts["title"].startswith("Stop after block V1 of the vision tower") and "V2" in layers
    assert "block V2 of the vision tower" in exit_section.show_layer(SERVER, key, 0)["title"]
    assert "layer 3 of 3" in exit_section.show_layer(SERVER, key, 3)["title"]
    assert exit_section.show(SERVER, key, Link(layer=2))[1].value == 2
    with pytest.raises(gr.Error, match="V1 to V2"):
        exit_section.show_layer(SERVER, key, -2)


def test_a_click_on_a_layer_of_the_tower_moves_the_exit(key, event):
    layer, facts = exit_section.pick_layer(SERVER, key, event(x=0, y=0.5, curve=0, point=1, custom=[0]))
    assert layer == 0 and "V2" in facts["title"]


def test_a_cell_of_the_tower_opens_its_units(run, key, event):
    column = int(np.flatnonzero(run.neurons.layer == 0)[3])
    units, picked, *_ = neurons_section.pick_cell(
        SERVER, key, event(x=0, y=0, curve=0, point=[0, 1], custom=[0, "tower-residual", column])
    )
    assert picked == column and "layer V2" in _title(units)
    assert neuron.facts(run, column)["title"].startswith("Vision tower, block 2 · residual · unit ")
    assert neuron.selection(run, column)["layer"] == 0
    with pytest.raises(gr.Error):
        neurons_section.pick_cell(SERVER, key, event(x=0, y=0, curve=0, point=[0, 1], custom=[-2, "tower-residual", column]))


def test_the_map_offers_and_draws_blocks_of_the_tower(run, key):
    choices, _ = map_panel.show_map_choices(SERVER, key)
    assert [name for name, _ in choices.choices][2:] == ["layer V1", "layer V2", "layer 1", "layer 2", "layer 3"]
    assert "layer V1" in maps.map_text(SERVER.maps, key, run, "-1", "class")
    for wrong in ("-2", "V1", "+1", "99"):
        with pytest.raises(UserError):
            maps.map_text(SERVER.maps, key, run, wrong, "class")


def test_the_race_starts_in_the_tower(run, llava):
    finished = race(run, llava, run.test.pictures[0], QUESTION, 0)
    assert finished.tally.shape == (5, 2) and finished.layers == range(-1, 4) and (np.diff(finished.milliseconds) > 0).all()
    lanes = race_panel.in_lanes(run, finished, QUESTION, "no")
    assert [block["name"] for block in lanes["blocks"]] == ["V1", "V2", "1", "2", "3"]
    assert [block["tower"] for block in lanes["blocks"]] == [True, True, False, False, False]
    assert len(lanes["early"]["until"]) == 2 and lanes["early"]["until"][-1] == pytest.approx(finished.exit_ms)
    assert finished.milliseconds[-1] <= finished.full_ms
    assert race_panel.race_facts(run, finished, "no")["facts"][0]["note"].endswith("layer V2")
    drawn = json.loads(race_panel._figure(run, finished, "no"))["light"]
    assert drawn["layout"]["xaxis"]["ticktext"] == ["V1", "V2", "1", "2", "3"]


def test_clients_name_a_block_of_the_tower_and_zero_stays_the_runs_own_choice(run, key, tmp_path, monkeypatch, llava):
    from PIL import Image

    assert [layer_asked(run, asked) for asked in (0, "0", "", None, "auto", "V2", "v1", 3, "3", 3.0)] == [*[-1] * 5, 0, -1, 3, 3, 3]
    for wrong in ("V3", "9", "x", True):
        with pytest.raises(UserError):
            layer_asked(run, wrong)
    with pytest.raises(UserError):
        checked_layer(run, True)
    monkeypatch.setattr(api, "model_of", lambda config: llava)
    Image.fromarray(run.test.pictures[0].pixels).save(tmp_path / "one.png")
    said = api.exit_race(SERVER, gr.Request(session_hash="one"), key, str(tmp_path / "one.png"), "", "V2")
    assert said["exit_layer"] == 0 and [row["name"] for row in said["by_layer"]] == ["V1", "V2", "1", "2", "3"]


def test_the_strip_and_a_copied_link(run, key):
    assert "stop at block V1 of the vision tower" in page.strip_facts(run)[0]["note"] and exit_words(run, 2) == "layer 2 of 3"
    assert "layer" not in page.link_to(SERVER, key, "night", "m", 3, -1, 0.5, "best", "exit")
