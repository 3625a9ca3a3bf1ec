"""LoRA learns what the frozen model cannot say, looks at nothing but the probing images, and leaves the model as it was."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from sn_viz.activations.extract import extract
from sn_viz.baselines import BASELINES, Context, training
from sn_viz.baselines.lora import adapted, linear_layers
from sn_viz.baselines.training import Recipe, copy_of, held_back, teach
from sn_viz.config import baseline_names
from sn_viz.errors import Cancelled
from sn_viz.sources.ingest import picture_from_pixels
from sn_viz.types import LabelledImages

QUESTIONS = ("Is it green?", "What colour is the car, is it green?")


def coloured(n: int, seed: int, classes: tuple[str, ...] = ("no", "yes")) -> LabelledImages:
    """Return noisy pictures, each class of another colour, asked questions of two lengths."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % len(classes)
    pixels = rng.integers(0, 90, (n, 32, 32, 3), dtype=np.uint8)
    pixels[np.arange(n), ..., labels] += 150
    asked = tuple(QUESTIONS[i // len(classes) % 2] for i in range(n))
    return LabelledImages(tuple(map(str, range(n))), tuple(map(picture_from_pixels, pixels)), labels, classes, asked)


@pytest.fixture
def context(llava) -> Context:
    train, test = coloured(16, 0), coloured(12, 1)
    seen, unseen = (extract(llava, images) for images in (train, test))
    return Context(llava, train, test, seen.values, unseen.values, seen.neurons)


@pytest.fixture
def untouched(llava):
    """Fails when a test leaves the shared model other than it was: weights, modules, hooks, gradients."""

    def state():
        hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in llava.module.modules()]
        frozen = [weight.requires_grad or weight.grad is not None for weight in llava.module.parameters()]
        return [name for name, _ in llava.module.named_modules()], hooks, frozen, llava.module.training

    weights, before = {name: value.clone() for name, value in llava.module.state_dict().items()}, state()
    yield
    assert state() == before
    after = llava.module.state_dict()
    assert after.keys() == weights.keys() and all(torch.equal(after[name], value) for name, value in weights.items())


@pytest.mark.parametrize("name", ["lora", "fine-tune-last-block"])
def test_it_learns_what_the_frozen_model_cannot_say(name, context, untouched):
    told = []
    found = BASELINES[name](replace(context, progress=lambda fraction, doing: told.append((fraction, doing))))
    assert BASELINES["full-model"](context).accuracy.value < 0.6
    assert found.name == name and found.accuracy.value >= 0.9 and found.accuracy.n == 12
    assert found.predicted.dtype == np.int64 and found.latency_ms > 0
    assert "weights trained in" in found.note and "Answers no / yes" in found.note
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions) and fractions[0] >= 0 and fractions[-1] <= 1
    assert any("training step 2 of" in doing for _, doing in told)


@pytest.mark.long
@pytest.mark.parametrize("error", [Cancelled, ZeroDivisionError])
def test_stopped_half_way_the_model_is_as_it_was(error, context, untouched):
    def stop(fraction, doing):
        if fraction > 0.1:
            raise error

    with pytest.raises(error):
        BASELINES["lora"](replace(context, progress=stop))


def test_while_one_trains_others_use_the_model_and_read_the_same(llava, context, untouched):
    pictures, questions = context.test.pictures, context.test.questions
    alone, meanwhile, done = llava.first_token_logits(pictures, questions), [], threading.Event()

    def ask():
        while not done.is_set():
            meanwhile.append(llava.first_token_logits(pictures, questions))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        teach(context, adapted(llava), Recipe(0.003, least_steps=4, epochs=1), "LoRA")
    finally:
        done.set()
        thread.join()
    assert meanwhile and all(np.array_equal(logits, alone) for logits in meanwhile)


def test_training_sees_only_probing_images_and_judges_by_those_held_back(context, monkeypatch):
    trained_on, judged_on = set(), set()
    backward, of = training._Loss.backward, training._Loss.of

    def learning(self, images, scaler):
        trained_on.update(p.sha256 for p in images.pictures)
        return backward(self, images, scaler)

    def judging(self, images, context):
        judged_on.update(p.sha256 for p in images.pictures)
        return of(self, images, context)

    monkeypatch.setattr(training._Loss, "backward", learning)
    monkeypatch.setattr(training._Loss, "of", judging)
    teach(context, adapted(context.vlm), Recipe(0.001, least_steps=12, epochs=1), "LoRA")
    probing = {p.sha256 for p in context.train.pictures}
    assert trained_on and judged_on and not trained_on & judged_on
    assert trained_on | judged_on == probing and not probing & {p.sha256 for p in context.test.pictures}


def test_it_stops_early_and_keeps_the_best_weights(context, monkeypatch):
    losses = iter([5.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    monkeypatch.setattr(training._Loss, "of", lambda *_: next(losses))
    steps = []
    taught = teach(
        replace(context, progress=lambda fraction, doing: steps.append(doing)),
        adapted(context.vlm),
        Recipe(0.001, least_steps=50, epochs=1, every=2, patience=3),
        "LoRA",
    )
    assert taught.step == 2 and len(steps) == 9


def test_the_seed_decides(context):
    recipe = Recipe(0.003, least_steps=6, epochs=1)
    one, same = (_weights(teach(context, adapted(context.vlm, 3), recipe, "LoRA").module) for _ in range(2))
    other = _weights(teach(context, adapted(context.vlm, 4), recipe, "LoRA").module)
    assert torch.equal(one, same) and not torch.equal(one, other)


def _weights(module):
    return torch.cat([weight.detach().flatten() for weight in module.parameters() if weight.requires_grad])


def test_every_class_keeps_its_share_and_few_images_are_all_trained_on():
    labels = np.repeat([0, 1, 2], [20, 10, 2])
    apart = held_back(labels, Recipe(0.1), seed=0)
    assert [int(apart[labels == c].sum()) for c in range(3)] == [4, 2, 0]
    assert held_back(np.arange(500) % 2, Recipe(0.1), seed=0).sum() == 50
    assert not held_back(labels[-9:], Recipe(0.1), seed=0).any()


def test_adapters_sit_on_every_linear_layer_of_the_decoder_in_every_architecture(any_vlm, noise_pictures):
    asked = noise_pictures(2), ["Is there a dog?", "What colour is the car?"]
    before, module = any_vlm.first_token_logits(*asked), adapted(any_vlm)
    names = [name for name, weight in module.named_parameters() if weight.requires_grad]
    assert len(names) == 2 * len(linear_layers(any_vlm.module)) > 2 * any_vlm.n_layers
    assert not any(word in name for name in names for word in ("vision", "visual", "lm_head"))
    shared = {weight.data_ptr() for weight in any_vlm.module.parameters()}
    assert shared <= {weight.data_ptr() for weight in module.parameters()}
    logits = training._first_token(any_vlm, module, *asked)
    np.testing.assert_allclose(logits.detach().numpy(), before, atol=1e-5)
    logits.logsumexp(dim=1).sum().backward()
    gradients = [weight.grad for weight in module.parameters() if weight.requires_grad and weight.grad is not None]
    assert gradients and all(torch.isfinite(gradient).all() for gradient in gradients)


def test_answers_that_start_alike_become_letters(context):
    twins = replace(context, train=replace(context.train, classes=("red car", "red bus")))
    assert training.distinct_words(twins.vlm, twins)[0] == ("A", "B") or "no" in training.distinct_words(twins.vlm, twins)[0]
    three = replace(context, train=replace(context.train, classes=("red car", "red bus", "blue bus")))
    assert training.distinct_words(three.vlm, three)[0] == ("A", "B", "C")


def test_all_leaves_out_what_trains_for_long():
    assert "lora" not in baseline_names("all") and "full-model" in baseline_names("all")
    assert baseline_names("lora") == ("lora",)
    assert baseline_names("all, lora") == (*BASELINES.usual(), "lora") == baseline_names(["all", "lora"])
    assert "lora" in BASELINES.names()


def test_a_copy_shares_the_weights(llava, untouched):
    mine = dict(copy_of(llava).named_parameters())
    for name, weight in llava.module.named_parameters():
        assert mine[name] is not weight and mine[name].data_ptr() == weight.data_ptr()
