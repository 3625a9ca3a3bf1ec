"""The vision tower's residual stream behind a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sn_viz.sites import TOWER_SITES, Place

if TYPE_CHECKING:
    from torch import nn


class TowerResidual:
    """The residual stream after the tower's block, averaged over patches: what was seen so far, whatever is asked."""

    name = "tower-residual"

    def module_of(self, block: nn.Module) -> Place:
        """Return the block itself, read at its output."""
        return block, "output"


TOWER_SITES.register("tower-residual")(TowerResidual())
