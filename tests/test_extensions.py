"""One file is one extension: the examples of CONTRIBUTING.md, in a copy of the package, at the prompt, in page and report."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = re.findall(r"```python\n# (sn_viz/\S+\.py)\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)
pytestmark = pytest.mark.long

PAGE = """
import json
import gradio as gr
from sn_viz.ui.page import build
found = {}
for each in build().config["components"]:
    name = each["props"].get("elem_id")
    if name:
        found[name] = each["props"].get("choices") or each["props"].get("label") or True
print("PAGE" + json.dumps(found))
"""
FAMILY = """
from sn_viz.models.families import FAMILIES
print(FAMILIES["fuyu"](None, ["Is it a dog?"])[0])
"""


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """Return ``run(*arguments)``: Python with a copy of the package that holds every example."""
    place = tmp_path_factory.mktemp("extended")
    shutil.copytree(ROOT / "sn_viz", place / "sn_viz", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "assets", place / "sn_viz" / "assets")
    for path, code in EXAMPLES:
        assert not (place / path).exists(), f"{path} is no new file"
        (place / path).write_text(code, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(place), "SN_VIZ_CACHE": str(place / "cache"), "HF_HUB_OFFLINE": "1"}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], capture_output=True, text=True, timeout=400, env=environment, cwd=place, encoding="utf-8"
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    run.place = place  # type: ignore[attr-defined]
    return run


@pytest.fixture(scope="module")
def found(extended):
    """A run made with the rule, the weighting, the site, the source, the method and the engine of the examples."""
    rng = np.random.default_rng(0)
    side = np.arange(40) % 2
    pixels = np.clip(rng.normal((60, 200), 20, (64, 64, 3, 40, 2)), 0, 255).astype(np.uint8)
    images = np.stack([pixels[..., i, one] for i, one in enumerate(side)])
    np.savez(extended.place / "shades.npz", pixels=images, labels=np.array(["dark", "light"])[side])
    said = extended(
        *("-m", "sn_viz", "find", "shades.npz", "--question", "Is it light?", "--rule", "median", "--weighting", "excess"),
        *("--sites", "all,mlp-input", "--compare", "nearest-centroid", "--engine", "calm", "--out", "run", "--json", "-"),
    )
    return json.loads(said)


def test_there_is_an_example_of_every_kind():
    folders = [str(Path(path).parent) for path, _ in EXAMPLES]
    kinds = "search/rules voting/weightings activations/sites sources baselines checks plots bench models/families engines"
    assert folders == [f"sn_viz/{kind}" for kind in kinds.split()]


def test_the_command_line_finds_with_them(found):
    assert found["accuracy"]["super_neurons"]["value"] == 1.0 and found["n_test"] == 20
    assert found["accuracy"]["nearest_centroid"]["n"] == 20


def test_a_run_remembers_what_its_engine_told(extended, found):
    code = "from sn_viz.run import Run; print(Run.load('run').findings['engine']['sentence'])"
    assert extended("-c", code).strip() == "Run behind everything else on the machine."


def test_a_check_is_asked_and_stands_in_the_report_with_the_figure(extended, found):
    said = json.loads(extended("-m", "sn_viz", "check", "run", "--what", "mirrored", "--json", "-"))
    assert "In a mirror" in said["mirrored"]["sentence"]
    extended("-m", "sn_viz", "report", "run", "-o", "report.html")
    page = (extended.place / "report.html").read_text(encoding="utf-8")
    assert "Where the voters live" in page and "Nearest centroid" in page and said["mirrored"]["sentence"][:40] in page


def test_a_benchmark_has_a_command_with_help(extended):
    assert "name a picture by its content" in " ".join(extended("-m", "sn_viz", "bench", "--help").replace("│", " ").split())
    (row,) = json.loads(extended("-m", "sn_viz", "bench", "digests", "--quick", "--json", "-"))["rows"]
    assert row["name"] == "digest of a picture" and row["measured"] > 0


def test_the_page_offers_them(extended):
    page = json.loads(extended("-c", PAGE).split("PAGE")[1])
    for widget, name in {"rule": "median", "weighting": "excess", "sites": "mlp-input", "compare-with": "nearest-centroid"}.items():
        assert name in [value for _, value in page[widget]]
    assert "fig-voter-layers" in page
    assert any("mirrored" in json.dumps(value) for value in page.values())


def test_a_family_writes_its_prompt(extended):
    assert extended("-c", FAMILY).strip() == "Is it a dog?"
