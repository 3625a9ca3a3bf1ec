"""Every baseline keeps one contract; each one finds what is planted for it."""

from dataclasses import replace

import numpy as np
import pytest

from sn_viz.activations.extract import extract
from sn_viz.baselines import BASELINES, Context
from sn_viz.baselines.full_model_calibrated import fit_offsets
from sn_viz.baselines.linear_probe import fit_probe
from sn_viz.baselines.sav import SITE, HeadVote, heads_of, read_heads
from sn_viz.models.blocks import attention_output_of
from sn_viz.sources.ingest import picture_from_pixels
from sn_viz.types import LabelledImages


def coloured(n: int, seed: int, classes: tuple[str, ...] = ("no", "yes")) -> LabelledImages:
    """Return noisy pictures, each class of another colour."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % len(classes)
    pixels = rng.integers(0, 90, (n, 32, 32, 3), dtype=np.uint8)
    pixels[np.arange(n), ..., labels] += 150
    return LabelledImages(
        tuple(map(str, range(n))), tuple(map(picture_from_pixels, pixels)), labels, classes, ("Is it green?",) * n
    )


@pytest.fixture(scope="module", params=[("no", "yes"), ("red", "green", "blue")], ids=["two", "three"])
def context(request, llava) -> Context:
    train, test = coloured(18, 0, request.param), coloured(12, 1, request.param)
    seen, unseen = (extract(llava, images) for images in (train, test))
    return Context(llava, train, test, seen.values, unseen.values, seen.neurons)


def test_the_five_baselines_are_there():
    assert {"full-model", "full-model-calibrated", "sav", "logit-lens", "linear-probe"} <= set(BASELINES)


@pytest.mark.parametrize("name", ["full-model", "full-model-calibrated", "sav", "logit-lens", "linear-probe", "sparse-probe"])
def test_a_baseline_keeps_the_contract(name, context):
    told = []
    baseline = BASELINES[name](replace(context, progress=lambda fraction, doing: told.append(fraction)))
    n = len(context.test)
    assert BASELINES[name].__doc__
    assert baseline.name == name
    assert baseline.predicted.dtype == np.int64 and baseline.predicted.shape == (n,)
    assert set(baseline.predicted.tolist()) <= {-1, *range(context.n_classes)}
    assert baseline.accuracy.n == n
    assert baseline.accuracy.value == pytest.approx(np.mean(baseline.predicted == context.test.labels))
    assert baseline.latency_ms > 0
    assert all(0 <= fraction <= 1 for fraction in told)
    assert len(baseline.answers) in (0, n)
    assert len(baseline.by_layer) in (0, context.vlm.n_layers)


@pytest.mark.parametrize("name", ["sav", "linear-probe", "sparse-probe"])
def test_learners_tell_colours_apart_even_in_a_random_model(name, context):
    assert BASELINES[name](context).accuracy.value >= 0.9


@pytest.mark.parametrize("name", ["full-model-calibrated", "sav", "logit-lens", "linear-probe", "sparse-probe"])
def test_labels_of_the_test_images_change_no_prediction(name, context):
    shuffled = replace(context, test=replace(context.test, labels=context.test.labels[::-1].copy()))
    assert np.array_equal(BASELINES[name](context).predicted, BASELINES[name](shuffled).predicted)


def test_an_answer_that_names_no_class_counts_as_wrong_and_is_reported(context):
    baseline = BASELINES["full-model"](replace(context, vlm=Mute(context.vlm)))
    assert baseline.accuracy.value == 0
    assert f"{len(context.test)} of {len(context.test)}" in baseline.note


class Mute:
    """A model that says nothing to the point."""

    def __init__(self, vlm):
        self.vlm = vlm

    def __getattr__(self, name):
        return getattr(self.vlm, name)

    def twin(self):
        return Mute(self.vlm.twin())

    def generate(self, pictures, questions, **more):
        return ["hm"] * len(pictures)


def test_the_residual_is_read_afresh_when_the_run_left_it_out(llava, context):
    without = extract(llava, context.train, sites=["mlp-output"]), extract(llava, context.test, sites=["mlp-output"])
    lean = replace(context, train_values=without[0].values, test_values=without[1].values, neurons=without[0].neurons)
    for mine, theirs in zip(context.residual, lean.residual, strict=True):
        np.testing.assert_allclose(mine[0], theirs[0], rtol=1e-3, atol=1e-4)


def test_the_calibrated_cut_puts_a_contrary_model_right():
    logits = np.array([[0.0, 4.0], [0.0, 3.0], [0.0, 1.0], [0.0, 0.5]])
    fitted = fit_offsets(logits, np.array([0, 0, 1, 1]))
    assert fitted.sign == -1
    assert fitted.predict(logits).tolist() == [0, 0, 1, 1]


def test_offsets_of_three_classes_remove_a_bias():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    logits = rng.normal(size=(60, 3)) * 0.2
    logits[np.arange(60), labels] += 1
    biased = logits + np.array([0.0, 9.0, -5.0])
    assert np.mean(biased.argmax(axis=1) == labels) < 0.5
    assert np.mean(fit_offsets(biased, labels).predict(biased) == labels) > 0.95


def test_sav_keeps_the_heads_that_know_and_the_best_head_breaks_ties():
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    vectors = rng.normal(size=(40, 6, 4)).astype(np.float32)
    vectors[:, 2] += np.where(labels, 5, -5)[:, None]
    vectors[:, 5] += np.where(labels, 3, -3)[:, None]
    voter = HeadVote(vectors, labels, 2, n_heads=2)
    assert sorted(voter.heads.tolist()) == [2, 5]
    torn = vectors[:1].copy()
    torn[0, voter.heads[0]], torn[0, voter.heads[1]] = voter.means[1, voter.heads[0]], voter.means[0, voter.heads[1]]
    assert voter.predict(torn).tolist() == [1]


def test_heads_are_the_input_of_the_output_projection_at_the_last_position(llava, noise_pictures):
    import torch

    pictures, captured = noise_pictures(2), []
    projection = attention_output_of(llava.blocks[1])
    hook = projection.register_forward_pre_hook(lambda module, arguments: captured.append(arguments[0][:, -1]))
    inputs = llava.prepare(pictures, ["Is there a dog?", "What colour is the car?"])
    with torch.inference_mode():
        llava.module(**inputs)
    hook.remove()
    split = LabelledImages(
        ("1", "2"), tuple(pictures), np.array([0, 1]), ("a", "b"), ("Is there a dog?", "What colour is the car?")
    )
    heads = heads_of(llava, extract(llava, split, sites=(SITE,), dtype=np.float32))
    n_heads = heads.shape[1] // llava.n_layers
    np.testing.assert_allclose(heads[:, n_heads : 2 * n_heads].reshape(2, -1), captured[0].numpy(), atol=1e-5)


def test_heads_are_found_in_every_architecture(any_vlm, noise_pictures):
    heads = read_heads(any_vlm, (noise_pictures(1)[0], "Is there a dog?"))
    assert heads.shape[:2] == (1, 4 * any_vlm.n_layers)


def test_the_logit_lens_at_the_last_layer_is_the_models_own_first_token(llava, context):
    from sn_viz.baselines.logit_lens import spoken

    mine = spoken(llava, context.residual[-1][1])
    theirs = llava.first_token_logits(context.test.pictures, context.test.questions)
    np.testing.assert_allclose(mine, theirs, atol=5e-3)


def test_a_probe_survives_a_class_of_one_example_and_values_that_are_no_numbers():
    values = np.array([[0.0, np.nan], [1.0, 2.0], [2.0, np.inf]], np.float32)
    probe, score = fit_probe(values, np.array([0, 0, 1]))
    assert probe.predict(np.nan_to_num(values)).shape == (3,)
    assert 0 <= score <= 1


def test_a_probe_of_two_images_is_not_called_cross_validated():
    from sn_viz.baselines.linear_probe import _how_chosen

    assert "too few" in _how_chosen(np.array([0, 1]), None)
    assert _how_chosen(np.array([0, 1] * 5), None) == "both chosen by cross-validation on the probing images"
