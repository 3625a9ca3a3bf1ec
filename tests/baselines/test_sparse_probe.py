"""The sparse probe: effect sizes by their definition, planted scalars found, and a ranking that never sees what it is judged on."""

from __future__ import annotations

import numpy as np
import pytest

from sn_viz.baselines.sparse_probe import N_SCALARS, effect_sizes, furthest_apart, left_out_scores


def cohens_d(one: np.ndarray, other: np.ndarray) -> float:
    """The definition, one scalar at a time."""
    pooled = ((len(one) - 1) * one.var(ddof=1) + (len(other) - 1) * other.var(ddof=1)) / (len(one) + len(other) - 2)
    return abs(one.mean() - other.mean()) / np.sqrt(pooled)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_effect_sizes_are_cohens_d_of_one_class_against_the_rest(n_classes):
    rng = np.random.default_rng(3)
    values, labels = rng.normal(size=(24, 17)).astype(np.float16), np.arange(24) % n_classes
    exact = values.astype(np.float64)
    classes = [1] if n_classes == 2 else range(n_classes)
    expected = [max(cohens_d(exact[labels == c, j], exact[labels != c, j]) for c in classes) for j in range(17)]
    assert effect_sizes(values, labels, n_classes) == pytest.approx(expected)


def test_what_is_constant_or_not_finite_comes_last():
    labels = np.array([0, 0, 1, 1])
    values = np.array([[1, np.nan, 0, 3], [1, 0, 0.1, 3], [1, 0, 1, 3], [1, 0, 1.1, np.inf]], np.float32)
    effect = effect_sizes(values, labels, 2)
    assert effect[[0, 1, 3]].tolist() == [0, 0, 0] and furthest_apart(effect, 1).tolist() == [2]


def test_among_equal_effects_the_shallower_comes_first():
    assert furthest_apart(np.array([1.0, 2.0, 2.0, 0.0]), 3).tolist() == [1, 2, 0]


def test_noise_earns_no_more_than_chance_because_the_ranking_is_made_within_the_folds():
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    values = rng.normal(size=(40, 5000)).astype(np.float32)
    within = left_out_scores(values, labels, [5000], 2).max()
    chosen = furthest_apart(effect_sizes(values, labels, 2))
    cheated = np.mean(effect_sizes(values[:, chosen], labels, 2))
    assert len(chosen) == N_SCALARS and cheated > 0.8, "on the images it was made of, noise looks like a difference"
    assert within < 0.75
