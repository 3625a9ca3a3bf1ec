"""Each voter counts by the odds that it is right."""

from __future__ import annotations

import numpy as np

from sn_viz.types import Stumps
from sn_viz.voting.weightings import WEIGHTINGS

SURE = 0.99
"""A perfect score on few images is not certainty: higher ones count as this."""


@WEIGHTINGS.register("log-odds")
def log_odds(voters: Stumps) -> np.ndarray:
    """Let a voter count log(score / (1 - score)), never below zero; each one where that leaves none any weight."""
    score = np.clip(voters.score.astype(np.float64), 0.5, SURE)
    odds = np.log(score / (1 - score))
    return odds if odds.sum() > 0 else np.ones(len(voters))
