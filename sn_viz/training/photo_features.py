"""The standing part of the photograph model's tower, made fast for going over all pictures once.

Takes uint8 pictures; returns what enters the learning part, and what the tower's own head for 1,000 kinds says. It knows nothing of
files or training.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.fusion import fuse_conv_bn_eval
from transformers import EfficientNetModel

from sn_viz.training.families.photo import fill_tower, published_weights, stem, tail, tower_config


def normalised(pixels: np.ndarray) -> torch.Tensor:
    """Return float32 (picture, channel, row, column) of uint8 (picture, row, column, channel), as the processor makes it."""
    return (torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() - 127) / 128


def fold_batch_norms(tower: Any) -> Any:
    """Return a copy of an EfficientNet in evaluation mode whose batch norms are part of the convolutions before them."""
    tower = copy.deepcopy(tower)
    pairs = [(tower.embeddings, "convolution", "batchnorm"), (tower.encoder, "top_conv", "top_bn")]
    for block in tower.encoder.blocks:
        if block.expand_ratio != 1:
            pairs.append((block.expansion, "expand_conv", "expand_bn"))
        pairs.append((block.depthwise_conv, "depthwise_conv", "depthwise_norm"))
        pairs.append((block.projection, "project_conv", "project_bn"))
    for part, conv, norm in pairs:
        setattr(part, conv, fuse_conv_bn_eval(getattr(part, conv), getattr(part, norm)))
        setattr(part, norm, torch.nn.Identity())
    return tower


class Standing:
    """Computes ``stem``, soft labels and the pooled map of pictures with the published weights."""

    def __init__(self, image: int, device: str | torch.device = "cpu", batch: int = 64) -> None:
        weights, head = published_weights()
        tower: Any = EfficientNetModel(tower_config(image))
        fill_tower(tower, weights)
        tower = fold_batch_norms(tower.eval()).requires_grad_(False)
        self.tower: Any = tower.to(device, memory_format=torch.channels_last)
        self.head = {name: value.to(device) for name, value in head.items()}
        self.device, self.batch = torch.device(device), batch

    @torch.no_grad()
    def entering(self, pixels: Tensor) -> Tensor:
        """Return what enters the learning part, bfloat16 (picture, 112, row, column), of uint8 (picture, row, column, channel)."""
        given = (pixels.to(self.device).permute(0, 3, 1, 2).float() - 127) / 128
        with torch.autocast(self.device.type, torch.bfloat16):
            return stem(self.tower, given.to(memory_format=torch.channels_last))

    @torch.inference_mode()
    def __call__(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return float16 (picture, 112, row, column), float16 (picture, 1000) and float16 (picture, 1280)."""
        stems, softs, means = [], [], []
        for start in range(0, len(pixels), self.batch):
            given = normalised(pixels[start : start + self.batch]).to(self.device, memory_format=torch.channels_last)
            with torch.autocast(self.device.type, torch.bfloat16):
                entering = stem(self.tower, given)
                pooled = tail(self.tower, entering).mean(1)
            stems.append(entering.half().cpu().contiguous().numpy())
            means.append(pooled.half().cpu().numpy())
            softs.append((pooled.float() @ self.head["weight"].T + self.head["bias"]).half().cpu().numpy())
        return np.concatenate(stems), np.concatenate(softs), np.concatenate(means)
