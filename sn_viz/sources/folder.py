"""A folder with one sub-folder of images for each class.

Takes a path, returns images to open. Splits (``train/cat``, ``test/cat``) are kept apart. A table in the folder, such as the
``images.csv`` that ``export.save_folders`` writes, gives the files it lists their exact label and question. Links are followed,
each folder once.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from sn_viz.errors import UserError
from sn_viz.sources.budget import Budget
from sn_viz.sources.classes import is_system_folder, system_note, system_part
from sn_viz.sources.gather import Found, Note
from sn_viz.sources.ingest import read_file
from sn_viz.sources.later import from_file
from sn_viz.sources.placed import placed
from sn_viz.sources.source import SOURCES
from sn_viz.sources.text import listed, quoted
from sn_viz.types import Picture

DEPTH = 40
"""Folders inside of each other that are looked into."""
SEEN = 4
"""Files and folders looked at for each file that is allowed, system files included."""


@SOURCES.register("folder")
class Folder:
    """A folder with one sub-folder of images for each class."""

    @staticmethod
    def accepts(data: object) -> bool:
        return isinstance(data, Path) and data.is_dir()

    @staticmethod
    def read(data: Path, budget: Budget) -> Iterator[Found | Note]:
        """Yield the images of a folder, and what to know about them."""
        walk = _Walk(data, budget)
        yield from (Note(text) for text in walk.notes())

        def table(path: PurePosixPath) -> bytes:
            return read_file(data / path, str(path), budget.table_bytes)

        # an image listed with many questions is decoded once
        open_file = functools.lru_cache(maxsize=1)(functools.partial(_open, data, budget=budget))
        yield from placed(walk.files, open_file, table, budget, "the folder")


class _Walk:
    """Every file below a folder, and what was passed over: each real folder is listed once, links after what is really there."""

    def __init__(self, folder: Path, budget: Budget) -> None:
        self.files: list[PurePosixPath] = []
        self._folder, self._budget = folder, budget
        self._read_as: dict[str, PurePosixPath] = {}
        self._system: Counter[str] = Counter()
        self._empty: list[str] = []
        self._said: list[str] = []
        links = [PurePosixPath()]
        self._seen = 0
        while links:
            links = [link for path in links for link in self._list(path)]
        self.files.sort()

    def notes(self) -> tuple[str, ...]:
        """Return what was left out, and why."""
        empty = f"{_count(self._empty, 'folder')} without files: {listed(self._empty)}."
        return system_note(self._system) + tuple(self._said) + ((empty,) if self._empty else ())

    def _list(self, start: PurePosixPath) -> list[PurePosixPath]:
        """Read the folder ``start`` and all in it; return the links to folders that are left for later."""
        links: list[PurePosixPath] = []
        stack = [start]
        while stack:
            below = stack.pop()
            real = os.path.realpath(self._folder / below)
            if real in self._read_as:
                other = quoted(str(self._read_as[real]))
                self._said.append(f"{quoted(str(below))} was left out: it is a link to the folder that was read as {other}.")
                continue
            self._read_as[real] = below
            if len(below.parts) > DEPTH:
                self._said.append(f"{quoted(str(below))} was left out: it lies more than {DEPTH} folders deep.")
                continue
            entries = self._entries(below)
            folders = [entry for entry in entries if entry.is_dir()]
            for entry in folders:
                if is_system_folder(entry.name):
                    self._system[entry.name] += 1
                elif entry.is_symlink():
                    links.append(below / entry.name)
                else:
                    stack.append(below / entry.name)
            for entry in entries:
                if not entry.is_dir():
                    self._add(below / entry.name)
            if not entries and below.parts:
                self._empty.append(quoted(str(below)))
        return sorted(links)

    def _entries(self, below: PurePosixPath) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self._folder / below) as listing:
                entries = []
                for entry in listing:
                    entries.append(entry)
                    self._seen += 1
                    if self._seen > SEEN * self._budget.files:
                        raise self._too_many()
        except OSError as error:
            self._said.append(f"The folder {quoted(str(below))} was left out. The file system says: {error.strerror}.")
            return []
        return entries

    def _add(self, path: PurePosixPath) -> None:
        if system := system_part(PurePosixPath(path.name)):
            self._system[system] += 1
            return
        if not os.path.exists(self._folder / path):
            self._said.append(f"{quoted(str(path))} was left out: it is a link to nothing.")
            return
        self.files.append(path)
        if len(self.files) > self._budget.files:
            raise self._too_many()

    def _too_many(self) -> UserError:
        cause = f"At most {self._budget.files} are read."
        return UserError(f"The folder {quoted(self._folder.name)} holds too many files.", cause, "Give a smaller folder.")


def _count(things: list[str], name: str) -> str:
    return f"{len(things)} {name}{'s' * (len(things) != 1)}"


def _open(folder: Path, path: PurePosixPath, budget: Budget) -> Picture:
    return from_file(folder / path, str(path), budget)
