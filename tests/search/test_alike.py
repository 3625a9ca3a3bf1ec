"""Which neurons are alike, against numpy's own correlations."""

from __future__ import annotations

import numpy as np
import pytest

from sn_viz.search import alike
from sn_viz.search.alike import most_alike


@pytest.mark.parametrize("block", [7, 1 << 15])
def test_it_agrees_with_the_matrix_of_all_correlations(monkeypatch, block):
    monkeypatch.setattr(alike, "BLOCK", block)
    values = np.random.default_rng(0).normal(size=(30, 50)).astype(np.float16)
    column, correlation = most_alike(values, 4, 49)
    plain = np.corrcoef(values.astype(np.float64).T)[4]
    assert sorted([*column, 4]) == list(range(50))
    np.testing.assert_allclose(correlation, plain[column], atol=1e-12)
    assert (np.diff(np.abs(correlation)) <= 1e-12).all()


def test_a_copy_and_its_opposite_come_first():
    values = np.random.default_rng(1).normal(size=(20, 6))
    values[:, 2], values[:, 5] = 3 * values[:, 0] + 7, -values[:, 0]
    column, correlation = most_alike(values, 0, 2)
    assert set(column) == {2, 5} and {round(float(r), 9) for r in correlation} == {1.0, -1.0}


def test_constant_and_undefined_neurons_are_like_nothing():
    values = np.random.default_rng(2).normal(size=(10, 4)).astype(np.float32)
    values[:, 1], values[3, 2] = 0.1, np.nan
    assert list(most_alike(values, 0)[0]) == [3]
    assert len(most_alike(values, 1)[0]) == len(most_alike(values, 2)[0]) == 0


@pytest.mark.parametrize("n_examples", [0, 1, 2])
def test_too_few_images_make_nothing_alike(n_examples):
    assert len(most_alike(np.arange(4.0 * n_examples).reshape(n_examples, 4) ** 2, 0)[0]) == 0
