"""The live race: one image, the super neurons against the full model's own answer, on one clock.

Takes a Run, its model and one image; returns when each of the two lanes had its answer, when each block of the full model's lane
had finished, and what the voters of every block say. It knows nothing of widgets.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from sn_viz.activations.streaming import block_clock, stream_layers
from sn_viz.baselines.answers import answer_words, class_logits
from sn_viz.baselines.answers.said import written_answers
from sn_viz.baselines.logit_lens import spoken
from sn_viz.models import Vlm
from sn_viz.pipeline import predict
from sn_viz.types import LabelledImages, Picture, Progress, RunRecord, Votes
from sn_viz.voting.votes import votes_by_layer


@dataclass(frozen=True, eq=False)
class Race:
    """One image's race."""

    tally: np.ndarray
    """float32 (layer, class): share of the vote after each of ``layers``."""
    milliseconds: np.ndarray
    """float64 (layer,): from the decoded image until the block had finished, in the very pass that gave the full answer."""
    layers: range
    """What the layer axis stands for: those of the vision tower, when they were read, then the decoder's."""
    exit_layer: int
    exit_answer: str
    exit_ms: float
    """From the decoded image to the vote, in a pass that really stops there."""
    full_answer: str
    full_ms: float
    """From the decoded image to the text: on the same clock, after the blocks of ``milliseconds``."""
    lens: np.ndarray | None = None
    """float64 (layer, class): what the model would answer if it had to speak after each block, as shares of the answers' chances;
    NaN in the vision tower. None where the run has no logit lens."""

    @property
    def votes(self) -> Votes:
        """The tally as the votes of one example, which is what exit policies look at."""
        ranked = np.sort(self.tally, axis=1)
        margin = ranked[:, -1] - ranked[:, -2]
        return Votes(self.tally[None], self.tally.argmax(axis=1)[None], margin[None], self.layers.start)


def race(
    run: RunRecord, vlm: Vlm, picture: Picture, question: str, exit_layer: int, progress: Progress = lambda fraction, text: None
) -> Race:
    """Let the super neurons and the full model answer ``question`` about ``picture``.

    Parameters
    ----------
    run : Run
    vlm : Vlm
        The model the run was made with.
    picture : Picture
    question : str
    exit_layer : int
        From 1; 0 and less in the vision tower.
    progress : callable
        Called between passes, never inside one; may raise ``Cancelled``.

    Returns
    -------
    Race
        Each lane runs alone and once, from the decoded image. What the voters of later blocks say is read in a third pass, which
        gives no times.
    """
    images = LabelledImages(("image",), (picture,), np.array([-1]), run.train.classes, (question,))
    layers = run.neurons.layers
    progress(0.0, "The early exit is running")
    early = predict(run, images, exit_layer, vlm=vlm)[0]
    progress(0.3, "The full model is answering")
    with block_clock(vlm, layers) as finished:
        start = time.perf_counter()
        answer = written_answers(vlm, [picture], [question], run.answer_key)[0]
        full_ms = 1000 * (time.perf_counter() - start)
    clock = 1000 * np.array([finished.get(layer, np.nan) - start for layer in layers])
    progress(0.75, "The votes of every block are being read")
    stream = stream_layers(vlm, vlm.prepare([picture], [question]), run.neurons.site_names)
    values = np.concatenate([block.values for block in stream.blocks], axis=1).astype(run.train_values.dtype)
    votes = votes_by_layer(values, run.voters, len(run.train.classes), run.config.weighting, layers.start)
    lens = lens_of(run, vlm, values)
    return Race(votes.tally[0], clock, layers, exit_layer, early.label, early.milliseconds, answer, full_ms, lens)


def lens_of(run: RunRecord, vlm: Vlm, values: np.ndarray) -> np.ndarray | None:
    """Return the logit lens of one image after every block, as `sn_viz.baselines.logit_lens` reads it.

    Parameters
    ----------
    run : Run
    vlm : Vlm
    values : np.ndarray
        float (1, neuron): what the run's neurons say.

    Returns
    -------
    np.ndarray or None
        float64 (layer, class): the share of each answer; NaN in the vision tower. None unless the run compared with the lens and
        read the residual stream.
    """
    neurons, classes = run.neurons, run.train.classes
    measured = any(method.name == "logit-lens" and np.isfinite(method.accuracy.value) for method in run.baselines)
    if not measured or "residual" not in neurons.site_names:
        return None
    residual = neurons.site == neurons.site_names.index("residual")
    last = spoken(vlm, run.train_values[:, residual & (neurons.layer == neurons.n_layers)].astype(np.float32))
    words = answer_words(vlm, last, classes, run.train.question, run.answer_key)
    shares = np.full((len(neurons.layers), len(classes)), np.nan)
    for row, layer in enumerate(neurons.layers):
        if layer >= 1:
            hidden = values[:, residual & (neurons.layer == layer)].astype(np.float32)
            logits = class_logits(vlm, spoken(vlm, hidden), classes, words=words)[0].astype(np.float64)
            raised = np.exp(logits - logits.max())
            shares[row] = raised / raised.sum()
    return shares
