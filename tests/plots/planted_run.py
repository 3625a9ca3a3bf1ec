"""A small run with a known answer, for the tests of figures: no model, no files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sn_viz.run import Run
from sn_viz.types import Baseline, Config, Interval, LabelledImages, LayerAccuracy, Neurons, Picture, Stumps, Votes
from sn_viz.voting.statistics import accuracy_interval

SITES = ("residual", "attention-output", "mlp-output", "mlp-neuron")
PLANTED = 2, "mlp-neuron", 5
"""Layer, site and unit of the one perfect neuron: it says "dog" below zero."""
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    '<a href="https://example.org">x</a>',
    "%{x} %{customdata}",
    "🐶 dog",
    "כלב",
    "$a_b$ &lt;",
)


def make_run(
    n_train: int = 40,
    n_test: int = 60,
    n_layers: int = 6,
    n_units: int = 12,
    classes: tuple[str, ...] = ("no dog", "dog"),
    names: tuple[str, ...] = (),
    metric: str = "balanced-accuracy",
    seed: int = 0,
) -> Run:
    """Return a run in which deeper layers know more and one neuron of layer 2 knows everything."""
    random = np.random.default_rng(seed)
    neurons = _neurons(n_layers, n_units)
    train, test = (_images(random, n, classes, names, split) for n, split in ((n_train, "probing"), (n_test, "test")))
    train_values, test_values = (_values(random, images.labels, neurons) for images in (train, test))
    stumps = _stumps(train_values, train.labels, len(classes))
    voters = tuple(_voters(stumps, neurons, layer) for layer in range(1, n_layers + 1))
    votes = _votes(random, test.labels, n_layers, len(classes))
    return Run(
        Config(question="Is there a dog?", metric=metric, voters=5),
        train,
        test,
        neurons,
        train_values,
        test_values,
        stumps,
        voters,
        2,
        votes,
        tuple(
            LayerAccuracy(layer, _interval(_climb(layer), n_test), _climb(layer) - 0.01, 9.0 * layer)
            for layer in range(1, n_layers + 1)
        ),
        _baselines(n_test, n_layers),
        (0.70 + 0.1 * random.random(50)).astype(np.float32),
        {"full_model": 90.0, "first_token": 60.0, "early_exit": 18.0, "early_exit_p95": 21.0},
        {"extract": 1.25, "search": 0.05},
        ("Only 40 probing images: the intervals are wide.",),
        {"sn_viz": "0.1.0"},
    )


def measured(run: Run) -> Run:
    """Return ``run`` with the accuracies that its own votes and answers give, instead of the planted ones."""
    right = run.votes.predicted == run.test.labels[:, None]
    layers = tuple(replace(row, accuracy=accuracy_interval(right[:, i])) for i, row in enumerate(run.by_layer))
    methods = tuple(replace(b, accuracy=accuracy_interval(b.predicted == run.test.labels)) for b in run.baselines)
    return replace(run, by_layer=layers, baselines=methods)


def _neurons(n_layers: int, n_units: int) -> Neurons:
    layer, site, unit = np.meshgrid(np.arange(1, n_layers + 1), np.arange(len(SITES)), np.arange(n_units), indexing="ij")
    return Neurons(site.ravel().astype(np.int8), layer.ravel().astype(np.int16), unit.ravel().astype(np.int32), SITES)


def planted_column(neurons: Neurons) -> int:
    """Return the column of the perfect neuron."""
    layer, site, unit = PLANTED
    return int(np.flatnonzero((neurons.layer == layer) & (neurons.site == SITES.index(site)) & (neurons.unit == unit))[0])


def _images(random: np.random.Generator, n: int, classes: tuple[str, ...], names: tuple[str, ...], split: str) -> LabelledImages:
    labels = np.arange(n) % max(1, len(classes))
    pictures = tuple(Picture(_scene(random, int(label))) for label in labels)
    called = tuple(names[index % len(names)] if names else f"{split}-{index}.png" for index in range(n))
    return LabelledImages(called, pictures, labels.astype(np.int64), classes, ("Is there a dog?",) * n)


def _scene(random: np.random.Generator, label: int) -> np.ndarray:
    pixels = np.full((150, 200, 3), random.integers(90, 220, 3), dtype=np.uint8)
    top, left = random.integers(10, 80, 2)
    pixels[top : top + 50, left : left + 60] = (200, 120, 40) if label else (60, 90, 160)
    return pixels


def _values(random: np.random.Generator, labels: np.ndarray, neurons: Neurons) -> np.ndarray:
    is_one = (labels == 1).astype(np.float32)[:, None]
    strength = random.random(len(neurons)) * neurons.layer / max(1, neurons.n_layers) if len(neurons) else np.empty(0)
    values = random.standard_normal((len(labels), len(neurons))).astype(np.float32) + 1.5 * is_one * strength
    if len(neurons):
        column = planted_column(neurons)
        values[:, column] = np.where(is_one[:, 0] > 0, -1, 1) * (0.5 + random.random(len(labels)))
    return values.astype(np.float16)


def _stumps(values: np.ndarray, labels: np.ndarray, n_classes: int) -> Stumps:
    """Cut every neuron half-way between the class means and score it by balanced accuracy; two classes: one stump each."""
    speaking = [1] if n_classes == 2 else list(range(n_classes))
    parts = [_cut(values.astype(np.float64), labels == index) for index in speaking]
    threshold, sign, score = (np.stack([part[i] for part in parts], axis=1).ravel() for i in range(3))
    neuron = np.repeat(np.arange(values.shape[1]), len(speaking))
    index = np.tile(speaking, values.shape[1]).astype(np.int16)
    return Stumps(neuron, index, threshold.astype(np.float32), sign.astype(np.int8), score.astype(np.float32))


def _cut(values: np.ndarray, is_class: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if not values.size:
        return np.empty(values.shape[1]), np.empty(values.shape[1]), np.full(values.shape[1], np.nan)
    inside, outside = values[is_class].mean(axis=0), values[~is_class].mean(axis=0)
    threshold, sign = (inside + outside) / 2, np.where(inside > outside, 1, -1)
    says = sign * (values - threshold) > 0
    return threshold, sign, (says[is_class].mean(axis=0) + (~says[~is_class]).mean(axis=0)) / 2


def _voters(stumps: Stumps, neurons: Neurons, layer: int) -> Stumps:
    allowed = np.flatnonzero((neurons.layer[stumps.neuron] <= layer) & np.isfinite(stumps.score))
    return stumps.take(allowed[np.argsort(-stumps.score[allowed], kind="stable")][:5])


def _votes(random: np.random.Generator, labels: np.ndarray, n_layers: int, n_classes: int) -> Votes:
    tally = random.random((len(labels), n_layers, n_classes)).astype(np.float32)
    tally[np.arange(len(labels)), :, labels] += 0.8
    tally /= tally.sum(axis=2, keepdims=True)
    ranked = np.sort(tally, axis=2)
    return Votes(tally, tally.argmax(axis=2), ranked[..., -1] - ranked[..., -2])


def _climb(layer: int) -> float:
    """Accuracy by exit layer: 0.73, 0.76, ... up to 0.94."""
    return min(0.94, 0.70 + 0.03 * layer)


def _interval(value: float, n: int) -> Interval:
    half = 1.96 * float(np.sqrt(max(0.0, value * (1 - value)) / max(1, n)))
    return Interval(value, max(0.0, value - half), min(1.0, value + half), n)


def _baselines(n_test: int, n_layers: int) -> tuple[Baseline, ...]:
    predicted = np.zeros(n_test, dtype=np.int64)
    lens = tuple(_interval(0.5 + 0.04 * layer, n_test) for layer in range(1, n_layers + 1))
    return (
        Baseline("full-model", predicted, _interval(0.82, n_test), 90.0, "", ("no",) * n_test),
        Baseline("full-model-calibrated", predicted, _interval(0.85, n_test), 92.0, "cut-off chosen on the probing images"),
        Baseline("sav", predicted, _interval(0.84, n_test), 61.0),
        Baseline("logit-lens", predicted, _interval(0.74, n_test), float("nan"), by_layer=lens),
        Baseline("linear-probe", predicted, _interval(0.88, n_test), 40.0),
    )
