"""The images of one task and what the model makes of them, read once a task; every draw only chooses among them."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sn_viz.activations.extract import extract
from sn_viz.activations.sites import site_names
from sn_viz.baselines import Context
from sn_viz.baselines.sav import SITE, heads_of
from sn_viz.bench.tasks.plan import DIGITS, MOST_TESTED_DIGITS, N_DIGITS, Plan
from sn_viz.models import Vlm
from sn_viz.sources.pack import load_pack
from sn_viz.splits.held_out import without_seen
from sn_viz.types import Activations, LabelledImages

Result = dict[str, Any]
"""What a file holds: by method "right" (a string of 0 and 1, one per test image), "ms" and "seconds"."""


@dataclass(frozen=True, eq=False)
class Material:
    """The images of one task and what the model makes of them, read when first asked for."""

    vlm: Vlm
    task: str
    pool: LabelledImages
    test: LabelledImages
    seed: int

    @classmethod
    def of(cls, vlm: Vlm, task: str, plan: Plan) -> Material:
        """Draw pool and test images; a test image that is in the pool too, with the same question, is left out."""
        n_test = min(plan.n_test, MOST_TESTED_DIGITS) if task == DIGITS else plan.n_test
        n_pool = min(plan.n_pool, N_DIGITS - n_test) if task == DIGITS else plan.n_pool
        pool, test = load_pack(task, n_pool, n_test, plan.seed)
        return cls(vlm, task, pool, without_seen(test, pool), plan.seed)

    @cached_property
    def read(self) -> tuple[Activations, Activations]:
        """All that is read of pool and test images: every usual site and the attention heads."""
        return extract(self.vlm, self.pool, sites=("all", SITE)), extract(self.vlm, self.test, sites=("all", SITE))

    @cached_property
    def seen(self) -> Activations:
        """The neurons that are searched, of the pool."""
        return self.read[0].of_sites(site_names("all"))

    @cached_property
    def unseen(self) -> Activations:
        """The same neurons, of the test images."""
        return self.read[1].of_sites(site_names("all"))

    @cached_property
    def heads(self) -> tuple[np.ndarray, ...]:
        """Every attention head of pool and test images, float32 (example, head, unit) each."""
        return tuple(heads_of(self.vlm, split.of_sites((SITE,))) for split in self.read)

    def rows(self, shots: int, draw: int) -> np.ndarray:
        """Return the probing images of a draw; see `drawn`."""
        return drawn(self.pool.labels, shots, len(self.pool.classes), (zlib.crc32(self.task.encode()), self.seed, shots, draw))

    def context(self, rows: np.ndarray, draw: int) -> Context:
        """Return what a baseline may look at: the probing images at ``rows`` of the pool, and the test images."""
        return Context(
            self.vlm,
            self.pool.take(rows),
            self.test,
            self.seen.values[rows],
            self.unseen.values,
            self.seen.neurons,
            seed=draw,
        )

    def result(self, predicted: np.ndarray, ms: float, seconds: float | None = None) -> Result:
        """Return what is kept of a method's predictions, int (example,)."""
        right = "".join("1" if same else "0" for same in predicted == self.test.labels)
        return {"right": right, "ms": float(ms), "seconds": seconds}


def drawn(labels: np.ndarray, shots: int, n_classes: int, seed: Sequence[int]) -> np.ndarray:
    """Return the rows of a draw, the classes as even as can be.

    Parameters
    ----------
    labels : numpy.ndarray
        int64 (example,), of the pool.
    shots : int
        How many; two of each class at least.
    n_classes : int
    seed : sequence of int

    Returns
    -------
    numpy.ndarray
        int64 (drawn,), in random order; which class has one image more is random too.
    """
    random = np.random.default_rng(seed)
    shots = max(shots, 2 * n_classes)
    share = np.full(n_classes, shots // n_classes)
    share[random.permutation(n_classes)[: shots % n_classes]] += 1
    rows = [random.permutation(np.flatnonzero(labels == c))[: share[c]] for c in range(n_classes)]
    return random.permutation(np.concatenate(rows))
