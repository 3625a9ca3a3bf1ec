"""The compiled search in little: a changed line of a kernel must show, at little cost, for kernels are compiled anew each time."""

from __future__ import annotations

import numpy as np
import pytest
from test_search import awkward, check_against_slow, find_stumps, score_of, slow_search

from sn_viz.search.stumps import METRICS, best_scores_under_null

SIZES = [(2, 2), (7, 2), (23, 4), (40, 2), (17, 3)]
"""Examples and classes: below, at and above a block of sorted rows."""


def long_columns(dtype):
    """More rows than are merged in one tile, of uneven classes."""
    rng = np.random.default_rng(3)
    values = np.round(rng.normal(size=(530, 3)), 1).astype(dtype)
    return values, rng.permutation(np.repeat([0, 1], [130, 400]))


def check_null(metric, dtype, n_classes):
    rng = np.random.default_rng(7)
    values, labels = awkward(rng, 25, 40, dtype), np.arange(25) % n_classes
    null = best_scores_under_null(values, labels, metric, "best-split", n_labellings=3, seed=3)
    again = np.random.default_rng(3)
    expected = [np.nanmax(find_stumps(values, again.permutation(labels), "best-split", metric).score) for _ in range(3)]
    np.testing.assert_allclose(null, expected, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("metric", METRICS)
def test_small_columns_of_every_kind(dtype, metric):
    for n, n_classes in SIZES:
        rng = np.random.default_rng(n)
        check_against_slow(awkward(rng, n, 37, dtype), rng.permutation(np.arange(n) % n_classes), metric, n_classes)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_long_columns(dtype):
    values, labels = long_columns(dtype)
    check_against_slow(values, labels, "balanced-accuracy", 2)
    check_against_slow(values[:270], labels[:270], "f1", 2)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_margins(dtype):
    values = np.array([[-3, 1, 5, 0], [-1, 2, 5, 1], [1, 6, 5, 3], [7, 9, 5, 2]], dtype)
    stumps = find_stumps(values, np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(stumps.margin, [0.2, 0.5, 0, 1 / 3], rtol=1e-6)
    rng = np.random.default_rng(5)
    values, labels = rng.normal(size=(21, 20)).astype(dtype), np.arange(21) % 2
    stumps = find_stumps(values, labels)
    for column, threshold, margin in zip(values.T.astype(np.float64), stumps.threshold, stumps.margin, strict=True):
        gap = column[column > threshold].min() - column[column < threshold].max()
        assert margin == pytest.approx(gap / np.ptp(column), rel=1e-5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("metric", METRICS)
def test_the_null(dtype, metric):
    for n_classes in (2, 3):
        check_null(metric, dtype, n_classes)


def test_what_is_compared_with_is_right():
    """The slow search is the judge; it is judged on a case that a person can follow."""
    column, is_class = np.array([1.0, 2.0, 4.0, 8.0]), np.array([False, True, True, True])
    assert slow_search(column, is_class, "balanced-accuracy") == (1.5, 1, 1.0)
    assert score_of(column > 3, is_class, "f1") == pytest.approx(0.8)
