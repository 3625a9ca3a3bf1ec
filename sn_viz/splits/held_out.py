"""What may be tested on: checks and aligns labelled images before a run, so that nothing seen in the search is in the test.

Takes and returns ``LabelledImages``; knows nothing about files or models. What belongs together is in ``groups``, what shows one
photograph in ``near_duplicates``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sn_viz.errors import UserError
from sn_viz.groups import all_groups, group_index, merged_groups
from sn_viz.sources.text import label_key, listed, quoted
from sn_viz.splits.near_duplicates import near_duplicates
from sn_viz.types import LabelledImages

ALTERED = "re-encoded, rescaled or cropped"


def usable(images: LabelledImages, what: str = "data") -> LabelledImages:
    """Return the images that have a label, with empty classes left out, and say in the notes what was dropped.

    Parameters
    ----------
    images : LabelledImages
        Any labelled images.
    what : str
        What they are, for messages.

    Returns
    -------
    LabelledImages
        Labels count from 0 without gaps.

    Raises
    ------
    UserError
        When fewer than two classes have images, or an image is asked nothing.
    """
    known = np.flatnonzero(images.labels >= 0)
    notes = images.notes
    if len(known) < len(images):
        notes += (f"{len(images) - len(known)} images of the {what} have no label and were left out.",)
    kept = replace(images.take(known), notes=notes)
    present = np.unique(kept.labels)
    if len(present) < 2:
        found = f"Only {kept.classes[present[0]]!r} was found." if len(present) else "No labelled image was found."
        raise UserError(
            f"The {what} has fewer than two classes.", found, "Give images of at least two classes, one folder per class."
        )
    if not all(question.strip() for question in kept.questions):
        raise UserError(
            "There is no question to ask.", "The images came without one.", "Give one, for example --question 'Is there a dog?'."
        )
    return replace(
        kept, classes=tuple(kept.classes[c] for c in present), labels=np.searchsorted(present, kept.labels).astype(np.int64)
    )


def align_classes(test: LabelledImages, train: LabelledImages) -> LabelledImages:
    """Renumber the labels of a separate test set to the probing set's classes, whose spelling may be another one.

    Raises
    ------
    UserError
        When the test set holds a class that the probing set lacks.
    """
    by_key = {label_key(name): number for number, name in enumerate(train.classes)}
    number_of = {name: by_key[key] for name in test.classes if (key := label_key(name)) in by_key}
    number_of |= {name: number for number, name in enumerate(train.classes)}
    unknown = sorted({test.classes[c] for c in np.unique(test.labels)} - number_of.keys())
    if unknown:
        raise UserError(
            f"The test set has the class {unknown[0]!r}, which the probing set lacks.",
            f"The probing set has: {', '.join(train.classes)}.",
            "Use the same class names in both.",
        )
    labels = np.array([number_of[test.classes[c]] for c in test.labels], np.int64)
    return replace(test, labels=labels, classes=train.classes)


def joined(images: LabelledImages) -> LabelledImages:
    """Return the images with near-duplicates (one photograph re-encoded, rescaled or cropped) in one group, named in the notes.

    Parameters
    ----------
    images : LabelledImages

    Returns
    -------
    LabelledImages
        The very same when there are none.
    """
    pairs = _alike(images)
    if not pairs:
        return images
    note = (
        f"{_count(len(pairs), 'pair')} of images show one photograph, {ALTERED}, and are kept on one side of every split: "
        f"{_named(pairs, images.names)}."
    )
    return replace(images, groups=merged_groups(images, pairs), notes=(*images.notes, note))


def without_seen(test: LabelledImages, train: LabelledImages) -> LabelledImages:
    """Return the test examples that share no picture and no group with a probing example; see `kept_apart`."""
    return kept_apart(train, test)[1]


def kept_apart(train: LabelledImages, test: LabelledImages, drawn: bool = False) -> tuple[LabelledImages, LabelledImages]:
    """Return both sets, near-duplicates `joined`, and without the test examples that belong together with a probing example.

    Parameters
    ----------
    train, test : LabelledImages
    drawn : bool
        The pictures were drawn to be different: near-duplicates are not looked for.

    Returns
    -------
    (train, test) : tuple of LabelledImages
        The probing examples are all there. A test example goes when its picture, a near-duplicate of it, or anything of its group
        is among them, whatever it is asked; the notes of the test name what went.

    Raises
    ------
    UserError
        When no test example is left.
    """
    both, n = _concatenated(train, test), len(train)
    pairs = [] if drawn else _alike(both)
    groups = merged_groups(both, pairs) if pairs else both.groups
    index = group_index(replace(both, groups=groups))
    gone = np.isin(index[n:], index[:n])
    if len(test) and gone.all():
        raise UserError(
            "Every test image is also a probing image, or belongs together with one.",
            "Testing on them would say nothing.",
            "Give other test images.",
        )
    left = set((n + np.flatnonzero(~gone)).tolist())
    within = [(i, j) for i, j in pairs if j < n], [pair for pair in pairs if left.issuperset(pair)]
    notes = [
        f"{_count(len(some), 'pair')} of {what} images show one photograph, {ALTERED}, and are kept together: "
        f"{_named(some, both.names)}."
        if some
        else ""
        for some, what in zip(within, ("probing", "test"), strict=True)
    ]
    told = _left_out(train, test, gone, [(i, j - n) for i, j in pairs if i < n <= j])
    any_name = any(groups)
    train = replace(train, groups=groups[:n] if any_name else (), notes=_with(train.notes, notes[:1]))
    left_out = tuple(f"{quoted(test.names[i])}: shares a picture or a group with the probing images" for i in np.flatnonzero(gone))
    test = replace(test, left_out=test.left_out + left_out)
    test = replace(test, groups=groups[n:] if any_name else (), notes=_with(test.notes, [*notes[1:], *told]))
    return train, test.take(np.flatnonzero(~gone)) if gone.any() else test


def _left_out(train: LabelledImages, test: LabelledImages, gone: np.ndarray, pairs: list[tuple[int, int]]) -> list[str]:
    """Return a sentence for each reason for which test examples go, naming them; ``gone`` bool (test example,)."""
    seen = {picture.sha256 for picture in train.pictures}
    same = gone & np.array([picture.sha256 in seen for picture in test.pictures], bool)
    told = []
    if same.any():
        names = listed([quoted(name) for name in dict.fromkeys(test.names[i] for i in np.flatnonzero(same))])
        told.append(f"{same.sum()} test images are also probing images and were left out of the test: {names}.")
    alike = {j: i for i, j in reversed(pairs) if not same[j]}
    also = gone & ~same & np.isin(np.arange(len(test)), list(alike))
    if also.any():
        names = listed([f"{quoted(test.names[j])} is {quoted(train.names[alike[j]])}" for j in sorted(alike)])
        told.append(
            f"{also.sum()} test images show the photograph of a probing image, {ALTERED}, and were left out of the test: {names}."
        )
    if (rest := gone & ~same & ~also).any():
        names = dict.fromkeys(test.groups[i] or test.names[i] if test.groups else test.names[i] for i in np.flatnonzero(rest))
        told.append(
            f"{rest.sum()} test images belong together with probing images and were left out of the test: "
            f"{listed([quoted(name) for name in names])}."
        )
    return told


def shared(train: LabelledImages, test: LabelledImages) -> bool:
    """Return whether the two have a picture or a group in common."""
    both = group_index(_concatenated(train, test))
    return bool(np.isin(both[len(train) :], both[: len(train)]).any())


def _concatenated(train: LabelledImages, test: LabelledImages) -> LabelledImages:
    """Return both sets in one, to be grouped; the labels of the test may count in other classes."""
    return replace(
        train,
        names=train.names + test.names,
        pictures=train.pictures + test.pictures,
        labels=np.concatenate([train.labels, test.labels]),
        questions=train.questions + test.questions,
        groups=all_groups(train) + all_groups(test),
    )


def _alike(images: LabelledImages) -> list[tuple[int, int]]:
    """Return pairs of examples whose pictures differ and show one photograph; each picture stands for its first example."""
    first: dict[str, int] = {}
    for i, picture in enumerate(images.pictures):
        first.setdefault(picture.sha256, i)
    rows = list(first.values())
    return [(rows[i], rows[j]) for i, j in near_duplicates([images.pictures[row] for row in rows])]


def _named(pairs: Sequence[tuple[int, int]], names: Sequence[str]) -> str:
    return listed([f"{quoted(names[i])} and {quoted(names[j])}" for i, j in pairs])


def _with(notes: tuple[str, ...], more: Sequence[str]) -> tuple[str, ...]:
    return (*notes, *filter(None, more))


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
