"""The command line with a model of the hub: fetched, named by its commit in the run, and found again without a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub_stand_in import EMBEDDED, nothing_listens, serving

from sn_viz.paths import ASSETS

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "hf_thisIsTheTokenOfTheOperator"


def sn_viz(home: Path, hub: str, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    settings = {"HF_ENDPOINT": hub, "HF_HOME": str(home / "hf"), "SN_VIZ_CACHE": str(home / "cache"), "HF_TOKEN": TOKEN}
    environment = {name: value for name, value in os.environ.items() if name not in ("HF_HUB_OFFLINE", "HF_HUB_CACHE")}
    done = subprocess.run(
        [sys.executable, "-m", "sn_viz", *arguments],
        env={**environment, **settings},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == status, done.stderr
    assert TOKEN not in done.stdout + done.stderr
    return done


@pytest.mark.long
def test_a_run_keeps_the_commit_and_is_used_without_a_network(tmp_path):
    with serving() as hub:
        repository = hub.add(EMBEDDED, ASSETS / "tiny-llava")
        repository.gated, hub.token = "auto", TOKEN
        address = f"{hub.address}/{EMBEDDED}/tree/main"
        found = sn_viz(
            tmp_path,
            hub.address,
            "find",
            "pack:presence-dog",
            "--model",
            address,
            "--compare",
            "none",
            "--json",
            "-",
            "--out",
            str(tmp_path / "run"),
        )
        senders = {headers.get("authorization") for _, path, headers in hub.requests if EMBEDDED in path}
        assert senders == {f"Bearer {TOKEN}"}
    commit = repository.branches["main"]
    assert json.loads(found.stdout)["model"] == f"{EMBEDDED}@{commit}"
    assert "13.7 MB with safetensors weights; gated, with your token" in found.stderr
    by_folder = sn_viz(tmp_path, "", "find", "pack:presence-dog", "--model", "tiny-llava", "--compare", "none", "--json", "-")
    assert json.loads(by_folder.stdout)["neurons"] == json.loads(found.stdout)["neurons"]
    for path in (tmp_path / "run").rglob("*"):
        assert not path.is_file() or (TOKEN.encode() not in path.read_bytes() and str(tmp_path).encode() not in path.read_bytes())

    picture = next((tmp_path / "run" / "pictures").iterdir())
    away = nothing_listens()
    labelled = sn_viz(tmp_path, away, "predict", str(tmp_path / "run"), str(picture), "--json", "-")
    assert json.loads(labelled.stdout)["label"]
    again = sn_viz(tmp_path, away, "find", "pack:presence-dog", "--model", EMBEDDED, "--compare", "none", "--json", "-")
    assert "the hub was not asked" in json.loads(again.stdout)["findings"]["model"]["note"]
    listed = json.loads(sn_viz(tmp_path, away, "models", "--json", "-").stdout)
    assert [row["here"] for row in listed if row["hub_id"]] == [False] * 7
    assert "The hub did not answer" in sn_viz(tmp_path, away, "models", "--fetch", EMBEDDED, status=2).stderr
    assert "no such model" not in sn_viz(tmp_path, away, "find", "pack:presence-dog", "--model", "lab/other", status=2).stderr
