"""What is taken for granted of every model is tried once on one from outside, and its failure is a sentence."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest
import torch

from sn_viz.activations import self_test as tried
from sn_viz.activations.model_cache import model_named
from sn_viz.activations.self_test import STEPS, self_test, unavailable
from sn_viz.errors import UserError
from sn_viz.models import load_model


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def vlm(checkpoint):
    """A model of its own, which may be changed."""
    return load_model(checkpoint("llava"), device="cpu")


def test_every_family_passes_and_is_not_tried_again(any_vlm, own_cache, monkeypatch):
    assert any_vlm.from_outside
    self_test(any_vlm)
    (file,) = (own_cache / "self-tests").iterdir()
    assert json.loads(file.read_text())["passed"] == list(STEPS) and any_vlm.padding_is_neutral
    monkeypatch.setattr(tried, "STEPS", {"nothing": lambda vlm: pytest.fail("it was tried again")})
    self_test(any_vlm)


def test_it_is_done_wherever_a_model_is_loaded_by_name(checkpoint, monkeypatch):
    seen = []
    monkeypatch.setattr("sn_viz.activations.model_cache.self_test", lambda vlm: seen.append(vlm.name))
    model_named(str(checkpoint("idefics3")), dtype=torch.float16)
    assert len(seen) == 1


def refused(vlm, step: str) -> str:
    with pytest.raises(UserError, match=f"family 'llava'.*self-test failed at {step}") as caught:
        self_test(vlm)
    assert str(caught.value).count("\n") == 0
    return str(caught.value)


def test_a_forward_pass_that_breaks_is_named(vlm, monkeypatch):
    def broken(*_args, **_inputs):
        raise AttributeError("'NoneType' object has no attribute 'shape'")

    monkeypatch.setattr(vlm.module, "forward", broken)
    assert "AttributeError: 'NoneType'" in refused(vlm, "a forward pass")


def test_logits_that_are_no_numbers(vlm):
    with torch.no_grad():
        vlm.lm_head.weight.fill_(float("nan"))
    assert "not finite" in refused(vlm, "a forward pass")


def test_another_residual_stream_than_the_models(vlm, monkeypatch):
    whole = tried.truncated_forward
    monkeypatch.setattr(tried, "truncated_forward", lambda *args: whole(*args) * 1.5)
    assert "after block 1 differs by" in refused(vlm, "reading the residual stream")


def test_an_exit_that_reads_something_else(vlm, monkeypatch):
    whole = tried.truncated_forward

    def cut(vlm, inputs, layer, *rest):
        values = whole(vlm, inputs, layer, *rest)
        return values if layer == vlm.n_layers else values + 1

    monkeypatch.setattr(tried, "truncated_forward", cut)
    assert "stops after block 1" in refused(vlm, "stopping early")


def test_generation_that_begins_elsewhere(vlm, monkeypatch):
    least = int(np.argmin(vlm.first_token_logits(tried.noise_pictures(4)[:1], [tried.SHORT])[0]))
    monkeypatch.setattr(vlm.module, "generate", lambda **_inputs: torch.tensor([[least]]))
    assert "most likely token" in refused(vlm, "generation")


def test_where_padding_changes_answers_lengths_are_kept_apart(vlm, noise_pictures, monkeypatch):
    questions = ["?", "Is there a dog in this picture? Answer yes or no.", "?", "How many?"]
    pictures = noise_pictures(4)
    alone = [vlm.first_token_logits(pictures[i : i + 1], questions[i : i + 1])[0] for i in range(4)]
    said = [vlm.generate(pictures[i : i + 1], questions[i : i + 1], max_new_tokens=3)[0] for i in range(4)]
    forward = vlm.module.forward

    @functools.wraps(forward)
    def deaf(**inputs):
        """A model that looks at padding."""
        if inputs.get("attention_mask") is not None:
            inputs["attention_mask"] = torch.ones_like(inputs["attention_mask"])
        return forward(**inputs)

    monkeypatch.setattr(vlm.module, "forward", deaf)
    self_test(vlm)
    assert not vlm.padding_is_neutral
    np.testing.assert_allclose(vlm.first_token_logits(pictures, questions), alone, rtol=1e-4, atol=1e-5)
    assert vlm.generate(pictures, questions, max_new_tokens=3) == said
    vlm.padding_is_neutral = True
    self_test(vlm)
    assert not vlm.padding_is_neutral, "remembered"


def test_embedded_models_are_passed_over(monkeypatch):
    monkeypatch.setattr(tried, "STEPS", {"nothing": lambda vlm: pytest.fail("it was tried")})
    vlm = load_model("tiny-llava", device="cpu")
    assert not vlm.from_outside
    self_test(vlm)


def test_what_is_merely_missing_is_listed(random_vlm):
    assert unavailable(random_vlm("llava")) == ()
    assert set(unavailable(random_vlm("qwen3_vl"))) <= {"mlp-neuron", "tower-residual", "tower-mlp-neuron"}
