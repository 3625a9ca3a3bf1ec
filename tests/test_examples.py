"""The examples run as they stand and say what they promise."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SAID = {
    "find_on_your_folder.py": "The model may stop after",
    "plug_in_a_model.py": "LlavaForConditionalGeneration: 12 decoder blocks",
    "on_any_activations.py": "best neurons [7, 70, 700]",
}


def test_every_example_is_run_here():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SAID)


@pytest.mark.parametrize("name", SAID)
def test_an_example_runs(name, tmp_path):
    settings = os.environ | {"PYTHONPATH": str(EXAMPLES.parent), "SN_VIZ_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, EXAMPLES / name], cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert SAID[name] in done.stdout


def test_the_cells_of_the_notebook_run_in_order(tmp_path):
    cells = json.loads((EXAMPLES / "super_neurons.ipynb").read_text("utf-8"))["cells"]
    code = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    settings = os.environ | {"PYTHONPATH": str(EXAMPLES.parent), "SN_VIZ_CACHE": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "stop after  10" in done.stdout and "Prediction(label=" in done.stdout
