"""The fixed rules in little, for a numba that compiles nothing: every kernel as the plain Python that it is written in."""

from __future__ import annotations

import numpy as np
import pytest
from test_search_fixed import plainly, values_of_every_kind

from sn_viz.search.kernels.fixed import SIDE_BY_SIDE, as_float32, class_sums, cuts
from sn_viz.search.rules import RULES
from sn_viz.search.stumps import METRICS, WITHOUT_CUT

CODES = {metric: code for code, metric in enumerate(METRICS)}


@pytest.mark.parametrize("rule", ["zero", "midpoint"])
@pytest.mark.parametrize("metric", METRICS)
def test_a_given_cut_is_weighed_as_by_whole_array_operations(rule, metric):
    rng = np.random.default_rng(0)
    for n, width in ((8, 41), (13, SIDE_BY_SIDE + 3)):
        values = values_of_every_kind(rng, n, width, np.float32)
        is_class = np.arange(n) % 3 == 1
        with np.errstate(all="ignore"):
            cut = np.asarray(RULES[rule](values, is_class), np.float32)
            expected = plainly(values, is_class, rule, metric)
            found = [np.full((width, 2), 7, kind) for kind in (np.float32, np.int8, np.float32, np.float32)]
            cuts()(values, is_class, cut, CODES[metric], 1, *found)
        threshold, sign, score, margin = (one[:, 1] for one in found)
        assert all((one[:, 0] == 7).all() for one in found), "the other column is left alone"
        np.testing.assert_array_equal(threshold, expected[0])
        np.testing.assert_array_equal(margin, expected[3])
        undefined = np.isnan(expected[2])
        if metric in WITHOUT_CUT:
            assert (sign[~undefined] == 7).all() and (score[~undefined] == 7).all()
        else:
            np.testing.assert_array_equal(sign, expected[1])
            np.testing.assert_array_equal(score, expected[2])
        assert (sign[undefined] == 1).all() and np.isnan(score[undefined]).all()


def test_every_kind_of_float16_is_looked_up_exactly():
    bits = np.arange(0, 2**16, 37).astype(np.uint16)[:1764].reshape(42, 42)
    np.testing.assert_array_equal(as_float32(bits, 3, 40), bits.view(np.float16)[:, 3:40].astype(np.float32))


def test_class_sums():
    values = np.array([[1e8, 1], [1, 2], [-1e8, 4], [3, 8]], np.float32)
    inside, outside = class_sums(values, np.array([True, True, True, False]))
    assert inside.tolist() == [1, 7] and outside.tolist() == [3, 8] and inside.dtype == outside.dtype == np.float64
