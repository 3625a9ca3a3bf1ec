"""Half-way between the class means: takes values and class membership, returns thresholds."""

from __future__ import annotations

import numpy as np

from sn_viz.search.rules import RULES


@RULES.register("midpoint")
def midpoint(values: np.ndarray, is_class: np.ndarray) -> np.ndarray:
    """Cut half-way between the mean inside the class and the mean outside it.

    Parameters
    ----------
    values : float32 (example, neuron)
    is_class : bool (example,)
        With at least one example on either side.

    Returns
    -------
    float32 (neuron,)
        Means are taken in float64. A neuron with a non-finite value gets a non-finite threshold.
    """
    from sn_viz.search.kernels.fixed import class_sums  # compiled: loaded when it is used, as the search's kernels are

    inside, outside = class_sums(values, is_class)
    n_inside = np.count_nonzero(is_class)
    return ((inside / n_inside + outside / (len(values) - n_inside)) / 2).astype(np.float32)
