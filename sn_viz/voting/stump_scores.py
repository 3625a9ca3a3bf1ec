"""How often one stump is right: computed here for the page, the report, the API and the exported table alike.

Takes values and labels; returns counts. It knows nothing of how stumps were found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sn_viz.types import Interval
from sn_viz.voting.intervals import mean_of_shares, wilson


@dataclass(frozen=True)
class StumpScore:
    """What a stump says about labelled images, counted."""

    hits: int
    """Images of its class of which it says so."""
    misses: int
    false_alarms: int
    """Images of other classes of which it says its class."""
    rejections: int

    @property
    def n(self) -> int:
        """Labelled images."""
        return self.hits + self.misses + self.false_alarms + self.rejections

    @property
    def accuracy(self) -> float:
        """Share of images on the right side; NaN without images."""
        return (self.hits + self.rejections) / self.n if self.n else math.nan

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the shares right among images of the class and among the others; NaN when either has no image."""
        inside, outside = self.hits + self.misses, self.false_alarms + self.rejections
        return (self.hits / inside + self.rejections / outside) / 2 if inside and outside else math.nan

    def balanced(self) -> Interval:
        """Return the balanced accuracy with its 95 % interval; NaN, from 0 to 1, when either side has no image."""
        inside, outside = self.hits + self.misses, self.false_alarms + self.rejections
        return mean_of_shares([wilson(self.hits, inside), wilson(self.rejections, outside)])


def says_class(values: np.ndarray, threshold: float, sign: int) -> np.ndarray:
    """Return whether a stump says its class: bool (example,), of values float (example,) compared as float32; NaN never does."""
    shown = np.asarray(values, np.float32)
    return shown > np.float32(threshold) if sign > 0 else shown < np.float32(threshold)


def stump_score(values: np.ndarray, labels: np.ndarray, threshold: float, sign: int, class_index: int) -> StumpScore:
    """Return what one stump says about labelled images.

    Parameters
    ----------
    values : float (example,)
        One neuron's activations; NaN never says the class.
    labels : int (example,)
        -1 where unknown; those are not counted.
    threshold, sign, class_index : float, int, int
        The stump says ``class_index`` when ``sign * (value - threshold) > 0``, compared as float32.

    Examples
    --------
    >>> stump_score(np.array([1.0, 3.0, 5.0]), np.array([0, 0, 1]), 2.0, 1, 1).balanced_accuracy
    0.75
    """
    known = labels >= 0
    says, true = says_class(values[known], threshold, sign), labels[known] == class_index
    counts = np.bincount(2 * true + says, minlength=4).tolist()
    return StumpScore(hits=counts[3], misses=counts[2], false_alarms=counts[1], rejections=counts[0])
