"""Sorting networks against every arrangement of zeros and ones, and the kernels made of them against numpy."""

from functools import cache

import numpy as np
import pytest
from numba import njit

from sn_viz.search.kernels.sort import halving, merge_runs, merge_valley, mirrored, odd_even, sort_rows

LANES = {np.uint16: 32, np.uint32: 16, np.uint64: 16}


@cache
def called(part):
    """Return a part of the kernels, which only compiled code calls, as a function that Python calls."""
    return njit(lambda keys, low, high: part(keys, low, high))


@cache
def merging():
    return njit(lambda keys, ends: merge_runs(keys, ends))


def zeros_and_ones(n):
    """Every column of ``n`` rows; a network that sorts these sorts everything."""
    return np.arange(2**n) >> np.arange(n)[:, None] & 1


def through(pairs, rows):
    rows = rows.copy()
    for i, j in pairs:
        rows[i], rows[j] = np.minimum(rows[i], rows[j]), np.maximum(rows[i], rows[j])
    return rows


def rises(rows):
    return (rows[:-1] <= rows[1:]).all(axis=0)


@pytest.mark.parametrize(("n", "fewest"), [(1, 0), (2, 1), (4, 5), (8, 19), (16, 63)])
def test_batchers_network_sorts_everything_with_as_few_comparisons_as_he_says(n, fewest):
    assert rises(through(odd_even(n), zeros_and_ones(n))).all()
    assert len(odd_even(n)) == fewest


@pytest.mark.parametrize("n", [2, 4, 8, 16])
def test_two_runs_are_merged_with_half_the_rows_compared_at_each_stage(n):
    rows = zeros_and_ones(n)
    runs = rows[:, rises(rows[: n // 2]) & rises(rows[n // 2 :])]
    assert rises(through(mirrored(n), runs)).all()
    assert len(mirrored(n)) == len(halving(n)) == n // 2 * (n.bit_length() - 1)


@pytest.mark.parametrize("n", [1, 2, 4, 8, 16])
def test_rows_that_rise_and_fall_once_are_sorted(n):
    rows = zeros_and_ones(n)
    turns = (rows != np.roll(rows, 1, axis=0)).sum(axis=0)
    assert rises(through(halving(n), rows[:, turns <= 2])).all()


def keys_of(rng, n, dtype):
    """Rows of many values and of few."""
    return rng.integers(0, rng.choice([2, 50, 60_000]), (n, LANES[dtype])).astype(dtype)


def check_sort_rows(rng, low, n, dtype):
    keys = keys_of(rng, low + n + 48, dtype)
    expected = keys.copy()
    expected[low : low + n].sort(axis=0)
    called(sort_rows)(keys, low, low + n)
    np.testing.assert_array_equal(keys, expected)


def test_any_number_of_blocks_is_sorted_anywhere_and_nothing_else_is_touched():
    rng = np.random.default_rng(0)
    for n in (0, *range(16, 200, 16), *range(240, 289, 16), 496, 512, 528, 1040, 2032, 4112):
        for low in (0, 16, 48):
            check_sort_rows(rng, low, n, np.uint32)


def test_sixty_thousand_rows_are_sorted():
    check_sort_rows(np.random.default_rng(1), 16, 60_000, np.uint32)


def test_a_valley_is_sorted_and_nothing_else_is_touched():
    rng = np.random.default_rng(2)
    for n in (0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 33, 100, 300, 1025, 40_000):
        for low in (0, 7):
            keys = keys_of(rng, low + n + 5, np.uint32)
            expected, turn = keys.copy(), low + int(rng.integers(0, n + 1))
            expected[low : low + n].sort(axis=0)
            keys[low:turn] = -np.sort(-keys[low:turn].astype(np.int64), axis=0)
            keys[turn : low + n].sort(axis=0)
            called(merge_valley)(keys, low, low + n)
            np.testing.assert_array_equal(keys, expected)


@pytest.mark.parametrize("runs", range(1, 14))
def test_runs_of_any_length_are_merged(runs):
    """The first of every two falls, as whoever fills them in promises; a class without examples is an empty run."""
    rng = np.random.default_rng(runs)
    ends = np.cumsum(rng.choice([0, 1, 2, 5, 17, 40], runs))
    keys = keys_of(rng, ends[-1] + 3, np.uint32)
    expected = keys.copy()
    expected[: ends[-1]].sort(axis=0)
    for run, (low, high) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        rows = np.sort(keys[low:high], axis=0)
        keys[low:high] = rows[::-1] if run % 2 == 0 and run + 1 < runs else rows
    merging()(keys, ends.copy())
    np.testing.assert_array_equal(keys, expected)
