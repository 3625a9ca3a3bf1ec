"""Values (example, neuron) of any size: in memory, or beyond a budget in a file, checked whenever it is read.

Takes rows as they come; returns an array, plain or mapped, and reads any such array a slab of neurons at a time. A slab is what
one pass over all examples holds in memory; what is computed for each neuron by itself does not depend on how wide it is. The file
lies in the cache folder, has no name, and goes with the last reference to the array, however the process ends. A `SharedFile` has
a name instead: other processes, and other machines that see the folder, fill it and read it too.
"""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from sn_viz.errors import UserError
from sn_viz.memory import VARIABLE, values_bytes
from sn_viz.paths import cache_folder

SLAB_BYTES = 128 * 2**20
"""How much is copied into memory at a time."""
MAPPED_BYTES = 256 * 2**20
"""How much of a file may be mapped while a slab is copied out of it."""


@dataclass(frozen=True, eq=False)
class _Checked:
    """What was written to a file: a CRC-32 for each piece of a row. It must not keep the map alive."""

    address: int
    """Where the first value lies in memory."""
    shape: tuple[int, int]
    """Examples, and values from one row to the next."""
    dtype: np.dtype
    width: int
    """Neurons of a piece."""
    sums: np.ndarray | None
    """uint32 (example, piece); None where they stand in the file, behind the values of each row."""
    shared: SharedFile | None = None
    """Where the file has a name."""


_CHECKED: WeakKeyDictionary[mmap.mmap, _Checked] = WeakKeyDictionary()
"""By the map that an array and all views of it share."""


class Filling:
    """An array that is filled row by row: in memory, or in a file where it takes more than ``most_bytes``.

    Parameters
    ----------
    shape : (int, int)
        Examples and neurons.
    dtype : type
        float16 or float32.
    most_bytes : int, optional
        By default `sn_viz.memory.values_bytes`.

    Attributes
    ----------
    values : (example, neuron)
        What there is so far; read-only where it lies in a file. Rows that were not put hold anything.

    Raises
    ------
    UserError
        When the disk has no room for it.
    """

    def __init__(self, shape: tuple[int, int], dtype: type[np.floating], most_bytes: int | None = None) -> None:
        n_bytes = shape[0] * shape[1] * np.dtype(dtype).itemsize
        self._file: Any = None
        if n_bytes <= (values_bytes() if most_bytes is None else most_bytes):
            self.values = np.empty(shape, dtype)
            return
        self._file = _room_for(n_bytes)
        values = np.memmap(self._file, dtype, "r", shape=shape)
        width = _slab_width(shape[0], values.itemsize)
        sums = np.zeros((shape[0], -(-shape[1] // width)), np.uint32)
        self._sums, self._checked = sums, _Checked(values.ctypes.data, shape, values.dtype, width, sums)
        _CHECKED[values._mmap] = self._checked  # type: ignore[attr-defined]  # numpy's own name for it
        self.values = values

    @property
    def is_in_memory(self) -> bool:
        """Whether the values lie in memory, not in a file."""
        return self._file is None

    def put(self, rows: list[int], found: np.ndarray) -> None:
        """Fill ``rows`` with ``found`` (row, neuron). Several threads may, of different rows."""
        if self._file is None:
            self.values[rows] = found
            return
        found = np.ascontiguousarray(found, self.values.dtype)
        try:
            for row, one in zip(rows, found, strict=True):
                self._sums[row] = [zlib.crc32(one[at : at + self._checked.width]) for at in _starts(self._checked)]
                _write_at(self._file, memoryview(one).cast("B"), row * one.nbytes)
        except OSError as error:
            raise _no_room(error) from error


SHARED = "*-*.shared"
"""Names of the files in the cache folder that several processes share, as a pattern."""
PAGE = 4096
"""Rows of a shared file begin on such a boundary, so that no two machines write to one page of it."""
PIECES = 32
"""A row of a shared file has at least so many checksums, where it has the neurons: who reads a part checks little more than it."""


@dataclass(frozen=True)
class SharedFile:
    """Values (example, neuron) in a file with a name. Each row is followed by a CRC-32 of each piece of it, and begins a page.

    It goes when `remove` is called; arrays that are mapped from it stay good on the machine that mapped them.
    """

    path: str
    shape: tuple[int, int]
    dtype: str
    width: int
    """Neurons of a piece."""

    @classmethod
    def create(cls, folder: Path, shape: tuple[int, int], dtype: type[np.floating]) -> SharedFile:
        """Make the file, of its full size; raises UserError when the disk has no room for it."""
        itemsize = np.dtype(dtype).itemsize
        width = max(64, min(_slab_width(shape[0], itemsize), -(-shape[1] // PIECES)))
        made = cls(str(folder.absolute() / f"values-{uuid.uuid4().hex}.shared"), shape, np.dtype(dtype).name, width)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with open(made.path, "xb") as file:
                _reserve(file, max(1, shape[0]) * made.row_bytes)
        except OSError as error:
            made.remove()
            raise _no_room(error) from error
        return made

    def remove(self) -> None:
        """Remove the file; nobody can open it any more."""
        Path(self.path).unlink(missing_ok=True)

    @cached_property
    def n_pieces(self) -> int:
        return -(-self.shape[1] // self.width)

    @cached_property
    def sums_at(self) -> int:
        """Where, in bytes from the beginning of a row, its checksums begin."""
        return -(-self.shape[1] * np.dtype(self.dtype).itemsize // 4) * 4

    @cached_property
    def row_bytes(self) -> int:
        return -(-(self.sums_at + 4 * self.n_pieces) // PAGE) * PAGE

    def write(self, rows: list[int], found: np.ndarray) -> None:
        """Write ``found`` (row, neuron) to ``rows``; it may be written again, and is then the same.

        Raises
        ------
        UserError
            When there is no such file here, or it cannot be written.
        """
        found = np.ascontiguousarray(found, self.dtype)
        try:
            with open(self.path, "r+b", buffering=0) as file:
                for row, one in zip(rows, found, strict=True):
                    sums = np.array([zlib.crc32(one[at : at + self.width]) for at in range(0, len(one), self.width)], np.uint32)
                    gap = b"\0" * (self.sums_at - one.nbytes)
                    file.seek(row * self.row_bytes)
                    _write_all(file, one.tobytes() + gap + sums.tobytes())
        except FileNotFoundError as error:
            raise self._not_here() from error
        except OSError as error:
            raise _no_room(error) from error

    def values(self) -> np.ndarray:
        """Return the values, mapped and read-only; what `slabs` and `read_slab` read of them is checked.

        Raises
        ------
        UserError
            When there is no such file here.
        """
        dtype = np.dtype(self.dtype)
        whole = self.shape[0], self.row_bytes // dtype.itemsize
        try:
            mapped = np.memmap(self.path, dtype, "r", shape=(max(1, whole[0]), whole[1]))
        except FileNotFoundError as error:
            raise self._not_here() from error
        except OSError as error:
            raise _no_room(error) from error
        checked = _Checked(mapped.ctypes.data, whole, dtype, self.width, None, self)
        _CHECKED[mapped._mmap] = checked  # type: ignore[attr-defined]  # numpy's own name for it
        return mapped[: whole[0], : self.shape[1]]

    def _not_here(self) -> UserError:
        return UserError(
            "Activations cannot be shared between these machines.",
            f"{Path(self.path).parent} is not the same folder on all of them.",
            "Let SN_VIZ_CACHE name a folder that all of them see, under the same path.",
        )


class SharedFilling(Filling):
    """A `Filling` whose file other processes fill too.

    Parameters
    ----------
    folder : Path
    shape, dtype
        As for `Filling`.
    """

    def __init__(self, folder: Path, shape: tuple[int, int], dtype: type[np.floating]) -> None:
        self.file = self._file = SharedFile.create(folder, shape, dtype)
        self.values = self.file.values()

    def put(self, rows: list[int], found: np.ndarray) -> None:
        """Fill ``rows`` with ``found`` (row, neuron)."""
        self.file.write(rows, found)


def shared_part(values: np.ndarray) -> tuple[SharedFile, int] | None:
    """Return the shared file that an array lies in, all examples of some neurons, and the first of these; None for others."""
    checked = _CHECKED.get(mapped_file(values)) if mapped_file(values) is not None else None
    if checked is None or checked.shared is None or values.ndim != 2 or len(values) != checked.shape[0]:
        return None
    left = (values.ctypes.data - checked.address) // checked.dtype.itemsize
    strides = checked.shape[1] * checked.dtype.itemsize, checked.dtype.itemsize
    inside = values.strides == strides and values.dtype == checked.dtype and 0 <= left <= checked.shared.shape[1]
    return (checked.shared, left) if inside else None


def _write_all(file: Any, data: bytes | memoryview) -> None:
    """Write to a raw file, which may take less than it is given."""
    view = memoryview(data)
    while len(view):
        view = view[file.write(view) :]


_SEEKING = Lock()


def _write_at(file: Any, data: memoryview, at: int) -> None:
    """Write to a raw file, from that byte on; several threads may."""
    if not hasattr(os, "pwrite"):  # Windows
        with _SEEKING:
            file.seek(at)
            _write_all(file, data)
        return
    while len(data):
        written = os.pwrite(file.fileno(), data, at)
        data, at = data[written:], at + written


def _starts(checked: _Checked) -> range:
    return range(0, checked.shape[1], checked.width)


def _room_for(n_bytes: int) -> Any:
    """Return an open file without a name, of that size, for which the disk has room."""
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        file = tempfile.TemporaryFile(dir=folder, prefix="values-", buffering=0)  # noqa: SIM115  # closed with the last reference
        _reserve(file, n_bytes)
    except OSError as error:
        raise _no_room(error) from error
    return file


def _reserve(file: Any, n_bytes: int) -> None:
    """Take the room on the disk now: a map of a file that the disk cannot hold would end the process, not raise."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, n_bytes)
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
    file.truncate(n_bytes)  # such a file system, or Windows; `put` writes every row, and fails as it should


def _no_room(error: OSError) -> UserError:
    return UserError(
        "The activations do not fit into memory, and could not be written to the disk.",
        f"The file system says: {error.strerror or error}.",
        f"Free some space, let SN_VIZ_CACHE name a folder on another disk, or allow more memory: {VARIABLE}, in GiB.",
    )


def mapped_file(values: np.ndarray) -> Any:
    """Return the map of the file that an array is read from; None where it lies in memory."""
    return None if values.flags.writeable else getattr(values, "_mmap", None)


def slabs(values: np.ndarray, rows: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, int]]:
    """Yield (float16 or float32 (row, neuron), first neuron), until all neurons were there.

    Parameters
    ----------
    values : (example, neuron)
        In memory it is passed on whole where all its rows are wanted; else it is copied, ``SLAB_BYTES`` at a time.
    rows : int (row,), optional
        Which examples, in that order; one may come several times.

    Raises
    ------
    UserError
        When what is read from a file of a `Filling` is not what was written.
    """
    native = values.dtype in (np.float16, np.float32) and values.dtype.isnative
    if native and mapped_file(values) is None and rows is None:
        yield values, 0
        return
    width = _slab_width(len(values), values.itemsize if native else 4)
    for start in range(0, values.shape[1], width):
        yield read_slab(values, start, start + width, rows, values.dtype if native else np.dtype(np.float32)), start


def read_slab(
    values: np.ndarray, start: int, stop: int, rows: np.ndarray | None = None, dtype: np.dtype | None = None
) -> np.ndarray:
    """Return a copy of some neurons of some rows, (row, neuron); pages of a file are checked, and given back."""
    mapped = mapped_file(values)
    n, stop = len(values) if rows is None else len(rows), min(stop, values.shape[1])
    slab = np.empty((n, stop - start), dtype or values.dtype)
    at_once = max(1, MAPPED_BYTES // max(1, abs(values.strides[0])))
    for first in range(0, n, at_once):
        part = slice(first, first + at_once)
        some = np.arange(len(values))[part] if rows is None else rows[part]
        if mapped is not None:
            _check(values, mapped, some, start, stop)
        with np.errstate(over="ignore"):
            slab[part] = values[part if rows is None else some, start:stop]
        _give_back(mapped)
    return slab


def read_columns(values: np.ndarray, columns: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Return a copy of some columns, int (column,), of some rows, in the number format of the values."""
    mapped = mapped_file(values)
    if mapped is None:
        return values[:, columns] if rows is None else values[np.ix_(rows, columns)]
    rows = np.arange(len(values)) if rows is None else rows
    found = np.empty((len(rows), len(columns)), values.dtype)
    at_once = max(1, MAPPED_BYTES // max(1, abs(values.strides[0])))
    for first in range(0, len(rows), at_once):
        found[first : first + at_once] = values[np.ix_(rows[first : first + at_once], columns)]
        _give_back(mapped)
    return found


def _slab_width(n_examples: int, itemsize: int) -> int:
    return max(64, SLAB_BYTES // (itemsize * max(1, n_examples)))


def _give_back(mapped: Any) -> None:
    """Let the system take back the pages of a map: a touched one may have brought a megabyte of neighbours with it."""
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _check(values: np.ndarray, mapped: Any, rows: np.ndarray, start: int, stop: int) -> None:
    """Compare the pieces that hold these neurons with what was written; files that are not of a `Filling` have no sums."""
    checked = _CHECKED.get(mapped)
    if checked is None:
        return
    whole, width = np.ndarray(checked.shape, checked.dtype, buffer=mapped), checked.width
    if values.strides != whole.strides:
        return
    above, left = divmod((values.ctypes.data - checked.address) // whole.itemsize, whole.shape[1])
    pieces = range((left + start) // width, (left + stop - 1) // width + 1)
    end, sums = (whole.shape[1], checked.sums) if checked.shared is None else (checked.shared.shape[1], _sums_in(mapped, checked))
    assert sums is not None
    for row in dict.fromkeys((rows + above).tolist()):
        for piece in pieces:
            if zlib.crc32(whole[row, piece * width : min((piece + 1) * width, end)].data) != sums[row, piece]:
                raise UserError(
                    "The activations of this run are damaged.",
                    "What was read from the disk is not what was written to it.",
                    "Run it again; when it comes again, the disk or the memory of this machine fails.",
                )


def _sums_in(mapped: Any, checked: _Checked) -> np.ndarray | None:
    """Return the checksums that stand in a shared file, uint32 (example, piece)."""
    if (shared := checked.shared) is None:
        return None
    shape, strides = (shared.shape[0], shared.n_pieces), (shared.row_bytes, 4)
    return np.ndarray(shape, np.uint32, buffer=mapped, offset=shared.sums_at, strides=strides)
