"""The losses of the photograph training beside that of the answers: words for patches, and what the tower's own head said.

They are held to what the head said of each photograph before the training.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedTokenizerFast

from sn_viz.training.losses import SHARP, SIDES, VisionHeads
from sn_viz.training.model import Sizes
from sn_viz.training.photo_pool import WORDS, Batch
from sn_viz.training.rows import Rows
from sn_viz.world.scene import COLOUR_NAMES

EARLY = 6
"""Blocks behind which the places that answer are asked what the tower saw."""


def word_table(tokenizer: PreTrainedTokenizerFast, words: Sequence[str]) -> Tensor:
    """Return float32 (word, token): what share of a word's embedding each token's is."""
    table = torch.zeros(len(words), len(tokenizer))
    for row, word in enumerate(words):
        ids = tokenizer.encode(word, add_special_tokens=False)
        for token in ids:
            table[row, token] += 1 / len(ids)
    return table


class Losses(nn.Module):
    """The losses beside that of the answers; what they learn is used in training only."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, head: dict[str, Tensor], sizes: Sizes) -> None:
        super().__init__()
        self.heads = VisionHeads(sizes.vision_width)
        self.projected = nn.Linear(sizes.width, len(head["bias"]))
        kinds, channels = head["weight"].shape
        self.fetching = nn.ModuleList(nn.Linear(sizes.width, kinds + channels) for _ in range(min(EARLY, sizes.blocks)))
        for name, words in (("things", WORDS), ("tints", COLOUR_NAMES), ("sides", SIDES)):
            self.register_buffer(name, word_table(tokenizer, words), persistent=False)
        self.register_buffer("head_weight", head["weight"], persistent=False)
        self.register_buffer("head_bias", head["bias"], persistent=False)

    things: Tensor
    tints: Tensor
    sides: Tensor
    head_weight: Tensor
    head_bias: Tensor

    def naming(self, embeddings: Tensor, pictured: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return how far patches are from their words (kind, colour, side), and means of patches from all words of a picture."""

        def scores(vectors: Tensor, bag: Tensor) -> Tensor:
            return 12 * F.linear(F.normalize(vectors.float(), dim=-1), F.normalize(bag @ embeddings.float(), dim=-1))

        names = batch.names.float()
        on = names.sum(-1) > 0
        kinds = scores(pictured[on], self.things)
        loss = F.cross_entropy(kinds, names[on])
        tinted = batch.colours >= 0
        if tinted.any():
            loss = loss + 0.5 * F.cross_entropy(scores(pictured[tinted], self.tints), batch.colours[tinted])
        placed = ~batch.place[..., 0].isnan()
        if placed.any():
            sides = scores(pictured[placed], self.sides)
            further = sides[:, 1::2] - sides[:, ::2]
            wanted = torch.sigmoid(SHARP * (batch.place[placed] - 0.5))
            loss = loss + F.binary_cross_entropy_with_logits(further, wanted)
        whole = F.normalize(pictured.float(), dim=-1).mean(1)
        shown = (names > 0).float().amax(1)
        some = shown.sum(1) > 0
        gist = F.cross_entropy(scores(whole[some], self.things), shown[some] / shown[some].sum(1, keepdim=True))
        return loss, gist

    def kept(self, features: Tensor, batch: Batch) -> Tensor:
        """Return how far the tower's own head is from what it said of each photograph before training."""
        said = F.linear(features[batch.photographed].mean(1), self.head_weight, self.head_bias)
        return F.cross_entropy(said, batch.soft[batch.photographed].softmax(-1))

    def passed(self, pictured: Tensor, batch: Batch) -> Tensor:
        """Return how badly what the tower's head said of each photograph is read from the mean of the projected patches."""
        said = self.projected(pictured[batch.photographed].float().mean(1))
        return F.cross_entropy(said, batch.soft[batch.photographed].softmax(-1))

    def fetched(self, behind: Sequence[Tensor], rows: Rows, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return how badly all that the tower saw is read where questions are answered, behind each of the first blocks.

        The two losses, squared errors per unit of variance (of the logits within a picture, of a channel over pictures), are of
        what its own head says of the picture (every logit: likely kinds are few, and what tells apart two kinds that the head has
        no name for is in the others) and of the mean of its last map (every channel alike: what is bright or blurred as well as
        what it is). ``behind`` holds (row, token, width), not normalised. The place that answers is the last of its prompt, so
        nothing of the answer is read, and the question alone says nothing of the picture, which must have been fetched.
        """
        at = [(row, place) for row, place, _ in rows.families]
        row, place = torch.tensor(at, device=batch.photographed.device).reshape(-1, 2).unbind(1)
        logits, channels = F.layer_norm(batch.soft, batch.soft.shape[-1:])[row], batch.pooled[row]
        kinds: list[Tensor] = []
        means: list[Tensor] = []
        for read, hidden in zip(self.fetching, behind, strict=False):
            there = hidden[row, place].float()
            said, seen = read(F.rms_norm(there, there.shape[-1:])).split((logits.shape[-1], channels.shape[-1]), -1)
            kinds.append(F.mse_loss(said, logits))
            means.append(F.mse_loss(seen, channels))
        return torch.stack(kinds).mean(), torch.stack(means).mean()
