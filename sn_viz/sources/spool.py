"""Bytes that cannot be read again from where they came, kept in a file that has no name.

Takes bytes, returns what gives them back. It knows nothing about pictures.
"""

from __future__ import annotations

import functools
import tempfile
import threading
from collections.abc import Callable
from typing import Any

from sn_viz.paths import cache_folder


class Spool:
    """Bytes that cannot be read again from where they came, in a file without a name that goes when nothing refers to it.

    The file lies in the cache folder; where nothing can be written, the bytes stay in memory.
    """

    def __init__(self) -> None:
        self._file: Any = None
        self._end = 0
        self._lock = threading.Lock()

    def keep(self, data: bytes) -> Callable[[], bytes]:
        """Return what gives the bytes back."""
        with self._lock:
            try:
                if self._file is None:
                    folder = cache_folder()
                    folder.mkdir(parents=True, exist_ok=True)
                    self._file = tempfile.TemporaryFile(dir=folder, prefix="pictures-")  # noqa: SIM115  # closed with the last reference
                self._file.seek(self._end)
                self._file.write(data)
                self._file.flush()
            except OSError:
                return functools.partial(bytes, data)
            start, self._end = self._end, self._end + len(data)
        return functools.partial(self._read, start, len(data))

    def _read(self, start: int, length: int) -> bytes:
        with self._lock:
            self._file.seek(start)
            return self._file.read(length)
