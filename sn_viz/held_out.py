"""What may be tested on: checks and aligns labelled images before a run, so that nothing seen in the search is in the test.

Takes and returns ``LabelledImages``; knows nothing about files or models.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sn_viz.errors import UserError
from sn_viz.sources.text import label_key
from sn_viz.types import LabelledImages


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
    number_of = {name: by_key.get(label_key(name), -1) for name in test.classes}
    number_of |= {name: number for number, name in enumerate(train.classes) if name in number_of}
    unknown = sorted(name for name in {test.classes[c] for c in np.unique(test.labels)} if number_of[name] < 0)
    if unknown:
        raise UserError(
            f"The test set has the class {unknown[0]!r}, which the probing set lacks.",
            f"The probing set has: {', '.join(train.classes)}.",
            "Use the same class names in both.",
        )
    new = np.array([number_of[name] for name in test.classes], np.int64)
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
        raise UserError(
            "Every test image is also a probing image.", "Testing on them would say nothing.", "Give other test images."
        )
    left_out = len(test) - len(fresh)
    if not left_out:
        return test
    note = f"{left_out} test images are also probing images and were left out of the test."
    return replace(test.take(fresh), notes=(*test.notes, note))


def asked(images: LabelledImages) -> set[tuple[str, str]]:
    """Return the (picture digest, question) pairs of a set."""
    return {(picture.sha256, question) for picture, question in zip(images.pictures, images.questions, strict=True)}
