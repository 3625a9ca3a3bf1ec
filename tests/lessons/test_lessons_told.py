"""The lesson's words: every number stands with its interval, one guess is right, and each place exists."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from sn_viz.lessons import sheet, told
from sn_viz.lessons.steps import STEPS
from sn_viz.sources.pack import pack_names

DOCS = Path(__file__).resolve().parents[2] / "docs"
LESSON = told.lesson()
SPOKEN = ("setting", "question", "reveal", "so", "discuss", "answer")


def test_the_lesson_takes_a_quarter_of_an_hour_to_twenty_minutes_in_six_to_eight_steps():
    assert 6 <= len(LESSON) <= 8
    assert 15 <= sum(step["minutes"] for step in LESSON) <= 20


@pytest.mark.parametrize("step", LESSON, ids=lambda step: step["key"])
def test_just_one_guess_is_right(step):
    assert [option["right"] for option in step["options"]].count(True) == 1


@pytest.mark.parametrize("step", LESSON, ids=lambda step: step["key"])
def test_no_number_is_left_out_and_every_measured_share_stands_with_its_interval(step):
    spoken = " ".join(step[part] for part in SPOKEN)
    assert "{" not in spoken and "nan" not in spoken and "unknown" not in spoken and "undefined" not in spoken
    for name, value in told.recorded()["steps"][step["key"]]["numbers"].items():
        if isinstance(value, dict):
            assert 0 <= value["low"] <= value["value"] <= value["high"] <= 1 and value["n"] > 0, name


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.key)
def test_words_name_no_share_that_was_not_measured(step):
    """A percent in the text itself would be a number that nobody measured; only confidence and examples stand there."""
    typed = " ".join(getattr(step, part) for part in SPOKEN) + step.figure
    assert set(re.findall(r"\d+(?:\.\d+)? %", typed)) <= {"95 %"}


@pytest.mark.parametrize("step", LESSON, ids=lambda step: step["key"])
def test_a_place_names_a_pack_that_there_is_and_a_neuron_that_was_measured(step):
    for look in step["looks"]:
        query = dict(parse_qsl(look["query"].lstrip("?")))
        assert query["tab"] in ("examples", "neurons", "exit", "compare")
        assert query.get("pack", step["pack"]) in {pack.name for pack in pack_names()}
        assert query.get("neuron", "0").isdigit() and query.get("layer", "1").isdigit()


@pytest.mark.parametrize("step", LESSON, ids=lambda step: step["key"])
def test_a_figure_says_the_same_in_a_table(step):
    table = step["figure"]["table"]
    assert table["rows"] and all(len(row) == len(table["head"]) for row in table["rows"])
    for each in step["figure"].get("rows", []):
        assert any(each["label"] in row for row in table["rows"])


def test_the_lesson_is_plain_json_and_small_enough_to_come_with_the_page():
    assert len(json.dumps(LESSON, allow_nan=False)) < 60_000


def test_the_page_of_the_documentation_is_made_from_it():
    assert (DOCS / "teaching.md").read_text("utf-8") == sheet.as_markdown(), "run python docs/make.py teaching"


def test_the_sheet_of_questions_tells_no_answer():
    questions = sheet.as_markdown().split("## The answers")[0]
    assert "☐" in questions and "☒" not in questions
    assert not [step["key"] for step in LESSON if step["reveal"] in questions]


def test_a_share_is_told_with_interval_and_pictures():
    assert told.words({"x": {"value": 1.0, "low": 0.98, "high": 1.0, "n": 200}}) == {"x": "100.0 % (98 to 100 %, 200 pictures)"}
