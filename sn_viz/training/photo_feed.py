"""What brings batches of the photograph training to the device: processes that put them together, and the values kept there.

Takes pools of pictures; returns batches with all tensors on the device. It knows nothing of losses or stages.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from sn_viz.training.photo_features import Standing
from sn_viz.training.photo_pool import Batch, Pool
from sn_viz.training.photographs import Kept
from sn_viz.training.rows import Packer, Rows

Families = Callable[[float], dict[str, float]]
"""How often each family is asked of drawn pictures, by the fraction of the stage that is over."""
AHEAD = 4
"""Batches that each process has ready."""


class Shelf:
    """What is kept of all pictures behind the standing part, beside the model: on a GPU as a whole, else on disk."""

    def __init__(self, kept: Kept, standing: Standing) -> None:
        self.kept, self.standing, self.device = kept, standing, standing.device
        rows = np.flatnonzero(~kept.held_out[: kept.n_done])[:20_000]
        pooled = kept.pooled[rows].astype(np.float32)
        self.mean, self.deviation = (torch.from_numpy(v).to(self.device) for v in (pooled.mean(0), pooled.std(0) + 1e-3))
        self.whole: dict[str, torch.Tensor] = {}
        if self.device.type == "cuda":
            self.whole = {name: torch.from_numpy(kept.arrays[name]).to(self.device) for name in ("stem", "soft", "pooled")}

    def _of(self, name: str, batch: Batch) -> torch.Tensor:
        if self.whole:
            return self.whole[name][batch.index].float()
        return torch.from_numpy(self.kept.arrays[name][batch.index.cpu().numpy()]).to(self.device).float()

    def standardised(self, pooled: torch.Tensor) -> torch.Tensor:
        """Return ``pooled`` (picture, 1280) with mean 0 and deviation 1 in every channel."""
        return (pooled - self.mean) / self.deviation

    def fill(self, batch: Batch) -> Batch:
        """Return ``batch`` on the device with what is kept of its pictures; what is seen anew goes through the standing part."""
        batch = batch.on(self.device)
        stem = self._of("stem", batch)
        if len(batch.anew):
            stem[batch.anew] = self.standing.entering(batch.seen).float()
        return replace(batch, stem=stem, soft=self._of("soft", batch), pooled=self.standardised(self._of("pooled", batch)))


class _Stream(IterableDataset):
    """An endless stream of batches and their packed rows, another in each process."""

    def __init__(self, pool: Pool, packer: Packer | None, families: Families, seed: tuple[int, ...]) -> None:
        self.pool, self.packer, self.families, self.seed = pool, packer, families, seed
        self.done = multiprocessing.get_context("fork").Value("d", 0.0)

    def __iter__(self) -> Iterator[tuple[Batch, Rows | None]]:
        work = get_worker_info()
        if work is not None:
            torch.set_num_threads(1)
        rng = np.random.default_rng(self.seed if work is None else (*self.seed, work.id))
        while True:
            batch = self.pool.batch(rng, self.families(self.done.value))
            rows = self.packer.pack(batch.asked) if self.packer else None
            yield (batch if self.packer is None else replace(batch, asked=[])), rows


class Feed:
    """Batches of one stage, in the order of one seed; with ``workers`` processes, which one ends by ``close``."""

    def __init__(
        self,
        pool: Pool,
        packer: Packer | None,
        families: Families,
        seed: tuple[int, ...],
        workers: int,
    ) -> None:
        self.stream = _Stream(pool, packer, families, seed)
        if workers:  # by name rather than by descriptor, of which a process has few
            torch.multiprocessing.set_sharing_strategy("file_system")
        many = {"prefetch_factor": AHEAD, "multiprocessing_context": "fork"} if workers else {}
        self.batches = iter(DataLoader(self.stream, batch_size=None, num_workers=workers, **many))  # type: ignore[arg-type]

    def next(self, done: float) -> tuple[Batch, Rows | None]:
        """Return the next batch and its rows, questions chosen for when the fraction ``done`` of the stage is over."""
        self.stream.done.value = done
        return next(self.batches)

    def close(self) -> None:
        """End the processes."""
        del self.batches
