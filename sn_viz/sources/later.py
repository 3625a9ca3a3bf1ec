"""Pictures that stay where they are: hashed once, read again whenever their pixels are needed.

Takes a file, a way to read bytes, or bytes that cannot be had twice; returns a ``Picture`` that holds none of its pixels. The last
few that were decoded are kept, as many as ``sn_viz.memory.picture_bytes`` admits. It knows nothing about labels.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
import threading
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from cachetools import LRUCache

from sn_viz.errors import UserError
from sn_viz.memory import picture_bytes
from sn_viz.sources.budget import DEFAULT, Budget
from sn_viz.sources.ingest import as_picture, check_no_text, decode, read_file
from sn_viz.sources.text import quoted
from sn_viz.types import Picture


def _bytes_of(pixels: np.ndarray) -> int:
    return pixels.nbytes


class Decoded:
    """The pixels that were asked for last, by content; those asked for longest ago leave first. Any thread may use it."""

    def __init__(self) -> None:
        self._kept: LRUCache[str, np.ndarray] = LRUCache(1, getsizeof=_bytes_of)
        self._lock = threading.Lock()

    def get(self, sha256: str) -> np.ndarray | None:
        """Return the pixels of that content, uint8 (height, width, 3), or None."""
        with self._lock:
            return self._kept.get(sha256)

    def put(self, sha256: str, pixels: np.ndarray) -> None:
        """Keep pixels, unless they alone are more than is kept; the bound is asked for anew each time."""
        with self._lock:
            if self._kept.maxsize != picture_bytes():
                kept = LRUCache(picture_bytes(), getsizeof=_bytes_of)
                for name, one in self._kept.items():
                    if one.nbytes <= kept.maxsize:
                        kept[name] = one
                self._kept = kept
            if pixels.nbytes <= self._kept.maxsize:
                self._kept[sha256] = pixels

    @property
    def n_bytes(self) -> int:
        """How many bytes are kept."""
        return int(self._kept.currsize)


DECODED = Decoded()
"""Of the whole process."""


class PictureLater(Picture):
    """A picture whose pixels are read when they are asked for.

    Parameters
    ----------
    name : str
        What messages call it.
    data : bytes
        The image file.
    read : callable
        Returns the same bytes again, whenever it is called; it may raise ``UserError``.
    first : Picture
        ``data``, decoded.
    budget : Budget
        With which it was decoded.
    kept : int
        How many bytes are kept of it for that.

    Notes
    -----
    ``pixels`` raises ``UserError`` when the bytes cannot be read any more, or are no longer the same.
    """

    def __init__(
        self, name: str, data: bytes, read: Callable[[], bytes], first: Picture, budget: Budget = DEFAULT, kept: int = 0
    ) -> None:
        self.__dict__.update(
            _name=name,
            _read=read,
            _budget=_limits(budget),
            _digest=hashlib.sha256(data).digest(),
            _shape=first.shape,
            _kept=kept,
            sha256=first.sha256,
        )
        DECODED.put(first.sha256, first.pixels)

    @property
    def pixels(self) -> np.ndarray:  # pyright: ignore[reportIncompatibleVariableOverride]  # read, and never assigned
        """uint8 (height, width, 3); nobody changes them."""
        own: dict[str, Any] = self.__dict__
        found = DECODED.get(self.sha256)
        if found is None:
            found = decode(self._same_bytes(), own["_name"], own["_budget"]).pixels
            DECODED.put(self.sha256, found)
        return found

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.__dict__["_shape"]

    @property
    def kept_bytes(self) -> int:
        return self.__dict__["_kept"]

    def decoded(self) -> Picture:
        return Picture(self.pixels)

    def reference(self) -> Reference | None:
        """Return what reads the picture in another process that sees the same files; None where only this one has the bytes."""
        own, read = self.__dict__, self.__dict__["_read"]
        if not (isinstance(read, functools.partial) and inspect.isfunction(read.func) and "<" not in read.func.__qualname__):
            return None  # the bytes themselves, or a file without a name
        changed = {one.name: getattr(own["_budget"], one.name) for one in fields(Budget) if one.compare}
        limits = tuple((name, value) for name, value in changed.items() if value != getattr(DEFAULT, name))
        return Reference(own["_name"], read, own["_digest"], own["_shape"], bytes.fromhex(self.sha256), limits)

    def _same_bytes(self) -> bytes:
        """Return the bytes as they were when the picture was first read."""
        own = self.__dict__
        try:
            data = own["_read"]()
        except UserError as error:
            raise UserError(f"{quoted(own['_name'])} can no longer be read.", error.cause, AGAIN) from error
        if hashlib.sha256(data).digest() != own["_digest"]:
            cause = "Its bytes are not those that were read when the pictures were loaded."
            raise UserError(f"{quoted(own['_name'])} has changed.", cause, AGAIN)
        return data

    def __reduce__(self) -> tuple[Any, ...]:
        return Picture, (self.pixels,)  # another process, or another machine, may not have the file


class Reference(NamedTuple):
    """A picture of which a path is handed on, not the pixels."""

    name: str
    read: functools.partial[bytes]
    """A function of this package with a path."""
    digest: bytes
    """SHA-256 of the file."""
    shape: tuple[int, int, int]
    sha256: bytes
    """Of the picture."""
    limits: tuple[tuple[str, Any], ...]
    """Where its budget differs from the usual one."""

    def picture(self) -> PictureLater:
        """Return the picture, of which nothing is read yet."""
        found = PictureLater.__new__(PictureLater)
        found.__dict__.update(
            _name=self.name,
            _read=self.read,
            _budget=replace(DEFAULT, **dict(self.limits)),
            _digest=self.digest,
            _shape=self.shape,
            _kept=0,
            sha256=self.sha256.hex(),
        )
        return found


AGAIN = "Load the pictures again, and leave their files as they are while they are in use."


@functools.lru_cache(maxsize=8)
def _limits(budget: Budget) -> Budget:
    """Return the numbers of a budget, without what holds on to a reading that has ended."""
    return replace(budget, proceed=DEFAULT.proceed, spool=None)


def from_file(path: str | os.PathLike[str], name: str, budget: Budget = DEFAULT) -> Picture:
    """Return the picture in a file; raises UserError when it cannot be read.

    Where the budget says that files may go, as those uploaded to the page do, a copy of the file is kept.
    """
    read = functools.partial(read_file, Path(path).absolute(), name, budget.file_bytes)
    return from_bytes(read(), name, budget) if budget.files_may_go else from_reader(read, name, budget)


def from_reader(read: Callable[[], bytes], name: str, budget: Budget = DEFAULT) -> Picture:
    """Return the picture in the bytes that ``read`` returns, now and whenever it is called; raises UserError, as ``read`` may."""
    data = read()
    return PictureLater(name, data, read, decode(data, name, budget), budget)


def from_bytes(data: bytes, name: str, budget: Budget = DEFAULT) -> Picture:
    """Return the picture in bytes that cannot be had twice: in a file of the budget's ``spool``, or decoded where it has none."""
    first = decode(data, name, budget)
    return first if budget.spool is None else PictureLater(name, data, budget.spool.keep(data), first, budget, len(data))


def picture_of(image: object, name: str, budget: Budget = DEFAULT) -> Picture:
    """Return any kind of image that `as_picture` takes; of a path or bytes no pixels are held. Raises UserError."""
    check_no_text(image, name)
    if isinstance(image, (str, Path)):
        return from_file(image, name, budget)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return from_bytes(bytes(image), name, budget)
    return as_picture(image, name, budget)
