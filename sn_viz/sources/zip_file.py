"""A zip archive of a folder with one sub-folder of images for each class.

Takes a path, returns images to open. Nothing is ever unpacked to disk and no entry's name is used as a path. Entries are inflated
in memory, with counting, and only after the whole directory was looked at.
"""

from __future__ import annotations

import functools
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from sn_viz.errors import UserError
from sn_viz.sources import SOURCES
from sn_viz.sources.budget import MIB, Budget
from sn_viz.sources.classes import is_ignored, root_of
from sn_viz.sources.folder import TABLE, in_class, table_rows
from sn_viz.sources.gather import Found, SetRefused
from sn_viz.sources.ingest import decode
from sn_viz.sources.text import quoted
from sn_viz.types import Picture

ENTRY_BYTES = 400
"""Bytes of the archive's directory allowed for each file of the budget; the directory is read as a whole."""
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Others inflate a block of any size at once, which cannot be counted."""
CHUNK = 1 << 16
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".bz2", ".xz")


@SOURCES.register("zip")
class Zip:
    """A zip archive of a folder with one sub-folder of images for each class."""

    @staticmethod
    def accepts(data: object) -> bool:
        return isinstance(data, Path) and data.is_file() and (data.suffix.lower() == ".zip" or zipfile.is_zipfile(data))

    @staticmethod
    def read(data: Path, budget: Budget) -> Iterator[Found]:
        if data.stat().st_size > budget.zip_bytes:
            raise _refused(data.name, f"It is larger than {budget.zip_bytes // MIB} MiB.", "Use fewer or smaller images.")
        _check_directory(data, budget)
        try:
            archive = zipfile.ZipFile(data)
        except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, struct.error) as error:
            raise _damaged(data.name) from error
        with archive:
            yield from _entries(archive, data.name, budget)


def _entries(archive: zipfile.ZipFile, name: str, budget: Budget) -> Iterator[Found]:
    infos = [info for info in archive.infolist() if not info.is_dir() and not is_ignored(_path(info))]
    if len(infos) > budget.files:
        raise _refused(name, f"It holds more than {budget.files} files.", "Use fewer images.")
    if not infos:
        raise _refused(name, "It holds no files.", "Zip a folder with one sub-folder of images for each class.")
    inflater = _Inflater(archive, name, budget)
    inside = [info for info in infos if not _leaves(info)]
    root = root_of([_path(info) for info in inside])
    table = next((info for info in inside if _path(info) == root / TABLE), None)
    listed = table_rows(inflater.inflate(table), budget) if table else {}
    for info in infos:
        opened = functools.partial(inflater.open, info)
        if _leaves(info):
            yield Found(info.filename, "", opened)
        elif found := in_class(_path(info), root, listed, opened):
            yield found


class _Inflater:
    """Inflates entries one by one and counts every byte, whatever the headers claim."""

    def __init__(self, archive: zipfile.ZipFile, name: str, budget: Budget) -> None:
        self._archive, self._name, self._budget = archive, name, budget
        self._inflated = 0

    def open(self, info: zipfile.ZipInfo) -> Picture:
        return decode(self.inflate(info), info.filename, self._budget)

    def inflate(self, info: zipfile.ZipInfo) -> bytes:
        if reason := _reason_to_skip(info):
            raise UserError(f"{quoted(info.filename)} was not read.", *reason)
        parts, size = [], 0
        try:
            with self._archive.open(info) as entry:
                while chunk := entry.read(CHUNK):
                    parts.append(chunk)
                    size += len(chunk)
                    self._count(info, size, len(chunk))
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            struct.error,
            NotImplementedError,
            RuntimeError,
            ValueError,
        ) as error:
            cause = "Its entry in the archive is damaged, or its header is untrue."
            raise UserError(f"{quoted(info.filename)} was not read.", cause, "Zip the folder again.") from error
        return b"".join(parts)

    def _count(self, info: zipfile.ZipInfo, size: int, chunk: int) -> None:
        self._inflated += chunk
        if self._inflated > self._budget.inflated_bytes:
            cause = f"It inflates to more than {self._budget.inflated_bytes / MIB:.0f} MiB."
            raise SetRefused(f"{quoted(self._name)} was not read.", cause, "Use fewer or smaller images.")
        if size > self._budget.file_bytes:
            cause = f"It inflates to more than {self._budget.file_bytes / MIB:.0f} MiB."
            raise UserError(f"{quoted(info.filename)} was not read.", cause, "Make it smaller.")
        if size > MIB and size > self._budget.inflated_ratio * max(1, info.compress_size):
            cause = f"It inflates to more than {self._budget.inflated_ratio} times its size."
            raise UserError(f"{quoted(info.filename)} was not read.", cause, "Save it as PNG or JPEG.")


def _reason_to_skip(info: zipfile.ZipInfo) -> tuple[str, str] | None:
    """Return (cause, mend) when an entry must not be inflated."""
    mode = info.external_attr >> 16
    if _leaves(info):
        return "Its path leads out of the archive.", "Zip a plain folder."
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "It is a link or another special file.", "Zip the file itself."
    if info.flag_bits & 0x1:
        return "It is encrypted.", "Make the archive without a password."
    if info.filename.lower().endswith(ARCHIVES):
        return "It is an archive inside the archive.", "Unpack it first."
    if info.compress_type not in METHODS:
        return "It is compressed in a way that is not read.", "Zip the folder with the usual method, deflate."
    return None


def _path(info: zipfile.ZipInfo) -> PurePosixPath:
    return PurePosixPath(info.filename.replace("\\", "/"))  # some Windows tools write backslashes


def _leaves(info: zipfile.ZipInfo) -> bool:
    """Return whether an entry's name is anything but a plain relative path."""
    path = _path(info)
    return path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", info.filename) is not None


def _check_directory(path: Path, budget: Budget) -> None:
    """Refuse a directory too large to be read, before ``zipfile`` reads all of it into memory."""
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 22 - 65535 - 20))
        tail = file.read()
    if tail[-22:-18] == b"PK\5\6" and tail[-2:] == b"\0\0":
        end = len(tail) - 22
    else:
        end = tail.rfind(b"PK\5\6")
    if end < 0 or len(tail) - end < 22:
        raise _damaged(path.name)
    wide = tail[max(0, end - 20) : end].startswith(b"PK\6\7")  # a zip64 record would overrule the numbers read here
    (directory,) = struct.unpack("<L", tail[end + 12 : end + 16])
    if wide or directory > ENTRY_BYTES * budget.files:
        raise _refused(path.name, "Its directory is too large.", f"Use at most {budget.files} files, and not the zip64 format.")


def _damaged(name: str) -> UserError:
    return _refused(name, "It is not a zip archive, or it is cut short.", "Zip the folder again.")


def _refused(name: str, cause: str, mend: str) -> UserError:
    return UserError(f"{quoted(name)} was not read.", cause, mend)
