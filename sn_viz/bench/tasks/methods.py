"""Every method on one draw of the probing images of a task: which test images it gets right, and the time it takes."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from sn_viz.baselines import BASELINES
from sn_viz.baselines.sav import N_HEADS, HeadVote, read_heads
from sn_viz.bench.tasks.material import Material, Result
from sn_viz.early_exit.decide import measure_latency
from sn_viz.latency import median_milliseconds
from sn_viz.search.stumps import find_stumps
from sn_viz.types import Config
from sn_viz.voting.statistics import left_out_layers
from sn_viz.voting.voters import voters_by_layer
from sn_viz.voting.votes import votes_by_layer

VOTERS = 15
EXITS = (1, 2, 4)


def frozen_methods(material: Material, shots: int, draw: int) -> dict[str, Result]:
    """Return every method that trains no weight of the model, from one draw of the probing images; times of exits come later."""
    rows = material.rows(shots, draw)
    context, found = material.context(rows, draw), {}
    for name in ("full-model-calibrated", "logit-lens", "linear-probe"):
        start = time.perf_counter()
        said = BASELINES[name](context)
        found[name] = material.result(said.predicted, said.latency_ms, time.perf_counter() - start)
    return found | _sav(material, rows) | _super_neurons(material, rows, draw)


def _sav(material: Material, rows: np.ndarray) -> dict[str, Result]:
    seen, unseen = material.heads
    start = time.perf_counter()
    voter = HeadVote(seen[rows], material.pool.labels[rows], len(material.pool.classes), N_HEADS)
    seconds, test = time.perf_counter() - start, material.test
    asked = list(zip(test.pictures, test.questions, strict=True))[:5]
    ms = median_milliseconds(lambda one: voter.predict(read_heads(material.vlm, one)), asked)
    return {"sav": material.result(voter.predict(unseen), ms, seconds)}


def _super_neurons(material: Material, rows: np.ndarray, draw: int) -> dict[str, Result]:
    """Return the super neurons at fixed exits, at the exit chosen on the probing images, and over all layers."""
    values, labels, neurons = material.seen.values[rows], material.pool.labels[rows], material.seen.neurons
    n_classes, start = len(material.pool.classes), time.perf_counter()
    voters = voters_by_layer(find_stumps(values, labels, classes=n_classes), neurons, VOTERS, n_classes)
    searched = time.perf_counter() - start
    judged = left_out_layers(values, labels, neurons, voters=VOTERS, n_classes=n_classes, seed=draw)
    chosen, seconds = judged.exit_layer(), time.perf_counter() - start
    votes = votes_by_layer(material.unseen.values, voters, n_classes)
    exits = {f"exit-{layer}": layer for layer in EXITS if layer <= neurons.n_layers}
    found = {}
    for name, layer in {**exits, "exit-chosen": chosen, "exit-all": neurons.n_layers}.items():
        took = seconds if name == "exit-chosen" else searched
        found[name] = material.result(votes.predicted[:, layer - 1], np.nan, took) | {"layer": int(layer)}
    return found


def lora_method(material: Material, shots: int, draw: int) -> dict[str, Result]:
    """Return LoRA, trained on one draw of the probing images; its seconds are those of training alone."""
    from sn_viz.baselines.lora import judged, train_lora

    context = material.context(material.rows(shots, draw), draw)
    taught = train_lora(context)
    said = judged(context, taught, "lora")
    return {"lora": material.result(said.predicted, said.latency_ms, taught.seconds) | {"note": said.note}}


def once_a_task(material: Material, shots: int) -> dict[str, Any]:
    """Return the full model's answers, and the time of every exit and of the full model, measured in turns."""
    rows = material.rows(shots, 0)
    said = BASELINES["full-model"](material.context(rows, 0))
    n_classes, neurons = len(material.pool.classes), material.seen.neurons
    stumps = find_stumps(material.seen.values[rows], material.pool.labels[rows], classes=n_classes)
    voters = voters_by_layer(stumps, neurons, VOTERS, n_classes)
    named, layer_ms, _ = measure_latency(Config(), material.vlm, material.test, material.seen, voters, neurons.n_layers)
    return {"full-model": material.result(said.predicted, named["full_model"]), "layer_ms": [float(ms) for ms in layer_ms]}
