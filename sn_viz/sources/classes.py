"""Which class a file is in, and in which order classes are numbered.

Takes class names and relative paths; returns them ordered, or paired. It reads no files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

_PAIRS = {
    ("no", "yes"),
    ("n", "y"),
    ("0", "1"),
    ("false", "true"),
    ("absent", "present"),
    ("negative", "positive"),
    ("off", "on"),
    ("without", "with"),
}
_IGNORED_FOLDERS = {"__macosx"}
_IGNORED_FILES = {"thumbs.db", "desktop.ini"}
_IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".avif", ".svg"}


def order_classes(names: Iterable[str]) -> tuple[str, ...]:
    """Return distinct class names in the order they are numbered.

    Sorted; but of two classes that look like a no and a yes ("absent" and "present", "not ripe" and "ripe", "cat" and "no cat"),
    the no comes first, so that class 1 is the positive one.

    Parameters
    ----------
    names : iterable of str
        Repeats are allowed.

    Examples
    --------
    >>> order_classes(["cat", "no cat"]), order_classes(["b", "a"])
    (('no cat', 'cat'), ('a', 'b'))
    """
    ordered = tuple(sorted(set(names)))
    if len(ordered) == 2 and _is_negation(ordered[1], ordered[0]):
        return ordered[::-1]
    return ordered


def _is_negation(negative: str, positive: str) -> bool:
    no, yes = (re.sub(r"[\s_\-]+", " ", name.casefold()).strip() for name in (negative, positive))
    if (no, yes) in _PAIRS or no in {f"{word}{yes}" for word in ("no ", "not ", "non ", "non", "un", "without ")}:
        return True
    no_words, yes_words = no.split(), yes.split()
    pairs = [(a, b) for a, b in zip(no_words, yes_words, strict=False) if a != b]
    return len(no_words) == len(yes_words) and len(pairs) == 1 and pairs[0] in _PAIRS


def is_ignored(path: PurePosixPath) -> bool:
    """Return whether a file is one that systems leave behind: hidden, ``__MACOSX``, ``Thumbs.db``."""
    parts = [part.casefold() for part in path.parts]
    hidden = any(part.startswith(".") and part.strip(".") for part in parts)
    return hidden or not _IGNORED_FOLDERS.isdisjoint(parts) or (bool(parts) and parts[-1] in _IGNORED_FILES)


def looks_like_image(path: PurePosixPath) -> bool:
    """Return whether the extension is one that images have; only used to choose what deserves a note."""
    return path.suffix.casefold() in _IMAGE_SUFFIXES


def root_of(paths: Sequence[PurePosixPath]) -> PurePosixPath:
    """Return the folder that holds one sub-folder per class: folders wrapped around everything are passed through.

    Parameters
    ----------
    paths : sequence of PurePosixPath
        Relative paths of all files.

    Examples
    --------
    >>> root_of([PurePosixPath("pets/cat/1.png"), PurePosixPath("pets/dog/1.png")])
    PurePosixPath('pets')
    """
    images = [path for path in paths if looks_like_image(path)] or list(paths)
    root = PurePosixPath()
    while images and all(len(path.parts) >= 3 for path in images) and len({path.parts[0] for path in images}) == 1:
        root /= images[0].parts[0]
        images = [PurePosixPath(*path.parts[1:]) for path in images]
    return root


def class_of(path: PurePosixPath, root: PurePosixPath) -> str:
    """Return the name of the class folder below ``root`` that ``path`` lies in, or "" when it lies in none."""
    if not path.is_relative_to(root):
        return ""
    parts = path.relative_to(root).parts
    return parts[0] if len(parts) >= 2 else ""
