"""A picture is decided while the model runs, and a refused exit costs nothing twice."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from planted_votes import planted

from sn_viz.activations.extract import neurons_of
from sn_viz.early_exit.policies import FixedLayer, MarginPolicy
from sn_viz.early_exit.risk_control import FullModel, RiskControlled
from sn_viz.early_exit.stream import decide_stream
from sn_viz.search.stumps import find_stumps
from sn_viz.voting.voters import voters_by_layer
from sn_viz.voting.votes import votes_by_layer


@pytest.fixture
def streamed(llava, noise_pictures):
    """A tiny random model, one image, and voters found on meaningless labels; counts calls of blocks."""
    neurons = neurons_of(llava)
    random = np.random.default_rng(0)
    values = random.standard_normal((12, len(neurons))).astype(np.float16)
    voters = voters_by_layer(find_stumps(values, np.arange(12) % 2), neurons, 5, 2)
    pictures, question = noise_pictures(1), "Is there a dog in this picture?"
    inputs, ran, handles = llava.prepare(pictures, [question]), Counter(), []
    parts = {"tower": llava.module.get_submodule("model.vision_tower"), "norm": llava.norm, "lm_head": llava.lm_head}
    for name, part in (parts | dict(enumerate(llava.blocks, start=1))).items():
        handles.append(part.register_forward_pre_hook(lambda *_, name=name: ran.update([name])))
    decide = lambda policy: decide_stream(llava, inputs, policy, voters, neurons, ("no", "yes"), question)  # noqa: E731
    yield SimpleNamespace(decide=decide, ran=ran, vlm=llava, inputs=inputs, voters=voters, pictures=pictures, question=question)
    for handle in handles:
        handle.remove()


def test_a_refused_exit_computes_no_block_twice_and_ends_in_the_full_models_first_token(streamed):
    votes, full = planted(20)
    policy = RiskControlled.calibrated(votes, full, level=0.01)
    assert isinstance(policy, FullModel)
    found = streamed.decide(policy)
    assert dict(streamed.ran) == {"tower": 1, 1: 1, 2: 1, 3: 1, "norm": 1, "lm_head": 1}
    assert not found.stopped and found.layer == 3 and len(found.tally) == 3
    expected = streamed.vlm.first_token_logits(streamed.pictures, [streamed.question])[0]
    np.testing.assert_allclose(found.logits, expected, atol=1e-5)
    assert found.token == streamed.vlm.tokenizer.decode([int(expected.argmax())])


def test_an_accepted_exit_runs_nothing_behind_it_and_says_what_the_vote_says(streamed):
    from sn_viz.activations.reader import truncated_forward

    found = streamed.decide(FixedLayer(2))
    assert dict(streamed.ran) == {"tower": 1, 1: 1, 2: 1}
    values = truncated_forward(streamed.vlm, streamed.inputs, 2)
    expected = votes_by_layer(values, streamed.voters[:2], 2)
    assert found.stopped and found.layer == 2 and found.logits is None
    assert found.class_index == expected.predicted[0, 1]
    np.testing.assert_allclose(found.tally, expected.tally[0], atol=1e-6)


def test_a_margin_stops_where_the_vote_becomes_clear(streamed):
    whole = streamed.decide(FixedLayer(3))
    margin = np.abs(whole.tally[:, 1] - whole.tally[:, 0])
    streamed.ran.clear()
    found = streamed.decide(MarginPolicy(float(margin.max())))
    assert found.layer == int(margin.argmax()) + 1 and streamed.ran[found.layer] == 1 and streamed.ran[found.layer + 1] == 0


def test_a_stream_decides_one_picture_at_a_time():
    with pytest.raises(ValueError, match="2 were given"):
        decide_stream(None, {"input_ids": np.zeros((2, 3))}, MarginPolicy(0.5), [], None, ("no", "yes"))
