"""Every threshold rule keeps one contract."""

import numpy as np
import pytest

from sn_viz.search.rules import RULES


@pytest.mark.parametrize("name", list(RULES))
def test_a_rule_gives_one_threshold_per_neuron_or_none(name):
    values = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    cut = RULES[name](values, np.arange(6) < 2)
    assert cut is None or (cut.shape == (4,) and cut.dtype == np.float32)


def test_midpoint_is_half_way_between_the_class_means():
    values = np.array([[0], [2], [10], [30]], np.float32)
    assert RULES["midpoint"](values, np.array([False, False, True, True])).tolist() == [10.5]
