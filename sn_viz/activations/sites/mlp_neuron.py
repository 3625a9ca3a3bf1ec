"""The hidden neurons of the MLP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sn_viz.activations.sites import SITES, Place
from sn_viz.errors import UserError
from sn_viz.models.blocks import down_projection_of

if TYPE_CHECKING:
    from torch import nn


class MlpNeuron:
    """The hidden neurons of the block's MLP, after gate and activation: the widest site."""

    name = "mlp-neuron"

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


SITES.register("mlp-neuron")(MlpNeuron())
