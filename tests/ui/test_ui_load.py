"""Twenty visitors at once, over the public endpoints of a real server."""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.load
VISITORS = 20
ROOT = Path(__file__).resolve().parents[2]
MAX_GROWTH_MIB = 700
"""Of the server's memory while twenty visitors are served; it holds their results and the model's working memory."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """(address, process) of a running app."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("load")
    named = {"SN_VIZ_PORT": str(port), "SN_VIZ_CACHE": str(folder / "cache"), "GRADIO_TEMP_DIR": str(folder / "gradio")}
    with open(folder / "log.txt", "w") as log:
        process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env={**os.environ, **named}, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}/"
    for _ in range(600):
        assert process.poll() is None, (folder / "log.txt").read_text()
        try:
            urllib.request.urlopen(address, timeout=10).close()
            break
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.5)
    yield address, process
    process.terminate()
    process.wait(20)


def _zip_of(visitor: int, folder: Path) -> Path:
    """Two classes of this visitor's own: names and pictures that nobody else has."""
    random = np.random.default_rng(visitor)
    path = folder / f"visitor-{visitor}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for label, colour in ((f"warm{visitor}", (200, 60, 40)), (f"cold{visitor}", (40, 70, 210))):
            for i in range(4):
                pixels = np.clip(np.array(colour) + random.normal(0, 30, (32, 32, 3)), 0, 255).astype(np.uint8)
                picture = io.BytesIO()
                Image.fromarray(pixels).save(picture, "PNG")
                archive.writestr(f"{label}/of{visitor}-{i}.png", picture.getvalue())
    return path


def _memory_mib(process: subprocess.Popen) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) // 1024


def _visit(address: str, visitor: int, data: Path) -> dict:
    from gradio_client import Client, handle_file

    client = Client(address, verbose=False, httpx_kwargs={"timeout": 300})
    asked = {"question": "Is it warm?", "model": "tiny-llava", "voters": 5, "seed": 0}  # a model that knows patches of colour
    found = client.predict(pack="", data=handle_file(data), **asked, api_name="/find")
    told = client.predict(run=found["run"], neuron_index=0, api_name="/neuron") if found else {}
    return {"found": found, "neuron": told}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_twenty_visitors_at_once_each_get_their_own_right_result(server, tmp_path):
    address, process = server
    first = _visit(address, 99, _zip_of(99, tmp_path))
    assert first["found"]["n_train"] == 4
    before = _memory_mib(process)
    with ThreadPoolExecutor(VISITORS) as pool:
        visits = list(pool.map(lambda i: _visit(address, i, _zip_of(i, tmp_path)), range(VISITORS)))
    for i, visit in enumerate(visits):
        found = visit["found"]
        assert set(found["classes"]) == {f"warm{i}", f"cold{i}"} and found["n_test"] == 4
        assert found["accuracy"]["super_neurons"]["value"] > 0.5
        names = visit["neuron"]["most_active"] + visit["neuron"]["least_active"]
        assert names and all(re.search(rf"\bof{i}-\d\.png", name) for name in names), names
    assert len({visit["found"]["run"] for visit in visits}) == VISITORS
    assert _memory_mib(process) - before < MAX_GROWTH_MIB
    for i in (0, VISITORS // 2, VISITORS - 1):
        alone = _visit(address, i, _zip_of(i, tmp_path))["found"]
        for told in ("accuracy", "exit_layer", "neurons"):
            assert alone[told] == visits[i]["found"][told], "what a visitor gets does not depend on who else is there"


def test_a_flood_of_one_session_is_refused_in_a_sentence_and_others_are_served(server, tmp_path):
    from gradio_client import Client, handle_file

    address, _ = server
    flooder, data = Client(address, verbose=False, httpx_kwargs={"timeout": 300}), handle_file(_zip_of(50, tmp_path))
    jobs = [
        flooder.submit(pack="", data=data, question=f"Is it warm {i}?", model="", voters=5, seed=0, api_name="/find")
        for i in range(8)
    ]
    other = _visit(address, 51, _zip_of(51, tmp_path))
    assert set(other["found"]["classes"]) == {"warm51", "cold51"}
    said = [str(job.exception(timeout=600) or "") for job in jobs]
    refused = [text for text in said if "You already have 3 jobs here" in text]
    assert 1 <= len(refused) <= 5 and said.count("") == 8 - len(refused)
