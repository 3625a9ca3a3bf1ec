"""Which neurons say nearly the same as one of them: correlation over the probing images.

Takes activations, returns columns and correlations. It knows nothing of labels or thresholds.
"""

from __future__ import annotations

import numpy as np

BLOCK = 1 << 15
"""Columns looked at together: bounds the memory, whatever the number of neurons."""
FEWEST = 3
"""Two images always correlate fully; below this many nothing is alike."""


def most_alike(values: np.ndarray, neuron: int, n: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``n`` neurons whose values go most closely with those of ``neuron``, or against them.

    Parameters
    ----------
    values : float16 or float32 (example, neuron)
    neuron : int
        Column to compare with.
    n : int
        At most so many.

    Returns
    -------
    column : int64 (found,)
        Largest absolute correlation first, equals in order; never ``neuron`` itself.
    correlation : float64 (found,)
        Pearson's, in [-1, 1]; below 0 the neuron says the same the other way round.

    Notes
    -----
    Neurons that are constant or have a value that is not finite correlate with nothing and are left out; when ``neuron`` is one
    of them, or there are fewer than three examples, nothing is found.

    Examples
    --------
    >>> column, correlation = most_alike(np.array([[0.0, 2, 5], [1, 1, 5], [3, 0, 5]]), 0)
    >>> column.tolist(), correlation.round(2).tolist()
    ([1], [-0.98])
    """
    found = np.zeros(values.shape[1])
    own = _standardised(values[:, neuron : neuron + 1])[:, 0]
    if len(values) >= FEWEST and own.any():
        for start in range(0, values.shape[1], BLOCK):
            found[start : start + BLOCK] = own @ _standardised(values[:, start : start + BLOCK])
    found[neuron] = 0.0
    order = np.argsort(-np.abs(found), kind="stable")[:n]
    order = order[found[order] != 0]
    return order, np.clip(found[order], -1.0, 1.0)


def _standardised(values: np.ndarray) -> np.ndarray:
    """Return columns of mean 0 and length 1, float64; all zero where a column is constant or not finite."""
    usable = np.isfinite(values).all(axis=0)
    exact = np.where(usable, values, 0).astype(np.float64)
    exact -= exact.mean(axis=0) if len(exact) else 0.0
    length = np.linalg.norm(exact, axis=0)
    return np.divide(exact, length, out=np.zeros_like(exact), where=length > 0)
