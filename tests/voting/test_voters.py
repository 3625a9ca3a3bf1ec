"""Which neurons vote up to each layer: what a search among all of them would choose."""

from __future__ import annotations

import numpy as np
import pytest

from sn_viz.errors import UserError
from sn_viz.types import Neurons, Stumps
from sn_viz.voting.voters import select_voters, voters_by_layer


def found(n_neurons: int, n_classes: int, seed: int) -> Stumps:
    """Stumps with many equal scores, some of them undefined, all of the first neurons among these."""
    rng, per_neuron = np.random.default_rng(seed), 1 if n_classes == 2 else n_classes
    n = n_neurons * per_neuron
    score = np.round(rng.random(n), 1).astype(np.float32)
    score[rng.random(n) < 0.1] = np.nan
    score[: n // 4] = np.nan
    return Stumps(
        neuron=np.repeat(np.arange(n_neurons, dtype=np.int64), per_neuron),
        class_index=np.tile(np.array([1] if n_classes == 2 else range(n_classes), np.int16), n_neurons),
        threshold=rng.normal(size=n).astype(np.float32),
        sign=np.ones(n, np.int8),
        score=score,
        margin=np.round(rng.random(n), 1).astype(np.float32),
    )


def neurons_of(each: list[int]) -> Neurons:
    """So many neurons in each layer."""
    layer = np.repeat(np.arange(1, len(each) + 1), each).astype(np.int16)
    return Neurons(np.zeros(len(layer), np.int8), layer, np.arange(len(layer), dtype=np.int32), ("residual",))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("k", [1, 7, 500])
@pytest.mark.parametrize("seed", range(5))
def test_the_voters_of_a_layer_are_the_best_of_all_neurons_up_to_it(n_classes, k, seed):
    neurons = neurons_of([30, 1, 50, 19])
    stumps, per_neuron = found(100, n_classes, seed), 1 if n_classes == 2 else n_classes
    by_layer = voters_by_layer(stumps, neurons, k, n_classes)
    for layer, voters in zip(neurons.layers, by_layer, strict=True):
        whole = stumps.take(slice(0, neurons.up_to(layer) * per_neuron))
        if np.isnan(whole.score).all():
            assert len(voters) == 0
            continue
        expected = select_voters(whole, k, n_classes)
        np.testing.assert_array_equal(voters.neuron, expected.neuron)
        np.testing.assert_array_equal(voters.class_index, expected.class_index)


def test_no_voters_and_no_neuron_that_can_vote_are_told_apart():
    stumps, neurons = found(40, 2, 0), neurons_of([20, 20])
    with pytest.raises(UserError, match="0 voters cannot vote"):
        voters_by_layer(stumps, neurons, 0, 2)
    stumps.score[:] = np.nan
    with pytest.raises(UserError, match="No super neuron was found"):
        voters_by_layer(stumps, neurons, 5, 2)
