"""A small run, and the folder that it was saved in."""

import math
from pathlib import Path

import numpy as np
import pytest
from saved_run import images

from sn_viz.run import Run
from sn_viz.types import Baseline, Config, Interval, LayerAccuracy, Neurons, Stumps, Votes


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


@pytest.fixture
def folder(run, tmp_path) -> Path:
    """A saved run that a test may damage."""
    return run.save(tmp_path / "run")
