"""What an accuracy is worth: said before any speed, and said wrong never."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planted_run import make_run

from sn_viz.report.caveats import with_warnings
from sn_viz.storage.summary import summary
from sn_viz.voting.intervals import wilson
from sn_viz.voting.verdict import balanced, chance_of, verdict


def run_with(right, labels, best=0.95, null=(0.6, 0.7, 0.74), n_train=40, classes=("cat", "dog")):
    """Return a run whose exit layer answers the first ``right`` test images right and the others wrong."""
    labels = np.asarray(labels)
    run = make_run(n_train=n_train, n_test=len(labels), n_layers=3, n_units=6, classes=classes)
    predicted = labels.copy()
    predicted[right:] = (labels[right:] + 1) % len(classes)
    rows = tuple(replace(row, accuracy=wilson(right, len(labels))) for row in run.by_layer)
    return replace(
        run,
        test=replace(run.test, labels=labels),
        by_layer=rows,
        votes=replace(run.votes, predicted=np.repeat(predicted[:, None], 3, axis=1)),
        stumps=replace(run.stumps, score=np.minimum(run.stumps.score, np.float32(best))),
        null_scores=np.array(null, np.float32),
    )


def evenly(n):
    return np.arange(n) % 2


def test_an_accuracy_clear_of_chance_and_of_shuffled_labels_is_beyond_luck():
    said = verdict(run_with(95, evenly(100)))
    assert (said.kind, said.holds, said.reasons) == ("beyond luck", True, ())
    assert said.sentence == "Beyond luck: right on 95.0 % of 100 held-out images (89 to 98 %); chance reaches 50.0 %."


def test_worse_than_chance_is_called_that_and_holds_no_speed():
    said = verdict(run_with(5, evenly(20)))
    assert (said.kind, said.holds) == ("nothing found", False)
    assert "25.0 %" in said.sentence and "worse than chance, 50.0 %" in said.sentence
    assert any("lies below" in reason for reason in said.reasons)


def test_an_interval_that_touches_chance_is_unclear_with_a_reason_even_when_the_best_neuron_beats_shuffled_labels():
    said = verdict(run_with(11, evenly(20), best=0.75, null=(0.6, 0.7, 0.74)))
    assert (said.kind, said.holds) == ("unclear", False)
    assert any("touches what chance reaches" in reason for reason in said.reasons)


def test_neither_clear_of_chance_nor_of_shuffled_labels_is_nothing_found():
    said = verdict(run_with(55, evenly(100), best=0.75, null=(0.6, 0.75, 0.8)))
    assert said.kind == "nothing found" and len(said.reasons) == 2
    assert "2 of 3 shuffled labellings" in said.reasons[1] and "luck" in said.reasons[1]


def test_a_best_neuron_within_the_null_is_a_reason_even_where_the_test_images_alone_rule_chance_out():
    said = verdict(run_with(95, evenly(100), best=0.95, null=(1.0,) * 20))
    assert said.kind == "beyond luck" and said.holds
    assert len(said.reasons) == 1 and "20 of 20 shuffled labellings" in said.reasons[0]


def test_a_best_neuron_within_the_null_and_weak_test_images_are_unclear():
    said = verdict(run_with(16, evenly(21), best=0.95, null=(1.0,) * 20))
    assert said.kind == "unclear" and wilson(16, 21).low > 11 / 21


def test_few_images_are_said_and_never_make_nothing_out_of_something():
    said = verdict(run_with(5, evenly(6), best=0.95, null=(1.0,) * 20, n_train=8))
    assert said.kind == "unclear"
    assert any("Only 4 probing images" in reason for reason in said.reasons)
    assert any("Only 3 test images" in reason for reason in said.reasons)


def test_chance_is_the_commonest_class():
    labels = np.array([0] * 90 + [1] * 10)
    assert chance_of(run_with(90, labels)).value == 0.9 and "cat" in chance_of(run_with(90, labels)).words
    assert verdict(run_with(90, labels)).kind == "nothing found"


def test_uneven_classes_told_apart_are_unclear_not_nothing():
    labels = np.array([0] * 90 + [1] * 10)
    run = run_with(100, labels)
    predicted = labels.copy()
    predicted[:15] = 1
    run = replace(
        run,
        votes=replace(run.votes, predicted=np.repeat(predicted[:, None], 3, axis=1)),
        by_layer=tuple(replace(row, accuracy=wilson(85, 100)) for row in run.by_layer),
    )
    said = verdict(run)
    assert (said.kind, said.holds) == ("unclear", False) and "tells the classes apart" in said.sentence
    assert balanced(run).value == pytest.approx((75 / 90 + 1) / 2)


def test_several_classes_need_more_than_one_in_that_many():
    labels = np.arange(99) % 3
    assert verdict(run_with(45, labels, classes=("a", "b", "c"))).kind == "beyond luck"
    assert verdict(run_with(33, labels, classes=("a", "b", "c"))).kind == "nothing found"


def test_no_test_images_are_undefined_not_zero():
    run = make_run(n_train=40, n_test=0, n_layers=2, n_units=6)
    said = verdict(replace(run, by_layer=()))
    assert said.kind == "unclear" and not said.holds and "undefined" in said.sentence
    assert verdict(replace(run, by_layer=tuple(replace(row, accuracy=wilson(0, 0)) for row in run.by_layer))).kind == "unclear"


def test_test_images_of_one_class_prove_nothing():
    said = verdict(run_with(20, np.zeros(20, np.int64)))
    assert said.kind == "unclear" and not said.holds and "one class" in said.sentence


def test_another_layer_has_a_verdict_of_its_own():
    run = run_with(95, evenly(100))
    run = replace(run, by_layer=(replace(run.by_layer[0], accuracy=wilson(50, 100)), *run.by_layer[1:]))
    assert verdict(run, 1).kind == "nothing found" and verdict(run, 2).kind == "beyond luck"


def test_a_run_without_a_null_says_nothing_of_luck():
    assert verdict(run_with(95, evenly(100), null=())).reasons == ()


@pytest.mark.parametrize(("right", "holds"), [(58, True), (30, False), (20, False)])
def test_the_json_says_beside_its_speedup_whether_the_accuracy_holds_it(right, holds):
    run = with_warnings(run_with(right, evenly(60)))
    told = summary(run)
    assert told["speedup"]["vs_full_model"] > 1  # a ratio of times, whatever it is worth
    assert told["speedup_holds"] is told["headline"]["speedup_holds"] is told["verdict"]["holds"] is holds
    assert any("say nothing of a speed-up" in warning for warning in told["warnings"]) is not holds
