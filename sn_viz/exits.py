"""Runs a model block by block, and really stops it.

Takes a ``Vlm``, prepared inputs and names of sites; returns the values of the neurons at the last prompt position, in the project's
order (layer, then site, then unit). It knows nothing about labels or thresholds, beyond the two policies that say where to stop.

How the stop works: a hook on the exit block raises a private exception once the last site needed there has been read, so later
blocks, the final norm and the LM head never run, in any family. Inside the exit block only the last position matters behind
attention, so the inputs of the attention's closing linear layer and of the MLP are cut down to it. Everything behind them treats
positions separately (norms, scalings, residual sums), so the sum "whole prompt plus one position" is still right at that position,
the only one read. Whether this holds for a model is tried out once, against a pass without cuts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from sn_viz.errors import UserError
from sn_viz.models.blocks import attention_of, attention_output_of, mlp_of
from sn_viz.models.vlm import Inputs, Vlm
from sn_viz.sites import SITES, Place, site_names
from sn_viz.types import Picture, Votes

HALF_MAX = float(np.finfo(np.float16).max)
CUTS = ("attention and mlp", "mlp", "none")
"""What of the exit block runs on the last position only; tried in this order."""


class _Stop(Exception):
    """Unwinds the forward pass out of the exit block; always caught in this module."""


@dataclass(frozen=True, eq=False)
class BlockReading:
    """What was there when one block had finished."""

    layer: int
    """From 1."""
    seconds: float
    """Since the forward pass began."""
    values: np.ndarray
    """float16 (batch, neuron): the neurons of this layer only."""


@dataclass(frozen=True, eq=False)
class Stream:
    """One full pass, block by block."""

    seconds_before: float
    """Until the first block began: vision tower, projector, embeddings."""
    blocks: tuple[BlockReading, ...]
    seconds: float
    """Until the end: the first token's logits, or the block where the pass was stopped."""
    logits: np.ndarray | None
    """float32 (batch, vocabulary) of the first token; None when the pass was stopped before."""


@dataclass(frozen=True)
class FixedLayer:
    """Stop every example at one layer."""

    layer: int
    """From 1."""

    def exit_layers(self, votes: Votes) -> np.ndarray:
        """Return the exit layer of every example, int64 (example,)."""
        return np.full(len(votes.predicted), self.layer, dtype=np.int64)

    def stops(self, layer: int, margin: float) -> bool:
        """Return whether to stop when ``layer`` has voted with ``margin``."""
        return layer >= self.layer


@dataclass(frozen=True)
class MarginPolicy:
    """Stop at the first layer whose vote is clear enough."""

    threshold: float
    """Smallest margin, from 0 to 1, that counts as clear: the winner's share of the vote minus the runner-up's."""

    def exit_layers(self, votes: Votes) -> np.ndarray:
        """Return the exit layer of every example.

        Parameters
        ----------
        votes : Votes
            By layer.

        Returns
        -------
        np.ndarray
            int64 (example,), from 1: the first layer with a margin of at least ``threshold``, or the last layer when there is none.
            A NaN margin never stops.
        """
        clear = votes.margin >= self.threshold
        return np.where(clear.any(axis=1), clear.argmax(axis=1) + 1, votes.margin.shape[1]).astype(np.int64)

    def stops(self, layer: int, margin: float) -> bool:
        """Return whether to stop when ``layer`` has voted with ``margin``."""
        return bool(margin >= self.threshold)

    @classmethod
    def calibrated(cls, votes: Votes, labels: np.ndarray, loss: float = 0.01) -> MarginPolicy:
        """Return the policy that stops soonest while staying accurate on a calibration split.

        Parameters
        ----------
        votes : Votes
            Of the calibration split, which must not be the test split.
        labels : np.ndarray
            int64 (example,).
        loss : float
            How much accuracy, as a fraction, may be given up against the best threshold.
        """
        thresholds = np.unique(np.append(votes.margin[np.isfinite(votes.margin)], [0.0, 1.0]))
        layers = np.stack([cls(float(threshold)).exit_layers(votes) for threshold in thresholds])
        accuracy = (votes.predicted[np.arange(len(labels)), layers - 1] == labels).mean(axis=1)
        good = np.flatnonzero(accuracy >= accuracy.max() - loss)
        return cls(float(thresholds[good[np.argmin(layers[good].mean(axis=1))]]))


def truncated_forward(
    vlm: Vlm, inputs: Inputs, exit_layer: int, sites: str | Sequence[str] = "all", dtype: type[np.floating] = np.float16
) -> np.ndarray:
    """Run the model up to a layer, and no further.

    Parameters
    ----------
    vlm : Vlm
    inputs : dict
        From ``vlm.prepare``.
    exit_layer : int
        From 1; layer 1 runs block 0 only.
    sites : str or sequence of str
        Names of sites; "all" means all that the model has.
    dtype : type
        ``np.float16`` or ``np.float32``. In float16, values beyond its range are cut to its largest number, so infinities become
        finite too; NaN stays NaN.

    Returns
    -------
    np.ndarray
        (batch, neuron): every neuron of layers 1 to ``exit_layer``, in the order layer, site, unit.

    Raises
    ------
    UserError
        When there is no such layer or site.
    """
    chosen = available_sites(vlm, sites)
    _check_layer(vlm, exit_layer)
    return _values_up_to(vlm, inputs, exit_layer, chosen, tail_cut(vlm), dtype)


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
    chosen = available_sites(vlm, sites)
    widths = site_widths(vlm, chosen)
    buffer = _Buffer(widths, vlm.n_layers, len(inputs["input_ids"]), torch.float16, vlm.device)
    readings: list[BlockReading] = []
    begun: list[float] = []

    def finished(layer: int) -> None:
        readings.append(BlockReading(layer, _now(vlm) - start, buffer.of_layer(layer)))
        if on_block is not None and on_block(readings[-1]):
            raise _Stop

    logits = None
    with vlm.lock, torch.inference_mode(), _hooks() as hooks:
        hooks.append(vlm.blocks[0].register_forward_pre_hook(lambda *_: begun.append(_now(vlm) - start)))
        _watch(vlm, chosen, vlm.n_layers, len(inputs["input_ids"]), buffer.write, hooks)
        for layer, block in enumerate(vlm.blocks, start=1):
            hooks.append(block.register_forward_hook(lambda *_, layer=layer: finished(layer)))
        start = _now(vlm)
        try:
            logits = vlm.module(**inputs, **vlm.forward_options()).logits[:, -1].float().cpu().numpy()
        except _Stop:
            pass
        seconds = _now(vlm) - start
    return Stream(begun[0], tuple(readings), seconds, logits)


def available_sites(vlm: Vlm, sites: str | Sequence[str] = "all") -> tuple[str, ...]:
    """Return the chosen sites in the registry's order; "all" leaves out what the model does not have, a name insists on it."""
    names = site_names(sites)
    if sites != "all" and sites:
        for name in names:
            _places(vlm, name)
        return names
    return tuple(name for name in names if _has_site(vlm, name))


def _has_site(vlm: Vlm, name: str) -> bool:
    try:
        return bool(_places(vlm, name))
    except UserError:
        return False


def _places(vlm: Vlm, name: str) -> list[Place]:
    """Return where to read a site in every block, looked up once a model. Raises UserError where a block does not have it."""
    if name not in vlm.places:
        vlm.places[name] = [SITES[name].module_of(block) for block in vlm.blocks]
    return vlm.places[name]


def site_widths(vlm: Vlm, sites: Sequence[str]) -> np.ndarray:
    """Return how many neurons each site has in each layer.

    Parameters
    ----------
    vlm : Vlm
        Remembers the answer; the first call runs one small picture through the model.
    sites : sequence of str
        Names of sites that the model has.

    Returns
    -------
    np.ndarray
        int64 (layer, site).
    """
    missing = [name for name in sites if name not in vlm.layout]
    if missing:
        seen = {name: np.zeros(vlm.n_layers, dtype=np.int64) for name in missing}

        def note(layer: int, site: int, vector: torch.Tensor) -> None:
            seen[missing[site]][layer - 1] = vector.shape[-1]

        _run_until(vlm, _probe_inputs(vlm), vlm.n_layers, missing, "none", note)
        vlm.layout.update(seen)
    return np.stack([vlm.layout[name] for name in sites], axis=1)


def tail_cut(vlm: Vlm) -> str:
    """Return which part of the exit block may run on the last position only: an entry of ``CUTS``.

    Tried out on first use, on two small noise pictures and on one block of every kind the model has: the boldest cut whose values
    equal those of the whole block, up to rounding, is taken and remembered on the ``Vlm``.
    """
    if vlm.tail_slicing is None:
        vlm.tail_slicing = next(cut for cut in CUTS if cut == "none" or _cut_is_exact(vlm, cut))
    return vlm.tail_slicing


def _cut_is_exact(vlm: Vlm, cut: str) -> bool:
    sites = available_sites(vlm)
    inputs = _probe_inputs(vlm)
    edges = np.cumsum(site_widths(vlm, sites), axis=1)
    parts = ((type(block), type(attention_of(block)), type(mlp_of(block))) for block in vlm.blocks)
    for layer in {kinds: layer for layer, kinds in enumerate(parts, start=1)}.values():
        whole = _values_up_to(vlm, inputs, layer, sites, "none", np.float32)
        try:
            cut_down = _values_up_to(vlm, inputs, layer, sites, cut, np.float32)
        except (RuntimeError, ValueError, IndexError):  # shapes that this block does not allow
            return False
        width = edges[layer - 1, -1]
        cells = [np.split(values[:, -width:], edges[layer - 1, :-1], axis=1) for values in (whole, cut_down)]
        tolerance = 1e-4 if vlm.dtype == torch.float32 else 5e-2
        if not all(_same(before, after, tolerance) for before, after in zip(*cells, strict=True)):
            return False
    return True


def _same(whole: np.ndarray, other: np.ndarray, tolerance: float) -> bool:
    """Return whether two readings of one site differ by rounding only; judged site by site, as the residual dwarfs the others."""
    if not np.array_equal(np.isfinite(whole), np.isfinite(other)):
        return False
    whole, other = np.nan_to_num(whole, posinf=0, neginf=0), np.nan_to_num(other, posinf=0, neginf=0)
    return bool(np.linalg.norm(whole - other) <= tolerance * np.linalg.norm(whole))


def _probe_inputs(vlm: Vlm) -> Inputs:
    noise = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    return vlm.prepare([Picture("", pixels) for pixels in noise], ["?", "?"])


def _check_layer(vlm: Vlm, layer: int) -> None:
    if not 1 <= layer <= vlm.n_layers:
        raise UserError(f"There is no layer {layer}.", f"{vlm.name} has layers 1 to {vlm.n_layers}.", "Choose one of these.")


def _now(vlm: Vlm) -> float:
    if vlm.device.type == "cuda":
        torch.cuda.synchronize(vlm.device)
    return time.perf_counter()


class _Buffer:
    """One batch of values, laid out by layer, site and unit, filled by hooks."""

    def __init__(self, widths: np.ndarray, last_layer: int, batch: int, dtype: torch.dtype, device: torch.device) -> None:
        self.edges = np.concatenate([[0], np.cumsum(widths[:last_layer].ravel())])
        self.n_sites = widths.shape[1]
        self.values = torch.empty((batch, int(self.edges[-1])), dtype=dtype, device=device)

    def write(self, layer: int, site: int, vector: torch.Tensor) -> None:
        """Keep ``vector`` (batch, unit)."""
        cell = (layer - 1) * self.n_sites + site
        if self.values.dtype == torch.float16:
            vector = vector.float().clamp(-HALF_MAX, HALF_MAX)
        self.values[:, self.edges[cell] : self.edges[cell + 1]] = vector

    def of_layer(self, layer: int) -> np.ndarray:
        """Return a copy of one layer's values, (batch, neuron)."""
        start, stop = self.edges[(layer - 1) * self.n_sites], self.edges[layer * self.n_sites]
        return self.values[:, start:stop].cpu().numpy().copy()


def _values_up_to(
    vlm: Vlm, inputs: Inputs, exit_layer: int, sites: Sequence[str], cut: str, dtype: type[np.floating]
) -> np.ndarray:
    number = torch.float16 if dtype == np.float16 else torch.float32
    buffer = _Buffer(site_widths(vlm, sites), exit_layer, len(inputs["input_ids"]), number, vlm.device)
    _run_until(vlm, inputs, exit_layer, sites, cut, buffer.write)
    return buffer.values.cpu().numpy()


def _run_until(
    vlm: Vlm, inputs: Inputs, exit_layer: int, sites: Sequence[str], cut: str, write: Callable[[int, int, torch.Tensor], None]
) -> None:
    """Run blocks up to ``exit_layer``, hand every site's last position to ``write(layer, site, vector)``, and stop."""
    waiting = set(range(len(sites)))

    def write_and_stop(layer: int, site: int, vector: torch.Tensor) -> None:
        write(layer, site, vector)
        if layer == exit_layer:
            waiting.discard(site)
            if not waiting:
                raise _Stop

    with vlm.lock, torch.inference_mode(), _hooks() as hooks:
        _cut_to_last_position(vlm.blocks[exit_layer - 1], cut, hooks)
        _watch(vlm, sites, exit_layer, len(inputs["input_ids"]), write_and_stop, hooks)
        try:
            vlm.module(**inputs, **vlm.forward_options())
        except _Stop:
            return
    raise AssertionError(f"{type(vlm.module).__name__} never reached layer {exit_layer} at {sorted(sites[i] for i in waiting)}")


@contextmanager
def _hooks() -> Iterator[list[Any]]:
    """Give a list for hook handles, and remove every hook at the end, whatever happens."""
    handles: list[Any] = []
    try:
        yield handles
    finally:
        for handle in handles:
            handle.remove()


def _watch(
    vlm: Vlm, sites: Sequence[str], last_layer: int, batch: int, write: Callable[[int, int, torch.Tensor], None], hooks: list[Any]
) -> None:
    """Hook every site of the first ``last_layer`` blocks."""
    for layer in range(1, last_layer + 1):
        for index, name in enumerate(sites):
            module, side = _places(vlm, name)[layer - 1]

            def read(tensors: Any, layer: int = layer, index: int = index) -> None:
                write(layer, index, _last_position(_first_tensor(tensors), batch))

            if side == "output":
                hooks.append(module.register_forward_hook(lambda _m, _a, output, read=read: read(output)))
            else:
                hooks.append(
                    module.register_forward_pre_hook(
                        lambda _m, args, kwargs, read=read: read((*args, *kwargs.values())), with_kwargs=True
                    )
                )


def _first_tensor(values: Any) -> torch.Tensor:
    if torch.is_tensor(values):
        return values
    return next(value for value in values if torch.is_tensor(value))


def _last_position(tensor: torch.Tensor, batch: int) -> torch.Tensor:
    """Return (batch, width); an MLP may see its positions flattened to (batch * position, width)."""
    return tensor.reshape(batch, -1, tensor.shape[-1])[:, -1]


def _cut_to_last_position(block: nn.Module, cut: str, hooks: list[Any]) -> None:
    """Make the tail of ``block`` compute the last position only."""
    parts = {"attention and mlp": (attention_output_of(block), mlp_of(block)), "mlp": (mlp_of(block),), "none": ()}[cut]
    for part in parts:
        if part is not None:
            hooks.append(part.register_forward_pre_hook(_keep_last, with_kwargs=True))


def _keep_last(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    def keep(value: Any) -> Any:
        return value[:, -1:] if torch.is_tensor(value) and value.dim() == 3 else value

    return tuple(keep(value) for value in args), {name: keep(value) for name, value in kwargs.items()}
