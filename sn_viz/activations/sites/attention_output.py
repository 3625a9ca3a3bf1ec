"""What attention adds to the residual stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sn_viz.activations.sites import SITES, Place
from sn_viz.errors import UserError
from sn_viz.models.blocks import attention_of

if TYPE_CHECKING:
    from torch import nn


class AttentionOutput:
    """The output of the block's attention: what was fetched from other positions."""

    name = "attention-output"

    def module_of(self, block: nn.Module) -> Place:
        """Return the block's attention, read at its output."""
        attention = attention_of(block)
        if attention is None:
            raise UserError(
                f"The site {self.name!r} is not there.", f"{type(block).__name__} has no attention module.", "Leave it out."
            )
        return attention, "output"


SITES.register("attention-output")(AttentionOutput())
