"""What a second worker is worth: the same extraction and the same search with one worker and with two, one thread each, in turns.

Takes the choices of a bench, returns rows. It times the engine that ``find(engine="ray")`` uses, by the clock and by the workers'
own processor time: on a machine where driver and workers share two cores with others, the clock tells what else runs.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sn_viz.bench import Options, Row, prepared, row
from sn_viz.engines.ray import RayEngine, end_here, start_here

if TYPE_CHECKING:
    from sn_viz.models.vlm import Vlm

PHOTOGRAPHS, QUICK_PHOTOGRAPHS = 600, 96
SEARCHED, QUICK_SEARCHED = (1000, 200_000), (400, 30_000)
ROUNDS, QUICK_ROUNDS = 3, 1
WORTH = 1.7
"""A second worker makes work so many times as fast, at least."""
THROUGH_DRIVER = 0.01
"""Of the bytes stored, at most."""


@dataclass(frozen=True)
class Taken:
    """One piece of work."""

    seconds: float
    processor: float
    """Seconds of the busiest worker's processor."""


def rows(options: Options) -> list[Row]:
    """Return how many times as fast two workers are, by the clock or by their processor time, in extraction and in search."""
    from sn_viz.activations.model_cache import model_named

    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  # Ray's own name; its workers else step back for all that runs beside
    n_photographs = QUICK_PHOTOGRAPHS if options.quick else PHOTOGRAPHS
    vlm = model_named(options.model, "cpu")
    with tempfile.TemporaryDirectory(prefix="sn-viz-bench-") as folder, ExitStack() as stack:
        before = os.environ.get("SN_VIZ_CACHE")
        stack.callback(lambda: os.environ.pop("SN_VIZ_CACHE") if before is None else os.environ.update(SN_VIZ_CACHE=before))
        os.environ["SN_VIZ_CACHE"] = str(Path(folder, "cache"))
        start_here(3, gpus=False)
        stack.callback(end_here)
        engines = [stack.enter_context(RayEngine(device="cpu", workers=n, threads=1)) for n in (1, 2)]
        table = prepared.photographs(Path(folder, "photographs"), n_photographs)
        read, share = _reading(vlm, table, engines, Path(folder), QUICK_ROUNDS if options.quick else ROUNDS)
        shape = QUICK_SEARCHED if options.quick else SEARCHED
        found = _searching(engines, shape, QUICK_ROUNDS if options.quick else ROUNDS)
    note = f"{n_photographs} JPEGs of 640 x 480, read by the model, one thread each"
    return [
        _worth("extraction, 1 -> 2 workers", read, note),
        _worth("search, 1 -> 2 workers", found, f"{shape[0]:,} x {shape[1]:,} float16, one thread each"),
        row(
            "through the driver, of the bytes stored",
            100 * share,
            "%",
            ratio=share,
            at_most=THROUGH_DRIVER,
            note="of the extraction",
        ),
    ]


def _reading(vlm: Vlm, table: Path, engines: list[RayEngine], folder: Path, rounds: int) -> tuple[list[list[Taken]], float]:
    """Return what extraction took each engine, round by round, and which share of what it stored went through the driver."""
    from sn_viz.activations.extract import extract
    from sn_viz.activations.store import Store
    from sn_viz.sources import load_images

    images, taken, share = load_images(table, prepared.QUESTION), [[], []], 0.0
    for engine in engines:
        engine.carrier(vlm)
        engine.wait()
    for turn in range(rounds):
        for number, engine in enumerate(engines):
            store, before = Store(folder / f"store-{turn}-{number}"), engine.traffic.total
            one = _timed(engine, lambda: extract(vlm, images, carrier=engine.carrier(vlm), cache=store))  # noqa: B023
            taken[number].append(one)
            share = max(share, (engine.traffic.total - before) / store.size())
    return taken, share


def _searching(engines: list[RayEngine], shape: tuple[int, int], rounds: int) -> list[list[Taken]]:
    noise = np.random.default_rng(0).standard_normal(shape[1] + 1009 * 64, dtype=np.float32).astype(np.float16)
    labels, taken = np.arange(shape[0]) % 2, [[], []]
    filling = engines[0].shared_filling(shape, np.float16)
    for i in range(shape[0]):
        start = i * 4099 % (1009 * 64)
        filling.put([i], noise[None, start : start + shape[1]])
    for turn in range(rounds + 1):  # in the first round kernels and pages are fetched
        for number, engine in enumerate(engines):
            one = _timed(engine, lambda: engine.find_stumps(filling.values, labels))  # noqa: B023
            taken[number] += [one] * (turn > 0)
    return taken


def _timed(engine: RayEngine, work: Callable[[], object]) -> Taken:
    before, start = [_processor(number) for number in engine.processes], time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    return Taken(seconds, max(_processor(number) - b for number, b in zip(engine.processes, before, strict=True)))


def _processor(number: int) -> float:
    """Return the seconds of processor time that a process of this machine has had."""
    after_the_name = Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(after_the_name[11]) + int(after_the_name[12])) / os.sysconf("SC_CLK_TCK")


def _worth(name: str, taken: list[list[Taken]], note: str) -> Row:
    """Return the row: the better of both ratios meets the target, and both are told."""
    clock, own = (
        np.median([getattr(one, kind) for one in taken[0]]) / np.median([getattr(one, kind) for one in taken[1]])
        for kind in ("seconds", "processor")
    )
    two = float(np.median([one.seconds for one in taken[1]]))
    told = f"{note}; {clock:.2f} times by the clock, {own:.2f} by the processor time of the busiest worker"
    return row(name, two, "s", ratio=float(max(clock, own)), at_least=WORTH, note=told)
