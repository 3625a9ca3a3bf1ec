"""Weightings: how much each voter counts. One file here is one weighting in the app.

A weighting takes the voters and returns one number for each. It knows nothing about values, images or layers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from sn_viz.errors import UserError
from sn_viz.registry import Registry
from sn_viz.types import Stumps

Weighting = Callable[[Stumps], np.ndarray]
"""Called as weighting(voters) -> float64 (stump,), none below zero."""


class Fitted(ABC):
    """A weighting that has to see what the voters say of labelled examples; its shares are probabilities."""

    @abstractmethod
    def __call__(self, voters: Stumps) -> np.ndarray:
        """Return how much each fitted voter counts, float64 (stump,), none below zero."""

    @abstractmethod
    def tally(self, says: np.ndarray, voters: Stumps, n_classes: int) -> np.ndarray:
        """Return the probability of each class, float64 (example, class), of what fitted voters say, bool (example, stump)."""


WEIGHTINGS: Registry[Weighting] = Registry("weighting", "sn_viz.voting.weightings", first=("majority", "log_odds", "logistic"))


def check_weighting(metric: str, weighting: str) -> None:
    """Raise a UserError where a weighting needs scores that are shares, and the metric gives none."""
    if weighting == "log-odds" and metric == "effect-size":
        raise UserError(
            "Log-odds cannot weigh effect sizes.",
            "They are made of the share that a neuron is right about, and an effect size is no share.",
            "Use another weighting, or another metric.",
        )
