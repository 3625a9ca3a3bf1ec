"""``export`` and ``open`` on the command line: what they write and start, and what they refuse."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

import httpx
import pytest

from sn_viz import find
from sn_viz.cli.main import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of a saved run."""
    return find("pack:presence-dog", model="tiny-llava", compare="none", device="cpu").save(tmp_path_factory.mktemp("cli") / "run")


def test_without_a_target_it_says_what_there_is(saved, capsys):
    assert main(["export", str(saved)]) == 2
    assert "--shortcut DIR, --script FILE or --notebook FILE" in capsys.readouterr().err


@pytest.mark.long
def test_a_script_a_notebook_and_a_shortcut_at_once(saved, tmp_path, capsys):
    names = {"--script": "again.py", "--notebook": "again.ipynb", "--shortcut": "short"}
    assert main(["export", str(saved), *(part for name, file in names.items() for part in (name, str(tmp_path / file)))]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "of 12 blocks" in said and "the same labels on all 200 pictures" in said
    assert json.loads((tmp_path / "again.ipynb").read_text("utf-8"))["nbformat"] == 4
    assert {"run.py", "shortcut.json", "README.md", "config.json"} <= {path.name for path in (tmp_path / "short").iterdir()}


def test_an_exit_that_is_none_is_refused(saved, tmp_path, capsys):
    assert main(["export", str(saved), "--shortcut", str(tmp_path / "short"), "--exit-layer", "99"]) == 2
    assert "no exit layer '99'" in capsys.readouterr().err and not (tmp_path / "short").exists()


def test_a_file_that_holds_no_run_is_refused_before_anything_starts(tmp_path, capsys):
    (tmp_path / "run.zip").write_bytes(b"nothing")
    assert main(["open", str(tmp_path / "run.zip")]) == 2
    assert "not a zip archive" in capsys.readouterr().err
    assert main(["open", str(tmp_path)]) == 2
    assert "holds no saved run" in capsys.readouterr().err


@pytest.mark.long
def test_open_serves_the_page_on_the_run_of_a_zip(saved, tmp_path):
    with zipfile.ZipFile(tmp_path / "run.zip", "w") as archive:
        for file in saved.rglob("*"):
            archive.write(file, f"kept/{file.relative_to(saved).as_posix()}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "sn_viz", "open", str(tmp_path / "run.zip"), "--port", str(port), "--no-browser"]
    settings = os.environ | {"SN_VIZ_CACHE": str(tmp_path / "cache"), "GRADIO_TEMP_DIR": str(tmp_path / "uploads")}
    process = subprocess.Popen(command, cwd=ROOT, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        said = shown_by(f"http://127.0.0.1:{port}", process)
    finally:
        process.terminate()
        process.wait(30)
    assert "Is there a dog in the picture?" in said


def shown_by(address, process):
    """Return what the page says when it is opened: the values that its first event sets."""
    from gradio_client import Client

    for _ in range(600):
        assert process.poll() is None, "it ended by itself"
        try:
            urllib.request.urlopen(address, timeout=5).read()
            break
        except OSError:
            time.sleep(0.5)
    client = Client(address, verbose=False)
    opened = next(one["id"] for one in client.config["dependencies"] if one["api_name"] == "open_page")
    asked = {"data": [], "fn_index": opened, "session_hash": "visitor1"}  # as the page asks: the function is not public
    httpx.post(f"{address}/gradio_api/queue/join", json=asked, timeout=60).raise_for_status()
    with httpx.stream("GET", f"{address}/gradio_api/queue/data?session_hash=visitor1", timeout=120) as events:
        return next(line for line in events.iter_lines() if "process_completed" in line)
