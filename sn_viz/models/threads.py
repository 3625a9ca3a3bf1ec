"""How many threads a pass gets: one when it is so small that waking others takes longer than they save.

Takes the size of a pass; knows nothing about what runs in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

SMALL = 2e7
"""Weights times examples. On two cores a model of 6.8 million weights read one picture in 6.1 ms with one thread and 7.8 with two,
and answered in 35.9 against 40.6 (EXPERIMENTS.md); with another program on a core, in tens of milliseconds against seconds."""


def n_threads() -> int:
    """Return with how many threads torch computes here: as many as there are cores, or what OMP_NUM_THREADS says."""
    return torch.get_num_threads()


def use_threads(n: int) -> None:
    """Let torch compute with ``n`` threads, whatever else there is; on a processor the last bits of numbers may depend on it."""
    torch.set_num_threads(n)


@contextmanager
def threads_for(n_weights: int, batch: int, device: torch.device) -> Iterator[None]:
    """Let torch use one thread while the context lasts, if the pass is small and on a processor.

    Parameters
    ----------
    n_weights : int
        Of the model.
    batch : int
        Examples in the pass.
    device : torch.device
    """
    before = torch.get_num_threads()
    if device.type != "cpu" or before == 1 or n_weights * batch > SMALL:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
