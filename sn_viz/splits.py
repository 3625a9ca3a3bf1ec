"""Probing and test split: takes labelled images, returns two sets that share no picture. numpy only; knows nothing about models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sn_viz.errors import UserError
from sn_viz.types import LabelledImages


def split_images(images: LabelledImages, test_size: float, seed: int) -> tuple[LabelledImages, LabelledImages]:
    """Divide images into a probing and a test split, class by class.

    Copies of one picture always stay together, whatever they are asked.

    Parameters
    ----------
    images : LabelledImages
        At least two distinct pictures of every class.
    test_size : float
        Fraction for testing, inside (0, 1); every class keeps at least one picture on each side.
    seed : int
        Of the shuffle.

    Returns
    -------
    tuple of LabelledImages
        Probing and test split, each in the original order.

    Raises
    ------
    UserError
        When ``test_size`` is not inside (0, 1), or a class has fewer than two distinct pictures.
    """
    if not 0 < test_size < 1:
        raise UserError(f"The test size {test_size:g} is not possible.", "It is the fraction of images kept for testing.", "Use 0.5.")
    rng = np.random.default_rng(seed)
    first_label: dict[str, int] = {}
    for picture, label in zip(images.pictures, images.labels.tolist(), strict=True):
        first_label.setdefault(picture.sha256, label)
    kept_for_test: set[str] = set()
    for label, name in enumerate(images.classes):
        shas = [sha for sha, first in first_label.items() if first == label]
        if len(shas) < 2:
            raise UserError(
                f"Class {name!r} has {len(shas)} distinct image{'' if len(shas) == 1 else 's'}.",
                "One is needed for finding neurons and another for testing them.",
                "Add images of this class, ideally 10 or more.",
            )
        n_test = min(max(round(len(shas) * test_size), 1), len(shas) - 1)
        kept_for_test.update(shas[i] for i in rng.permutation(len(shas))[:n_test])
    in_test = np.array([picture.sha256 in kept_for_test for picture in images.pictures])
    return images.take(np.flatnonzero(~in_test)), images.take(np.flatnonzero(in_test))


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
        raise UserError(f"The {what} has fewer than two classes.", found, "Give images of at least two classes, one folder per class.")
    if not all(question.strip() for question in kept.questions):
        raise UserError("There is no question to ask.", "The images came without one.", "Give one, for example --question 'Is there a dog?'.")
    return replace(kept, classes=tuple(kept.classes[c] for c in present), labels=np.searchsorted(present, kept.labels).astype(np.int64))


def align_classes(test: LabelledImages, train: LabelledImages) -> LabelledImages:
    """Renumber the labels of a separate test set to the probing set's classes.

    Raises
    ------
    UserError
        When the test set holds a class that the probing set lacks.
    """
    unknown = sorted({test.classes[c] for c in np.unique(test.labels)} - set(train.classes))
    if unknown:
        raise UserError(
            f"The test set has the class {unknown[0]!r}, which the probing set lacks.",
            f"The probing set has: {', '.join(train.classes)}.",
            "Use the same class names in both.",
        )
    new = np.array([train.classes.index(c) if c in train.classes else -1 for c in test.classes], np.int64)
    return replace(test, labels=new[test.labels], classes=train.classes)


def without_seen(test: LabelledImages, train: LabelledImages) -> LabelledImages:
    """Return the test examples whose picture, asked the same question, is not among the probing examples; say so in the notes.

    Raises
    ------
    UserError
        When nothing is left.
    """
    seen = asked(train)
    fresh = [i for i, pair in enumerate(zip(test.pictures, test.questions, strict=True)) if (pair[0].sha256, pair[1]) not in seen]
    if not fresh:
        raise UserError("Every test image is also a probing image.", "Testing on them would say nothing.", "Give other test images.")
    left_out = len(test) - len(fresh)
    if not left_out:
        return test
    note = f"{left_out} test images are also probing images and were left out of the test."
    return replace(test.take(fresh), notes=(*test.notes, note))


def asked(images: LabelledImages) -> set[tuple[str, str]]:
    """Return the (picture digest, question) pairs of a set."""
    return {(picture.sha256, question) for picture, question in zip(images.pictures, images.questions, strict=True)}
