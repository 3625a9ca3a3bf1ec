"""Finite-sample risk bounds from error counts: exact binomial p-values, Clopper-Pearson bounds, and what they certify in sequence.

Takes how many of ``n`` images went wrong; returns p-values, bounds and numbers of images. It knows nothing about votes or models.
The sources are named in ``risk_control``.
"""

from __future__ import annotations

import numpy as np
from scipy.special import bdtr, betaincinv

from sn_viz.errors import UserError
from sn_viz.types import Interval


def p_values(losses: np.ndarray, n: int, level: float) -> np.ndarray:
    """Return the chance of so few losses if the risk were just ``level``.

    Parameters
    ----------
    losses : np.ndarray
        int (...,): how many of ``n`` independent images went wrong.
    n : int
    level : float

    Returns
    -------
    np.ndarray
        float64 (...,): P(Binomial(n, level) <= losses), an exact p-value of "the risk is above the level"; 1 without images.

    Examples
    --------
    >>> p_values(np.array([0]), 58, 0.05) > 0.05, p_values(np.array([0]), 59, 0.05) <= 0.05
    (array([ True]), array([ True]))
    """
    return np.asarray(bdtr(np.asarray(losses, dtype=np.float64), n, level), dtype=np.float64)


def upper_bounds(losses: np.ndarray, n: int, confidence: float = 0.95) -> np.ndarray:
    """Return the one-sided Clopper-Pearson bound of a risk, float64 (...,): 1 when all went wrong, or without images."""
    losses = np.asarray(losses, dtype=np.float64)
    inside = losses < n
    return np.where(inside, betaincinv(losses + 1, np.where(inside, n - losses, 1), confidence), 1.0)


def exact_interval(losses: int, n: int, confidence: float = 0.95) -> Interval:
    """Return a fraction with its two-sided Clopper-Pearson interval; NaN, from 0 to 1, without images."""
    if n <= 0:
        return Interval(np.nan, 0.0, 1.0, 0)
    side = (1 + confidence) / 2
    high = float(upper_bounds(np.array(losses), n, side))
    low = 1 - float(upper_bounds(np.array(n - losses), n, side))
    return Interval(losses / n, low, high, int(n))


def certified(losses: np.ndarray, n: int, level: float, confidence: float = 0.95) -> np.ndarray:
    """Return which thresholds fixed-sequence testing certifies.

    Parameters
    ----------
    losses : np.ndarray
        int (..., rung): how many of ``n`` calibration images went wrong, thresholds in the order of testing.
    n : int
    level, confidence : float

    Returns
    -------
    np.ndarray
        bool (..., rung): a run of True that ends at the first p-value above 1 - confidence.
    """
    return np.logical_and.accumulate(p_values(losses, n, level) <= 1 - confidence, axis=-1)


def images_needed(level: float, confidence: float = 0.95, share: float = 0.0) -> int | None:
    """Return the smallest number of calibration images that certifies a risk below ``level``.

    Parameters
    ----------
    level, confidence : float
        In (0, 1).
    share : float
        Fraction of the images that go wrong, rounded up to whole images.

    Returns
    -------
    int or None
        None when ``share`` is not below ``level``, or when a million images would not do.

    Examples
    --------
    >>> images_needed(0.05), images_needed(0.01), images_needed(0.05, share=0.05)
    (59, 299, None)
    """
    check_level(level, confidence)
    if share >= level:
        return None
    for stop in (1_000, 10_000, 100_000, 1_000_000):
        n = np.arange(1, stop + 1)
        enough = bdtr(np.ceil(share * n - 1e-9), n, level) <= 1 - confidence
        if enough.any():
            return int(enough.argmax()) + 1
    return None


def check_level(level: float, confidence: float) -> None:
    """Raise a UserError unless both lie between 0 and 1."""
    for what, given, example in (("risk level", level, "0.05"), ("confidence", confidence, "0.95")):
        if not 0 < given < 1:
            raise UserError(f"A {what} of {given:g} is not possible.", "It lies between 0 and 1.", f"Use {example}.")
