"""Sparse Attention Vectors (arXiv 2412.00142): a few attention heads, each a nearest-class-mean classifier, vote.

Reads the vector of every head at the last prompt position (the input of the attention's output projection, split by heads) with
its own hooks; ``sn_viz.extract`` reads scalars only.
"""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import torch
from torch import nn

from sn_viz.baselines import BASELINES, Context
from sn_viz.errors import UserError
from sn_viz.types import Baseline, LabelledImages

N_HEADS = 20
"""How many heads vote, as in the paper."""
BATCH = 8
_PROJECTIONS = ("o_proj", "out_proj", "wo", "c_proj", "dense")


@BASELINES.register("sav")
def run(context: Context) -> Baseline:
    """Sparse Attention Vectors: keep the 20 attention heads whose nearest-class-mean rule (cosine) is most accurate on the probing
    images, and let them vote."""
    vlm, train, test = context.vlm, context.train, context.test
    seen = _head_vectors(context, train, 0.0)
    voter = HeadVote(seen, train.labels, context.n_classes, N_HEADS)
    predicted = voter.predict(_head_vectors(context, test, 0.3))

    def label_of(asked: tuple) -> int:
        return int(voter.predict(read_heads(vlm, [asked[0]], [asked[1]]))[0])

    return Baseline(
        name="sav",
        predicted=predicted,
        accuracy=context.accuracy(predicted),
        latency_ms=context.latency_ms(label_of),
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


def read_heads(vlm, pictures, questions) -> np.ndarray:
    """Read every attention head's vector at the last prompt position.

    Parameters
    ----------
    vlm : Vlm
        The model.
    pictures : sequence of Picture
    questions : sequence of str
        One per picture.

    Returns
    -------
    numpy.ndarray
        float32 (example, head, unit), heads of the first layer first; shorter heads are padded with zeros, which no cosine sees.

    Raises
    ------
    UserError
        When no block has an attention whose output projection can be found.
    """
    read: list[torch.Tensor] = []
    n_heads = vlm.module.config.get_text_config().num_attention_heads

    def keep(module: nn.Module, arguments: tuple, named: dict) -> None:
        hidden = arguments[0] if arguments else next(iter(named.values()))
        last = hidden.reshape(len(pictures), -1, hidden.shape[-1])[:, -1]
        read.append(last.reshape(len(pictures), n_heads, -1).float().cpu())

    inputs = vlm.prepare(pictures, questions)
    with vlm.lock, torch.inference_mode(), ExitStack() as hooks:
        for projection in output_projections(vlm.blocks):
            hooks.callback(projection.register_forward_pre_hook(keep, with_kwargs=True).remove)
        vlm.module(**inputs, **vlm.forward_options())
    widest = max(vector.shape[-1] for vector in read)
    return torch.cat([nn.functional.pad(vector, (0, widest - vector.shape[-1])) for vector in read], dim=1).numpy()


def output_projections(blocks: nn.ModuleList) -> list[nn.Module]:
    """Return the attention output projection of every block that has one, in order."""
    found = []
    for block in blocks:
        paths = [(path, m) for path, m in block.named_modules() if path.rpartition(".")[2] in _PROJECTIONS and "att" in path]
        found += [m for _, m in paths[:1]]
    if not found:
        raise UserError(
            "Sparse Attention Vectors cannot read this model.",
            "No attention output projection was found in its blocks.",
            "Leave 'sav' out of the comparison.",
        )
    return found


def _unit_length(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _head_vectors(context: Context, images: LabelledImages, done: float) -> np.ndarray:
    rows = []
    for start in range(0, len(images), BATCH):
        context.progress(min(done + 0.7 * start / len(images), 1.0), "Reading attention heads")
        batch = slice(start, start + BATCH)
        rows.append(read_heads(context.vlm, images.pictures[batch], images.questions[batch]))
    return np.concatenate(rows)
