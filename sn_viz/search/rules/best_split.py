"""The cut that maximises the score: takes nothing from the values itself, the search tries them all."""

from __future__ import annotations

import numpy as np

from sn_viz.search.rules import RULES


@RULES.register("best-split")
def best_split(values: np.ndarray, is_class: np.ndarray) -> None:
    """Try every cut between two distinct values and keep the one with the highest score.

    Parameters
    ----------
    values : float32 (example, neuron)
    is_class : bool (example,)

    Returns
    -------
    None
        Which tells the search to try every cut.
    """
    return
