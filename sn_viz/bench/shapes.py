"""How fast public models of real size would exit: random weights in published dimensions, since speed does not depend on weights.

Takes shapes; returns rows of plain values. Each shape is built, measured and forgotten in a process of its own, straight in its
final place and number format, so that a model of 7 billion weights in bfloat16 never needs more than its 14 GB. Inputs are made
directly, with as many picture tokens as the model's processor would make and a short question: preprocessing is left out, and so is
the vote.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from sn_viz.activations.reader import truncated_forward
from sn_viz.bench import BENCHES, Options, Row, in_a_fresh_process, machine, row
from sn_viz.bench.floor import wait
from sn_viz.bench.parts import parts_of
from sn_viz.bench.shape_table import SHAPES, Shape
from sn_viz.latency import times_in_turns
from sn_viz.models.load import AutoConfig, AutoModelForImageTextToText, _device
from sn_viz.models.vlm import Inputs, Vlm
from sn_viz.types import Picture

TEXT_TOKENS = 32
"""Template and question around the picture: a short question."""
EXITS = (1, 2, 4)
CPU_BATCHES, GPU_BATCHES = (1,), (1, 32)
ROUNDS, BUDGET = 15, 60.0
"""How often everything is timed at each batch size, at most, and seconds after which no further round begins."""
WORKING_GB = 2.0
"""What a pass and the libraries take besides the weights, roughly."""
NOISE = 1_000_003
"""How many random numbers the weights repeat: a prime, so that no two rows of a matrix are alike."""

CHILD = """
import json, sys
from sn_viz.bench.shapes import measured_by_name
print(json.dumps(measured_by_name(*json.loads(sys.argv[1]))))
"""


@BENCHES.register("shapes")
def measure(options: Options) -> list[Row]:
    """Time exits of public models of real size with random weights, each in a process of its own; what does not fit says so."""
    place, rows = str(_device(options.device)), []
    for shape in SHAPES[:1] if options.quick else SHAPES:
        said = in_a_fresh_process(CHILD, json.dumps([shape.name, place, options.quick]))
        rows += [Row(**one) for one in json.loads(said.splitlines()[-1])]
    return rows


def measured_by_name(name: str, device: str, quick: bool) -> list[dict[str, Any]]:
    """Return the rows of one shape of the table as plain values."""
    shape = next(one for one in SHAPES if one.name == name)
    rounds, budget = (3, 10.0) if quick else (ROUNDS, BUDGET)
    return [asdict(one) for one in measured(shape, torch.device(device), rounds, budget)]


def measured(
    shape: Shape, device: torch.device, rounds: int = ROUNDS, budget: float = BUDGET, batches: Sequence[int] | None = None
) -> list[Row]:
    """Build one model and return its rows, or the row that says why it was left out.

    Parameters
    ----------
    shape : Shape
    device : torch.device
    rounds, budget
        How often everything is timed at each batch size, at most, and seconds of that, warming up not counted.
    batches : sequence of int, optional
        How many pictures at once; by default 1, and 32 on a GPU.
    """
    if shape.gpu_only and device.type == "cpu":
        note = f"without a GPU a pass takes minutes; {_spoken(device)}"
        return [row(f"{shape.name}: not measured", float("nan"), "GB", note=note)]
    free, need = free_gb(device), needed_gb(shape)
    dtype = next((kind for kind in _formats(device) if need[kind] <= free), None)
    if dtype is None:
        smallest = need[torch.bfloat16]
        note = f"needs about {smallest:.1f} GB in bfloat16; {free:.1f} GB are free on {_spoken(device)}"
        return [row(f"{shape.name}: not measured", smallest, "GB", note=note)]
    vlm, rows = made(shape, device, dtype), []
    for batch in batches or (GPU_BATCHES if device.type == "cuda" else CPU_BATCHES):
        try:
            rows += _rows(vlm, batch, rounds, budget)
        except torch.OutOfMemoryError:
            note = f"out of memory; {_spoken(device)}"
            rows.append(row(f"{shape.name}, batch {batch}: not measured", float("nan"), "GB", note=note))
    return rows


def needed_gb(shape: Shape) -> dict[torch.dtype, float]:
    """Return about how many gigabytes the model needs in each number format; nothing of it is allocated for that."""
    n_weights = sum(weight.numel() for weight in _empty(shape, torch.bfloat16).parameters())
    return {kind: n_weights * kind.itemsize / 1e9 + WORKING_GB for kind in (torch.float32, torch.bfloat16)}


def free_gb(device: torch.device) -> float:
    """Return how many gigabytes can be had on the device now; infinity where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] / 1e9
    found = _kilobytes(Path("/proc/meminfo"), "MemAvailable")
    return float("inf") if found is None else found / 1e6


def made(shape: Shape, device: torch.device, dtype: torch.dtype) -> Vlm:
    """Return a model of this shape with random weights, made where it stays; what it takes for weights is all it takes."""
    module = _empty(shape, dtype).to_empty(device=device)
    noise = torch.randn(NOISE, generator=torch.Generator().manual_seed(0)).mul_(0.02).to(device, dtype)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            _fill(weight, noise, name)
            weight._is_hf_initialized = True  # type: ignore[attr-defined]
        for part in module.modules():
            part._is_hf_initialized = False  # type: ignore[assignment]
        module.initialize_weights()  # what is no weight: rotary angles, numbers of positions
        module.tie_weights()
    return _Made(shape, module.eval().requires_grad_(False))


class _Made(Vlm):
    """A model whose inputs are made directly, as many picture tokens as its processor would make, whatever the question."""

    def __init__(self, shape: Shape, module: Any) -> None:
        tokenizer = SimpleNamespace(padding_side="left", pad_token="none")
        super().__init__(shape.name, module, SimpleNamespace(tokenizer=tokenizer), f"random weights: {shape.name}")
        self.shape = shape

    def prepare(self, pictures: Sequence[Picture], questions: Sequence[str]) -> Inputs:
        """Return inputs of one prompt; the pixels are noise that differs between pictures."""
        seed = int(sum(int(one.pixels.sum()) for one in pictures))
        return inputs_of(self, len(pictures), seed)


def inputs_of(vlm: Vlm, batch: int, seed: int = 0) -> Inputs:
    """Return inputs as the model's processor would make them for ``batch`` pictures of noise and a short question.

    Parameters
    ----------
    vlm : Vlm
        From ``made``.
    batch : int
    seed : int
        Of the pixels; the prompt is always the same.
    """
    assert isinstance(vlm, _Made), f"{vlm!r} has a processor of its own"
    config, device = vlm.module.config, vlm.device
    sight, tiles = config.vision_config, vlm.shape.tiles
    draw = torch.Generator().manual_seed(seed)
    more: dict[str, torch.Tensor] = {}
    if config.model_type == "qwen3_vl":
        grid = vlm.shape.side // sight.patch_size
        n_seen = (grid // sight.spatial_merge_size) ** 2
        numbers = sight.in_channels * sight.temporal_patch_size * sight.patch_size**2
        pixels = torch.randn(batch * grid * grid, numbers, generator=draw)
        more["image_grid_thw"] = torch.tensor([[1, grid, grid]] * batch)
    elif config.model_type == "idefics3":
        n_seen = tiles * (sight.image_size // sight.patch_size) ** 2 // config.scale_factor**2
        pixels = torch.randn(batch, tiles, 3, sight.image_size, sight.image_size, generator=draw)
    else:
        n_seen = (sight.image_size // sight.patch_size) ** 2
        pixels = torch.randn(batch, 3, sight.image_size, sight.image_size, generator=draw)
    words = torch.arange(3, 3 + TEXT_TOKENS)
    seen = torch.full((n_seen,), config.image_token_id)
    ids = torch.cat([words[:4], seen, words[4:]]).repeat(batch, 1)
    if config.model_type == "qwen3_vl":
        more["mm_token_type_ids"] = (ids == config.image_token_id).long()
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": pixels.to(vlm.dtype), **more}
    return {name: tensor.to(device) for name, tensor in given.items()}


def stages(vlm: Vlm, inputs: Inputs) -> dict[str, float]:
    """Return where the time of one full pass goes, milliseconds: the stages in order, and "rest".

    "prefill" is all blocks over the whole prompt, "head" the final norm and the logits of the last position, "rest" what lies
    between: embeddings, masks, positions.
    """
    parts = {name: part for name, part in parts_of(vlm).items() if name in ("vision tower", "projector")}
    clock, spans = _Clock(vlm.device), dict[str, list[Any]]()

    def watch(name: str, first: nn.Module, last: nn.Module) -> list[Any]:
        """Note when ``first`` begins and ``last`` ends, under ``name``; returns the handles of the hooks."""
        spans[name] = [None, None]

        def begin(*_: Any) -> None:
            spans[name][0] = spans[name][0] or clock.now()

        def end(*_: Any) -> None:
            spans[name][1] = clock.now()

        return [first.register_forward_pre_hook(begin), last.register_forward_hook(end)]

    hooks = [hook for name, part in parts.items() for hook in watch(name, part, part)]
    hooks += watch("prefill", vlm.blocks[0], vlm.blocks[-1])
    try:
        with vlm.lock, torch.inference_mode():
            start = clock.now()
            vlm.module(**inputs, **vlm.forward_options())
            end = clock.now()
    finally:
        for hook in hooks:
            hook.remove()
    wait(vlm.device)
    taken = {name: clock.between(*span) for name, span in spans.items()}
    taken["head"] = clock.between(spans["prefill"][1], end)
    return taken | {"rest": clock.between(start, end) - sum(taken.values())}


class _Clock:
    """Marks in time: on a GPU events in its own queue, so that marking does not make it wait."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def now(self) -> Any:
        if self.device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def between(self, start: Any, end: Any) -> float:
        """Return milliseconds; on a GPU only after all was waited for."""
        return float(start.elapsed_time(end)) if self.device.type == "cuda" else 1000 * (end - start)


def _rows(vlm: Vlm, batch: int, rounds: int, budget: float) -> list[Row]:
    if vlm.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(vlm.device)
    items = [inputs_of(vlm, batch, seed) for seed in range(2)]
    deep = {f"exit at block {layer}": _exit(vlm, layer) for layer in exit_layers(vlm.n_layers)}
    ways = {"first token, full depth": _first_token(vlm), **deep}
    times = times_in_turns(list(ways.values()), [items[turn % 2] for turn in range(rounds)], budget)
    medians = dict(zip(ways, np.median(times, axis=0), strict=True))
    passes = [stages(vlm, items[turn % 2]) for turn in range(len(times) + 1)][1:]
    shares = {name: float(np.median([one[name] for one in passes])) for name in passes[0]}
    whole, tokens = sum(shares.values()), items[0]["input_ids"].shape[1]
    where = f"{_spoken(vlm.device)}, {str(vlm.dtype).removeprefix('torch.')}"
    title, first = f"{vlm.name}, batch {batch}: ", "first token, full depth"
    unverified = f"; not verified: {vlm.shape.unverified}" if isinstance(vlm, _Made) and vlm.shape.unverified else ""

    def faster(name: str) -> Row:
        ratio, by_cpu = (medians[first] / medians[name]).tolist()
        note = "times as fast" if vlm.device.type == "cuda" else f"times as fast, {by_cpu:.3g} by processor time"
        return row(title + name, float(medians[name][0]), "ms", ratio=ratio, note=f"{note}; {where}")

    note = f"{tokens} tokens, {len(times)} rounds; {where}{unverified}"
    rows = [row(title + first, float(medians[first][0]), "ms", note=note), *(faster(name) for name in deep)]
    layer = shares["prefill"] / vlm.n_layers
    rows.append(row(f"{title}one layer", layer, "ms", ratio=layer / whole, note=f"of {vlm.n_layers}, whole prompt; {where}"))
    for name, taken in shares.items():
        rows.append(row(f"{title}part: {name}", taken, "ms", ratio=taken / whole, note=f"of a full pass; {where}"))
    weights = sum(one.numel() * one.element_size() for one in vlm.module.parameters()) / 1e9
    rows.append(row(f"{title}peak memory", peak_gb(vlm.device), "GB", note=f"{weights:.2f} GB of it weights; {where}"))
    return rows


def exit_layers(n_layers: int) -> list[int]:
    """Return the exits that are timed: 1, 2, 4 and half of the depth, as far as there are such."""
    return sorted({layer for layer in (*EXITS, n_layers // 2) if 1 <= layer < n_layers})


def _first_token(vlm: Vlm) -> Callable[[Inputs], np.ndarray]:
    def first(inputs: Inputs) -> np.ndarray:
        with vlm.lock, torch.inference_mode():
            return vlm.module(**inputs, **vlm.forward_options()).logits[:, -1].argmax(-1).cpu().numpy()

    return first


def _exit(vlm: Vlm, layer: int) -> Callable[[Inputs], np.ndarray]:
    return lambda inputs: truncated_forward(vlm, inputs, layer)


def peak_gb(device: torch.device) -> float:
    """Return the most memory held: on a GPU since the last reset, else by this process so far; NaN where no one tells."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    found = _kilobytes(Path("/proc/self/status"), "VmHWM")
    return float("nan") if found is None else found / 1e6


def _empty(shape: Shape, dtype: torch.dtype) -> Any:
    """Return the model without memory for its weights."""
    config = AutoConfig.for_model(**copy.deepcopy(dict(shape.config)))
    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(config, dtype=dtype)


def _fill(weight: torch.Tensor, noise: torch.Tensor, name: str) -> None:
    """Fill one weight: norms with ones, biases with zeros, everything else with noise over and over."""
    if weight.dim() == 1:
        weight.fill_(0 if name.endswith("bias") else 1)
        return
    flat = weight.view(-1)
    turns = len(flat) // len(noise)
    whole = turns * len(noise)
    if turns:
        flat[:whole].view(turns, -1).copy_(noise)
    flat[whole:].copy_(noise[: len(flat) - whole])


def _formats(device: torch.device) -> tuple[torch.dtype, ...]:
    """Return number formats by preference: without a GPU float32 is faster, if it fits."""
    return (torch.bfloat16,) if device.type == "cuda" else (torch.float32, torch.bfloat16)


@cache
def _spoken(device: torch.device) -> str:
    """Return what the rows say they were measured on."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{machine()['processor']}, {torch.get_num_threads()} threads"


def _kilobytes(path: Path, name: str) -> int | None:
    """Return one line of a table of the system, or None where there is no such table."""
    if not path.exists():
        return None
    return next((int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(f"{name}:")), None)
