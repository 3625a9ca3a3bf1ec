"""The best-split search as it is defined: every cut, one at a time, with nothing but numpy.

Takes one neuron's values and which examples are of the class; returns its stump. Nothing in sn_viz calls it: it is here to be read
before the compiled kernels, and the tests hold these to it. Some thousand times slower.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def best_split(column: np.ndarray, is_class: np.ndarray, metric: str = "balanced-accuracy") -> tuple[np.float32, int, float]:
    """Return threshold, sign and score of the best stump of one neuron for one class; a score of NaN where none is defined.

    Parameters
    ----------
    column : float16 or float32 (example,)
    is_class : bool (example,)
    metric : str
        One of `sn_viz.search.stumps.METRICS`.

    Notes
    -----
    Order among equals, and undefined neurons: see `sn_viz.search.stumps.find_stumps`. Scores are compared to twelve digits, for the
    same share of counts may be computed in two ways.

    Examples
    --------
    >>> threshold, sign, score = best_split(np.array([0.0, 1.0, 2.0, 3.0]), np.array([True, True, False, False]))
    >>> float(threshold), sign, float(score)
    (1.5, -1, 1.0)
    """
    column = np.asarray(column, np.float32)
    levels = np.unique(column)
    if not np.isfinite(column).all() or len(levels) < 2 or is_class.all() or not is_class.any():
        return np.float32(0), 1, np.nan
    area = area_under_curve(column, is_class)
    d = effect_size(column, is_class) if metric == "effect-size" else 0.0
    signs = {"roc-auc": (1,) if area >= 0.5 else (-1,), "effect-size": (1,) if d >= 0 else (-1,)}.get(metric, (1, -1))
    ranked = []
    for cut, (low, high) in enumerate(pairwise(levels)):
        gap = min(float(high) - float(low), float(np.finfo(np.float32).max))
        middle = np.float32((float(low) + float(high)) / 2)
        for sign in signs:
            between = low < middle < high
            threshold = middle if between else low if sign > 0 else high
            says = column > threshold if sign > 0 else column < threshold
            assert np.array_equal(says, column >= high if sign > 0 else column <= low), (threshold, low, high)
            ranked.append((round(score_of(says, is_class, metric), 12), np.float32(gap), -cut, sign, threshold))
    score, _, _, sign, threshold = max(ranked)
    if metric == "effect-size":
        return threshold, sign, abs(d)
    return threshold, sign, max(area, 1 - area) if metric == "roc-auc" else score


def score_of(says: np.ndarray, is_class: np.ndarray, metric: str) -> float:
    """Return how well ``says`` names the class, both bool (example,); "roc-auc" and "effect-size" choose
    their cut by balanced accuracy."""
    hits, false = int((says & is_class).sum()), int((says & ~is_class).sum())
    inside, outside = int(is_class.sum()), int((~is_class).sum())
    if metric == "accuracy":
        return (hits + outside - false) / (inside + outside)
    if metric == "f1":
        return 2 * hits / (inside + hits + false)
    return (hits / inside + (outside - false) / outside) / 2


def area_under_curve(column: np.ndarray, is_class: np.ndarray) -> float:
    """Return the chance that an example of the class has a higher value than another, a tie counting half."""
    higher = np.sign(column[is_class].astype(np.float64)[:, None] - column[~is_class].astype(np.float64))
    return 0.5 + float(higher.sum()) / (2 * higher.size)


def effect_size(column: np.ndarray, is_class: np.ndarray) -> float:
    """Return how far the class mean lies above the mean of the others, in pooled standard deviations (Cohen's d), at most 1000.

    Parameters
    ----------
    column : float16 or float32 (example,)
        Finite and not constant.
    is_class : bool (example,)
        With at least one example on either side.

    Notes
    -----
    d = (m1 - m0) / sqrt((S1 + S0) / (n - 2)), m the means and S the sums of squares about them. Written with the share B of all
    squares that lies between the classes, d^2 = B / (1 - B) (n - 2) n / (n1 n0), it needs one sum for each labelling. All sums are
    float64 and run from the smallest value up, which the compiled search does too: both give the same bits.

    Examples
    --------
    >>> round(effect_size(np.array([1.0, 3.0, 5.0, 7.0]), np.array([False, False, True, True])), 3)
    2.828
    """
    column = np.asarray(column, np.float32)
    order = np.lexsort((is_class, column))
    values, inside = column[order].astype(np.float64), is_class[order]
    n, n_inside = len(values), int(inside.sum())
    centred = values - _sum(values) / n
    apart = _sum(centred[inside])
    weight = n / (float(n_inside) * float(n - n_inside))
    between = apart * apart / _sum(centred * centred) * weight
    size = 1000.0 if not between < 1 else min(1000.0, float(np.sqrt(between / (1 - between) * max(n - 2, 1) * weight)))
    return size if apart >= 0 else -size


def _sum(values: np.ndarray) -> float:
    """Return the sum from the first to the last, one after the other."""
    return float(np.cumsum(values)[-1])
