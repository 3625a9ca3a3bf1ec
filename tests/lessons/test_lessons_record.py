"""The recorded numbers of the lesson are made again: a few of them always, all of them in the long suite."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from sn_viz.activations.extract import extract
from sn_viz.cli import main
from sn_viz.lessons import habit, record, told
from sn_viz.sources.pack import load_pack


def test_what_shuffled_labels_reach_with_five_pictures_is_what_was_recorded(tiny_llava, tmp_path, monkeypatch):
    from sn_viz.search.stumps import best_scores_under_null, find_stumps

    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path))
    few = load_pack("presence-dog")[0].take(range(5))
    values = extract(tiny_llava, few).values
    kept = told.recorded()["steps"]["luck"]["numbers"]
    assert values.shape[1] == kept["n_neurons"] and kept["n_few"] == 5
    assert np.median(best_scores_under_null(values, few.labels, n_labellings=100, seed=0)) == pytest.approx(kept["luck_few"])
    assert int((find_stumps(values, few.labels).score >= 1).sum()) == pytest.approx(kept["perfect"], rel=0.01)


@pytest.mark.long
def test_every_recorded_number_comes_out_again(tmp_path, monkeypatch):
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path))
    assert record.differences(told.recorded(), record.measure()) == []


def test_a_number_that_moved_by_one_picture_is_noticed():
    moved = copy.deepcopy(told.recorded())
    moved["steps"]["one-number"]["numbers"]["alone"]["value"] -= 1 / 200
    (line,) = record.differences(told.recorded(), moved)
    assert line.startswith("one-number.numbers.alone.value was")


def test_a_measure_that_came_or_went_is_noticed():
    grown = copy.deepcopy(told.recorded())
    grown["steps"]["race"]["numbers"]["new"] = 1
    assert record.differences(told.recorded(), grown)


def test_every_step_is_measured():
    assert set(told.recorded()["steps"]) == set(record.MEASURES)


def test_an_unknown_step_is_refused_in_a_sentence(capsys):
    assert main(["lessons", "--only", "nothing"]) == 2
    assert "one-number" in capsys.readouterr().err


def test_the_habit_holds_on_every_picture_of_one_set_and_on_half_of_the_other():
    alike, other = habit.scenes(8, 0, True), habit.scenes(8, 0, False)
    assert alike.labels.tolist() == other.labels.tolist() == [0, 1] * 4
    assert habit.scenes(8, 0, True).pictures[3].sha256 == alike.pictures[3].sha256
    assert {p.sha256 for p in alike.pictures}.isdisjoint({p.sha256 for p in other.pictures})
