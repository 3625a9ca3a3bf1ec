"""The pictures of the photograph training that went through the tower's standing part, and random batches of them.

Takes what was kept of them; returns batches with all that the losses need: what each patch shows, and questions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sn_viz.training import asking
from sn_viz.training.nouns import NAMES
from sn_viz.training.photographs import GRID, SIDE, Kept, reduced
from sn_viz.training.rows import ask_some
from sn_viz.world.questions import Asked
from sn_viz.world.scene import TRAINED_KINDS

if TYPE_CHECKING:
    from sn_viz.training.train_photo import PhotoRecipe

WORDS = tuple(dict.fromkeys((*NAMES, *TRAINED_KINDS)))
"""Every word for what a picture shows."""
CENTRES = (np.arange(GRID) + 0.5) / GRID
"""Middles of the patches along a side, as fractions of the picture."""
EMPTY = torch.empty(0)
MARGIN = 0.02
"""A patch whose middle is nearer than this to the edge of a photograph shows two."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures of one step with all that the losses need."""

    index: Tensor
    """int64 (picture,): which of the pictures that are kept."""
    anew: Tensor
    """int64 (some,): the pictures of the batch that are seen anew."""
    seen: Tensor
    """uint8 (some, row, column, channel): what is seen of those."""
    photographed: Tensor
    """bool (picture,)."""
    truth: dict[str, Tensor]
    """Dense truth of the drawn pictures, as ``VisionHeads`` takes it."""
    names: Tensor
    """float16 (picture, patch, word): how likely each of ``WORDS`` should be; all zero where a patch is of nothing."""
    colours: Tensor
    """int64 (picture, patch): index into ``COLOUR_NAMES``, -1 for none."""
    place: Tensor
    """float32 (picture, patch, 2): centre of the thing that the patch shows; NaN for none."""
    asked: list[list[Asked]]
    stem: Tensor = EMPTY
    """float32 (picture, 112, row, column); like the next two, filled by ``Shelf``."""
    soft: Tensor = EMPTY
    """float32 (picture, 1000)."""
    pooled: Tensor = EMPTY
    """float32 (picture, 1280), every channel with mean 0 and deviation 1 over the pictures of training."""

    def on(self, device: torch.device) -> Batch:
        """Return the batch on ``device``."""
        names = ("index", "anew", "photographed", "names", "colours", "place")
        moved = {name: getattr(self, name).to(device, non_blocking=True) for name in names}
        return replace(self, truth={name: value.to(device) for name, value in self.truth.items()}, **moved)


class Pool:
    """The pictures that are there, by what they are, and batches of them."""

    def __init__(self, kept: Kept, recipe: PhotoRecipe, held_out: bool) -> None:
        """Pictures that are held out are never seen anew."""
        self.kept, self.recipe, self.held_out = kept, recipe, held_out
        self.index = {word: number for number, word in enumerate(WORDS)}
        self.n = 0
        self.refresh()

    def refresh(self) -> None:
        """Take in the pictures that were added since."""
        n = self.kept.n_done
        if n == self.n:
            return
        self.n = n
        part = self.kept.held_out[:n] == self.held_out
        drawn = self.kept.drawn[:n]
        count = (self.kept.photographs[:n] >= 0).sum(1)
        whole = (count == 1) & (self.kept.boxes[:n, 0, 2] > 0.9) & (self.kept.boxes[:n, 0, 0] < 0.1)
        clear = (self.kept.truth["degraded"][:n] == 0) & (
            (self.kept.truth["count"][:n] > 0) | (self.kept.truth["figure"][:n] != 255)
        )
        self.single = np.flatnonzero(part & ~drawn & whole)
        self.several = np.flatnonzero(part & ~drawn & ~whole & (count > 0))
        self.drawn, self.clear = np.flatnonzero(part & drawn), np.flatnonzero(part & drawn & clear)

    def batch(self, rng: np.random.Generator, families: dict[str, float]) -> Batch:
        """Return a random batch; of the drawn pictures one may be spoilt, and is asked nothing."""
        recipe = self.recipe
        parts = ((self.single, recipe.single), (self.several, recipe.several), (self.clear, recipe.drawn - 1), (self.drawn, 1))
        return self.of(np.concatenate([rng.choice(pool, n) for pool, n in parts]), rng, families)

    def of(self, index: np.ndarray, rng: np.random.Generator, families: dict[str, float]) -> Batch:
        """Return the pictures ``index`` with questions from ``rng``."""
        kept = self.kept
        drawn = kept.drawn[index]
        names = np.zeros((len(index), GRID * GRID, len(WORDS)), np.float16)
        colours = np.full((len(index), GRID * GRID), -1, np.int64)
        place = np.full((len(index), GRID * GRID, 2), np.nan, np.float32)
        asked: list[list[Asked]] = []
        for row, i in enumerate(index):
            i = int(i)
            if drawn[row]:
                self._drawn(i, names[row], colours[row], place[row])
                asked.append(self._ask_drawn(i, rng, families))
            else:
                self._photographed(i, names[row], place[row])
                boxes = [tuple(float(v) for v in box) for box in kept.boxes[i, : len(kept.nouns(i))]]
                some = asking.ask_some(kept.nouns(i), boxes, rng, 14)  # type: ignore[arg-type]
                asked.append([asking.unanswered(rng), *some] if rng.uniform() < self.recipe.unanswered else some)
        photographed = ~drawn
        tensor = torch.from_numpy
        return Batch(
            tensor(index.astype(np.int64)),
            *self._anew(index, rng),
            tensor(photographed),
            self._truth(index[drawn]),
            tensor(names),
            tensor(colours),
            tensor(place),
            asked,
        )

    def _anew(self, index: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return which single photographs of ``index`` are seen anew, and what is seen: another cut, some of them reduced."""
        single = np.flatnonzero(self.kept.single[index] >= 0)
        drawn = rng.uniform(size=len(single))
        chosen = single[drawn < (0.0 if self.held_out else self.recipe.anew)]
        seen = np.zeros((len(chosen), SIDE, SIDE, 3), np.uint8)
        for place, row in enumerate(chosen):
            seen[place] = self.kept.pixels(int(index[row]), int(rng.integers(2**31)))
            if rng.uniform() < self.recipe.reduced:
                low, high = self.recipe.reduced_side
                seen[place] = reduced(seen[place], int(rng.integers(low, high + 1)))
        return torch.from_numpy(chosen), torch.from_numpy(seen)

    def _ask_drawn(self, index: int, rng: np.random.Generator, families: dict[str, float]) -> list[Asked]:
        if self.kept.truth["degraded"][index]:
            return []
        return [asking.dress(one, rng) for one in ask_some(self.kept, index, rng, families)]  # type: ignore[arg-type]

    def _truth(self, index: np.ndarray) -> dict[str, Tensor]:
        whole = {name: self.kept.truth[name][index] for name in ("kind", "colour", "count", "background", "degraded", "figure")}
        truth = {name: torch.from_numpy(value.astype(np.int64)) for name, value in whole.items()}
        for name in ("place", "present"):
            truth[name] = torch.from_numpy(self.kept.truth[name][index].astype(np.float32))
        truth["bright"] = torch.from_numpy(self.kept.bright[index])
        return truth

    def _drawn(self, index: int, names: np.ndarray, colours: np.ndarray, place: np.ndarray) -> None:
        kind = self.kept.truth["kind"][index]
        on = np.flatnonzero(kind)
        names[on, [self.index[TRAINED_KINDS[kind[p] - 1]] for p in on]] = 1
        colours[:] = self.kept.truth["colour"][index].astype(np.int64) - 1
        place[on] = self.kept.truth["place"][index][on, :2]

    def _photographed(self, index: int, names: np.ndarray, place: np.ndarray) -> None:
        x, y = np.tile(CENTRES, GRID), np.repeat(CENTRES, GRID)
        whole = len(self.kept.nouns(index)) == 1 and self.kept.boxes[index, 0, 2] - self.kept.boxes[index, 0, 0] > 0.9
        for noun, box in zip(self.kept.nouns(index), self.kept.boxes[index].astype(np.float32), strict=False):
            left, top, right, bottom = box
            inside = (x > left + MARGIN) & (x < right - MARGIN) & (y > top + MARGIN) & (y < bottom - MARGIN)
            names[np.ix_(inside, [self.index[word] for word in noun.words])] = 1 / len(noun.words)
            if not whole:
                place[inside] = ((left + right) / 2, (top + bottom) / 2)
