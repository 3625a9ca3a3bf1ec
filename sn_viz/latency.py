"""Milliseconds of a few calls, one image at a time. Takes plain callables; knows nothing about models.

Competing methods are timed in turns (first image by every method, second image by every method, ...), so that a busy
moment of the machine hits all of them alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
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
    rarely: Collection[int] = (),
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
    rarely : collection of int
        Numbers of methods that run on every second item only, the first among them.

    Returns
    -------
    numpy.ndarray
        float64 (item, method, clock), milliseconds by each of ``CLOCKS``; items that the budget did not reach are left out, and
        what did not run is NaN.
    """
    assert items, "latency needs at least one image"
    if warm_up:
        for method in methods:
            method(items[0])
    rows, start = [], time.perf_counter()
    for turn, item in enumerate(items):
        row = []
        for number, method in enumerate(methods):
            if turn % 2 and number in rarely:
                row.append([np.nan] * len(CLOCKS))
                continue
            time.sleep(rest)
            before = [clock() for clock in CLOCKS]
            method(item)
            row.append([1000 * (clock() - then) for clock, then in zip(CLOCKS, before, strict=True)])
        rows.append(row)
        if time.perf_counter() - start > budget:
            break
    return np.array(rows)


def milliseconds_in_turns(
    methods: Sequence[Callable[[Item], object]],
    items: Sequence[Item],
    budget: float = 10.0,
    warm_up: bool = True,
    rarely: Collection[int] = (),
) -> np.ndarray:
    """Return float64 (item, method), milliseconds by the clock on the wall; see `times_in_turns`.

    Examples
    --------
    >>> milliseconds_in_turns([abs, str], [1, 2, 3]).shape
    (3, 2)
    """
    return times_in_turns(methods, items, budget, warm_up, rarely=rarely)[:, :, 0]


def median_milliseconds(method: Callable[[Item], object], items: Sequence[Item], budget: float = 5.0) -> float:
    """Return the median milliseconds of ``method`` over ``items``, after one warm-up call."""
    return float(np.median(milliseconds_in_turns([method], items, budget)))
