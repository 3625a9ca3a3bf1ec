"""From loose labelled images to one checked ``LabelledImages``.

Takes what a source yields: one ``Found`` per image, in any order. Returns the decoded set, with plain notes about what was left
out. It knows nothing about folders, archives or tables.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from sn_viz.errors import UserError
from sn_viz.sources.budget import MIB, Budget
from sn_viz.sources.classes import order_classes
from sn_viz.sources.text import clean, clean_question, cut, display_name, listed, quoted
from sn_viz.types import LabelledImages, Picture

MAX_IMBALANCE = 4
"""Images of the largest class for each image of the smallest, beyond which a note is made."""


class SetRefused(UserError):
    """Raised by ``Found.open`` when the whole data set must be refused, not only the image being read."""


@dataclass(frozen=True)
class Found:
    """One labelled image that a source came across; nothing has been read yet."""

    name: str
    """What messages call it; literal text."""
    class_name: str
    """As the user wrote it; "" when it belongs to no class and ``open`` says why."""
    open: Callable[[], Picture]
    """Reads and decodes; raises UserError when it cannot, and then the image is left out with a note."""
    question: str | None = None
    """Its own question, when the data has one."""


def gather(found: Iterable[Found], question: str | None, budget: Budget) -> LabelledImages:
    """Decode and check a data set.

    Parameters
    ----------
    found : iterable of Found
        Read once, lazily.
    question : str or None
        Replaces the images' own questions.
    budget : Budget
        Limits on images, classes, characters and memory.

    Returns
    -------
    LabelledImages
        Classes in the order of ``order_classes``; images in the order found; exact duplicates inside a class dropped.

    Raises
    ------
    UserError
        When nothing can be read, when a limit is passed, and for every reason ``check`` has.
    """
    labels = _ClassNames(budget)
    kept: list[tuple[str, Picture, str, str]] = []
    left_out: list[UserError] = []
    pictures: dict[str, Picture] = {}
    held = 0
    for number, item in enumerate(found, start=1):
        if number > budget.files:
            raise UserError("There are too many images.", f"At most {budget.files} are read.", "Use a smaller set.")
        class_name = labels.of(item)
        try:
            picture = item.open()
        except SetRefused:
            raise
        except UserError as error:
            left_out.append(error)
            continue
        held += 0 if picture.sha256 in pictures else picture.pixels.nbytes
        picture = pictures.setdefault(picture.sha256, picture)  # one image asked many questions is kept once
        asked = clean_question(item.question or "", f"The question of {quoted(item.name)}", budget.question_characters)
        kept.append((display_name(item.name), picture, class_name, asked))
        if held > budget.memory_bytes:
            raise UserError(
                "The images are too large together.", f"At most {budget.memory_bytes // MIB} MiB are kept.", "Use fewer."
            )
    if not kept:
        raise _nothing_read(left_out)
    classes = order_classes(labels.names())
    images = LabelledImages(
        names=tuple(name for name, *_ in kept),
        pictures=tuple(picture for _, picture, *_ in kept),
        labels=np.array([classes.index(class_name) for _, _, class_name, _ in kept], dtype=np.int64),
        classes=classes,
        questions=tuple(asked for *_, asked in kept),
        notes=labels.notes() + _left_out_notes(left_out),
    )
    return check(images.ask(question if question is None else clean_question(question, characters=budget.question_characters)))


def check(images: LabelledImages) -> LabelledImages:
    """Refuse a data set nothing can be learnt from; note what is doubtful.

    Parameters
    ----------
    images : LabelledImages
        Every example labelled.

    Returns
    -------
    LabelledImages
        Without exact duplicates (same pixels, same question, same class); notes say how many were dropped, and whether the
        largest class has more than ``MAX_IMBALANCE`` times the images of the smallest.

    Raises
    ------
    UserError
        With fewer than two classes, a class with fewer than two different images, an image without a label, or the same image
        with the same question in two classes (both are named).
    """
    if unlabelled := [quoted(name) for name, label in zip(images.names, images.labels, strict=True) if label < 0]:
        raise UserError("Some images have no class.", f"They are {listed(unlabelled)}.", "Give every image a class.")
    first: dict[tuple[str, str], int] = {}
    again: list[int] = []
    for i, (picture, question) in enumerate(zip(images.pictures, images.questions, strict=True)):
        j = first.setdefault((picture.sha256, question), i)
        if images.labels[i] != images.labels[j]:
            raise _in_two_classes(images, j, i)
        if i != j:
            again.append(i)
    unique = images.take(sorted(first.values()))
    notes = images.notes
    if again:
        names = listed([quoted(images.names[i]) for i in again])
        notes += (f"{len(again)} exact duplicate{'s' * (len(again) > 1)} left out: {names}.",)
    counts = np.bincount(unique.labels, minlength=len(unique.classes))
    _check_counts(unique, counts, notes)
    if counts.max() > MAX_IMBALANCE * counts.min():
        most, least = (quoted(unique.classes[i]) for i in (counts.argmax(), counts.argmin()))
        notes += (
            f"The classes are unbalanced: {most} has {counts.max()} images, {least} has {counts.min()}. "
            "Balanced accuracy is the fairer score here; more images of the small class would help.",
        )
    return replace(unique, notes=notes)


def _check_counts(images: LabelledImages, counts: np.ndarray, notes: tuple[str, ...]) -> None:
    seen = " ".join(notes)
    if len(images.classes) < 2:
        there = f"Only {quoted(images.classes[0])} was found." if images.classes else "No class was found."
        raise UserError("At least two classes are needed.", f"{there} {seen}".strip(), "Add images of what it is not.")
    for class_name, n in zip(images.classes, counts, strict=True):
        if n < 2:
            have = "has only one image" if n == 1 else "has no image that could be read"
            cause = "At least 2 different images are needed: one to find neurons on, one to test them on."
            raise UserError(f"Class {quoted(class_name)} {have}.", f"{cause} {seen}".strip(), "Add images to this class.")


def _in_two_classes(images: LabelledImages, i: int, j: int) -> UserError:
    (a, b), (p, q) = ((quoted(images.names[k]) for k in (i, j)), (quoted(images.classes[images.labels[k]]) for k in (i, j)))
    return UserError("The same image is in two classes.", f"{a} in {p} and {b} in {q} are identical.", "Remove one of the two.")


def _nothing_read(left_out: list[UserError]) -> UserError:
    if not left_out:
        return UserError("No images were found.", "There is nothing to read.", "Give one sub-folder of images for each class.")
    reasons = " ".join(str(error) for error in left_out[:3])
    return UserError(
        f"None of the {len(left_out)} files could be read." if len(left_out) > 1 else "No image could be read.", reasons
    )


def _left_out_notes(left_out: list[UserError]) -> tuple[str, ...]:
    """Return one note per reason, each naming its files."""
    by_reason: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for error in left_out:
        by_reason[error.cause, error.mend].append(error.what.removesuffix(".").removesuffix(" was not read"))
    return tuple(
        f"{len(names)} file{'s' * (len(names) > 1)} left out: {listed(names)}. {cause} {mend}".strip()
        for (cause, mend), names in by_reason.items()
    )


class _ClassNames:
    """Cleans and caps class names, and remembers which spellings became one."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._spellings: dict[str, Counter[str]] = {}

    def of(self, item: Found) -> str:
        """Return the class name to show for ``item``; "" when it belongs to no class."""
        if not item.class_name:
            return ""
        plain = clean(item.class_name)
        if not plain:
            raise UserError(f"The class of {quoted(item.name)} has no name.", "Nothing visible is left of it.", "Name the class.")
        short = cut(plain, self._budget.class_characters)
        spellings = self._spellings.setdefault(short, Counter())
        spellings[item.class_name] += 1
        if len({clean(spelling) for spelling in spellings}) > 1:
            cause = f"They are the same in their first {self._budget.class_characters} characters."
            raise UserError(f"Two class names look alike: {quoted(short)}.", cause, "Use shorter names.")
        if len(self._spellings) > self._budget.labels:
            cause = f"At most {self._budget.labels} are allowed; among them {listed(list(self._spellings))}."
            raise UserError("There are too many classes.", cause, "Is the label column the right one?")
        return short

    def names(self) -> list[str]:
        return list(self._spellings)

    def notes(self) -> tuple[str, ...]:
        notes = []
        for name, spellings in self._spellings.items():
            if len(clean(next(iter(spellings)))) > self._budget.class_characters:
                notes.append(f"A class name was cut to {self._budget.class_characters} characters: '{name}'.")
            elif len(spellings) > 1:
                notes.append(f"{len(spellings)} spellings that look the same were read as one class: '{name}'.")
        return tuple(notes)
