"""Long work as a generator that can be stopped.

Takes a function that reports progress; yields what it reports, then its result. The work runs in its own thread and hears of a
stop at its next report, so within a batch. It knows nothing about what the work is.
"""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from cachetools import FIFOCache, LRUCache

from sn_viz.errors import Cancelled
from sn_viz.types import Progress
from sn_viz.ui.server.quotas import SERVER, Ticket, Turns

ABANDONED_AFTER_SECONDS = 30.0
"""A job whose page stopped listening for this long is stopped too."""


@dataclass(frozen=True)
class Step:
    """One report of a running job."""

    fraction: float
    text: str
    seconds: float
    """Since the job started."""


@dataclass(frozen=True, eq=False)
class Done:
    """The last thing a job yields."""

    value: Any
    seconds: float


class Stops:
    """Stop flags by job key; a bounded number, oldest forgotten first."""

    def __init__(self, capacity: int = 1000) -> None:
        self._flags: FIFOCache[str, threading.Event] = FIFOCache(capacity)
        self._ended: FIFOCache[str, bool] = FIFOCache(capacity)
        self._lock = threading.Lock()

    def new(self) -> str:
        """Return the key of a new flag."""
        key = secrets.token_urlsafe(12)
        with self._lock:
            self._flags[key] = threading.Event()
        return key

    def flag(self, key: str) -> threading.Event:
        """Return the flag of ``key``; an unknown key gets a flag that is already up."""
        with self._lock:
            if key in self._flags:
                return self._flags[key]
        gone = threading.Event()
        gone.set()
        return gone

    def stop(self, key: str) -> bool:
        """Ask the job of ``key`` to stop; unknown keys change nothing.

        Returns
        -------
        bool
            Whether it is still to say that it stopped; False where it had its result before (`end`).
        """
        flag = self.flag(key)
        with self._lock:
            flag.set()
            return key not in self._ended

    def end(self, key: str) -> bool:
        """Note that the job of ``key`` has its result; returns False where it was asked to stop before."""
        flag = self.flag(key)
        with self._lock:
            if flag.is_set():
                return False
            self._ended[key] = True
            return True


class _StopsWhatItForgets(LRUCache[str, tuple[str, threading.Event]]):
    """Owner -> what the work is on, and its flag."""

    def popitem(self) -> tuple[str, tuple[str, threading.Event]]:
        owner, (key, flag) = super().popitem()
        flag.set()
        return owner, (key, flag)


class Latest:
    """Stop flags of work of which only a visitor's latest matters, such as the preview of a set that is being put together."""

    def __init__(self, capacity: int = 1000) -> None:
        self._flags = _StopsWhatItForgets(capacity)
        self._lock = threading.Lock()

    def flag(self, owner: str, key: str) -> threading.Event:
        """Return the flag of ``owner``'s work on ``key``; work of the same owner on anything else is stopped."""
        with self._lock:
            known, flag = self._flags.get(owner, ("", threading.Event()))
            if known != key or flag.is_set():
                flag.set()
                flag = threading.Event()
            self._flags[owner] = key, flag
            return flag

    def stop(self, owner: str) -> None:
        """Stop the work of ``owner``."""
        with self._lock:
            if owner in self._flags:
                self._flags[owner][1].set()


def steps(
    desk: Turns,
    work: Callable[[Progress], Any],
    stop: threading.Event,
    owner: str = SERVER,
    poll_seconds: float = 0.1,
) -> Iterator[Step | Done]:
    """Run ``work`` in a thread when its turn has come; yield a ``Step`` per report and a ``Done`` at the end.

    When ``stop`` is set the next ``Step`` says so, and is the last.

    Parameters
    ----------
    desk : Turns
        What it takes turns at: the model, or the reader of images.
    work : callable
        Takes a progress callback, returns the result. Whatever it raises is raised here.
    stop : threading.Event
        When set, the callback raises ``Cancelled`` inside ``work``.
    owner : str
        Whose job it is; turns are shared fairly between owners.
    poll_seconds : float
        How often a report is looked for.

    Raises
    ------
    Cancelled
        When stopped, also while still waiting for the model.
    UserError
        When the owner has too many jobs, or the queue is full.
    """
    ticket = desk.ask(owner)
    started = time.monotonic()
    reports: queue.Queue[tuple[str, Any]] = queue.Queue()
    heard, closed = [time.monotonic()], threading.Event()
    fraction, told = 0.0, False

    def progress(fraction: float, text: str) -> None:
        if stop.is_set() or closed.is_set() or time.monotonic() - heard[0] > ABANDONED_AFTER_SECONDS:
            raise Cancelled
        reports.put(("step", (float(fraction), text)))

    def run() -> None:
        """Wait for a turn, work, and hand over the result or the error."""
        try:
            while not desk.take(ticket, 0.2):
                progress(0.0, _waiting(desk, ticket))
            progress(0.0, "Starting")
            result = ("done", work(progress))
        except BaseException as error:  # handed over and raised by the caller, none is swallowed
            result = ("error", error)
        finally:
            desk.leave(ticket)
        reports.put(result)

    threading.Thread(target=copy_context().run, args=(run,), name="job", daemon=True).start()  # a lent GPU asks whose visit it is
    try:
        while True:
            heard[0] = time.monotonic()
            if stop.is_set() and not told:  # said here, so that it never comes after what the job ended with
                told = True
                yield Step(fraction, "Stopping after this batch", time.monotonic() - started)
            try:
                kind, value = reports.get(timeout=poll_seconds)
            except queue.Empty:
                continue
            while kind == "step" and not reports.empty():
                kind, value = reports.get_nowait()
            seconds = time.monotonic() - started
            if kind == "error":
                raise value
            if kind == "done":
                yield Done(value, seconds)
                return
            fraction = value[0]
            if not told:
                yield Step(*value, seconds)
    finally:
        closed.set()


def run_job(desk: Turns, work: Callable[[Progress], Any], owner: str, stop: threading.Event | None = None) -> Any:
    """Run ``work`` as a job, to its end; returns its result."""
    for step in steps(desk, work, stop or threading.Event(), owner):
        if isinstance(step, Done):
            return step.value
    raise AssertionError("a job ends with its result or an exception")


def _waiting(desk: Turns, ticket: Ticket) -> str:
    ahead = desk.ahead(ticket)
    return f"Waiting for {desk.of}: {ahead} job{'s' * (ahead != 1)} before yours"
