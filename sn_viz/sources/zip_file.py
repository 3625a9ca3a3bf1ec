"""A zip archive of a folder with one sub-folder of images for each class.

Takes a path, returns images to open. Nothing is ever unpacked to disk and no entry's name is used as a path. Entries are inflated
in memory, with counting, and only after the whole directory was looked at.
"""

from __future__ import annotations

import functools
import os
import re
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sn_viz.errors import UserError
from sn_viz.sources.budget import MIB, Budget
from sn_viz.sources.classes import system_note, system_part
from sn_viz.sources.encoding import decode_names
from sn_viz.sources.gather import Found, Note, SetRefused
from sn_viz.sources.ingest import decode
from sn_viz.sources.later import PictureLater, from_bytes
from sn_viz.sources.placed import placed
from sn_viz.sources.source import SOURCES
from sn_viz.sources.text import cut, listed, quoted
from sn_viz.types import Picture

ENTRY_BYTES = 400
"""Bytes of the archive's directory allowed for each file of the budget; the directory is read as a whole."""
ENTRIES = 3
"""Entries listed for each file of the budget: folders and system files count here too."""
NAME_CHARACTERS, DEPTH = 1000, 40
"""A longer name, or one of more folders, is not looked at."""
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Others inflate a block of any size at once, which cannot be counted."""
CHUNK = 1 << 16
HEADER_BYTES = 30
"""Before the name of an entry; the last four tell how long the name is, and what follows it."""
_LEAVES = ("Its path leads out of the archive.", "Zip a plain folder.")
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".bz2", ".xz")


@SOURCES.register("zip")
class Zip:
    """A zip archive of a folder with one sub-folder of images for each class."""

    @staticmethod
    def accepts(data: object) -> bool:
        return isinstance(data, Path) and data.is_file() and (data.suffix.lower() == ".zip" or zipfile.is_zipfile(data))

    @staticmethod
    def read(data: Path, budget: Budget) -> Iterator[Found | Note]:
        """Yield the images of a zip, and what to know about them."""
        with opened_archive(data, budget) as archive:
            inflater = Inflater(archive, data.name, budget)
            entries, notes = entries_of(archive, data.name, budget)
            yield from (Note(text) for text in notes)
            inside = {}
            for entry in entries:
                if entry.leaves or entry.path in inside:
                    yield Found(entry.shown, "", functools.partial(_left_out, entry, entry.path in inside))
                else:
                    inside[entry.path] = entry

            def table(path: PurePosixPath) -> bytes:
                return inflater.inflate(inside[path], budget.table_bytes)

            @functools.lru_cache(maxsize=1)
            def opened(path: PurePosixPath) -> Picture:
                return inflater.open_later(inside[path])

            yield from placed(list(inside), opened, table, budget, "the zip")


@dataclass(frozen=True)
class Entry:
    """One file of an archive."""

    info: zipfile.ZipInfo
    path: PurePosixPath
    """Its name with the right letters and slashes; never used as a path."""
    shown: str
    """What messages call it."""

    @property
    def leaves(self) -> bool:
        """Whether its name is anything but a plain relative path."""
        named = self.path.parts and self.shown.strip()
        return not named or self.path.is_absolute() or ".." in self.path.parts or re.match("[A-Za-z]:", self.shown) is not None


def opened_archive(path: Path, budget: Budget) -> zipfile.ZipFile:
    """Return the archive at ``path``, whose directory is small enough to be listed.

    Raises
    ------
    UserError
        When it is too large, lists too much, or is no archive.
    """
    if path.stat().st_size > budget.zip_bytes:
        raise _refused(path.name, f"It is larger than {budget.zip_bytes // MIB} MiB.", "Use fewer or smaller images.")
    _check_directory(path, budget)
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, LookupError, struct.error) as error:
        raise _damaged(path.name) from error


def entries_of(archive: zipfile.ZipFile, name: str, budget: Budget) -> tuple[list[Entry], tuple[str, ...]]:
    """Return the files of an archive, system files left out, and notes on what was left out or guessed.

    Raises
    ------
    UserError
        When there are too many, or none.
    """
    infos = archive.infolist()
    decoded, note = _names(infos, name)
    system: Counter[str] = Counter()
    entries, long, folders = [], [], []
    for info, shown in zip(infos, decoded, strict=True):
        plain = shown.replace("\\", "/")  # some Windows tools write backslashes
        if plain.endswith("/") and not info.file_size:
            folders.append(plain)
            continue
        if len(plain) > NAME_CHARACTERS or plain.count("/") > DEPTH:
            long.append(quoted(cut(shown, 60)))
            continue
        path = PurePosixPath(plain)
        if part := system_part(path):
            system[part] += 1
        else:
            entries.append(Entry(info, path, shown))
    if len(entries) > budget.files:
        raise _refused(name, f"It holds more than {budget.files} files.", "Use fewer images.")
    if not entries:
        raise _refused(name, "It holds no files.", "Zip a folder with one sub-folder of images for each class.")
    notes = (f"{len(long)} entries of {quoted(name)} were left out for their long names: {long[0]}.",) if long else ()
    return entries, ((note,) if note else ()) + system_note(system) + notes + _empty(folders, entries)


def _empty(folders: list[str], entries: list[Entry]) -> tuple[str, ...]:
    """Return the note that names the folders of an archive in which no file lies."""
    held = {str(parent) for entry in entries for parent in entry.path.parents}
    paths = [PurePosixPath(name) for name in folders if name.strip("/ ")]
    empty = [quoted(cut(str(path), 60)) for path in paths if str(path) not in held and not system_part(path / "x")]
    return (f"{len(empty)} folder{'s' * (len(empty) > 1)} without files: {listed(empty)}.",) if empty else ()


def _names(infos: list[zipfile.ZipInfo], archive: str) -> tuple[list[str], str]:
    """Return the names of all entries: as stated, else as UTF-8, else in an encoding that is guessed, with a note."""
    stated = [bool(info.flag_bits & 0x800) or info.filename.isascii() for info in infos]
    unclear = [info.orig_filename.encode("cp437", errors="replace") for info, clear in zip(infos, stated, strict=True) if not clear]
    decoded, note = decode_names(unclear, archive)
    rest = iter(decoded)
    return [info.filename if clear else next(rest).split("\0")[0] for info, clear in zip(infos, stated, strict=True)], note


def _left_out(entry: Entry, twice: bool) -> Picture:
    name = f"{quoted(entry.shown)} was not read." if entry.shown.strip() else "An entry without a name was not read."
    if twice:
        raise UserError(name, "The archive holds two files of this name.", "Zip the folder again.")
    raise UserError(name, *_LEAVES)


class Inflater:
    """Inflates entries one by one and counts every byte, whatever the headers claim."""

    def __init__(self, archive: zipfile.ZipFile, name: str, budget: Budget) -> None:
        self._archive, self._name, self._budget = archive, name, budget
        self._path = Path(archive.filename or name).absolute()
        self._inflated = 0

    def open(self, entry: Entry) -> Picture:
        """Return the picture in an entry, decoded."""
        return decode(self.inflate(entry, self._budget.file_bytes), entry.shown, self._budget)

    def open_later(self, entry: Entry) -> Picture:
        """Return the picture in an entry, which is inflated again whenever its pixels are needed."""
        data = self.inflate(entry, self._budget.file_bytes)
        if self._budget.files_may_go:
            return from_bytes(data, entry.shown, self._budget)
        again = functools.partial(_inflated_again, self._path, _Member.of(entry.info, len(data)), self._name)
        return PictureLater(entry.shown, data, again, decode(data, entry.shown, self._budget), self._budget)

    def inflate(self, entry: Entry, limit: int) -> bytes:
        """Return the content of an entry, of at most ``limit`` bytes."""
        info = entry.info
        if reason := _reason_to_skip(entry):
            raise UserError(f"{quoted(entry.shown)} was not read.", *reason)
        parts, size = [], 0
        try:
            with self._archive.open(info) as file:
                while chunk := file.read(CHUNK):
                    parts.append(chunk)
                    size += len(chunk)
                    self._count(entry, size, len(chunk), limit)
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
            raise UserError(f"{quoted(entry.shown)} was not read.", cause, "Zip the folder again.") from error
        return b"".join(parts)

    def _count(self, entry: Entry, size: int, chunk: int, limit: int) -> None:
        self._inflated += chunk
        if self._inflated > self._budget.inflated_bytes:
            cause = f"It inflates to more than {self._budget.inflated_bytes / MIB:.0f} MiB."
            raise SetRefused(f"{quoted(self._name)} was not read.", cause, "Use fewer or smaller images.")
        if size > limit:
            cause = f"It inflates to more than {limit / MIB:.0f} MiB."
            raise UserError(f"{quoted(entry.shown)} was not read.", cause, "Make it smaller.")
        if size > MIB and size > self._budget.inflated_ratio * max(1, entry.info.compress_size):
            cause = f"It inflates to more than {self._budget.inflated_ratio} times its size."
            raise UserError(f"{quoted(entry.shown)} was not read.", cause, "Save it as PNG or JPEG.")


@dataclass(frozen=True)
class _Member:
    """Where the bytes of an entry lie, and how many there are: what it takes to read it without the directory."""

    start: int
    packed: int
    size: int
    deflated: bool

    @classmethod
    def of(cls, info: zipfile.ZipInfo, size: int) -> _Member:
        return cls(info.header_offset, info.compress_size, size, info.compress_type == zipfile.ZIP_DEFLATED)


def _inflated_again(path: Path, member: _Member, name: str) -> bytes:
    """Return the content of an entry that was read before; whether it is still the same is for the caller to see."""
    try:
        with open(path, "rb") as file:
            file.seek(member.start)
            header = file.read(HEADER_BYTES)
            lengths = struct.unpack("<HH", header[-4:]) if len(header) == HEADER_BYTES else (0, 0)
            file.seek(sum(lengths), os.SEEK_CUR)
            packed = file.read(member.packed)
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, member.size + 1) if member.deflated else packed
    except OSError as error:
        raise UserError(f"{quoted(name)} was not read.", f"The file system says: {error.strerror}.") from error
    except zlib.error:
        return b""  # it has changed


def _reason_to_skip(entry: Entry) -> tuple[str, str] | None:
    """Return (cause, hint) when an entry must not be inflated."""
    info = entry.info
    mode = info.external_attr >> 16
    if entry.leaves:
        return _LEAVES
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "It is a link or another special file.", "Zip the file itself."
    if info.flag_bits & 0x1:
        return "It is encrypted.", "Make the archive without a password."
    if entry.shown.lower().endswith(ARCHIVES):
        return "It is an archive inside the archive.", "Unpack it first."
    if info.compress_type not in METHODS:
        return "It is compressed in a way that is not read.", "Zip the folder with the usual method, deflate."
    return None


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
    many = False
    if not wide and directory <= ENTRY_BYTES * budget.files:
        with open(path, "rb") as file:
            file.seek(max(0, size - (len(tail) - end) - directory))  # as zipfile finds it, whatever offset is claimed
            many = file.read(directory).count(b"PK\1\2") > ENTRIES * budget.files + 100
    if wide or many or directory > ENTRY_BYTES * budget.files:
        raise _refused(path.name, "Its directory is too large.", f"Use at most {budget.files} files, and not the zip64 format.")


def _damaged(name: str) -> UserError:
    return _refused(name, "It is not a zip archive, or it is cut short.", "Zip the folder again.")


def _refused(name: str, cause: str, hint: str) -> UserError:
    return UserError(f"{quoted(name)} was not read.", cause, hint)
