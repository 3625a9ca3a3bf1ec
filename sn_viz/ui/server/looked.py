"""Which test images a visitor has seen results on, and how many of them were relabelled or left out since.

Takes runs as they are shown and as they are found; returns the number that marks every held-out figure "edited after looking (n)".
It does not ask by which door a picture went: what counts is that an example that was tested on in a shown result now has another
label, or is gone. Moving it between probing and test changes nothing of that; taking the change back before the next run does.
It knows nothing of widgets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

from sn_viz.types import LabelledImages, RunRecord
from sn_viz.voting.verdict import edited_reason

AnyRun = TypeVar("AnyRun", bound=RunRecord)


class Tested(NamedTuple):
    """How an example was when a result on it was first shown."""

    label: str
    only_question: bool
    """Whether its question was asked of every picture: then other words may stand in its place."""


@dataclass(frozen=True)
class Looked:
    """What one visitor has seen."""

    tested: Mapping[tuple[str, str], Tested] = field(default_factory=dict)
    """(picture's sha256, question) of every example that a shown result was measured on."""
    pictures: frozenset[str] = frozenset()
    """sha256 of every picture of a shown result, probing or test: a test of others only is a new one."""
    edited: int = 0
    """The largest count that a result had when it was opened, edited elsewhere; it stays with its pictures."""


def size_of_looked(looked: Looked) -> int:
    """Return about the bytes of what was seen."""
    return 400 * len(looked.tested) + 150 * len(looked.pictures)


def looked_at(looked: Looked, run: RunRecord) -> Looked:
    """Return what has been seen once ``run`` is shown; a label counts as it was when its example was first tested on."""
    if run.no_held_out:
        return looked
    only = len({question for split in (run.train, run.test) for _, question in _keys(split)}) == 1
    told = {
        key: Tested(name, only) for key, name in zip(_keys(run.test), _classes(run.test), strict=True) if key not in looked.tested
    }
    shown = {picture.sha256 for split in (run.train, run.test) for picture in split.pictures}
    from_elsewhere = run.edited_after_looking if len(told) == len(set(_keys(run.test))) else 0
    return Looked({**looked.tested, **told}, looked.pictures | shown, max(looked.edited, from_elsewhere))


def edited_since(looked: Looked, run: RunRecord, by_hand: Iterable[str] = ()) -> int:
    """Return how many examples with a seen result were relabelled or left out before ``run`` was found.

    Parameters
    ----------
    looked : Looked
        What had been seen.
    run : RunRecord
        Just found.
    by_hand : iterable of str
        sha256 of the pictures that the page's own edits name: those count whatever the question is now.

    Returns
    -------
    int
        Examples: a picture that is asked two questions is two. 0 when no picture of the test was in a shown result: it is new.
    """
    if not any(picture.sha256 in looked.pictures for picture in run.test.pictures):
        return 0
    now: dict[str, list[tuple[str, str]]] = {}
    for split in (run.train, run.test):
        for (sha, question), name in zip(_keys(split), _classes(split), strict=True):
            now.setdefault(sha, []).append((question, name))
    asked = {question for told in now.values() for question, _ in told}
    named, compared = set(by_hand), {}
    for (sha, question), seen in looked.tested.items():
        told = now.get(sha, [])
        if question not in asked and sha in named and seen.only_question:  # it is asked in other words now
            compared[sha, question] = seen.label, [label for _, label in told]
        elif question in asked or sha in named:
            compared[sha, question] = seen.label, [label for each, label in told if each == question]
    called = _called_now(compared.values(), run.train.classes)
    return looked.edited + sum(called.get(name, name) not in labels for name, labels in compared.values())


def marked(run: AnyRun, looked: Looked | None, by_hand: Iterable[str] = ()) -> AnyRun:
    """Return ``run``, and where test images were edited after looking with their number, and a warning that says so."""
    n = 0 if looked is None else edited_since(looked, run, by_hand)
    if not n:
        return run
    run = replace(run, edited_after_looking=n)
    return replace(run, warnings=(edited_reason(run), *run.warnings))


def _keys(images: LabelledImages) -> list[tuple[str, str]]:
    return [
        (picture.sha256, " ".join(question.casefold().split()))
        for picture, question in zip(images.pictures, images.questions, strict=True)
    ]


def _classes(images: LabelledImages) -> list[str]:
    return [images.classes[label] if label >= 0 else "" for label in images.labels.tolist()]


def _called_now(compared: Iterable[tuple[str, list[str]]], classes: tuple[str, ...]) -> dict[str, str]:
    """Return what each class that is no longer there is called now: as most of its examples are."""
    moved: dict[str, Counter[str]] = {}
    for name, labels in compared:
        if name not in classes:
            moved.setdefault(name, Counter()).update(labels)
    return {name: count.most_common(1)[0][0] for name, count in moved.items() if count}
