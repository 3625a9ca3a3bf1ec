"""The compiled search in little: a changed line of a kernel must show, at little cost, for kernels are compiled anew each time."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from test_search import awkward, check_against_slow, find_stumps, score_of, slow_search

from sn_viz.search import stumps as search
from sn_viz.search.stumps import METRICS, best_scores_under_null

SIZES = [(2, 2), (7, 2), (23, 4), (40, 2), (17, 3)]
"""Examples and classes: below, at and above a block of sorted rows."""


def long_columns(dtype):
    """More rows than are merged in one tile, of uneven classes."""
    rng = np.random.default_rng(3)
    values = np.round(rng.normal(size=(530, 3)), 1).astype(dtype)
    return values, rng.permutation(np.repeat([0, 1], [130, 400]))


def check_null(values, labels, metric, seed=3):
    """The null of every column alone, and of all together, against a search of each labelling."""
    again = np.random.default_rng(seed)
    each = [find_stumps(values, again.permutation(labels), "best-split", metric) for _ in range(3)]
    scores = np.stack([one.score.reshape(values.shape[1], -1) for one in each])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.nanmax(scores, axis=2)
    for column, best in enumerate(expected[:, :13].T):  # the rest is like the first
        null = best_scores_under_null(values[:, [column]], labels, metric, "best-split", n_labellings=3, seed=seed)
        np.testing.assert_allclose(null, best, atol=1e-6, err_msg=f"column {column}")
    null = best_scores_under_null(values, labels, metric, "best-split", n_labellings=3, seed=seed)
    np.testing.assert_allclose(null, np.nanmax(expected, axis=1), atol=1e-6)


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
    rng = np.random.default_rng(7)
    for n, n_classes in ((25, 3), (14, 2)):
        check_null(awkward(rng, n, 20, dtype), np.arange(n) % n_classes, metric)
    check_null(awkward(rng, 19, 40, dtype), np.repeat([0, 1], [4, 15]), metric)


FIELDS = ("threshold", "sign", "score", "margin")


@pytest.mark.parametrize("strip_values", [1, 2**21])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_neuron_gets_the_same_stump_wherever_it_stands(dtype, strip_values, monkeypatch):
    """A thousand neurons fill the work space twice; strips of 64 begin everywhere."""
    monkeypatch.setattr(search, "STRIP_VALUES", strip_values)
    rng = np.random.default_rng(6)
    for n, n_classes, n_neurons in ((21, 2, 37), (18, 3, 41), (40, 20, 37)):
        values, labels = awkward(rng, n, n_neurons, dtype), rng.permutation(np.arange(n) % n_classes)
        few = find_stumps(values, labels)
        many = find_stumps(np.tile(values, 30), labels)
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(many, field), np.tile(getattr(few, field), 30))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_null_sees_a_neuron_wherever_it_stands(dtype):
    labels, column = np.arange(12) % 2, np.random.default_rng(8).permutation(12)
    alone = best_scores_under_null(column[:, None].astype(dtype), labels, n_labellings=4)
    for place in (0, 15, 16, 31, 32, 255, 256, 511, 512, 1085, 1098):
        values = np.zeros((12, 1099), dtype)
        values[:, place] = column
        np.testing.assert_array_equal(best_scores_under_null(values, labels, n_labellings=4), alone, err_msg=f"at {place}")
        found = find_stumps(values, labels)
        assert np.flatnonzero(~np.isnan(found.score)).tolist() == [place]


@pytest.mark.long
@pytest.mark.parametrize("metric", METRICS)
def test_forty_thousand_examples_with_ties(metric):
    """Labels and places of examples take all sixteen bits of a tag; counts of pairs take all 31 bits of theirs."""
    values = (np.arange(40_000)[:, None] // [1, 8, 40_000, 20_000] % 3000).astype(np.float16)
    labels = np.repeat([0, 1], 20_000)
    found = find_stumps(values, labels, metric=metric)
    slow = [slow_search(column, labels == 1, metric) for column in values[:, [2, 3]].T]
    np.testing.assert_array_equal(found.threshold[2:], [one[0] for one in slow])
    np.testing.assert_allclose(found.score[2:], [one[2] for one in slow])
    null = best_scores_under_null(values[:, 2:], labels, metric, n_labellings=2)
    shuffled = np.random.default_rng(0)
    expected = [find_stumps(values[:, 2:], shuffled.permutation(labels), metric=metric).score[1] for _ in range(2)]
    np.testing.assert_allclose(null, expected, atol=1e-6)
    assert np.isnan(best_scores_under_null(values[:, [2]], labels, metric, n_labellings=2)).all()


def test_what_is_compared_with_is_right():
    """The reference is the judge; it is judged on a case that a person can follow."""
    column, is_class = np.array([1.0, 2.0, 4.0, 8.0]), np.array([False, True, True, True])
    assert slow_search(column, is_class, "balanced-accuracy") == (1.5, 1, 1.0)
    assert score_of(column > 3, is_class, "f1") == pytest.approx(0.8)
