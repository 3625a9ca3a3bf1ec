"""The residual stream behind a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sn_viz.activations.sites import SITES, Place

if TYPE_CHECKING:
    from torch import nn


class Residual:
    """The residual stream after the block: everything the model has gathered so far."""

    name = "residual"

    def module_of(self, block: nn.Module) -> Place:
        """Return the block itself, read at its output."""
        return block, "output"


SITES.register("residual")(Residual())
