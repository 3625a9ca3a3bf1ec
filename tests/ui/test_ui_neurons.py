"""Clicks in the Neurons tab, answered from a planted run."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import gradio as gr
import numpy as np
import pytest
from one_server import SERVER
from planted_run import HOSTILE, make_run, planted_column

from sn_viz.export import tables
from sn_viz.plots import heatmap
from sn_viz.ui.components import figures, map_panel, neuron
from sn_viz.ui.sections import compare_section, exit_section, neurons_section


def _title(text: str) -> str:
    return json.loads(text)["light"]["layout"]["title"]["text"]


def test_the_planted_neuron_leads_the_table_and_its_cut_is_right(planted):
    column = planted_column(planted.neurons)
    rows = neuron.table(planted)
    assert rows[0][0] == column and rows[0][1] == planted.neurons.name(column)
    assert neuron.cut(planted, column).test == 1.0 and neuron.cut(planted, column).train == 1.0


def test_accuracy_at_a_moved_threshold_equals_a_plain_count(planted):
    column = planted_column(planted.neurons)
    row = neuron.stump_of(planted, column)
    sign, says = planted.stumps.sign[row], planted.stumps.class_index[row]
    for threshold in (-1.0, -0.2, 0.3, 2.0):
        right = [
            (sign * (v - threshold) > 0) == (l == says)
            for v, l in zip(planted.test_values[:, column], planted.test.labels, strict=True)
        ]
        assert neuron.cut(planted, column, threshold).test == pytest.approx(np.mean(right))


def test_extreme_images_are_the_largest_and_smallest(planted):
    column = planted_column(planted.neurons)
    most, least = neuron.extreme_examples(planted, column, 5)
    values = planted.test_values[:, column].astype(np.float32)
    assert most[0] == values.argmax() and least[0] == values.argmin() and len(most) == len(least) == 5


def test_a_cell_opens_its_best_neuron(planted, run_key, event):
    column = planted_column(planted.neurons)
    units, picked, facts, histogram, slider, images = neurons_section.pick_cell(
        SERVER, run_key, event(x=2, y=3, curve=0, point=[3, 1], custom=[2, "mlp-neuron", column])
    )
    assert picked == column and planted.neurons.name(column) in _title(histogram)
    assert "layer 2" in _title(units) and len(images["groups"]) == 2 and facts["facts"]
    assert slider.minimum <= slider.value <= slider.maximum


def test_every_cell_opens_its_own_units_and_the_best_of_them(planted, run_key, event):
    neurons, cells = planted.neurons, 0
    drawn = json.loads(figures.draw("heatmap", planted))["light"]["data"]
    for row in next(trace["customdata"] for trace in drawn if trace["type"] == "heatmap"):
        for layer, site, best in row:
            cells += 1
            units, picked, *_ = neurons_section.pick_cell(
                SERVER, run_key, event(x=0, y=0, curve=0, point=[0, 0], custom=[layer, site, best])
            )
            shown = [point for trace in json.loads(units)["light"]["data"] for point in trace.get("customdata") or []]
            here = (neurons.layer == layer) & (neurons.site == neurons.site_names.index(site))
            assert shown and all(point[:2] == [layer, site] and here[point[2]] for point in shown)
            assert f"layer {neurons.layer_name(layer)}," in _title(units) and site in _title(units)
            assert picked == best and here[picked]
            assert planted.stumps.score[neuron.stump_of(planted, picked)] == np.nanmax(
                planted.stumps.score[here[planted.stumps.neuron]]
            )
    assert cells == len(neurons.layers) * len(neurons.site_names)


def test_a_neuron_of_another_cell_is_refused(planted, run_key, event):
    elsewhere = int(np.flatnonzero(planted.neurons.layer == 3)[0])
    with pytest.raises(gr.Error, match="not in the figure's cell"):
        neurons_section.pick_cell(
            SERVER, run_key, event(x=1, y=1, curve=0, point=0, custom=[1, planted.neurons.site_names[0], elsewhere])
        )


@pytest.mark.parametrize("custom", [[99, "residual", 0], [1, "nowhere", 0], [1, "residual", 10**6], [1, "residual", -1], [1], []])
def test_a_forged_cell_is_refused(run_key, event, custom):
    with pytest.raises(gr.Error):
        neurons_section.pick_cell(SERVER, run_key, event(x=1, y=1, curve=0, point=0, custom=custom))


def test_a_dragged_threshold_changes_facts_and_figure(planted, run_key):
    column = planted_column(planted.neurons)
    found = neurons_section.show_neuron(SERVER, run_key, column)[2]
    facts, moved = neurons_section.move_threshold(SERVER, run_key, column, 5.0)
    assert moved != found and facts["facts"][0]["label"] == "your threshold" and facts["facts"][0]["value"] == "5"


def test_a_point_of_the_map_shows_its_image(planted, run_key, event):
    shown = map_panel.pick_point(SERVER, run_key, event(x=0.5, y=0.5, curve=1, point=4, custom=[4, "test"]))
    assert planted.test.names[4] in shown["groups"][0]["note"] and shown["groups"][0]["items"][0]["src"].startswith(
        "data:image/webp"
    )
    with pytest.raises(gr.Error):
        map_panel.pick_point(SERVER, run_key, event(x=0, y=0, curve=0, point=0, custom=[10**6, "test"]))


def test_an_expired_result_says_run_it_again(event):
    with pytest.raises(gr.Error, match="run it again"):
        neurons_section.show_neuron(SERVER, "gone", 0)


def test_exit_facts_follow_the_layer_and_refuse_others(planted, run_key):
    assert "layer 3" in exit_section.show_layer(SERVER, run_key, 3)["title"]
    with pytest.raises(gr.Error):
        exit_section.show_layer(SERVER, run_key, -1)


def test_compare_has_a_row_per_method(planted, run_key):
    assert len(compare_section.show(SERVER, run_key)) == len(planted.baselines) + 1


def test_hostile_names_are_quoted_in_the_table_people_open_in_a_spreadsheet():
    run = make_run(classes=("=cmd()", "+1"), names=HOSTILE)
    rows = list(csv.DictReader(io.StringIO(tables.as_csv(tables.rows_of(run, "neurons")))))
    says = {row["says"] for row in rows}
    assert says == {"'+1"} or says <= {"'+1", "'=cmd()"}
    assert int(rows[0]["neuron"]) == planted_column(run.neurons)


def test_constant_and_undefined_neurons_do_not_break_the_page(planted):
    values = planted.test_values.copy()
    values[:, 0] = np.nan
    stumps = replace(planted.stumps, score=np.full_like(planted.stumps.score, np.nan))
    run = replace(planted, test_values=values, train_values=planted.train_values * 0, stumps=stumps)
    key = SERVER.runs.put(run)
    assert neuron.table(run) == []
    assert neurons_section.show_neuron(SERVER, key, 0)[0] == 0


def test_a_new_run_opens_at_the_outlined_cell_though_other_neurons_are_as_good(planted):
    """Of equals the heatmap outlines the shallowest layer's; units and neuron shown are that cell's, whoever votes."""
    equal = replace(planted, stumps=replace(planted.stumps, score=np.ones_like(planted.stumps.score)))
    layer, site, outlined = heatmap.best(heatmap.info(equal)) or (0, "", 0)
    assert outlined != int(equal.voters[equal.exit_index].neuron[0]), "else this shows nothing"
    _, units, _, picked, *_ = neurons_section.show(SERVER, SERVER.runs.put(equal), None)
    assert picked == outlined
    points = [point for trace in json.loads(units)["light"]["data"] for point in trace.get("customdata") or []]
    assert {(point[0], point[1]) for point in points} == {(layer, site)}
