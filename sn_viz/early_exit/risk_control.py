"""The first vote whose margin was shown to be safe enough: a threshold chosen on calibration images.

Takes the votes of calibration images and the full model's answers or the labels; returns a policy with its certificate, or the
full model where nothing could be certified. It knows nothing about how voters were found.

The threshold is chosen by Learn then Test (A. N. Angelopoulos, S. Bates, E. J. Candès, M. I. Jordan, L. Lei: "Learn then Test:
Calibrating Predictive Algorithms to Achieve Risk Control", arXiv 2110.01052) with fixed-sequence testing. Each threshold of a
list that was fixed beforehand stands for the hypothesis "the risk is above the level"; its p-value is the exact binomial tail,
which falls below 1 - confidence just when the one-sided bound of C. J. Clopper and E. S. Pearson ("The use of confidence or
fiducial limits illustrated in the case of the binomial", Biometrika 26, 1934) falls to the level. The list runs from the most
cautious threshold to the boldest and testing ends at the first failure, so no correction for many tests is due, and the risk need
not grow along the list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from sn_viz.early_exit.certificates import certified, check_level, images_needed, p_values, upper_bounds
from sn_viz.early_exit.policies import MarginPolicy, final_answers, first_exits
from sn_viz.errors import UserError
from sn_viz.formatting import percent
from sn_viz.types import Votes

Risk = Literal["disagreement", "error"]
"""What is counted: images where the early answer is not the full model's, or images whose final answer is not the label."""
RISKS: tuple[Risk, ...] = ("disagreement", "error")
GRID: tuple[float, ...] = tuple(float(t) for t in np.round(np.linspace(1.0, 0.0, 41), 3))
"""Margins tried as thresholds, the most cautious first. Fixed before any image is seen: the guarantee rests on that."""


@dataclass(frozen=True, eq=False)
class Certificate:
    """What the calibration images said about every threshold."""

    risk: Risk
    level: float
    """The largest acceptable risk, a fraction."""
    confidence: float
    n: int
    """Calibration images."""
    threshold: Float[np.ndarray, " rung"]
    """float64 (rung,): margins, in the order they were tested."""
    losses: Int[np.ndarray, " rung"]
    """int64 (rung,): calibration images that went wrong."""
    p_value: Float[np.ndarray, " rung"]
    """float64 (rung,): of the hypothesis that the risk is above the level."""
    upper: Float[np.ndarray, " rung"]
    """float64 (rung,): one-sided Clopper-Pearson bound of the risk, for each threshold alone."""
    certified: Bool[np.ndarray, " rung"]
    """bool (rung,): rejected, and so were all before it."""
    mean_layer: Float[np.ndarray, " rung"]
    """float64 (rung,): average exit layer, the last one where the full model answered; NaN without images."""

    @classmethod
    def of(
        cls, votes: Votes, full: np.ndarray, thresholds: np.ndarray, level: float, labels: np.ndarray | None, confidence: float
    ) -> Certificate:
        """Return what these images say about ``thresholds``, float64 (rung,); the other parameters as for `RiskControlled`."""
        lost = losses(votes, full, thresholds, labels)
        counts, n = lost.sum(axis=0), len(lost)
        return cls(
            "disagreement" if labels is None else "error",
            level,
            confidence,
            n,
            thresholds,
            counts,
            p_values(counts, n, level),
            upper_bounds(counts, n, confidence),
            certified(counts, n, level, confidence),
            mean_layers(votes, thresholds),
        )


@dataclass(frozen=True)
class RiskControlled:
    """Stop at the first layer whose vote is at least as clear as calibration images showed to be safe."""

    threshold: float
    """Smallest margin, from 0 to 1, that counts as clear."""
    certificate: Certificate = field(repr=False, compare=False)

    def exit_mask(self, votes: Votes) -> np.ndarray:
        """Return bool (example, layer): where the margin reaches the threshold. A NaN margin never does."""
        return votes.margin >= self.threshold

    def exit_layers(self, votes: Votes) -> np.ndarray:
        """Return the exit layer of every example, int64 (example,); the last one where the full model answers."""
        return MarginPolicy(self.threshold).exit_layers(votes)

    def should_exit(self, layer: int, margin: float) -> bool:
        """Return whether to stop when ``layer`` has voted with ``margin``."""
        return bool(margin >= self.threshold)

    @property
    def sentence(self) -> str:
        """What was certified, for people."""
        seen = self.certificate
        losses = int(seen.losses[seen.certified][-1])
        return (
            f"The model stops at the first block whose vote margin reaches {self.threshold:g}. The result {_went_wrong(seen.risk)} "
            f"on {losses:,} of {seen.n:,} calibration images, which shows with {seen.confidence:.0%} confidence that it does on at "
            f"most {percent(seen.level)} of images like these."
        )

    @classmethod
    def calibrated(
        cls,
        votes: Votes,
        full: np.ndarray,
        level: float = 0.05,
        labels: np.ndarray | None = None,
        confidence: float = 0.95,
        grid: Sequence[float] = GRID,
    ) -> RiskControlled | FullModel:
        """Return the boldest policy whose risk is shown to stay below ``level``.

        Parameters
        ----------
        votes : Votes
            Of the calibration images, which must have had no part in finding the voters and must not be the test images.
        full : np.ndarray
            int64 (example,): the full model's answers; -1 where an answer named no class.
        level : float
            The largest acceptable risk, in (0, 1).
        labels : np.ndarray, optional
            int64 (example,): given, the risk is an error of the final answer; otherwise a disagreement with the full model, which
            is 0 wherever the full model answers.
        confidence : float
            In (0, 1): how sure to be, over the draw of the calibration images.
        grid : sequence of float
            Margins to try, in this order. Must not depend on the calibration images.

        Returns
        -------
        RiskControlled or FullModel
            `FullModel` when not even the first threshold could be certified; it says why, and how many images would be needed.

        Raises
        ------
        UserError
            For a level or confidence outside (0, 1), an empty grid, or answers that are not one per image.

        Notes
        -----
        Learn then Test with fixed-sequence testing and exact binomial p-values; sources in the module's docstring. With probability
        ``confidence`` over calibration images drawn like the later ones, the risk is at most ``level``, for any number of images.
        """
        check_level(level, confidence)
        thresholds = np.asarray(grid, dtype=np.float64)
        if not len(thresholds):
            raise UserError("There is no margin to try.", "The grid is empty.", "Give at least one margin, for example 1.0.")
        certificate = Certificate.of(votes, full, thresholds, level, labels, confidence)
        good = np.flatnonzero(certificate.certified)
        return cls(float(thresholds[good[-1]]), certificate) if len(good) else FullModel(certificate)


@dataclass(frozen=True)
class FullModel:
    """Never stop: what is left when no early exit could be shown to be safe. Its risk of disagreement is 0."""

    certificate: Certificate = field(repr=False, compare=False)

    def exit_mask(self, votes: Votes) -> np.ndarray:
        """Return bool (example, layer), all False."""
        return np.zeros(votes.margin.shape, dtype=bool)

    def exit_layers(self, votes: Votes) -> np.ndarray:
        """Return the last layer for every example, int64 (example,)."""
        return first_exits(self.exit_mask(votes))[0] + votes.first_layer

    def should_exit(self, layer: int, margin: float) -> bool:
        """Return False."""
        return False

    @property
    def images_needed(self) -> int | None:
        """How many calibration images would certify the most cautious threshold if it went wrong as often as seen here.

        None when it went wrong too often for any number of images, or for a million.
        """
        seen = self.certificate
        return images_needed(seen.level, seen.confidence, seen.losses[0] / seen.n if seen.n else 0.0)

    @property
    def sentence(self) -> str:
        """Why nothing was certified and what would help, for people."""
        seen, whole = self.certificate, "Every image runs through the whole model."
        lost, goal = int(seen.losses[0]), f"with {seen.confidence:.0%} confidence that it does on at most {percent(seen.level)}"
        count = f"{lost:,} of {seen.n:,} calibration images"
        fact = f"stopping at a margin of {seen.threshold[0]:g}, the result {_went_wrong(seen.risk)} on {count}"
        if self.images_needed is None:
            return f"No early exit is allowed: {fact}, too often for {percent(seen.level)}. Allow a higher risk. {whole}"
        if lost == 0:
            few = f"{seen.n:,} calibration images are too few" if seen.n else "there are no calibration images"
            return (
                f"No early exit is allowed: {few} to show {goal}, even if it never {_went_wrong(seen.risk)}; "
                f"{self.images_needed:,} would be needed. {whole}"
            )
        return (
            f"No early exit is allowed: {fact}, which does not show {goal}. If that share holds, about {self.images_needed:,} "
            f"calibration images would. {whole}"
        )


def losses(votes: Votes, full: np.ndarray, thresholds: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
    """Return which examples go wrong at each threshold.

    Parameters
    ----------
    votes : Votes
    full : np.ndarray
        int64 (example,): the full model's answers.
    thresholds : np.ndarray
        float (rung,): margins.
    labels : np.ndarray, optional
        int64 (example,).

    Returns
    -------
    np.ndarray
        bool (example, rung). Without labels: stopped early with another answer than the full model's. With labels: the final answer
        (the vote's where stopped early, the full model's elsewhere) is not the label.

    Raises
    ------
    UserError
        When there is not one answer, or label, per example.
    """
    for what, given in (("answers of the full model", full), ("labels", labels)):
        if given is not None and len(given) != len(votes.predicted):
            raise UserError(
                f"There are {len(given)} {what} for {len(votes.predicted)} images.", "Each image needs one.", "Give one for each."
            )
    full = np.asarray(full)
    truth = full if labels is None else np.asarray(labels)
    lost = np.empty((len(full), len(thresholds)), dtype=bool)
    for rung, threshold in enumerate(thresholds):
        lost[:, rung] = final_answers(votes.margin >= threshold, votes.predicted, full) != truth
    return lost


def mean_layers(votes: Votes, thresholds: np.ndarray) -> np.ndarray:
    """Return the average exit layer at each threshold, float64 (rung,), the last one where the full model answers; NaN without
    examples.
    """
    if not len(votes.margin):
        return np.full(len(thresholds), np.nan)
    return np.array([MarginPolicy(float(threshold)).exit_layers(votes).mean() for threshold in thresholds])


def _went_wrong(risk: Risk) -> str:
    return "contradicted the full model" if risk == "disagreement" else "was wrong"
