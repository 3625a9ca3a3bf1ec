"""The race in two lanes: one clock, an early lane that ends at its exit, and words that say the same."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from sn_viz.ui.components import lanes
from sn_viz.ui.components.racing import Race

CLASSES = ("no", "yes")


def raced(**changes):
    """Six blocks, one every four milliseconds from the eighth on; the vote is unanimous from the third on."""
    tally = np.array([[0.6, 0.4], [0.3, 0.7], [0, 1], [0, 1], [0, 1], [0, 1]], np.float32)
    whole = Race(tally, 8.0 + 4 * np.arange(6), range(1, 7), 3, "yes", 9.0, "Yes.", 40.0)
    return replace(whole, **changes)


def test_the_early_lane_ends_at_its_exit_and_the_full_one_at_its_last_block():
    value = lanes.shown(raced(), CLASSES, truth="yes", full_label="yes")
    assert value["total"] == 40.0 and value["full"]["until"] == [8.0, 12.0, 16.0, 20.0, 24.0, 28.0]
    assert value["early"]["until"] == pytest.approx([4.5, 6.75, 9.0]) and value["early"]["ms"] == 9.0
    assert value["early"]["mark"] == value["full"]["mark"] == "right"


def test_an_exit_that_comes_last_makes_the_axis_longer():
    assert lanes.shown(raced(exit_ms=60.0), CLASSES)["total"] == 60.0


def test_what_is_not_known_is_neither_right_nor_wrong():
    value = lanes.shown(raced(full_answer="a cat"), CLASSES, truth="no", full_label="")
    assert value["early"]["mark"] == "wrong" and value["full"]["mark"] == "none"
    assert lanes.shown(raced(), CLASSES, full_label="yes")["early"]["mark"] == "none"


def test_a_block_without_a_stamp_fills_between_its_neighbours():
    stamps = np.array([8.0, np.nan, 16.0, np.nan, np.nan, np.nan])
    assert lanes.shown(raced(milliseconds=stamps), CLASSES)["full"]["until"] == [8.0, 12.0, 16.0, 16.0, 16.0, 16.0]
    evenly = lanes.shown(raced(milliseconds=np.full(6, np.nan)), CLASSES)["full"]["until"]
    assert np.allclose(np.diff(evenly), 40.0 / 7)


def test_a_replay_says_that_it_is_one_and_how_slow():
    assert lanes.note(40.0) == "A replay of the race just run, 80 times slower than it ran."
    assert lanes.note(32000.0) == "A replay of the race just run, 10 times faster than it ran."
    assert lanes.note(1000 * lanes.SHOW_SECONDS).endswith("as fast as it ran.")
    assert "recorded run (today, here)" in lanes.note(40.0, "today, here")


def test_the_words_say_what_the_lanes_show():
    said = lanes.shown(raced(), CLASSES, truth="yes")["text"]
    for part in ("after block 3 of 6", "“yes” after 9.0 ms", "100 % of the vote", "“Yes.” after 40.0 ms", "The label is “yes”"):
        assert part in said


def test_the_lens_is_there_where_it_was_read_and_the_value_is_json():
    lens = np.full((6, 2), 0.5)
    lens[0] = np.nan  # as in the vision tower
    value = lanes.shown(raced(lens=lens), CLASSES)
    assert value["blocks"][0]["lens"] is None and value["blocks"][1]["lens"] == [0.5, 0.5]
    json.dumps(value, allow_nan=False)


def test_every_policy_marks_where_it_would_stop(planted):
    said = {mark.name: mark.row for mark in lanes.marks(planted, raced())}
    assert said["chosen on the probing pictures"] == planted.exit_layer - 1
    assert said["every voter agrees"] == 2
    undecided = raced(tally=np.full((6, 2), 0.5, np.float32))
    assert {mark.name: mark.row for mark in lanes.marks(planted, undecided)}["every voter agrees"] is None


def test_certified_exits_are_marked_only_where_a_run_can_certify(planted):
    certified = [mark for mark in lanes.marks(planted, raced()) if "certified" in mark.name]
    assert len(certified) == 2
    alone = replace(planted, baselines=())
    assert not [mark for mark in lanes.marks(alone, raced()) if "certified" in mark.name]
