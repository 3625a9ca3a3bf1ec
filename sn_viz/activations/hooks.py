"""Hooks that read sites, cut down the tail of a block, or end a pass; all are gone when their context ends.

Takes modules and what to do with what they hold; it knows nothing about which sites there are or where a pass should end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn

from sn_viz.activations.attention import watch_attention
from sn_viz.activations.sites import Place, Transform
from sn_viz.activations.tower import picture_means
from sn_viz.models.vlm import Inputs, Vlm


class Spot(NamedTuple):
    """One place to read."""

    layer: int
    site: int
    """Its index among the sites that are read."""
    place: Place
    transform: Transform | None = None
    """What is made of what the place holds; None: nothing."""


Write = Callable[[int, int, torch.Tensor], None]
"""Takes layer, index of the site, and what the site holds, (batch, unit)."""


class Stop(Exception):
    """Unwinds the forward pass out of a block; always caught where the hook was put."""


@contextmanager
def hooks() -> Iterator[list[Any]]:
    """Give a list for hook handles, and remove every hook at the end, whatever happens."""
    handles: list[Any] = []
    try:
        yield handles
    finally:
        for handle in handles:
            handle.remove()


def read_spots(vlm: Vlm, spots: Sequence[Spot], inputs: Inputs, write: Write, handles: list[Any]) -> None:
    """Hook every one of ``spots``, so that a pass over ``inputs`` hands to ``write`` what it holds."""
    batch = len(inputs["input_ids"])
    for spot in spots:

        def read(held: Any, spot: Spot = spot) -> None:
            states = _first_tensor(held) if spot.transform is None else spot.transform(held)
            if spot.layer < 1:
                write(spot.layer, spot.site, picture_means(states, inputs, vlm.class_token, vlm.channels_first, vlm.image_token))
            else:
                write(spot.layer, spot.site, last_position(states, batch))

        module, side = spot.place
        if side == "attention":
            watch_attention(module, batch, read, handles)
        elif side == "output":
            handles.append(module.register_forward_hook(lambda _m, _a, output, read=read: read(output)))
        else:
            handles.append(
                module.register_forward_pre_hook(
                    lambda _m, args, kwargs, read=read: read(_first_tensor((*args, *kwargs.values()))), with_kwargs=True
                )
            )


def cut_down(parts: Sequence[nn.Module], handles: list[Any]) -> None:
    """Hook every one of ``parts``, so that of what it is given it gets the last position only."""
    for part in parts:
        handles.append(part.register_forward_pre_hook(_keep_last, with_kwargs=True))


def _first_tensor(values: Any) -> torch.Tensor:
    if torch.is_tensor(values):
        return values
    return next(value for value in values if torch.is_tensor(value))


def last_position(tensor: torch.Tensor, batch: int) -> torch.Tensor:
    """Return (batch, width) of (batch, position, width).

    An MLP may see its positions flattened to (batch * position, width). Of several streams side by side, (stream, batch, position,
    width), the first is taken: it is the one that the block's attention and MLP work on.
    """
    if tensor.dim() == 4 and tensor.shape[1] == batch:
        tensor = tensor[0]
    return tensor.reshape(batch, -1, tensor.shape[-1])[:, -1]


def _keep_last(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    def keep(value: Any) -> Any:
        return value[:, -1:] if torch.is_tensor(value) and value.dim() == 3 else value

    return tuple(keep(value) for value in args), {name: keep(value) for name, value in kwargs.items()}
