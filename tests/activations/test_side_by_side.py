"""Passes of small models side by side: the numbers of one thread, in order, and nothing of it is left."""

import threading

import numpy as np
import pytest
import torch

from sn_viz.activations.extract import extract, read_pass
from sn_viz.activations.legs import each
from sn_viz.activations.side_by_side import MOST_WEIGHTS, has_one_thread, side_by_side
from sn_viz.baselines.answers.said import written_answers
from sn_viz.sources.pack import load_pack


@pytest.fixture(scope="module")
def images():
    return load_pack("presence-dog", n_train=20, n_test=20)[1]


@pytest.fixture()
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_a_twin_shares_the_weights_and_nothing_that_a_pass_changes(tiny_llava):
    twin = tiny_llava.twin()
    pairs = list(zip(tiny_llava.module.parameters(), twin.module.parameters(), strict=True))
    assert pairs and all(one is other for one, other in pairs)
    assert twin.lock is not tiny_llava.lock and twin._text_lock is tiny_llava._text_lock
    assert not {id(each) for each in tiny_llava.module.modules()} & {id(each) for each in twin.module.modules()}
    assert all(block in list(twin.module.modules()) for block in (*twin.blocks, *twin.tower_blocks, twin.lm_head))


def test_activations_and_answers_are_those_of_one_thread_whatever_the_number_of_threads(tiny_llava, images, threads):
    threads(1)
    rows = [range(start, start + 4) for start in range(0, 20, 4)]
    calls = [([images.pictures[row] for row in some], [images.questions[row] for row in some]) for some in rows]
    reads = [(*call, 12, ("residual", "mlp-neuron"), np.float32) for call in calls]
    alone = [read_pass(tiny_llava, *call) for call in reads]
    said = [written_answers(tiny_llava, *call, None) for call in calls]
    for n in (1, 3):
        threads(n)
        together = list(each(tiny_llava, read_pass, reads))
        assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))
        assert list(each(tiny_llava, written_answers, [(*call, None) for call in calls])) == said
        assert torch.get_num_threads() == n


def test_results_come_in_order_and_calls_run_at_the_same_time(tiny_llava, threads):
    threads(2)
    both = threading.Barrier(2, timeout=60)

    def task(vlm, number):
        both.wait()  # breaks unless two calls run at once
        return number, torch.get_num_threads(), id(vlm)

    found = list(side_by_side(tiny_llava, task, [(number,) for number in range(6)]))
    assert [number for number, _, _ in found] == list(range(6)) and {n for _, n, _ in found} == {1}
    assert len({which for _, _, which in found}) == 2


def test_whoever_stops_waits_for_no_further_call_and_an_error_arrives(tiny_llava, threads):
    threads(2)
    begun = []

    def task(vlm, number):
        begun.append(number)
        if number == 3:
            raise ValueError("three")
        return number

    running = side_by_side(tiny_llava, task, [(number,) for number in range(100)])
    assert next(running) == 0
    running.close()
    assert len(begun) <= 4 and torch.get_num_threads() == 2
    with pytest.raises(ValueError, match="three"):
        list(side_by_side(tiny_llava, task, [(number,) for number in range(100)]))
    assert len(begun) <= 12 and torch.get_num_threads() == 2


def test_a_model_that_cannot_be_copied_answers_one_call_after_the_other(tiny_llava, threads, monkeypatch):
    threads(2)

    def refuse(self):
        raise TypeError("cannot pickle '_thread.lock' object")

    monkeypatch.setattr(type(tiny_llava), "twin", refuse)
    found = list(side_by_side(tiny_llava, lambda vlm, number: (number, vlm is tiny_llava), [(number,) for number in range(5)]))
    assert found == [(number, True) for number in range(5)] and list(side_by_side(tiny_llava, abs, [])) == []


def test_large_models_keep_their_threads(tiny_llava, monkeypatch):
    assert has_one_thread(tiny_llava)
    monkeypatch.setattr(tiny_llava, "n_weights", int(MOST_WEIGHTS) + 1)
    assert not has_one_thread(tiny_llava)


def test_nothing_hangs_where_an_extraction_is_stopped(tiny_llava, images, threads):
    threads(2)

    def stop(fraction, doing):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(tiny_llava, images, progress=stop, batch_size=2)
    assert tiny_llava.lock.acquire(blocking=False)
    tiny_llava.lock.release()
