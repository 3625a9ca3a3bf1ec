"""The fuzzer finds what is planted, can repeat it, and finds nothing in a few tries of every kind."""

import json
import re
import warnings

import numpy as np
import pytest

from sn_viz.bench import fuzz
from sn_viz.bench.fuzzed import TARGETS, anything, mutated, text
from sn_viz.cli import main
from sn_viz.errors import UserError


@pytest.mark.parametrize("target", TARGETS.names())
def test_a_few_inputs_of_every_kind_are_read_or_refused_in_a_sentence(target, tmp_path):
    attempt = TARGETS[target](tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = [fuzz._tried(attempt, fuzz.generator(target, 0, number), tmp_path) for number in range(25)]
    assert {one["done"] for one in said} <= {"read", "refused"}, said
    assert not any(one.get("path") for one in said)


def test_the_same_seed_and_number_draw_the_same_input_and_others_draw_others():
    def drawn(seed, number):
        rng = fuzz.generator("images", seed, number)
        return text(rng), repr(anything(rng)), mutated(bytes(100), rng)

    assert drawn(3, 4) == drawn(3, 4)
    assert len({drawn(seed, number) for seed in range(3) for number in range(10)}) == 30


def test_faults_refusals_and_shown_paths_are_told_apart(tmp_path):
    def raising(error):
        def attempt(rng):
            raise error

        return fuzz._tried(attempt, np.random.default_rng(0), tmp_path)

    assert raising(UserError("No.", "It is empty.", "Fill it."))["done"] == "refused"
    assert "No." in raising(UserError("No.", f"It lies in {tmp_path}/secret.", ""))["path"]
    assert not raising(UserError(f"The run in '{tmp_path}/run' is damaged."))["path"]
    assert re.fullmatch(r"KeyError at test_bench_fuzz.py:\d+", raising(KeyError("x"))["what"])
    assert raising(MemoryError())["done"] == "fault"
    assert fuzz._tried(lambda rng: None, np.random.default_rng(0), tmp_path)["done"] == "read"


def test_any_finding_is_a_row_that_does_not_hold_and_says_how_to_repeat_it():
    sound = fuzz.Found("images", tried=5, refused=3, slowest=(0.5, 4))
    assert sound.sound and all(one.holds is not False for one in fuzz.rows([sound], 7))
    for number, finding in enumerate(
        (
            {"n_faults": 1, "faults": {"KeyError at x.py:3": 12}},
            {"hangs": [12]},
            {"paths": {"/home/me": 12}},
            {"slowest": (99.0, 12)},
        )
    ):
        found = fuzz.Found("images", **finding)
        wrong = [one for one in fuzz.rows([found], 7) if one.holds is False]
        assert not found.sound and len(wrong) == 1 and "--only images --seed 7 --try 12" in wrong[0].note, number


def test_a_process_that_does_not_answer_in_time_is_ended_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "HANGS", 0.0)
    found = fuzz.Found("links")
    assert fuzz._one_process(found, str(tmp_path), 0, 7, 1.0) == 7
    assert found.hangs == [7] and not found.sound


@pytest.mark.long
def test_the_command_prints_what_was_tried_and_repeats_one_try(capsys):
    assert main(["bench", "fuzz", "--minutes", "0.01", "--only", "links", "--json", "-"]) == 0
    rows = {one["name"]: one for one in json.loads(capsys.readouterr().out)["rows"]}
    assert rows["links: inputs tried"]["measured"] >= 1 and rows["links: tracebacks"]["holds"]
    assert main(["bench", "fuzz", "--only", "saved-runs", "--try", "1"]) == 0
    assert capsys.readouterr().out.startswith(("Refused: ", "Read."))
    assert main(["bench", "fuzz", "--try", "1"]) == 2
    assert main(["bench", "fuzz", "--only", "nonsense"]) == 2 and "images" in capsys.readouterr().err
