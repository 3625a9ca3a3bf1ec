"""A folder that is damaged, or no run, is refused; an older one opens."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from saved_run import files_of, seal, seal_text

from sn_viz.cli import main
from sn_viz.errors import UserError
from sn_viz.run import Run
from sn_viz.storage.load import SAVED_BEFORE
from sn_viz.storage.run_folder import DIGEST_FILE, RUN_FILE


def as_before(folder: Path) -> None:
    """Turn a saved run into the form that had no digest of its own."""
    facts = json.loads((folder / RUN_FILE).read_text())
    (folder / RUN_FILE).write_text(json.dumps(facts | {"format": 1}, indent=1))
    (folder / DIGEST_FILE).unlink()


def test_four_hundred_flipped_bits_over_every_file_are_all_refused(folder):
    rng = np.random.default_rng(0)
    files = files_of(folder)
    for turn in range(400):
        path = files[turn % len(files)]
        sound = path.read_bytes()
        flipped = bytearray(sound)
        flipped[rng.integers(len(sound))] ^= 1 << rng.integers(8)
        path.write_bytes(flipped)
        with pytest.raises(UserError, match=r"damaged|saved by another version|holds no saved run"):
            Run.load(folder)
        path.write_bytes(sound)
    Run.load(folder)


def test_every_bit_of_the_beginning_of_the_run_file_counts(folder):
    sound = (folder / RUN_FILE).read_bytes()
    for bit in range(8 * 60):
        flipped = bytearray(sound)
        flipped[bit // 8] ^= 1 << bit % 8
        (folder / RUN_FILE).write_bytes(flipped)
        with pytest.raises(UserError):
            Run.load(folder)


def test_any_missing_or_cut_file_is_refused(folder):
    for path in files_of(folder):
        sound = path.read_bytes()
        for end in (0, 1, len(sound) // 2, len(sound) - 1):
            path.write_bytes(sound[:end])
            with pytest.raises(UserError, match="damaged"):
                Run.load(folder)
        path.unlink()
        with pytest.raises(UserError, match=r"damaged|holds no saved run"):
            Run.load(folder)
        path.write_bytes(sound)
    Run.load(folder)


def test_a_run_saved_before_opens_with_a_note_and_keeps_it(run, folder):
    as_before(folder)
    back = Run.load(folder)
    assert back.warnings == (*run.warnings, SAVED_BEFORE)
    assert replace(back, warnings=run.warnings).to_json() == run.to_json()
    back.save(folder)
    assert json.loads((folder / RUN_FILE).read_text())["format"] == 2
    assert Run.load(folder).warnings == back.warnings


def test_a_run_from_before_newer_fields_opens_with_their_defaults(run, folder):
    facts = json.loads((folder / RUN_FILE).read_text())
    del facts["findings"], facts["config"]["compare"], facts["splits"]["test"]["notes"]
    seal(folder, facts)
    back = Run.load(folder)
    assert (back.findings, back.config.compare, back.test.notes) == ({}, (), ())


def test_another_picture_under_a_pictures_name_is_refused(folder):
    one, other, *_ = sorted((folder / "pictures").iterdir())
    one.write_bytes(other.read_bytes())
    seal(folder)
    with pytest.raises(UserError, match=r"damaged.*another one"):
        Run.load(folder)


def test_pipes_and_devices_are_refused_unopened_and_a_link_to_the_same_bytes_changes_nothing(run, folder, tmp_path):
    for name in (RUN_FILE, DIGEST_FILE, "train_values.npy"):
        path = folder / name
        sound = path.read_bytes()
        path.unlink()
        os.mkfifo(path)
        with pytest.raises(UserError):
            Run.load(folder)
        path.unlink()
        path.symlink_to("/dev/zero")
        with pytest.raises(UserError):
            Run.load(folder)
        path.unlink()
        (tmp_path / name).write_bytes(sound)
        path.symlink_to(tmp_path / name)
        assert Run.load(folder).to_json() == run.to_json()


@pytest.mark.parametrize("command", [["predict", "RUN", "IMAGE"], ["report", "RUN", "-o", "OUT"], ["check", "RUN"]])
@pytest.mark.parametrize("damage", ["bit", "number", "type", "site names", "depth", "array", "pipe"])
def test_the_command_line_refuses_a_damaged_run_in_one_line(command, damage, folder, tmp_path, capsys):
    facts = json.loads((folder / RUN_FILE).read_text())
    if damage == "bit":
        text = bytearray((folder / RUN_FILE).read_bytes())
        text[len(text) // 2] ^= 1
        (folder / RUN_FILE).write_bytes(text)
    elif damage == "array":
        (folder / "vote_tally.npy").write_bytes(b"")
    elif damage == "pipe":
        (folder / DIGEST_FILE).unlink()
        os.mkfifo(folder / DIGEST_FILE)
    elif damage == "depth":
        seal_text(folder, b'{"format": 2, "summary": ' + b"[" * 10**5)
    else:
        changes = {"number": {"exit_layer": 10**400}, "type": {"warnings": {"a": 1}}, "site names": {"site_names": []}}
        seal(folder, facts | changes[damage])
    stand_ins = {"RUN": str(folder), "IMAGE": str(next((folder / "pictures").iterdir())), "OUT": str(tmp_path / "report.html")}
    assert main([stand_ins.get(word, word) for word in command]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("sn_viz: The run in ") and said.err.count("\n") == 1 and "damaged" in said.err
    assert not said.out and not (tmp_path / "report.html").exists()


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(UserError, match="holds no saved run"):
        Run.load(tmp_path)


def test_effect_sizes_are_read_back_and_only_where_the_metric_says_so(run, tmp_path):
    scores = np.array([0.5, 2.5, np.nan, 4.0, 0.6, 0.7], np.float32)
    stumps = replace(run.stumps, score=scores)
    voters = (stumps.take(np.array([1])), stumps.take(np.array([3, 1])))
    large = replace(run, stumps=stumps, voters=voters, null_scores=np.array([1.5, 3.0], np.float32))
    named = replace(large, config=replace(run.config, metric="effect-size"))
    again = Run.load(named.save(tmp_path / "named"))
    np.testing.assert_array_equal(again.stumps.score, scores)
    with pytest.raises(UserError, match="stump_score holds 2.5"):
        Run.load(large.save(tmp_path / "large"))


def test_weights_of_a_fitted_vote_are_read_back_and_only_possible_ones(run, tmp_path):
    rng = np.random.default_rng(1)
    voters = tuple(
        replace(one, weight=rng.normal(size=len(one)).astype(np.float32), offset=np.array([0, at], np.float32))
        for at, one in enumerate(run.voters)
    )
    fitted = replace(run, voters=voters, config=replace(run.config, weighting="logistic"))
    again = Run.load(fitted.save(tmp_path / "fitted"))
    for one, other in zip(again.voters, voters, strict=True):
        np.testing.assert_array_equal(one.weight, other.weight)
        np.testing.assert_array_equal(one.offset, other.offset)
    assert Run.load(run.save(tmp_path / "plain")).voters[0].weight is None
    wild = replace(fitted, voters=(voters[0], replace(voters[1], weight=np.full(2, np.inf, np.float32))))
    with pytest.raises(UserError, match="voter_weight holds inf"):
        Run.load(wild.save(tmp_path / "wild"))
