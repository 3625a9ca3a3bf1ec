"""Runs a model block by block, and really stops it.

Takes a ``Vlm``, prepared inputs and names of sites; returns the values of the neurons at the last prompt position (in the vision
tower: averaged over the patches of the picture), in the project's order (layer, then site, then unit). It knows nothing about
labels or thresholds; `sn_viz.early_exit.policies` says where to stop.

How the stop works: a hook on the exit block raises a private exception once the last site needed there has been read, so later
blocks, the final norm and the LM head never run, in any family; behind an exit inside the tower neither the projector nor the
decoder. Inside the exit block only the last position matters behind
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

from sn_viz.activations.sites import Place, in_tower, site_called, site_names
from sn_viz.errors import UserError
from sn_viz.models.blocks import attention_of, attention_output_of, mlp_of
from sn_viz.models.model_cache import WARM_UPS
from sn_viz.models.programs import AFTER, FAULTS, Stretch, Watch, recorded, run_in_order
from sn_viz.models.replay import Prompt
from sn_viz.models.threads import SMALL
from sn_viz.models.tower import picture_means
from sn_viz.models.vlm import Inputs, Vlm
from sn_viz.types import Picture

HALF_MAX = float(np.finfo(np.float16).max)
CUTS = ("attention and mlp", "mlp", "none")
"""What of the exit block runs on the last position only; tried in this order."""


class _Stop(Exception):
    """Unwinds the forward pass out of the exit block; always caught in this module."""


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
        From 1; layer 1 runs block 0 only. With sites in the vision tower also 0 and less: 0 is the tower's last block.
    sites : str or sequence of str
        Names of sites; "all" means all that the model's decoder has.
    dtype : type
        ``np.float16`` or ``np.float32``. In float16, values beyond its range are cut to its largest number, so infinities become
        finite too; NaN stays NaN.

    Returns
    -------
    np.ndarray
        (batch, neuron): every neuron up to ``exit_layer``, in the order layer, site, unit.

    Raises
    ------
    UserError
        When there is no such layer or site.
    """
    chosen = available_sites(vlm, sites)
    check_layer(vlm, chosen, exit_layer)
    return _values_up_to(vlm, inputs, exit_layer, chosen, tail_cut(vlm) if exit_layer >= 1 else "none", dtype)


def get_ready(vlm: Vlm, sites: str | Sequence[str] = "all") -> None:
    """Try out, once a model, all that exits try out on first use, so that no image waits for it: widths, cuts, replayed passes."""
    chosen = available_sites(vlm, sites)
    site_widths(vlm, chosen)
    tail_cut(vlm)
    with vlm.lock, vlm.threads(1), torch.inference_mode():
        _try_replay(vlm)


WARM_UPS.append(get_ready)


def warm_up(vlm: Vlm, inputs: Inputs, exit_layer: int, sites: str | Sequence[str] = "all") -> None:
    """Run what only the first passes over a prompt up to a layer do; afterwards they all take the same time."""
    for _ in range(1 + AFTER * _is_recorded(vlm, inputs, exit_layer)):
        truncated_forward(vlm, inputs, exit_layer, sites)


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
    layers = layers_of(vlm, chosen)
    plan = _plan(vlm, chosen, layers[-1])
    buffer = _Buffer(plan, len(inputs["input_ids"]), vlm.device)
    readings: list[BlockReading] = []
    begun: list[float] = []

    def finished(layer: int) -> None:
        readings.append(BlockReading(layer, _now(vlm) - start, buffer.read(range(layer, layer + 1), np.float16)))
        if on_block is not None and on_block(readings[-1]):
            raise _Stop

    logits = None
    with vlm.lock, vlm.threads(len(inputs["input_ids"])), torch.inference_mode(), _hooks() as hooks:
        hooks.append(_block(vlm, layers[0]).register_forward_pre_hook(lambda *_: begun.append(_now(vlm) - start)))
        _watch(vlm, plan.spots, inputs, buffer.write, hooks)
        for layer in layers:
            hooks.append(_block(vlm, layer).register_forward_hook(lambda *_, layer=layer: finished(layer)))
        start = _now(vlm)
        try:
            logits = vlm.module(**inputs, **vlm.forward_options()).logits[:, -1].float().cpu().numpy()
        except _Stop:
            pass
        seconds = _now(vlm) - start
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
    with vlm.lock, _hooks() as hooks:
        for layer in layers:
            hooks.append(_block(vlm, layer).register_forward_hook(lambda *_, layer=layer: _note(finished, layer, vlm)))
        yield finished


def _note(finished: dict[int, float], layer: int, vlm: Vlm) -> None:
    if layer not in finished:
        finished[layer] = _now(vlm)


def available_sites(vlm: Vlm, sites: str | Sequence[str] = "all") -> tuple[str, ...]:
    """Return the chosen sites in the registries' order.

    "all" (of the decoder) and "tower" leave out what the model does not have; a name insists on it.
    """
    names = site_names(sites)
    asked = ({sites} if isinstance(sites, str) else set(sites)) or {"all"}
    for name in names:
        if name in asked or not vlm.tower_blocks and in_tower(name):
            _places(vlm, name)
    return tuple(name for name in names if has_site(vlm, name))


def layers_of(vlm: Vlm, sites: Sequence[str]) -> range:
    """Return the layers that hold the chosen sites: from the tower's first block where one of them lives there, else from 1."""
    lives_in_tower = [in_tower(name) for name in sites]
    return range(1 - len(vlm.tower_blocks) if any(lives_in_tower) else 1, 1 + (0 if all(lives_in_tower) else vlm.n_layers))


def check_layer(vlm: Vlm, sites: Sequence[str], layer: int) -> None:
    """Raise a UserError unless ``layer`` is one of ``layers_of(vlm, sites)``; the message lists them."""
    layers = layers_of(vlm, sites)
    if layer not in layers:
        raise UserError(f"There is no layer {layer}.", f"{vlm.name} has layers {spoken_layers(layers)}.", "Choose one of these.")


def spoken_layers(layers: range) -> str:
    """Return what layers there are, for people: "1 to 12", or "V1 to V4 (-3 to 0) and 1 to 12"."""
    decoder = f"1 to {layers[-1]}" if layers and layers[-1] >= 1 else ""
    tower = f"V1 to V{1 - layers.start} ({layers.start} to 0)" if layers.start < 1 else ""
    return " and ".join(filter(None, (tower, decoder)))


def has_site(vlm: Vlm, name: str) -> bool:
    """Return whether every block of its kind has the site of that name."""
    try:
        return bool(_places(vlm, name))
    except UserError:
        return False


def _places(vlm: Vlm, name: str) -> list[Place]:
    """Return where to read a site in every block, looked up once a model. Raises UserError where a block does not have it."""
    if name not in vlm.places:
        if in_tower(name) and not vlm.tower_blocks:
            raise UserError(
                f"The site {name!r} is not there.",
                f"The vision tower of {type(vlm.module).__name__} is no plain stack of blocks.",
                "Leave it out.",
            )
        blocks = vlm.tower_blocks if in_tower(name) else vlm.blocks
        vlm.places[name] = [site_called(name).module_of(block) for block in blocks]
    return vlm.places[name]


def _block(vlm: Vlm, layer: int) -> nn.Module:
    """Return the block behind which ``layer`` lies; layer 0 is the last of the tower."""
    return vlm.blocks[layer - 1] if layer >= 1 else vlm.tower_blocks[layer - 1]


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
        int64 (layer, site), one row for each of ``layers_of(vlm, sites)``; 0 where a layer does not hold the site, or where the
        model leaves out that block.
    """
    missing = [name for name in sites if name not in vlm.layout]
    if missing:
        seen = {name: np.zeros(len(_places(vlm, name)), dtype=np.int64) for name in missing}

        def note(layer: int, site: int, vector: torch.Tensor) -> None:
            seen[missing[site]][layer - 1] = vector.shape[-1]

        inputs = _probe_inputs(vlm)
        with vlm.lock, torch.inference_mode(), _hooks() as hooks:
            _watch(vlm, _spots(vlm, missing, layers_of(vlm, missing)), inputs, note, hooks)
            vlm.module(**inputs, **vlm.forward_options())
        vlm.layout.update(seen)
    layers = layers_of(vlm, sites)
    widths = np.zeros((len(layers), len(sites)), dtype=np.int64)
    for column, name in enumerate(sites):
        blocks = vlm.layout[name]
        start = (1 - len(blocks) if in_tower(name) else 1) - layers.start
        widths[start : start + len(blocks), column] = blocks
    return widths


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
    return vlm.prepare([Picture(pixels) for pixels in noise], ["?", "?"])


def _two_pictures(vlm: Vlm) -> tuple[Inputs, Inputs]:
    """Return the inputs of two pictures of noise, asked the same."""
    noise = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    one, other = (vlm.prepare([Picture(pixels)], ["?"]) for pixels in noise)
    return one, other


def _try_replay(vlm: Vlm) -> None:
    if vlm.replay.works is None:
        vlm.replay.works = vlm.replay.equals_the_model(*_two_pictures(vlm))


def _now(vlm: Vlm) -> float:
    if vlm.device.type == "cuda":
        torch.cuda.synchronize(vlm.device)
    return time.perf_counter()


class _Buffer:
    """One batch of values, laid out by layer, site and unit, filled by hooks; cut to float16's range only at the end."""

    def __init__(self, plan: _Plan, batch: int, device: torch.device) -> None:
        self.plan = plan
        self.values = torch.empty((batch, plan.edges[-1]), dtype=torch.float32, device=device)

    def write(self, layer: int, site: int, vector: torch.Tensor) -> None:
        """Keep ``vector`` (batch, unit)."""
        cell = self.plan.cell(layer, site)
        self.values[:, self.plan.edges[cell] : self.plan.edges[cell + 1]] = vector

    def read(self, layers: range, dtype: type[np.floating]) -> np.ndarray:
        """Return a copy of the values of ``layers``, (batch, neuron)."""
        start, stop = self.plan.cell(layers[0], 0), self.plan.cell(layers[-1] + 1, 0)
        values = self.values[:, self.plan.edges[start] : self.plan.edges[stop]]
        if dtype == np.float16:
            values = values.clamp(-HALF_MAX, HALF_MAX).to(torch.float16)
        return values.cpu().numpy()


@dataclass(frozen=True, eq=False)
class _Plan:
    """Everything about a pass up to a layer that does not depend on its inputs."""

    layers: range
    """Layers asked for."""
    last: int
    """The last of them that holds anything: there the pass stops."""
    due: tuple[int, ...]
    """Sites, as indices, that are read there."""
    spots: tuple[tuple[int, int, Place], ...]
    """Layer, index of the site, and where it is read."""
    sites: tuple[str, ...]
    """Names of the sites, by index."""
    edges: tuple[int, ...]
    """Where each cell (layer, site) begins on the neuron axis, and the end of the last."""
    n_sites: int

    def cell(self, layer: int, site: int) -> int:
        """Return the position of a cell in ``edges``."""
        return (layer - self.layers.start) * self.n_sites + site


def _plan(vlm: Vlm, sites: Sequence[str], exit_layer: int) -> _Plan:
    """Return the plan of a pass up to ``exit_layer``, worked out once a model."""
    key = (tuple(sites), exit_layer)
    if key not in vlm.plans:
        layers = range(layers_of(vlm, sites).start, exit_layer + 1)
        widths = site_widths(vlm, sites)[: len(layers)]
        row = int(np.flatnonzero(widths.any(axis=1)).max(initial=0))
        vlm.plans[key] = _Plan(
            layers=layers,
            last=layers[row],
            due=tuple(np.flatnonzero(widths[row]).tolist()),
            spots=_spots(vlm, sites, layers[: row + 1]),
            sites=tuple(sites),
            edges=tuple(np.concatenate([[0], np.cumsum(widths.ravel())]).tolist()),
            n_sites=len(sites),
        )
    return vlm.plans[key]


def _spots(vlm: Vlm, sites: Sequence[str], layers: range) -> tuple[tuple[int, int, Place], ...]:
    """Return every place to read in ``layers``: layer, index of the site, module and side."""
    return tuple(
        (layer, index, _places(vlm, name)[layer - 1])
        for layer in layers
        for index, name in enumerate(sites)
        if in_tower(name) == (layer < 1)
    )


def _values_up_to(
    vlm: Vlm, inputs: Inputs, exit_layer: int, sites: Sequence[str], cut: str, dtype: type[np.floating]
) -> np.ndarray:
    plan = _plan(vlm, sites, exit_layer)
    buffer = _Buffer(plan, len(inputs["input_ids"]), inputs["input_ids"].device)
    with vlm.lock, vlm.threads(len(inputs["input_ids"])), torch.inference_mode():
        programs = _programs(vlm, inputs, plan, cut)
        if programs is None:
            _run_until(vlm, inputs, plan, cut, buffer.write)
        else:
            buffer.values = _run_programs(programs, inputs)
    return buffer.read(plan.layers, dtype)


def _programs(vlm: Vlm, inputs: Inputs, plan: _Plan, cut: str) -> list[Stretch] | None:
    """Return a pass as recorded programs, recorded when it has run ``AFTER`` times before; None where it must run as it is."""
    if not _is_recorded(vlm, inputs, plan.last):
        return None
    if vlm.watch is not None and not vlm.watch.unchanged():
        return None
    prompt = vlm.replay.known(inputs, plan.last)
    if prompt is None:
        return None
    keys = [(plan.sites, layer, layer == plan.last and cut) for layer in range(plan.last + 1)]
    prompt.passes[keys[-1]] += 1
    if all(key in prompt.programs for key in keys):
        return [prompt.programs[key] for key in keys]
    if prompt.passes[keys[-1]] >= AFTER:  # its very first pass was not counted
        _record(vlm, inputs, plan, cut, prompt, keys)
    return None


def _is_recorded(vlm: Vlm, inputs: Inputs, layer: int) -> bool:
    """Return whether passes like this one, once repeated, are worth recording: behind the tower, small, and on a processor."""
    small = vlm.device.type == "cpu" and vlm.n_weights * len(inputs["input_ids"]) <= SMALL
    return vlm.records and small and layer >= 1 and len(_pixels(inputs)) == 1


def _record(vlm: Vlm, inputs: Inputs, plan: _Plan, cut: str, prompt: Prompt, keys: list[Any]) -> None:
    """Record every stretch of a pass that is not known yet, and compare it with the pass itself on this picture and on blank ones.

    `Vlm.records` turns False where a bit differs, or where what runs depends on the pixels, as with parts left out when blank.
    """
    vlm.watch = vlm.watch or Watch(vlm.module)
    if not vlm.watch.unchanged():
        return
    try:
        programs = _compared_programs(vlm, inputs, plan, cut, prompt, keys)
    except FAULTS:
        programs = None
    if programs is None:
        vlm.records = False
    else:
        prompt.programs.update(zip(keys, programs, strict=True))


def _compared_programs(vlm: Vlm, inputs: Inputs, plan: _Plan, cut: str, prompt: Prompt, keys: list[Any]) -> list[Stretch] | None:
    name, pixels = _pixels(inputs)[0]
    value = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(0)).to(pixels)
    programs = []
    for key, stretch in zip(keys, _stretches(vlm, inputs, plan, cut, prompt), strict=True):
        programs.append(prompt.programs.get(key) or recorded(stretch, value))
        value = stretch(value)[0]
    for other in (pixels, torch.zeros_like(pixels), torch.ones_like(pixels)):
        buffer, given = _Buffer(plan, len(inputs["input_ids"]), vlm.device), {**inputs, name: other}
        _run_until(vlm, given, plan, cut, buffer.write)
        if not _equal_bits(_run_programs(programs, given), buffer.values):
            return None
    return programs


def _stretches(vlm: Vlm, inputs: Inputs, plan: _Plan, cut: str, prompt: Prompt) -> Iterator[Stretch]:
    """Yield a pass as functions of one tensor, each returns the next one's argument and what was read on the way.

    The first goes from pixels to what the first block is given, then comes a block each; the last returns what was read alone.
    """
    name, _ = _pixels(inputs)[0]

    def reading(layers: range, go: Callable[[torch.Tensor], torch.Tensor], last: bool) -> Stretch:
        spots = tuple(spot for spot in plan.spots if spot[0] in layers)

        def stretch(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
            seen: dict[tuple[int, int], torch.Tensor] = {}
            waiting = {spot[:2] for spot in spots}

            def write(layer: int, site: int, vector: torch.Tensor) -> None:
                seen[layer, site] = vector.float()
                if last and waiting <= seen.keys():
                    raise _Stop

            with _hooks() as hooks:
                if last:
                    _cut_down(vlm, plan.last, cut, hooks)
                _watch(vlm, spots, inputs, write, hooks)
                try:
                    after = (go(tensor),)
                except _Stop:
                    after = ()
            return (*after, *(seen[spot] for spot in sorted(seen)))

        return stretch

    yield reading(range(plan.layers.start, 1), lambda pixels: vlm.replay.begin({**inputs, name: pixels}, prompt), False)
    for number in range(plan.last):
        layers = range(number + 1, number + 2)
        yield reading(layers, lambda hidden, number=number: vlm.replay.block(hidden, prompt, number), number + 1 == plan.last)


def _run_programs(programs: Sequence[Stretch], inputs: Inputs) -> torch.Tensor:
    """Return float32 (batch, neuron): what the stretches read, one after the other."""
    return torch.cat(run_in_order(programs, _pixels(inputs)[0][1]), dim=1)


def _pixels(inputs: Inputs) -> list[tuple[str, torch.Tensor]]:
    """Return the inputs that are no whole numbers, by name."""
    return [(name, value) for name, value in inputs.items() if torch.is_tensor(value) and value.is_floating_point()]


def _equal_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one.view(torch.int32), other.view(torch.int32))


def _run_until(vlm: Vlm, inputs: Inputs, plan: _Plan, cut: str, write: Callable[[int, int, torch.Tensor], None]) -> None:
    """Run blocks up to the last layer of ``plan``, hand what every site holds to ``write(layer, site, vector)``, and stop.

    The pass ends as soon as all that is due in the last layer was read.
    """
    waiting = set(plan.due)

    def write_and_stop(layer: int, site: int, vector: torch.Tensor) -> None:
        write(layer, site, vector)
        if layer == plan.last:
            waiting.discard(site)
            if not waiting:
                raise _Stop

    with vlm.lock, vlm.threads(len(inputs["input_ids"])), torch.inference_mode(), _hooks() as hooks:
        _try_replay(vlm)
        _cut_down(vlm, plan.last, cut, hooks)
        _watch(vlm, plan.spots, inputs, write_and_stop, hooks)
        try:
            vlm.replay(inputs, max(plan.last, 0))
        except _Stop:
            return
    raise AssertionError(f"{type(vlm.module).__name__} never reached layer {plan.last} at {sorted(waiting)}")


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
    vlm: Vlm,
    spots: Sequence[tuple[int, int, Place]],
    inputs: Inputs,
    write: Callable[[int, int, torch.Tensor], None],
    hooks: list[Any],
) -> None:
    """Hook every one of ``spots``."""
    batch = len(inputs["input_ids"])
    for layer, index, (module, side) in spots:

        def read(tensors: Any, layer: int = layer, index: int = index) -> None:
            states = _first_tensor(tensors)
            vector = _picture_means(vlm, states, inputs) if layer < 1 else _last_position(states, batch)
            write(layer, index, vector)

        if side == "output":
            hooks.append(module.register_forward_hook(lambda _m, _a, output, read=read: read(output)))
        else:
            hooks.append(
                module.register_forward_pre_hook(
                    lambda _m, args, kwargs, read=read: read((*args, *kwargs.values())), with_kwargs=True
                )
            )


def _picture_means(vlm: Vlm, states: torch.Tensor, inputs: Inputs) -> torch.Tensor:
    return picture_means(states, inputs, vlm.class_token, vlm.channels_first)


def _first_tensor(values: Any) -> torch.Tensor:
    if torch.is_tensor(values):
        return values
    return next(value for value in values if torch.is_tensor(value))


def _last_position(tensor: torch.Tensor, batch: int) -> torch.Tensor:
    """Return (batch, width); an MLP may see its positions flattened to (batch * position, width)."""
    return tensor.reshape(batch, -1, tensor.shape[-1])[:, -1]


@contextmanager
def last_position_only(vlm: Vlm, layer: int) -> Iterator[None]:
    """Let the tail of one block compute the last position only, as in an exit there; for measuring what an exit must cost."""
    with vlm.lock, _hooks() as hooks:
        _cut_down(vlm, layer, tail_cut(vlm), hooks)
        yield


def _cut_down(vlm: Vlm, exit_layer: int, cut: str, hooks: list[Any]) -> None:
    for part in _cut_parts(vlm, exit_layer, cut):
        hooks.append(part.register_forward_pre_hook(_keep_last, with_kwargs=True))


def _cut_parts(vlm: Vlm, exit_layer: int, cut: str) -> tuple[nn.Module, ...]:
    """Return the parts of the exit block whose input is cut down to the last position; none of them in the vision tower."""
    key = (exit_layer, cut)
    if key not in vlm.plans:
        block = _block(vlm, exit_layer)
        parts = {"attention and mlp": (attention_output_of(block), mlp_of(block)), "mlp": (mlp_of(block),), "none": ()}[cut]
        vlm.plans[key] = tuple(part for part in parts if part is not None and exit_layer >= 1)
    return vlm.plans[key]


def _keep_last(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    def keep(value: Any) -> Any:
        return value[:, -1:] if torch.is_tensor(value) and value.dim() == 3 else value

    return tuple(keep(value) for value in args), {name: keep(value) for name, value in kwargs.items()}
