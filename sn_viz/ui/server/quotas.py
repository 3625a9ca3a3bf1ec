"""A fair share of one machine for every visitor: turns at the model, bytes uploaded, results kept.

Takes the name of a visitor (a session); gives turns one at a time, in an order in which nobody who asks for much delays those who
ask for little, and refuses in a sentence what goes beyond the limits. It knows nothing about what is done in a turn.
"""

from __future__ import annotations

import functools
import os
import shutil
import stat
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from cachetools import LRUCache

from sn_viz.errors import UserError

MIB = 2**20
SPARE_MIB = 64
"""MiB of the disk that uploads leave free."""
KEPT_LONGER_SECONDS = 900.0
"""Gradio deletes old uploads itself; what it forgot is deleted this much later."""
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
    disk_mib: int = 4096
    """SN_VIZ_UPLOADS_MB: MiB of all visitors' files on the disk together."""
    runs: int = 8
    """SN_VIZ_SESSION_RUNS: results of one visitor's own images that are kept."""


_VARIABLES = {
    "queue": ("SN_VIZ_QUEUE", 200),
    "jobs": ("SN_VIZ_SESSION_JOBS", 100),
    "upload_mib": ("SN_VIZ_SESSION_UPLOAD_MB", 10**6),
    "disk_mib": ("SN_VIZ_UPLOADS_MB", 10**7),
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
    """Turns shared fairly (start-time fair queueing): a visitor's second job waits for everyone's first.

    Parameters
    ----------
    limits : callable
        Returns the ``Limits`` that hold.
    at_once : int
        Turns held at the same time, each by another visitor.
    of : str
        What one waits for, in messages.
    """

    def __init__(self, limits: Callable[[], Limits] = limits, at_once: int = 1, of: str = "the model") -> None:
        self._limits, self.at_once, self.of = limits, at_once, of
        self._changed = threading.Condition()
        self._waiting: list[Ticket] = []
        self._running: list[Ticket] = []
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
        mine = sum(ticket.owner == owner for ticket in [*self._waiting, *self._running])
        if mine >= allowed.jobs:
            raise UserError(
                f"You already have {mine} job{'s' * (mine != 1)} here.",
                f"At most {allowed.jobs} of one visitor run or wait at a time.",
                "Wait for one to finish, or cancel it.",
            )
        if len(self._waiting) >= allowed.queue:
            raise UserError(
                "The server is busy.",
                f"{len(self._waiting)} jobs are waiting for {self.of} already.",
                "Try again in a few minutes.",
            )

    def take(self, ticket: Ticket, seconds: float) -> bool:
        """Wait up to ``seconds`` for the turn of ``ticket``; returns whether it has come."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_next(ticket), seconds) and self._start(ticket)

    def _is_next(self, ticket: Ticket) -> bool:
        busy = {running.owner for running in self._running}
        ready = [waiting for waiting in self._waiting if waiting.owner not in busy]
        return len(self._running) < self.at_once and bool(ready) and ticket is min(ready, key=_place)

    def _start(self, ticket: Ticket) -> bool:
        self._waiting.remove(ticket)
        self._running.append(ticket)
        self._now = max(self._now, ticket.start)
        self._changed.notify_all()
        return True

    def ahead(self, ticket: Ticket) -> int:
        """Return how many jobs come before ``ticket``, the running ones included."""
        with self._changed:
            return sum(_place(other) < _place(ticket) for other in self._waiting) + len(self._running)

    def leave(self, ticket: Ticket) -> None:
        """End the turn, or stop waiting for it."""
        with self._changed:
            if ticket in self._running:
                self._running.remove(ticket)
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
            return not self._running and not self._waiting


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
        self._files: LRUCache[str, dict[str, tuple[int, float]]] = LRUCache(REMEMBERED_VISITORS)
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

    def drop(self, owner: str) -> list[str]:
        """Forget the files of ``owner``; returns their paths."""
        with self._lock:
            return list(self._files.pop(owner, {}))


class Arrivals:
    """Bytes that arrive as uploads, counted before they are written: of one visitor, of one address, and on the disk altogether.

    Parameters
    ----------
    folder : callable
        Returns where uploads are kept; looked through at most every ``look_seconds``.
    limits : callable
        Returns the ``Limits`` that hold.
    seconds : float
        How long a byte counts, and how long a file is kept.
    """

    def __init__(
        self,
        folder: Callable[[], Path],
        limits: Callable[[], Limits] = limits,
        seconds: float = 3600.0,
        look_seconds: float = 5.0,
    ) -> None:
        self._folder, self._limits, self._seconds, self._look_seconds = folder, limits, seconds, look_seconds
        self._taken: deque[tuple[float, tuple[str, str], int]] = deque()
        self._sums: Counter[str] = Counter()
        self._on_disk, self._looked, self._since = 0, -look_seconds, 0
        self._lock = threading.Lock()

    def take(self, owner: str, address: str, n_bytes: int) -> None:
        """Count ``n_bytes`` that ``owner``, who comes from ``address``, is about to upload.

        An address stands for many visitors (a class behind one router), so it may fill half of the disk's share.

        Raises
        ------
        UserError
            When that is too much; then nothing is counted, and nothing must be written.
        """
        self.make_room(n_bytes)
        now, allowed = time.monotonic(), self._limits()
        most = ((owner, allowed.upload_mib), (f"at {address}", max(allowed.upload_mib, allowed.disk_mib // 2)))
        with self._lock:
            while self._taken and now - self._taken[0][0] > self._seconds:
                _, names, size = self._taken.popleft()
                self._sums.subtract(dict.fromkeys(names, size))
                self._sums = +self._sums
            for name, mib in most:
                total = self._sums[name] + n_bytes
                if total > mib * MIB:
                    raise UserError(
                        f"Your files are {-(-total // MIB)} MB together, too much for one visitor.",
                        f"At most {mib} MB are taken from one visitor in an hour.",
                        "Use fewer or smaller images, or come back in an hour.",
                    )
            names = (owner, f"at {address}")
            self._sums.update(dict.fromkeys(names, n_bytes))
            self._taken.append((now, names, n_bytes))

    def make_room(self, n_bytes: int) -> None:
        """Count ``n_bytes`` about to be written to the folder of uploads.

        Raises
        ------
        UserError
            When the files there, those kept too long already deleted, leave no room for them.
        """
        with self._lock:
            now = time.monotonic()
            if now - self._looked >= self._look_seconds:
                self._on_disk, self._looked, self._since = self._look(), now, 0
            if self._on_disk + self._since + n_bytes > self._limits().disk_mib * MIB or self._is_full(n_bytes):
                raise UserError(
                    "The server has no room for more files.",
                    "Those of other visitors fill what it sets aside.",
                    "Try again in an hour, or use a sample pack.",
                )
            self._since += n_bytes

    def room(self) -> int:
        """Return how many bytes more are taken from all visitors together, as far as is known now."""
        with self._lock:
            now = time.monotonic()
            if now - self._looked >= self._look_seconds:
                self._on_disk, self._looked, self._since = self._look(), now, 0
            return max(0, self._limits().disk_mib * MIB - self._on_disk - self._since)

    def _look(self) -> int:
        """Return the bytes in the folder, after deleting what is too old: also what a broken-off upload left."""
        total, oldest = 0, time.time() - self._seconds - KEPT_LONGER_SECONDS
        for path in self._folder().rglob("*"):
            try:
                found = path.lstat()
                if stat.S_ISREG(found.st_mode) and found.st_mtime < oldest:
                    path.unlink()
                elif stat.S_ISREG(found.st_mode):
                    total += found.st_size
            except OSError:
                continue  # somebody else removed it
        return total

    def _is_full(self, n_bytes: int) -> bool:
        folder = next((path for path in (self._folder(), *self._folder().parents) if path.is_dir()), Path("/"))
        return shutil.disk_usage(folder).free < n_bytes + SPARE_MIB * MIB
