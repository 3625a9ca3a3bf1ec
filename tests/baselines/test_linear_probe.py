"""The linear probe's fits: classes count alike, whatever their sizes."""

from __future__ import annotations

import numpy as np
import pytest

from sn_viz.baselines.linear_probe import STRENGTHS, fit_strength, path_scores


@pytest.mark.parametrize("strength", STRENGTHS)
def test_of_three_against_two_both_classes_are_named_however_strong_the_penalty(strength):
    rng = np.random.default_rng(0)
    labels = np.array([0, 0, 0, 1, 1])
    values = (rng.normal(size=(5, 40)) + 2 * labels[:, None]).astype(np.float32)
    unseen, truth = rng.normal(size=(100, 40)) + 2 * (np.arange(100) % 2)[:, None], np.arange(100) % 2
    assert np.mean(fit_strength(values, labels, strength).predict(unseen.astype(np.float32)) == truth) > 0.95


def test_the_same_holds_of_the_fits_that_choose_the_strength():
    rng = np.random.default_rng(1)
    labels = np.array([0] * 9 + [1] * 3)
    values = (rng.normal(size=(12, 40)) + 2 * labels[:, None]).astype(np.float32)
    scores = path_scores(values, labels, np.arange(2, 11), np.array([0, 1, 11]))
    assert len(scores) == len(STRENGTHS) and min(scores) == 1
