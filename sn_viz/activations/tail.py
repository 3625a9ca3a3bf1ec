"""What of the exit block may run on the last position only.

Inside the exit block only the last position matters behind attention, so the inputs of the attention's closing linear layer and of
the MLP are cut down to it. Everything behind them treats positions separately (norms, scalings, residual sums), so the sum "whole
prompt plus one position" is still right at that position, the only one read. Whether this holds for a model is tried out once,
against a pass without cuts. It knows nothing about how a pass is run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from sn_viz.activations.layout import Layout
from sn_viz.models.blocks import attention_of, attention_output_of, mlp_of

CUTS = ("attention and mlp", "mlp", "none")
"""What of the exit block runs on the last position only; tried in this order."""


def tail_parts(block: nn.Module, cut: str) -> tuple[nn.Module, ...]:
    """Return the parts of a decoder block whose input a cut leaves the last position of."""
    parts = {"attention and mlp": (attention_output_of(block), mlp_of(block)), "mlp": (mlp_of(block),), "none": ()}[cut]
    return tuple(part for part in parts if part is not None)


def boldest_exact_cut(layout: Layout, sites: Sequence[str], read: Callable[[int, str], np.ndarray]) -> str:
    """Return the first of ``CUTS`` whose values equal those of the whole block, up to rounding.

    Parameters
    ----------
    layout : Layout
    sites : sequence of str
        Names of the sites that are read, all in the decoder.
    read : callable
        Takes a layer and a cut; returns float32 (batch, neuron), the values up to that layer, always of the same inputs.

    Returns
    -------
    str
        An entry of ``CUTS``. Tried on one block of every kind that the model has.
    """
    return next(cut for cut in CUTS if cut == "none" or _is_exact(layout, sites, read, cut))


def _is_exact(layout: Layout, sites: Sequence[str], read: Callable[[int, str], np.ndarray], cut: str) -> bool:
    edges = np.cumsum(layout.widths(sites), axis=1)
    tolerance = 1e-4 if layout.vlm.dtype == torch.float32 else 5e-2
    kinds = [(type(block), type(attention_of(block)), type(mlp_of(block))) for block in layout.vlm.blocks]
    for layer in sorted(kinds.index(kind) + 1 for kind in set(kinds)):  # a pass to the first of a kind takes least
        whole = read(layer, "none")
        try:
            cut_down = read(layer, cut)
        except (RuntimeError, ValueError, IndexError):  # shapes that this block does not allow
            return False
        width = edges[layer - 1, -1]
        cells = [np.split(values[:, -width:], edges[layer - 1, :-1], axis=1) for values in (whole, cut_down)]
        if not all(same(before, after, tolerance) for before, after in zip(*cells, strict=True)):
            return False
    return True


def same(whole: np.ndarray, other: np.ndarray, tolerance: float) -> bool:
    """Return whether two readings of one site differ by rounding only; judged site by site, as the residual dwarfs the others."""
    if not np.array_equal(np.isfinite(whole), np.isfinite(other)):
        return False
    whole, other = np.nan_to_num(whole, posinf=0, neginf=0), np.nan_to_num(other, posinf=0, neginf=0)
    return bool(np.linalg.norm(whole - other) <= tolerance * np.linalg.norm(whole))
