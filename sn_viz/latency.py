"""Milliseconds of a few calls, one image at a time. Takes plain callables; knows nothing about models.

Competing methods are timed in turns (first image by every method, second image by every method, ...), so that a busy
moment of the machine hits all of them alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


CLOCKS = (time.perf_counter, time.process_time)
"""Seconds by the clock on the wall, and seconds that this process had a processor (of all its threads together)."""


def times_in_turns(
    methods: Sequence[Callable[[Item], object]],
    items: Sequence[Item],
    budget: float = 10.0,
    warm_up: bool = True,
    rest: float = 0.0,
) -> np.ndarray:
    """Time every method on every item, in turns.

    Parameters
    ----------
    methods : sequence of callables
        Each takes one item, from decoded picture to label.
    items : sequence
        The images, at least one.
    budget : float
        Seconds after which no further item is begun; the first item is always measured.
    warm_up : bool
        Whether every method runs once, unmeasured, first.
    rest : float
        Seconds of sleep before each call: threads that a method woke go on spinning for a while, at the cost of the next one.

    Returns
    -------
    numpy.ndarray
        float64 (item, method, clock), milliseconds by each of ``CLOCKS``; items that the budget did not reach are left out.
    """
    assert items, "latency needs at least one image"
    if warm_up:
        for method in methods:
            method(items[0])
    rows, start = [], time.perf_counter()
    for item in items:
        row = []
        for method in methods:
            time.sleep(rest)
            before = [clock() for clock in CLOCKS]
            method(item)
            row.append([1000 * (clock() - then) for clock, then in zip(CLOCKS, before, strict=True)])
        rows.append(row)
        if time.perf_counter() - start > budget:
            break
    return np.array(rows)


def milliseconds_in_turns(
    methods: Sequence[Callable[[Item], object]], items: Sequence[Item], budget: float = 10.0, warm_up: bool = True
) -> np.ndarray:
    """Return float64 (item, method), milliseconds by the clock on the wall; see `times_in_turns`.

    Examples
    --------
    >>> milliseconds_in_turns([abs, str], [1, 2, 3]).shape
    (3, 2)
    """
    return times_in_turns(methods, items, budget, warm_up)[:, :, 0]


def median_milliseconds(method: Callable[[Item], object], items: Sequence[Item], budget: float = 5.0) -> float:
    """Return the median milliseconds of ``method`` over ``items``, after one warm-up call."""
    return float(np.median(milliseconds_in_turns([method], items, budget)))
