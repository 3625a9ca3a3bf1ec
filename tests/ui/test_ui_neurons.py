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
from sn_viz.plots import heatmap, reference
from sn_viz.ui.components import enlarged, figures, map_panel, neuron
from sn_viz.ui.components.link import Link
from sn_viz.ui.sections import compare_section, exit_section, neurons_section
from sn_viz.voting.stump_scores import stump_score


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
    units, picked, histogram, cut, selected, facts, slider, images = neurons_section.pick_cell(
        SERVER, run_key, event(x=2, y=3, curve=0, point=[3, 1], custom=[2, "mlp-neuron", column])
    )
    assert picked == column and planted.neurons.name(column) in _title(histogram)
    assert "layer 2" in _title(units) and len(images["rows"]) == 3 and facts["facts"]
    assert facts["title"] == "Block 2 · MLP neuron · unit 5" and cut is None
    assert (selected["neuron"], selected["layer"], selected["site"]) == (column, 2, "mlp-neuron")
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


def _label(facts, label):
    return next(fact for fact in facts["facts"] if fact["label"] == label)


def test_a_dragged_cut_brings_the_held_out_figure_and_says_it_was_chosen_by_hand(planted, run_key, event):
    column = planted_column(planted.neurons)
    cut, selected, facts, _, images = neurons_section.drag_cut(SERVER, run_key, column, event(cut=-0.9))
    assert cut == float(np.float32(-0.9)) and selected["by_hand"] and selected["cut"] == cut
    assert _label(facts, "your threshold")["value"] == "-0.9"
    says = planted.test_values[:, column].astype(np.float32) < np.float32(-0.9)
    dog = planted.test.labels == 1
    held = _label(facts, "held out")
    assert float(held["value"]) == pytest.approx((says[dog].mean() + (~says[~dog]).mean()) / 2, abs=5e-4)
    assert "cut chosen by hand" in held["note"] and "60 test pictures" in held["note"]
    assert selected["test"]["hits"] == (says & dog).sum() and selected["test"]["misses"] == (~says & dog).sum()
    assert {item["mark"] for row in images["rows"] for item in row["items"]} == {"right", "wrong"}
    found = neurons_section.set_cut(SERVER, run_key, column)
    assert found[0] is None and not found[1]["by_hand"] and "by hand" not in _label(found[2], "held out")["note"]


def test_the_exact_cut_is_kept_though_the_slider_rounds(planted, run_key, event):
    column = planted_column(planted.neurons)
    cut, selected, _, slider, _ = neurons_section.drag_cut(SERVER, run_key, column, event(cut=0.123456789))
    assert cut == selected["cut"] == float(np.float32(0.123456789)) and slider.value == pytest.approx(0.12)
    found = float(planted.stumps.threshold[neuron.stump_of(planted, column)])
    assert neurons_section.drag_cut(SERVER, run_key, column, event(cut=found))[0] is None


@pytest.mark.parametrize("cut", ["0.5", True, float("nan"), float("inf"), 1e31, [0.1], {}])
def test_a_forged_cut_is_refused(run_key, event, cut):
    with pytest.raises(gr.Error, match="threshold was not understood"):
        neurons_section.drag_cut(SERVER, run_key, 0, event(cut=cut))


def in_the_browser(sent, cut):
    """The counts as ``assets/page/neuron.js`` makes them."""
    counts = dict.fromkeys(neuron.COUNTS, 0)
    for value, label in zip(sent["values"], sent["labels"], strict=True):
        value = np.array(np.nan if value is None else value).astype(np.float32)
        said = bool(value > np.float32(cut) if sent["sign"] > 0 else value < np.float32(cut))
        if label >= 0:
            counts[next(name for name, pair in neuron.COUNTS.items() if pair == (label == sent["says"], said))] += 1
    return counts


@pytest.mark.parametrize("classes", [("no dog", "dog"), ("red", "green", "blue")])
@pytest.mark.parametrize("cut", [None, -0.7, 0.0, 0.31, 2.0])
def test_what_the_browser_counts_is_what_the_server_counts(classes, cut):
    run = make_run(n_train=30, classes=classes)
    values = run.train_values.copy()
    column = planted_column(run.neurons)
    values[:3, column] = np.nan, np.inf, -np.inf
    run = replace(run, train_values=values, train=replace(run.train, labels=np.where(np.arange(30) == 7, -1, run.train.labels)))
    sent = json.loads(json.dumps(neuron.for_dragging(run, column), allow_nan=False))
    now = neuron.cut(run, column, cut)
    seen = stump_score(values[:, column], run.train.labels, now.threshold, now.sign, now.class_index)
    counts = in_the_browser(sent, sent["threshold"] if cut is None else cut)
    assert counts == {name: getattr(seen, name) for name in neuron.COUNTS} and sum(counts.values()) == 29
    told = sum(len(neuron.counted_examples(run, column, cut, name, "train")) for name in neuron.COUNTS)
    assert told == 29


def test_only_values_of_the_probing_pictures_are_sent_to_be_counted(planted):
    sent = neuron.for_dragging(planted, planted_column(planted.neurons))
    assert len(sent["values"]) == len(sent["labels"]) == len(sent["names"]) == len(planted.train)
    assert sent["names"] == list(planted.train.names)


def test_a_click_on_a_count_shows_its_pictures_probing_and_test_apart(planted, run_key, event):
    column = planted_column(planted.neurons)
    selected = neurons_section.drag_cut(SERVER, run_key, column, event(cut=-0.9))[1]
    shown = neurons_section.pick_count(SERVER, run_key, column, -0.9, event(which="misses"))
    probing, test = shown["rows"]
    assert (probing["title"], test["title"]) == ("probing", "test") and shown["title"].startswith(
        "Is “dog”, and the neuron does not"
    )
    assert {item["split"] for item in probing["items"]} == {"train"} and len(test["items"]) == selected["test"]["misses"]
    assert all(item["mark"] == "wrong" for item in test["items"])
    for item in test["items"]:
        value = np.float32(planted.test_values[item["example"], column])
        assert planted.test.labels[item["example"]] == 1 and value >= np.float32(-0.9)
    for which in ("rows", None, 3, ["hits"]):
        with pytest.raises(gr.Error):
            neurons_section.pick_count(SERVER, run_key, column, None, event(which=which))


def test_the_strips_show_the_neurons_class_first_though_it_says_yes_below_its_cut(planted):
    column = planted_column(planted.neurons)
    assert neuron.cut(planted, column).sign == -1
    yes, edge, no = neuron.strips(planted, column)["rows"]
    assert (yes["title"], edge["title"], no["title"]) == ("most yes", "on the edge", "most no")
    assert all(planted.test.labels[item["example"]] == 1 and item["mark"] == "right" for item in yes["items"])
    assert all(planted.test.labels[item["example"]] == 0 for item in no["items"])
    values = planted.test_values[:, column].astype(np.float32)
    assert yes["items"][0]["example"] == values.argmin() and no["items"][0]["example"] == values.argmax()
    away = np.abs(values - np.float32(neuron.cut(planted, column).threshold))
    assert {item["example"] for item in edge["items"]} == set(np.argsort(away)[: neuron.STRIP].tolist())


def test_without_held_out_pictures_the_strips_say_that_they_are_probing_ones_and_no_held_out_figure_is_given():
    run = make_run(n_test=0)
    column = planted_column(run.neurons)
    shown, facts = neuron.strips(run, column), neuron.facts(run, column, -0.5)
    assert "nothing was held out" in shown["note"] and {item["split"] for item in shown["rows"][0]["items"]} == {"train"}
    assert _label(facts, "held out")["value"] == "none" and neuron.selection(run, column)["test"] is None


def test_test_pictures_of_one_class_give_no_held_out_figure(planted):
    one = replace(planted, test=replace(planted.test, labels=np.ones_like(planted.test.labels)))
    assert _label(neuron.facts(one, planted_column(one.neurons)), "held out")["value"] == "undefined"


def test_a_neuron_below_the_line_of_luck_may_be_luck(planted):
    line = reference.luck(planted)
    weak = int(planted.stumps.neuron[np.flatnonzero(planted.stumps.score < line)[0]])
    assert neuron.facts(planted, weak)["verdict"]["text"].startswith("May be luck")
    strong = neuron.facts(planted, planted_column(planted.neurons))
    assert strong["verdict"]["kind"] == "beyond luck" and _label(strong, "luck reaches")["value"] == f"{line:.3f}"
    unknown = replace(planted, null_scores=planted.null_scores[:0])
    assert neuron.facts(unknown, weak)["verdict"] is None
    assert _label(neuron.facts(unknown, weak), "luck reaches")["value"] == "not known"


def test_a_neuron_that_is_weaker_on_test_pictures_than_luck_on_probing_ones_does_not_hold_up(planted):
    column, values = planted_column(planted.neurons), planted.test_values.copy()
    values[:, column] = np.random.default_rng(0).permutation(values[:, column])
    said = neuron.facts(replace(planted, test_values=values), column)
    assert said["verdict"]["kind"] == "unclear"
    assert said["verdict"]["text"].startswith("Does not hold up: 1.000 on the probing pictures, ")
    assert _label(said, "held out")["value"] in said["verdict"]["text"]
    by_area = replace(planted, test_values=values, config=replace(planted.config, metric="roc-auc"))
    assert neuron.facts(by_area, column)["verdict"]["kind"] == "beyond luck", "an area and a balanced accuracy are not compared"


def test_a_neighbour_is_gone_to_with_its_cell(planted, run_key, event):
    column = planted_column(planted.neurons)
    rows = neurons_section.show_neighbours(SERVER, run_key, column)["rows"]
    assert len(rows) == 5 and column not in [row["neuron"] for row in rows]
    units, picked, _, _, selected, *_ = neurons_section.pick_neighbour(SERVER, run_key, event(neuron=rows[0]["neuron"]))
    assert picked == selected["neuron"] == rows[0]["neuron"] and f"layer {selected['layer']}, {selected['site']}" in _title(units)
    for wrong in (-1, 10**6, "0", None):
        with pytest.raises(gr.Error):
            neurons_section.pick_neighbour(SERVER, run_key, event(neuron=wrong))


@pytest.mark.parametrize(
    ("link", "cell"),
    [
        (Link(layer=3, site="residual"), (3, "residual")),
        (Link(layer=2), (2, "mlp-neuron")),
        (Link(layer=99, site="residual"), (2, "mlp-neuron")),
        (Link(neuron=7, layer=3), None),
        (Link(), (2, "mlp-neuron")),
    ],
)
def test_a_link_leads_to_its_neuron_or_the_best_of_its_cell(planted, link, cell):
    column = neurons_section.asked_neuron(planted, link)
    assert column == 7 if cell is None else neurons_section._home(planted, column) == cell


def test_the_first_result_is_shown_as_the_link_asks_and_later_ones_are_not(planted, run_key):
    link = Link(neuron=7, t=0.25, view="voters")
    opened, view, heat, _, _, picked, _, cut, *_ = neurons_section.show(SERVER, run_key, link, None, "best", False)
    assert (opened, view, picked, cut) == ((link, run_key), "voters", 7, 0.25) and "by voters" in json.loads(heat)["label"]
    _, view, _, _, _, picked, _, cut, *_ = neurons_section.show(
        SERVER, SERVER.runs.put(SERVER.runs.get(run_key)), link, opened, "luck", True
    )
    assert (view, picked, cut) == ("luck", neuron.best_neuron(planted), None)


def test_every_cell_of_the_heatmap_is_said_in_words(planted):
    drawn = json.loads(figures.draw_heatmap(planted))
    assert np.shape(drawn["said"]) == np.shape(drawn["light"]["data"][0]["customdata"])[:2]


def test_a_picture_is_enlarged_and_a_forged_one_is_refused(planted, run_key, event):
    shown = enlarged.large(SERVER, run_key, event(split="test", example=4))
    assert shown["src"].startswith("data:image/webp") and planted.test.names[4] in shown["caption"]
    for wrong in ({"split": "test", "example": 10**6}, {"split": "x", "example": 0}, {"split": "train", "example": True}, {}):
        with pytest.raises(gr.Error, match="not in the result"):
            enlarged.large(SERVER, run_key, event(**wrong))


def test_a_point_of_the_map_shows_its_image(planted, run_key, event):
    shown = map_panel.pick_point(SERVER, run_key, event(x=0.5, y=0.5, curve=1, point=4, custom=[4, "test"]))
    assert planted.test.names[4] in shown["groups"][0]["note"] and shown["groups"][0]["items"][0]["src"].startswith(
        "data:image/webp"
    )
    with pytest.raises(gr.Error):
        map_panel.pick_point(SERVER, run_key, event(x=0, y=0, curve=0, point=0, custom=[10**6, "test"]))


def test_an_expired_result_says_run_it_again(event):
    with pytest.raises(gr.Error, match="run it again"):
        neurons_section.set_cut(SERVER, "gone", 0)


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
    *_, picked, histogram, cut, selected, facts, _, images = neurons_section.show(
        SERVER, key, Link(neuron=0, t=1.0), None, "best", True
    )
    assert picked == 0 and cut is None and selected["cut"] is None and selected["test"] is None
    assert json.loads(histogram)["drag"] is None and "no threshold" in facts["note"] and images["rows"] == []
    assert neurons_section.show_neighbours(SERVER, key, 0)["rows"] == []


def test_a_new_run_opens_at_the_outlined_cell_though_other_neurons_are_as_good(planted):
    """Of equals the heatmap outlines the shallowest layer's; units and neuron shown are that cell's, whoever votes."""
    equal = replace(planted, stumps=replace(planted.stumps, score=np.ones_like(planted.stumps.score)))
    layer, site, outlined = heatmap.best(heatmap.info(equal)) or (0, "", 0)
    assert outlined != int(equal.voters[equal.exit_index].neuron[0]), "else this shows nothing"
    _, _, _, units, _, picked, *_ = neurons_section.show(SERVER, SERVER.runs.put(equal), None, None, "best", False)
    assert picked == outlined
    points = [point for trace in json.loads(units)["light"]["data"] for point in trace.get("customdata") or []]
    assert {(point[0], point[1]) for point in points} == {(layer, site)}


def test_a_weighed_voter_says_how_much_it_counts(planted):
    at = planted.exit_index
    voters = planted.voters[at]
    weight = np.linspace(1.5, -0.5, len(voters)).astype(np.float32)
    weighed = replace(voters, weight=weight, offset=np.zeros(len(planted.train.classes), np.float32))
    run = replace(planted, voters=(*planted.voters[:at], weighed, *planted.voters[at + 1 :]))
    told = {row[0]: row[-1] for row in neuron.table(run, 500)}
    first = int(voters.neuron[0])
    assert told[first] == "yes, +1.50" and "yes" in {row[-1] for row in neuron.table(planted, 500)}
    counts = next(fact for fact in neuron.facts(run, first)["facts"] if fact["label"] == "counts")
    assert counts["value"] == "+1.50" and "log-odds" in counts["note"]
    assert not [fact for fact in neuron.facts(planted, first)["facts"] if fact["label"] == "counts"]
