"""The exit is real: later blocks never run, and what was read before equals the full pass."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from sn_viz.activations.extract import neurons_of
from sn_viz.activations.reader import reader_of, truncated_forward
from sn_viz.activations.streaming import stream_layers
from sn_viz.errors import UserError

QUESTIONS = ["Is there a dog in this picture?", "yes?"]


@pytest.mark.parametrize("exit_layer", [1, 2, 3])
def test_nothing_runs_behind_the_exit(any_vlm, noise_pictures, calls, exit_layer):
    inputs = any_vlm.prepare(noise_pictures(2), QUESTIONS)
    neurons_of(any_vlm), reader_of(any_vlm).tail_cut()
    ran = calls(any_vlm)
    truncated_forward(any_vlm, inputs, exit_layer)
    assert {layer: ran[layer] for layer in (1, 2, 3)} == {layer: int(layer <= exit_layer) for layer in (1, 2, 3)}
    assert ran["norm"] == ran["lm_head"] == 0


@pytest.mark.parametrize("exit_layer", [1, 2, 3])
def test_what_was_read_equals_the_full_pass(any_vlm, noise_pictures, exit_layer):
    inputs = any_vlm.prepare(noise_pictures(2), QUESTIONS)
    full = np.concatenate([block.values for block in stream_layers(any_vlm, inputs).blocks], axis=1)
    early = truncated_forward(any_vlm, inputs, exit_layer)
    assert early.shape[1] == neurons_of(any_vlm).up_to(exit_layer)
    np.testing.assert_allclose(early.astype(np.float32), full[:, : early.shape[1]].astype(np.float32), atol=1e-3)


def test_attention_only_needs_no_mlp_in_the_exit_block(llava, noise_pictures, calls):
    inputs = llava.prepare(noise_pictures(1), QUESTIONS[:1])
    neurons_of(llava), reader_of(llava).tail_cut()
    ran = calls(llava)
    truncated_forward(llava, inputs, 2, sites=["attention-output"])
    assert ran["mlp", 1] == ran["attention", 2] == 1 and ran["mlp", 2] == 0


def test_the_exit_block_computes_its_tail_for_one_position(any_vlm, noise_pictures):
    from sn_viz.models.blocks import down_projection_of

    assert reader_of(any_vlm).tail_cut() == "attention and mlp"
    inputs, shapes = any_vlm.prepare(noise_pictures(2), QUESTIONS), []
    handles = [
        down_projection_of(block).register_forward_pre_hook(lambda _m, args: shapes.append(args[0].shape[1]))
        for block in any_vlm.blocks[:2]
    ]
    truncated_forward(any_vlm, inputs, 2)
    for handle in handles:
        handle.remove()
    assert shapes == [inputs["input_ids"].shape[1], 1]


def test_a_failing_forward_leaves_no_hook_behind(llava, noise_pictures):
    inputs = llava.prepare(noise_pictures(1), QUESTIONS[:1])
    inputs["pixel_values"] = inputs["pixel_values"][:, :1]

    def count_hooks():
        return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in llava.module.modules())

    before = count_hooks()
    with pytest.raises(RuntimeError):
        truncated_forward(llava, inputs, 1)
    assert count_hooks() == before


def test_layers_outside_the_model_are_refused(llava, noise_pictures):
    inputs = llava.prepare(noise_pictures(1), QUESTIONS[:1])
    for layer in (0, 4, -1):
        with pytest.raises(UserError, match="layers 1 to 3"):
            truncated_forward(llava, inputs, layer)


def test_threads_take_turns_on_one_model(llava, noise_pictures):
    pictures = noise_pictures(4)
    inputs = [llava.prepare([picture], QUESTIONS[:1]) for picture in pictures]
    expected = [truncated_forward(llava, one, 3) for one in inputs]
    found: dict[int, np.ndarray] = {}

    def work(index):
        for _ in range(5):
            found[index] = truncated_forward(llava, llava.prepare(pictures[index : index + 1], QUESTIONS[:1]), 3)
            llava.generate(pictures[index : index + 1], QUESTIONS[:1], max_new_tokens=2)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index in range(4):
        np.testing.assert_array_equal(found[index], expected[index])
