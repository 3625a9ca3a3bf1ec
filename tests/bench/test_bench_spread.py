"""One worker against two: how the better of both ratios is told, and that the bench runs what it says."""

from __future__ import annotations

import os

import pytest

from sn_viz.bench import BENCHES, Options
from sn_viz.bench.spread import Taken, _processor, _worth


def test_the_better_of_clock_and_processor_time_meets_the_target_and_both_are_told():
    busy = [[Taken(10.0, 8.0), Taken(99.0, 8.0), Taken(11.0, 9.0)], [Taken(9.0, 4.0), Taken(8.0, 4.5), Taken(10.0, 4.0)]]
    found = _worth("work", busy, "of a kind")
    assert found.holds and found.ratio == 2.0 and found.measured == 9.0
    assert "1.22 times by the clock, 2.00 by the processor time" in found.note
    alike = [[Taken(10.0, 8.0)], [Taken(10.0, 8.0)]]
    assert not _worth("work", alike, "").holds


def test_processor_time_is_that_of_the_process():
    before, own = _processor(os.getpid()), sum(os.times()[:2])
    assert own - 1 < before <= own + 1
    sum(i * i for i in range(3_000_000))
    assert before < _processor(os.getpid()) <= sum(os.times()[:2]) + 1


@pytest.mark.kill
@pytest.mark.timeout(900)
def test_the_bench_runs_one_worker_and_two():
    pytest.importorskip("ray", reason="Ray is not installed")
    rows = {row.name: row for row in BENCHES["scale"](Options(quick=True, engine="ray"))}
    assert list(rows) == ["extraction, 1 -> 2 workers", "search, 1 -> 2 workers", "through the driver, of the bytes stored"]
    assert rows["through the driver, of the bytes stored"].holds
    assert all(row.measured > 0 and row.target for row in rows.values())
