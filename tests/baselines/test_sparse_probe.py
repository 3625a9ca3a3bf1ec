"""The sparse probe: effect sizes by their definition, planted scalars found, and a ranking that never sees what it is judged on."""

from __future__ import annotations

import numpy as np
import pytest

from sn_viz.baselines.sparse_probe import (
    N_SCALARS,
    candidates,
    chosen_layer,
    effect_sizes,
    furthest_apart,
    left_out_scores,
    weightiest,
)
from sn_viz.types import Neurons
from sn_viz.voting.statistics import left_out_layers


def cohens_d(one: np.ndarray, other: np.ndarray) -> float:
    """The definition, one scalar at a time."""
    pooled = ((len(one) - 1) * one.var(ddof=1) + (len(other) - 1) * other.var(ddof=1)) / (len(one) + len(other) - 2)
    return abs(one.mean() - other.mean()) / np.sqrt(pooled)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_effect_sizes_are_cohens_d_of_one_class_against_the_rest(n_classes):
    rng = np.random.default_rng(3)
    values, labels = rng.normal(size=(24, 17)).astype(np.float16), np.arange(24) % n_classes
    exact = values.astype(np.float64)
    classes = [1] if n_classes == 2 else range(n_classes)
    expected = [[cohens_d(exact[labels == c, j], exact[labels != c, j]) for c in classes] for j in range(17)]
    assert effect_sizes(values, labels, n_classes) == pytest.approx(np.array(expected))


def test_what_is_constant_or_not_finite_comes_last():
    labels = np.array([0, 0, 1, 1])
    values = np.array([[1, np.nan, 0, 3], [1, 0, 0.1, 3], [1, 0, 1, 3], [1, 0, 1.1, np.inf]], np.float32)
    effect = effect_sizes(values, labels, 2)
    assert effect[[0, 1, 3], 0].tolist() == [0, 0, 0] and furthest_apart(effect, 1).tolist() == [2]


def test_among_equal_effects_the_shallower_comes_first():
    assert furthest_apart(np.array([[1.0], [2.0], [2.0], [0.0]]), 3).tolist() == [1, 2, 0]


def test_every_class_has_its_turn_however_easily_another_is_told_apart():
    effect = np.column_stack([np.arange(10, 0, -1.0), [*[0.0] * 8, 0.1, 0.2]])
    assert furthest_apart(effect, 4).tolist() == [0, 9, 1, 8]


def test_of_many_that_say_the_same_few_are_kept_and_the_one_that_adds_something_is_among_them():
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    signal, noise = labels + 0.0, rng.normal(size=200)
    alike = (signal + noise)[:, None] + 0.01 * rng.normal(size=(200, 100))  # all have the same noise, and one tells what it is
    values = np.column_stack([alike, noise]).astype(np.float32)
    kept = weightiest(values, labels, np.arange(101), n=8)
    assert len(kept) == 8 and 100 in kept and kept.tolist() == sorted(kept)
    assert weightiest(values, labels, np.arange(8), n=8).tolist() == list(range(8)), "no more than asked for: all"


def test_what_is_kept_within_a_fold_never_saw_what_was_left_out():
    rng = np.random.default_rng(1)
    values, labels, rows = rng.normal(size=(60, 300)).astype(np.float32), np.arange(60) % 2, np.arange(40)
    changed = values.copy()
    changed[40:], others = 1e3, np.where(np.arange(60) < 40, labels, 1 - labels)
    kept = [weightiest(*seen, np.arange(300), rows) for seen in ((values, labels), (changed, others))]
    np.testing.assert_array_equal(*kept)


def test_noise_earns_no_more_than_chance_because_the_ranking_is_made_within_the_folds():
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    values = rng.normal(size=(40, 5000)).astype(np.float32)
    within = left_out_scores(values, labels, [np.arange(5000)], 2).max()
    chosen = weightiest(values, labels, furthest_apart(effect_sizes(values, labels, 2)))
    cheated = np.mean(effect_sizes(values[:, chosen], labels, 2))
    assert len(chosen) == N_SCALARS and cheated > 0.8, "on the images it was made of, noise looks like a difference"
    assert within < 0.75


def test_with_few_examples_the_layer_is_the_deepest_that_is_as_good_as_any_and_with_more_that_of_the_best_score():
    rng, labels = np.random.default_rng(4), np.arange(40) % 2
    layer = np.repeat([1, 2, 3], 200).astype(np.int16)
    neurons = Neurons(np.zeros(600, np.int8), layer, np.tile(np.arange(200), 3).astype(np.int32), ("residual",))
    values = rng.normal(size=(40, 600)).astype(np.float32)
    values[:, layer == 2] += 2 * labels[:, None]
    by_luck = np.array([[0.5, 0.9], [0.6, 0.7], [0.8, 0.5]])
    assert chosen_layer(by_luck, values, labels, neurons, 2) == 0
    assert chosen_layer(by_luck, values[:6], labels[:6], neurons, 2) == 1
    assert chosen_layer(by_luck, values, labels, neurons, 2, groups=labels + 2 * (np.arange(40) // 20)) == 1, "four groups are few"
    values[:, layer == 3] = values[:, layer == 2]
    few = left_out_layers(values[:6], labels[:6], neurons, metric="effect-size")
    assert chosen_layer(by_luck, values[:6], labels[:6], neurons, 2) == few.deepest_layer() - 1 == 2 and few.exit_layer() == 2


def test_very_few_examples_read_the_residual_stream_of_the_layer_alone_where_there_is_one():
    layer, site = np.repeat([1, 2], 6).astype(np.int16), np.tile([0, 0, 0, 1, 1, 1], 2).astype(np.int8)
    neurons = Neurons(site, layer, np.tile(np.arange(3), 4).astype(np.int32), ("residual", "mlp-neuron"))
    assert candidates(neurons, 2, 4.5).tolist() == [6, 7, 8] and candidates(neurons, 2, 5).tolist() == list(range(12))
    without = Neurons(site, layer, neurons.unit, ("mlp-output", "mlp-neuron"))
    assert candidates(without, 1, 4).tolist() == list(range(6))
