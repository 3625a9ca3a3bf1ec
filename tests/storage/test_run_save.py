"""A run goes to a folder and comes back the same, and a killed save leaves a whole run."""

import json
import math
import os
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from saved_run import files_of, texts

from sn_viz.errors import UserError
from sn_viz.run import Run
from sn_viz.storage.run_folder import DIGEST_FILE, RUN_FILE
from sn_viz.types import Config


def test_a_run_comes_back_as_it_was(run, tmp_path):
    back = Run.load(run.save(tmp_path / "deep" / "run"))
    assert back.config == run.config
    for name in ("names", "classes", "questions", "notes"):
        assert getattr(back.train, name) == getattr(run.train, name)
    for mine, theirs in zip(run.test.pictures, back.test.pictures, strict=True):
        assert mine.sha256 == theirs.sha256
        assert np.array_equal(mine.pixels, theirs.pixels)
    for name in ("train_values", "test_values", "null_scores"):
        assert np.array_equal(getattr(run, name), getattr(back, name))
        assert getattr(run, name).dtype == getattr(back, name).dtype
    for mine, theirs in zip((run.stumps, *run.voters), (back.stumps, *back.voters), strict=True):
        for field in ("neuron", "class_index", "threshold", "sign", "score"):
            assert np.array_equal(getattr(mine, field), getattr(theirs, field), equal_nan=field == "score")
    assert back.baselines[0].answers == run.baselines[0].answers
    assert np.array_equal(back.baselines[0].predicted, run.baselines[0].predicted)
    assert back.by_layer[0].accuracy == run.by_layer[0].accuracy
    assert back.to_json() == run.to_json()


def test_nothing_is_pickled_and_names_of_people_are_no_paths(run, tmp_path):
    folder = run.save(tmp_path / "run")
    assert {p.suffix for p in folder.rglob("*") if p.is_file()} == {".json", ".npy", ".png", ".sha256"}
    for path in folder.glob("*.npy"):
        np.load(path, allow_pickle=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run"]


def test_saving_again_replaces_a_run_but_never_other_files(run, tmp_path):
    run.save(tmp_path / "run")
    run.save(tmp_path / "run")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="other files"):
        run.save(tmp_path / "other")
    assert (tmp_path / "other" / "thesis.txt").read_text() == "years of work"


def test_files_that_are_not_part_of_a_run_change_nothing_and_outlive_saving_again(run, folder):
    (folder / "report.html").write_text("mine")
    (folder / "notes").mkdir()
    (folder / "notes" / "a.txt").write_text("mine too")
    (folder / "pictures" / "a.txt").write_text("and mine")
    (folder / "own.npy").write_bytes(b"whatever")
    assert Run.load(folder).to_json() == run.to_json()
    run.save(folder)
    assert {p.name for p in files_of(folder)} >= {"report.html", "a.txt", "own.npy"}
    assert (folder / "pictures" / "a.txt").read_text() == "and mine"
    assert sorted(p.name for p in folder.parent.iterdir()) == ["run"]


def test_a_run_file_of_another_program_is_no_run_to_replace(run, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / RUN_FILE).write_text('{"wandb": 1}')
    with pytest.raises(UserError, match="other files"):
        run.save(tmp_path / "other")


def test_the_digest_is_in_the_form_of_sha256sum(folder):
    done = subprocess.run(["sha256sum", "--check", DIGEST_FILE], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0 and "run.json: OK" in done.stdout


def test_a_link_to_a_folder_is_saved_through(run, tmp_path):
    run.save(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    run.save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and Run.load(tmp_path / "real").to_json() == run.to_json()


def test_a_saved_run_holds_no_path_of_the_machine(run, tmp_path, monkeypatch):
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path / "cache"))
    model = tmp_path / "deep" / "my-llava"
    model.mkdir(parents=True)
    found = replace(run, config=replace(run.config, model=str(model)), versions={"sn_viz": "0", "model": "my-llava-0123"})
    folder = found.save(tmp_path / "run")
    assert all(os.fsencode(tmp_path) not in path.read_bytes() for path in files_of(folder))
    assert json.loads((folder / RUN_FILE).read_text())["config"]["model"] == "my-llava"
    assert Run.load(folder).config.model == str(model), "this machine remembers where it lies"
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path / "elsewhere"))
    assert Run.load(folder).config.model == "my-llava", "another one does not know"


class Killed(BaseException):
    """The process ends here: nothing after this line runs, not even what cleans up."""


def crash_at(step: int, monkeypatch) -> list[str]:
    """Let the process end at the ``step``-th change of the disk; returns the changes made, which grow as they are made."""
    made: list[str] = []

    def counted(name, change):
        def call(*args, **options):
            if len(made) >= step:
                raise Killed
            made.append(name)
            return change(*args, **options)

        return call

    for owner, names in (
        (Path, ("mkdir", "rename", "write_bytes", "chmod", "unlink", "rmdir", "replace")),
        (shutil, ("rmtree",)),
        (tempfile, ("mkdtemp",)),
        (np, ("save",)),
    ):
        for name in names:
            monkeypatch.setattr(owner, name, counted(name, getattr(owner, name)))
    return made


def test_a_crash_at_any_step_of_saving_leaves_the_old_run_or_the_new_one_and_never_a_mixture(run, tmp_path, monkeypatch):
    other = replace(run, exit_layer=1, warnings=("the new one",))
    whole = {run.to_json(): "old", other.to_json(): "new"}
    seen, step = [], 0
    while True:
        base = tmp_path / str(step)
        folder = run.save(base / "run")
        (folder / "report.html").write_text("mine")
        with monkeypatch.context() as patched:
            made = crash_at(step, patched)
            try:
                other.save(folder)
                done = True
            except Killed:
                done = False
        if folder.exists():
            seen.append(whole[Run.load(folder).to_json()])
        else:
            seen.append("aside")
            with pytest.raises(UserError, match=r"interrupted here; the earlier run is in '(.*)'") as told:
                Run.load(folder)
            earlier = str(told.value).split("'")[-2]
            assert whole[Run.load(earlier).to_json()] == "old"
        assert next(base.rglob("report.html")).read_text() == "mine"
        if done:
            break
        assert len(made) == step
        step += 1
    order = list(dict.fromkeys(seen))
    assert order == ["old", "aside", "new"] and seen.count("aside") == 1 and step > 20
    assert sorted(p.name for p in base.iterdir()) == ["run"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(texts(), min_size=5, max_size=5),
    classes=st.lists(texts(), min_size=2, max_size=2, unique_by=lambda t: t.encode("utf-8", "replace")),
    question=texts(200),
    warnings=st.lists(texts(), max_size=3),
    note=texts(),
    number=st.floats(0, 1) | st.just(math.nan),
)
def test_any_texts_and_numbers_of_a_run_come_back(run, tmp_path, names, classes, question, warnings, note, number):
    train = replace(run.train, names=tuple(names), classes=tuple(classes), questions=(question,) * 5, notes=(note,))
    test = replace(run.test, classes=tuple(classes), questions=(question,) * 4)
    rows = tuple(replace(row, cv_accuracy=number) for row in run.by_layer)
    some = replace(run, train=train, test=test, warnings=tuple(warnings), by_layer=rows)
    back = Run.load(some.save(tmp_path / "any"))
    assert back.to_json() == some.to_json()
    assert back.train.names == tuple(name.encode("utf-8", "replace").decode() for name in names)


def test_what_a_killed_save_left_beside_the_run_goes_with_a_later_save_once_it_is_old(run, tmp_path):
    folder = run.save(tmp_path / "run")
    old, fresh, mine, aside, kept = (
        tmp_path / name
        for name in (".run-abcd1234", ".run-abcd1235", ".run-mine5678", ".run-earlier-abcd1236", ".run-earlier-abcd1237")
    )
    for path in (old, fresh, mine, aside / "run", kept / "run"):
        run.save(path)
    (mine / "notes.txt").write_text("mine")
    (kept / "run" / "report.html").write_text("mine")
    another = tmp_path / ".run-two-abcd1238"
    another.mkdir()
    for path in (old, mine, aside, kept, another):
        os.utime(path, (0, 0))
    run.save(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in (folder, fresh, mine, kept, another))


def test_how_a_model_was_loaded_is_written_only_where_that_was_not_the_usual_way(run, tmp_path):
    loading = (("dtype", "bfloat16"), ("device_map", '{"model": "cpu", "lm_head": "disk"}'), ("detail", "low"))
    usual, otherwise = (
        run.save(tmp_path / "usual"),
        replace(run, config=replace(run.config, loading=loading)).save(tmp_path / "other"),
    )
    assert "loading" not in json.loads((usual / RUN_FILE).read_text())["config"]
    assert Run.load(usual).config.loading == () and Run.load(otherwise).config.loading == loading
    assert Run.load(otherwise).config.key() != run.config.key()


def test_the_key_of_a_usual_run_is_what_it_was_before_there_were_ways_to_load():
    assert Config(model="tiny-llava").key() == "56fbfb3adcd5c986"
