"""Two halves of a data set that share no picture and no group: one to select neurons on, one to test them on.

Takes ``LabelledImages``, returns two of them. It knows nothing about where they came from.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sn_viz.errors import UserError
from sn_viz.groups import drawn_apart, group_index, n_groups
from sn_viz.sources.classes import TEST, TRAIN
from sn_viz.sources.text import listed, quoted
from sn_viz.types import LabelledImages

AGAIN = "record or collect another group of it and name the groups, or give separate test images."


def split(images: LabelledImages, test_size: float, seed: int) -> tuple[LabelledImages, LabelledImages]:
    """Split a data set, class by class, by whole groups.

    All examples of one picture, whatever they are asked, and all of one group of ``images.groups`` go to one side. Each class has
    at least one group on either side; scikit-learn's splitters do not promise that at these sizes, hence this code.

    Parameters
    ----------
    images : LabelledImages
        Every example labelled.
    test_size : float
        Fraction of each class kept for testing, above 0 and below 1; rounded to whole images, a half up, and then to whole groups.
    seed : int
        The same seed gives the same split.

    Returns
    -------
    (train, test) : tuple of LabelledImages
        Both in the original order, with all classes and notes. When a class lies in a single group, as one recording does, nothing
        can be tested: all examples are in ``train``, and ``test`` is empty, with a first note that says why.

    Raises
    ------
    UserError
        When a class has fewer than two different images, a duplicate has two labels, ``test_size`` is not a fraction, or the groups
        do not fit the images.

    Examples
    --------
    >>> from sn_viz.sources.ingest import picture_from_pixels
    >>> pictures = tuple(picture_from_pixels(np.full((8, 8, 3), i, np.uint8)) for i in range(4))
    >>> images = LabelledImages(tuple("abcd"), pictures, np.array([0, 0, 1, 1]), ("no", "yes"), ("?",) * 4)
    >>> [len(side) for side in split(images, 0.5, seed=0)]
    [2, 2]
    """
    if not 0 < test_size < 1:
        raise UserError("The test size is not a fraction.", f"It is {test_size}.", "Give a number above 0 and below 1.")
    _check_different(images)
    groups, wanted = group_index(images), []
    for label in range(len(images.classes)):
        n = int((images.labels == label).sum())
        wanted.append(min(_share(test_size, n), n - 1))
    in_test = drawn_apart(images.labels, groups, wanted, seed)
    if in_test is None:
        return images, nothing_held_out(images)
    return images.take(np.flatnonzero(~in_test)), images.take(np.flatnonzero(in_test))


def own_split(images: LabelledImages, test_size: float = 0.5, seed: int = 0) -> tuple[LabelledImages, LabelledImages] | None:
    """Return the training and the test images of data that bring their own splits, or None.

    Examples of a class that has no test example of its own, and of which nobody said where they belong, are drawn as `split` does.
    The test is empty, with a first note that says why, where such a class lies in a single group.

    Raises
    ------
    UserError
        When nothing of one of the two could be read.
    """
    if not images.parts:
        return None
    parts = _drawn_parts(images, test_size, seed) if "" in images.parts else np.array(images.parts)
    if parts is None:
        return images, nothing_held_out(images)
    sides = [np.flatnonzero(parts == name) for name in (TRAIN, TEST)]
    for name, side in zip((TRAIN, TEST), sides, strict=True):
        if not len(side):
            cause = "The data has splits of its own, and this one holds no image that could be read."
            raise UserError(f"The {name} split is empty.", cause, "Add images to it, or give class folders alone.")
    train, test = (images.take(side) for side in sides)
    return train, replace(test, notes=(), left_out=())


def _drawn_parts(images: LabelledImages, test_size: float, seed: int) -> np.ndarray | None:
    """Return the side of each example, str objects (example,), where some have none; None where a class cannot be divided."""
    parts, groups = np.array(images.parts, object), group_index(images)
    tested = np.unique(images.labels[parts == TEST])
    free = np.flatnonzero((parts == "") & ~np.isin(images.labels, tested))
    parts[parts == ""] = TRAIN
    counts = np.bincount(images.labels[free], minlength=len(images.classes))
    wanted = [_share(test_size, n) if n else 0 for n in counts.tolist()]
    goes = drawn_apart(images.labels[free], groups[free], wanted, seed)
    if goes is None:
        return None
    parts[free[goes]] = TEST
    return parts


def _share(test_size: float, n: int) -> int:
    """Return how many of ``n`` images are tested on: rounded, a half up, and at least one."""
    return max(1, int(test_size * n + 0.5))


def nothing_held_out(images: LabelledImages, why: str = "") -> LabelledImages:
    """Return an empty test set for a data set whose groups leave nothing to test on; its first note, ``why``, tells people."""
    groups = group_index(images)
    alone = [name for label, name in enumerate(images.classes) if n_groups(groups[images.labels == label]) == 1]
    which = f"all images of {quoted(alone[0])}" if len(alone) == 1 else f"in each of {listed([*map(quoted, alone)])} all images"
    cause = (
        f"{which} belong together (one recording, one person, one picture)"
        if alone
        else "its groups cannot be divided so that each class has some on either side"
    )
    why = why or f"No accuracy was measured, for nothing is left to test on: {cause}. To measure, {AGAIN}"
    return replace(images.take([]), notes=(why,))


def _check_different(images: LabelledImages) -> None:
    """Refuse an image with two labels for one question, and a class without two different images."""
    first: dict[tuple[str, str], int] = {}
    keys = list(zip((picture.sha256 for picture in images.pictures), images.questions, strict=True))
    for i, key in enumerate(keys):
        if images.labels[first.setdefault(key, i)] != images.labels[i]:
            cause = f"{quoted(images.names[first[key]])} and {quoted(images.names[i])} are identical."
            raise UserError("The same image is in two classes.", cause, "Remove one of the two.")
    for label, class_name in enumerate(images.classes):
        different = len({keys[i] for i in np.flatnonzero(images.labels == label)})
        if different < 2:
            cause = f"Class {quoted(class_name)} needs at least 2 different images; it has {different}."
            raise UserError("The images cannot be split into two halves.", cause, "Add images to this class.")
