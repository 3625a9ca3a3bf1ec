"""Makes a convolutional vision tower cheaper without changing what it computes.

Takes a loaded model in evaluation mode; changes it in place. Three things, tried on noise and taken back where the tower's last map
would differ by more than rounding: a batch norm becomes part of the convolution right before it, a gate that is one everywhere is
left out, and weights and maps lie channels last, as convolutions on processors like it. It knows nothing of families: it goes by
what the modules are.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

TOLERANCE = 1e-4
"""How far the folded tower's last map may be from the unfolded one's, relative to the largest value there."""


def simplify_tower(module: Any, side: int | None = None) -> float | None:
    """Fold batch norms, leave out gates that are one, and lay the weights of a convolutional tower channels last.

    Parameters
    ----------
    module : PreTrainedModel
        In evaluation mode.
    side : int, optional
        Pixels a side of the noise that the change is tried on; default: the tower's own.

    Returns
    -------
    float or None
        The largest difference in the tower's last map, relative to the largest value there; None where nothing was changed:
        there is no convolutional tower in float32, or the change was not exact enough.

    Notes
    -----
    The weights are no longer those of the file afterwards, so the model must not be saved.
    """
    tower = convolutional_tower(module)
    if tower is None or next(tower.parameters()).dtype != torch.float32:
        return None
    side = side or _side(tower)
    pixels = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0)).to(next(tower.parameters()).device)
    expected = _last_map(tower, pixels)
    kept = [(parent, name, child) for parent in tower.modules() for name, child in parent.named_children()]
    for parent in list(tower.modules()):
        _fold_pairs(parent)
        _leave_out_gates(parent)
    tower.to(memory_format=torch.channels_last)
    difference = float((_last_map(tower, pixels) - expected).abs().max() / expected.abs().max().clamp_min(1e-12))
    if difference <= TOLERANCE:
        return difference
    for parent, name, child in kept:
        setattr(parent, name, child)
    tower.to(memory_format=torch.contiguous_format)
    return None


def convolutional_tower(module: Any) -> Any:
    """Return the vision tower when it works by convolutions and batch norms and holds no attention, else None."""
    for path, part in module.named_modules():
        if path.split(".")[-1] in ("vision_tower", "vision_model", "visual", "vision_encoder"):
            kinds = {type(child).__name__.lower() for child in part.modules()}
            norms = any(isinstance(child, nn.BatchNorm2d) for child in part.modules())
            return part if norms and not any("attention" in kind for kind in kinds) else None
    return None


def _side(tower: Any) -> int:
    size = getattr(getattr(tower, "config", None), "image_size", 224)
    return int(size if isinstance(size, int) else min(size))


@torch.no_grad()
def _last_map(tower: Any, pixels: torch.Tensor) -> torch.Tensor:
    found = tower(pixels.contiguous(memory_format=torch.channels_last))
    return found if torch.is_tensor(found) else getattr(found, "last_hidden_state", found[0])


def _fold_pairs(parent: nn.Module) -> None:
    """Fold every batch norm of ``parent`` that follows a convolution with as many channels."""
    children = list(parent.named_children())
    for (conv_name, conv), (norm_name, norm) in itertools.pairwise(children):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and conv.out_channels == norm.num_features:
            setattr(parent, conv_name, fuse_conv_bn_eval(conv, norm))
            setattr(parent, norm_name, nn.Identity())


def _leave_out_gates(parent: nn.Module) -> None:
    """Put nothing in the place of a squeeze-and-excite whose weights are zero and whose sigmoid is exactly one."""
    for name, child in parent.named_children():
        convs = [part for part in child.children() if isinstance(part, nn.Conv2d)]
        if len(convs) == 2 and any(isinstance(part, nn.Sigmoid) for part in child.children()):
            last = convs[-1]
            idle = last.bias is not None and not last.weight.any() and bool((torch.sigmoid(last.bias) == 1).all())
            if idle:
                setattr(parent, name, nn.Identity())
