"""The shortcut runs where this package is not, and says what the run says about every test picture."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from sn_viz import find
from sn_viz.errors import UserError
from sn_viz.export.shortcut import shortcut_facts

WITHOUT_US = """
import runpy, sys
sys.modules["sn_viz"] = None  # every import of it fails
try:
    import sn_viz
except ImportError:
    pass
else:
    raise SystemExit("sn_viz can be imported here")
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module", params=["tiny-llava", pytest.param("tiny-photo", marks=pytest.mark.long)])
def taken(request, tmp_path_factory):
    """A run on a sample pack, and the folder of its shortcut."""
    run = find("pack:presence-dog", model=request.param, compare="none", device="cpu")
    return run, run.export_shortcut(tmp_path_factory.mktemp("taken") / "shortcut")


@pytest.fixture
def dog_run():
    return find("pack:presence-dog", model="tiny-llava", compare="none", device="cpu")


def labels_said(folder, files):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", WITHOUT_US, str(folder / "run.py"), *map(str, files)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line)["label"] for line in done.stdout.splitlines()]


def png_files(pictures, folder):
    from PIL import Image

    files = [folder / f"{i}.png" for i in range(len(pictures))]
    for file, picture in zip(files, pictures, strict=True):
        Image.fromarray(picture.pixels).save(file)
    return files


def test_it_labels_every_test_picture_as_the_run_does_where_sn_viz_cannot_be_imported(taken, tmp_path):
    run, folder = taken
    said = labels_said(folder, png_files(run.test.pictures, tmp_path))
    assert len(said) == 200
    assert said == [one.label for one in run.predict(run.test)]


def test_its_program_names_nothing_of_this_package_and_its_folder_nothing_of_this_machine(taken):
    _, folder = taken
    assert "sn_viz" not in (folder / "run.py").read_text()
    texts = [path.read_text() for path in folder.iterdir() if path.suffix in (".json", ".md", ".py", ".jinja")]
    assert not any(str(folder.parent) in text or "/work/" in text or "assets" in text for text in texts)


def test_it_keeps_the_blocks_up_to_the_deepest_voter_and_no_head(taken):
    from safetensors import safe_open

    run, folder = taken
    facts = shortcut_facts(folder)
    deepest = int(run.neurons.layer[run.voters[run.exit_index].neuron].max())
    with safe_open(folder / "model.safetensors", "np") as weights:
        names = list(weights.keys())
    blocks = {int(found[1]) for name in names if (found := re.search(r"language_model\..*layers\.(\d+)\.", name))}
    assert blocks == set(range(deepest)) and facts["blocks"] == {"kept": deepest, "of": run.neurons.n_layers}
    assert not any("lm_head" in name for name in names)


def test_it_says_its_size_and_speed_before_and_after(taken):
    _, folder = taken
    facts = shortcut_facts(folder)
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    assert facts["weights_bytes"]["after"] == size < facts["weights_bytes"]["before"]
    assert all(facts["milliseconds"][name] > 0 for name in ("full_answer", "first_token", "shortcut"))
    assert f"{size:,}" in (folder / "README.md").read_text()


@pytest.mark.long
def test_a_question_of_each_picture_s_own_is_put_into_the_prompt(tmp_path):
    run = find("pack:presence-any", model="tiny-llava", compare="none", device="cpu")
    facts = shortcut_facts(run.export_shortcut(tmp_path / "shortcut"))  # it labels every test picture before it is left there
    assert facts["agreement"] == {"pictures": 200, "agree": 200, "with": "the run's own labels", "held_out": True}


def test_voters_at_a_site_that_is_computed_are_refused_in_a_sentence(tmp_path):
    run = find("pack:presence-dog", model="tiny-llava", compare="none", sites="attention-entropy", device="cpu")
    with pytest.raises(UserError, match="voters at the site 'attention-entropy'"):
        run.export_shortcut(tmp_path / "shortcut")
    assert not (tmp_path / "shortcut").exists()


def test_one_that_would_not_agree_is_not_left_behind(dog_run, tmp_path, monkeypatch):
    import sn_viz.export.shortcut as shortcut

    voters = tuple(replace(one, threshold=one.threshold + np.float32(0.5)) for one in dog_run.voters)
    facts = shortcut._facts
    monkeypatch.setattr(shortcut, "_facts", lambda run, layer, chosen, vlm: facts(run, layer, voters[run.exit_index], vlm))
    with pytest.raises(UserError, match=r"differ from the run's on \d+ of 200 pictures"):
        dog_run.export_shortcut(tmp_path / "shortcut")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_left_as_it_is(dog_run, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        dog_run.export_shortcut(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.long
def test_every_exit_of_a_run_over_the_tower_too_has_a_shortcut(tmp_path):
    run = find("pack:presence-dog", model="tiny-llava", compare="none", sites="all,tower", device="cpu")
    for layer in (run.neurons.layers.start, 0, 1):
        facts = shortcut_facts(run.export_shortcut(tmp_path / f"at{layer}", layer))
        assert facts["blocks"]["kept"] == 1
