"""What the MLP adds to the residual stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sn_viz.activations.sites import SITES, Place
from sn_viz.errors import UserError
from sn_viz.models.blocks import down_projection_of, mlp_of

if TYPE_CHECKING:
    from torch import nn


class MlpOutput:
    """The output of the block's MLP: what was computed at this position."""

    name = "mlp-output"

    def module_of(self, block: nn.Module) -> Place:
        """Return the block's MLP, or its last linear layer where it has no module of its own, read at its output."""
        mlp = mlp_of(block)
        if mlp is None:
            mlp = down_projection_of(block)
        if mlp is None:
            raise UserError(f"The site {self.name!r} is not there.", f"{type(block).__name__} has no MLP module.", "Leave it out.")
        return mlp, "output"


SITES.register("mlp-output")(MlpOutput())
