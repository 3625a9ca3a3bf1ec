"""The live race: one image, the super neurons block by block against the full model's own answer.

Takes a Run, its model and one image; returns what each block's voters said and when, measured in one streamed pass, and the full
model's answer with its own time. It knows nothing of widgets.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from sn_viz.baselines.answers.said import written_answers
from sn_viz.classifier import votes_by_layer
from sn_viz.exits import stream_layers
from sn_viz.models import Vlm
from sn_viz.pipeline import predict
from sn_viz.types import LabelledImages, Picture, Progress, Run


@dataclass(frozen=True, eq=False)
class Race:
    """One image's race."""

    tally: np.ndarray
    """float32 (layer, class): share of the vote after each of ``layers``."""
    milliseconds: np.ndarray
    """float64 (layer,): from the decoded image until the block had finished, in the streamed pass."""
    layers: range
    """What the layer axis stands for: those of the vision tower, when they were read, then the decoder's."""
    exit_layer: int
    exit_answer: str
    exit_ms: float
    """Of a pass of its own that really stops there, voting included."""
    full_answer: str
    full_ms: float


def race(
    run: Run, vlm: Vlm, picture: Picture, question: str, exit_layer: int, progress: Progress = lambda fraction, text: None
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
        The early exit, the full answer and the blocks are timed in one pass each, the only ones there are.
    """
    images = LabelledImages(("image",), (picture,), np.array([-1]), run.train.classes, (question,))
    progress(0.0, "The early exit is running")
    early = predict(run, images, exit_layer, vlm=vlm)[0]
    progress(0.3, "The full model is answering")
    start = time.perf_counter()
    answer = written_answers(vlm, [picture], [question], run.answer_key)[0]
    full_ms = 1000 * (time.perf_counter() - start)
    progress(0.75, "Every block is being timed")
    start = time.perf_counter()
    inputs = vlm.prepare([picture], [question])
    before = time.perf_counter() - start
    stream = stream_layers(vlm, inputs, run.neurons.site_names)
    values = np.concatenate([block.values for block in stream.blocks], axis=1).astype(run.train_values.dtype)
    layers = run.neurons.layers
    votes = votes_by_layer(values, run.voters, len(run.train.classes), run.config.weighting, layers.start)
    clock = 1000 * (before + np.array([block.seconds for block in stream.blocks]))
    return Race(votes.tally[0], clock, layers, exit_layer, early.label, early.milliseconds, answer, full_ms)
