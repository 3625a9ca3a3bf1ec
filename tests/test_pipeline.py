"""The main job from folders to a run, on a tiny random model: told by colours, which even random weights keep apart."""

import dataclasses
import json
import shutil
import threading
import time

import numpy as np
import pytest
from PIL import Image

from sn_viz import pipeline
from sn_viz.activations.extract import extract
from sn_viz.activations.store import Store
from sn_viz.baselines import Context, without_model
from sn_viz.early_exit.decide import measure_latency
from sn_viz.errors import Cancelled, UserError
from sn_viz.pipeline import find, load_splits
from sn_viz.progress import Stages, part
from sn_viz.run import Run
from sn_viz.sources import load_images
from sn_viz.types import Baseline, Config, Interval
from sn_viz.voting.voters import voters_by_layer

QUESTION = "What colour is it?"


def draw(folder, n=10, classes=("blue", "red"), seed=0, size=32):
    rng = np.random.default_rng(seed)
    colour = {"blue": (20, 20, 180), "red": (180, 20, 20), "green": (20, 180, 20)}
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(n):
            pixels = np.array(colour[name]) + rng.integers(-20, 70, (size, size, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("SN_VIZ_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def found(folder, llava, cache):
    return find(folder, QUESTION, llava, voters=5)


def test_colours_are_told_apart_by_the_super_neurons(found):
    assert found.by_layer[found.exit_layer - 1].accuracy.value >= 0.9
    assert found.by_layer[0].accuracy.n == len(found.test) == 10
    assert [row.layer for row in found.by_layer] == [1, 2, 3]
    assert found.votes.tally.shape == (10, 3, 2)
    assert {b.name for b in found.baselines} == set(pipeline.BASELINES.usual())
    assert set(found.latency_ms) == {"full_model", "first_token", "early_exit", "early_exit_p95"}
    assert set(found.seconds) == {"load", "extract", "search", "choose", "vote", "baselines", "null", "stability", "latency"}


def test_selection_and_test_images_are_never_the_same(found):
    shas = [{p.sha256 for p in split.pictures} for split in (found.train, found.test)]
    assert not shas[0] & shas[1]


def test_a_run_refuses_a_test_image_that_was_searched_on(found, llava):
    with pytest.raises(AssertionError, match="must differ"):
        pipeline.run(found.config, found.train, found.train, llava)


def test_test_labels_choose_nothing(found, folder, llava, cache):
    test = dataclasses.replace(found.test, labels=1 - found.test.labels)
    other = pipeline.run(dataclasses.replace(found.config, compare=()), found.train, test, llava)
    assert other.exit_layer == found.exit_layer
    for mine, theirs in zip(found.voters, other.voters, strict=True):
        assert mine.neuron.tolist() == theirs.neuron.tolist()
    assert other.by_layer[0].accuracy.value == pytest.approx(1 - found.by_layer[0].accuracy.value)


def test_voters_of_an_exit_layer_lie_no_deeper(found):
    for layer, voters in enumerate(found.voters, start=1):
        assert found.neurons.layer[voters.neuron].max() <= layer


def test_predict_says_what_the_votes_said(found, llava):
    for layer in (1, 3):
        said = [p.class_index for p in pipeline.predict(found, found.test, layer, vlm=llava)]
        assert said == found.votes.predicted[:, layer - 1].tolist()


def test_predict_stops_the_model(found, llava, folder):
    calls = []
    hooks = [block.register_forward_hook(lambda *_, i=i: calls.append(i)) for i, block in enumerate(llava.blocks)]
    predictions = pipeline.predict(found, [folder / "red" / "0.png", Image.open(folder / "blue" / "0.png")], 1, vlm=llava)
    for hook in hooks:
        hook.remove()
    assert set(calls) <= {0}
    assert [p.label for p in predictions] == ["red", "blue"]
    assert all(p.exit_layer == 1 and p.milliseconds > 0 and sum(p.tally) == pytest.approx(1) for p in predictions)


def test_predict_names_the_layers_there_are(found, llava, folder):
    with pytest.raises(UserError, match="layers 1 to 3"):
        pipeline.predict(found, [folder / "red" / "0.png"], 4, vlm=llava)


def test_the_same_seed_finds_the_same(found, folder, llava, cache):
    again = find(folder, QUESTION, llava, compare="none", voters=5)
    assert again.exit_layer == found.exit_layer
    assert again.stumps.threshold.tolist() == found.stumps.threshold.tolist()
    assert [p.sha256 for p in again.test.pictures] == [p.sha256 for p in found.test.pictures]


def test_three_classes_work_to_the_end(tmp_path, llava, cache):
    found = find(
        draw(tmp_path / "three", classes=("blue", "green", "red")), QUESTION, llava, voters=3, metric="roc-auc", rule="midpoint"
    )
    assert found.votes.tally.shape[2] == 3
    assert len(found.stumps) == 3 * len(found.neurons)
    assert found.by_layer[found.exit_layer - 1].accuracy.value >= 0.9
    fields = {"site", "layer", "unit", "class", "threshold", "sign", "score", "held_out"}
    assert set(json.loads(found.to_json())["neurons"][0]) == fields


def test_a_separate_test_set_is_used_whole(folder, tmp_path, llava, cache):
    test = draw(tmp_path / "test", n=3, seed=9)
    shutil.copy(folder / "red" / "0.png", test / "red" / "copy.png")
    found = find(folder, QUESTION, llava, compare="none", test=test)
    assert (len(found.train), len(found.test)) == (20, 6)
    assert any("also probing images" in warning for warning in found.warnings)


def test_one_site_is_enough_and_a_fixed_exit_layer_is_kept(folder, llava, cache):
    found = find(folder, QUESTION, llava, sites="mlp-neuron", exit_layer=2, compare="linear-probe,logit-lens")
    assert found.neurons.site_names == ("mlp-neuron",)
    assert found.exit_layer == 2
    assert [b.name for b in found.baselines] == ["linear-probe", "logit-lens"]


def test_two_images_of_each_class_are_the_least_and_earn_a_warning(tmp_path, llava, cache):
    found = find(draw(tmp_path / "few", n=2), QUESTION, llava, compare="linear-probe")
    assert np.isnan(found.by_layer[0].cv_accuracy)
    assert any("Only 1 probing image of" in warning for warning in found.warnings)
    assert json.loads(found.to_json())["by_layer"][0]["cv_accuracy"] is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"rule": "guess"}, "no threshold rule called 'guess'"),
        ({"metric": "vibes"}, "no metric called 'vibes'"),
        ({"sites": "brain"}, "no site called 'brain'"),
        ({"compare": "magic"}, "no baseline called 'magic'"),
        ({"weighting": "money"}, "no weighting called 'money'"),
        ({"voters": 0}, "0 voters"),
        ({"exit_layer": "soon"}, "no exit layer 'soon'"),
        ({"exit_layer": 99}, "layers 1 to 3"),
        ({"test_size": 1.0}, "test size 1"),
    ],
)
def test_a_choice_that_does_not_exist_gets_a_sentence(options, sentence, folder, llava):
    with pytest.raises(UserError, match=sentence):
        find(folder, QUESTION, llava, **options)


def test_one_class_and_one_image_a_class_get_sentences(tmp_path, llava):
    with pytest.raises(UserError):
        find(draw(tmp_path / "one", classes=("red",)), QUESTION, llava)
    with pytest.raises(UserError, match="[Aa]t least 2"):
        find(draw(tmp_path / "single", n=1), QUESTION, llava)


def test_progress_only_grows_and_ends_at_one(folder, llava, cache):
    told = []
    find(folder, QUESTION, llava, compare="linear-probe", progress=lambda fraction, doing: told.append((fraction, doing)))
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)
    assert all(doing for _, doing in told)


@pytest.fixture
def lanes(monkeypatch):
    """Baselines of which "alone" leaves the model alone and the others do not; they wait until both lanes are at work."""
    meeting, threads = threading.Barrier(2, timeout=20), {}

    def method(name, waits):
        def run(context):
            threads[name] = threading.get_ident()
            if waits:
                meeting.wait()
            context.progress(0.5, name)
            if name == "refuses":
                raise UserError("No.", "It will not.", "Leave it.")
            return Baseline(name, np.zeros(len(context.test), np.int64), Interval(0.0, 0.0, 1.0, 1), context.latency_ms(len), "")

        return run

    every = {name: method(name, waits) for name, waits in (("alone", True), ("model", True), ("refuses", False), ("last", False))}
    without_model(every["alone"])
    monkeypatch.setattr(pipeline, "BASELINES", every)
    monkeypatch.setattr(pipeline, "needs_model", lambda name: not hasattr(every[name], "without_model"))
    return threads


def test_methods_that_leave_the_model_alone_run_beside_those_that_run_it(found, llava, lanes):
    told, ended = [], []
    context = Context(llava, found.train, found.test, found.train_values, found.test_values, found.neurons)
    context = dataclasses.replace(context, progress=lambda fraction, doing: told.append(fraction))
    names = ("alone", "refuses", "model", "last")
    done, left_out, to_time = pipeline.compare(names, context, lambda done: ended.append([one.name for one in done]))
    assert [one.name for one in done] == ["alone", "model", "last"] and list(to_time) == ["alone", "model", "last"]
    assert left_out == ("refuses was left out of the comparison. No. It will not. Leave it.",)
    assert lanes["model"] == lanes["last"] == threading.get_ident() != lanes["alone"]
    assert ended[-1] == ["alone", "model", "last"] and told == sorted(told) and told[-1] == 1


@pytest.mark.parametrize("lane", ["alone", "model"])
def test_what_goes_wrong_in_one_lane_ends_the_other_too(found, llava, monkeypatch, lane):
    started, met = [], threading.Barrier(2, timeout=20)

    def method(name):
        def run(context):
            started.append(name)
            if name in ("alone", "model"):
                met.wait()
            if name == lane:
                raise ZeroDivisionError
            time.sleep(0.3)
            context.progress(0.5, name)
            return Baseline(name, np.zeros(len(context.test), np.int64), Interval(0.0, 0.0, 1.0, 1), 1.0, "")

        return run

    every = {name: method(name) for name in ("model", "alone", "alone-later", "later")}
    monkeypatch.setattr(pipeline, "BASELINES", every)
    monkeypatch.setattr(pipeline, "needs_model", lambda name: not name.startswith("alone"))
    context = Context(llava, found.train, found.test, found.train_values, found.test_values, found.neurons)
    with pytest.raises(ZeroDivisionError):
        pipeline.compare(tuple(every), context)
    assert "later" not in started and (lane == "alone" or "alone-later" not in started)


def test_cancelling_one_lane_ends_both(found, llava, lanes):
    def stop(fraction, doing):
        raise Cancelled

    context = Context(llava, found.train, found.test, found.train_values, found.test_values, found.neurons, progress=stop)
    with pytest.raises(Cancelled):
        pipeline.compare(("alone", "model", "last"), context)
    assert "last" not in lanes


@pytest.mark.parametrize("at", [0.05, 0.2, 0.45, 0.6])
def test_cancelling_stops_at_any_stage(at, folder, llava, cache):
    def progress(fraction, doing):
        if fraction >= at:
            raise Cancelled

    with pytest.raises(Cancelled):
        find(folder, QUESTION, llava, progress=progress)


def test_a_second_run_reads_no_activations_again(folder, llava, cache, monkeypatch):
    find(folder, QUESTION, llava, compare="none")
    monkeypatch.setattr("sn_viz.activations.reader.run_pass", None)
    images = load_images(folder, QUESTION)
    assert len(extract(llava, images, cache=Store())) == 20


def test_a_method_that_cannot_run_is_left_out_with_a_sentence(folder, llava, cache, monkeypatch):
    def refuse(_context):
        raise UserError("The logit lens cannot read this model.", "It has no head.", "Leave it out.")

    monkeypatch.setitem(pipeline.BASELINES._entries, "logit-lens", refuse)
    found = find(folder, QUESTION, llava, compare="logit-lens,linear-probe")
    assert [baseline.name for baseline in found.baselines] == ["linear-probe"]
    assert any("logit-lens was left out" in warning and "has no head" in warning for warning in found.warnings)
    assert json.loads(found.to_json())["accuracy"]["logit_lens"] is None


def test_stages_share_the_bar():
    told = []
    stage = Stages(lambda fraction, doing: told.append(round(fraction, 3)))
    with stage("one", 0.5, "first") as report:
        report(0.5, "half of the first")
    with stage("two", 1.0, "second") as report:
        part(report, 0.5, 1.0)(0.0, "half of the second")
    assert told == [0.0, 0.25, 0.5, 0.5, 0.75, 1.0]
    assert list(stage.seconds) == ["one", "two"]


def test_latency_is_measured_for_every_layer(found, llava):
    seen = extract(llava, found.train)
    named, by_layer, _ = measure_latency(found.config, llava, found.test, seen, found.voters, 1)
    assert by_layer.shape == (3,)
    assert named["early_exit"] <= named["early_exit_p95"]


def test_luck_is_called_luck(llava, cache, tmp_path, folder):
    images = load_images(folder, QUESTION)
    shuffled = dataclasses.replace(images, labels=np.random.default_rng(3).permutation(images.labels))
    found = find(shuffled, None, llava, compare="none")
    assert any("luck" in warning for warning in found.warnings)


def test_any_architecture_runs_to_the_end(any_vlm, folder, cache):
    images = load_images(folder, QUESTION)
    asked = tuple(
        "Is there a dog?" if label else QUESTION for label in images.labels
    )  # a random Gemma 3 does not see pictures at all
    found: Run = find(dataclasses.replace(images, questions=asked), None, any_vlm, compare="none", voters=3)
    assert found.neurons.n_layers == any_vlm.n_layers
    said = [p.class_index for p in pipeline.predict(found, found.test, 1, vlm=any_vlm)]
    assert np.mean(said == found.votes.predicted[:, 0]) >= 0.9


def test_a_layer_where_nothing_differs_yet_has_no_voters(found):
    stumps = dataclasses.replace(found.stumps, score=found.stumps.score.copy())
    stumps.score[: found.neurons.up_to(1)] = np.nan
    assert [len(voters) for voters in voters_by_layer(stumps, found.neurons, 5, 2)] == [0, 5, 5]
    stumps.score[:] = np.nan
    with pytest.raises(UserError, match="No super neuron"):
        voters_by_layer(stumps, found.neurons, 5, 2)


def _pictures(folder, seed, n=3):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(n):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / f"{number}.png")


def test_a_folder_of_splits_is_used_as_it_is_split(tmp_path):
    for seed, place in enumerate(("train/cat", "train/dog", "val/cat", "val/dog", "test/cat", "test/dog")):
        _pictures(tmp_path / place, seed)
    train, test = load_splits(tmp_path, "Is it a dog?", None, 0.1, 0)
    assert {name.split("/")[0] for name in train.names} == {"train", "val"} and {name.split("/")[0] for name in test.names} == {
        "test"
    }
    assert len(train) == 12 and len(test) == 6 and train.classes == test.classes == ("cat", "dog")
    assert "are splits" in train.notes[0] and test.notes == ()


def test_a_separate_test_set_may_spell_its_classes_otherwise(tmp_path):
    for seed, place in enumerate(("a/Yes", "a/No", "b/yes", "b/NO")):
        _pictures(tmp_path / place, seed)
    train, test = load_splits(tmp_path / "a", "Is it?", tmp_path / "b", 0.5, 0)
    assert train.classes == test.classes == ("No", "Yes") and sorted(test.labels) == [0, 0, 0, 1, 1, 1]


def test_a_split_without_pictures_is_refused(tmp_path):
    for seed, place in enumerate(("train/cat", "train/dog", "test/cat")):
        _pictures(tmp_path / place, seed, n=0 if place == "test/cat" else 3)
    (tmp_path / "test/cat/0.png").write_bytes(b"no image")
    with pytest.raises(UserError, match="The test split is empty"):
        load_splits(tmp_path, "Is it?", None, 0.5, 0)


def test_sites_that_a_model_lacks_are_said_unless_sites_were_named(monkeypatch):
    monkeypatch.setattr(pipeline, "unavailable", lambda vlm: ("mlp-neuron", "tower-residual"))
    said = ("mlp-neuron: this model has no such place, so nothing was read there.",)
    assert pipeline._not_there(None, Config()) == said and pipeline._not_there(None, Config(sites=("residual",))) == ()


@pytest.mark.long
def test_all_and_tower_stand_for_what_the_model_has():
    """The photograph model's convolutional tower has no MLP: "tower" leaves that out, its name insists on it."""
    run = find("pack:presence-dog", model="tiny-photo", sites="all,tower", compare="none")
    assert "tower-residual" in run.neurons.site_names and "tower-mlp-neuron" not in run.neurons.site_names
    assert run.config.sites == tuple(run.neurons.site_names)
    with pytest.raises(UserError, match="'tower-mlp-neuron' is not there"):
        find("pack:presence-dog", model="tiny-photo", sites="all,tower-mlp-neuron", compare="none")
