"""Data sets that lie in several files, and which of them are splits.

Takes a folder, or names of splits; returns the files by split, and what each is used for. It reads no file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from sn_viz.errors import UserError
from sn_viz.sources.classes import TEST, looks_like_image, no_labels_note, part_of, split_of, use_of_splits
from sn_viz.sources.text import listed, quoted

FILES = 1000
"""Files of one data set."""
_SPLIT_FILE = re.compile(r"(?P<split>[^\W\d_]\w*?)(?:-\d{3,}(?:-of-\d{3,})?(?:-[0-9a-f]+)?)?", re.ASCII)


@dataclass(frozen=True)
class Shards:
    """Files of one split."""

    split: str
    """As the files or their folder are called; "" where they are no split."""
    files: tuple[Path, ...]


def shards_in(folder: Path, ours: Callable[[Path], bool]) -> list[Shards]:
    """Return the files of a folder that are ``ours``, by split, as the hub names them (``train-00000-of-00002.parquet``).

    Parameters
    ----------
    folder : Path
        Looked into with its folder ``data``.
    ours : callable
        Whether a path is a file of the data set.

    Returns
    -------
    list of Shards
        None where the folder has other folders than ``data``: then its files are beside the point.
    """
    found: dict[str, list[Path]] = {}
    if any(entry.is_dir() and entry.name != "data" and not entry.name.startswith(".") for entry in os.scandir(folder)):
        return []
    files = [path for pattern in ("*", "data/*") for path in sorted(folder.glob(pattern)) if ours(path)]
    for path in files:
        match = _SPLIT_FILE.fullmatch(path.name.partition(".")[0])
        name = match["split"] if match and split_of(match["split"]) else ""
        found.setdefault(name, []).append(path)
    return [Shards(name, tuple(paths)) for name, paths in found.items()]


def check_number(parts: Sequence[Shards], name: str) -> None:
    """Refuse a data set of too many files.

    Raises
    ------
    UserError
    """
    if sum(len(part.files) for part in parts) > FILES:
        cause = f"At most {FILES:,} are read."
        raise UserError(f"{quoted(name)} has more than {FILES:,} files.", cause, "Give some of them.")


def sides_of(names: Sequence[str], what: str, is_labelled: Callable[[str], bool] = lambda name: True) -> tuple[dict[str, str], str]:
    """Return "train" or "test" for each name of a split, and the note on their use; no sides where there are fewer than two.

    Parameters
    ----------
    names : sequence of str
    what : str
        How the note begins.
    is_labelled : callable
        Whether a split has a label at all; only splits for testing are asked about. Those of public benchmarks often have none, and
        then nothing can be tested on them: the validation split is used instead.

    Examples
    --------
    >>> sides_of(["train", "validation"], "The files of 'pets' are splits")[0]
    {'train': 'train', 'validation': 'test'}
    >>> sides_of(["train", "dev", "test"], "The files are splits", lambda name: name != "test")[0]["dev"]
    'test'
    """
    kinds = {name: split_of(name) for name in names if name.strip()}
    splits = frozenset(kinds.values()) - {""}
    if len(splits) < 2:
        return {}, ""
    bare = [name for name, kind in kinds.items() if kind == TEST and not is_labelled(name)]
    splits = frozenset(kind for name, kind in kinds.items() if kind and name not in bare)
    left = no_labels_note(bare)
    if len(splits) < 2:
        return {}, left.strip()
    return {name: part_of(kind, splits) for name, kind in kinds.items()}, f"{what}: {use_of_splits(splits)}.{left}"


def loose_images(folder: Path, named: Collection[str], what: str) -> str:
    """Return the note on the images that lie beside the files of a data set and that no row of it names; "" where there are none.

    Parameters
    ----------
    folder : Path
        Looked into with its folder ``data``.
    named : collection of str
        Paths that the rows name.
    what : str
        What was read instead: "Parquet files".
    """
    files = {PurePath(text.replace("\\", "/")).name.casefold() for text in named}
    beside = [
        path for pattern in ("*", "data/*") for path in sorted(folder.glob(pattern)) if looks_like_image(PurePosixPath(path.name))
    ]
    left = [quoted(path.relative_to(folder).as_posix()) for path in beside if path.name.casefold() not in files]
    if not left:
        return ""
    images, them = f"{len(left)} image{'s' * (len(left) > 1)}", "them" if len(left) > 1 else "it"
    return f"{images} beside the {what} of {quoted(folder.name)} left out, since no row names {them}: {listed(left)}."
