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
    states: torch.Tensor,
    inputs: Mapping[str, Any],
    class_token: bool = False,
    channels_first: bool = False,
    image_token: int | None = None,
) -> torch.Tensor:
    """Return the mean over the patches of each example's picture.

    Parameters
    ----------
    states : torch.Tensor
        (picture or crop, patch, unit), or (patch, unit) or (1, patch, unit) with the patches of all pictures behind one another.
    inputs : mapping
        What the model was given: ``input_ids`` (example, position) tells how many examples there are; ``image_grid_thw`` how packed
        patches divide; ``pixel_values`` (example, crop, channel, row, column) how many crops each picture has, where crops of
        nothing but zeros are padding. ``pixel_attention_mask`` or ``image_attention_mask``, ``image_position_ids``
        and ``aspect_ratio_mask`` tell which patches are padding: these do not count.
    class_token : bool
        Whether the first position of every picture is no patch.
    channels_first : bool
        Whether the states are maps of a convolutional tower, (picture or crop, unit, row, column).
    image_token : int, optional
        The token that stands for a part of a picture. Crops or packed patches that nothing else divides belong to the examples in
        the proportion of their tokens.

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
    if states.dim() < 3 or (len(states) == 1 and batch > 1):
        packed = states.reshape(-1, states.shape[-1])
        return _means(packed, _shares([1] * len(packed), inputs, image_token), batch)
    states = states.flatten(1, -2)
    counts = _counting(states, inputs)
    patches = _mean_patch(states, counts, int(class_token))
    if len(patches) == batch:
        return patches
    seen = _crops(inputs)
    crops = [] if seen is None else seen.sum(dim=1).tolist()
    if seen is not None and seen.numel() == len(patches):  # the tower looked at the padding too
        return _means(patches[seen.flatten().to(patches.device)], crops, batch)
    if sum(crops) != len(patches):
        sizes = [states.shape[1]] * len(states) if counts is None else counts.sum(dim=1).tolist()
        crops = _shares(sizes, inputs, image_token)
    return _means(patches, crops, batch)


def _mean_patch(states: torch.Tensor, counts: torch.Tensor | None, first: int) -> torch.Tensor:
    """Return float32 (picture or crop, unit): the mean over the patches from ``first`` on that are no padding."""
    if counts is None or bool(counts.all()):
        return states[:, first:].mean(dim=1, dtype=torch.float32)
    weights = counts[:, first:].to(states.device, torch.float32).unsqueeze(-1)
    return (states[:, first:].float() * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def _counting(states: torch.Tensor, inputs: Mapping[str, Any]) -> torch.Tensor | None:
    """Return bool (picture or crop, patch): which patches are no padding; None where the inputs do not tell."""
    pictures, patches = states.shape[:2]
    positions, tiles = inputs.get("image_position_ids"), inputs.get("aspect_ratio_mask")
    mask = inputs.get("pixel_attention_mask", inputs.get("image_attention_mask"))
    if positions is not None and positions.shape[:2] == (pictures, patches):
        return (positions >= 0).all(dim=-1)
    if tiles is not None:
        tiles = tiles.flatten(0, -2)
        fits = len(tiles) == pictures and patches % tiles.shape[-1] == 0
        return tiles.bool().repeat_interleave(patches // tiles.shape[-1], dim=1) if fits else None
    if mask is None:
        return None
    if mask.shape == (pictures, patches):
        return mask.bool()
    if mask.dim() == 4:  # of patches, or of pixels: (example, crop, row, column)
        seen = mask.flatten(0, 1).bool()
        if seen.flatten(1).shape == (pictures, patches):
            return seen.flatten(1)
        seen = seen[seen.flatten(1).any(dim=1)]
        side = math.isqrt(seen.shape[1] * seen.shape[2] // patches)
        if side and len(seen) == pictures and (seen.shape[1] // side) * (seen.shape[2] // side) == patches:
            return seen.unfold(1, side, side).unfold(2, side, side).flatten(3).any(dim=3).flatten(1)
    return None


def _crops(inputs: Mapping[str, Any]) -> torch.Tensor | None:
    """Return bool (example, crop): which crops are no padding; None where pictures come in no crops."""
    pixels = next((value for name, value in inputs.items() if "pixel_values" in name and torch.is_tensor(value)), None)
    return (pixels.flatten(2) != 0).any(dim=-1) if pixels is not None and pixels.dim() == 5 else None


def _shares(sizes: list[int], inputs: Mapping[str, Any], image_token: int | None) -> list[int]:
    """Return how many crops or patches belong to each example; [] where they do not divide so.

    Those that come next belong to an example until they have its share of all patches, which is its share of all image tokens.
    """
    if image_token is None:
        return []
    tokens, every = (inputs["input_ids"] == image_token).sum(dim=1).tolist(), sum(sizes)
    found, taken, row, wanted = [], 0, 0, 0
    for own in tokens:
        start, wanted = row, wanted + own
        while row < len(sizes) and (taken + sizes[row]) * sum(tokens) <= wanted * every:
            taken, row = taken + sizes[row], row + 1
        if taken * sum(tokens) != wanted * every:
            return []
        found.append(row - start)
    return found


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
