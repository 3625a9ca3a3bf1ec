"""A GPU that is lent for seconds: what runs on it, how it is cut into legs, and that nothing changes where none is lent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import lent_gpu
import numpy as np
import pytest
from lent_gpu import lender

from sn_viz.activations import legs
from sn_viz.activations.extract import extract
from sn_viz.errors import UserError
from sn_viz.models import zero_gpu
from sn_viz.models.options import DEFAULT
from sn_viz.types import Picture

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def test_where_no_gpu_is_lent_calls_run_here_one_at_a_time(llava):
    seen = []

    def note(vlm, number):
        seen.append((vlm, number))
        return number * 2

    results = legs.each(llava, note, [(1,), (2,), (3,)])
    assert next(results) == 2 and seen == [(llava, 1)], "the second waits until somebody wants it"
    assert list(results) == [4, 6] and not legs.is_lent(llava)
    assert zero_gpu.on_lent_gpu(legs.leg) is legs.leg


def test_only_large_models_that_can_be_loaded_again_go_to_a_lent_gpu(monkeypatch):
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    large = SimpleNamespace(n_weights=2e9, source="lab/model")
    assert legs.is_lent(large)
    assert not legs.is_lent(SimpleNamespace(n_weights=7e6, source="tiny-llava"))
    assert not legs.is_lent(SimpleNamespace(n_weights=2e9, source=""))
    monkeypatch.setenv("SPACES_ZERO_GPU", "false")
    assert not legs.is_lent(large)


def test_a_loaded_model_knows_what_it_was_loaded_from(llava, checkpoint):
    assert llava.source == str(checkpoint("llava"))


@pytest.mark.parametrize("wrong", ["soon", "5", "1801", "60.5", "-60", "６０", "1e2"])
def test_seconds_that_are_none_are_refused(monkeypatch, wrong):
    monkeypatch.setenv("SN_VIZ_GPU_SECONDS", wrong)
    with pytest.raises(UserError, match="SN_VIZ_GPU_SECONDS was not understood"):
        zero_gpu.loan_seconds()


def test_seconds_are_a_minute_unless_said(monkeypatch):
    monkeypatch.delenv("SN_VIZ_GPU_SECONDS", raising=False)
    assert zero_gpu.loan_seconds() == 60
    monkeypatch.setenv("SN_VIZ_GPU_SECONDS", " 120 ")
    assert zero_gpu.loan_seconds() == 120


def test_a_leg_ends_before_its_loan_does_but_never_before_its_first_call(monkeypatch, llava):
    clock = [0.0]
    monkeypatch.setattr(legs.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(legs, "model_named", lambda *_, options: llava)

    def work(vlm, seconds):
        clock[0] += seconds
        return seconds

    assert [value for _, value in legs.leg("m", DEFAULT, work, [(10,)] * 9, 60)] == [10, 10, 10, 10]
    assert [value for _, value in legs.leg("m", DEFAULT, work, [(59,)] * 2, 60)] == [59]


def as_a_space(tmp_path: Path, lends, *command: str, **more: str) -> dict:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SN_VIZ", "GRADIO", "SPACE"))}
    paths = os.pathsep.join([str(ROOT), str(HERE)])
    environment = {**clean, **lends.environment(), **more, "PYTHONPATH": paths, "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, lent_gpu.__file__, *command], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=240
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("FOUND")), None)
    assert line is not None, done.stdout + done.stderr
    return json.loads(line.removeprefix("FOUND"))


@pytest.mark.long
def test_what_is_read_on_a_lent_gpu_is_what_is_read_here_and_each_loan_is_given_back(llava, checkpoint, tmp_path):
    n = 2 * (legs.CALLS_A_LEG + 1)
    with lender() as lends:
        found = as_a_space(tmp_path, lends, str(HERE / "reads_on_lent_gpu.py"), str(checkpoint("llava")), str(n))
    pixels = np.random.default_rng(0).integers(0, 256, (n, 40, 56, 3), dtype=np.uint8)
    here = extract(llava, list(map(Picture, pixels)), "yes?", batch_size=2).values.astype(float)
    np.testing.assert_array_equal(np.array(found["values"]), here)
    assert found["device"] == "cpu", "the process that serves the page has no GPU"
    assert [number for number, _ in found["counted"]] == [0, 1, 2] and found["own"] not in {pid for _, pid in found["counted"]}
    assert len(found["told"]) == n // 2 + 1, "progress is told behind each batch, whatever the leg"
    assert found["parts"] == ["It was not read.", "Number 7 is bad.", "Take another."]
    assert lends.count("/schedule") == 4 == lends.count("/release") and lends.count("/allow") == 1
    assert {said["durationSeconds"] for path, said in lends.asked if path == "/schedule"} == {"60"}


@pytest.mark.long
def test_a_stop_in_the_middle_of_a_leg_gives_the_gpu_back(checkpoint, tmp_path):
    with lender() as lends:
        found = as_a_space(tmp_path, lends, str(HERE / "reads_on_lent_gpu.py"), str(checkpoint("llava")), "12", "3")
    assert found["stopped"] and len(found["told"]) == 3
    assert lends.count("/schedule") == 1 == lends.count("/release")


@pytest.mark.long
def test_a_gpu_that_is_not_lent_is_told_in_a_sentence(checkpoint, tmp_path):
    with lender() as lends:
        lends.refuses = True
        found = as_a_space(tmp_path, lends, str(HERE / "reads_on_lent_gpu.py"), str(checkpoint("llava")))
    assert found["refused"].startswith("The Space's GPU was not to be had. ZeroGPU quota exceeded:"), found
