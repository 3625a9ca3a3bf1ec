"""Long work that can be stopped."""

from __future__ import annotations

import threading
import time

import pytest

from sn_viz.errors import Cancelled, UserError
from sn_viz.ui.jobs import Done, Step, Stops, steps
from sn_viz.ui.share import TURNS


def _slow(progress):
    for i in range(500):
        progress(i / 500, f"batch {i}")
        time.sleep(0.005)
    return "end"


def test_reports_come_before_the_result():
    def work(progress):
        progress(0.5, "half")
        time.sleep(0.15)
        return 42

    seen = list(steps(work, threading.Event(), poll_seconds=0.01))
    assert isinstance(seen[-1], Done) and seen[-1].value == 42
    assert any(isinstance(step, Step) and step.text == "half" and step.fraction == 0.5 for step in seen)


def test_a_stop_ends_the_work_within_a_batch():
    stop, last = threading.Event(), []

    def work(progress):
        return _slow(lambda fraction, text: (last.append(time.monotonic()), progress(fraction, text)))

    started = time.monotonic()
    with pytest.raises(Cancelled):
        for _ in steps(work, stop, poll_seconds=0.01):
            if time.monotonic() - started > 0.1:
                stop.set()
    assert time.monotonic() - started < 1.5
    time.sleep(0.1)
    count = len(last)
    time.sleep(0.1)
    assert len(last) == count and TURNS.is_free()


def test_a_closed_page_stops_the_work():
    stop = threading.Event()
    running = steps(_slow, stop, poll_seconds=0.01)
    next(running)
    running.close()
    time.sleep(0.1)
    assert TURNS.is_free()


def test_a_job_that_waits_for_the_model_can_be_stopped():
    stop = threading.Event()
    with TURNS.turn():
        waiting = steps(lambda progress: 1, stop, poll_seconds=0.01)
        assert "Waiting" in next(waiting).text
        stop.set()
        with pytest.raises(Cancelled):
            list(waiting)


def test_an_error_of_the_work_is_raised_here():
    def work(progress):
        raise UserError("No dog.")

    with pytest.raises(UserError, match="No dog"):
        list(steps(work, threading.Event()))


def test_unknown_and_forgotten_stop_keys_mean_stop():
    stops = Stops(capacity=2)
    first = stops.new()
    assert not stops.flag(first).is_set() and stops.flag("nobody").is_set()
    stops.new(), stops.new()
    assert stops.flag(first).is_set()
