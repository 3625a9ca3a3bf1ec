"""The endpoints as other programs call them: what may be left out, what comes back and of which type, over HTTP."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client
from PIL import Image
from pydantic import TypeAdapter

from sn_viz.ui import api, page
from sn_viz.ui.server import launch, packs

DOCS = Path(__file__).resolve().parents[2] / "docs" / "programs.md"


@pytest.fixture(scope="module")
def served(checkpoint):
    """The address of a really launched page."""
    patch = pytest.MonkeyPatch()
    patch.setattr(packs.Prefetcher, "want", lambda _, name, arguments: packs.run_key(name, arguments))
    built = page.build(str(checkpoint("llava")))
    _, address, _ = launch.launch(built, prevent_thread_lock=True, quiet=True)
    yield address
    built.close()
    patch.undo()


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with what the examples name: a zip of two classes, and a picture."""
    folder, rng = tmp_path_factory.mktemp("desk"), np.random.default_rng(1)
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        for i in range(12):
            Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(folder / "new.png")
            archive.write(folder / "new.png", f"{('no', 'yes')[i % 2]}/{i}.png")
    return folder


@pytest.fixture(scope="module")
def answers(served, desk, tmp_path_factory):
    """The names that the examples of the documentation have made, run in their order."""
    names = {}
    patch = pytest.MonkeyPatch()
    patch.chdir(desk)
    for code in re.findall(r"```python\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL):
        exec(code.replace("http://127.0.0.1:7860", served), names)
    patch.undo()
    return names


def test_the_examples_of_the_documentation_run_and_what_they_return_is_of_its_type(answers):
    kinds = {"sets": "packs", "found": "find", "said": "predict", "neuron": "neuron", "race": "exit_race", "opened": "open"}
    for name, endpoint in kinds.items():
        TypeAdapter(api.RESULTS[endpoint]).validate_python(answers[name])
    assert answers["said"]["label"] in answers["found"]["classes"]
    assert answers["opened"]["classes"] == answers["found"]["classes"] and answers["opened"]["run"] != answers["found"]["run"]


def test_a_pack_needs_nothing_but_its_name(served):
    found = Client(served, verbose=False).predict(pack="presence-dog", api_name="/find")
    assert found["run"].startswith("pack.presence-dog") and found["n_test"] == 200


def test_clients_are_told_what_may_be_left_out_and_what_comes_back(served):
    told = Client(served, verbose=False).view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(told) == {f"/{name}" for name in api.RESULTS}
    left_out = {
        name: {p["parameter_name"] for p in info["parameters"] if p["parameter_has_default"]} for name, info in told.items()
    }
    assert left_out["/find"] == {"pack", "data", "question", "model", "voters", "seed", "answers"}
    assert left_out["/predict"] == left_out["/exit_race"] == {"question", "exit_layer"}
    assert "label" in str(told["/predict"]["returns"][0]["python_type"])
    documented = DOCS.read_text("utf-8")
    assert not [name for name in told if f"`{name}`" not in documented]
    assert not [
        p["parameter_name"] for info in told.values() for p in info["parameters"] if f"`{p['parameter_name']}`" not in documented
    ]


def test_without_the_package_tools_are_refused_in_a_sentence(monkeypatch, checkpoint):
    from sn_viz.errors import UserError

    monkeypatch.setattr(launch.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install .sn-viz\[mcp\]"):
        launch.launch(page.build(str(checkpoint("llava"))), mcp=True, prevent_thread_lock=True, quiet=True)


def test_the_routes_of_the_tools_are_closed_unless_asked_for(served):
    import httpx

    assert httpx.get(f"{served.rstrip('/')}/gradio_api/mcp/schema").status_code == 404
