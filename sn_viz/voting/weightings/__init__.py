"""Weightings: how much each voter counts. One file here is one weighting in the app.

A weighting takes the voters and returns one number for each. It knows nothing about values, images or layers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sn_viz.errors import UserError
from sn_viz.registry import Registry
from sn_viz.types import Stumps

Weighting = Callable[[Stumps], np.ndarray]
"""Called as weighting(voters) -> float64 (stump,), none below zero."""

WEIGHTINGS: Registry[Weighting] = Registry("weighting", "sn_viz.voting.weightings", first=("majority", "log_odds"))


def check_weighting(metric: str, weighting: str) -> None:
    """Raise a UserError where a weighting needs scores that are shares, and the metric gives none."""
    if weighting == "log-odds" and metric == "effect-size":
        raise UserError(
            "Log-odds cannot weigh effect sizes.",
            "They are made of the share that a neuron is right about, and an effect size is no share.",
            "Use another weighting, or another metric.",
        )
