"""Labelling the photographs of a folder: as fast as decoding and forward passes allow that share the cores?

Takes the name of a model; returns rows of plain values. The call that is timed is the public one, ``Run.predictor`` given paths.
What it cannot be faster than: decoding alone and passes alone, over decoded pictures, by the processor time they take, shared out
over all cores; and the passes alone by the clock. All three run in turns.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sn_viz.bench import BENCHES, Options, Row, prepared, row
from sn_viz.bench.speed import drawn_run
from sn_viz.early_exit.decide import AT_ONCE, Predictor
from sn_viz.models import load_model
from sn_viz.sources.ahead import decoded_ahead

N, QUICK_N = 1000, 64
BATCH = 16
ROUNDS = 3
SHARE = 0.9
"""Of what decoding and passes allow, at least."""


@BENCHES.register("labels")
def measure(options: Options) -> list[Row]:
    """Label JPEGs of 640 x 480 from a folder, stopping at block 1, against decoding alone and passes alone."""
    vlm = load_model(options.model, device=options.device)
    n, rounds = (QUICK_N, 1) if options.quick else (N, ROUNDS)
    with tempfile.TemporaryDirectory(prefix="sn-viz-bench-") as folder:
        prepared.photographs(Path(folder), n)
        return labelling(Predictor.of(drawn_run(vlm), 1, vlm=vlm, batch_size=BATCH), sorted(Path(folder).glob("*.jpg")), rounds)


def labelling(label: Predictor, paths: list[Path], rounds: int) -> list[Row]:
    """Return pictures a second, and what share of the possible that is."""
    some = [picture for part in decoded_ahead(paths[:AT_ONCE], AT_ONCE) for picture in part]
    starts = range(0, len(paths), AT_ONCE)
    ways: dict[str, Callable[[], object]] = {
        "decoding": lambda: [len(part) for part in decoded_ahead(paths, AT_ONCE)],
        "passes": lambda: [label(some[: len(paths) - start]) for start in starts],
        "labelling": lambda: label(paths),
    }
    label(some)
    times = np.array([[_both_clocks(way) for way in ways.values()] for _ in range(rounds)])
    wall, processor = (dict(zip(ways, np.median(times[:, :, clock], axis=0).tolist(), strict=True)) for clock in (0, 1))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    least = max((processor["decoding"] + processor["passes"]) / cores, wall["passes"])
    n, each = len(paths), 1000 / len(paths)
    note = (
        f"{n:,} JPEGs, batch {label.batch_size}; processor ms a picture: decoding {each * processor['decoding']:.3g}, passes "
        f"{each * processor['passes']:.3g}, both {each * processor['labelling']:.3g}; by the clock decoding alone "
        f"{each * wall['decoding']:.3g}, passes alone {each * wall['passes']:.3g}"
    )
    return [
        row(
            "labelling a folder at block 1",
            n / wall["labelling"],
            "images/s",
            at_least=SHARE,
            ratio=least / wall["labelling"],
            note=note,
        )
    ]


def _both_clocks(work: Callable[[], object]) -> tuple[float, float]:
    """Return seconds by the clock on the wall, and those of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor
