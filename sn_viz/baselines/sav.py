"""Sparse Attention Vectors (arXiv 2412.00142): a few attention heads, each a nearest-class-mean classifier, vote.

Reads the site "attention-head": what every head fetched for the last prompt position, before the output projection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sn_viz.activations.extract import neurons_of
from sn_viz.activations.reader import truncated_forward
from sn_viz.baselines import BASELINES, Context, reads
from sn_viz.types import Activations, Baseline, Neurons

if TYPE_CHECKING:
    from sn_viz.models import Vlm

N_HEADS = 20
"""How many heads vote, as in the paper."""
SITE = "attention-head"


@BASELINES.register("sav")
@reads(SITE)
def run(context: Context) -> Baseline:
    """Sparse Attention Vectors: keep the 20 attention heads whose nearest-class-mean rule (cosine) is most accurate on the probing
    images, and let them vote."""
    vlm = context.vlm
    seen, unseen = (heads_of(vlm, read) for read in context.read((SITE,)))
    voter = HeadVote(seen, context.train.labels, context.n_classes, N_HEADS)
    predicted = voter.predict(unseen)
    return Baseline(
        name="sav",
        predicted=predicted,
        accuracy=context.accuracy(predicted),
        latency_ms=context.latency_ms(lambda asked: voter.predict(read_heads(vlm, asked))),
        note=f"{len(voter.heads)} of {seen.shape[1]} heads vote.",
    )


class HeadVote:
    """Nearest-class-mean classifiers on the most accurate heads.

    Parameters
    ----------
    vectors : numpy.ndarray
        float32 (example, head, unit).
    labels : numpy.ndarray
        int64 (example,).
    n_classes : int
        Number of classes; a class without examples is never predicted.
    n_heads : int
        How many heads vote; ties in accuracy go to the earlier head.
    """

    def __init__(self, vectors: np.ndarray, labels: np.ndarray, n_classes: int, n_heads: int = N_HEADS) -> None:
        self.n_classes = n_classes
        zero = np.zeros(vectors.shape[1:], np.float32)
        self.means = np.stack([vectors[labels == c].mean(axis=0) if np.any(labels == c) else zero for c in range(n_classes)])
        """float32 (class, head, unit)."""
        self.absent = np.array([not np.any(labels == c) for c in range(n_classes)])
        self.heads = np.arange(vectors.shape[1])
        said = self.predict_heads(vectors)
        accuracy = np.mean(said == labels[:, None], axis=0)
        self.heads = np.argsort(-accuracy, kind="stable")[:n_heads]

    def predict_heads(self, vectors: np.ndarray) -> np.ndarray:
        """Return what each voting head says: int64 (example, voting head), the class of the nearest mean by cosine."""
        vectors, means = _unit_length(vectors[:, self.heads]), _unit_length(self.means[:, self.heads])
        cosine = np.einsum("ehu,chu->ehc", vectors, means)
        cosine[..., self.absent] = -np.inf
        return cosine.argmax(axis=-1)

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """Return the majority of the voting heads, int64 (example,); ties go to what the best head among the tied says."""
        says = self.predict_heads(vectors)[..., None] == np.arange(self.n_classes)
        best_head = says.argmax(axis=1)  # (example, class): the first, that is the most accurate, head that says so
        return np.lexsort((best_head, -says.sum(axis=1)), axis=1)[:, 0].astype(np.int64)


def read_heads(vlm: Vlm, asked: tuple) -> np.ndarray:
    """Run the model on one ``(picture, question)`` and return its attention heads, float32 (1, head, unit); see `heads_of`."""
    values = truncated_forward(vlm, vlm.prepare([asked[0]], [asked[1]]), vlm.n_layers, (SITE,))
    return _divided(vlm, values, neurons_of(vlm, (SITE,)))


def heads_of(vlm: Vlm, read: Activations) -> np.ndarray:
    """Divide what was read at the site "attention-head" into heads.

    Returns
    -------
    numpy.ndarray
        float32 (example, head, unit), heads of the first layer first; shorter heads are padded with zeros, which no cosine sees.
    """
    return _divided(vlm, read.values, read.neurons)


def _divided(vlm: Vlm, values: np.ndarray, neurons: Neurons) -> np.ndarray:
    n_heads = vlm.module.config.get_text_config().num_attention_heads
    widths = np.bincount(neurons.layer)[1:]
    blocks = np.split(values.astype(np.float32), np.cumsum(widths)[:-1], axis=1)
    heads = [block.reshape(len(values), n_heads, -1) for block in blocks if block.shape[1]]
    widest = max(block.shape[-1] for block in heads)
    return np.concatenate([np.pad(block, ((0, 0), (0, 0), (0, widest - block.shape[-1]))) for block in heads], axis=1)


def _unit_length(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
