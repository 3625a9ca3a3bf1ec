"""What the server remembers for its visitors: keys in the page, values here, bounded.

Takes and returns any value under an unguessable key, oldest out first. A key is all a page keeps, so a forged, mistyped or
expired one reads nothing. It knows nothing about figures or models.
"""

from __future__ import annotations

import math
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from sn_viz.errors import JustForgotten, UserError
from sn_viz.types import LabelledImages, Partial, RunRecord

T = TypeVar("T")
UNDER_WAY_SECONDS = 30.0
"""A page that has its values forgotten opens afresh; what it asked before may come for so long."""
FILLS = "~"
"""Parts the key of a value that fills from a number that is new whenever more has come, so that the page draws it again."""


class Shelf(Generic[T]):
    """A bounded, thread-safe place for values; the least recently used leaves first.

    Parameters
    ----------
    kind : str
        What is kept, for messages: "result".
    max_bytes : int
        Budget for everything together; one value alone may exceed it and is then kept alone.
    size_of : callable
        Bytes of one value.
    most_each : callable
        Returns how many values of one owner are kept.
    """

    def __init__(
        self, kind: str, max_bytes: int, size_of: Callable[[T], int], most_each: Callable[[], int] = lambda: 10**9
    ) -> None:
        self.kind, self.max_bytes, self.size_of, self.most_each = kind, max_bytes, size_of, most_each
        self._values: OrderedDict[str, tuple[T, int, str | None]] = OrderedDict()
        self._used: dict[str, float] = {}
        self._forgotten: dict[str, float] = {}
        self._lock = threading.Lock()

    def put(self, value: T, key: str | None = None, owner: str | None = None) -> str:
        """File ``value`` and return its key: ``key`` when given, else a new one nobody can guess.

        A value of an ``owner`` takes the place of that owner's least recently used one when there are too many.
        """
        key = key or secrets.token_urlsafe(16)
        with self._lock:
            self._values.pop(key, None)
            self._values[key] = (value, self.size_of(value), owner)
            self._used[key] = time.monotonic()
            mine = [name for name, (_, _, whose) in self._values.items() if owner is not None and whose == owner]
            for name in mine[: -self.most_each()]:
                self._values.pop(name)
            while len(self._values) > 1 and sum(size for _, size, _ in self._values.values()) > self.max_bytes:
                self._values.popitem(last=False)
        return key

    def keys_of(self, owner: str) -> list[str]:
        """Return the keys of the values of ``owner``."""
        with self._lock:
            return [key for key, (_, _, whose) in self._values.items() if whose == owner]

    def drop_all(self, belongs: Callable[[str], bool]) -> list[T]:
        """Forget the values whose keys belong; returns them."""
        now = time.monotonic()
        with self._lock:
            keys = [key for key in self._values if belongs(key)]
            self._forgotten = {key: at for key, at in self._forgotten.items() if now - at < UNDER_WAY_SECONDS}
            self._forgotten.update(dict.fromkeys(keys, now))
            return [self._values.pop(key)[0] for key in keys]

    def idle_owners(self, seconds: float) -> set[str]:
        """Return the owners that have something here and used none of it for so long."""
        now = time.monotonic()
        with self._lock:
            last: dict[str, float] = {}
            for key, (_, _, owner) in self._values.items():
                if owner is not None:
                    last[owner] = max(last.get(owner, -math.inf), self._used.get(key, now))
            self._used = {key: at for key, at in self._used.items() if key in self._values}
        return {owner for owner, at in last.items() if now - at > seconds}

    def find(self, key: object) -> T | None:
        """Return the value under ``key``, or None; what follows ``FILLS`` in a key says only how full the value was."""
        with self._lock:
            key = key.partition(FILLS)[0] if isinstance(key, str) else key
            if not isinstance(key, str) or key not in self._values:
                return None
            self._values.move_to_end(key)
            self._used[key] = time.monotonic()
            return self._values[key][0]

    def get(self, key: object) -> T:
        """Return the value under ``key``.

        Raises
        ------
        UserError
            When there is none (never was, or it made room for newer ones); `JustForgotten` where its owner had it forgotten.
        """
        value = self.find(key)
        if value is None:
            raise self._kind_of_loss(key)(
                f"This {self.kind} is no longer here.",
                "The server keeps a limited number and was asked for newer ones, or it was restarted.",
                "Press Find super neurons to run it again; what was computed is cached, so it is quick.",
            )
        return value

    def _kind_of_loss(self, key: object) -> type[UserError]:
        with self._lock:
            at = self._forgotten.get(key.partition(FILLS)[0]) if isinstance(key, str) else None
        return JustForgotten if at is not None and time.monotonic() - at < UNDER_WAY_SECONDS else UserError

    def drop(self, key: str) -> None:
        """Forget the value under ``key``, if there is one."""
        with self._lock:
            self._values.pop(key, None)

    def __len__(self) -> int:
        return len(self._values)


def finished(run: RunRecord) -> RunRecord:
    """Return ``run`` when it has ended: of a partial one nothing is saved, exported, linked or tried.

    Raises
    ------
    UserError
        When it is still filling, or was stopped.
    """
    if isinstance(run, Partial):
        raise UserError("This result is not finished.", f"It stands {run.said}.", "Wait until it is, or press Find super neurons.")
    return run


def size_of_images(images: LabelledImages) -> int:
    """Return the bytes that are kept of the pictures, in memory or in a file of the server's own."""
    return sum(picture.kept_bytes for picture in images.pictures)


def size_of_pixels(images: LabelledImages) -> int:
    """Return the bytes of the pixels once all are decoded."""
    return sum(math.prod(picture.shape) for picture in images.pictures)


def size_of_run(run: RunRecord) -> int:
    """Return the bytes of the large arrays of ``run``."""
    stumps = 18 * len(run.stumps)
    return run.train_values.nbytes + run.test_values.nbytes + stumps + size_of_images(run.train) + size_of_images(run.test)
