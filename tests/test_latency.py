"""Timing in turns."""

import time

import numpy as np

from sn_viz.latency import median_milliseconds, milliseconds_in_turns


def test_methods_take_turns_after_one_warm_up_each():
    calls = []
    times = milliseconds_in_turns([lambda i: calls.append(("a", i)), lambda i: calls.append(("b", i))], [1, 2])
    assert calls == [("a", 1), ("b", 1), ("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert times.shape == (2, 2)


def test_methods_that_run_rarely_have_every_second_turn_from_the_first_on():
    calls = []
    methods = [lambda i: calls.append(("a", i)), lambda i: calls.append(("b", i))]
    times = milliseconds_in_turns(methods, [1, 2, 3], warm_up=False, rarely={1})
    assert calls == [("a", 1), ("b", 1), ("a", 2), ("a", 3), ("b", 3)]
    assert np.isnan(times).tolist() == [[False, False], [False, True], [False, False]]


def test_a_spent_budget_keeps_what_was_measured():
    assert milliseconds_in_turns([lambda i: time.sleep(0.01)], range(100), budget=0.03).shape[0] < 20


def test_milliseconds_are_milliseconds():
    assert 19 < median_milliseconds(lambda i: time.sleep(0.02), [1, 2, 3]) < 200
