"""A replayed pass is the model's own pass, bit for bit, or it is not taken."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sn_viz.activations.reader import reader_of, truncated_forward
from sn_viz.activations.replay import KEPT, Replay
from sn_viz.models import load_model

QUESTIONS = ["Is there a dog in this picture?", "yes?"]
SITES = ("all", "tower")


def own(vlm, inputs, layer):
    """Return what an exit reads when the model's own forward runs."""
    replay = reader_of(vlm).replay
    works, replay.works = replay.works, False
    try:
        return truncated_forward(vlm, inputs, layer, SITES, np.float32)
    finally:
        replay.works = works


@pytest.mark.parametrize("layer", [-1, 0, 1, 2, 3])
def test_a_replayed_exit_reads_what_the_models_own_forward_gives(any_vlm, noise_pictures, layer):
    several = [noise_pictures(1, seed=seed) for seed in (1, 2)]
    for questions in (QUESTIONS[:1], QUESTIONS):  # batch 1, and batch 2 with padding
        for pictures in [one * len(questions) for one in several]:
            inputs = any_vlm.prepare(pictures, questions)
            for _ in range(2):  # recorded, then replayed
                np.testing.assert_array_equal(
                    truncated_forward(any_vlm, inputs, layer, SITES, np.float32), own(any_vlm, inputs, layer)
                )


def test_the_models_own_forward_runs_once_a_prompt(llava, noise_pictures, monkeypatch):
    inputs = [llava.prepare([picture], ["How many dogs?"]) for picture in noise_pictures(2)]
    expected = [truncated_forward(llava, one, 2) for one in inputs]
    shallow = truncated_forward(llava, inputs[0], 1)
    monkeypatch.setattr(llava.module, "forward", None)
    np.testing.assert_array_equal(truncated_forward(llava, inputs[1], 2), expected[1])
    np.testing.assert_array_equal(truncated_forward(llava, inputs[0], 1), shallow)
    inside = expected[0][:, : shallow.shape[1]]  # not cut down to one position there, which some processors round otherwise
    np.testing.assert_allclose(shallow.astype(np.float32), inside.astype(np.float32), rtol=2**-10, atol=1e-6)
    assert truncated_forward(llava, inputs[0], 0, "tower").shape[0] == 1


def test_a_model_that_adds_to_its_blocks_from_outside_is_left_alone(random_vlm, noise_pictures):
    qwen = random_vlm("qwen3_vl")
    truncated_forward(qwen, qwen.prepare(noise_pictures(1), ["?"]), 1)
    assert reader_of(qwen).replay.works is False, "features of the tower are added behind its first blocks"


def test_a_block_that_is_told_about_the_picture_is_left_alone(checkpoint, noise_pictures, monkeypatch):
    vlm = load_model(checkpoint("llava"), device="cpu")
    inner, block = vlm.module.model.language_model, vlm.blocks[1]
    forward, plain = inner.forward, block.forward
    monkeypatch.setattr(
        inner, "forward", lambda *a, inputs_embeds, **k: forward(*a, inputs_embeds=inputs_embeds, hint=inputs_embeds.mean(), **k)
    )
    monkeypatch.setattr(block, "forward", lambda hidden, *a, hint, **k: plain(hidden, *a, **k) + hint)
    truncated_forward(vlm, vlm.prepare(noise_pictures(1), ["?"]), 1)
    assert reader_of(vlm).replay.works is False


def test_few_prompts_are_remembered(llava, noise_pictures):
    for number in range(KEPT + 2):
        truncated_forward(llava, llava.prepare(noise_pictures(1), ["x" * (number + 1)]), 1)
    replay = reader_of(llava).replay
    assert replay.works and len(replay.prompts) == KEPT


def test_features_that_do_not_fill_their_places_are_a_fault(llava, noise_pictures):
    inputs = llava.prepare(noise_pictures(1), ["What is it?"])
    truncated_forward(llava, inputs, 1)
    replay = reader_of(llava).replay
    prompt = replay.known(inputs, 1)
    two = {**inputs, "pixel_values": inputs["pixel_values"].repeat(2, 1, 1, 1)}
    with torch.inference_mode(), pytest.raises(AssertionError, match="32 features for 16 places"):
        replay._run(two, prompt, 1)


def test_the_prompt_replayed_longest_ago_is_forgotten_first(llava, noise_pictures):
    inputs = [llava.prepare(noise_pictures(1), ["y" * (number + 1)]) for number in range(KEPT + 1)]
    for each in [*inputs[:KEPT], inputs[0], inputs[KEPT]]:
        truncated_forward(llava, each, 1)
    known = [reader_of(llava).replay.known(each, 1) is not None for each in inputs]
    assert known == [True, False, *[True] * (KEPT - 1)]


def test_the_sizes_of_pictures_reach_a_tower_that_packs_its_patches():
    """LLaVA around Pixtral takes them beside what its features name; without them the padding of a smaller picture would count."""
    from family_checkpoints import MAKERS

    module, tokenizer, *_ = MAKERS["Pixtral"]()
    module.eval()
    place, word = tokenizer.convert_tokens_to_ids("[IMG]"), 40
    prompt = {"input_ids": torch.tensor([[word] + [place] * 18 + [word]]), "image_sizes": torch.tensor([[24, 48]])}
    one, other = ({**prompt, "pixel_values": torch.randn(1, 3, 48, 48)} for _ in range(2))
    replay = Replay(module, list(module.model.language_model.layers), {"use_cache": False, "logits_to_keep": 1})
    with torch.inference_mode():
        assert replay.equals_the_model(one, other)
        assert len(replay.features(one)) == 18
