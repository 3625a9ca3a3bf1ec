"""How far to trust an accuracy that was measured on the same images from several draws of the probing images.

Takes scores (draw, example); returns a mean with an interval that allows for other draws and for other images. Both are samples:
images that are hard for one draw tend to be hard for all, and a lucky draw is right on many images, so that neither the number of
images nor that of the answers says how much was measured. It knows nothing about models.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import t as student

from sn_viz.types import Interval


@dataclass(frozen=True)
class Spread:
    """A mean over draws and images, and how far it may be off."""

    mean: float
    variance: float
    """Of the mean."""
    freedom: float
    """Degrees of freedom of that variance."""


def spread(scores: Float[np.ndarray, "draw example"] | Bool[np.ndarray, "draw example"]) -> Spread:
    """Return the mean and its variance under a model with an effect of the draw, one of the image, and the rest.

    Parameters
    ----------
    scores : bool or float (draw, example)

    Returns
    -------
    Spread
        With one draw it tells of other images only. NaN without draws or images.

    Notes
    -----
    Two-way random effects without replication: the mean squares of draws and of images, less that of the rest, over the number of
    scores. When draws differ by no more than the rest does, images alone count, so that the variance never falls below theirs. The
    degrees of freedom are those of F. E. Satterthwaite, "An approximate distribution of estimates of variance components",
    Biometrics Bulletin 2 (1946); a sum has no fewer than its poorest part, and where the rest almost cancels the others, as with
    answers that turn round from draw to draw, the formula alone would give next to none.
    """
    scores = np.asarray(scores, np.float64)
    draws, n = scores.shape
    if not scores.size:
        return Spread(np.nan, np.nan, np.nan)
    mean, of_draw, of_image = float(scores.mean()), scores.mean(axis=1), scores.mean(axis=0)
    image = draws * float(of_image.var(ddof=1)) if n > 1 else 0.0
    if draws == 1 or n == 1:
        return Spread(mean, image / scores.size, max(n - 1, 1))
    draw = n * float(of_draw.var(ddof=1))
    rest = float(((scores - of_draw[:, None] - of_image + mean) ** 2).sum()) / ((draws - 1) * (n - 1))
    total = draw + image - rest
    if total <= image:
        return Spread(mean, image / scores.size, n - 1)
    doubt = draw**2 / (draws - 1) + image**2 / (n - 1) + rest**2 / ((draws - 1) * (n - 1))
    return Spread(mean, total / scores.size, max(total**2 / doubt, min(draws, n) - 1))


def accuracy_interval(right: Bool[np.ndarray, "draw example"], confidence: float = 0.95) -> Interval:
    """Return the accuracy with its interval over draws and images.

    Parameters
    ----------
    right : bool (draw, example)
        Whether each draw's classifier was right about each image.
    confidence : float

    Returns
    -------
    Interval
        Wilson's, with Student's quantile and with as many images as would give the variance found; never more of them than there
        are answers. When all answers are right, or all wrong, as many as there are images. NaN and [0, 1] without any.

    Examples
    --------
    >>> accuracy_interval(np.ones((3, 40), bool)).low > 0.9
    True
    """
    found, n = spread(right), right.shape[1]
    if not right.size:
        return Interval(np.nan, 0.0, 1.0, n)
    p, inside = found.mean, found.mean * (1 - found.mean)
    worth = float(np.clip(inside / found.variance, 1, right.size)) if found.variance > 0 else float(n)
    z2 = float(student.ppf(0.5 + confidence / 2, found.freedom)) ** 2
    centre = (p + z2 / (2 * worth)) / (1 + z2 / worth)
    half = np.sqrt(z2 * (inside / worth + z2 / (4 * worth**2))) / (1 + z2 / worth)
    return Interval(p, 0.0 if p == 0 else float(centre - half), 1.0 if p == 1 else float(centre + half), n)


def difference_interval(
    first: Bool[np.ndarray, "draw example"], second: Bool[np.ndarray, "draw example"], confidence: float = 0.95
) -> Interval:
    """Return how much more often the first method is right, draw by draw and image by image, with Student's interval.

    Parameters
    ----------
    first, second : bool (draw, example)
        On the same draws and images; a method that needs no draw may have one row.
    confidence : float

    Returns
    -------
    Interval
        In [-1, 1]; NaN and [-1, 1] without any. Where the two never differ it is as wide as one image in all.
    """
    gaps = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    found, n = spread(gaps), gaps.shape[1]
    if not gaps.size:
        return Interval(np.nan, -1.0, 1.0, n)
    half = float(student.ppf(0.5 + confidence / 2, found.freedom)) * np.sqrt(max(found.variance, 0.25 / n**2))
    return Interval(found.mean, max(-1.0, float(found.mean - half)), min(1.0, float(found.mean + half)), n)
