"""Confidence intervals of shares.

Takes counts; returns ``Interval``. It knows nothing of models or images.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from sn_viz.types import Interval


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
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927). Without continuity
    correction; the bounds never leave [0, 1] and never shrink to a point.

    Examples
    --------
    >>> wilson(9, 10)
    Interval(value=0.9, low=0.5958..., high=0.9821..., n=10)
    """
    if n <= 0:
        return Interval(np.nan, 0.0, 1.0, 0)
    z2 = float(ndtri(0.5 + confidence / 2)) ** 2
    p = float(correct) / n
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return Interval(p, 0.0 if correct == 0 else float(centre - half), 1.0 if correct == n else float(centre + half), int(n))
