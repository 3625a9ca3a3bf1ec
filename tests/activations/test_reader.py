"""What is found out about a model is kept beside it, not on it: one reader for each model, which goes when the model goes."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

from sn_viz.activations.reader import reader_of, truncated_forward, warm_up
from sn_viz.activations.streaming import stream_layers
from sn_viz.models import load_model

QUESTION = "Is there a dog in this picture?"


@pytest.fixture
def fresh(checkpoint):
    """A model of the test's own."""
    return load_model(checkpoint("llava"), device="cpu")


def test_reading_leaves_nothing_on_the_model(fresh, noise_pictures):
    inputs = fresh.prepare(noise_pictures(1), [QUESTION])
    before = set(vars(fresh))
    warm_up(fresh, inputs, 2, ("all", "tower"))
    stream_layers(fresh, inputs)
    assert set(vars(fresh)) == before


def test_a_model_nobody_holds_goes_with_its_reader_even_after_passes_were_recorded(checkpoint, noise_pictures):
    vlm = load_model(checkpoint("llava"), device="cpu")
    inputs = vlm.prepare(noise_pictures(1), [QUESTION])
    warm_up(vlm, inputs, 2, ("all", "tower"))
    assert reader_of(vlm).replay.known(inputs, 2).programs
    model, reader, weight = weakref.ref(vlm), weakref.ref(reader_of(vlm)), weakref.ref(vlm.blocks[0])
    del vlm
    gc.collect(), gc.collect()  # the second finds what only the reader held
    assert model() is None and reader() is None and weight() is None


def test_every_model_has_one_reader_of_its_own_whoever_asks_first(fresh, llava):
    found, start = [], threading.Barrier(8)

    def ask():
        start.wait()
        found.append(reader_of(fresh))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(map(id, found))) == 1
    assert reader_of(llava) is reader_of(llava) is not found[0]


def test_a_plan_is_made_once_for_sites_layer_and_cut(llava):
    reader = reader_of(llava)
    sites = reader.layout.available()
    plan = reader.plan(sites, 2, "none")
    assert reader.plan(sites, 2, "none") is plan
    others = [reader.plan(sites, 1, "none"), reader.plan(sites, 2, "mlp"), reader.plan(sites[:1], 2, "none")]
    assert [(len(other.sites), other.last, len(other.tail)) for other in others] == [(4, 1, 0), (4, 2, 1), (1, 2, 0)]


def test_a_second_question_and_other_sites_do_not_disturb_the_first(llava, noise_pictures):
    picture = noise_pictures(1)
    one, other = (llava.prepare(picture, [question]) for question in (QUESTION, "yes?"))
    before = truncated_forward(llava, one, 2)
    truncated_forward(llava, other, 2), truncated_forward(llava, one, 2, "residual"), truncated_forward(llava, one, 1)
    np.testing.assert_array_equal(truncated_forward(llava, one, 2), before)
