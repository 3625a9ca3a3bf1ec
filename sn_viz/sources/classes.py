"""Which class and which split a file is in, and in which order classes are numbered.

Takes class names and relative paths; returns them ordered, or placed. It reads no files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from sn_viz.sources.text import listed, quoted

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
_SYSTEM_FOLDERS = {
    *("__macosx", "network trash folder", "temporary items", "thevolumesettingsfolder"),  # macOS
    *("$recycle.bin", "recycler", "recycled", "system volume information", "config.msi", "found.000"),  # Windows
    *("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@tmp"),  # network storage
    *("lost+found", "thumbs", "thumbnails", "__pycache__"),
}
_SYSTEM_FILES = {
    *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "folder.htt", "autorun.inf", "zbthumbnail.info"),
    *("icon\r", "picasa.ini", "sync.ffs_db"),
}
_IMAGE_SUFFIXES = {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif", ".svg"}
TRAIN, TEST = "train", "test"
_SPLIT = re.compile(
    r"(?:(?:x|seg|my|the|images?)[ _-]+)?(?:"
    r"(?P<train>trainings?daten|train(ing)?|trn|entra[iî]nement|apprentissage|entrenamiento|treino|treinamento|addestramento|"
    r"обучение|тренировочная|训练|訓練|学習|학습|훈련)|"
    r"(?P<val>valid(ierung|ación|acion|azione|ação|acao)|val(id(ation)?)?|dev(elopment)?|валидация|验证|驗證|検証|검증)|"
    r"(?P<test>testdaten|test(ing)?|tst|eval(uation)?|hold[ _-]?out|prueba|teste|тест|测试|測試|テスト|테스트|시험))"
)
_SPLIT_DRESS = re.compile(r"[ _-]*(set|split|data|images?|imgs?|folder|集|用|データ|데이터|셋)?[ _-]*(19|20)?\d*$")


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


def system_part(path: PurePosixPath) -> str:
    """Return the part of ``path`` that a system or a program left behind, "" when it is all the user's.

    Examples
    --------
    >>> [system_part(PurePosixPath(path)) for path in ("cat/@eaDir/1.png", "cat/Thumbs.db", "cat/1.png")]
    ['@eaDir', 'Thumbs.db', '']
    """
    for number, part in enumerate(path.parts, start=1):
        plain = part.casefold()
        hidden = plain.startswith(".") and bool(plain.strip("."))
        if hidden or plain in (_SYSTEM_FILES if number == len(path.parts) else _SYSTEM_FOLDERS):
            return part
    return ""


def is_system_folder(name: str) -> bool:
    """Return whether a folder of this name is one that systems and programs make for themselves."""
    return bool(system_part(PurePosixPath(name or ".") / "x"))


def system_note(parts: Counter[str]) -> tuple[str, ...]:
    """Return the note that names what was left out as a system's own, from the number of files by ``system_part``."""
    if not parts:
        return ()
    named = ", ".join(f"'{name}'" + (f" ({n} files)" if n > 1 else "") for name, n in sorted(parts.items())[:20])
    more = f" and {len(parts) - 20} other names" if len(parts) > 20 else ""
    return (f"Left out as made by a system or a program, not by you: {named}{more}. Rename what is yours.",)


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
    images = [path.parts for path in paths if looks_like_image(path)] or [path.parts for path in paths]
    shortest = min((len(parts) for parts in images), default=0)
    depth = 0
    while shortest - depth >= 3 and len({parts[depth] for parts in images}) == 1:
        depth += 1
    return PurePosixPath(*images[0][:depth]) if depth else PurePosixPath()


def split_of(name: str) -> str:
    """Return "train", "val" or "test" when a folder is called as splits are, "" otherwise.

    Examples
    --------
    >>> [split_of(name) for name in ("Training", "val2017", "test_set", "testament", "cat")]
    ['train', 'val', 'test', '', '']
    """
    plain = name.casefold().strip()
    found = _SPLIT.match(plain)
    return found.lastgroup or "" if found and _SPLIT_DRESS.fullmatch(plain, found.end()) else ""


@dataclass(frozen=True)
class Place:
    """Where a file lies in a data set."""

    class_name: str
    """"" when it lies in no class folder."""
    part: str = ""
    """``TRAIN`` or ``TEST`` when several folders are splits with labels."""
    is_outside: bool = False
    """Whether the folders are splits, and it lies in none of them."""


@dataclass(frozen=True)
class Layout:
    """How the folders of a data set are meant."""

    root: PurePosixPath
    split_depth: int | None = None
    """Which folder below the root names the split: 0 for ``train/cat/1.png``, 1 for ``cat/train/1.png``; None when none does."""
    splits: frozenset[str] = frozenset()
    """Of "train", "val" and "test", those that are there with labels."""
    bare: tuple[str, ...] = ()
    """Folders that are called as splits for testing are, and of whose images none has a class."""

    def place(self, path: PurePosixPath) -> Place:
        """Return the class and the split of a file."""
        outside = Place("", is_outside=self.split_depth is not None)
        if not path.is_relative_to(self.root):
            return outside
        folders = path.relative_to(self.root).parts[:-1]
        if self.split_depth is None:
            return Place(folders[0] if folders else "")
        if len(folders) <= self.split_depth or not (kind := split_of(folders[self.split_depth])):
            return outside
        class_depth = 1 - self.split_depth
        part = part_of(kind, self.splits) if len(self.splits) > 1 else ""
        return Place(folders[class_depth] if len(folders) > class_depth else "", part)

    @property
    def note(self) -> str:
        """What is said of the splits; "" when there are none."""
        if len(self.splits) < 2:
            return no_labels_note(self.bare).strip()
        return f"The folders are splits: {use_of_splits(self.splits)}.{no_labels_note(self.bare)}"


def use_of_splits(splits: frozenset[str]) -> str:
    """Return what is done with the splits that are there: a part of a sentence."""
    return {
        frozenset((TRAIN, TEST)): "neurons are found on the training split and tested on the test split",
        frozenset((TRAIN, "val")): "neurons are found on the training split; the validation split is used for testing",
        frozenset(("val", TEST)): "neurons are found on the validation split and tested on the test split",
    }.get(splits, "the validation split joins the training split, neurons are found there and tested on the test split")


def no_labels_note(splits: Sequence[str]) -> str:
    """Return the sentence, after a space, on splits whose images have no label; "" where there are none."""
    if not splits:
        return ""
    these = (
        f"The splits {listed([quoted(name) for name in splits])} have" if len(splits) > 1 else f"The split {quoted(splits[0])} has"
    )
    return f" {these} no labels, so nothing is tested on {'them' if len(splits) > 1 else 'it'}."


def part_of(kind: str, splits: frozenset[str]) -> str:
    """Return which part a split of this kind joins: validation tests, unless there is a test split too; "" for no split."""
    if kind != "val":
        return kind
    return TEST if TRAIN in splits and TEST not in splits else TRAIN


def layout_of(paths: Sequence[PurePosixPath], labelled: Collection[PurePosixPath] = ()) -> Layout:
    """Return how the folders are meant: as classes, or as splits with classes inside.

    Splits are ``train``, ``training``, ``val``, ``valid``, ``validation``, ``dev``, ``test``, ``testing``, ``eval`` and their like,
    at least two of them. Folders outside of every split then belong to none.

    Parameters
    ----------
    paths : sequence of PurePosixPath
        Relative paths of all files.
    labelled : collection of PurePosixPath
        Those of which a table says the class, so that they need no class folder.

    Examples
    --------
    >>> layout_of([PurePosixPath(f"{split}/{name}/1.png") for split in ("train", "val") for name in ("cat", "dog")]).split_depth
    0
    """
    root = root_of(paths)
    images = [path.relative_to(root).parts for path in paths if looks_like_image(path) and path.is_relative_to(root)]
    images = images or [path.relative_to(root).parts for path in paths if path.is_relative_to(root)]
    for depth in (0, 1):
        inside = [parts for parts in images if len(parts) > depth + 1]
        kinds = Counter(split_of(parts[depth]) for parts in inside)
        splits = {kind for kind in kinds if kind}
        nested = sum(len(parts) >= 3 for parts in inside if split_of(parts[depth]))
        if depth == 0:
            only_splits = len(splits) >= 2 and not kinds[""]
            meant = only_splits or (TRAIN in splits and len(splits) >= 2 and 2 * nested > kinds.total() - kinds[""])
        else:
            meant = len(splits) >= 2 and not kinds[""] and len({parts[0] for parts in inside}) >= 2
        if meant:
            told = {path.relative_to(root).parts for path in labelled if path.is_relative_to(root)}
            classed = {parts[depth] for parts in inside if len(parts) >= 3 or parts in told}
            folders = sorted({parts[depth] for parts in inside})
            bare = tuple(name for name in folders if classed and split_of(name) == TEST and name not in classed)
            return Layout(root, depth, frozenset(split_of(name) for name in folders if name not in bare) - {""}, bare)
    return Layout(root)
