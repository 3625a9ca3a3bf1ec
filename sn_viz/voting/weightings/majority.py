"""Each voter counts one."""

from __future__ import annotations

import numpy as np

from sn_viz.types import Stumps
from sn_viz.voting.weightings import WEIGHTINGS


@WEIGHTINGS.register("majority")
def majority(voters: Stumps) -> np.ndarray:
    """Let every voter count one, float64 (stump,)."""
    return np.ones(len(voters))
