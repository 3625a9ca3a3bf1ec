"""Let a model answer until its answer names a class, each picture and prompt once.

Takes a model, pictures and questions; returns texts. What was generated is kept in the store of activations, a text as its UTF-8
bytes under the picture and the question, checked as every row there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sn_viz.activations.extract import Writing, as_row, row_names
from sn_viz.activations.legs import each
from sn_viz.baselines.answers.key import OBSERVED, observe
from sn_viz.types import AnswerKey, LabelledImages, Picture, Progress

if TYPE_CHECKING:
    from sn_viz.activations.store import Store
    from sn_viz.models import Vlm

BATCH = 8
VERSION = 1
"""Of how answers are generated; those that were kept before it grew are generated anew."""


def written_answers(
    vlm: Vlm, pictures: Sequence[Picture], questions: Sequence[str], key: AnswerKey | None, batch_size: int = BATCH
) -> list[str]:
    """Return the model's greedy answers: eight tokens, and more while they name no class, up to 64 (``Vlm.generate``).

    With a key that is None or unknown, eight tokens.
    """
    if key is None or not key.known:
        return vlm.generate(pictures, questions, batch_size=batch_size)
    return vlm.generate(pictures, questions, batch_size=batch_size, reading=_reader(key, questions))


def written_while_read(vlm: Vlm, key: AnswerKey) -> Writing:
    """Return what lets `extract` keep the answers that `kept_answers` then finds, so that no picture is looked at twice."""
    return Writing(partial(_written_at_once, key=key), _answers_key(vlm, key))


def _written_at_once(vlm: Vlm, pictures: Sequence[Picture], questions: Sequence[str], key: AnswerKey) -> list[str]:
    return written_answers(vlm, pictures, questions, key, batch_size=len(pictures))


def kept_answers(
    vlm: Vlm, images: LabelledImages, key: AnswerKey | None, cache: Store | None, progress: Callable[[int, int], None]
) -> list[str]:
    """Return what `written_answers` says about every image, of those that were asked before what was said then.

    Parameters
    ----------
    vlm : Vlm
    images : LabelledImages
    key : AnswerKey, optional
        It decides how long an answer becomes, so answers are kept for each key by themselves.
    cache : Store, optional
        Where answers are kept.
    progress : callable
        Told how many answers there are, and of how many, after each batch; may raise ``Cancelled``.

    Returns
    -------
    list of str
        In the order of the images. Those that are not kept are generated in batches.
    """
    names, under = row_names(images), "" if cache is None else _answers_key(vlm, key)
    kept = {} if cache is None else cache.get(under, names)
    said = {row: kept[name].tobytes().decode() for row, name in enumerate(names) if name in kept}
    missing = [row for row in range(len(names)) if row not in said]
    spans = [missing[start : start + BATCH] for start in range(0, len(missing), BATCH)]
    calls = [([images.pictures[row] for row in rows], [images.questions[row] for row in rows], key) for rows in spans]
    progress(len(said), len(names))
    for rows, texts in zip(spans, each(vlm, written_answers, calls), strict=True):
        said.update(zip(rows, texts, strict=True))
        if cache is not None:
            cache.put(under, {names[row]: as_row(text) for row, text in zip(rows, texts, strict=True)})
        progress(len(said), len(names))
    return [said[row] for row in range(len(names))]


def n_kept(vlm: Vlm, images: LabelledImages, key: AnswerKey | None, cache: Store, beside: Collection[str] = ()) -> int:
    """Return how many of these images `kept_answers` need not ask about; ``beside``: rows that are written while they are read."""
    under = _answers_key(vlm, key)
    return sum(name in beside or cache.has(under, name) for name in row_names(images))


def _answers_key(vlm: Vlm, key: AnswerKey | None) -> str:
    """Return the name in the store of a model's answers: the model, and what says when an answer is whole."""
    known = key is not None and key.known
    reading = (key.classes, key.words, key.yes, key.no, key.by_question, key.rule) if known else ()  # type: ignore[union-attr]
    return f"{vlm.key}.answers-{VERSION}.{hashlib.sha256(repr(reading).encode()).hexdigest()[:16]}"


def _reader(key: AnswerKey, questions: Sequence[str]) -> Callable[[int, str], int]:
    from sn_viz.baselines.answers import parse_answer

    def reading(row: int, text: str) -> int:
        if key.rule and "." not in text:  # published rules read whole sentences
            return -1
        return parse_answer(text, key.classes, questions[row], key)

    return reading


def observed(vlm: Vlm, train: LabelledImages, key: AnswerKey, progress: Progress, cache: Store | None = None) -> AnswerKey:
    """Return the key after looking at what the model says about probing images, where names and question tell nothing.

    Which images: ``OBSERVED`` at most, evenly spread over the split. Their labels are not looked at.
    """
    if key.known:
        return key
    rows = np.unique(np.linspace(0, len(train) - 1, min(OBSERVED, len(train))).astype(int))

    def tell(done: int, total: int) -> None:
        progress(done / total, "Looking which words the model answers with")

    return observe(key, kept_answers(vlm, train.take(rows), None, cache, tell))
