"""The vision tower's residual stream behind a block."""

from sn_viz.activations.sites import TOWER_SITES
from sn_viz.activations.sites.residual import Residual


class TowerResidual(Residual):
    """The residual stream after the tower's block, averaged over patches: what was seen so far, whatever is asked."""

    name = "tower-residual"


TOWER_SITES.register("tower-residual")(TowerResidual())
