"""Every picture goes through the model once a public call, and what is measured is what is got."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import count

import gradio as gr
import numpy as np
import pytest
from one_server import SERVER
from PIL import Image

from sn_viz.activations.model_cache import LARGE, model_named
from sn_viz.activations.reader import reader_of, truncated_forward
from sn_viz.cli import main
from sn_viz.early_exit import decide
from sn_viz.early_exit.decide import Predictor, full_answers, measure_latency, pictures_and_questions, predict
from sn_viz.errors import UserError
from sn_viz.pipeline import find
from sn_viz.sources import load_images
from sn_viz.types import Activations

QUESTION = "What colour is it?"
ANSWERS = 3
"""Passes of an answer of the tiny random models at most; the first of them sees the pictures."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for name, colour in (("red", (180, 20, 20)), ("blue", (20, 20, 180))):
        (folder / name).mkdir()
        for i in range(8):
            pixels = np.array(colour) + rng.integers(-20, 70, (32, 32, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def found(folder, checkpoint, tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("SN_VIZ_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield find(folder, QUESTION, str(checkpoint("llava")), compare="none", voters=3)
    patch.undo()


@pytest.fixture
def vlm(found):
    """The run's model, as every public call gets it."""
    return model_named(found.config.model)


@pytest.fixture
def seen(vlm):
    """Count pictures, by the part of the model they go into; and passes, whatever their number of pictures."""
    counter = Counter()
    parts = {"tower": vlm.tower_blocks[0], "first block": vlm.blocks[0], "last block": vlm.blocks[-1]}

    def count(name):
        def note(_part, args, kwargs):
            hidden = next((*args, *kwargs.values()))
            counter.update({name: len(hidden) if name == "tower" or hidden.shape[1] > 1 else 0, f"{name}, passes": 1})

        return note

    def next(values):
        return values[0]

    hooks = [part.register_forward_pre_hook(count(name), with_kwargs=True) for name, part in parts.items()]
    yield counter
    for hook in hooks:
        hook.remove()


@pytest.fixture
def pictures(folder):
    return [Image.open(folder / "red" / f"{i}.png").convert("RGB") for i in range(5)]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_predict_sees_every_picture_once(found, pictures, seen, n):
    found.predict(pictures[:n], 1)
    assert (seen["tower"], seen["tower, passes"], seen["first block"], seen["last block, passes"]) == (n, n, n, 0)


def test_no_picture_no_pass(found, seen):
    assert found.predict([], 1) == [] and not seen


def test_predict_in_batches_sees_every_picture_once_and_says_the_same_in_the_same_order(found, folder, seen):
    images = load_images(folder, QUESTION)
    alone = found.predict(images, 2)
    seen.clear()
    together = found.predict(images, 2, batch_size=6)
    assert (seen["tower"], seen["tower, passes"], seen["first block, passes"]) == (16, 3, 3)
    assert [one.label for one in together] == [one.label for one in alone] == ["blue"] * 8 + ["red"] * 8
    assert all(one.milliseconds > 0 for one in together)


def test_questions_of_different_lengths_are_answered_in_order(found, pictures, vlm):
    images = load_images_with_questions(found, pictures)
    alone = predict(found, images, 2, vlm=vlm)
    assert [one.tally for one in predict(found, images, 2, vlm=vlm, batch_size=4)] == [one.tally for one in alone]


def test_parts_come_back_in_order_and_the_next_is_asked_for_while_the_last_is_looked_at(found, pictures, vlm):
    images = load_images_with_questions(found, pictures)
    examples = list(zip(images.pictures, images.questions, strict=True))
    label = Predictor.of(found, 2, vlm=vlm, batch_size=2)
    parts = [([picture.decoded() for picture, _ in examples[i : i + 5]], [text for _, text in examples[i : i + 5]]) for i in (0, 5)]
    alone = [label.label([picture.decoded()], [text])[0].tally for picture, text in examples]
    assert [one.tally for one in label.each(iter(parts))] == alone[:10]

    def refused():
        yield parts[0]
        raise UserError("The second part cannot be read.", "A test says so.", "Nothing mends it.")

    said = label.each(refused())
    with pytest.raises(UserError, match="second part"):
        list(said)


def load_images_with_questions(found, pictures):
    from dataclasses import replace

    images = found.test.take(range(len(pictures)))
    return replace(images, questions=tuple("What colour is it, please?" if i % 2 else QUESTION for i in range(len(images))))


def test_a_full_answer_sees_every_picture_once(found, vlm, pictures, seen):
    decoded, questions = pictures_and_questions(found, pictures[:3], None)
    assert len(full_answers(vlm, decoded, questions)) == 3
    assert (seen["tower"], seen["first block"]) == (3, 3)


def test_the_command_sees_every_picture_once_and_once_more_to_compare(found, folder, tmp_path, seen, capsys):
    saved = str(found.save(tmp_path / "run"))
    images = [str(folder / "red" / f"{i}.png") for i in range(2)]
    assert main(["predict", saved, *images, "--exit-layer", "1"]) == 0
    assert (seen["tower"], seen["last block, passes"]) == (2, 0)
    seen.clear()
    assert main(["predict", saved, *images, "--exit-layer", "1", "--compare"]) == 0
    assert (seen["tower"], seen["first block"]) == (4, 4)
    capsys.readouterr()


def test_the_race_runs_the_exit_the_answer_and_the_timed_pass_once_each(found, vlm, seen):
    from sn_viz.ui.components.racing import race

    race(found, vlm, found.test.pictures[0], QUESTION, 1)
    assert (seen["tower"], seen["first block"], seen["last block"]) == (3, 3, 2)


def test_a_run_that_compares_looks_at_each_test_picture_once_beside_its_timing(folder, vlm, seen, tmp_path, monkeypatch):
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path))
    names = ("full_model", "first_token", "early_exit", "early_exit_p95")
    untimed = decide.Latency(dict.fromkeys(names, 1.0), np.ones(3), np.ones(0))
    monkeypatch.setattr("sn_viz.pipeline.measure_latency", lambda *_: untimed)
    seen.clear()
    run = find(folder, QUESTION, vlm, compare="full-model", voters=3)
    assert seen["tower"] == len(run.train) + len(run.test) == 16


def test_the_endpoint_sees_its_picture_once(found, folder, seen):
    from sn_viz.ui import api

    key = SERVER.runs.put(found)
    said = api.predict(SERVER, gr.Request(session_hash="one"), key, str(folder / "red" / "1.png"), "", "1")
    assert said["label"] == "red"
    assert (seen["tower"], seen["first block"], seen["last block, passes"]) == (1, 1, 0)


def test_what_a_new_model_is_tried_with_belongs_to_loading(vlm, monkeypatch):
    assert vlm.n_weights < LARGE
    monkeypatch.setattr(vlm, "prepare", None)  # nothing more can be tried
    reader = reader_of(vlm)
    assert reader.tail_cut() and reader.replay.works is not None and reader.layout.widths(reader.layout.available()).all()


def test_latency_is_measured_on_passes_that_nothing_slows_down(found, vlm, monkeypatch):
    tries = []
    monkeypatch.setattr("sn_viz.activations.recording.Recorder._record", lambda *_: tries.append(len(timed)))
    timed = []
    turns = __import__("sn_viz.latency", fromlist=["x"]).milliseconds_in_turns
    monkeypatch.setattr("sn_viz.early_exit.decide.milliseconds_in_turns", lambda *a, **k: timed.append(1) or turns(*a, **k))
    reader_of(vlm).replay.prompts.clear()
    measured = Activations(found.test_values, found.neurons, found.test.labels)

    def other(asked):
        return truncated_forward(vlm, vlm.prepare([asked[0]], [asked[1]]), 2, ("residual",))

    measure_latency(found.config, vlm, found.test, measured, found.voters, 1, others=(other,))
    assert tries[:3] == [0, 0, 0], "the chosen exit, the last, and what else is timed are recorded before the clock runs"


def test_the_time_of_a_batch_is_shared_by_its_pictures(found, pictures, monkeypatch):
    ticks = count()
    monkeypatch.setattr(decide.time, "perf_counter", lambda: float(next(ticks)))
    assert [one.milliseconds for one in found.predict(pictures[:4], 1, batch_size=4)] == [250] * 4
    assert [one.milliseconds for one in found.predict(pictures[:2], 1)] == [1000] * 2


@pytest.mark.parametrize(("exit_layer", "expected"), [(1, [10, 26, 30]), (2, [18, 10, 30]), (3, [18, 26, 30])])
def test_latencies_are_medians_and_other_exits_are_read_off_the_clock_of_the_last(found, vlm, monkeypatch, exit_layer, expected):
    times = np.array([[90, 50, 1, 3], [100, 60, 10, 30], [500, 70, 100, 300]], float)
    began = {1: 8.0, 2: 16.0, 3: 20.0}
    if exit_layer == 3:  # the chosen exit is the last one
        times = np.delete(times, 2, axis=1)

    def clock(methods, examples, budget, warm_up, rarely):
        methods[times.shape[1] - 1].passes[:] = [dict(began)] * len(times)
        return times

    monkeypatch.setattr(decide, "milliseconds_in_turns", clock)
    measured = Activations(found.test_values, found.neurons, found.test.labels)
    named, by_layer, _ = measure_latency(found.config, vlm, found.test, measured, found.voters, exit_layer)
    assert by_layer.tolist() == expected
    assert (named["full_model"], named["first_token"]) == (100, 60)
    assert named["early_exit"] == by_layer[exit_layer - 1]
    assert named["early_exit_p95"] == pytest.approx(273 if exit_layer == 3 else 91)


def test_each_block_of_a_pass_is_told_when_it_begins_recorded_or_not(found, vlm):
    picture = found.test.pictures[0].decoded()
    inputs, prompts = vlm.prepare([picture], [QUESTION]), reader_of(vlm).replay.prompts
    prompts.clear()
    for _ in range(5):  # its own forward, replayed, then recorded
        told = []
        values = truncated_forward(vlm, inputs, 3, at_block=told.append)
        assert told == [1, 2, 3] and np.array_equal(values, truncated_forward(vlm, inputs, 3))
    assert any(prompt.programs for prompt in prompts.values())


def test_other_weights_are_noticed_also_where_batch_norms_were_folded(found, vlm, monkeypatch):
    name, _, digest = vlm.key.rpartition("-")
    other = digest.translate(str.maketrans("0123456789abcdef", "123456789abcdef0"))
    monkeypatch.setattr(vlm, "key", f"{name}-{digest}-folded")
    decide.check_model(replace(found, versions={**found.versions, "model": f"moved-{digest}-folded"}), vlm)
    for key in (f"{name}-{other}-folded", f"{name}-{digest}"):
        with pytest.raises(UserError, match="not the model of this run"):
            decide.check_model(replace(found, versions={**found.versions, "model": key}), vlm)


def test_a_predictor_labels_one_picture_or_many_as_predict_does(found, folder, seen):
    label = found.predictor()
    paths = [folder / "red" / "0.png", folder / "blue" / "1.png", folder / "red" / "2.png"]
    seen.clear()
    one, many, from_pil = label(paths[0]), label(paths), label(Image.open(paths[1]))
    assert seen["tower"] == 5, "every picture once"
    same = found.predict(paths)
    assert [p.label for p in many] == [p.label for p in same] and [p.tally for p in many] == [p.tally for p in same]
    assert one.tally == many[0].tally and from_pil.tally == many[1].tally and one.exit_layer == found.exit_layer
    assert [p.label for p in found.predictor(batch_size=3)(paths)] == [p.label for p in many]


def test_a_predictor_takes_a_layer_and_a_question_and_checks_them_at_once(found, folder):
    assert found.predictor(exit_layer=1)(folder / "red" / "0.png").exit_layer == 1
    with pytest.raises(UserError, match="layer"):
        found.predictor(exit_layer=99)
