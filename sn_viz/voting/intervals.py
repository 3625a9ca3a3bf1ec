"""Confidence intervals of shares.

Takes counts; returns ``Interval``. It knows nothing of models or images.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.special import ndtri

from sn_viz.types import Interval


@lru_cache(maxsize=4096)  # scipy first works out a p-value that nobody asked for, many times the work of the interval
def wilson(correct: int, n: int, confidence: float = 0.95) -> Interval:
    """Return a fraction with its Wilson score interval.

    Parameters
    ----------
    correct, n : int
        ``correct`` out of ``n``.
    confidence : float
        In (0, 1).

    Returns
    -------
    Interval
        For n = 0: value NaN, from 0 to 1.

    Notes
    -----
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927), as
    `scipy.stats.BinomTestResult.proportion_ci` gives it. Without continuity correction; the bounds never leave [0, 1] and never
    shrink to a point.

    Examples
    --------
    >>> wilson(9, 10)
    Interval(value=0.9, low=0.5958..., high=0.9821..., n=10)
    """
    if n <= 0:
        return Interval(np.nan, 0.0, 1.0, 0)
    from scipy.stats import binomtest  # not above: it loads for longer than everything else here

    found = binomtest(int(correct), int(n)).proportion_ci(confidence, method="wilson")
    return Interval(float(correct) / n, float(found.low), float(found.high), int(n))


def mean_of_shares(parts: Sequence[Interval]) -> Interval:
    """Return the mean of shares that were measured on different examples, such as a balanced accuracy, with its interval.

    Parameters
    ----------
    parts : sequence of Interval
        Wilson intervals, one per share.

    Returns
    -------
    Interval
        Value NaN, from 0 to 1, of 0 examples, when there is no share or one was not measured.

    Notes
    -----
    The intervals are joined by the method of variance estimates recovery: G. Y. Zou and A. Donner, "Construction of confidence
    limits about effect measures: a general approach", Statistics in Medicine 27 (2008).

    Examples
    --------
    >>> mean_of_shares([wilson(9, 10), wilson(7, 10)])
    Interval(value=0.8, low=0.58..., high=0.90..., n=20)
    """
    if not parts or not all(part.n for part in parts):
        return Interval(np.nan, 0.0, 1.0, 0)
    value = float(np.mean([part.value for part in parts]))
    below = float(np.sqrt(sum((part.value - part.low) ** 2 for part in parts))) / len(parts)
    above = float(np.sqrt(sum((part.value - part.high) ** 2 for part in parts))) / len(parts)
    return Interval(value, max(0.0, value - below), min(1.0, value + above), sum(part.n for part in parts))


def wilson_of_share(p: float, worth: float, n: int, confidence: float) -> Interval:
    """Return the share ``p`` of ``n`` examples with Wilson's interval for ``worth`` independent ones, any number above 0.

    scipy takes whole numbers only; for ``worth == n`` the two differ in the last bits.
    """
    z2 = normal_squared(confidence)
    centre = (p + z2 / (2 * worth)) / (1 + z2 / worth)
    half = np.sqrt(z2 * (p * (1 - p) / worth + z2 / (4 * worth * worth))) / (1 + z2 / worth)
    return Interval(p, 0.0 if p == 0 else float(centre - half), 1.0 if p == 1 else float(centre + half), n)


def normal_squared(confidence: float) -> float:
    """Return the square of the two-sided quantile of the normal distribution."""
    return float(ndtri(0.5 + confidence / 2)) ** 2
