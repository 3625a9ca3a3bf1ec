"""Activations on disk: one small file per image, checked on every read.

Takes a key (what model, prompt, preprocessing and sites the rows belong to), a name per row and rows of numbers; returns the rows
it holds in good order. It knows nothing about models or images: what makes two rows comparable is the caller's key.

A file holds a magic word, the length of a JSON header, the header, the raw little-endian numbers and a SHA-256 digest of all of
it. Files are written beside their place, flushed to disk and moved there, so an entry is either whole or absent, whatever is
killed; two processes writing one entry write the same bytes, and the first to finish wins. A file that is not exactly what was
written is put aside in ``quarantine`` and counts as missing. Nothing is ever unpickled.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import struct
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from sn_viz.errors import UserError
from sn_viz.matrix import SHARED
from sn_viz.paths import cache_folder

MAGIC = b"SNVIZROW"
HEAD = struct.Struct("<8sI")
"""The magic word and the length of the header."""
DIGEST_BYTES = 32
FOLDER = "[0-9a-f]" * 32
"""The folders this module made, as a pattern: whatever else lies under the root is never touched."""
DTYPES = ("float16", "float32", "uint8")
"""Numbers, and texts as their bytes."""
MAX_BYTES = 20 * 10**9
"""A cache larger than this loses its oldest entries until it is a tenth smaller: 3,000 images of a 7B model fit four times."""
WAITING = 2
"""How many batches of rows may wait for the disk."""
ABANDONED_SECONDS = 3600
"""A temporary file older than this belongs to a process that died."""


class Store:
    """A folder of checked, immutable rows.

    Parameters
    ----------
    root : path, optional
        By default `sn_viz.paths.cache_folder`.
    max_bytes : int or None
        See ``MAX_BYTES``; None leaves bounding to somebody else, as one of many writers must who would each count all of it.

    Notes
    -----
    Any number of threads and processes may use one folder. Creating a store touches no disk.
    """

    def __init__(self, root: str | os.PathLike[str] | None = None, max_bytes: int | None = MAX_BYTES) -> None:
        self.root = Path(root) if root is not None else cache_folder()
        self.max_bytes = max_bytes
        self._estimate: int | None = None

    def get(self, key: str, names: Sequence[str], once: bool = False) -> dict[str, np.ndarray]:
        """Return the rows that are there and sound.

        Parameters
        ----------
        key : str
            Names the kind of row: model, prompt, preprocessing, sites.
        names : sequence of str
            Names of rows, such as the digest of an image and its question.
        once : bool
            Whether they are copied elsewhere: the system then need not hold the files in memory as well.

        Returns
        -------
        dict of str to float16, float32 or uint8 (number,)
            Read-only. Absent names were never stored, or were damaged and have been put aside: compute them again.
        """
        found = {name: self._read(self._path(key, name), key, name, once) for name in dict.fromkeys(names)}
        return {name: row for name, row in found.items() if row is not None}

    def has(self, key: str, name: str) -> bool:
        """Return whether a row was stored; whether it is sound is found when it is read."""
        return self._path(key, name).exists()

    def put(self, key: str, rows: Mapping[str, np.ndarray]) -> None:
        """Store rows; those already there stay as they are.

        Parameters
        ----------
        key : str
        rows : mapping of str to float16, float32 or uint8 (number,)

        Raises
        ------
        UserError
            When the disk is full or the folder cannot be written. What was stored before that is whole.
        """
        folder = self._folder(key)
        written = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, row in rows.items():
                path = self._path(key, name)
                if not path.exists():
                    written += self._write(path, _encode(key, name, row))
            if written:
                _flush_folder(folder)
        except OSError as error:
            raise _cannot_write(self.root, error) from error
        self._bound(written)

    def bound(self) -> None:
        """Count what is there, whoever wrote it, and evict the oldest entries beyond the bound."""
        self._estimate = None
        self._bound(0)

    def verify(self) -> tuple[str, ...]:
        """Check every entry and put damaged ones aside.

        Returns
        -------
        tuple of str
            File names of the damaged entries, relative to the root; empty when all is well.
        """
        damaged = []
        for path in self._entries():
            if self._read(path) is None and not path.exists():
                damaged.append(path.relative_to(self.root).as_posix())
        return tuple(damaged)

    def clear(self, older_than: float | None = None) -> int:
        """Remove entries, what was put aside, abandoned temporary files and matrices that workers no longer share.

        Parameters
        ----------
        older_than : float, optional
            Only what was written more than this many seconds ago.

        Returns
        -------
        int
            How many entries were removed.
        """
        now, removed = time.time(), 0
        for path in self._files():
            if older_than is None or _age(path, now) > older_than:
                path.unlink(missing_ok=True)
                removed += path.suffix == ".row"
        for path in self.root.glob(SHARED):  # of a process that was killed, or of a run that goes on
            if _age(path, now) > max(older_than or 0.0, ABANDONED_SECONDS):
                path.unlink(missing_ok=True)
        self._estimate = None
        return removed

    def remove(self, names: Sequence[str]) -> int:
        """Remove the rows of those names, whatever their keys; returns how many there were."""
        removed = 0
        for name in dict.fromkeys(names):
            for path in self.root.glob(f"{FOLDER}/{_file_name(name)}"):
                path.unlink(missing_ok=True)
                removed += 1
        self._estimate = None
        return removed

    def size(self) -> int:
        """Return how many bytes the cache takes, everything included."""
        return sum(_bytes(path) for path in self._files())

    def _folder(self, key: str) -> Path:
        return self.root / hashlib.sha256(key.encode()).hexdigest()[:32]

    def _path(self, key: str, name: str) -> Path:
        return self._folder(key) / _file_name(name)

    def _files(self) -> Iterator[Path]:
        """Yield what this class may have written under the root: entries, temporary files, quarantine."""
        for pattern in (f"{FOLDER}/*.row", f"{FOLDER}/*.tmp", "quarantine/*.bad"):
            yield from self.root.glob(pattern)

    def _entries(self) -> Iterator[Path]:
        yield from self.root.glob(f"{FOLDER}/*.row")

    def _read(self, path: Path, key: str | None = None, name: str | None = None, once: bool = False) -> np.ndarray | None:
        """Return the row in ``path``, or None when it is absent or had to be put aside."""
        try:
            with open(path, "rb", buffering=0) as file:
                data = file.read()
                if once and hasattr(os, "posix_fadvise"):
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        except FileNotFoundError:
            return None
        except OSError:
            # a disk that cannot give the bytes back has damaged them
            self._quarantine(path)
            return None
        row = _decode(data, key, name)
        if row is None:
            self._quarantine(path)
        return row

    def _quarantine(self, path: Path) -> None:
        """Move a damaged file aside, where a person can look at it and nothing reads it."""
        aside = self.root / "quarantine"
        try:
            aside.mkdir(exist_ok=True)
            os.replace(path, aside / f"{path.parent.name}-{path.stem}-{uuid.uuid4().hex[:8]}.bad")
        except FileNotFoundError:
            return  # another process was quicker
        except OSError as error:
            raise _cannot_write(self.root, error) from error

    def _write(self, path: Path, data: bytes) -> int:
        """Write a file so that it appears whole, last, or not at all."""
        temporary = path.with_name(f"{path.stem}.{os.getpid()}-{uuid.uuid4().hex}.tmp")
        try:
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        return len(data)

    def _bound(self, written: int) -> None:
        """Count what was written; past the bound, count properly and evict the oldest entries."""
        if self.max_bytes is None:
            return
        self._estimate = self.size() if self._estimate is None else self._estimate + written
        if self._estimate <= self.max_bytes:
            return
        now = time.time()
        for path in self._files():
            if path.suffix == ".bad" or (path.suffix == ".tmp" and _age(path, now) > ABANDONED_SECONDS):
                path.unlink(missing_ok=True)
        entries = sorted(((_age(path, now), path) for path in self._entries()), reverse=True)
        left = self.size()
        for _, path in entries:
            if left <= 0.9 * self.max_bytes:
                break
            left -= _bytes(path)
            path.unlink(missing_ok=True)
        self._estimate = left


@contextmanager
def writing_behind(store: Store) -> Iterator[Callable[[str, Mapping[str, np.ndarray]], None]]:
    """Give a ``store.put`` that returns at once: rows are written by a thread of its own while the next ones are computed.

    To have every row flushed to disk takes as long as a small model takes to compute it. At most ``WAITING`` calls wait for the
    disk, the next one waits for them. What a write raises is raised by the call after it, or at the end; when the context ends,
    however it does, everything that was given is written.
    """
    with ThreadPoolExecutor(1, "store") as pool:
        waiting: deque[Future[None]] = deque()

        def put(key: str, rows: Mapping[str, np.ndarray]) -> None:
            while len(waiting) >= WAITING:
                waiting.popleft().result()
            waiting.append(pool.submit(store.put, key, rows))

        yield put
        for written in waiting:
            written.result()


def _file_name(name: str) -> str:
    return f"{hashlib.sha256(name.encode()).hexdigest()[:40]}.row"


def _encode(key: str, name: str, row: np.ndarray) -> bytes:
    """Return the bytes of one entry."""
    row = np.asarray(row)
    if row.ndim != 1 or row.dtype.name not in DTYPES:
        raise ValueError(f"a row is float16, float32 or uint8 (number,), not {row.dtype} {row.shape}")
    header = json.dumps({"key": key, "name": name, "dtype": row.dtype.name, "length": len(row)}).encode()
    body = HEAD.pack(MAGIC, len(header)) + header + row.astype(row.dtype.newbyteorder("<")).tobytes()
    return body + hashlib.sha256(body).digest()


def _decode(data: bytes, key: str | None, name: str | None) -> np.ndarray | None:
    """Return the row in ``data``, or None unless every byte is as it was written, for this key and name."""
    body = memoryview(data)[:-DIGEST_BYTES]
    if len(data) < HEAD.size + DIGEST_BYTES or hashlib.sha256(body).digest() != data[-DIGEST_BYTES:]:
        return None
    # from here on the bytes are what some version of this module wrote
    magic, length = HEAD.unpack_from(data)
    if magic != MAGIC:
        return None
    start = HEAD.size + length
    header = json.loads(data[HEAD.size : start])
    if (key is not None and header["key"] != key) or (name is not None and header["name"] != name) or header["dtype"] not in DTYPES:
        return None
    row = np.frombuffer(body[start:], np.dtype(header["dtype"]).newbyteorder("<"))
    return row if len(row) == header["length"] else None


def _flush_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system allows it."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _bytes(path: Path) -> int:
    """Return the size of a file, 0 when it is gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _age(path: Path, now: float) -> float:
    """Return the seconds since a file was written, 0 when it is gone."""
    try:
        return now - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _cannot_write(root: Path, error: OSError) -> UserError:
    """Return the sentence for a cache that cannot be written."""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return UserError(
            "The activations could not be kept.",
            f"The disk that holds the cache ({root}) is full.",
            "Free some space, empty the cache, or let SN_VIZ_CACHE name a folder on another disk.",
        )
    return UserError(
        "The activations could not be kept.",
        f"The cache folder ({root}) cannot be written: {error.strerror or error}.",
        "Make it writable, or let SN_VIZ_CACHE name another folder.",
    )
