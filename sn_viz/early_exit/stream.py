"""One image decided while the model is running: block by block until the policy exits.

Takes a model, its inputs, a policy and the voters; returns the decision. What a refused exit has computed the full model's answer
goes on from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from sn_viz.early_exit.policies import Policy
from sn_viz.types import AnswerKey, Neurons, Stumps, Votes

if TYPE_CHECKING:
    from sn_viz.models.vlm import Inputs, Vlm


@dataclass(frozen=True, eq=False)
class Decided:
    """One image, decided while the model was running."""

    class_index: int
    """-1 when the full model's first token names no class."""
    layer: int
    """The last that ran; every block ran once."""
    stopped: bool
    """Whether the vote answered; otherwise the full model did, out of the same pass."""
    tally: Float[np.ndarray, "layer class"]
    """float32 (layer, class): the vote after every block that ran."""
    seconds: float
    """From prepared inputs to the answer, voting included."""
    logits: Float[np.ndarray, " vocabulary"] | None
    """float32 (vocabulary,) of the full model's first token; None when stopped."""
    token: str
    """The full model's first token; "" when stopped."""


def decide_stream(
    vlm: Vlm,
    inputs: Inputs,
    policy: Policy,
    voters: Sequence[Stumps],
    neurons: Neurons,
    classes: Sequence[str],
    question: str = "",
    weighting: str = "majority",
    dtype: Any = np.float16,
    key: AnswerKey | None = None,
) -> Decided:
    """Run one image block by block until the policy exits; nothing that was computed is computed again.

    Parameters
    ----------
    vlm : Vlm
    inputs : dict
        From ``vlm.prepare``, one example.
    policy : Policy
    voters : sequence of Stumps
        The super neurons of every exit layer, in the order of ``neurons.layers``.
    neurons : Neurons
        Those that the voters' columns count in.
    classes : sequence of str
    question : str
        To tell which class "yes" stands for.
    weighting : str
        As for `sn_viz.voting.votes.vote`.
    dtype : type
        Of the activations that the thresholds were fitted on.
    key : AnswerKey, optional
        What each class is answered with; by default what names and question tell.

    Returns
    -------
    Decided
        When every block's vote is refused, the pass goes on through the last norm and the LM head, and the greedy first token is
        read as the full model's answer. Answers whose class needs a second token have to be generated.
    """
    from sn_viz.activations.streaming import BlockReading, stream_layers
    from sn_viz.baselines.answers import parse_answer
    from sn_viz.voting.votes import votes_by_layer

    if len(inputs["input_ids"]) != 1:
        raise ValueError(f"decide_stream decides one example at a time; {len(inputs['input_ids'])} were given")
    values = np.zeros((1, len(neurons)), dtype=dtype)
    said: list[Votes] = []

    def listen(reading: BlockReading) -> bool:
        start, end = neurons.up_to(reading.layer - 1), neurons.up_to(reading.layer)
        values[:, start:end] = reading.values
        here = voters[reading.layer - neurons.layers.start]
        said.append(votes_by_layer(values, [here], len(classes), weighting, reading.layer))
        return policy.should_exit(reading.layer, float(said[-1].margin[0, 0]))

    stream = stream_layers(vlm, inputs, neurons.site_names, listen)
    tally, last = np.concatenate([votes.tally[0] for votes in said]), stream.blocks[-1].layer
    if stream.logits is None:
        return Decided(int(said[-1].predicted[0, 0]), last, True, tally, stream.seconds, None, "")
    token = vlm.tokenizer.decode([int(stream.logits[0].argmax())])
    return Decided(parse_answer(token, classes, question, key), last, False, tally, stream.seconds, stream.logits[0], token)
