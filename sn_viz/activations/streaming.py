"""A pass that tells what each block holds as soon as it has finished, and when.

Takes a ``Vlm`` and prepared inputs; returns readings, times and the first token's logits. It knows nothing about labels;
whoever listens may end the pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import numpy as np
import torch

from sn_viz.activations.hooks import Stop, hooks, read_spots
from sn_viz.activations.passes import Buffer
from sn_viz.activations.reader import reader_of
from sn_viz.models.vlm import Inputs, Vlm


@dataclass(frozen=True, eq=False)
class BlockReading:
    """What was there when one block had finished."""

    layer: int
    """From 1; 0 and less in the vision tower."""
    seconds: float
    """Since the forward pass began."""
    values: np.ndarray
    """float16 (batch, neuron): the neurons of this layer only."""


@dataclass(frozen=True, eq=False)
class Stream:
    """One full pass, block by block."""

    seconds_before: float
    """Until the first block began: vision tower, projector, embeddings; with sites in the tower, until its first block."""
    blocks: tuple[BlockReading, ...]
    seconds: float
    """Until the end: the first token's logits, or the block where the pass was stopped."""
    logits: np.ndarray | None
    """float32 (batch, vocabulary) of the first token; None when the pass was stopped before."""


def stream_layers(
    vlm: Vlm,
    inputs: Inputs,
    sites: str | Sequence[str] = "all",
    on_block: Callable[[BlockReading], bool | None] | None = None,
) -> Stream:
    """Run one pass to the first token's logits and note what each block said, and when.

    Parameters
    ----------
    vlm : Vlm
    inputs : dict
        From ``vlm.prepare``.
    sites : str or sequence of str
        Names of sites; "all" means all that the model has.
    on_block : callable, optional
        Called as soon as a block has finished, while the later ones have not begun; when it returns True the pass really stops
        there. Its own time counts.

    Returns
    -------
    Stream
        Readings of every block that ran.
    """
    reader = reader_of(vlm)
    chosen = reader.layout.available(sites)
    layers = reader.layout.layers(chosen)
    plan = reader.plan(chosen, layers[-1], "none")
    buffer = Buffer(plan, len(inputs["input_ids"]), vlm.device)
    readings: list[BlockReading] = []
    begun: list[float] = []

    def finished(layer: int) -> None:
        readings.append(BlockReading(layer, now(vlm) - start, buffer.read(range(layer, layer + 1), np.float16)))
        if on_block is not None and on_block(readings[-1]):
            raise Stop

    logits = None
    with vlm.lock, vlm.threads(len(inputs["input_ids"])), torch.inference_mode(), hooks() as handles:
        handles.append(reader.layout.block(layers[0]).register_forward_pre_hook(lambda *_: begun.append(now(vlm) - start)))
        read_spots(vlm, plan.spots, inputs, buffer.write, handles)
        for layer in layers:
            handles.append(reader.layout.block(layer).register_forward_hook(lambda *_, layer=layer: finished(layer)))
        start = now(vlm)
        with suppress(Stop):
            logits = vlm.module(**inputs, **vlm.forward_options()).logits[:, -1].float().cpu().numpy()
        seconds = now(vlm) - start
    return Stream(begun[0], tuple(readings), seconds, logits)


@contextmanager
def block_clock(vlm: Vlm, layers: range) -> Iterator[dict[int, float]]:
    """Note when every block has first finished while the body runs, whatever runs the model there.

    Parameters
    ----------
    vlm : Vlm
        Locked meanwhile, so that nobody else's pass is noted.
    layers : range
        From 1; 0 and less in the vision tower.

    Yields
    ------
    dict of int to float
        Layer -> seconds of ``time.perf_counter``; filled as the blocks finish, empty for blocks that never ran.
    """
    finished: dict[int, float] = {}
    layout = reader_of(vlm).layout
    with vlm.lock, hooks() as handles:
        for layer in layers:
            handles.append(layout.block(layer).register_forward_hook(lambda *_, layer=layer: _note(finished, layer, vlm)))
        yield finished


def _note(finished: dict[int, float], layer: int, vlm: Vlm) -> None:
    if layer not in finished:
        finished[layer] = now(vlm)


def now(vlm: Vlm) -> float:
    """Return seconds of ``time.perf_counter``, when all that the model was given to do is done."""
    if vlm.device.type == "cuda":
        torch.cuda.synchronize(vlm.device)
    return time.perf_counter()
