"""Bounds from counts are scipy's, and testing in sequence ends at the first failure."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from sn_viz.early_exit import certificates


def test_p_values_and_bounds_are_scipys():
    counts = np.array([0, 3, 7, 40])
    np.testing.assert_allclose(certificates.p_values(counts, 40, 0.1), binom.cdf(counts, 40, 0.1))
    for lost in counts:
        whole = binomtest(int(lost), 40).proportion_ci(0.95, "exact")
        found = certificates.exact_interval(int(lost), 40)
        assert (found.low, found.high) == pytest.approx((whole.low, whole.high))
    one_sided = [binomtest(int(lost), 40, alternative="less").proportion_ci(0.95, "exact").high for lost in counts]
    np.testing.assert_allclose(certificates.upper_bounds(counts, 40), one_sided)


def test_a_p_value_rejects_just_when_the_bound_reaches_the_level():
    counts = np.arange(101)
    for level in (0.01, 0.05, 0.2):
        np.testing.assert_array_equal(
            certificates.p_values(counts, 100, level) <= 0.05, certificates.upper_bounds(counts, 100) <= level
        )


def test_testing_ends_at_the_first_failure():
    assert certificates.certified(np.array([0, 1, 9, 0, 0]), 100, 0.05).tolist() == [True, True, False, False, False]
