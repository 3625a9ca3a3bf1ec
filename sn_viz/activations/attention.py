"""Where the heads of an attention module look from the last position, read while the module runs as it always does.

Takes an attention module; returns its weights. Attention that calls PyTorch's ``scaled_dot_product_attention`` returns none, and
another kind of attention would change every value of the pass in its last bits. So the call is watched: the queries, keys and mask
that it is given are enough to compute the weights of one position beside it. From attention that returns its weights they are
taken. It knows nothing about layers, and nothing is left behind when the module has run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from sn_viz.errors import UserError


def watch_attention(module: nn.Module, batch: int, give: Callable[[torch.Tensor], None], handles: list[Any]) -> None:
    """Hook ``module``, so that each of its passes hands to ``give`` the weights of the last position.

    Parameters
    ----------
    module : nn.Module
        An attention module of a decoder.
    batch : int
        Examples in a pass.
    give : callable
        Takes float32 (batch, head, 1, key): how much each head attends to each position; what it cannot see has 0. In the pass, a
        UserError is raised where there are no such weights.
    handles : list
        Gets what has a ``remove``.
    """
    watch = _Watch()

    def finished(module: nn.Module, _args: Any, output: Any) -> None:
        watch.remove()
        give(_weights(module, output, watch.calls, batch))

    handles += [watch, module.register_forward_pre_hook(lambda *_: watch.begin()), module.register_forward_hook(finished)]


class _Watch(TorchFunctionMode):
    """Computes weights beside each call of scaled dot-product attention in this thread, from ``begin`` to ``remove``."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[torch.Tensor | None] = []
        self._begun = False

    def begin(self) -> None:
        self.calls.clear()
        self.__enter__()
        self._begun = True

    def remove(self) -> None:
        """End it, also where a pass was stopped inside the module."""
        if self._begun:
            self._begun = False
            self.__exit__(None, None, None)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is scaled_dot_product_attention:
            self.calls.append(last_weights(*args, **(kwargs or {})))
        return result


def last_weights(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor | None:
    """Return how the last query attends, in a call of ``scaled_dot_product_attention`` with these arguments.

    Parameters
    ----------
    query, key : torch.Tensor
        (batch, head, position, width); with grouped queries fewer heads in ``key``.
    value, dropout_p, enable_gqa
        Not needed.
    attn_mask : torch.Tensor, optional
        Broadcasts to (batch, head, query, key): True where it may look, or a number that is added.
    is_causal : bool
        The last of n queries sees the first n keys.
    scale : float, optional
        Default: one by the root of the width.

    Returns
    -------
    torch.Tensor or None
        float32 (batch, head, 1, key), or None where the tensors have no heads.
    """
    if query.dim() != 4:
        return None
    if is_causal:
        key = key[:, :, : query.shape[2]]
    key = key.float().repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    scores = query[:, :, -1:].float() @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if attn_mask is not None:
        mask = attn_mask[..., -1:, :]
        scores = scores.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else scores + mask.float()
    return scores.softmax(dim=-1)


def _weights(module: nn.Module, output: Any, calls: list[torch.Tensor | None], batch: int) -> torch.Tensor:
    """Return float32 (batch, head, 1, key): what the module returned, or what was computed beside its only call."""
    returned = output[1] if isinstance(output, tuple) and len(output) > 1 else None
    if torch.is_tensor(returned) and returned.dim() == 4:
        found = returned[:, :, -1:].float()
    else:
        found = calls[0] if len(calls) == 1 else None
    if found is None or len(found) != batch:
        raise UserError(
            "The attention weights cannot be read.",
            f"{type(module).__name__} neither returns them nor calls PyTorch's scaled dot-product attention once.",
            "Leave out the sites that need them.",
        )
    return found
