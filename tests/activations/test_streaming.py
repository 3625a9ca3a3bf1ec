"""A stream tells what every block holds when it has finished, and ends where whoever listens wants it to."""

from __future__ import annotations

import numpy as np

from sn_viz.activations.extract import neurons_of
from sn_viz.activations.streaming import stream_layers

QUESTIONS = ["Is there a dog in this picture?", "yes?"]


def test_a_stream_tells_time_and_ends_in_the_first_tokens_logits(any_vlm, noise_pictures):
    pictures = noise_pictures(2)
    stream = stream_layers(any_vlm, any_vlm.prepare(pictures, QUESTIONS))
    moments = [stream.seconds_before, *(block.seconds for block in stream.blocks), stream.seconds]
    assert moments == sorted(moments) and moments[0] > 0
    assert [block.layer for block in stream.blocks] == [1, 2, 3]
    np.testing.assert_allclose(stream.logits, any_vlm.first_token_logits(pictures, QUESTIONS), atol=1e-5)


def test_a_stream_can_be_stopped_by_what_it_says(llava, noise_pictures, calls):
    inputs = llava.prepare(noise_pictures(1), QUESTIONS[:1])
    neurons_of(llava)
    ran, seen = calls(llava), []

    def look(reading):
        seen.append((reading.layer, reading.values.shape))
        return reading.layer == 2

    stream = stream_layers(llava, inputs, on_block=look)
    assert seen == [(1, (1, 144)), (2, (1, 144))] and len(stream.blocks) == 2
    assert stream.logits is None and ran[3] == ran["norm"] == ran["lm_head"] == 0
