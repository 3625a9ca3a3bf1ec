"""What the vision tower holds, one vector a picture: the mean over its patches.

Takes the hidden states of a block of the tower and the model's inputs; returns one row per example. It knows nothing about models:
it goes by shapes, and by what processors call the layout of pictures that come in several crops or packed behind one another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from sn_viz.errors import UserError


def picture_means(
    states: torch.Tensor, inputs: Mapping[str, Any], class_token: bool = False, channels_first: bool = False
) -> torch.Tensor:
    """Return the mean over the patches of each example's picture.

    Parameters
    ----------
    states : torch.Tensor
        (picture or crop, patch, unit), or (patch, unit) with the patches of all pictures behind one another.
    inputs : mapping
        What the model was given: ``input_ids`` (example, position) tells how many examples there are; ``image_grid_thw`` how packed
        patches divide; ``pixel_values`` (example, crop, channel, row, column) how many crops each picture has, where crops of
        nothing but zeros are padding that the tower never sees.
    class_token : bool
        Whether the first position of every picture is no patch.
    channels_first : bool
        Whether the states are maps of a convolutional tower, (picture or crop, unit, row, column).

    Returns
    -------
    torch.Tensor
        float32 (example, unit). All crops of a picture count alike.

    Raises
    ------
    UserError
        When the states do not divide into pictures.
    """
    batch = len(inputs["input_ids"])
    if channels_first:
        states = states.flatten(2).transpose(1, 2)
    grid = inputs.get("image_grid_thw")
    if grid is not None and states.shape[:-1].numel() == int(grid.prod(dim=-1).sum()):
        patches = states.reshape(-1, states.shape[-1])
        return _means(patches, grid.prod(dim=-1).tolist(), batch)
    if states.dim() < 3:
        raise _undivided(states, batch)
    patches = states.flatten(1, -2)[:, int(class_token) :].mean(dim=1, dtype=torch.float32)
    return patches if len(patches) == batch else _means(patches, _crops(inputs), batch)


def _crops(inputs: Mapping[str, Any]) -> list[int]:
    pixels = inputs.get("pixel_values")
    if not torch.is_tensor(pixels) or pixels.dim() != 5:
        return []
    return (pixels.flatten(2) != 0).any(dim=-1).sum(dim=1).tolist()


def _means(rows: torch.Tensor, lengths: list[int], batch: int) -> torch.Tensor:
    """Return float32 (batch, unit): the mean of each run of ``lengths`` rows."""
    if len(lengths) != batch or sum(lengths) != len(rows) or not all(lengths):
        raise _undivided(rows, batch)
    if len(set(lengths)) == 1:
        return rows.reshape(batch, lengths[0], -1).mean(dim=1, dtype=torch.float32)
    return torch.stack([part.mean(dim=0, dtype=torch.float32) for part in rows.split(lengths)])


def _undivided(states: torch.Tensor, batch: int) -> UserError:
    return UserError(
        "The vision tower cannot be read here.",
        f"What it computed, {math.prod(states.shape[:-1])} vectors, does not divide into {batch} pictures.",
        "Leave out the sites of the tower, or read one picture at a time.",
    )
