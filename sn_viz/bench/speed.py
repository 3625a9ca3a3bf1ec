"""How long one image takes: plain transformers, our full answer, its first token, exits, and the parts an exit cannot do without.

Takes the name of a model; returns rows of plain values. Every row is timed from the decoded image (a PIL image) to a label, all
rows in turns in one process, so that a busy moment of the machine hits all of them alike; medians by two clocks, the one on the
wall and the processor's own, which leaves out the time that other programs took. What is claimed is the time around the public
call, ``Run.predict``, against plain transformers (its processor, then ``generate``; one thread and two, the faster counts) and
against our own full model, which prepares its inputs with less work; the smaller ratio is the one to quote. The floor is what the
pass would take if all its operations ran at the rate of one large matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from sn_viz.activations.extract import neurons_of
from sn_viz.activations.programs import AFTER
from sn_viz.activations.reader import reader_of, truncated_forward
from sn_viz.baselines.answers import parse_answer
from sn_viz.bench import BENCHES, Options, Row, row
from sn_viz.bench.floor import matmul_rate
from sn_viz.bench.parts import runs_of
from sn_viz.config import DEFAULT_MODEL, DRAWN_MODEL
from sn_viz.early_exit.decide import model_version, predict
from sn_viz.latency import times_in_turns
from sn_viz.models import load_model
from sn_viz.models.vlm import Vlm
from sn_viz.run import Run
from sn_viz.sources.ingest import as_picture, picture_from_pixels
from sn_viz.types import Config, LabelledImages, Picture, Prediction, Stumps, layer_name
from sn_viz.voting.votes import vote, votes_by_layer, winners

BATCHES = (1, 16)
REST = 0.01
"""Seconds between two measurements."""
THREADS = (1, 2)
"""What plain transformers is given."""
EXITS = (1, 2, 4)
ROUNDS = 40
BUDGET = 60.0
"""Seconds of measuring at each batch size."""
QUESTION = "Is there a dog in the picture?"
CLASSES = ("no", "yes")
N_VOTERS = 15
FULL_OVER_EXIT = {(DRAWN_MODEL, 1): 5.10, (DRAWN_MODEL, 16): 5.10, (DEFAULT_MODEL, 1): 2.5}
"""What is aimed at, at least, by model and batch size: a large tower leaves an exit less to save."""
FIRST_OVER_EXIT = {(DRAWN_MODEL, 1): 4.0, (DRAWN_MODEL, 16): 4.0}
EXIT_OVER_PARTS = 1.10
"""At most."""
LAST_OF_TOWER = ", last of the tower"
FIRST_EXIT, SUM, PUBLIC = "exit at block 1", "sum of the parts", "Run.predict at block 1"


@BENCHES.register("speed")
def measure(options: Options) -> list[Row]:
    """Time a model on pictures of noise: the full answer, the first token, exits, and the parts an exit cannot do without."""
    rounds, budget = (8, 10.0) if options.quick else (ROUNDS, BUDGET)
    return rows_of(load_model(options.model, device=options.device), rounds, budget)


def rows_of(vlm: Vlm, rounds: int = ROUNDS, budget: float = BUDGET, batches: Sequence[int] = BATCHES, words: int = 8) -> list[Row]:
    """Return the rows of one model.

    Parameters
    ----------
    vlm : Vlm
    rounds : int
        How often everything is timed at each batch size, at most.
    budget : float
        Seconds of timing at each batch size, warming up not counted.
    batches : sequence of int
        How many images at once.
    words : int
        The longest full answer, in tokens; a trained model ends its answers sooner.
    """
    rate = matmul_rate(vlm.device, vlm.dtype)
    return [row for batch in batches for row in _rows(vlm, batch, rounds, budget, words, rate)]


def _rows(vlm: Vlm, batch: int, rounds: int, budget: float, words: int, rate: float) -> list[Row]:
    items = [[Image.fromarray(one.pixels) for one in pictures(batch, seed=number)] for number in range(rounds)]
    own = {**public_way(vlm), **whole_ways(vlm, words), **exit_ways(vlm)}
    ways, parts = {**own, **plain_ways(vlm, words)}, _part_ways(vlm, items[0])
    methods = {**ways, **parts}
    for images in items[:1] * AFTER:
        own[PUBLIC](images)  # a server's second picture and all later ones are what is measured
    times = times_in_turns(list(methods.values()), items, budget, rest=REST)
    medians = dict(zip(methods, np.median(times, axis=0), strict=True))
    full, first = (faster(medians, kind) for kind in ("full answer", "first token"))
    medians[SUM] = np.sum([medians[name] for name in parts], axis=0)
    flops = {name: _flops(method, items[0]) for name, method in methods.items()}
    flops[SUM] = sum(flops[name] for name in parts)

    def plain(name: str) -> Row:
        floor = f"{flops[name] / 1e9:.3g} GFLOP, {1000 * flops[name] / rate:.3g} ms at the rate of a large product; "
        note = f"{floor if flops[name] else ''}{medians[name][1]:.3g} ms of processor time; {len(times)} rounds"
        return row(f"batch {batch}: {'part: ' if name in parts else ''}{name}", float(medians[name][0]), "ms", note=note)

    def against(longer: str, shorter: str, said: str, **target: float | None) -> Row:
        ratio, by_cpu = (medians[longer] / medians[shorter]).tolist()
        note = f"{by_cpu:.3g} by processor time"
        return row(f"batch {batch}: {said}", float(medians[shorter][0]), "ms", ratio=ratio, note=note, **target)

    of_full, of_first = FULL_OVER_EXIT.get((vlm.name, batch)), FIRST_OVER_EXIT.get((vlm.name, batch))
    in_tower = [name for name in ways if name.endswith(LAST_OF_TOWER)]
    return [
        *(plain(name) for name in (*ways, *parts, SUM)),
        against(full, PUBLIC, f"full answer of plain transformers / {PUBLIC}", at_least=of_full),
        against("full answer", PUBLIC, f"full answer / {PUBLIC}", at_least=of_full),
        against(first, PUBLIC, f"first token of plain transformers / {PUBLIC}", at_least=of_first),
        against("first token", PUBLIC, f"first token / {PUBLIC}", at_least=of_first),
        *(against("full answer", name, f"full answer / {name}") for name in in_tower),
        against(FIRST_EXIT, SUM, f"{FIRST_EXIT} / {SUM}", at_most=EXIT_OVER_PARTS),
    ]


def whole_ways(vlm: Vlm, words: int = 8) -> dict[str, Callable[[list[Image.Image]], Any]]:
    """Return how to let the full model label images: by its generated answer, and by its first token."""

    def full_answer(images: list[Image.Image]) -> list[int]:
        answers = vlm.generate(*_asked(images), max_new_tokens=words, batch_size=len(images))
        return [parse_answer(answer, CLASSES, QUESTION) for answer in answers]

    def first_token(images: list[Image.Image]) -> np.ndarray:
        return vlm.first_token_logits(*_asked(images), batch_size=len(images)).argmax(axis=1)

    return {"full answer": full_answer, "first token": first_token}


def faster(medians: Mapping[str, np.ndarray], kind: str) -> str:
    """Return the name of plain transformers' faster way, by the clock on the wall."""
    return min((name for name in medians if name.startswith(f"plain transformers, {kind}")), key=lambda name: medians[name][0])


def plain_ways(vlm: Vlm, words: int = 8) -> dict[str, Callable[[list[Image.Image]], list[str]]]:
    """Return how one labels images with transformers alone, by number of threads: the processor, then ``generate``."""
    lengths = {"full answer": words, "first token": 1}
    counts = THREADS if vlm.device.type == "cpu" else (None,)
    named = [
        (f"plain transformers, {kind}{'' if n is None else f', {n} thread' + 's' * (n > 1)}", length, n)
        for kind, length in lengths.items()
        for n in counts
    ]
    return {name: partial(_plainly, vlm, length, n) for name, length, n in named}


@torch.inference_mode()
def _plainly(vlm: Vlm, length: int, n_threads: int | None, images: list[Image.Image]) -> list[str]:
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads or before)
    try:
        prompts = vlm.prompts([QUESTION] * len(images))  # the model's chat template
        inputs = vlm.processor(images=[[one] for one in images], text=prompts, **vlm.text_options(prompts[0]))
        inputs = {name: value.to(vlm.device, vlm.dtype if value.is_floating_point() else None) for name, value in inputs.items()}
        tokens = vlm.module.generate(**inputs, max_new_tokens=length, do_sample=False, pad_token_id=vlm.tokenizer.pad_token_id)
        return vlm.tokenizer.batch_decode(tokens[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    finally:
        torch.set_num_threads(before)


def public_way(vlm: Vlm) -> dict[str, Callable[[list[Image.Image]], list[Prediction]]]:
    """Return how a user labels images with a run's super neurons."""
    run = drawn_run(vlm)
    return {PUBLIC: lambda images: predict(run, images, 1, vlm=vlm, batch_size=len(images))}


def drawn_run(vlm: Vlm) -> Run:
    """Return a run whose super neurons are drawn, for they cost the same, and which stops after block 1."""
    neurons = neurons_of(vlm)
    two = LabelledImages(("a", "b"), tuple(pictures(2, 32)), np.arange(2), CLASSES, (QUESTION,) * 2)
    voters = tuple(_some_voters(neurons.up_to(layer)) for layer in neurons.layers)
    values = np.zeros((2, len(neurons)), np.float16)
    votes = votes_by_layer(values, voters, len(CLASSES))
    return Run(
        config=Config(question=QUESTION, model=vlm.name),
        train=two,
        test=two,
        neurons=neurons,
        train_values=values,
        test_values=values,
        stumps=voters[-1],
        voters=voters,
        exit_layer=1,
        votes=votes,
        by_layer=(),
        baselines=(),
        null_scores=np.zeros(0, np.float32),
        latency_ms={},
        seconds={},
        versions=model_version(vlm),
    )


def exit_ways(vlm: Vlm, layers: Sequence[int] = EXITS) -> dict[str, Callable[[list[Image.Image]], np.ndarray]]:
    """Return how to label images by super neurons that stop the model: behind the tower, and behind each of ``layers`` there is."""
    ways = {}
    if vlm.tower_blocks:
        ways[f"exit at {layer_name(0, len(vlm.tower_blocks))}{LAST_OF_TOWER}"] = _exit(vlm, 0, "tower")
    last = [vlm.n_layers] if vlm.n_layers not in layers else []
    for layer in [layer for layer in layers if layer <= vlm.n_layers] + last:
        ways[f"exit at block {layer}"] = _exit(vlm, layer, "all")
    return ways


def _exit(vlm: Vlm, layer: int, sites: str) -> Callable[[list[Image.Image]], np.ndarray]:
    chosen = reader_of(vlm).layout.available(sites)
    voters = _some_voters(len(neurons_of(vlm, chosen, layer)))

    def label(images: list[Image.Image]) -> np.ndarray:
        values = truncated_forward(vlm, vlm.prepare(*_asked(images)), layer, chosen)
        return winners(vote(values, voters, len(CLASSES)))

    return label


def _some_voters(n_neurons: int) -> Stumps:
    """Return voters spread over the neurons; what they say costs the same whatever it is."""
    neuron = np.linspace(0, n_neurons - 1, N_VOTERS).astype(np.int64)
    ones = np.ones(N_VOTERS)
    return Stumps(neuron, ones.astype(np.int16), 0 * ones.astype(np.float32), ones.astype(np.int8), ones.astype(np.float32))


def _part_ways(vlm: Vlm, images: list[Image.Image]) -> dict[str, Callable[[list[Image.Image]], object]]:
    runs = runs_of(vlm, vlm.prepare(*_asked(images)))
    ways: dict[str, Callable[[list[Image.Image]], object]] = {"preprocessing": lambda some: vlm.prepare(*_asked(some))}
    return ways | {name: (lambda _some, run=run: run()) for name, run in runs.items()}


def _asked(images: list[Image.Image]) -> tuple[list[Picture], list[str]]:
    return [as_picture(image) for image in images], [QUESTION] * len(images)


def _flops(method: Callable[[list[Image.Image]], object], images: list[Image.Image]) -> float:
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        method(images)
    return float(counter.get_total_flops())


def pictures(n: int, side: int = 224, seed: int = 0) -> list[Picture]:
    """Return ``n`` pictures of noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), dtype=np.uint8)
    return [picture_from_pixels(pixels) for pixels in noise]
