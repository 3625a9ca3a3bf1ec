"""Tar archives: the shards of WebDataset, folders of class folders, and images with a table, compressed by gzip, bzip2, xz or not.

Takes a path, or a folder of shards; returns images to open. In a WebDataset, files of one name up to the first dot belong together:
``0001.jpg`` with ``0001.cls`` (a number or a word), ``0001.json`` (label, question) or ``0001.txt``. A table among the images, such
as ``metadata.csv``, says what it says in a folder (``placed``). Members are read in their order and counted while they are
inflated; no name is used as a path, links are not followed, and a pickled member is never opened.
"""

from __future__ import annotations

import bz2
import functools
import gzip
import json
import math
import tarfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import IO, Any

from sn_viz.errors import UserError
from sn_viz.sources.budget import MIB, Budget
from sn_viz.sources.classes import Layout, layout_of, looks_like_image, system_note, system_part
from sn_viz.sources.columns import ALIASES
from sn_viz.sources.gather import Found, Note, SetRefused
from sn_viz.sources.ingest import read_file
from sn_viz.sources.later import from_bytes
from sn_viz.sources.placed import TABLES, Placed, places, table_files
from sn_viz.sources.rows import label_of
from sn_viz.sources.shards import Shards, check_number, loose_images, shards_in, sides_of
from sn_viz.sources.source import SOURCES
from sn_viz.sources.text import cut, listed, quoted
from sn_viz.sources.xz import MAGIC, Xz
from sn_viz.types import Picture

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz")
ENDS = tuple(dict.fromkeys(f".{suffix.rpartition('.')[2]}" for suffix in SUFFIXES))
"""The last part of each, which is what a browser chooses files by."""
_PACKED: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda raw: gzip.GzipFile(fileobj=raw),
    b"BZ": bz2.BZ2File,
    MAGIC: Xz,
}
"""By the bytes that a packed archive begins with."""
LABELS = ("cls", "class", "label", "cls.txt", "label.txt")
NAMES = ("classnames.txt", "labels.txt", "classes.txt")
"""A member of this name tells what the numbers stand for, one class a line."""
TEXT_BYTES = 100_000
"""Of a label or of the facts about one image."""
MEMBERS = 4
"""Members listed for each file that is allowed: each image may come with a label, a question and more."""
NAME_CHARACTERS = 1000
EMPTY = 100
"""Times that a stream is asked for more behind its end, before a member is said to be cut short."""
_DAMAGE = (tarfile.TarError, EOFError, OSError, zlib.error, ValueError, LookupError)


@SOURCES.register("tar")
class Tar:
    """A tar archive, or a folder of them: shards of WebDataset (0001.jpg, 0001.cls, 0001.json), or class folders."""

    @staticmethod
    def accepts(data: object) -> bool:
        return isinstance(data, Path) and (_is_tar(data) or (data.is_dir() and bool(shards_in(data, _is_tar))))

    @staticmethod
    def read(data: Path, budget: Budget) -> Iterator[Found | Note]:
        parts = [Shards("", (data,))] if data.is_file() else shards_in(data, _is_tar)
        check_number(parts, data.name)
        files = {part.split: part.files for part in parts}
        names = _names_beside(data, budget) if data.is_dir() else []

        def is_labelled(split: str) -> bool:
            return any(_Archive(path, budget, names).has_labels() for path in files[split])

        sides, note = sides_of(list(files), f"The files of {quoted(data.name)} are splits", is_labelled)
        if note:
            yield Note(note)
        for part in parts:
            for path in part.files:
                before = f"{path.name}/" if sum(len(each.files) for each in parts) > 1 else ""
                archive = _Archive(path, budget, names)
                yield from archive.read(sides.get(part.split, ""), before)
                names = names or archive.class_names  # shards after the first may go without
        if data.is_dir() and (note := loose_images(data, (), "archives")):
            yield Note(note)


def _is_tar(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES) and path.is_file()


class _Archive:
    """One archive, read twice from its beginning: the names, then what is wanted of it."""

    def __init__(self, path: Path, budget: Budget, names: Sequence[str] = ()) -> None:
        self._path, self._budget = path, budget
        self.class_names = list(names)
        """What numbers stand for, as it says, or where it says nothing as ``names``."""
        self._no_text: list[str] = []
        """Members that should be a label and are no text."""
        self._said: dict[str, dict[str, bytes]] = {}
        """What the small members hold, by the name they share with an image and by extension."""
        self._tables: dict[PurePosixPath, bytes] = {}
        self._captions = False
        """Whether a ``.txt`` beside an image is its label: not where folders say the class."""
        if path.stat().st_size > budget.zip_bytes:
            raise self._refused(f"It is larger than {budget.zip_bytes // MIB} MiB.", "Use fewer or smaller images.")

    def has_labels(self) -> bool:
        """Return whether any image has a label: of a table, of a file beside it, or of its folder."""
        images = [path for path in map(PurePosixPath, self._names()) if looks_like_image(path) and not system_part(path)]
        layout = layout_of(images)
        self._captions = True
        return bool(self._tables) or any(self._label(_key(str(path))[0]) or layout.place(path).class_name for path in images)

    def read(self, part: str, before: str) -> Iterator[Found | Note]:
        names = self._names()
        images = [PurePosixPath(name) for name in names if looks_like_image(PurePosixPath(name))]
        if not images:
            raise self._refused("It holds no images.", "Put images into it, in class folders or each with its .cls.")
        tables = [path for path in table_files([*images, *self._tables]) if path in self._tables]
        if tables:
            yield from self._with_tables(images, tables, part, before)
            return
        layout = layout_of([path for path in images if not system_part(path)] or images)
        self._captions = not any(layout.place(path).class_name for path in images)
        told = any(self._label(_key(path.as_posix())[0]) for path in images)
        if not told and self._captions:
            self._check_beside(names, images)
        yield from self._samples(names, part, before) if told else self._in_folders(images, layout, part, before)

    def _members(self) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
        """Yield the plain files of the archive, in order."""
        try:
            with open(self._path, "rb") as raw:
                unpack = _PACKED.get(raw.read(2))
                raw.seek(0)
                stream: Any = raw if unpack is None else unpack(raw)
                with tarfile.open(fileobj=_Counted(stream, self._path.name, self._budget), mode="r|", tarinfo=_Header) as archive:  # type: ignore[call-overload]
                    for number, member in enumerate(archive):
                        if number > MEMBERS * self._budget.files:
                            raise self._refused(f"It holds more than {MEMBERS * self._budget.files} files.", "Use fewer images.")
                        if member.isreg() and member.name and len(member.name) <= NAME_CHARACTERS:
                            yield member, archive
                        archive.members.clear()  # pyright: ignore[reportAttributeAccessIssue]  # else each header stays in memory
        except ImportError:
            raise self._refused("This Python is built without lzma, which reads xz.", "Pack it as a tar.gz.") from None
        except _DAMAGE as error:
            raise self._refused("It is no tar archive, or it is damaged or cut short.", "Pack it again.") from error

    def _names(self) -> list[str]:
        """Return the names of all members, and take in what labels, facts and names of classes say, wherever they stand."""
        names, held = [], 0
        for member, archive in self._members():
            names.append(member.name)
            key, kind = _key(member.name)
            if PurePosixPath(member.name).name.casefold() in NAMES:
                text = self._content(member, archive, TEXT_BYTES)[0]
                self.class_names = _lines(text)
            elif PurePosixPath(member.name).name.casefold() in TABLES:
                data, too_large = self._content(member, archive, self._budget.table_bytes)
                if too_large or (held := held + len(data)) > self._budget.table_bytes:
                    limit = f"Its tables are larger than {self._budget.table_bytes // MIB} MiB together."
                    raise self._refused(limit, "Use fewer images.")
                self._tables[PurePosixPath(member.name)] = data
            elif kind in (*LABELS, "json", "txt"):
                data = self._content(member, archive, TEXT_BYTES)[0]
                if (held := held + len(data)) > self._budget.table_bytes:
                    limit = f"Its labels are larger than {self._budget.table_bytes // MIB} MiB together."
                    raise self._refused(limit, "Use fewer images.")
                if self._said.setdefault(key, {}).setdefault(kind, data) != data:
                    cause = f"It holds {quoted(member.name)} twice, and the two differ."
                    raise self._refused(cause, "Give each image a name of its own.")
        return names

    def _check_beside(self, names: Sequence[str], images: Sequence[PurePosixPath]) -> None:
        """Refuse an archive without class folders whose images have files beside them that give no label."""
        keys = {_key(path.as_posix())[0] for path in images}
        others = [name for name in names if not looks_like_image(PurePosixPath(name))]
        beside = Counter(kind for key, kind in map(_key, others) if key in keys and kind)
        if beside:
            told = ", ".join(f".{kind} ({n})" for kind, n in beside.most_common(10))
            cause = f"No image has a label: the files beside them give none, or are not opened. They are {cut(told, 200)}."
            raise self._refused(cause, 'Put it into NAME.cls as a number or word, or into NAME.json as {"label": ...}.')

    def _in_folders(self, images: Sequence[PurePosixPath], layout: Layout, part: str, before: str) -> Iterator[Found | Note]:
        system = Counter(filter(None, map(system_part, images)))
        yield from map(Note, system_note(system))
        if layout.note and not part:
            yield Note(layout.note)
        for member, archive in self._members():
            path = PurePosixPath(member.name)
            if not looks_like_image(path) or system_part(path):
                continue
            place, name = layout.place(path), before + member.name
            data, too_large = self._content(member, archive, self._budget.file_bytes)
            yield Found(name, place.class_name, self._opener(name, data, too_large, place.class_name), part=part or place.part)

    def _with_tables(
        self, images: Sequence[PurePosixPath], tables: Sequence[PurePosixPath], part: str, before: str
    ) -> Iterator[Found | Note]:
        """Yield the images as a table among them says; an image with several rows comes as often."""
        own = [path for path in images if not system_part(path)]
        yield from map(Note, system_note(Counter(filter(None, map(system_part, images)))))
        rows: defaultdict[PurePosixPath, list[Placed]] = defaultdict(list)
        for each in places([*own, *tables], self._tables.__getitem__, self._budget, quoted(self._path.name)):
            if isinstance(each, Note):
                yield each
            else:
                rows[each.path].append(each)
        for member, archive in self._members():
            path = PurePosixPath(member.name)
            said = rows.pop(path, [])
            if not said:
                continue
            data, too_large = self._content(member, archive, self._budget.file_bytes)
            for each in said:
                name, found = before + each.found.name, each.found
                opened = found.open if each.is_stray else self._opener(name, data, too_large, found.class_name)
                yield replace(found, name=name, open=opened, part=part or found.part)

    def _samples(self, names: Sequence[str], part: str, before: str) -> Iterator[Found | Note]:
        """Yield the images of a WebDataset, the first of each name."""
        kinds = Counter(_key(name)[1] or "no extension" for name in names if not self._is_read(name))
        seen: set[str] = set()
        unlabelled: list[str] = []
        for member, archive in self._members():
            key = _key(member.name)[0]
            if not looks_like_image(PurePosixPath(member.name)) or key in seen:
                continue
            seen.add(key)
            name, label = before + member.name, self._label(key)
            if not label:
                unlabelled.append(name)
                continue
            facts = _facts(self._said.get(key, {}).get("json"))
            data, too_large = self._content(member, archive, self._budget.file_bytes)
            opened = self._opener(name, data, too_large, label)
            yield Found(name, label, opened, facts.get("question"), part, group=facts.get("group", ""))
        if kinds:
            told = ", ".join(f".{kind} ({n})" for kind, n in kinds.most_common(10))
            yield Note(f"Members of {quoted(self._path.name)} that were not opened: {cut(told, 200)}.")
        if self._no_text:
            n = f"{len(self._no_text)} label{'s' * (len(self._no_text) > 1)}"
            yield Note(
                f"{n} of {quoted(self._path.name)} not read, for they are no text: {listed([quoted(x) for x in self._no_text])}."
            )
        if unlabelled:
            n = f"{len(unlabelled)} image{'s' * (len(unlabelled) > 1)}"
            yield Note(f"{n} of {quoted(self._path.name)} without a label left out: {listed([quoted(x) for x in unlabelled])}.")

    def _is_read(self, name: str) -> bool:
        path = PurePosixPath(name)
        return looks_like_image(path) or path.name.casefold() in NAMES or _key(name)[1] in (*LABELS, "json", "txt")

    def _label(self, key: str) -> str:
        """Return the label of the image of that name, "" where it has none."""
        said = self._said.get(key, {})
        facts = _facts(said.get("json"))
        label = next((self._line(key, kind) for kind in LABELS if kind in said), "") or facts.get("label", "")
        if not label and self._captions and "question" not in facts:
            label = self._line(key, "txt")
        if label.isascii() and label.isdecimal() and len(label) < 10 and int(label) < len(self.class_names):
            return self.class_names[int(label)]
        return label_of(label)

    def _line(self, key: str, kind: str) -> str:
        """Return what a small member says, "" where it is no text, such as what is pickled: that is remembered."""
        data = self._said.get(key, {}).get(kind, b"")
        try:
            text = data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            if (name := f"{key}.{kind}") not in self._no_text:
                self._no_text.append(name)
            return ""
        return " ".join(text.split())[:1000]

    def _content(self, member: tarfile.TarInfo, archive: tarfile.TarFile, limit: int) -> tuple[bytes, bool]:
        """Return what a member holds, and whether it is more than ``limit`` bytes; then nothing of it."""
        if member.size > limit:
            return b"", True
        file = archive.extractfile(member)
        return (file.read(limit) if file else b""), False

    def _opener(self, name: str, data: bytes, too_large: bool, label: str) -> Any:
        if too_large:
            return functools.partial(
                _left_out, name, f"It is larger than {self._budget.file_bytes // MIB} MiB.", "Make it smaller."
            )
        if not label:
            return functools.partial(_left_out, name, "It lies in no class folder.", "Put images into one sub-folder a class.")
        return functools.partial(from_bytes, data, name, self._budget)

    def _refused(self, cause: str, hint: str) -> SetRefused:
        return SetRefused(f"{quoted(self._path.name)} was not read.", cause, hint)


class _Header(tarfile.TarInfo):
    """A member whose long name, or other facts about it, may not be longer than ``TEXT_BYTES``: they are read at once."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        facts = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
        if self.type in facts and self.size > TEXT_BYTES:
            raise tarfile.ReadError("an overlong header")
        return super()._proc_member(archive)  # pyright: ignore[reportAttributeAccessIssue]


class _Counted:
    """A stream that ends with an error once more was read of it than a data set may inflate to, or than it has.

    What passes over a member asks for one piece after another, as many as the member says it has; behind the end there are none.
    """

    def __init__(self, stream: IO[bytes], name: str, budget: Budget) -> None:
        self._stream, self._name, self._budget = stream, name, budget
        self._left = budget.inflated_bytes
        self._empty = 0

    def read(self, n: int) -> bytes:
        """Return the next ``n`` bytes."""
        data = self._stream.read(min(n, self._left + 1))
        self._left -= len(data)
        self._empty = 0 if data else self._empty + 1
        if self._empty > EMPTY:
            raise EOFError
        if self._left < 0:
            cause = f"It inflates to more than {self._budget.inflated_bytes // MIB} MiB."
            raise SetRefused(f"{quoted(self._name)} was not read.", cause, "Use fewer or smaller images.")
        return data


def _key(name: str) -> tuple[str, str]:
    """Return what a member's name has in common with the files that belong to it, and its extension, as WebDataset cuts it.

    Examples
    --------
    >>> _key("train/0001.seg.png")
    ('train/0001', 'seg.png')
    """
    folder, slash, file = name.rpartition("/")
    stem, _, extension = file.partition(".")
    return f"{folder}{slash}{stem}", extension.casefold()


def _facts(data: bytes | None) -> dict[str, str]:
    """Return label, question and group of an image from its JSON."""
    try:
        told = json.loads(data) if data else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(told, dict):
        return {}
    found = {}
    for what in ("label", "question", "group"):
        value = next((told[alias] for alias in ALIASES[what] if isinstance(told.get(alias), (str, int, float))), None)
        if isinstance(value, float):
            value = int(value) if value.is_integer() else value if math.isfinite(value) else None
        if value is not None:
            found[what] = json.dumps(value) if isinstance(value, bool) else str(value)
    return found


def _lines(data: bytes) -> list[str]:
    return [line.strip() for line in data.decode("utf-8-sig", "replace").splitlines() if line.strip()]


def _names_beside(folder: Path, budget: Budget) -> list[str]:
    """Return what a list of classes beside the shards says; nothing where there is none."""
    lists = [path for path in sorted(folder.iterdir()) if path.name.casefold() in NAMES and path.is_file()]
    return _lines(read_file(lists[0], lists[0].name, min(TEXT_BYTES, budget.table_bytes))) if lists else []


def _left_out(name: str, cause: str, hint: str) -> Picture:
    raise UserError(f"{quoted(name)} was not read.", cause, hint)
