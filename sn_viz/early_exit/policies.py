"""When to stop: at a fixed layer, or at the first layer whose vote is clear enough.

Takes the votes by layer; returns where each image stops and what is answered there. Where a policy stops nowhere the full model
answers, out of the very pass that has been running. It knows nothing about how voters were found, nor whether stopping is safe:
that is ``risk_control``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from sn_viz.types import Votes


class Policy(Protocol):
    """Says where to stop."""

    def exit_mask(self, votes: Votes) -> np.ndarray:
        """Return bool (example, layer): where the policy would stop."""
        ...

    def should_exit(self, layer: int, margin: float) -> bool:
        """Return whether to stop when ``layer`` has voted with ``margin``."""
        ...


@dataclass(frozen=True)
class FixedLayer:
    """Stop every example at one layer."""

    layer: int
    """From 1; 0 and less in the vision tower."""

    def exit_mask(self, votes: Votes) -> np.ndarray:
        """Return bool (example, layer): True from the fixed layer on."""
        layers = votes.first_layer + np.arange(votes.margin.shape[1])
        return np.broadcast_to(layers >= self.layer, votes.margin.shape)

    def exit_layers(self, votes: Votes) -> np.ndarray:
        """Return the exit layer of every example, int64 (example,)."""
        return np.full(len(votes.predicted), self.layer, dtype=np.int64)

    def should_exit(self, layer: int, margin: float) -> bool:
        """Return whether to stop when ``layer`` has voted with ``margin``."""
        return layer >= self.layer


@dataclass(frozen=True)
class MarginPolicy:
    """Stop at the first layer whose vote is clear enough."""

    threshold: float
    """Smallest margin, from 0 to 1, that counts as clear: the winner's share of the vote minus the runner-up's."""

    def exit_mask(self, votes: Votes) -> np.ndarray:
        """Return bool (example, layer): where the margin reaches the threshold. A NaN margin never does."""
        return votes.margin >= self.threshold

    def exit_layers(self, votes: Votes) -> np.ndarray:
        """Return the exit layer of every example.

        Parameters
        ----------
        votes : Votes
            By layer.

        Returns
        -------
        np.ndarray
            int64 (example,): the first layer with a margin of at least ``threshold``, or the last layer when there is none.
            A NaN margin never stops.
        """
        return first_exits(self.exit_mask(votes))[0] + votes.first_layer

    def should_exit(self, layer: int, margin: float) -> bool:
        """Return whether to stop when ``layer`` has voted with ``margin``."""
        return bool(margin >= self.threshold)

    @classmethod
    def calibrated(cls, votes: Votes, labels: np.ndarray, loss: float = 0.01) -> MarginPolicy:
        """Return the policy that stops soonest while staying accurate on a calibration split.

        Parameters
        ----------
        votes : Votes
            Of the calibration split, which must not be the test split.
        labels : np.ndarray
            int64 (example,).
        loss : float
            How much accuracy, as a fraction, may be given up against the best threshold.
        """
        thresholds = np.unique(np.append(votes.margin[np.isfinite(votes.margin)], [0.0, 1.0]))
        layers = np.stack([cls(float(threshold)).exit_layers(votes) for threshold in thresholds])
        accuracy = (votes.predicted[np.arange(len(labels)), layers - votes.first_layer] == labels).mean(axis=1)
        good = np.flatnonzero(accuracy >= accuracy.max() - loss)
        return cls(float(thresholds[good[np.argmin(layers[good].mean(axis=1))]]))


def first_exits(exit_mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the position on the layer axis where each example stops, int64, the last one if nowhere; whether it stopped, bool."""
    n, depth = exit_mask.shape
    stopped = exit_mask.any(axis=1)
    return np.where(stopped, exit_mask.argmax(axis=1) if depth else np.zeros(n, np.int64), depth - 1), np.asarray(stopped)


def final_answers(exit_mask: np.ndarray, predicted: np.ndarray, full: np.ndarray) -> np.ndarray:
    """Return the final answer of each example, int64: the vote's where it stopped, the full model's elsewhere."""
    position, stopped = first_exits(exit_mask)
    return np.where(stopped, predicted[np.arange(len(full)), position], full) if exit_mask.shape[1] else full


def rows_of(votes: Votes, index: np.ndarray) -> Votes:
    """Return the votes of the examples at ``index``, int (n,)."""
    return replace(votes, tally=votes.tally[index], predicted=votes.predicted[index], margin=votes.margin[index])
