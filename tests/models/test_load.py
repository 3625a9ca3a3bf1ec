"""Loading: by name, from a folder, and every way it can fail."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sn_viz.errors import UserError
from sn_viz.models import catalog, load_model

ROOT = Path(__file__).resolve().parents[2]


def test_a_folder_loads_frozen_in_float32_with_left_padding(llava):
    assert llava.dtype == torch.float32 and llava.device.type == "cpu"
    assert not llava.module.training and not any(parameter.requires_grad for parameter in llava.module.parameters())
    assert llava.tokenizer.padding_side == "left"
    assert "random-llava" in repr(llava)


def test_half_precision_files_become_float32(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint("llava"), tmp_path / "half")
    load_model(folder).module.half().save_pretrained(folder)
    assert load_model(folder, device="cpu").dtype == torch.float32
    assert load_model(folder, device="cpu", dtype=torch.bfloat16).dtype == torch.bfloat16


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(UserError, match="no model called 'nonsense'.*tiny-llava"):
        load_model("nonsense")


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(UserError, match="holds no model"):
        load_model(tmp_path)


def test_a_name_of_the_table_is_a_folder_or_a_repository_of_the_hub():
    for row in catalog.CATALOG:
        place = catalog.locate(row.name)
        assert (row.hub_id is None) == (row.folder is not None) == (place.hub is None)
        assert place.hub is None or (
            str(place.hub) == row.hub_id and str(catalog.locate(f"{row.name}@v1").hub) == f"{row.hub_id}@v1"
        )
    assert len(set(catalog.model_names())) == len(catalog.CATALOG)


def test_a_folder_goes_before_a_model_of_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert catalog.locate("lab/model").hub is not None and catalog.resolve_name("lab/model") == "lab/model"
    (tmp_path / "lab" / "model").mkdir(parents=True)
    assert catalog.resolve_name("lab/model") == str(tmp_path / "lab" / "model")
    with pytest.raises(UserError, match="holds no model"):
        catalog.locate("lab/model")


def test_an_address_of_the_hub_becomes_a_name():
    assert catalog.resolve_name("https://huggingface.co/lab/model/tree/v1") == "lab/model@v1"


def test_pickled_weights_are_refused(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint("llava"), tmp_path / "pickled")
    state = load_model(folder).module.state_dict()
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="could not be loaded"):
        load_model(folder)


def test_code_that_comes_with_a_model_never_runs(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint("llava"), tmp_path / "code")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "evil.Config", "AutoModelForImageTextToText": "evil.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(UserError, match="could not be loaded"):
        load_model(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("damage", ["truncated weights", "broken config", "no tokenizer"])
def test_damaged_files_give_a_sentence(checkpoint, tmp_path, damage):
    folder = shutil.copytree(checkpoint("llava"), tmp_path / "damaged")
    if damage == "truncated weights":
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:1000])
    elif damage == "broken config":
        (folder / "config.json").write_text("{")
    else:
        for path in folder.glob("tokenizer*"):
            path.unlink()
    with pytest.raises(UserError, match="could not be loaded"):
        load_model(folder)


def test_missing_weights_are_never_made_up(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint("llava"), tmp_path / "missing")
    state = load_file(folder / "model.safetensors")
    save_file(
        {name: value for name, value in state.items() if ".layers.2." not in name}, folder / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(UserError, match="weights are missing.*layers.2"):
        load_model(folder)


def test_the_key_changes_with_weights_template_and_number_format(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint("llava"), tmp_path / "model")
    first = load_model(folder).key
    assert load_model(folder).key == first
    assert load_model(folder, dtype=torch.bfloat16).key != first
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("<|user|>", "<|user|> "))
    second = load_model(folder).key
    assert second != first
    module = load_model(folder).module
    module.lm_head.weight.data += 1
    module.save_pretrained(folder)
    assert load_model(folder).key not in (first, second)


def test_a_model_whose_processor_wants_video_loads_without_torchvision(random_vlm):
    assert type(random_vlm("qwen3_vl").processor).__name__ == "Qwen3VLProcessor"


def test_a_half_installed_torchvision_does_not_take_the_app_down(checkpoint, tmp_path):
    package = tmp_path / "site" / "torchvision"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    program = (
        "import sys; from sn_viz.models import load_model; vlm = load_model(sys.argv[1]);"
        "import numpy as np; from sn_viz.types import Picture;"
        "print(len(vlm.generate([Picture(np.zeros((40, 40, 3), np.uint8))], ['yes?'])))"
    )
    path = os.pathsep.join([str(package.parent), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", program, str(checkpoint("llava"))],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "1" and "Pillow instead" in done.stderr


def test_listing_models_loads_no_torch():
    program = (
        "import sys, sn_viz.models.catalog; from sn_viz.activations.sites import SITES; SITES.names(); "
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
