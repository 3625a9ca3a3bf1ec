"""The script and the notebook repeat a run: the same neurons, bit for bit, from the same pictures by their content."""

import ast
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sn_viz import find
from sn_viz.cli.main import main
from sn_viz.errors import UserError
from sn_viz.export.repeat import facts_text, notebook, script
from sn_viz.run import Run
from sn_viz.sources.pack import load_pack
from sn_viz.storage.run_arrays import arrays_of

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = '"""\n# %%\nimport os; os.system("false")\n</script> {x} \\ \ud800 🐶'


@pytest.fixture(scope="module")
def pack_run():
    return find("pack:presence-dog", model="tiny-llava", compare="none", seed=3, voters=7, device="cpu")


@pytest.fixture(scope="module")
def own_run(tmp_path_factory):
    """A run on people's own pictures, and the folder that they lie in, one class a folder."""
    folder = tmp_path_factory.mktemp("own")
    images, _ = load_pack("presence-dog", n_train=24, n_test=2, seed=5)
    for name, picture, label in zip(images.names, images.pictures, images.labels, strict=True):
        (folder / images.classes[label]).mkdir(exist_ok=True)
        Image.fromarray(picture.pixels).save(folder / images.classes[label] / f"{Path(name).stem}.png")
    run = find(folder, "Is there a dog?", "tiny-llava", compare="none", seed=1, device="cpu")
    return run, folder


def done_by(command, folder):
    settings = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *command], cwd=folder, env=settings, capture_output=True, text=True, timeout=600)


def same_arrays(one, other):
    ours, theirs = arrays_of(one), arrays_of(other)
    return ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name], equal_nan=True) for name in ours)


@pytest.mark.long
def test_the_script_of_a_pack_finds_the_same_neurons_bit_for_bit(pack_run, tmp_path):
    pack_run.save(tmp_path / "run")
    assert main(["export", str(tmp_path / "run"), "--script", str(tmp_path / "again.py")]) == 0
    done = done_by(["again.py", "--out", "again"], tmp_path)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
    assert done.stdout.startswith("The same neurons, bit for bit.")
    assert same_arrays(Run.load(tmp_path / "again"), pack_run)


@pytest.mark.long
def test_the_script_of_own_pictures_takes_their_folder_and_finds_them_by_content(own_run, tmp_path):
    run, folder = own_run
    moved = tmp_path / "moved"
    moved.mkdir()
    for number, file in enumerate(sorted(folder.rglob("*.png"))):
        (moved / f"{number}.png").write_bytes(file.read_bytes())
    (tmp_path / "again.py").write_text(script(run))
    assert str(folder) not in script(run)
    done = done_by(["again.py", "moved", "--out", "again"], tmp_path)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
    assert same_arrays(Run.load(tmp_path / "again"), run)


def test_a_picture_that_was_changed_is_told_by_name_and_nothing_is_run(own_run, tmp_path):
    run, folder = own_run
    changed = tmp_path / "changed"
    changed.mkdir()
    for number, file in enumerate(sorted(folder.rglob("*.png"))):
        (changed / f"{number}.png").write_bytes(file.read_bytes())
    Image.new("RGB", (40, 40)).save(changed / "0.png")
    (tmp_path / "again.py").write_text(script(run))
    done = done_by(["again.py", "changed"], tmp_path)
    assert done.returncode == 1 and "1 of 12 pictures are not there, or not as they were; the first is" in done.stderr


def test_without_a_folder_own_pictures_are_asked_for(own_run, tmp_path):
    (tmp_path / "again.py").write_text(script(own_run[0]))
    done = done_by(["again.py"], tmp_path)
    assert done.returncode == 1 and "Name the folder, archive or table" in done.stderr


@pytest.mark.long
def test_the_cells_of_the_notebook_run_in_order(pack_run, tmp_path):
    pack_run.export_notebook(tmp_path / "again.ipynb")
    cells = json.loads((tmp_path / "again.ipynb").read_text("utf-8"))["cells"]
    assert [cell["cell_type"] for cell in cells].count("markdown") == 1
    (tmp_path / "cells.py").write_text("\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"))
    done = done_by(["cells.py"], tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("The same neurons, bit for bit.") and "of 200 test pictures" in done.stdout


def test_texts_of_a_run_are_literals_and_never_code(pack_run):
    names = (HOSTILE, *pack_run.train.names[1:])
    classes = ("no", HOSTILE)
    bad = replace(pack_run, train=replace(pack_run.train, names=names, classes=classes, questions=(HOSTILE,) * len(names)))
    for text in (
        script(bad),
        "\n".join("".join(c["source"]) for c in json.loads(notebook(bad))["cells"] if c["cell_type"] == "code"),
    ):
        calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        assert "os.system" not in calls
    assert all(isinstance(node, ast.Assign) and ast.literal_eval(node.value) is not ... for node in ast.parse(facts_text(bad)).body)


def test_a_data_set_of_the_hub_is_read_again_at_its_commit(pack_run):
    from sn_viz.pipeline import _data_told

    said = f"'hub:o/n' was read at commit {'a' * 40}, configuration 'c', split 'train': up to 400 rows of a shuffle. 'mit'."
    told = _data_told("hub:o/n", None, {"label": "kind"}, ["another note", said])
    assert told == {"sources": [f"hub:o/n@{'a' * 40}:c/train"], "columns": {"label": "kind"}}
    assert _data_told("/home/me/photos", None, None, []) == {"sources": []}
    facts = facts_text(replace(pack_run, findings={"data": told}))
    assert f"SOURCES = ['hub:o/n@{'a' * 40}:c/train']" in facts and "COLUMNS = {'label': 'kind'}" in facts


def test_an_existing_file_is_not_written_over(pack_run, tmp_path):
    (tmp_path / "again.py").write_text("mine")
    with pytest.raises(UserError, match="There is something of that name"):
        pack_run.export_script(tmp_path / "again.py")
    assert (tmp_path / "again.py").read_text() == "mine"
