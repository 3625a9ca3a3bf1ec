"""How far a long job is: stages that share one bar, each timed.

Takes a plain callable told (fraction, what is being done); knows nothing about the job.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from sn_viz.types import Progress


def silent(fraction: float, doing: str) -> None:
    """A progress callable that says nothing."""


def part(progress: Progress, start: float, end: float) -> Progress:
    """Return a progress callable whose 0 to 1 is ``start`` to ``end`` of ``progress``."""

    def report(fraction: float, doing: str) -> None:
        progress(start + (end - start) * min(max(fraction, 0.0), 1.0), doing)

    return report


def shares(progress: Progress, n: int) -> list[Progress]:
    """Return progress callables of ``n`` jobs that run side by side, in threads of their own: what is told is how far all are."""
    done, one_at_a_time = [0.0] * n, Lock()

    def share(job: int) -> Progress:
        def report(fraction: float, doing: str) -> None:
            with one_at_a_time:
                done[job] = max(done[job], min(fraction, 1.0))
                progress(sum(done) / n, doing)

        return report

    return [share(job) for job in range(n)]


def noted(progress: Progress, note: str) -> Progress:
    """Return a progress callable that adds a note in brackets to whatever is being done."""
    return lambda fraction, doing: progress(fraction, f"{doing} ({note})")


class Stages:
    """Times the stages of a run and tells how far it is.

    Parameters
    ----------
    progress : callable
        Told the fraction of the whole at the start of each stage and during it.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress, self.done = progress, 0.0
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str, until: float, doing: str) -> Iterator[Progress]:
        """Enter stage ``name``, which ends at fraction ``until``; yields its own progress callable. One may be entered again."""
        report = part(self.progress, self.done, until)
        report(0.0, doing)
        start = time.perf_counter()
        yield report
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
        self.done = until
        self.progress(until, doing)
