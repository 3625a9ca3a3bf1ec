"""The logit lens: what the model would say if it had to speak after each layer."""

from __future__ import annotations

import numpy as np
import torch

from sn_viz.baselines import BASELINES, Context, reads
from sn_viz.baselines.answers import answer_words, class_logits
from sn_viz.types import Baseline, Interval

BATCH = 64


@BASELINES.register("logit-lens")
@reads("residual")
def run(context: Context) -> Baseline:
    """Apply the final norm and the LM head to the residual stream after every layer and compare the logits of the answers. Nothing
    is trained; the layer is the most accurate one on the probing images."""
    vlm, train, test = context.vlm, context.train, context.test
    n_layers = len(context.residual)
    last = spoken(vlm, context.residual[-1][0])
    words = answer_words(vlm, last, train.classes, train.question, context.key)
    if not context.key.known and answer_words(vlm, last, train.classes, train.question, context.key, fitted=True) != words:
        return _cannot_tell(len(test))
    on_train, on_test = [], []
    for layer, (seen, unseen) in enumerate(context.residual, start=1):
        context.progress(layer / (n_layers + 1), f"Logit lens: layer {layer} of {n_layers}")
        on_train.append(class_logits(vlm, spoken(vlm, seen), train.classes, words=words).argmax(axis=1))
        on_test.append(class_logits(vlm, spoken(vlm, unseen), test.classes, words=words).argmax(axis=1))
    chosen = int(np.argmax([np.mean(said == train.labels) for said in on_train])) + 1
    predicted = on_test[chosen - 1].astype(np.int64)

    def label_of(asked: tuple) -> int:
        hidden = residual_after(vlm, asked, chosen)
        return int(class_logits(vlm, spoken(vlm, hidden), test.classes, words=words).argmax())

    return Baseline(
        name="logit-lens",
        predicted=predicted,
        accuracy=context.accuracy(predicted),
        latency_ms=context.latency_ms(label_of),
        note=f"Compares the logits of {' / '.join(words)} after layer {chosen}, the best on the probing images.",
        by_layer=tuple(context.accuracy(said) for said in on_test),
    )


def _cannot_tell(n_test: int) -> Baseline:
    """Return the lens of a model that says yes and no where it is not known what they stand for: nothing here is fitted."""
    note = "Cannot tell which class yes stands for, so that the logits of yes and no cannot be compared."
    return Baseline("logit-lens", np.full(n_test, -1, np.int64), Interval(np.nan, 0.0, 1.0, n_test), np.nan, note)


def residual_after(vlm, asked: tuple, layer: int) -> np.ndarray:
    """Run the model on one ``(picture, question)`` up to ``layer`` only; return the residual stream there, float32 (1, unit)."""
    from sn_viz.activations.extract import neurons_of
    from sn_viz.activations.reader import truncated_forward

    values = np.asarray(truncated_forward(vlm, vlm.prepare([asked[0]], [asked[1]]), layer, ("residual",)))
    return values[:, neurons_of(vlm, ("residual",), layer).layer == layer].astype(np.float32)


def spoken(vlm, hidden: np.ndarray) -> np.ndarray:
    """Return the vocabulary logits, float32 (example, vocabulary), of residual vectors float32 (example, unit)."""
    rows = []
    with torch.inference_mode():
        for start in range(0, len(hidden), BATCH):
            batch = torch.from_numpy(np.ascontiguousarray(hidden[start : start + BATCH])).to(vlm.device, vlm.dtype)
            rows.append(vlm.unembed(batch).float().cpu().numpy())
    return np.concatenate(rows)
