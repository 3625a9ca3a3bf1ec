"""What each figure computes, and that what it draws is valid, small and literal."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
from planted_run import HOSTILE, PLANTED, SITES, make_run, planted_column

from sn_viz.plots import compare, heatmap, histogram, layers, null, projection, race, reference, style, tradeoff, units
from sn_viz.plots.words import depth_words
from sn_viz.report.page import summary
from sn_viz.types import AnswerKey

RUN = make_run()
COLUMN = planted_column(RUN.neurons)
FIGURES = {
    "heatmap": (heatmap, lambda run: heatmap.info(run)),
    "units": (units, lambda run: units.info(run, 2, "mlp-neuron")),
    "layers": (layers, lambda run: layers.info(run)),
    "histogram": (histogram, lambda run: histogram.info(run, planted_column(run.neurons))),
    "map": (projection, lambda run: projection.info(run, layer="super")),
    "race": (race, lambda run: race_of(run.train.classes)),
    "tradeoff": (tradeoff, lambda run: tradeoff.info(run)),
    "compare": (compare, lambda run: compare.info(run)),
    "null": (null, lambda run: null.info(run)),
}


def race_of(classes, n_layers=6):
    tally = np.full((n_layers, len(classes)), 1 / max(1, len(classes)))
    return race.info(tally, 3.0 * np.arange(1, n_layers + 1), classes, 2, full_ms=40.0, full_answer=classes[0], truth=classes[0])


def small_run(**fields):
    """Ten images: few enough for PCA, so that nothing has to be compiled."""
    return make_run(n_train=6, n_test=4, n_layers=3, n_units=6, **fields)


def texts(value, key=""):
    """Every string of a figure that Plotly may interpret, i.e. all but customdata."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, part in value.items():
            if name != "customdata":
                yield from texts(part, name)
    elif isinstance(value, (list, tuple, np.ndarray)):
        for part in value:
            yield from texts(part, key)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_valid_titled_and_transparent(name, dark):
    module, info = FIGURES[name]
    figure = module.figure(info(small_run()), dark)
    go.Figure(json.loads(figure.to_json()))
    assert figure.layout.title.text and len(figure.data) and figure.layout.paper_bgcolor == "rgba(0,0,0,0)"


@pytest.mark.parametrize("name", FIGURES)
def test_labels_and_file_names_are_literal_in_every_figure(name):
    module, info = FIGURES[name]
    figure = module.figure(info(small_run(classes=HOSTILE, names=HOSTILE)))
    ours = re.compile(r"</?b>|<br>")
    for text in texts(figure.to_plotly_json()):
        assert "<" not in ours.sub("", text) and "%{" not in text and "$" not in text, text


def test_no_figure_uses_a_hover_template():
    for module, info in FIGURES.values():
        assert all(getattr(trace, "hovertemplate", None) is None for trace in module.figure(info(small_run())).data)


def test_heatmap_finds_the_planted_neuron():
    info = heatmap.info(RUN)
    layer, site, _ = PLANTED
    row, column = np.unravel_index(np.nanargmax(info.share), info.share.shape)
    assert (info.sites[row], info.layers[column], info.neuron[row, column]) == (site, layer, COLUMN)
    assert info.share[row, column] == pytest.approx(1) and info.names[row][column] == f"L{layer} {site} 5"


def test_of_equal_cells_the_heatmap_outlines_the_shallowest():
    info = heatmap.info(RUN)
    share = np.full_like(info.share, 0.4)
    share[0, 5] = share[2, 1] = share[3, 1] = 0.9
    layer, site, _ = heatmap.best(info._replace(share=share)) or (0, "", 0)
    assert (layer, site) == (info.layers[1], info.sites[2])
    boxes = heatmap.figure(info._replace(share=share)).layout.shapes
    assert {(box.x0, box.y0) for box in boxes} == {(layer - 0.5, 1.5)}


def test_heatmap_agrees_with_a_plain_loop():
    info, line = heatmap.info(RUN), np.percentile(RUN.null_scores, 95)
    for row, site in enumerate(info.sites):
        for column, layer in enumerate(info.layers):
            here = (RUN.neurons.layer == layer) & (RUN.neurons.site == SITES.index(site))
            scores = RUN.stumps.score[here]
            assert info.score[row, column] == scores.max()
            assert info.neuron[row, column] == np.flatnonzero(here)[scores.argmax()]
            assert info.beyond_luck[row, column] == (scores > line).sum()


def test_heatmap_of_one_site_is_that_row():
    whole, one = heatmap.info(RUN), heatmap.info(RUN, "residual")
    assert one.sites == ("residual",)
    np.testing.assert_array_equal(one.share[0], whole.share[whole.sites.index("residual")])
    with pytest.raises(ValueError, match="no site"):
        heatmap.info(RUN, "elsewhere")


def test_heatmap_counts_a_neuron_once_with_several_classes():
    run = make_run(classes=("red", "green", "blue"))
    counts = heatmap.info(run).beyond_luck
    above = np.unique(run.stumps.neuron[run.stumps.score > reference.luck(run)])
    assert counts.sum() == len(above)


def test_heatmap_leaves_cells_without_a_score_empty():
    score = RUN.stumps.score.copy()
    score[RUN.neurons.layer == 1] = np.nan
    info = heatmap.info(replace(RUN, stumps=replace(RUN.stumps, score=score)))
    assert np.isnan(info.share[:, 0]).all() and (info.neuron[:, 0] == -1).all()
    assert heatmap.figure(info).data[0].z[0][0] is None


def test_held_out_scores_voters_and_units_of_a_cell_agree_with_a_plain_loop():
    info, voters = heatmap.info(RUN), set(RUN.voters[RUN.exit_index].neuron.tolist())
    says_dog = RUN.test.labels == 1
    for row, site in enumerate(info.sites):
        for column, layer in enumerate(info.layers):
            here = np.flatnonzero((RUN.neurons.layer == layer) & (RUN.neurons.site == SITES.index(site)))
            best = info.neuron[row, column]
            says = RUN.stumps.sign[best] * (RUN.test_values[:, best].astype(np.float32) - RUN.stumps.threshold[best]) > 0
            expected = (says[says_dog].mean() + (~says[~says_dog]).mean()) / 2
            assert info.held_out[row, column] == pytest.approx(expected)
            assert info.voters[row, column] == len(voters & set(here.tolist())) and info.n_units[row, column] == len(here)


def test_a_neuron_that_votes_for_two_classes_is_one_voter_of_its_cell():
    run = make_run(classes=("red", "green", "blue"))
    twice = run.voters[run.exit_index].take([0, 0, 1])
    run = replace(run, voters=(twice,) * len(run.voters))
    assert heatmap.info(run).voters.sum() == len(set(twice.neuron.tolist()))


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("shown", heatmap.SHOWN)
def test_the_heatmap_shows_what_is_chosen_with_numbers_on_demand_and_marks_the_voters(shown, dark):
    info = heatmap.info(RUN)
    plain, told = heatmap.figure(info, dark, shown), heatmap.figure(info, dark, shown, numbers=True)
    values = {"best": info.score, "luck": info.beyond_luck, "held-out": info.held_out, "voters": info.voters}[shown]
    assert plain.data[0].text is None and plain.data[0].z == told.data[0].z
    by_mark = info.voters > 0 if shown == "voters" else np.zeros_like(info.voters, bool)
    for row, column in np.ndindex(values.shape):
        text = told.data[0].text[row][column]
        assert text == "" if by_mark[row, column] else float(text) == pytest.approx(float(values[row, column]), abs=0.006)
    assert 0 <= np.nanmin(np.array(plain.data[0].z, float)) <= np.nanmax(np.array(plain.data[0].z, float)) <= 1
    marks = plain.data[1]
    assert sum(int(text[1:]) for text in marks.text) == info.voters.sum() and all(text[0] == "◆" for text in marks.text)


@pytest.mark.parametrize("dark", [False, True])
def test_the_mark_of_voters_reads_on_every_cell(dark):
    look = style.theme(dark)
    stops = np.array([style.rgb(colour) for _, colour in look.scale])
    for value in np.linspace(0, 1, 41):
        cell = [np.interp(value, [place for place, _ in look.scale], stops[:, i]) for i in range(3)]
        ink = style.luminance(style.rgb(heatmap._ink_on(value, look)))
        assert style.contrast(ink, style.luminance(cell)) >= 4.5, value


def test_a_heatmap_of_held_out_scores_says_when_nothing_was_held_out():
    run = make_run(n_test=0, n_layers=2, n_units=6)
    info = heatmap.info(run)
    assert (
        np.isnan(info.held_out).all()
        and "Nothing was held out" in heatmap.figure(info, shown="held-out").layout.annotations[0].text
    )
    without = heatmap.figure(heatmap.info(replace(run, null_scores=run.null_scores[:0])), shown="luck")
    assert "No null" in without.layout.annotations[0].text


def test_a_cell_is_said_in_words():
    said = heatmap.described(heatmap.info(RUN))
    assert said[3][1].startswith("Block 2 · MLP neuron: best probing score 1.000 · 1.000 held out · ")
    assert "of 12 units beyond luck" in said[3][1]


def test_a_cell_carries_what_a_click_needs():
    cell = heatmap.figure(heatmap.info(RUN)).data[0].customdata[3][1]
    assert list(cell) == [2, "mlp-neuron", COLUMN]


def test_heatmap_of_a_large_model_stays_small():
    run = make_run(n_train=4, n_test=4, n_layers=80, n_units=20)
    assert len(heatmap.figure(heatmap.info(run)).to_json()) < 300_000


def test_units_come_best_first_without_repeats():
    info = units.info(make_run(classes=("red", "green", "blue")), 2, "mlp-neuron", top=5)
    assert info.unit[0] == PLANTED[2] and len(set(info.unit)) == 5 and info.n_units == 12


def test_units_mark_the_voters_and_refuse_unknown_blocks():
    info = units.info(RUN, 2, "mlp-neuron")
    assert info.is_voter[0] and info.is_voter.sum() == np.isin(info.neuron, RUN.voters[1].neuron).sum()
    with pytest.raises(ValueError, match="layer 7"):
        units.info(RUN, 7, "mlp-neuron")


def test_layers_keep_every_interval_and_line():
    info = layers.info(RUN)
    assert info.layer.tolist() == [1, 2, 3, 4, 5, 6] and info.exit_layer == 2 and info.n == 60
    assert info.accuracy[1] == pytest.approx(0.76) and info.cross_validated[1] == pytest.approx(0.75)
    assert info.full_model == RUN.baselines[0].accuracy and info.chance == 0.5
    assert info.luck == pytest.approx(np.percentile(RUN.null_scores, 95))
    assert [name for name, _ in info.others] == ["Logit lens"]


def test_chance_follows_the_metric():
    labels = RUN.train.labels.copy()
    labels[:] = np.arange(40) % 4 == 0
    for metric, expected in (("balanced-accuracy", 0.5), ("roc-auc", 0.5), ("accuracy", 0.75), ("f1", 0.4)):
        run = replace(RUN, train=replace(RUN.train, labels=labels), config=replace(RUN.config, metric=metric))
        assert float(reference.chance(run, 1)) == pytest.approx(expected)


def test_an_effect_size_is_shown_as_it_is_from_nothing_to_the_largest_of_the_run():
    stumps = replace(RUN.stumps, score=RUN.stumps.score * 4)
    run = replace(RUN, stumps=stumps, config=replace(RUN.config, metric="effect-size"))
    info = heatmap.info(run)
    largest = float(np.nanmax(stumps.score))
    assert float(reference.chance(run, 1)) == 0 and np.nanmax(info.share) == pytest.approx(1)
    assert heatmap.shade(info).ticks[1.0] == f"{largest:.2f}" and heatmap.shade(info).ticks[0.0] == "d = 0"
    told = heatmap.described(info)[0][-1]
    assert "best effect size (Cohen's d)" in told and "balanced accuracy held out" in told
    assert "perfect" not in str(heatmap.figure(info).to_dict()["data"][0]["hovertext"])


def test_histogram_separates_the_planted_classes_at_its_threshold():
    info = histogram.info(RUN, COLUMN)
    no_dog, dog = info.groups
    assert info.sign == -1 and info.says == "dog" and dog.test_values.max() < info.threshold < no_dog.test_values.min()
    assert dog.test_share.sum() == pytest.approx(1) and len(dog.train_values) + len(no_dog.train_values) == 40


def test_a_histogram_tick_leads_back_to_its_image():
    figure = histogram.figure(histogram.info(RUN, COLUMN))
    ticks = [trace for trace in figure.data if trace.yaxis == "y2"]
    found = {(split, index): x for trace in ticks for x, (index, split) in zip(trace.x, trace.customdata, strict=True)}
    assert len(found) == 100
    assert found["test", 7] == pytest.approx(float(RUN.test_values[7, COLUMN]), rel=1e-4)


def test_histogram_leaves_out_and_counts_what_is_not_finite():
    values = RUN.test_values.copy()
    values[:3, COLUMN] = np.nan, np.inf, -np.inf
    info = histogram.info(replace(RUN, test_values=values), COLUMN)
    assert info.left_out == 3 and sum(len(group.test_values) for group in info.groups) == 57


def test_histogram_of_a_constant_or_undefined_neuron_still_draws():
    values = [np.zeros_like(part) for part in (RUN.train_values, RUN.test_values)]
    stumps = replace(RUN.stumps, score=np.full_like(RUN.stumps.score, np.nan))
    info = histogram.info(replace(RUN, train_values=values[0], test_values=values[1], stumps=stumps), 3)
    assert np.isnan(info.threshold) and not histogram.figure(info).layout.shapes


def test_many_classes_become_one_against_the_others():
    run = make_run(classes=tuple("abcdefgh"))
    assert [group.name for group in histogram.info(run, COLUMN).groups] == ["all other classes", "b"]
    with pytest.raises(ValueError, match="no neuron"):
        histogram.info(run, -1)


def test_a_small_map_is_pca_and_keeps_distances():
    run = small_run()
    info = projection.info(run, layer="all")
    assert info.method == "PCA" and len(info.x) == 10
    values = np.concatenate([run.train_values, run.test_values]).astype(np.float64)
    values = (values - values.mean(0)) / values.std(0)
    strength = np.linalg.svd(values, compute_uv=False)
    assert [np.linalg.norm(info.x), np.linalg.norm(info.y)] == pytest.approx(strength[:2], rel=1e-3)


def test_map_columns_follow_the_layer():
    run = small_run()
    assert projection.info(run, layer=2).n_neurons == 24 and projection.info(run, layer="super").n_neurons == 5
    with pytest.raises(ValueError, match="no layer"):
        projection.info(run, layer=4)
    with pytest.raises(ValueError, match="colour by"):
        projection.info(run, coloured_by="mood")


def test_map_by_correctness_leaves_probing_images_grey():
    run = small_run()
    info = projection.recoloured(projection.info(run), run, "correct")
    right = run.votes.predicted[:, 1] == run.test.labels
    assert info.group.tolist() == [2] * 6 + [int(answer) for answer in right]
    assert info.group_colours[2] is None


def test_map_points_lead_back_to_their_images():
    figure = projection.figure(projection.info(small_run(), coloured_by="split"))
    assert [list(point) for point in figure.data[-1].customdata] == [[index, "train"] for index in range(6)]


def test_map_survives_constant_and_non_finite_activations():
    run = small_run()
    flat = [np.full_like(part, np.nan) for part in (run.train_values, run.test_values)]
    info = projection.info(replace(run, train_values=flat[0], test_values=flat[1]))
    assert not info.x.any() and not info.y.any()


def test_umap_is_used_from_fifteen_images_and_repeats_itself():
    run = make_run(n_train=10, n_test=8)
    one, two = projection.info(run), projection.info(run)
    assert one.method == "UMAP" and np.isfinite(one.x).all()
    np.testing.assert_array_equal(one.x, two.x)


def test_race_marks_the_exit_and_its_answer():
    tally = np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9]])
    info = race.info(tally, [5.0, 9.0, 14.0], ("no dog", "dog"), 2, full_ms=30.0, full_answer="no")
    assert (info.exit_answer, info.exit_ms, info.full_ms) == ("dog", 9.0, 30.0)
    names = [trace.name for trace in race.figure(info).data]
    assert "exit: dog at 9 ms" in names and "full model: no at 30 ms" in names


def test_a_race_that_has_not_reached_its_exit_has_no_answer():
    info = race.info([[0.5, 0.5]], [5.0], ("no", "yes"), 3)
    assert info.exit_layer == 0 and np.isnan(info.exit_ms) and len(race.figure(info).data) == 3
    with pytest.raises(ValueError, match="do not match"):
        race.info([[0.5, 0.5]], [5.0, 6.0], ("no", "yes"), 1)


def test_tradeoff_knows_what_nothing_beats():
    info = tradeoff.info(RUN)
    assert info.untimed == ("Logit lens",)
    for row in range(len(info.name)):
        beaten = any(
            info.latency_ms[other] <= info.latency_ms[row]
            and info.accuracy[other] >= info.accuracy[row]
            and (info.latency_ms[other], info.accuracy[other]) != (info.latency_ms[row], info.accuracy[row])
            for other in range(len(info.name))
        )
        assert info.is_best[row] == (not beaten)


def test_compare_starts_with_the_super_neurons():
    info = compare.info(RUN)
    assert info.key == ("super-neurons", "full-model", "full-model-calibrated", "sav", "logit-lens", "linear-probe")
    assert info.accuracy[0] == pytest.approx(0.76) and (info.low < info.accuracy).all() and info.n == 60


def test_null_counts_meaningless_labellings_that_do_as_well():
    run = replace(RUN, null_scores=np.array([0.7, 0.8, 1.0, np.nan], dtype=np.float32))
    info = null.info(run)
    assert (info.n, info.as_good, info.best) == (3, 1, 1.0) and info.p_value == 0.5


def empty_run():
    run = make_run(n_train=4, n_test=0, n_layers=2, n_units=6)
    nothing = run.stumps.take(slice(0, 0))
    return replace(run, stumps=nothing, voters=(nothing,) * 2, by_layer=(), baselines=(), null_scores=np.empty(0, np.float32))


def test_empty_data_gives_titled_empty_figures():
    run = empty_run()
    without_images = replace(run, train=run.train.take([]), train_values=run.train_values[:0])
    infos = [
        (heatmap, heatmap.info(run)),
        (units, units.info(run, 1, "residual")),
        (layers, layers.info(run)),
        (histogram, histogram.info(without_images, 0)),
        (projection, projection.info(without_images)),
        (race, race.info(np.empty((0, 2)), [], ("no", "yes"), 1)),
        (tradeoff, tradeoff.info(run)),
        (compare, compare.info(run)),
        (null, null.info(run)),
    ]
    for module, info in infos:
        figure = module.figure(info)
        assert not figure.data and figure.layout.title.text and figure.layout.annotations[0].text, module.__name__


def test_importing_figures_loads_neither_torch_nor_gradio_nor_umap():
    code = (
        "import sys; from sn_viz.plots import compare, heatmap, histogram, layers, null, projection, race, tradeoff, units;"
        "import sn_viz.report.page;"
        "print([name for name in ('torch', 'gradio', 'umap', 'numba') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_stability_shows_the_steadiest_voter_first_and_nothing_of_runs_that_lack_it():
    from sn_viz.plots import stability

    assert stability.info(RUN) is None
    found = {"again": [0.25, 1.0], "neuron": ["L1 residual 3", "L2 mlp-neuron 5"], "n_resamples": 20, "by_luck": 0.01}
    drawn = stability.figure(stability.info(replace(RUN, findings={"stability": found})))
    assert list(drawn.data[0].x) == [1.0, 0.25] and drawn.layout.yaxis.ticktext[0] == "L2 mlp-neuron 5"


def test_how_deep_a_question_goes_is_told_in_words():
    from sn_viz.plots.words import CHANGING, FIXED, depth_words

    said = depth_words(RUN)
    assert said.startswith("Stopping after layer 2 of 6 is what cross-validation") and said.endswith(FIXED)
    other = tuple(f"Is there a {i}?" for i in range(len(RUN.test)))
    assert depth_words(replace(RUN, test=replace(RUN.test, questions=other))).endswith(CHANGING)
    assert "is what was asked for" in depth_words(replace(RUN, config=replace(RUN.config, exit_layer=2)))


def test_nothing_is_called_cross_validated_that_could_not_be():
    from sn_viz.plots.words import depth_words
    from sn_viz.report.page import page

    uncertain = replace(RUN, by_layer=tuple(replace(row, cv_accuracy=float("nan")) for row in RUN.by_layer))
    assert "too few to choose a layer by cross-validation" in depth_words(uncertain) and "recommends" not in depth_words(uncertain)
    assert "chosen by cross-validation" in page(RUN) and "chosen by cross-validation" not in page(uncertain)


def test_of_layers_that_are_equally_right_none_is_called_better():
    from sn_viz.plots.words import depth_words

    accuracy = RUN.by_layer[0].accuracy
    same = replace(RUN, by_layer=tuple(replace(row, accuracy=accuracy) for row in RUN.by_layer))
    assert "No layer does better." in depth_words(same) and "better than" not in depth_words(same)


def test_a_figure_that_rests_on_an_inferred_reading_says_so_wherever_it_stands():
    key = AnswerKey(RUN.train.classes, ("no", "yes"), "named", "'no dog' is the negation.", 1, 0, inferred=True)
    run = replace(RUN, answer_key=key)
    told = [layers.info(run).full_model_name, *tradeoff.info(run).name, *compare.info(run).name]
    assert [name for name in told if "ull model" in name and "calibrated" not in name and "(answers inferred)" not in name] == []
    assert "(answers inferred)" in depth_words(run) and "(answers inferred)" in summary(run)
    assert not any("inferred" in text for text in (depth_words(RUN), summary(RUN), layers.info(RUN).full_model_name))
    stars = [trace for trace in tradeoff.figure(tradeoff.info(run)).data if trace.marker.symbol == "star"]
    assert [trace.name for trace in stars] == ["Full model (answers inferred)"]
