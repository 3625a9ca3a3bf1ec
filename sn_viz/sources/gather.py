"""From loose labelled images to one checked ``LabelledImages``.

Takes what a source yields: one ``Found`` per image, in any order. Returns the decoded set, with plain notes about what was left
out. It knows nothing about folders, archives or tables.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from sn_viz.errors import UserError
from sn_viz.groups import merged_groups
from sn_viz.sources.budget import MIB, Budget
from sn_viz.sources.classes import TEST, order_classes
from sn_viz.sources.text import clean, clean_question, cut, display_name, label_key, listed, quoted
from sn_viz.types import LabelledImages, Picture

LOOKED_AT = 10
"""How many times the longest class name is looked at of a label."""
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
    part: str = ""
    """"train" or "test" when the data brings its own splits."""
    exact: bool = False
    """Whether the class name is meant letter by letter, and not one of several spellings."""
    group: str = ""
    """What it belongs to besides its picture, as the user wrote it; "" where to nothing."""


@dataclass(frozen=True)
class Note:
    """What a source says of the whole: what it left out, what it guessed."""

    text: str
    left_out: tuple[str, ...] = ()
    """A line for each thing that the text only counts."""


def gather(found: Iterable[Found | Note], question: str | None, budget: Budget) -> LabelledImages:
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
        Classes in the order of ``order_classes``, spellings of one label merged; images in the order found, a training split before
        a test split; exact duplicates inside a class dropped.

    Raises
    ------
    UserError
        When nothing can be read, when a limit is passed, and for every reason ``check`` has.
    """
    labels = _Labels(budget)
    kept: list[tuple[str, Picture, str, str, str, str]] = []
    left_out: list[UserError] = []
    notes: list[str] = []
    named: list[str] = []
    pictures: dict[str, Picture] = {}
    held = number = 0
    for item in found:
        if isinstance(item, Note):
            notes.append(item.text)
            named += item.left_out
            continue
        if (number := number + 1) > budget.files:
            raise UserError("There are too many images.", f"At most {budget.files} are read.", "Use a smaller set.")
        budget.proceed(number)
        label = labels.of(item)
        try:
            picture = item.open()
        except SetRefused:
            raise
        except UserError as error:
            left_out.append(error)
            continue
        held += 0 if picture.sha256 in pictures else picture.kept_bytes
        picture = pictures.setdefault(picture.sha256, picture)  # one image asked many questions is kept once
        asked = clean_question(item.question or "", f"The question of {quoted(item.name)}", budget.question_characters)
        kept.append((display_name(item.name), picture, label, asked, item.part, clean(item.group)))
        if held > budget.memory_bytes:
            raise UserError(
                "The images are too large together.", f"At most {budget.memory_bytes // MIB} MiB are kept.", "Use fewer."
            )
    if not kept:
        raise _nothing_read(left_out, notes)
    names, said = labels.merged()
    classes = order_classes(names.values())
    number_of = {name: number for number, name in enumerate(classes)}
    kept.sort(key=lambda row: row[4] == TEST)
    images = LabelledImages(
        names=tuple(name for name, *_ in kept),
        pictures=tuple(picture for _, picture, *_ in kept),
        labels=np.array([number_of[names[label]] for _, _, label, *_ in kept], dtype=np.int64),
        classes=classes,
        questions=tuple(asked for *_, asked, _, _ in kept),
        notes=tuple(notes) + said + _groups_note([group for *_, group in kept]) + _left_out_notes(left_out),
        left_out=tuple(named) + tuple(f"{_name_of(error)}: {error.cause}" for error in left_out),
        parts=tuple(part for *_, part, _ in kept) if any(part for *_, part, _ in kept) else (),
        groups=tuple(group for *_, group in kept) if any(group for *_, group in kept) else (),
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
    if again and images.groups:
        images = replace(images, groups=merged_groups(images))  # a group lives on where its only picture is left out
    unique = images.take(sorted(first.values()))
    notes = images.notes
    if again:
        names = listed([quoted(images.names[i]) for i in again])
        notes += (f"{len(again)} exact duplicate{'s' * (len(again) > 1)} left out: {names}.",)
        unique = replace(unique, left_out=unique.left_out + tuple(f"{quoted(images.names[i])}: an exact duplicate" for i in again))
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


def _nothing_read(left_out: list[UserError], notes: list[str]) -> UserError:
    said = " ".join(notes)
    if not left_out:
        cause = said or "There is nothing to read."
        return UserError("No images were found.", cause, "Give one sub-folder of images for each class.")
    reasons = " ".join([*(str(error) for error in left_out[:3]), said]).strip()
    return UserError(
        f"None of the {len(left_out)} files could be read." if len(left_out) > 1 else "No image could be read.", reasons
    )


def _groups_note(groups: list[str]) -> tuple[str, ...]:
    """Return the note that says what groups are for; none where the data names none."""
    named = list(dict.fromkeys(filter(None, groups)))
    if not named:
        return ()
    n = f"{len(named):,} groups are named" if len(named) > 1 else "One group is named"
    return (f"{n} ({listed([quoted(name) for name in named[:3]])}): all images of one stay on one side of every split and fold.",)


def _left_out_notes(left_out: list[UserError]) -> tuple[str, ...]:
    """Return one note per reason, each naming its files."""
    by_reason: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for error in left_out:
        by_reason[error.cause, error.hint].append(_name_of(error))
    return tuple(
        f"{len(names)} file{'s' * (len(names) > 1)} left out: {listed(names)}. {cause} {hint}".strip()
        for (cause, hint), names in by_reason.items()
    )


def _name_of(error: UserError) -> str:
    return error.what.removesuffix(".").removesuffix(" was not read")


class _Labels:
    """Collects labels as they were written, and says in the end which are spellings of one."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._plain: dict[str, str] = {}
        self._spellings: dict[str, Counter[str]] = {}

    def of(self, item: Found) -> str:
        """Return what stands for the label of ``item`` until ``merged`` names it; "" when it belongs to no class."""
        raw = item.class_name
        if not raw:
            return ""
        if raw not in self._plain:
            looked_at = raw[: LOOKED_AT * self._budget.class_characters]
            plain = clean(looked_at)
            if not plain:
                cause = "Nothing visible is left of it."
                raise UserError(f"The class of {quoted(item.name)} has no name.", cause, "Name the class.")
            key = plain if item.exact else label_key(looked_at) or plain
            # of a text this long only the beginning was looked at
            self._plain[raw] = key if raw == looked_at else f"{key} {hashlib.sha256(raw.encode(errors='replace')).hexdigest()}"
        key = self._plain[raw]
        self._spellings.setdefault(key, Counter())[raw] += 1
        if len(self._spellings) > self._budget.labels:
            cause = f"At most {self._budget.labels} are allowed; among them {listed([cut(k, 30) for k in self._spellings])}."
            raise UserError("There are too many classes.", cause, "Is the label column the right one?")
        return raw

    def merged(self) -> tuple[dict[str, str], tuple[str, ...]]:
        """Return the class name of every label as it was written, and notes on what was merged, cut, or kept apart.

        Raises
        ------
        UserError
            When two labels are the same as far as names are kept.
        """
        names: dict[str, str] = {"": ""}
        notes: list[str] = []
        apart = self._letters_apart()
        for key, spellings in self._spellings.items():
            groups = [spellings]
            if key in apart:
                groups = [Counter({raw: n for raw, n in spellings.items() if clean(raw) == plain}) for plain in apart[key]]
            for group in groups:
                names |= dict.fromkeys(group, self._name(group, notes))
        used = Counter(names[next(iter(spellings))] for spellings in self._spellings.values())
        if twins := [name for name, n in used.items() if n > 1]:
            cause = f"They are the same in their first {self._budget.class_characters} characters."
            raise UserError(f"Two class names look alike: {quoted(twins[0])}.", cause, "Use shorter names.")
        if apart:
            letters = listed([f"{quoted(pair[0])} and {quoted(pair[1])}" for pair in apart.values()])
            notes.append(f"Single letters are told apart by case: {letters}.")
        del names[""]
        return names, tuple(notes)

    def _name(self, spellings: Counter[str], notes: list[str]) -> str:
        """Return the name of a class, its commonest spelling, and add what there is to say of it."""
        plain = clean(spellings.most_common(1)[0][0])
        name = cut(plain, self._budget.class_characters)
        if len(spellings) > 1:
            seen = list(dict.fromkeys(quoted(cut(clean(raw), 30)) for raw in spellings))
            written = f": {listed(seen)}" if len(seen) > 1 else ", which look the same"
            notes.append(f"{len(spellings)} spellings were read as one class, {quoted(name)}{written}.")
        if name != plain:
            notes.append(f"A class name was cut to {self._budget.class_characters} characters: '{name}'.")
        return name

    def _letters_apart(self) -> dict[str, list[str]]:
        """Return the letters that are classes of their own as capitals: all, unless letters only abbreviate a no and a yes."""
        single = {key for key in self._spellings if len(key) == 1 and key.isalpha()}
        if single <= {"y", "n"} or single <= {"t", "f"} or single <= {"j", "n"} or len(single) < 2:
            return {}
        cases = {key: sorted({clean(raw) for raw in self._spellings[key]} & {key, key.upper()}) for key in single}
        whole = {key: {clean(raw) for raw in self._spellings[key]} for key in single}
        return {key: plain for key, plain in cases.items() if len(plain) == 2 and whole[key] == set(plain)}
