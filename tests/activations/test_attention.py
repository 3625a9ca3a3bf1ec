"""Where heads look is what the model's own attention says, and reading it changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from random_models import ARCHITECTURES

from sn_viz.activations.attention import last_weights
from sn_viz.activations.extract import extract, neurons_of
from sn_viz.activations.reader import reader_of, truncated_forward
from sn_viz.activations.sites import site_names
from sn_viz.activations.streaming import stream_layers
from sn_viz.errors import UserError
from sn_viz.models import load_model

QUESTIONS = ["Is there a dog in this picture? Answer yes or no.", "yes?"]
ENTROPY = "attention-entropy"


def sharp(folder):
    """Return a model of the test's own whose heads look at a few positions, each at others."""
    vlm = load_model(folder, device="cpu")
    with torch.no_grad():
        for block in vlm.blocks:
            for number, part in enumerate((block.self_attn.q_proj, block.self_attn.k_proj)):
                part.weight.copy_(0.2 * torch.randn(part.weight.shape, generator=torch.Generator().manual_seed(number)))
            block.self_attn.scaling = 8**-0.5
    return vlm


def expected(eager, inputs):
    """Return the entropies of the weights that the model returns, float64 (batch, layer * head)."""
    with torch.inference_mode():
        layers = eager.module(**inputs, output_attentions=True, **eager.forward_options()).attentions
    weights = np.stack([layer[:, :, -1].double().numpy() for layer in layers], axis=1)  # (batch, layer, head, key)
    seen = np.where(weights > 0, weights, 1)
    return -(seen * np.log(seen)).sum(axis=-1).reshape(len(weights), -1)


@pytest.mark.parametrize("rows", [[0], [1], [0, 1]])
@pytest.mark.parametrize("architecture", list(ARCHITECTURES))
def test_entropies_are_those_of_the_weights_that_the_model_returns(architecture, checkpoint, noise_pictures, rows):
    usual, eager, pictures = sharp(checkpoint(architecture)), sharp(checkpoint(architecture)), noise_pictures(2)
    eager.module.set_attn_implementation("eager")
    inputs = usual.prepare([pictures[row] for row in rows], [QUESTIONS[row] for row in rows])
    theirs = expected(eager, inputs)
    assert theirs.shape == (len(rows), 12) and (np.ptp(theirs, axis=1) > 0.1).all()
    for vlm in (usual, eager):
        np.testing.assert_allclose(truncated_forward(vlm, inputs, 3, ENTROPY, np.float32), theirs, atol=2e-5)


def test_an_exit_and_a_stream_read_what_the_whole_pass_reads(any_vlm, noise_pictures):
    inputs = any_vlm.prepare(noise_pictures(2), QUESTIONS)
    whole = truncated_forward(any_vlm, inputs, 3, ENTROPY, np.float32)
    for _ in range(4):  # also once passes like it would be recorded
        for layer in (1, 2):
            np.testing.assert_array_equal(truncated_forward(any_vlm, inputs, layer, ENTROPY, np.float32), whole[:, : 4 * layer])
    streamed = np.concatenate([block.values for block in stream_layers(any_vlm, inputs, ENTROPY).blocks], axis=1)
    np.testing.assert_allclose(streamed, whole, atol=2e-3)


def test_nothing_behind_the_attention_of_the_exit_block_runs(llava, noise_pictures, calls):
    inputs = llava.prepare(noise_pictures(1), QUESTIONS[:1])
    truncated_forward(llava, inputs, 1, ENTROPY)
    ran = calls(llava)
    truncated_forward(llava, inputs, 2, ENTROPY)
    assert ran["mlp", 1] == ran["attention", 2] == 1 and ran["mlp", 2] == ran[3] == 0


@pytest.mark.parametrize("layer", [1, 3])
def test_other_sites_read_beside_it_keep_every_bit(any_vlm, noise_pictures, layer):
    inputs, usual = any_vlm.prepare(noise_pictures(2), QUESTIONS), site_names("all")
    both = truncated_forward(any_vlm, inputs, layer, (*usual, ENTROPY), np.float32)
    where = neurons_of(any_vlm, (*usual, ENTROPY), layer)
    others = both[:, where.site != where.site_names.index(ENTROPY)]
    np.testing.assert_array_equal(
        others.view(np.int32), truncated_forward(any_vlm, inputs, layer, usual, np.float32).view(np.int32)
    )


def test_it_is_one_number_a_head_and_read_when_named(llava, noise_pictures):
    found = extract(llava, noise_pictures(1), "yes?", sites=ENTROPY)
    assert found.values.shape == (1, 12) and found.neurons.name(5) == "L2 attention-entropy 1"
    assert ENTROPY not in reader_of(llava).layout.available("all")


def test_attention_of_another_kind_is_not_there_and_all_does_without(checkpoint, noise_pictures, monkeypatch):
    vlm = load_model(checkpoint("llava"), device="cpu")
    for block in vlm.blocks:
        monkeypatch.setattr(block.self_attn, "forward", lambda hidden_states, **_: (hidden_states.cumsum(dim=1), None))
    with pytest.raises(UserError, match="'attention-entropy' is not there. LlamaAttention neither returns .* Leave it out."):
        extract(vlm, noise_pictures(1), "yes?", sites=ENTROPY)
    assert not reader_of(vlm).layout.has(ENTROPY)
    assert extract(vlm, noise_pictures(1), "yes?").neurons.site_names == site_names("all")


def test_nothing_watches_any_more_where_a_pass_ended_inside_attention(llava, noise_pictures):
    inputs = llava.prepare(noise_pictures(1), QUESTIONS[:1])
    depth = torch._C._len_torch_function_stack()

    def broken(*_):
        raise RuntimeError("broken")

    truncated_forward(llava, inputs, 2, ENTROPY)
    hook = llava.blocks[1].self_attn.o_proj.register_forward_pre_hook(broken)
    try:
        with pytest.raises(RuntimeError, match="broken"):
            truncated_forward(llava, inputs, 2, ENTROPY)
    finally:
        hook.remove()
    assert torch._C._len_torch_function_stack() == depth


@pytest.mark.parametrize("mask", [None, "causal", "bool", "added"])
@pytest.mark.parametrize(("heads", "scale"), [(4, None), (2, 0.3)])
def test_weights_give_what_pytorchs_attention_gives_at_the_last_position(mask, heads, scale):
    query, key, value = (torch.randn(3, n, 7, 8, generator=torch.Generator().manual_seed(n)) for n in (4, heads, heads))
    seen = torch.rand(3, 1, 7, 7, generator=torch.Generator().manual_seed(0)) < 0.6
    seen[..., 0] = True
    given = {"bool": seen, "added": torch.where(seen, 0.0, torch.finfo(torch.float32).min)}.get(mask)
    options = {"attn_mask": given, "is_causal": mask == "causal", "scale": scale, "enable_gqa": heads < 4}
    weights = last_weights(query, key, value, **options)
    assert weights is not None and weights.shape == (3, 4, 1, 7)
    whole = torch.nn.functional.scaled_dot_product_attention(query, key, value, **options)
    torch.testing.assert_close(weights @ value.repeat_interleave(4 // heads, dim=1), whole[:, :, -1:], atol=1e-5, rtol=1e-5)
