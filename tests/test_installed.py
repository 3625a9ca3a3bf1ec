"""The wheel works without the checkout: built, unpacked elsewhere and run from another folder."""

import os
import re
import subprocess
import sys
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

import sn_viz

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    building = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT)]
    done = subprocess.run(building, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Return a folder that holds the package and nothing else of the project."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run_from(folder: Path, installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    settings = {k: v for k, v in os.environ.items() if not k.startswith("SN_VIZ")}
    settings |= {"PYTHONPATH": str(installed), "XDG_CACHE_HOME": str(folder / "user-cache"), "HOME": str(folder)}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=settings,
        capture_output=True,
        text=True,
        timeout=400,
        stdin=subprocess.DEVNULL,
    )


def test_the_wheel_holds_models_scripts_and_types(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for needed in (
        "py.typed",
        "assets/page/page.js",
        "assets/page/style.css",
        "assets/tiny-llava/config.json",
        "assets/tiny-gemma3/config.json",
        "assets/tiny-photo/config.json",
        "assets/tiny-photo/LICENSE",
        "report/templates/page.html",
        "report/templates/parts.html",
        "report/templates/page.css",
        "report/templates/draw.js",
    ):
        assert f"sn_viz/{needed}" in names
    assert not [name for name in names if not re.match(r"sn_viz/|sn_viz-[^/]+\.dist-info/", name)], "nothing beside the package"


def test_there_is_one_version_and_one_list_of_requirements(installed):
    described = message_from_string(next(installed.glob("*.dist-info/METADATA")).read_text("utf-8"))
    assert described["Version"] == sn_viz.__version__
    needed = {re.split(r"[<>=!~;\s\[]", line)[0] for line in described.get_all("Requires-Dist", []) if "extra ==" not in line}
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    listed = {re.split(r"[<>=!~;\s\[]", line)[0] for line in lines if line.strip() and not line.startswith("#")}
    assert needed == listed


def test_what_is_installed_finds_its_model_and_keeps_its_cache_with_the_user(installed, tmp_path):
    code = (
        "import sn_viz, sn_viz.paths as p; print(sn_viz.__file__, p.CHECKOUT, (p.ASSETS / 'tiny-llava').is_dir(), p.cache_folder())"
    )
    done = run_from(tmp_path, installed, "-c", code)
    assert done.returncode == 0, done.stderr
    where, checkout, there, cache = done.stdout.split()
    assert where.startswith(str(installed)) and (checkout, there) == ("None", "True")
    assert cache.startswith(str(tmp_path)) and "sn_viz" in cache


def test_find_runs_from_another_folder_and_its_report_is_written(installed, tmp_path):
    find = ("-m", "sn_viz", "find", "pack:presence-dog", "--compare", "none", "--out", "dog", "--json", "-")
    done = run_from(tmp_path, installed, *find)
    assert done.returncode == 0, done.stderr
    assert '"super_neurons"' in done.stdout
    done = run_from(tmp_path, installed, "-m", "sn_viz", "report", "dog", "-o", "dog.html")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "dog.html").read_text(encoding="utf-8")
    assert "Is there a dog" in page and page.rstrip().endswith("</html>")
