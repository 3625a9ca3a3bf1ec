"""What each attention head fetched, before the heads are mixed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sn_viz.activations.sites import SITES, Place
from sn_viz.errors import UserError
from sn_viz.models.blocks import attention_output_of

if TYPE_CHECKING:
    from torch import nn


class AttentionHead:
    """The vectors of the block's attention heads, behind one another, before the output projection mixes them."""

    name = "attention-head"

    def module_of(self, block: nn.Module) -> Place:
        """Return the linear layer that closes the block's attention, read at its input."""
        projection = attention_output_of(block)
        if projection is None:
            raise UserError(
                f"The site {self.name!r} is not there.",
                f"No output projection was found in the attention of {type(block).__name__}.",
                "Leave it out; methods that need it, such as 'sav', cannot run on this model.",
            )
        return projection, "input"


SITES.register("attention-head", costly=True)(AttentionHead())
