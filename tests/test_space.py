"""What a Hugging Face Space is told by the README, and that the page starts as there."""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
from pathlib import Path

import pytest
from gradio_client import Client
from hub_stand_in import serving
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))

import space  # noqa: E402

SETTINGS = space.front_matter((ROOT / "README.md").read_text("utf-8"))
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


def lines(name: str) -> dict[str, Requirement]:
    texts = [line.split("#")[0].strip() for line in (ROOT / name).read_text("utf-8").splitlines()]
    return {each.name: each for each in (Requirement(text) for text in texts if text and not text.startswith("-"))}


def test_the_front_matter_says_what_a_space_needs():
    assert SETTINGS["sdk"] == "gradio" and (ROOT / SETTINGS["app_file"]).is_file()
    assert {SETTINGS["colorFrom"], SETTINGS["colorTo"]} <= COLOURS
    assert len(SETTINGS["short_description"]) <= 60, "the hub refuses a longer one"
    assert SETTINGS["suggested_hardware"] == "cpu-basic" and SETTINGS["license"] == "mit"


def test_the_spaces_gradio_is_the_one_that_is_tested_and_its_python_one_that_is_allowed():
    (exact,) = lines("constraints.txt")["gradio"].specifier
    assert SETTINGS["sdk_version"] == exact.version
    assert lines("requirements.txt")["gradio"].specifier.contains(SETTINGS["sdk_version"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert SpecifierSet(project["requires-python"]).contains(f"{SETTINGS['python_version']}.0")


def test_what_pip_is_asked_for_names_the_front_matters_versions():
    assert space.wanted({"sdk_version": "6.1.0"}) == ["-r", "requirements.txt", "gradio[oauth,mcp]==6.1.0", "spaces"]


def test_a_readme_without_front_matter_is_told():
    with pytest.raises(SystemExit, match="does not begin with the settings"):
        space.front_matter("# sn_viz\n")
    assert space.front_matter('---\ntitle: A: b\npython_version: "3.12"\ntags:\n  - one\n---\nx: y\n') == {
        "title": "A: b",
        "python_version": "3.12",
    }


@pytest.fixture()
def files(tmp_path) -> Path:
    """A folder with what a Space gets."""
    return space.tracked_files(tmp_path / "app")


@pytest.mark.long
def test_the_page_starts_as_a_space_starts_it_and_answers_visitors(files):
    assert not (files / ".git").exists() and (files / "assets/tiny-llava/config.json").is_file()
    port = space.free_port()
    with space.space(sys.executable, SETTINGS, files, port) as address:
        facts = space.look(address, SETTINGS)
        assert facts["title"] == "Super neurons"
        assert {"name", "question"} <= Client(address, verbose=False).predict(api_name="/packs")[0].keys()


@pytest.mark.long
def test_a_space_of_ones_own_needs_three_settings(files, tmp_path):
    """A gated model as the default, another beside it, and the token that opens the first, which visitors never see."""
    models = files / "assets"
    with serving() as hub:
        hub.token = "hf_secret_of_the_operator"
        hub.add("lab/own", shutil.copytree(models / "tiny-llava", tmp_path / "own")).gated = "manual"
        hub.add("lab/other", shutil.copytree(models / "tiny-gemma3", tmp_path / "other"))
        told = {"SN_VIZ_MODEL": "lab/own", "SN_VIZ_MODELS": "lab/other", "HF_TOKEN": hub.token}
        network = {"HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "hub")}
        with space.space(sys.executable, SETTINGS, files, space.free_port(), **told, **network) as address:
            page = space.ask(address, "/config")
            client = Client(address, verbose=False)
            own = client.predict("presence-dog", None, "", "", 10, 0, "", api_name="/find")
        log = (tmp_path / "log.txt").read_text("utf-8")
    assert own["model"] == "lab/own" and own["run"]
    assert "lab/other" in page and "tiny-photo" in page
    assert hub.token not in page + json.dumps(own) + log
