"""A fair share of one machine for every visitor: turns at the model, bytes uploaded, results kept.

Takes the name of a visitor (a session); gives turns one at a time, in an order in which nobody who asks for much delays those who
ask for little, and refuses in a sentence what goes beyond the limits. It knows nothing about what is done in a turn.
"""

from __future__ import annotations

import functools
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from sn_viz.errors import UserError

MIB = 2**20
REMEMBERED_VISITORS = 2000
SERVER = ""
"""Name of the server itself, which prepares sample packs; it takes turns like anyone else, and is never refused."""


@dataclass(frozen=True)
class Limits:
    """What one visitor, and all together, may ask of the server."""

    queue: int = 32
    """SN_VIZ_QUEUE: jobs that wait for the model, of all visitors together."""
    jobs: int = 3
    """SN_VIZ_SESSION_JOBS: jobs of one visitor, the running one included."""
    upload_mib: int = 512
    """SN_VIZ_SESSION_UPLOAD_MB: MiB of one visitor's files in the last hour, after which uploads are deleted anyway."""
    runs: int = 8
    """SN_VIZ_SESSION_RUNS: results of one visitor's own images that are kept."""


_VARIABLES = {
    "queue": ("SN_VIZ_QUEUE", 200),
    "jobs": ("SN_VIZ_SESSION_JOBS", 100),
    "upload_mib": ("SN_VIZ_SESSION_UPLOAD_MB", 10**6),
    "runs": ("SN_VIZ_SESSION_RUNS", 10**4),
}


@functools.cache
def limits() -> Limits:
    """Return the limits, as the environment sets them when they are first asked for.

    Raises
    ------
    UserError
        When a variable is not a whole number in its range.
    """
    given = {field: _whole(name, most) for field, (name, most) in _VARIABLES.items() if os.environ.get(name, "").strip()}
    return Limits(**given)


def _whole(name: str, most: int) -> int:
    text = os.environ[name].strip()
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise UserError(f"{name} was not understood.", f"It is {text[:20]!r}.", f"Set it to a whole number from 1 to {most}.")
    return int(text)


def visitor(request: gr.Request | None) -> str:
    """Return the name of the session behind ``request``; clients that tell none are told apart by their address."""
    if request is None:
        return "unknown"
    return request.session_hash or f"address {getattr(request.client, 'host', 'unknown')}"


@dataclass(frozen=True, eq=False)
class Ticket:
    """A place in the queue."""

    owner: str
    start: int
    """How many turns its owner has had or asked for before, counted from when the owner was last idle; the smallest goes first."""
    number: int
    """Order of asking, among equals."""


class Turns:
    """One turn at a time, shared fairly (start-time fair queueing): a visitor's second job waits for everyone's first.

    Parameters
    ----------
    limits : callable
        Returns the ``Limits`` that hold.
    """

    def __init__(self, limits: Callable[[], Limits] = limits) -> None:
        self._limits = limits
        self._changed = threading.Condition()
        self._waiting: list[Ticket] = []
        self._running: Ticket | None = None
        self._asked = self._now = 0
        self._next_start: dict[str, int] = {}

    def ask(self, owner: str = SERVER) -> Ticket:
        """Return a place in the queue; whoever gets one must ``leave``.

        Raises
        ------
        UserError
            When the owner has too many jobs already, or too many wait altogether.
        """
        with self._changed:
            if owner != SERVER:
                self._check(owner)
            self._next_start = {name: start for name, start in self._next_start.items() if start > self._now}
            start = self._next_start.get(owner, self._now)
            self._next_start[owner] = start + 1
            self._asked += 1
            ticket = Ticket(owner, start, self._asked)
            self._waiting.append(ticket)
            return ticket

    def _check(self, owner: str) -> None:
        allowed = self._limits()
        mine = sum(ticket.owner == owner for ticket in [*self._waiting, *([self._running] if self._running else [])])
        if mine >= allowed.jobs:
            raise UserError(
                f"You already have {mine} job{'s' * (mine != 1)} here.",
                f"At most {allowed.jobs} of one visitor run or wait at a time.",
                "Wait for one to finish, or cancel it.",
            )
        if len(self._waiting) >= allowed.queue:
            raise UserError(
                "The server is busy.",
                f"{len(self._waiting)} jobs are waiting for the model already.",
                "Try again in a few minutes.",
            )

    def take(self, ticket: Ticket, seconds: float) -> bool:
        """Wait up to ``seconds`` for the turn of ``ticket``; returns whether it has come."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_next(ticket), seconds) and self._start(ticket)

    def _is_next(self, ticket: Ticket) -> bool:
        return self._running is None and ticket is min(self._waiting, key=_place)

    def _start(self, ticket: Ticket) -> bool:
        self._waiting.remove(ticket)
        self._running, self._now = ticket, max(self._now, ticket.start)
        return True

    def ahead(self, ticket: Ticket) -> int:
        """Return how many jobs come before ``ticket``, the running one included."""
        with self._changed:
            return sum(_place(other) < _place(ticket) for other in self._waiting) + (self._running is not None)

    def leave(self, ticket: Ticket) -> None:
        """End the turn, or stop waiting for it."""
        with self._changed:
            if self._running is ticket:
                self._running = None
            elif ticket in self._waiting:
                self._waiting.remove(ticket)
            self._changed.notify_all()

    @contextmanager
    def turn(self, owner: str = SERVER) -> Iterator[None]:
        """Wait for a turn and hold it; raises what ``ask`` raises."""
        ticket = self.ask(owner)
        try:
            while not self.take(ticket, 60.0):
                pass
            yield
        finally:
            self.leave(ticket)

    def is_free(self) -> bool:
        """Return whether nobody has a turn or waits for one."""
        with self._changed:
            return self._running is None and not self._waiting


def _place(ticket: Ticket) -> tuple[int, int]:
    return ticket.start, ticket.number


class Uploads:
    """Bytes of the files that visitors use, in the last hour.

    Parameters
    ----------
    limits : callable
        Returns the ``Limits`` that hold.
    seconds : float
        How long a file counts.
    """

    def __init__(self, limits: Callable[[], Limits] = limits, seconds: float = 3600.0) -> None:
        self._limits, self._seconds = limits, seconds
        self._files: OrderedDict[str, dict[str, tuple[int, float]]] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, owner: str, paths: Iterable[str | Path]) -> None:
        """Count ``paths``, files on this server; the same file counts once.

        Raises
        ------
        UserError
            When the owner's files together are too large; then the new ones are not counted, and must not be read.
        """
        now, allowed = time.monotonic(), self._limits().upload_mib
        sizes = {str(path): Path(path).stat().st_size for path in paths if Path(path).is_file()}
        with self._lock:
            known = {path: seen for path, seen in self._files.get(owner, {}).items() if now - seen[1] < self._seconds}
            known |= {path: (size, known.get(path, (0, now))[1]) for path, size in sizes.items()}
            total = sum(size for size, _ in known.values())
            if total > allowed * MIB:
                raise UserError(
                    f"Your files are {-(-total // MIB)} MB together, too much for one visitor.",
                    f"At most {allowed} MB are taken from one visitor in an hour.",
                    "Use fewer or smaller images, or come back in an hour.",
                )
            self._files[owner] = known
            self._files.move_to_end(owner)
            while len(self._files) > REMEMBERED_VISITORS:
                self._files.popitem(last=False)


TURNS = Turns()
UPLOADS = Uploads()
