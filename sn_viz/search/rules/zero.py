"""The raw sign of the activation: takes values, returns zeros."""

from __future__ import annotations

import numpy as np

from sn_viz.search.rules import RULES


@RULES.register("zero")
def zero(values: np.ndarray, is_class: np.ndarray) -> np.ndarray:
    """Cut every neuron at zero, so that only the sign of its activation speaks.

    Parameters
    ----------
    values : float32 (example, neuron)
    is_class : bool (example,)

    Returns
    -------
    float32 (neuron,)
        Zeros. An activation of exactly zero is on neither side.
    """
    return np.zeros(values.shape[1], np.float32)
