"""A recorded pass is the pass itself, bit for bit, or it is not taken."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from sn_viz.activations import recording
from sn_viz.activations.programs import AFTER, Watch
from sn_viz.activations.reader import get_ready, reader_of, truncated_forward, warm_up
from sn_viz.models import load_model

QUESTION = "Is it a recorded dog?"


def plainly(vlm, inputs, layer, sites="all"):
    """Return what an exit reads when nothing is recorded."""
    recorder = reader_of(vlm).recorder
    enabled, recorder.enabled = recorder.enabled, False
    try:
        return truncated_forward(vlm, inputs, layer, sites, np.float32)
    finally:
        recorder.enabled = enabled


def programs_of(vlm, inputs):
    return reader_of(vlm).replay.known(inputs, 1).programs


@pytest.fixture
def fresh(checkpoint):
    """A model of the test's own."""
    return load_model(checkpoint("llava"), device="cpu")


@pytest.mark.parametrize(("layer", "sites"), [*product((1, 2, 3), ("all", ("all", "tower"))), (0, "tower"), (-1, "tower")])
def test_a_recorded_exit_reads_what_the_pass_reads(any_vlm, noise_pictures, layer, sites):
    for n in (1, 2):
        inputs = [any_vlm.prepare(noise_pictures(n, seed=seed), [QUESTION, "no?"][:n]) for seed in range(AFTER + 3)]
        for one in inputs:
            found = truncated_forward(any_vlm, one, layer, sites, np.float32)
            np.testing.assert_array_equal(found.view(np.int32), plainly(any_vlm, one, layer, sites).view(np.int32))


def test_a_small_model_is_recorded_and_deeper_exits_share_its_stretches(fresh, noise_pictures):
    inputs = fresh.prepare(noise_pictures(1), [QUESTION])
    for _ in range(AFTER + 1):
        truncated_forward(fresh, inputs, 3)
    assert len(programs_of(fresh, inputs)) == 4, "up to the first block, and three blocks"
    warm_up(fresh, inputs, 2)
    assert len(programs_of(fresh, inputs)) == 5, "the second block as an exit"


def test_exits_in_the_tower_are_recorded_without_a_pass_through_the_decoder(fresh, noise_pictures):
    inputs, reached = fresh.prepare(noise_pictures(1), [QUESTION]), []
    get_ready(fresh, ("tower",))
    hook = fresh.blocks[0].register_forward_hook(lambda *_: reached.append(1))
    for layer in (-1, 0):
        warm_up(fresh, inputs, layer, "tower")
    hook.remove()
    assert not reached
    for layer in (0, -1):
        for _ in range(AFTER + 2):
            truncated_forward(fresh, inputs, layer, "tower")
    prompt = reader_of(fresh).replay.known(inputs, 0)
    assert prompt is not None
    assert len(prompt.programs) == 2 and not prompt.calls
    truncated_forward(fresh, inputs, 2)
    assert len(programs_of(fresh, inputs)) == 2, "they stay when the decoder is met"


def test_exits_whose_blocks_are_known_are_recorded_without_whole_passes(fresh, noise_pictures, monkeypatch):
    inputs, passes = fresh.prepare(noise_pictures(1), [QUESTION]), []
    run = recording.run_pass
    monkeypatch.setattr(recording, "run_pass", lambda *a: passes.append(a[2].last) or run(*a))
    for layer in (3, 2, 1):
        warm_up(fresh, inputs, layer)
    assert passes == [3] * 3, "the deepest was compared on three pictures"
    assert len(programs_of(fresh, inputs)) == 6
    for seed in range(3):
        other = fresh.prepare(noise_pictures(1, seed=seed), [QUESTION])
        for layer in (1, 2, 3):
            found = truncated_forward(fresh, other, layer, dtype=np.float32)
            np.testing.assert_array_equal(found.view(np.int32), plainly(fresh, other, layer).view(np.int32))


def test_a_last_block_that_its_program_does_not_repeat_ends_recording(fresh, noise_pictures, monkeypatch):
    inputs = fresh.prepare(noise_pictures(1), [QUESTION])
    warm_up(fresh, inputs, 3)
    record = recording.recorded

    def nearly(stretch, example):
        program = record(stretch, example)
        return lambda value: tuple(found + 1e-6 for found in program(value))

    monkeypatch.setattr(recording, "recorded", nearly)
    warm_up(fresh, inputs, 2)
    assert not reader_of(fresh).recorder.enabled
    np.testing.assert_array_equal(truncated_forward(fresh, inputs, 2), plainly(fresh, inputs, 2).astype(np.float16))


def test_large_models_and_batches_are_not_recorded(fresh, noise_pictures, monkeypatch):
    reader = reader_of(fresh)
    one, two = fresh.prepare(noise_pictures(1), [QUESTION]), fresh.prepare(noise_pictures(2), [QUESTION, "no?"])
    monkeypatch.setattr("sn_viz.activations.recording.SMALL", fresh.n_weights)
    for layer, sites in ((0, "tower"), (1, "all")):
        for _ in range(AFTER + 2):
            truncated_forward(fresh, two, layer, sites)
        prompt = reader.replay.known(two, layer)
        assert prompt is None or not prompt.programs
    reader.recorder.enabled = False
    for _ in range(AFTER + 2):
        truncated_forward(fresh, one, 1)
    assert reader.replay.known(one, 1) is None or not programs_of(fresh, one)
    reader.recorder.enabled = True
    warm_up(fresh, one, 1)
    assert programs_of(fresh, one), "exactly as large as may be"


def test_a_recorded_pass_goes_on_when_the_models_own_functions_are_gone(fresh, noise_pictures, monkeypatch):
    inputs = [fresh.prepare([picture], [QUESTION]) for picture in noise_pictures(2)]
    warm_up(fresh, inputs[0], 1)
    expected = plainly(fresh, inputs[1], 1)
    monkeypatch.setattr(type(fresh.blocks[0]), "forward", None)
    np.testing.assert_array_equal(truncated_forward(fresh, inputs[1], 1, dtype=np.float32), expected)


@pytest.mark.parametrize("before", [True, False])
def test_a_hook_on_the_model_is_called_in_every_pass(fresh, noise_pictures, before):
    inputs, calls = fresh.prepare(noise_pictures(1), [QUESTION]), []
    warm_up(fresh, inputs, 1)
    block = fresh.blocks[0]
    handle = (
        block.register_forward_pre_hook(lambda *_: calls.append(1))
        if before
        else block.mlp.register_forward_hook(lambda *_: calls.append(1))
    )
    truncated_forward(fresh, inputs, 1)
    truncated_forward(fresh, inputs, 1)
    assert len(calls) == 2
    handle.remove()
    truncated_forward(fresh, inputs, 1)
    assert len(calls) == 2


def test_changed_weights_and_functions_change_what_is_read(fresh, noise_pictures):
    inputs = fresh.prepare(noise_pictures(1), [QUESTION])
    warm_up(fresh, inputs, 1)
    before = truncated_forward(fresh, inputs, 1)
    weight = fresh.blocks[0].mlp.down_proj.weight
    with torch.no_grad():
        weight.mul_(2)
    assert not np.array_equal(truncated_forward(fresh, inputs, 1), before)
    with torch.no_grad():
        weight.div_(2)
    reader_of(fresh).recorder.watch = Watch(fresh.module)
    np.testing.assert_array_equal(truncated_forward(fresh, inputs, 1), before)
    fresh.blocks[0].mlp.down_proj.weight = torch.nn.Parameter(2 * weight, requires_grad=False)
    assert not np.array_equal(truncated_forward(fresh, inputs, 1), before)
    fresh.blocks[0].mlp.down_proj.weight = weight
    np.testing.assert_array_equal(truncated_forward(fresh, inputs, 1), before)
    plain = fresh.blocks[0].mlp.forward
    fresh.blocks[0].mlp.forward = lambda hidden: 2 * plain(hidden)
    assert not np.array_equal(truncated_forward(fresh, inputs, 1), before)


def test_a_model_that_looks_at_the_pixels_before_it_chooses_what_to_run_is_not_recorded(checkpoint, noise_pictures):
    vlm = load_model(checkpoint("idefics3"), device="cpu")  # leaves out parts of a picture that are blank
    inputs = vlm.prepare(noise_pictures(1), [QUESTION])
    warm_up(vlm, inputs, 1)
    assert reader_of(vlm).recorder.enabled is False


def test_a_program_that_computes_anything_else_is_not_taken(fresh, noise_pictures, monkeypatch):
    inputs = fresh.prepare(noise_pictures(1), [QUESTION])
    expected = plainly(fresh, inputs, 1)
    monkeypatch.setattr(
        "sn_viz.activations.recording.recorded", lambda stretch, example: lambda x: tuple(y + 1e-7 for y in stretch(x))
    )
    warm_up(fresh, inputs, 1)
    np.testing.assert_array_equal(truncated_forward(fresh, inputs, 1, dtype=np.float32), expected)
    assert reader_of(fresh).recorder.enabled is False and not programs_of(fresh, inputs)
