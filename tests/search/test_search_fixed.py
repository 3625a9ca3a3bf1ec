"""The compiled fixed rules against the same in plain numpy, bit for bit."""

import numpy as np
import pytest

from sn_viz.search.kernels.fixed import as_float32, class_sums
from sn_viz.search.rules import RULES
from sn_viz.search.stumps import METRICS, WITHOUT_CUT, find_stumps


def plainly(values, is_class, rule, metric):
    """Threshold, sign, score, margin of every neuron for one class, by whole-array operations."""
    block = values.astype(np.float32)
    with np.errstate(all="ignore"):
        if rule == "zero":
            cut = np.zeros(block.shape[1], np.float32)
        else:
            means = [block[members].mean(axis=0, dtype=np.float64) for members in (is_class, ~is_class)]
            cut = ((means[0] + means[1]) / 2).astype(np.float32)
        defined = np.isfinite(block).all(axis=0) & (block.min(axis=0) < block.max(axis=0))
        high = np.where(block >= cut, block, np.float32(np.inf)).min(axis=0).astype(np.float64)
        low = np.where(block <= cut, block, np.float32(-np.inf)).max(axis=0).astype(np.float64)
        share = (high - low) / (block.max(axis=0).astype(np.float64) - block.min(axis=0))
    margin = np.where(np.isfinite(share) & defined, share, 0).astype(np.float32)
    inside, outside = float(is_class.sum()), float((~is_class).sum())

    def worth(said):
        hits, false = said[is_class].sum(axis=0).astype(float), said[~is_class].sum(axis=0).astype(float)
        if metric == "accuracy":
            return (hits + outside - false) / (inside + outside)
        if metric == "f1":
            return 2 * hits / (inside + hits + false)
        return 0.5 + (hits * outside - false * inside) / (2 * inside * outside)

    up, down = worth(block > cut), worth(block < cut)
    sign = np.where(defined & (down > up), -1, 1)
    return np.where(defined, cut, 0), sign, np.where(defined, np.maximum(up, down), np.nan).astype(np.float32), margin


def values_of_every_kind(rng, n_examples, n_neurons, dtype):
    values = rng.normal(size=(n_examples, n_neurons)).astype(dtype)
    values[:, 20:40] = rng.integers(-2, 3, (n_examples, 20))
    for column, odd in enumerate((np.nan, np.inf, -np.inf)):
        values[rng.integers(n_examples), column] = odd
    values[:, 3], values[:, 4], values[::2, 5], values[1::2, 5] = 2, 0, -0.0, 0
    values[:, 6], values[0, 6] = np.finfo(dtype).max, np.finfo(dtype).min
    values[:, 7] = np.finfo(dtype).smallest_subnormal * rng.integers(-3, 4, n_examples)
    return values


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("rule", ["zero", "midpoint"])
@pytest.mark.parametrize("metric", METRICS)
def test_compiled_rules_equal_plain_numpy_bit_for_bit(dtype, rule, metric):
    rng = np.random.default_rng(0)
    for n_examples, n_neurons, n_classes in ((8, 41, 2), (50, 700, 3), (301, 70, 2)):
        values, labels = values_of_every_kind(rng, n_examples, n_neurons, dtype), np.arange(n_examples) % n_classes
        stumps = find_stumps(values, labels, rule, metric, n_classes)
        for c in range(n_classes) if n_classes > 2 else (1,):
            mine = stumps.class_index == c
            threshold, sign, score, margin = plainly(values, labels == c, rule, metric)
            np.testing.assert_array_equal(stumps.threshold[mine], threshold)
            np.testing.assert_array_equal(stumps.margin[mine], margin)
            if metric not in WITHOUT_CUT:  # there the values decide, as with every cut
                np.testing.assert_array_equal(stumps.sign[mine], sign)
                np.testing.assert_array_equal(stumps.score[mine], score)


def test_every_float16_is_looked_up_exactly():
    bits = np.arange(2**16).astype(np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(as_float32(bits, 10, 200), bits.view(np.float16)[:, 10:200].astype(np.float32))


def test_class_sums_are_added_up_in_order_and_in_float64():
    values = np.array([[1e8, 1], [1, 2], [-1e8, 4], [3, 8]], np.float32)
    inside, outside = class_sums(values, np.array([True, True, True, False]))
    assert inside.tolist() == [1, 7] and outside.tolist() == [3, 8]


def test_a_rule_of_ones_own_is_searched_by_the_same_kernel(monkeypatch):
    monkeypatch.setitem(RULES._entries, "median", lambda values, is_class: np.median(values, axis=0))
    RULES.names()
    values = np.array([[0, 3], [1, 2], [2, 1], [9, 0]], np.float16)
    stumps = find_stumps(values, np.array([0, 0, 1, 1]), rule="median")
    assert stumps.threshold.tolist() == [1.5, 1.5] and stumps.sign.tolist() == [1, -1] and stumps.score.tolist() == [1, 1]


@pytest.mark.parametrize("rule", ["zero", "midpoint"])
def test_a_class_of_one_example_has_a_stump_and_one_of_none_or_all_has_not(rule):
    values = np.random.default_rng(3).normal(size=(9, 50)).astype(np.float16)
    labels = np.array([0, 0, 0, 0, 2, 0, 0, 0, 0])
    stumps = find_stumps(values, labels, rule, classes=4)
    for c in (0, 2):
        mine = stumps.class_index == c
        threshold, sign, score, margin = plainly(values, labels == c, rule, "balanced-accuracy")
        np.testing.assert_array_equal(stumps.threshold[mine], threshold)
        np.testing.assert_array_equal(stumps.sign[mine], sign)
        np.testing.assert_array_equal(stumps.score[mine], score)
        np.testing.assert_array_equal(stumps.margin[mine], margin)
    absent = np.isin(stumps.class_index, [1, 3])
    assert np.isnan(stumps.score[absent]).all() and (stumps.sign[absent] == 1).all()
    assert not stumps.threshold[absent].any() and not stumps.margin[absent].any()
    assert np.isnan(find_stumps(values, np.ones(9, int), rule).score).all()
