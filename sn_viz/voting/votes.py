"""Let super neurons vote: every example, every exit layer.

Takes values (example, neuron) and voters; returns shares of the vote. It knows nothing about models or images; of where a neuron
lives it knows only that the neurons up to a layer come first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Float32, Int64

from sn_viz.matrix import mapped_file, read_columns
from sn_viz.types import Stumps, Votes
from sn_viz.voting.voters import says_of
from sn_viz.voting.weightings import WEIGHTINGS, Fitted


def vote(
    values: Float[np.ndarray, "example neuron"], voters: Stumps, n_classes: int, weighting: str = "majority"
) -> Float32[np.ndarray, "example class"]:
    """Let the voters speak on every example.

    Parameters
    ----------
    values : float16 or float32 (example, neuron)
        Must hold every column the voters name; nothing beyond the deepest of them is read.
    voters : Stumps
    n_classes : int
    weighting : str
        "majority": each voter counts one. "log-odds": log(score / (1 - score)), clipped at a score of 0.99 and never below zero;
        when that leaves no voter any weight each counts one. "logistic": voters that
        `sn_viz.voting.committees.weighed` has fitted; shares are probabilities.

    Returns
    -------
    float32 (example, class)
        Shares that sum to 1. Two classes: the weight of voters that say class 1, and of those that do not. More: each class's
        share of its own voters that say it, divided by the sum over classes; equal shares where no voter speaks. No voters:
        equal shares.

    Raises
    ------
    UserError
        For an unknown weighting.

    Notes
    -----
    A value equal to the threshold, or NaN, does not say the class.
    """
    chosen, says = WEIGHTINGS[weighting], says_of(values, voters)
    if isinstance(chosen, Fitted) and len(voters):
        return chosen.tally(says, voters, n_classes).astype(np.float32)
    weight = chosen(voters)
    tally = np.zeros((len(values), n_classes))
    if n_classes == 2:
        total = weight.sum()
        tally[:, 1] = (says * weight).sum(axis=1)
        tally[:, 0] = total - tally[:, 1]
    else:
        for c in range(n_classes):
            mine = voters.class_index == c
            if mine.any():
                tally[:, c] = (says[:, mine] * weight[mine]).sum(axis=1) / weight[mine].sum()
    total = tally.sum(axis=1, keepdims=True)
    equal = np.full(tally.shape, 1 / n_classes)
    return np.divide(tally, total, out=equal, where=total > 0).astype(np.float32)


def winners(tally: Float[np.ndarray, "*rows class"]) -> Int64[np.ndarray, "*rows"]:
    """Return the class with the largest share, int64; equal shares go to the lower class.

    Parameters
    ----------
    tally : float32 (..., class)
        Shares closer than 1e-6 count as equal.

    Returns
    -------
    int64 (...,)
    """
    return (tally >= tally.max(axis=-1, keepdims=True) - 1e-6).argmax(axis=-1)


def votes_by_layer(
    values: Float[np.ndarray, "example neuron"],
    voters_by_layer: Sequence[Stumps],
    n_classes: int,
    weighting: str = "majority",
    first_layer: int = 1,
    rows: np.ndarray | None = None,
) -> Votes:
    """Return what the voters of each exit layer say.

    Parameters
    ----------
    values : float16 or float32 (example, neuron)
    voters_by_layer : sequence of Stumps
        Index 0 is exit layer ``first_layer``.
    n_classes : int
    weighting : str
    first_layer : int
        1, or less when the vision tower was read.
    rows : int (row,), optional
        Of which examples; by default of all.

    Returns
    -------
    Votes
        Margins are between the two largest shares.
    """
    if rows is not None or mapped_file(values) is not None:  # every column is read once, however many layers ask for it
        columns = np.unique(np.concatenate([np.zeros(0, np.int64), *(voters.neuron for voters in voters_by_layer)]))
        values = read_columns(values, columns, rows)
        voters_by_layer = [replace(voters, neuron=np.searchsorted(columns, voters.neuron)) for voters in voters_by_layer]
    shape = (len(values), 0, n_classes)
    tallies = [vote(values, voters, n_classes, weighting) for voters in voters_by_layer]
    tally = np.stack(tallies, axis=1) if tallies else np.zeros(shape, np.float32)
    ranked = np.sort(tally, axis=2)
    return Votes(tally, winners(tally), ranked[:, :, -1] - ranked[:, :, -2], first_layer)
