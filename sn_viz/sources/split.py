"""Two halves of a data set that share no image: one to select neurons on, one to test them on.

Takes ``LabelledImages``, returns two of them. It knows nothing about where they came from.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sn_viz.errors import UserError
from sn_viz.sources.classes import TEST, TRAIN
from sn_viz.sources.text import quoted
from sn_viz.types import LabelledImages


def split(images: LabelledImages, test_size: float, seed: int) -> tuple[LabelledImages, LabelledImages]:
    """Split a data set, class by class.

    Exact duplicates (same pixels and same question) are drawn as one, so that none is ever on both sides. Each class has at least
    one image on either side; scikit-learn's stratified splitters promise neither at these sizes, which is why this is written out.

    Parameters
    ----------
    images : LabelledImages
        Every example labelled.
    test_size : float
        Fraction of each class kept for testing, above 0 and below 1; rounded to whole images, a half up.
    seed : int
        The same seed gives the same split.

    Returns
    -------
    (train, test) : tuple of LabelledImages
        Both in the original order, with all classes and notes.

    Raises
    ------
    UserError
        When a class has fewer than two different images, a duplicate has two labels, or ``test_size`` is not a fraction.

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
    rng = np.random.default_rng(seed)
    group = _groups(images)
    test_groups: list[np.ndarray] = []
    for label, class_name in enumerate(images.classes):
        of_class = np.unique(group[images.labels == label])
        if len(of_class) < 2:
            cause = f"Class {quoted(class_name)} needs at least 2 different images; it has {len(of_class)}."
            raise UserError("The images cannot be split into two halves.", cause, "Add images to this class.")
        n_test = int(np.clip(np.floor(test_size * len(of_class) + 0.5), 1, len(of_class) - 1))
        test_groups.append(rng.permutation(of_class)[:n_test])
    in_test = np.isin(group, np.concatenate(test_groups)) if test_groups else np.zeros(0, bool)
    return images.take(np.flatnonzero(~in_test)), images.take(np.flatnonzero(in_test))


def own_split(images: LabelledImages) -> tuple[LabelledImages, LabelledImages] | None:
    """Return the training and the test images of data that bring their own splits, or None.

    Raises
    ------
    UserError
        When nothing of one of the two could be read.
    """
    if not images.parts:
        return None
    sides = [[i for i, part in enumerate(images.parts) if part == name] for name in (TRAIN, TEST)]
    for name, side in zip((TRAIN, TEST), sides, strict=True):
        if not side:
            cause = "The folders are splits, and this one holds no image that could be read."
            raise UserError(f"The {name} split is empty.", cause, "Add images to it, or give class folders alone.")
    train, test = (images.take(side) for side in sides)
    return train, replace(test, notes=())


def _groups(images: LabelledImages) -> np.ndarray:
    """Return int64 (example,): the first example with the same pixels and question."""
    first: dict[tuple[str, str], int] = {}
    keys = zip(images.pictures, images.questions, strict=True)
    group = np.array(
        [first.setdefault((picture.sha256, question), i) for i, (picture, question) in enumerate(keys)], dtype=np.int64
    )
    if len(clash := np.flatnonzero(images.labels[group] != images.labels)):
        i, j = int(group[clash[0]]), int(clash[0])
        cause = f"{quoted(images.names[i])} and {quoted(images.names[j])} are identical."
        raise UserError("The same image is in two classes.", cause, "Remove one of the two.")
    return group
