"""How a model is loaded: what may be chosen, what a run keeps of it, and what is missing here."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from sn_viz.errors import UserError
from sn_viz.models import load_model
from sn_viz.models.options import DEFAULT, LoadOptions
from sn_viz.models.placement import keywords

PLACES = {"model": 0, "lm_head": "cpu"}


def test_a_usual_load_is_kept_as_nothing():
    assert DEFAULT.told() == () and LoadOptions(detail="published").told() == ()
    assert LoadOptions.of(()) == LoadOptions(detail="published")


@pytest.mark.parametrize(
    "options",
    [
        LoadOptions(dtype="bfloat16", detail="low"),
        LoadOptions(device_map=PLACES, detail="published"),  # type: ignore[arg-type]
        LoadOptions(device_map="auto", quantize="4bit", attn="eager", detail="low"),
    ],
    ids=["numbers", "places", "all"],
)
def test_what_a_run_keeps_gives_the_options_back(options):
    assert LoadOptions.of(options.told()) == options
    assert LoadOptions.of(json.loads(json.dumps(options.told()))) == options


def test_torchs_number_formats_and_mappings_are_taken_too():
    assert LoadOptions(dtype=torch.bfloat16) == LoadOptions(dtype="bfloat16")  # type: ignore[arg-type]
    placed = LoadOptions(device_map=PLACES)  # type: ignore[arg-type]
    assert placed.places == PLACES and LoadOptions(device_map=json.dumps(PLACES)) == placed
    assert hash(placed) and LoadOptions(device_map="auto").places == "auto" and DEFAULT.places is None


@pytest.mark.parametrize("name", ["dtype", "device_map", "quantize", "attn", "detail"])
def test_a_name_that_is_none_is_refused_with_those_that_are(name):
    with pytest.raises(UserError, match="called 'nonsense'. There are: "):
        LoadOptions(**{name: "nonsense"})


@pytest.mark.parametrize("given", ["{", "{}", '{"model": "elsewhere"}', '{"model": -1}', '{"model": true}', '{"model": 1.5}', 3])
def test_a_device_map_that_is_none_is_refused(given):
    with pytest.raises(UserError, match="device map was not understood"):
        LoadOptions(device_map=given)


def test_a_run_of_a_later_version_is_told():
    with pytest.raises(UserError, match="no such option"):
        LoadOptions.of((("shards", "3"),))


def test_each_option_has_a_key_of_its_own_and_the_usual_ones_keep_theirs(checkpoint):
    folder = checkpoint("llava")
    chosen = [{}, {"dtype": "bfloat16"}, {"attn": "eager"}, {"device_map": "auto"}, {"quantize": "8bit"}]
    keys = [load_model(folder, options=LoadOptions(**options)).key for options in chosen]
    assert keys[0] == load_model(folder).key and len(set(keys)) == len(keys)
    assert load_model(folder, dtype=torch.bfloat16).key == keys[1]


@pytest.mark.parametrize(
    ("options", "said"),
    [({"attn": "flash"}, "NVIDIA GPUs, and there is none here"), ({"device_map": '{"": 0}'}, "no GPU 0; here are 0")],
    ids=["flash", "gpu"],
)
def test_what_a_machine_without_a_gpu_does_not_allow_is_said(monkeypatch, options, said):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(UserError, match=said):
        keywords(LoadOptions(**options), None, torch.bfloat16, torch.device("cpu"), "mine", "")


@pytest.mark.parametrize(
    ("dtype", "said"), [(torch.float32, "not in float32"), (torch.bfloat16, "package flash-attn")], ids=["numbers", "package"]
)
def test_flash_attention_says_what_it_needs_on_a_gpu(monkeypatch, dtype, said):
    without(monkeypatch, "flash_attn")
    with pytest.raises(UserError, match=said):
        keywords(LoadOptions(attn="flash"), None, dtype, torch.device("cuda"), "mine", "")


@pytest.mark.parametrize(
    ("package", "options"),
    [("bitsandbytes", {"quantize": "8bit"}), ("accelerate", {"device_map": "auto"}), ("accelerate", {"quantize": "4bit"})],
    ids=["8bit", "device map", "4bit"],
)
def test_a_missing_package_is_named(checkpoint, monkeypatch, package, options):
    without(monkeypatch, package)
    with pytest.raises(UserError, match=f"package {package}.*Run: pip install {package}"):
        load_model(checkpoint("llava"), options=LoadOptions(**options))


def test_a_device_and_a_device_map_are_one_too_many(checkpoint):
    with pytest.raises(UserError, match="Leave out one"):
        load_model(checkpoint("llava"), device="cpu", options=LoadOptions(device_map="auto"))


def test_quantised_weights_do_not_lie_on_disk(checkpoint):
    places = json.dumps({"model": "cpu", "lm_head": "disk"})
    with pytest.raises(UserError, match="one kind of device"):
        load_model(checkpoint("llava"), options=LoadOptions(quantize="8bit", device_map=places))


def test_a_quantised_checkpoint_is_loaded_and_not_quantised_again(checkpoint, tmp_path, noise_pictures):
    made = load_model(checkpoint("llava"), options=LoadOptions(quantize="8bit"))
    folder = shutil.copytree(checkpoint("llava"), tmp_path / "quantised", ignore=shutil.ignore_patterns("*.safetensors"))
    made.module.save_pretrained(folder)
    loaded = load_model(folder)
    pictures = noise_pictures(1)
    logits = [vlm.first_token_logits(pictures, ["?"]) for vlm in (made, loaded)]
    assert loaded.quantised
    np.testing.assert_allclose(*logits, atol=1e-5 * np.abs(logits[0]).max())
    with pytest.raises(UserError, match="It is already, by bitsandbytes"):
        load_model(folder, options=LoadOptions(quantize="4bit"))


@pytest.mark.parametrize(
    ("method", "said"),
    [("fp8", "quantised by fp8; those by bitsandbytes"), ("awq", "package gptqmodel"), (None, "an unknown method")],
)
def test_other_quantised_checkpoints_say_what_they_are(checkpoint, tmp_path, method, said):
    folder = shutil.copytree(checkpoint("llava"), tmp_path / "quantised")
    settings = json.loads((folder / "config.json").read_text())
    settings["quantization_config"] = {"quant_method": method} if method else {"bits": 4}
    (folder / "config.json").write_text(json.dumps(settings))
    with pytest.raises(UserError, match=said):
        load_model(folder)


def without(monkeypatch, package):
    """Let a package be missing."""
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == package else found(name, *rest))


def test_a_map_that_parts_a_head_from_the_embedding_it_shares_is_refused():
    for places in ({"model": "cpu", "lm_head": "disk"}, {"model.language_model.embed_tokens": "disk", "": "cpu", "lm_head": "cpu"}):
        with pytest.raises(UserError, match="shares its weights with its embedding"):
            load_model("tiny-llava", options=LoadOptions(device_map=json.dumps(places)))


def test_bitsandbytes_is_imported_without_fetching_compiled_code():
    code = """
import sys, types
asked = []
kernels = types.ModuleType("kernels")
kernels.get_kernel = lambda *what, **how: asked.append(what)
sys.modules["kernels"] = kernels
from sn_viz.models.placement import import_bitsandbytes
import_bitsandbytes()
assert "bitsandbytes" in sys.modules and sys.modules["kernels"] is kernels
print(asked)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n" and "kernels" not in done.stderr
