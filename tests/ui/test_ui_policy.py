"""The panel that says how early is safe, of a planted run: no model, no browser."""

from __future__ import annotations

import json
from dataclasses import replace

import gradio as gr
import numpy as np
import pytest
from one_server import SERVER
from planted_run import make_run

from sn_viz.types import Votes
from sn_viz.ui.components import policy_panel


@pytest.fixture(scope="module")
def run():
    """Clear votes of layer 1 are right on all of 400 images but each tenth; the full model is always right."""
    planted = make_run(n_test=400)
    labels, n_layers = planted.test.labels, planted.neurons.n_layers
    says = np.repeat(labels[:, None], n_layers, axis=1)
    says[::10, 0] = 1 - says[::10, 0]
    margin = np.full(says.shape, 0.9, dtype=np.float32)
    votes = Votes(planted.votes.tally, says, margin)
    full = replace(planted.baselines[0], predicted=labels)
    return replace(planted, votes=votes, baselines=(full, *planted.baselines[1:]))


def _shown(run, level, risk="disagreement"):
    figure, facts = policy_panel.show(SERVER, SERVER.runs.put(run), level, risk)
    return json.loads(figure)["light"], facts


@pytest.mark.parametrize("risk", ["disagreement", "error"])
def test_a_high_level_lets_the_model_stop_at_once(run, risk):
    figure, facts = _shown(run, 20, risk)
    depth, speed, wrong = facts["facts"]
    assert facts["title"] == "The model may stop after its first block"
    assert (depth["value"], depth["note"], speed["value"]) == ("1.0", "of 6 blocks", "10.0×")
    assert 4 < float(wrong["value"].removesuffix(" %")) < 16 and "200 test images" in wrong["note"]
    for words in (
        "at most 20 %",
        "95 % confidence",
        "on 23 of 200",
        "after 1.0 of 6 blocks",
        "10.0 times the full model's speed",
        "95 % interval",
    ):
        assert words in facts["note"]
    assert any(trace["name"].startswith("chosen: margin") for trace in figure["data"])


def test_a_level_that_is_passed_lets_nothing_stop_and_says_why(run):
    certain = replace(run, votes=replace(run.votes, margin=np.ones_like(run.votes.margin)))
    figure, facts = _shown(certain, 1)
    assert facts["title"].startswith("No early exit is safe") and "facts" not in facts
    assert facts["note"].startswith("Even at the clearest votes the answer contradicted the full model on 23 of 200")
    assert "Allow more" in facts["note"]
    assert not any(trace["name"].startswith("chosen") for trace in figure["data"])


def test_too_few_images_say_how_many_it_takes(run):
    assert "that takes 299 calibration images (so 598 test images)" in _shown(run, 1)[1]["note"]
    certain = replace(run, votes=replace(run.votes, margin=np.ones_like(run.votes.margin)))
    assert "If that share holds, about" in _shown(certain, 13)[1]["note"]


def test_layers_of_the_tower_count_as_blocks(run):
    neurons = replace(run.neurons, layer=run.neurons.layer - 2)
    by_layer = tuple(replace(row, layer=row.layer - 2) for row in run.by_layer)
    tower = replace(run, neurons=neurons, by_layer=by_layer, votes=replace(run.votes, first_layer=-1), exit_layer=0)
    figure, facts = _shown(tower, 20)
    assert facts["facts"][0]["value"] == "1.0" and "vision tower included" in facts["note"]
    assert figure["layout"]["xaxis"]["ticktext"] == ["V1", "V2", "1", "2", "3", "4"]


def test_a_run_without_the_full_model_says_what_to_do(run):
    figure, facts = _shown(replace(run, baselines=run.baselines[1:]), 10)
    assert "full-model" in facts["warnings"][0] and figure["layout"]["annotations"]


@pytest.mark.parametrize(("level", "risk"), [(0, "disagreement"), (99, "error"), ("5", "error"), (True, "error"), (10, "luck")])
def test_forged_choices_get_a_sentence(run, level, risk):
    assert _shown(run, level, risk)[1]["warnings"]


def test_an_expired_result_says_run_it_again():
    with pytest.raises(gr.Error, match="run it again"):
        policy_panel.show(SERVER, "gone", 10, "error")
