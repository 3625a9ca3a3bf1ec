"""From which layer on a vote no longer changes.

Takes the votes by layer; returns a layer per example. It knows nothing of runs or figures.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from sn_viz.types import Votes


def settles_at(votes: Votes) -> Int[np.ndarray, " example"]:
    """Return the first layer from which on the vote stays the same through to the deepest layer that was read.

    Parameters
    ----------
    votes : Votes
        What the voters up to each layer say.

    Returns
    -------
    np.ndarray
        int64 (example,): from 1; 0 and less in the vision tower. The deepest layer where only it says what it says. It asks neither
        whether the vote is right, nor how clear it is.

    Examples
    --------
    >>> predicted = np.array([[1, 0, 1, 1], [0, 0, 0, 0]])
    >>> settles_at(Votes(np.empty((2, 4, 2)), predicted, np.empty((2, 4)))).tolist()
    [3, 1]
    """
    other = votes.predicted != votes.predicted[:, -1:]
    depth = other.shape[1]
    last_other = (
        np.where(other.any(axis=1), depth - 1 - np.argmax(other[:, ::-1], axis=1), -1) if depth else np.full(len(other), -1)
    )
    return np.asarray(last_other + 1 + votes.first_layer, np.int64)
