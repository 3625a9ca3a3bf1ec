"""The line under a step says the same of whatever run is in the workbench, or why it cannot."""

from __future__ import annotations

from dataclasses import replace

from planted_run import make_run

from sn_viz.lessons import measured, told


def test_a_run_without_a_full_model_says_what_it_can():
    lines = told.live(replace(make_run(), baselines=()), "“night”")
    assert lines["one-number"].startswith("In the workbench now, “night”: the outlined neuron")
    assert "cannot be said" in lines["certified"] and "cannot be said" in lines["causal"]


def test_a_run_without_test_pictures_says_so_at_every_step():
    run = make_run()
    nothing = replace(run, test=run.test.take([]), test_values=run.test_values[:0])
    lines = told.live(nothing, "")
    assert lines and all("No pictures were held out" in line for line in lines.values())


def test_the_accuracy_of_the_outlined_neuron_is_counted_by_hand():
    run = make_run()
    column, says = measured.best_alone(run)
    stump = run.stumps.take([int(i) for i in range(len(run.stumps)) if run.stumps.neuron[i] == column])
    values = run.test_values[:, column].astype("float32")
    right = [
        (stump.sign[0] * (value - stump.threshold[0]) > 0) == (label == stump.class_index[0])
        for value, label in zip(values, run.test.labels, strict=True)
    ]
    seen = measured.one_number(run)["numbers"]["alone"]
    assert seen["value"] == sum(right) / len(right) and seen["n"] == len(right)
    assert len(says) == len(right)


def test_without_a_slip_the_bound_is_what_the_binomial_says():
    bound = measured.none_lost_bound(100)
    assert abs((1 - bound) ** 100 - 0.05) < 1e-9
