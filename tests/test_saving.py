"""A run goes to a folder and comes back the same, or is refused."""

import json
import math

import numpy as np
import pytest

from sn_viz.errors import UserError
from sn_viz.saving import RUN_FILE, summary
from sn_viz.sources.ingest import picture_from_pixels
from sn_viz.types import (
    Baseline,
    Config,
    Interval,
    LabelledImages,
    LayerAccuracy,
    Neurons,
    Run,
    Stumps,
    Votes,
)

SIGNS = "<img onerror=1> =cmd() ../../x %{x}"


def images(n: int, seed: int) -> LabelledImages:
    pixels = np.random.default_rng(seed).integers(0, 256, (n, 9, 12, 3), dtype=np.uint8)
    names = tuple(f"../{i} 🐶.png" for i in range(n))
    return LabelledImages(
        names, tuple(map(picture_from_pixels, pixels)), np.arange(n) % 2, ("no", SIGNS), ("Is it?",) * n, ("a note",)
    )


@pytest.fixture
def run() -> Run:
    rng = np.random.default_rng(0)
    neurons = Neurons(
        np.zeros(6, np.int8), np.repeat([1, 2], 3).astype(np.int16), np.tile(np.arange(3), 2).astype(np.int32), ("residual",)
    )
    score = np.array([0.5, 0.9, np.nan, 1.0, 0.6, 0.7], np.float32)
    stumps = Stumps(np.arange(6), np.ones(6, np.int16), rng.normal(size=6).astype(np.float32), np.ones(6, np.int8), score)
    tally = np.full((4, 2, 2), 0.5, np.float32)
    interval = Interval(0.5, 0.1, 0.9, 4)
    return Run(
        config=Config(question="Is it?", sites=("residual",), compare=("sav",)),
        train=images(5, 0),
        test=images(4, 1),
        neurons=neurons,
        train_values=rng.normal(size=(5, 6)).astype(np.float16),
        test_values=rng.normal(size=(4, 6)).astype(np.float16),
        stumps=stumps,
        voters=(stumps.take(np.array([1])), stumps.take(np.array([3, 1]))),
        exit_layer=2,
        votes=Votes(tally, np.zeros((4, 2), np.int64), np.zeros((4, 2), np.float32)),
        by_layer=(LayerAccuracy(1, interval, math.nan, 3.0), LayerAccuracy(2, interval, 0.75, math.nan)),
        baselines=(
            Baseline("sav", np.array([0, 1, -1, 0]), interval, math.nan, "note", ("a", "b", "c", "d"), (interval, interval)),
        ),
        null_scores=np.array([0.6, 0.7], np.float32),
        latency_ms={"full_model": 10.0, "first_token": 6.0, "early_exit": 2.0, "early_exit_p95": math.nan},
        seconds={"extract": 1.0},
        warnings=("careful",),
        versions={"sn_viz": "0"},
    )


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
    assert {p.suffix for p in folder.rglob("*") if p.is_file()} == {".json", ".npy", ".png"}
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


def test_any_flipped_bit_or_missing_file_is_refused(run, tmp_path):
    folder = run.save(tmp_path / "run")
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != RUN_FILE):
        sound = path.read_bytes()
        path.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
        with pytest.raises(UserError, match="damaged"):
            Run.load(folder)
        path.unlink()
        with pytest.raises(UserError, match="damaged"):
            Run.load(folder)
        path.write_bytes(sound)
    Run.load(folder)


def test_a_cut_run_file_is_refused_wherever_it_is_cut(run, tmp_path):
    folder = run.save(tmp_path / "run")
    text = (folder / RUN_FILE).read_text()
    for end in range(0, len(text) - 2, len(text) // 40):
        (folder / RUN_FILE).write_text(text[:end])
        with pytest.raises(UserError, match="damaged"):
            Run.load(folder)


@pytest.mark.parametrize(
    "damage",
    [
        lambda facts: facts.pop("config"),
        lambda facts: facts.update(exit_layer=7),
        lambda facts: facts.update(by_layer=[]),
        lambda facts: facts["config"].update(surprise=1),
        lambda facts: facts["splits"]["test"]["pictures"].append("../../../etc/passwd"),
        lambda facts: facts["files"].update({"../outside.npy": "0"}),
        lambda facts: facts.update(baselines={"a": 1}),
        lambda facts: facts.update(format=[]),
        lambda facts: facts["splits"]["train"].update(classes=["a", "b", "c"]),
    ],
)
def test_a_run_file_that_does_not_fit_is_refused(damage, run, tmp_path):
    folder = run.save(tmp_path / "run")
    facts = json.loads((folder / RUN_FILE).read_text())
    damage(facts)
    (folder / RUN_FILE).write_text(json.dumps(facts))
    with pytest.raises(UserError):
        Run.load(folder)


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(UserError, match="holds no saved run"):
        Run.load(tmp_path)


def test_json_has_every_field_and_null_for_what_is_not_known(run):
    facts = summary(run)
    wanted = "model question classes n_train n_test exit_layer n_layers n_neurons accuracy by_layer latency_ms speedup neurons null"
    assert {*wanted.split(), "seconds", "warnings", "versions"} <= set(facts)
    assert facts["accuracy"]["sav"] == {"value": 0.5, "low": 0.1, "high": 0.9, "n": 4}
    assert facts["accuracy"]["lora"] is None
    assert {"full_model", "super_neurons", "sav", "logit_lens", "linear_probe", "lora"} <= set(facts["accuracy"])
    assert facts["latency_ms"] == {"full_model": 10.0, "first_token": 6.0, "early_exit": {"median": 2.0, "p95": None}}
    assert facts["speedup"] == {"vs_full_model": 5.0, "vs_first_token": 3.0}
    assert facts["neurons"][0] == {
        "site": "residual",
        "layer": 2,
        "unit": 0,
        "class": SIGNS,
        "threshold": float(run.stumps.threshold[3]),
        "sign": 1,
        "score": 1.0,
    }
    assert facts["null"]["best_score_p95"] == pytest.approx(0.695)
    assert "NaN" not in run.to_json()
