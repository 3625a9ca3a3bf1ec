"""Short cuts of preprocessing give the processor's own inputs, bit for bit, or are not taken."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from sn_viz.models.fast_inputs import KEPT, Squares
from sn_viz.models.vlm import Vlm

QUESTIONS = ["Is there a dog in this picture?", "yes?", "What colour is the car?"]
SIZES = ((17, 90), (32, 32), (64, 48), (301, 200), (8, 8))


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name in expected:
        assert found[name].dtype == expected[name].dtype and torch.equal(found[name], expected[name]), name


def test_inputs_equal_the_processors_bit_for_bit(any_vlm, noise_pictures):
    pictures = [noise_pictures(1, height, width, seed=height)[0] for height, width in SIZES]
    for picture, question in product(pictures, QUESTIONS):
        for _ in range(2):  # tokenised, then remembered
            assert_same(any_vlm.prepare([picture], [question]), any_vlm._processed([picture], [question]))
    same_size = noise_pictures(3, 40, 56)
    for pair in ((same_size, QUESTIONS), (pictures[:3], QUESTIONS), (same_size, QUESTIONS[:1] * 3)):
        assert_same(any_vlm.prepare(*pair), any_vlm._processed(*pair))


def test_the_embedded_model_takes_the_short_cuts(tiny_llava, noise_pictures):
    assert tiny_llava._fast_inputs.works and tiny_llava._fast_inputs.squares is not None
    for picture in (*noise_pictures(2, 224, 224), *noise_pictures(1, 64, 64), *noise_pictures(1, 31, 333)):
        assert_same(tiny_llava.prepare([picture], QUESTIONS[:1]), tiny_llava._processed([picture], QUESTIONS[:1]))


def test_a_known_question_is_not_tokenised_again(llava, noise_pictures, monkeypatch):
    pictures = noise_pictures(2)
    llava.prepare(pictures[:1], ["How many?"])
    monkeypatch.setattr(Vlm, "_processed", None)
    assert llava.prepare(pictures[1:], ["How many?"])["input_ids"].shape[0] == 1


def test_what_was_given_out_may_be_changed(llava, noise_pictures):
    first = llava.prepare(noise_pictures(1), ["yes?"])
    expected = first["input_ids"].clone()
    first["input_ids"].zero_()
    assert torch.equal(llava.prepare(noise_pictures(1), ["yes?"])["input_ids"], expected)


def test_memory_is_bounded(llava, noise_pictures):
    fast = llava._fast_inputs
    whole = llava._processed(noise_pictures(1), ["yes?"])
    for number in range(KEPT + 3):
        fast._remember([(f"{number}?", ())], whole)
    assert len(fast.prompts) == KEPT and ("0?", ()) not in fast.prompts
    fast.prompts.clear()


def test_a_processor_that_does_something_else_is_left_alone(checkpoint, noise_pictures, monkeypatch):
    from sn_viz.models import load_model

    images = type(load_model(checkpoint("llava"), device="cpu").processor.image_processor)
    normalize = images.normalize
    monkeypatch.setattr(images, "normalize", lambda self, image, *a, **k: normalize(self, image - image.mean(), *a, **k))
    vlm = load_model(checkpoint("llava"), device="cpu")  # which tries its processor out
    assert not vlm._fast_inputs.works, "the mean of a picture is no table of values"
    picture = noise_pictures(1)
    assert_same(vlm.prepare(picture, ["yes?"]), vlm._processed(picture, ["yes?"]))


@pytest.mark.parametrize("images", [None, object()])
def test_what_is_no_plain_resize_has_no_table(images):
    assert Squares.of(images) is None


def test_channels_may_have_tables_of_their_own():
    table = np.arange(3 * 256, dtype=np.float32).reshape(3, 256)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    found = Squares((4, 5), 3, table)([pixels])[0].numpy()
    np.testing.assert_array_equal(found, np.stack([table[c][pixels[..., c]] for c in range(3)]))
