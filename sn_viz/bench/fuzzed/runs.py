"""Saved runs, damaged: bytes of any file, fields of ``run.json`` and whole arrays, with and without their digests made right."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from sn_viz.bench.fuzzed import TARGETS, Try, anything, mutated
from sn_viz.storage.load import load_run
from sn_viz.storage.run_folder import DIGEST_FILE, RUN_FILE
from sn_viz.storage.save import save_run
from sn_viz.storage.summary import summary
from sn_viz.types import Baseline, Config, Interval, LabelledImages, LayerAccuracy, Neurons, Picture, RunRecord, Stumps, Votes


def small_run() -> RunRecord:
    """Return a run of two layers and six neurons, whose numbers mean nothing."""
    rng = np.random.default_rng(0)
    places = np.zeros(6, np.int8), np.repeat([1, 2], 3).astype(np.int16), np.tile(np.arange(3), 2).astype(np.int32)
    score = np.array([0.5, 0.9, np.nan, 1.0, 0.6, 0.7], np.float32)
    threshold = rng.normal(size=6).astype(np.float32)
    stumps = Stumps(np.arange(6), np.ones(6, np.int16), threshold, np.ones(6, np.int8), score, np.zeros(6, np.float32))
    share = Interval(0.5, 0.1, 0.9, 4)
    return RunRecord(
        config=Config(question="Is it?", sites=("residual",), compare=("sav",)),
        train=_images(rng, 6),
        test=_images(rng, 4),
        neurons=Neurons(*places, ("residual",)),
        train_values=rng.normal(size=(6, 6)).astype(np.float16),
        test_values=rng.normal(size=(4, 6)).astype(np.float16),
        stumps=stumps,
        voters=(stumps.take(np.array([1])), stumps.take(np.array([3, 1]))),
        exit_layer=2,
        votes=Votes(np.full((4, 2, 2), 0.5, np.float32), np.zeros((4, 2), np.int64), np.zeros((4, 2), np.float32)),
        by_layer=(LayerAccuracy(1, share, 0.5, 3.0), LayerAccuracy(2, share, 0.75, float("nan"))),
        baselines=(Baseline("sav", np.array([0, 1, -1, 0]), share, 2.0, "note", ("a", "b", "c", "d"), (share, share)),),
        null_scores=np.array([0.6, 0.7], np.float32),
        latency_ms={"full_model": 10.0, "first_token": 6.0, "early_exit": 2.0, "early_exit_p95": 3.0},
        seconds={"extract": 1.0},
        versions={"sn_viz": "0"},
        findings={"stability": {"again": [1.0, 0.5], "neuron": ["a", "b"], "n_resamples": 5, "by_luck": 0.3}},
    )


def _images(rng: np.random.Generator, n: int) -> LabelledImages:
    pictures = tuple(Picture(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)) for _ in range(n))
    return LabelledImages(tuple(f"{i}.png" for i in range(n)), pictures, np.arange(n) % 2, ("no", "yes"), ("Is it?",) * n)


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """Return the path of every value in nested lists and dictionaries."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in items for found in places(item, (*path, key)))]


def seal(folder: Path, facts: dict[str, Any]) -> None:
    """Write ``facts`` with every digest right, as whoever means harm would."""
    if isinstance(facts.get("files"), dict):
        for name in facts["files"]:
            if "\0" not in name and (folder / name).is_file() and (folder / name).resolve().is_relative_to(folder.resolve()):
                facts["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    written = json.dumps(facts).encode("utf-8", "surrogatepass")
    (folder / RUN_FILE).write_bytes(written)
    (folder / DIGEST_FILE).write_text(f"{hashlib.sha256(written).hexdigest()}  {RUN_FILE}\n")


@TARGETS.register("saved-runs")
def saved_runs(folder: Path) -> Try:
    """Saved runs, damaged in bytes, fields and arrays; what still opens must be shown by every figure."""
    sound = save_run(small_run(), folder / "sound")
    files = sorted(str(path.relative_to(sound)) for path in sound.rglob("*") if path.is_file())
    kept = (sound / RUN_FILE).read_text()
    paths = [path for path in places(json.loads(kept)) if path and path[0] not in ("summary", "files")]

    def attempt(rng: np.random.Generator) -> None:
        """Damage a copy of the run in one way, and open it."""
        shutil.rmtree(folder / "run", ignore_errors=True)
        shutil.copytree(sound, folder / "run")
        way = rng.random()
        if way < 0.4:
            name = files[rng.integers(len(files))]
            (folder / "run" / name).write_bytes(mutated((sound / name).read_bytes(), rng))
        if way > 0.3:
            facts = json.loads(kept)
            for _ in range(int(rng.integers(0, 3)) if way < 0.4 else 1):
                _put(facts, paths[rng.integers(len(paths))], anything(rng))
            seal(folder / "run", facts)
        run = load_run(folder / "run")
        json.dumps(summary(run), allow_nan=False).encode("utf-8")
        if rng.random() < 0.05:
            from sn_viz.report.page import write_report

            write_report(run, folder / "report.html")

    return attempt


def _put(facts: Any, path: tuple, value: Any) -> None:
    for step in path[:-1]:
        facts = facts[step]
        if not isinstance(facts, dict | list):
            return  # the way there was damaged before
    if isinstance(facts, dict) or (isinstance(facts, list) and isinstance(path[-1], int) and path[-1] < len(facts)):
        facts[path[-1]] = value
