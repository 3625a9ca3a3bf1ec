"""Reading, exits, replay, the logit lens and training are right however a model is loaded, or say that they are not there."""

from __future__ import annotations

import json

import numpy as np
import pytest
import random_models
import torch

from sn_viz.activations.extract import extract
from sn_viz.activations.reader import reader_of, truncated_forward
from sn_viz.activations.self_test import STEPS
from sn_viz.baselines.training import copy_of
from sn_viz.errors import UserError
from sn_viz.models import load_model
from sn_viz.models.options import LoadOptions

QUESTION = "Is there a dog in this picture?"
FAMILIES = ("llava", "gemma3")
WAYS = {
    "bfloat16": {"dtype": "bfloat16"},
    "float16": {"dtype": "float16"},
    "eager": {"attn": "eager"},
    "sdpa": {"attn": "sdpa"},
    "auto map": {"device_map": "auto"},
    "memory and disk": {"device_map": "disk: 1"},
    "disk alone": {"device_map": "disk: all"},
    "disk in bfloat16": {"device_map": "disk: 1", "dtype": "bfloat16"},
    "8 bit": {"quantize": "8bit"},
    "8 bit in bfloat16": {"quantize": "8bit", "dtype": "bfloat16"},
    "4 bit": {"quantize": "4bit"},
    "4 bit in bfloat16": {"quantize": "4bit", "dtype": "bfloat16"},
}
NEAR = {"eager": 1e-5, "sdpa": 0, "auto map": 0, "memory and disk": 0, "disk alone": 0, "bfloat16": 0.05, "float16": 0.01}
NEAR |= {"disk in bfloat16": 0.05, "8 bit": 0.05, "8 bit in bfloat16": 0.08, "4 bit": 0.5, "4 bit in bfloat16": 0.5}
"""How far activations may be from those of the plain model, as a share of the largest."""


CASES = [(family, way) for family in FAMILIES for way in WAYS if family == "llava" or "4 bit" not in way]
"""The heads of the small Gemma are too narrow for 4 bit on a processor."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Checkpoints whose widths the kernels for 4 bit allow, by family."""
    with pytest.MonkeyPatch.context() as patch:
        for sizes in (random_models.SIZES, random_models.TOWER):
            patch.setitem(sizes, "hidden_size", 64)
            patch.setitem(sizes, "intermediate_size", 128)
        made = tmp_path_factory.mktemp("wide")
        return {family: random_models.save_checkpoint(family, made / family) for family in FAMILIES}


@pytest.fixture(scope="module")
def plain_ones(folders):
    return {family: load_model(folder, device="cpu") for family, folder in folders.items()}


@pytest.fixture(scope="module", params=CASES, ids=", ".join)
def case(request):
    return request.param


@pytest.fixture(scope="module")
def way(case):
    return case[1]


@pytest.fixture(scope="module")
def plain(case, plain_ones):
    """The model as it is usually loaded."""
    return plain_ones[case[0]]


@pytest.fixture(scope="module")
def vlm(case, folders, plain):
    """The same, loaded in one of the ways; a map names every block of the decoder."""
    options = dict(WAYS[case[1]])
    if options.get("device_map", "").startswith("disk"):
        options["device_map"] = json.dumps(places(plain, options["device_map"].removeprefix("disk: ")))
    return load_model(folders[case[0]], options=LoadOptions(**options))


def places(plain, which):
    """Return a device map: every module in memory, or on disk, but the second block of the decoder is always on disk."""
    path = next(name for name, part in plain.module.named_modules() if part is plain.blocks)
    found = {}

    def fill(name, module):
        for child, part in module.named_children():
            full = f"{name}{child}"
            if full == path:
                found.update({f"{full}.{i}": "disk" if i == 1 or which == "all" else "cpu" for i in range(len(part))})
            elif path.startswith(f"{full}."):
                fill(f"{full}.", part)
            else:
                found[full] = "disk" if which == "all" else "cpu"

    fill("", plain.module)
    return found


def test_what_is_read_is_what_the_model_computes(vlm, plain, noise_pictures, way):
    pictures = noise_pictures(3)
    for step in STEPS.values():  # prompt, forward pass, residual stream, exits, padding, generation
        step(vlm)
    values = extract(vlm, pictures, QUESTION, sites="all,tower".split(","), dtype=np.float32).values
    usual = extract(plain, pictures, QUESTION, sites="all,tower".split(","), dtype=np.float32).values
    assert np.abs(values - usual).max() <= NEAR[way] * np.abs(usual).max()
    assert vlm.n_weights == plain.n_weights and vlm.device.type == "cpu"
    assert vlm.shared_out == ("disk" in way) and vlm.quantised == ("bit" in way)
    assert reader_of(vlm).replay.works == reader_of(plain).replay.works


def test_a_replayed_pass_is_the_models_own_bit_for_bit(vlm, noise_pictures):
    replay = reader_of(vlm).replay
    truncated_forward(vlm, vlm.prepare(noise_pictures(1), [QUESTION]), 2)
    for seed in (1, 2, 3, 4):  # recorded, replayed, and as a program where passes are recorded
        inputs = vlm.prepare(noise_pictures(1, seed=seed), [QUESTION])
        again, works = truncated_forward(vlm, inputs, 2, "all", np.float32), replay.works
        replay.works = False
        own = truncated_forward(vlm, inputs, 2, "all", np.float32)
        replay.works = works
        np.testing.assert_array_equal(again, own)


def test_the_lens_behind_the_last_block_says_what_the_model_says(vlm, noise_pictures):
    pictures = noise_pictures(2)
    read = extract(vlm, pictures, QUESTION, sites=["residual"], dtype=np.float32)
    last = torch.from_numpy(read.values[:, read.neurons.layer == vlm.n_layers])
    said, real = vlm.unembed(last).cpu().numpy(), vlm.first_token_logits(pictures, [QUESTION] * 2)
    tolerance = 1e-4 if vlm.dtype == torch.float32 else 3e-2
    np.testing.assert_allclose(said, real, atol=tolerance * np.abs(real).max())


def test_a_copy_to_train_says_the_same_or_is_refused_in_a_sentence(vlm, noise_pictures):
    if vlm.shared_out or vlm.quantised:
        with pytest.raises(UserError, match="cannot be trained"):
            copy_of(vlm)
        return
    from sn_viz.baselines.lora import adapted

    inputs = vlm.prepare(noise_pictures(1), [QUESTION])
    adapters = adapted(vlm)
    assert any(weight.requires_grad for weight in adapters.parameters())
    with torch.inference_mode():
        one, other = (module(**inputs, **vlm.forward_options()).logits for module in (adapters, vlm.module))
    torch.testing.assert_close(one, other)
