"""Only what leaves the values as they are, up to rounding, is cut off an exit block."""

from __future__ import annotations

import numpy as np
import pytest

from sn_viz.activations.reader import reader_of, truncated_forward
from sn_viz.activations.streaming import stream_layers
from sn_viz.activations.tail import same

QUESTIONS = ["Is there a dog in this picture?", "yes?"]


def test_a_block_that_allows_no_cut_runs_whole(checkpoint, noise_pictures, monkeypatch):
    from sn_viz.models import load_model

    vlm = load_model(checkpoint("llava"), device="cpu")
    for block in vlm.blocks:  # an MLP that mixes positions: cutting its input changes the answer
        original = block.mlp.forward
        monkeypatch.setattr(block.mlp, "forward", lambda x, original=original: original(x + 10 * x.mean(dim=1, keepdim=True)))
    inputs = vlm.prepare(noise_pictures(1), QUESTIONS[:1])
    assert reader_of(vlm).tail_cut() == "none"
    full = stream_layers(vlm, inputs).blocks[0].values
    np.testing.assert_allclose(truncated_forward(vlm, inputs, 1), full, atol=1e-3)


@pytest.mark.parametrize(("share", "cut"), [(0.0, "attention and mlp"), (1e-2, "none")])
def test_a_cut_may_change_values_by_rounding_only(checkpoint, monkeypatch, share, cut):
    from sn_viz.models import load_model

    vlm = load_model(checkpoint("llava"), device="cpu")
    for block in vlm.blocks:
        original = block.mlp.forward
        monkeypatch.setattr(block.mlp, "forward", lambda x, original=original: original(x) * (1 + share * (x.shape[1] > 1)))
    assert reader_of(vlm).tail_cut() == cut


def test_values_that_are_not_finite_must_be_so_in_both_readings():
    whole = np.array([[1, np.inf, -np.inf, np.nan]], np.float32)
    assert same(whole, whole.copy(), 1e-4)
    assert same(whole, whole + np.float32(1e-6), 1e-4) and not same(whole, whole + np.float32(0.1), 1e-4)
    for i in range(4):
        changed = whole.copy()
        changed[0, i] = np.inf if i == 0 else 1
        assert not same(whole, changed, 1e-4)
