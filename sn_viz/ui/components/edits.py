"""What a visitor changed by hand in a set of examples: images moved to another class, or removed; with undo.

Takes ``LabelledImages`` and edits, returns new ones; nothing is changed in place. An edit names an image by its content and its
question, so it holds when more images arrive. It knows nothing of widgets.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from sn_viz.errors import UserError
from sn_viz.types import LabelledImages

FEWEST = 2
"""Images a class needs: one to find neurons on, one to test them on."""
MOST = 5000
"""Edits that are remembered."""
NOTE = "Changed by hand: "


class Example(NamedTuple):
    """An image with its question, named by content."""

    sha256: str
    question: str


class Edit(NamedTuple):
    """One change."""

    example: Example
    to: str | None
    """The class it was moved to; None when it was removed."""


@dataclass(frozen=True)
class Edits:
    """Changes of one set, oldest first; the last one of an image counts."""

    of: str = ""
    """Which set they belong to, such as ``pack:night``."""
    made: tuple[Edit, ...] = ()
    together: tuple[tuple[int, int], ...] = ()
    """From where to where in ``made`` several were made at once: those are undone at once."""
    undone: tuple[tuple[Edit, ...], ...] = field(default=(), compare=False)
    """What may be made again, in steps; undone last stands last."""

    def belonging_to(self, name: str) -> Edits:
        """Return these edits when they belong to the set ``name``, else none for it."""
        return self if self.of == name else Edits(name)


def example_at(images: LabelledImages, index: int) -> Example:
    """Return what names the example at ``index``."""
    return Example(images.pictures[index].sha256, images.questions[index])


def index_of(images: LabelledImages, example: Example | None) -> int | None:
    """Return where ``example`` is in ``images``; None when it is not there."""
    return next((i for i in range(len(images)) if example_at(images, i) == example), None)


def move(images: LabelledImages, edits: Edits, example: Example, to: str) -> Edits:
    """Return ``edits`` and one more, which moves ``example`` of the edited set ``images`` to the class ``to``.

    Moving it to where it is changes nothing.

    Raises
    ------
    UserError
        When the image is not in the set, or there is no such class.
    """
    index = _found(images, example)
    if to not in images.classes:
        raise UserError(f"There is no class {str(to)[:80]!r}.", f"There are: {', '.join(images.classes)}.", "Choose one of these.")
    return edits if images.classes[images.labels[index]] == to else _with(edits, Edit(example, to))


def remove(images: LabelledImages, edits: Edits, example: Example) -> Edits:
    """Return ``edits`` and one more, which takes ``example`` out of the edited set ``images``.

    Raises
    ------
    UserError
        When the image is not in the set.
    """
    _found(images, example)
    return _with(edits, Edit(example, None))


def undo(edits: Edits) -> tuple[Edits, Edit | None]:
    """Return ``edits`` without the last one, or those made at once with it, and that one; None when there is none."""
    if not edits.made:
        return edits, None
    start, end = edits.together[-1] if edits.together else (0, 0)
    left = start if end == len(edits.made) else len(edits.made) - 1
    together, undone = tuple(each for each in edits.together if each[1] <= left), (*edits.undone, edits.made[left:])
    return replace(edits, made=edits.made[:left], together=together, undone=undone), edits.made[-1]


def redo(edits: Edits) -> tuple[Edits, Edit | None]:
    """Return ``edits`` with what was undone last, and the last of these; None when there is none."""
    if not edits.undone:
        return edits, None
    step = edits.undone[-1]
    made = (*edits.made, *step)
    together = (*edits.together, (len(edits.made), len(made))) if len(step) > 1 else edits.together
    return replace(edits, made=made, together=together, undone=edits.undone[:-1]), step[-1]


def renamed(edits: Edits, before: str, after: str) -> Edits:
    """Return ``edits`` of a set whose class ``before`` is called ``after`` now."""

    def with_names(step: tuple[Edit, ...]) -> tuple[Edit, ...]:
        return tuple(edit._replace(to=after) if edit.to == before else edit for edit in step)

    return replace(edits, made=with_names(edits.made), undone=tuple(map(with_names, edits.undone)))


def several(edits: Edits, more: Iterable[Edit]) -> Edits:
    """Return ``edits`` and ``more``, made at once, so that one undo takes them back; those that change nothing are not kept."""
    last, now = dict(edits.made), edits
    for edit in more:
        if edit.example not in last or last[edit.example] != edit.to:
            now = _with(now, edit)
    span = len(edits.made), len(now.made)
    return replace(now, together=(*now.together, span)) if span[1] > span[0] else edits


def apply(images: LabelledImages, edits: Edits) -> LabelledImages:
    """Return ``images`` with ``edits`` made, and a note that says how many; edits of images or classes not there do nothing.

    Parameters
    ----------
    images : LabelledImages
        As they were loaded.
    edits : Edits

    Returns
    -------
    LabelledImages
        The same classes in the same order, even when one is empty now.
    """
    last = dict(edits.made)
    labels, kept = images.labels.copy(), []
    for i in range(len(images)):
        to = last.get(example_at(images, i), images.classes[labels[i]])
        if to in images.classes:
            labels[i] = images.classes.index(to)
        if to is not None:
            kept.append(i)
    moved = int((labels[kept] != images.labels[kept]).sum())
    removed = len(images) - len(kept)
    if not moved and not removed:
        return images
    edited = replace(images, labels=labels, notes=(*images.notes, NOTE + _counted(moved, removed)))
    return edited.take(np.array(kept, dtype=np.int64))


def is_edited(images: LabelledImages) -> bool:
    """Return whether ``images`` came out of ``apply`` changed."""
    return any(note.startswith(NOTE) for note in images.notes)


def moved_to(images: LabelledImages, edits: Edits) -> set[Example]:
    """Return the examples of ``images`` (as loaded) that are now in another class."""
    last = dict(edits.made)
    there = {example_at(images, i): images.classes[images.labels[i]] for i in range(len(images))}
    return {example for example, to in last.items() if to in images.classes and example in there and there[example] != to}


def counts(images: LabelledImages) -> list[tuple[str, int]]:
    """Return (class, number of images), in the order of the classes."""
    return list(zip(images.classes, np.bincount(images.labels, minlength=len(images.classes)).tolist(), strict=True))


def too_few(images: LabelledImages) -> list[str]:
    """Return a sentence for every class that is too small to run."""
    return [
        f"The class “{name}” has {_images(count)} left; it needs at least {FEWEST}. Move or add some, or undo."
        for name, count in counts(images)
        if count < FEWEST
    ]


def _found(images: LabelledImages, example: Example) -> int:
    index = index_of(images, example)
    if index is None:
        raise UserError("This image is not in the set.", "It was removed, or the page shows an older set.", "Choose another image.")
    return index


def _with(edits: Edits, edit: Edit) -> Edits:
    if len(edits.made) >= MOST:
        raise UserError("There are too many changes.", f"At most {MOST} are remembered.", "Change the files instead.")
    return replace(edits, made=(*edits.made, edit), undone=())


def _counted(moved: int, removed: int) -> str:
    parts = [f"{_images(moved)} moved to another class"] * bool(moved) + [f"{_images(removed)} removed"] * bool(removed)
    return ", ".join(parts) + "."


def _images(count: int) -> str:
    return f"{count or 'no'} image{'s' * (count != 1)}"
