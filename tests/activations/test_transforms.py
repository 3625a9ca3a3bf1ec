"""A site with a transform holds what that makes of the whole prompt, wherever a pass stops and however it runs."""

from __future__ import annotations

import types
from dataclasses import replace

import numpy as np
import pytest
import torch

import sn_viz.pipeline as pipeline
from sn_viz.activations import sites
from sn_viz.activations.extract import extract, neurons_of
from sn_viz.activations.programs import AFTER
from sn_viz.activations.reader import reader_of, truncated_forward
from sn_viz.activations.sites import SITES, TOWER_SITES, key_of, site_names, transform_versions
from sn_viz.activations.store import Store
from sn_viz.activations.streaming import stream_layers
from sn_viz.errors import UserError
from sn_viz.models import load_model
from sn_viz.models.blocks import attention_of, attention_output_of, down_projection_of

QUESTIONS = ["Is there a dog in this picture?", "yes?"]


class Made:
    """A site of a test's own."""

    def __init__(self, name, module_of, side, transform):
        self.name, self.transform = name, transform
        self.module_of = lambda block: (module_of(block), side)


def spread(held):
    """How far each position is from the mean over all: it needs the whole prompt."""
    return held - held.mean(dim=1, keepdim=True)


def second_of_pair(held):
    return held[1] if isinstance(held, tuple) else held.flip(-1)


def by_sign(held):
    return held if held[0, -1, 0] > 0 else -held  # what runs depends on the values


OWN = {
    "spread-at-input": (down_projection_of, "input", spread),
    "spread-of-heads": (attention_output_of, "input", spread),
    "sign-of-output": (attention_of, "output", lambda held: by_sign(held[0])),
    "most-attended": (attention_of, "attention", lambda weights: weights.amax(dim=-1)[:, :, 0]),
}


@pytest.fixture
def own(monkeypatch):
    """Register the sites of ``OWN`` for one test; returns their names."""
    monkeypatch.setattr(SITES, "_entries", {name: SITES[name] for name in SITES} | {n: Made(n, *how) for n, how in OWN.items()})
    monkeypatch.setattr(SITES, "_costly", SITES._costly | set(OWN))
    return tuple(OWN)


@pytest.fixture
def fresh(checkpoint):
    return load_model(checkpoint("llava"), device="cpu")


def held_by(vlm, inputs, part, side):
    """Return what one module of each block holds in the model's own pass."""
    seen, handles = [], []
    for block in vlm.blocks:
        hook = lambda _m, args, output: seen.append(args[0] if side == "input" else output)  # noqa: E731
        handles.append(part(block).register_forward_hook(hook))
    with torch.inference_mode():
        vlm.module(**inputs, **vlm.forward_options())
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize("name", ["spread-at-input", "spread-of-heads", "sign-of-output"])
def test_it_is_made_of_the_whole_prompt_at_every_exit_and_however_often_it_runs(any_vlm, noise_pictures, own, name):
    part, side, transform = OWN[name]
    for n in (1, 2):
        inputs = any_vlm.prepare(noise_pictures(n), QUESTIONS[:n])
        made = [transform(held)[:, -1].numpy() for held in held_by(any_vlm, inputs, part, side)]
        for layer in (1, 2, 3):
            for _ in range(AFTER + 2):
                found = truncated_forward(any_vlm, inputs, layer, name, np.float32)
                np.testing.assert_array_equal(found, np.concatenate(made[:layer], axis=1))
        streamed = np.concatenate([block.values for block in stream_layers(any_vlm, inputs, name).blocks], axis=1)
        np.testing.assert_array_equal(streamed, np.concatenate(made, axis=1).astype(np.float16))


def test_a_vector_an_example_is_taken_as_it_is(any_vlm, noise_pictures, own):
    inputs = any_vlm.prepare(noise_pictures(2), QUESTIONS)
    found = truncated_forward(any_vlm, inputs, 3, "most-attended", np.float32)
    assert found.shape == (2, 12) and ((found > 0) & (found <= 1)).all()


def test_usual_sites_keep_their_cut_and_their_programs(fresh, noise_pictures, own):
    inputs = fresh.prepare(noise_pictures(1), QUESTIONS[:1])
    reader = reader_of(fresh)
    assert reader.cut_of(site_names("all"), 2) == reader.cut_of(("residual", "most-attended"), 2) == "attention and mlp"
    assert reader.cut_of(("residual", "spread-at-input"), 2) == "none"
    for _ in range(AFTER + 2):
        truncated_forward(fresh, inputs, 2, own)
    known = reader.replay.known(inputs, 2)
    assert reader.replay.works and not known.programs
    for _ in range(AFTER + 2):
        truncated_forward(fresh, inputs, 2)
    assert len(known.programs) == 3 and reader.recorder.enabled


def test_a_site_of_the_tower_is_averaged_over_the_patches_of_what_is_made(llava, noise_pictures, monkeypatch):
    made = Made(
        "tower-squares", lambda block: block, "output", lambda held: (held[0] if isinstance(held, tuple) else held).square()
    )
    monkeypatch.setattr(TOWER_SITES, "_entries", {name: TOWER_SITES[name] for name in TOWER_SITES} | {made.name: made})
    seen = []
    hook = llava.tower_blocks[-1].register_forward_hook(lambda _m, _a, output: seen.append(made.transform(output).mean(dim=1)))
    inputs = llava.prepare(noise_pictures(2), QUESTIONS)
    found = truncated_forward(llava, inputs, 0, made.name, np.float32)
    hook.remove()
    np.testing.assert_allclose(found[:, 16:], seen[-1].numpy(), rtol=1e-6)


def test_attention_of_the_tower_is_refused_in_a_sentence(llava, monkeypatch):
    made = Made("tower-attention", lambda block: block.self_attn, "attention", lambda weights: weights)
    monkeypatch.setattr(TOWER_SITES, "_entries", {name: TOWER_SITES[name] for name in TOWER_SITES} | {made.name: made})
    with pytest.raises(UserError, match="'tower-attention' is not there. Attention is read in the decoder only."):
        neurons_of(llava, made.name)


def test_the_cache_tells_transforms_apart_and_leaves_other_sites_as_they_were(llava, fresh, noise_pictures, tmp_path, monkeypatch):
    pictures, cache = noise_pictures(1), Store(tmp_path)
    usual = extract(llava, pictures, "yes?")
    assert usual.key == f"{llava.key}.residual+attention-output+mlp-output+mlp-neuron.all.float16"
    before = extract(llava, pictures, "yes?", sites=("residual", "attention-entropy"), cache=cache)
    version = transform_versions(("attention-entropy",))["attention-entropy"]
    assert before.key == f"{llava.key}.residual+attention-entropy~{version}.all.float16"
    monkeypatch.setattr(sites, "_source", lambda *_: b"another transform")
    assert all(key_of(name) == f"{name}~means2" for name in TOWER_SITES.names())
    assert key_of("residual") == "residual" and key_of("attention-entropy") != f"attention-entropy~{version}"
    monkeypatch.setattr(type(SITES["attention-entropy"]), "transform", lambda _self, weights: weights.amax(dim=-1).transpose(1, 2))
    after = extract(fresh, pictures, "yes?", sites=("residual", "attention-entropy"), cache=cache)
    assert fresh.key == llava.key and not np.array_equal(before.values, after.values)


def test_a_transform_that_was_typed_in_has_a_version_too(monkeypatch):
    typed = types.ModuleType("typed_in")
    monkeypatch.setitem(__import__("sys").modules, "typed_in", typed)
    versions = set()
    for code in ("held.abs()", "held.square()"):
        exec(f"class Typed:\n    def transform(self, held):\n        return {code}\n", vars(typed))
        monkeypatch.setattr(sites, "site_called", lambda _name: typed.Typed())
        versions |= set(transform_versions(("typed",)).values())
    assert len(versions) == 2


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose only neurons are entropies, and the same opened from its folder."""
    folder = tmp_path_factory.mktemp("entropy")
    found = pipeline.find("pack:presence-dog", sites="attention-entropy", compare=(), test_size=0.5, model="tiny-llava")
    from sn_viz import Run

    return found, Run.load(found.save(folder / "run"))


def test_a_run_finds_predicts_and_is_opened_again_with_it(run):
    found, opened = run
    assert found.neurons.site_names == opened.neurons.site_names == ("attention-entropy",)
    assert opened.versions["site 'attention-entropy'"] == transform_versions(found.neurons.site_names)["attention-entropy"]
    few = found.test.take(range(5))
    for column, layer in ((0, 1), (-1, found.neurons.layers[-1])):
        expected = [found.train.classes[c] for c in found.votes.predicted[:5, column]]
        assert [one.label for one in opened.predict(few, layer)] == expected
        assert [one.label for one in opened.predict(few, layer, batch_size=3)] == expected


def test_a_run_made_with_another_transform_is_refused_in_a_sentence(run):
    opened = run[1]
    older = replace(opened, versions=opened.versions | {"site 'attention-entropy'": "00000000"})
    with pytest.raises(UserError, match="The site 'attention-entropy' is not what it was. .* Find again."):
        older.predict(older.test, 1)
