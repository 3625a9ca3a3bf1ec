"""How widely each attention head looks around."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sn_viz.activations.sites import SITES, Place
from sn_viz.errors import UserError
from sn_viz.models.blocks import attention_of

if TYPE_CHECKING:
    import torch
    from torch import nn


class AttentionEntropy:
    """The entropy, in nats, of what each head of the block's attention attends to from the last prompt position."""

    name = "attention-entropy"

    def module_of(self, block: nn.Module) -> Place:
        """Return the block's attention, of which the weights are read."""
        attention = attention_of(block)
        if attention is None:
            raise UserError(
                f"The site {self.name!r} is not there.", f"{type(block).__name__} has no attention module.", "Leave it out."
            )
        return attention, "attention"

    def transform(self, weights: torch.Tensor) -> torch.Tensor:
        """Return the entropy of each head, (batch, 1, head), of ``weights`` (batch, head, 1, key): 0 for one position alone."""
        return -weights.xlogy(weights).sum(dim=-1).transpose(1, 2)


SITES.register("attention-entropy", costly=True)(AttentionEntropy())
