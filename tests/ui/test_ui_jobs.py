"""Long work that can be stopped."""

from __future__ import annotations

import threading
import time

import pytest

from sn_viz.errors import Cancelled, UserError
from sn_viz.ui.server.jobs import Done, Latest, Step, Stops, run_job, steps
from sn_viz.ui.server.quotas import Limits, Turns

TURNS = Turns()


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

    seen = list(steps(TURNS, work, threading.Event(), poll_seconds=0.01))
    assert isinstance(seen[-1], Done) and seen[-1].value == 42
    assert any(isinstance(step, Step) and step.text == "half" and step.fraction == 0.5 for step in seen)


def test_a_stop_ends_the_work_within_a_batch():
    stop, last = threading.Event(), []

    def work(progress):
        return _slow(lambda fraction, text: (last.append(time.monotonic()), progress(fraction, text)))

    started = time.monotonic()
    with pytest.raises(Cancelled):
        for _ in steps(TURNS, work, stop, poll_seconds=0.01):
            if time.monotonic() - started > 0.1:
                stop.set()
    assert time.monotonic() - started < 1.5
    time.sleep(0.1)
    count = len(last)
    time.sleep(0.1)
    assert len(last) == count and TURNS.is_free()


def test_a_closed_page_stops_the_work():
    stop = threading.Event()
    running = steps(TURNS, _slow, stop, poll_seconds=0.01)
    next(running)
    running.close()
    time.sleep(0.1)
    assert TURNS.is_free()


def test_a_job_that_waits_for_the_model_can_be_stopped():
    stop = threading.Event()
    with TURNS.turn():
        waiting = steps(TURNS, lambda progress: 1, stop, poll_seconds=0.01)
        assert "Waiting" in next(waiting).text
        stop.set()
        with pytest.raises(Cancelled):
            list(waiting)


def test_an_error_of_the_work_is_raised_here():
    def work(progress):
        raise UserError("No dog.")

    with pytest.raises(UserError, match="No dog"):
        list(steps(TURNS, work, threading.Event()))


def test_unknown_and_forgotten_stop_keys_mean_stop():
    stops = Stops(capacity=2)
    first = stops.new()
    assert not stops.flag(first).is_set() and stops.flag("nobody").is_set()
    stops.new(), stops.new()
    assert stops.flag(first).is_set()


def test_the_place_in_the_queue_is_told_and_moves_up():
    desk = Turns(Limits)
    others = [desk.ask(f"visitor {i}") for i in range(3)]
    assert desk.take(others[0], 0)
    waiting = steps(desk, lambda progress: "mine", threading.Event(), "me", poll_seconds=0.01)
    assert next(waiting).text == "Waiting for the model: 3 jobs before yours"
    desk.leave(others[1])
    desk.leave(others[2])
    assert any(step.text == "Waiting for the model: 1 job before yours" for step, _ in zip(waiting, range(100), strict=False))
    desk.leave(others[0])
    assert [step.value for step in waiting if isinstance(step, Done)] == ["mine"] and desk.is_free()


def test_of_a_preview_only_the_latest_matters():
    latest = Latest(capacity=2)
    first = latest.flag("a", "set 1")
    assert latest.flag("a", "set 1") is first and not first.is_set(), "the same set is read once"
    second, other = latest.flag("a", "set 2"), latest.flag("b", "set 1")
    assert first.is_set() and not second.is_set() and not other.is_set()
    latest.stop("a")
    assert second.is_set() and not latest.flag("a", "set 2").is_set()
    latest.flag("c", "set 3")
    assert other.is_set(), "the longest forgotten is stopped"


def test_a_job_that_is_waited_for_gives_its_result_or_its_error():
    assert run_job(TURNS, lambda progress: 7, "me") == 7
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        run_job(TURNS, _slow, "me", stop)
