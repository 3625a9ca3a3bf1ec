"""The hidden neurons of the vision tower's MLPs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sn_viz.errors import UserError
from sn_viz.models.blocks import down_projection_of
from sn_viz.sites import TOWER_SITES, Place

if TYPE_CHECKING:
    from torch import nn


class TowerMlpNeuron:
    """The hidden neurons of the tower block's MLP, after the activation, averaged over patches."""

    name = "tower-mlp-neuron"

    def module_of(self, block: nn.Module) -> Place:
        """Return the last linear layer of the block's MLP, read at its input."""
        down = down_projection_of(block)
        if down is None:
            raise UserError(
                f"The site {self.name!r} is not there.",
                f"The MLP of {type(block).__name__} does not end in one linear layer.",
                "Leave it out.",
            )
        return down, "input"


TOWER_SITES.register("tower-mlp-neuron")(TowerMlpNeuron())
