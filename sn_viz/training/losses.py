"""What the training computes: pixels and dense truth of pictures, and the losses.

Takes a model, pictures and rows; returns tensors. It knows nothing of families, optimisers, stages or files.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sn_viz.training.rows import Rows
from sn_viz.world.formulas import FORMULAS
from sn_viz.world.pictures import Pictures
from sn_viz.world.scene import COLOUR_NAMES, DEGRADATIONS, TRAINED_BACKGROUNDS, TRAINED_KINDS

SIDES = ("left", "right", "above", "below")
"""The words for places, in pairs, that patches are drawn towards."""
SHARP = 8.0
"""How fast the wanted probability of a side grows with the place, in nats across the whole picture."""


class VisionHeads(nn.Module):
    """Linear read-outs, used in training only: the truth must be linearly present in every patch of the tower."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.parts = (
            len(TRAINED_KINDS) + 1, len(COLOUR_NAMES) + 1, 6,
        )  # fmt: skip
        self.whole = (
            len(TRAINED_KINDS) + len(COLOUR_NAMES), 6, len(TRAINED_BACKGROUNDS), len(DEGRADATIONS) + 1, len(FORMULAS), 1,
        )  # fmt: skip
        self.norm = nn.LayerNorm(width)
        self.patch = nn.Linear(width, sum(self.parts))
        self.picture = nn.Linear(width, sum(self.whole))

    def loss(self, features: Tensor, truth: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Return the summed loss over ``features`` (picture, patch, width) and its parts."""
        features = self.norm(features)
        kind, colour, place = self.patch(features).split(self.parts, -1)
        present, count, background, degraded, figure, bright = self.picture(features.mean(1)).split(self.whole, -1)
        scene = truth["figure"] == 255
        clear = scene & (truth["degraded"] == 0)
        on = clear[:, None] & (truth["kind"] > 0)
        parts = {
            "kind": 3 * F.cross_entropy(kind[on], truth["kind"][on]),
            "anything": 0.5 * F.cross_entropy(kind[clear].flatten(0, 1), truth["kind"][clear].flatten()),
            "colour": F.cross_entropy(colour[clear].flatten(0, 1), truth["colour"][clear].flatten()),
            "place": 4 * F.mse_loss(place[on][:, :3], truth["place"][on][:, :3]),
            "flags": F.binary_cross_entropy_with_logits(place[on][:, 3:], truth["place"][on][:, 3:]),
            "present": 2 * F.binary_cross_entropy_with_logits(present[clear], truth["present"][clear]),
            "count": 0.3 * F.cross_entropy(count[clear], truth["count"][clear]),
            "background": 0.3 * F.cross_entropy(background[clear], truth["background"][clear]),
            "degraded": 0.3 * F.cross_entropy(degraded[scene], truth["degraded"][scene]),
            "bright": F.mse_loss(bright[:, 0], truth["bright"]),
        }
        if (~scene).any():
            parts["figure"] = 0.5 * F.cross_entropy(figure[~scene], truth["figure"][~scene])
        right = (kind[on].argmax(-1) == truth["kind"][on]).float().mean().item()
        shown = {name: value.item() for name, value in parts.items()} | {"kind right": right}
        if (~scene).any():
            shown["figure right"] = (figure[~scene].argmax(-1) == truth["figure"][~scene]).float().mean().item()
        return torch.stack(list(parts.values())).sum(), shown


def truth_of(pictures: Pictures, index: np.ndarray) -> dict[str, Tensor]:
    names = ("kind", "colour", "count", "background", "degraded", "figure")
    truth = {name: torch.from_numpy(getattr(pictures, name)[index].astype(np.int64)) for name in names}
    truth |= {name: torch.from_numpy(getattr(pictures, name)[index].astype(np.float32)) for name in ("place", "present")}
    truth["bright"] = torch.from_numpy(pictures.pixels[index].mean((1, 2, 3), dtype=np.float32) / 127.5 - 1)
    return truth


def pixels_of(pictures: Pictures, index: np.ndarray, device: torch.device) -> Tensor:
    """Return normalised pixels float32 (picture, 3, 64, 64), as the processor makes them."""
    pixels = torch.from_numpy(pictures.pixels[index]).to(device)
    return (pixels.permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous()


def answer_loss(model: Any, rows: Rows, hidden: Tensor) -> Tensor:
    asked = rows.targets != -100
    return F.cross_entropy(F.linear(hidden[asked].float(), model.lm_head.weight), rows.targets[asked])


def naming_loss(model: Any, pictured: Tensor, truth: dict[str, Tensor], words: Tensor, with_sides: bool = True) -> Tensor:
    """Return a cross-entropy that draws a patch's projection towards the embeddings of its kind, its colour and its sides.

    ``words`` are the tokens of kinds, colours and ``SIDES``. Without the last, nothing makes a projector keep where a thing is.
    """
    on = truth["kind"] > 0
    table = F.normalize(model.model.language_model.embed_tokens(words), dim=-1)
    scores = 12 * F.linear(F.normalize(pictured[on].float(), dim=-1), table)
    kind, colour, sides = scores.split((len(TRAINED_KINDS), len(COLOUR_NAMES), len(SIDES)), -1)
    further = sides[:, 1::2] - sides[:, ::2]
    wanted = torch.sigmoid(SHARP * (truth["place"][on][:, :2] - 0.5))
    loss = F.cross_entropy(kind, truth["kind"][on] - 1) + F.cross_entropy(colour, truth["colour"][on] - 1)
    return loss + 2 * F.binary_cross_entropy_with_logits(further, wanted) if with_sides else loss


def gist_loss(model: Any, pictured: Tensor, truth: dict[str, Tensor], words: Tensor) -> Tensor:
    """Return a cross-entropy that draws the mean of a picture's projected patches towards the words for all that it shows.

    Towers of larger models learn this from captions (CLIP, arXiv 2103.00020).
    """
    table = F.normalize(model.model.language_model.embed_tokens(words[: -len(SIDES)]), dim=-1)
    whole = F.normalize(F.normalize(pictured.float(), dim=-1).mean(1), dim=-1)
    scores, present = 12 * F.linear(whole, table), truth["present"]
    kinds = len(TRAINED_KINDS)
    parts = [(scores[:, :kinds], present[:, :kinds]), (scores[:, kinds:], present[:, kinds:])]
    shown = present.sum(1) > 0
    return torch.stack([F.cross_entropy(s[shown], p[shown] / p[shown].sum(1, keepdim=True)) for s, p in parts]).sum()
