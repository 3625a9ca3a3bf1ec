"""What a GPU can hold, by arithmetic: it agrees with published models, and the table in the documentation is the one it makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sn_viz.activations.extract import neurons_of
from sn_viz.bench.shape_table import SHAPES as BUILT
from sn_viz.bench.shapes import needed_gb
from sn_viz.models.memory import SIZES, Sizes, fits, largest_batch, pass_bytes, row_neurons, store_bytes, table, weight_bytes

ROOT = Path(__file__).resolve().parents[2]
SEVEN = next(one for one in SIZES if one.name == "LLaVA-1.5-7B")


def test_weights_take_their_bits():
    bare = Sizes("bare", 1e9, 0, 0, 0, 0)
    assert [weight_bytes(bare, kind) / 1e9 for kind in ("float32", "bfloat16", "8 bit", "4 bit")] == [4.0, 2.0, 1.0, 0.5625]


def test_embeddings_and_head_are_not_quantised():
    tied, apart = (Sizes("", 1e9, 1000, 4000, 10, 100_000, tied) for tied in (True, False))
    assert weight_bytes(tied, "8 bit") == 1e9 + 1e8 and weight_bytes(apart, "8 bit") == 1e9 + 2e8


@pytest.mark.parametrize("shape", [one for one in BUILT if one.tiles == 1], ids=lambda shape: shape.name)
def test_the_table_of_sizes_agrees_with_the_models_that_are_built_in_published_dimensions(shape):
    sizes = next(one for one in SIZES if shape.name.startswith(one.name))
    text = shape.config["text_config"]
    assert (sizes.width, sizes.neurons) == (text["hidden_size"], text["intermediate_size"])
    assert (sizes.layers, sizes.vocabulary) == (text["num_hidden_layers"], text["vocab_size"])
    assert sizes.tied == shape.config["tie_word_embeddings"]
    import torch

    counted = (needed_gb(shape)[torch.bfloat16] - needed_gb(shape)[torch.float32]) / -2
    assert sizes.weights / 1e9 == pytest.approx(counted, rel=0.03)


def test_a_row_of_the_store_is_what_is_read_of_a_picture(tiny_llava):
    text = tiny_llava.module.config.get_text_config()
    sizes = Sizes("", 0, text.hidden_size, text.intermediate_size, text.num_hidden_layers, 0)
    assert row_neurons(sizes) == len(neurons_of(tiny_llava)) and store_bytes(sizes) == 2 * row_neurons(sizes)


def test_more_pictures_and_longer_prompts_take_more():
    one = pass_bytes(SEVEN, 1, 600)
    assert pass_bytes(SEVEN, 2, 600) == pytest.approx(2 * one) and pass_bytes(SEVEN, 1, 1200) > one
    assert pass_bytes(SEVEN, 1, 600, generates=False) < one < pass_bytes(SEVEN, 1, 600, "float32")


def test_what_fits_fits_with_less_and_on_more():
    for sizes in SIZES:
        for numbers, fewer in (("float32", "bfloat16"), ("bfloat16", "8 bit"), ("8 bit", "4 bit")):
            for small, large in ((8, 16), (16, 24), (24, 80)):
                batch = largest_batch(sizes, small, numbers)
                assert batch <= largest_batch(sizes, large, numbers) and batch <= largest_batch(sizes, small, fewer)
                assert not batch or fits(sizes, small, numbers, batch)


def test_what_is_known_of_a_seven_billion_model():
    assert weight_bytes(SEVEN, "bfloat16") / 1e9 == pytest.approx(14.1, abs=0.1)
    assert not largest_batch(SEVEN, 8, "bfloat16") and largest_batch(SEVEN, 8, "4 bit") and largest_batch(SEVEN, 24, "bfloat16")


def test_the_documentation_shows_this_table():
    assert table() in (ROOT / "docs/models.md").read_text("utf-8")


@pytest.mark.long
def test_a_model_of_known_size_takes_the_memory_that_the_arithmetic_says():
    from sn_viz.bench import Options
    from sn_viz.bench.memory import measure

    rows = measure(Options(quick=True))
    assert [row.holds for row in rows] == [True, True], rows
    assert rows[0].measured > 1.5 * rows[1].measured, "float32 takes twice what bfloat16 takes"
