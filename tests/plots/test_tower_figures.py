"""Figures of a run that read the vision tower: its layers come first and are called by name."""

import json
from dataclasses import replace

import numpy as np
import pytest
from planted_run import make_run

from sn_viz.plots import compare, heatmap, layers, projection, race, tradeoff, units
from sn_viz.types import Votes

SHIFT = 2
"""Layers 1 to 6 of the planted run become V1, V2 and 1 to 4."""


@pytest.fixture(scope="module")
def run():
    whole = make_run()
    neurons = replace(whole.neurons, layer=whole.neurons.layer - SHIFT)
    by_layer = tuple(replace(row, layer=row.layer - SHIFT) for row in whole.by_layer)
    votes = Votes(whole.votes.tally, whole.votes.predicted, whole.votes.margin, 1 - SHIFT)
    return replace(whole, neurons=neurons, by_layer=by_layer, votes=votes, exit_layer=whole.exit_layer - SHIFT)


def test_every_layer_is_named(run):
    assert run.exit_layer == 0 and run.exit_index == 1
    found = heatmap.info(run)
    assert found.layers.tolist() == [-1, 0, 1, 2, 3, 4] and found.layer_names == ("V1", "V2", "1", "2", "3", "4")
    axis = heatmap.figure(found).layout.xaxis
    assert list(axis.ticktext) == list(found.layer_names) and list(axis.range) == [-1.5, 4.5]
    cell = heatmap.figure(found).data[0].customdata[0][0]
    assert cell[0] == -1 and run.neurons.layer[cell[2]] == -1
    assert list(layers.figure(layers.info(run)).layout.xaxis.ticktext)[:2] == ["V1", "V2"]
    assert "chosen exit: layer V2" in {trace.name for trace in layers.figure(layers.info(run)).data}
    assert tradeoff.info(run).name[0] == "exit layer V1" and tradeoff.NO_LAYER not in run.neurons.layers
    assert "Super neurons, exit layer V2" in compare.info(run).name


def test_the_same_cells_hold_the_same_neurons_as_without_a_tower(run):
    np.testing.assert_array_equal(heatmap.info(run).neuron, heatmap.info(make_run()).neuron)
    inside, before = (units.info(one, layer, "residual") for one, layer in ((run, -1), (make_run(), 1)))
    np.testing.assert_array_equal(inside.neuron, before.neuron)
    np.testing.assert_array_equal(inside.is_voter, before.is_voter)
    assert "V1" in json.dumps(units.figure(inside).to_dict()["layout"]["title"], default=str)


def test_a_map_of_a_block_of_the_tower(run):
    assert (
        projection.info(run, 0).what == "layer V2"
        and projection.info(run, "super").n_neurons == projection.info(make_run(), "super").n_neurons
    )
    with pytest.raises(ValueError, match="-1 to 4"):
        projection.info(run, -2)


def test_a_race_through_the_tower():
    tally = np.tile([0.3, 0.7], (5, 1))
    found = race.info(tally, np.arange(1.0, 6.0), ("no", "yes"), 0, first_layer=-1)
    assert found.names == ("V1", "V2", "1", "2", "3") and (found.exit_layer, found.exit_ms, found.exit_answer) == (2, 2.0, "yes")
    assert list(race.figure(found).layout.xaxis.ticktext) == list(found.names)
    plain = race.figure(race.info(tally, np.arange(1.0, 6.0), ("no", "yes"), 2))
    assert plain.layout.xaxis.ticktext is None and plain.layout.xaxis.tickvals == (1, 2, 3, 4, 5)
