"""The full model with a fair chance: its first-token logits, with a cut fitted on the probing images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sn_viz.activations.legs import each
from sn_viz.baselines import BASELINES, Context, reads
from sn_viz.baselines.answers import answer_words, class_logits
from sn_viz.baselines.logit_lens import spoken
from sn_viz.types import Baseline, LabelledImages, Picture

if TYPE_CHECKING:
    from sn_viz.models.vlm import Vlm

BATCH = 8
HALF_MAX = float(np.finfo(np.float16).max)


@BASELINES.register("full-model-calibrated")
@reads("residual")
def run(context: Context) -> Baseline:
    """Compare the full model's logits of the answers, moved by offsets that are fitted on the probing images. With two classes that
    is one threshold on yes minus no, in either direction, so that a model that answers the wrong way round is put right."""
    vlm, train, test = context.vlm, context.train, context.test
    seen, unseen = _first_token_logits(context)
    words = answer_words(vlm, seen, train.classes, train.question, context.key, fitted=True)
    fitted = fit_offsets(class_logits(vlm, seen, train.classes, words=words), train.labels)
    predicted = fitted.predict(class_logits(vlm, unseen, test.classes, words=words))

    def label_of(asked: tuple) -> int:
        logits = vlm.first_token_logits([asked[0]], [asked[1]])
        return int(fitted.predict(class_logits(vlm, logits, test.classes, words=words))[0])

    return Baseline(
        name="full-model-calibrated",
        predicted=predicted,
        accuracy=context.accuracy(predicted),
        latency_ms=context.latency_ms(label_of),
        note=f"Compares the logits of {' / '.join(words)}; the cut is fitted on {len(train)} probing images"
        + _direction(fitted, context.key.known),
    )


def _direction(fitted: Offsets, known: bool) -> str:
    if not known:
        return ", which of them stands for which class too."
    return ", and says the opposite of the model." if fitted.sign < 0 else "."


class Offsets:
    """Adds one number to the logit of each class and takes the largest.

    Parameters
    ----------
    offset : numpy.ndarray
        float64 (class,).
    sign : int
        -1 turns two classes round, +1 otherwise.
    """

    def __init__(self, offset: np.ndarray, sign: int = 1) -> None:
        self.offset, self.sign = offset, sign

    def predict(self, logits: np.ndarray) -> np.ndarray:
        """Return int64 (example,) for float (example, class) logits; ties go to the first class."""
        return np.argmax(self.sign * (logits + self.offset), axis=1).astype(np.int64)


def fit_offsets(logits: np.ndarray, labels: np.ndarray, sweeps: int = 5) -> Offsets:
    """Fit the offsets that maximise balanced accuracy.

    Two classes: every cut between neighbouring differences is tried, in both directions. More: one class at a time is moved to its
    best place, from no offsets at all, until nothing improves.

    Parameters
    ----------
    logits : numpy.ndarray
        float (example, class).
    labels : numpy.ndarray
        int64 (example,).
    sweeps : int
        How often each class may move.

    Returns
    -------
    Offsets
        On ties the smallest move, and the model's own direction, win.

    Examples
    --------
    >>> fit_offsets(np.array([[0.0, 5.0], [0.0, 6.0], [0.0, 8.0]]), np.array([0, 0, 1])).offset
    array([ 0., -7.])
    """
    n_classes = logits.shape[1]
    logits = logits.astype(np.float64)
    if n_classes == 2:
        cuts = _between(logits[:, 1] - logits[:, 0])
        choices = [Offsets(np.array([0.0, -cut]), sign) for sign in (1, -1) for cut in sorted(cuts, key=abs)]
        return max(choices, key=lambda c: _balanced_accuracy(labels, c.predict(logits), n_classes))
    best = Offsets(np.zeros(n_classes))
    best_score = _balanced_accuracy(labels, best.predict(logits), n_classes)
    for _ in range(sweeps):
        before = best_score
        for moved in range(n_classes):
            others = np.delete(logits + best.offset, moved, axis=1).max(axis=1)
            for cut in sorted(_between(others - logits[:, moved]), key=abs):
                offset = best.offset.copy()
                offset[moved] = cut
                score = _balanced_accuracy(labels, Offsets(offset).predict(logits), n_classes)
                if score > best_score:
                    best, best_score = Offsets(offset), score
        if best_score == before:
            break
    return best


def _between(values: np.ndarray) -> np.ndarray:
    """Return a cut below, between and above the distinct values, float64 (distinct + 1,)."""
    distinct = np.unique(values)
    return np.concatenate([[distinct[0] - 1], (distinct[1:] + distinct[:-1]) / 2, [distinct[-1] + 1]])


def _balanced_accuracy(labels: np.ndarray, predicted: np.ndarray, n_classes: int) -> float:
    present = [c for c in range(n_classes) if np.any(labels == c)]
    return float(np.mean([np.mean(predicted[labels == c] == c) for c in present]))


def _first_token_logits(context: Context) -> list[np.ndarray]:
    """Return float32 (example, vocabulary) of the probing and the test split.

    They are read off the residual stream behind the last layer, which the run has already, unless that was cut to float16's range.
    """
    if all(np.abs(values).max(initial=0) < HALF_MAX for values in context.residual[-1]):
        return [spoken(context.vlm, values) for values in context.residual[-1]]
    context.progress(0.1, "Reading the full model's first token")
    return [np.concatenate(list(_logits_in_batches(context, split))) for split in (context.train, context.test)]


def _logits_in_batches(context: Context, images: LabelledImages) -> Iterator[np.ndarray]:
    spans = [slice(start, start + BATCH) for start in range(0, len(images), BATCH)]
    return each(context.vlm, first_token_logits, [(images.pictures[rows], images.questions[rows]) for rows in spans])


def first_token_logits(vlm: Vlm, pictures: Sequence[Picture], questions: Sequence[str]) -> np.ndarray:
    """Return float32 (example, vocabulary); a function of a module, so that it can be asked of a model on another device."""
    return vlm.first_token_logits(pictures, questions)
