"""Votes with a known answer, for the tests of exit policies."""

from __future__ import annotations

import numpy as np

from sn_viz.types import Votes


def votes_of(margin, predicted, first_layer=1):
    margin, predicted = np.asarray(margin, np.float32), np.asarray(predicted, np.int64)
    tally = np.stack([0.5 - margin / 2, 0.5 + margin / 2], axis=-1)
    return Votes(tally, predicted, margin, first_layer)


def planted(n, seed=0):
    """Two layers; the clearer the first one's vote, the likelier it agrees with the full model; the second always agrees."""
    random = np.random.default_rng(seed)
    full = random.integers(0, 2, n)
    margin = np.stack([random.random(n), np.ones(n)], axis=1)
    agrees = random.random(n) < 0.5 + margin[:, 0] / 2
    return votes_of(margin, np.stack([np.where(agrees, full, 1 - full), full], axis=1)), full
