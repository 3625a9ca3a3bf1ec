"""How an embedded model is optimised: Muon for the matrices inside blocks, AdamW for everything else, on one schedule.

Takes weights by learning rate; knows nothing of what they belong to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

Rates = Mapping[float, Sequence[nn.Parameter]]
"""Weights by their learning rate at the schedule's height."""


@dataclass
class Optimisers:
    """Several optimisers that step together."""

    each: list[torch.optim.Optimizer]

    @property
    def learning(self) -> list[nn.Parameter]:
        """Every weight that one of them changes."""
        return [weight for one in self.each for group in one.param_groups for weight in group["params"]]

    def step(self, factor: float) -> None:
        """Change the weights at ``factor`` times their own rate, and forget the gradients."""
        for optimiser in self.each:
            for group in optimiser.param_groups:
                group["lr"] = group["rate"] * factor
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)


def muon(matrices: Rates) -> torch.optim.Optimizer:
    """Return Muon, whose updates are scaled to AdamW's size, so that one rate serves both."""
    groups = [{"params": list(p), "lr": 1.5 * rate, "rate": 1.5 * rate} for rate, p in matrices.items()]
    return torch.optim.Muon(groups, weight_decay=0.05, momentum=0.95, adjust_lr_fn="match_rms_adamw")


def adam(rest: Rates) -> torch.optim.Optimizer:
    """Return AdamW for what is no matrix inside a block."""
    groups = [{"params": list(p), "lr": rate, "rate": rate} for rate, p in rest.items()]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.01)


def learning_at(rates: Rates) -> Rates:
    """Return ``rates`` without those that are 0 or have no weights."""
    return {rate: weights for rate, weights in rates.items() if weights and rate > 0}


def schedule(done: float, warm: float = 0.03) -> float:
    """Return the learning-rate factor when the fraction ``done`` of a stage is over: a short rise, then a straight fall to 2 %."""
    return min(1.0, done / warm + 0.02) * (0.02 + 0.98 * (1 - done)) if done < 1 else 0.02
