"""New pictures, one after the other, out of files and zips: nothing is needed of them, and nothing is kept but what is asked for.

Takes paths; yields openers, so that one picture is decoded at a time. A folder of a zip may say what a picture shows. It
knows no model.
"""

from __future__ import annotations

import functools
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sn_viz.errors import UserError
from sn_viz.sources.budget import DEFAULT, Budget
from sn_viz.sources.classes import looks_like_image
from sn_viz.sources.ingest import read_picture
from sn_viz.sources.zip_file import Inflater, entries_of, opened_archive
from sn_viz.types import Picture


class NewPicture(NamedTuple):
    """One picture that nobody has opened yet."""

    name: str
    folder: str
    """The folder of a zip that it lies in, which may be its class; "" for a file."""
    open: Callable[[], Picture]
    """Decodes it; raises a ``UserError`` when it cannot be read."""


@contextmanager
def new_pictures(paths: Sequence[str | Path], most: int, budget: Budget = DEFAULT) -> Iterator[tuple[list[NewPicture], int]]:
    """List the pictures of files and zips; the archives stay open meanwhile.

    Parameters
    ----------
    paths : sequence of path
        Pictures and zips, in the order in which they are listed.
    most : int
        How many are listed.
    budget : Budget

    Yields
    ------
    tuple
        The pictures, and how many more there were.

    Raises
    ------
    UserError
        When there is none, or an archive is damaged or too large.
    """
    found: list[NewPicture] = []
    archives: list[zipfile.ZipFile] = []
    try:
        for path in map(Path, paths):
            if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
                archives.append(opened_archive(path, budget))
                found += _inside(archives[-1], path.name, budget)
            else:
                found.append(NewPicture(path.name, "", functools.partial(read_picture, path, path.name, budget)))
        if not found:
            raise UserError(
                "There are no pictures.", "No file was given, or the zip holds none.", "Add pictures, or a zip of them."
            )
        yield found[:most], max(0, len(found) - most)
    finally:
        for archive in archives:
            archive.close()


def _inside(archive: zipfile.ZipFile, name: str, budget: Budget) -> list[NewPicture]:
    inflater = Inflater(archive, name, budget)
    entries = [entry for entry in entries_of(archive, name, budget)[0] if not entry.leaves and looks_like_image(entry.path)]
    return [NewPicture(entry.shown, entry.path.parent.name, functools.partial(inflater.open, entry)) for entry in entries]
