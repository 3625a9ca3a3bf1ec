"""Data sets of the hub through the real client, against a stand-in on this machine."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import subprocess
import sys

import datasets
import pyarrow as pa
import pyarrow.parquet as parquet_files
import pytest
from hub_server import COMMIT, hub_with
from image_files import picture, png

from sn_viz.errors import UserError
from sn_viz.sources import load_images
from sn_viz.sources.hub import IMAGES, Reference, pinned
from sn_viz.sources.ingest import as_picture

READ = """
import json, sys
from sn_viz.errors import UserError
from sn_viz.sources import load_images
told = []
for text, columns in json.load(sys.stdin):
    try:
        images = load_images(text, columns=columns)
        told.append([list(images.classes), len(images), [p.sha256 for p in images.pictures], list(images.notes)])
    except UserError as error:
        told.append(str(error))
print(json.dumps(told))
"""


def parquet(first: int, n: int = 8, bare: bool = False, **more) -> bytes:
    """Return a Parquet file with ``n`` pictures; -1 for every label where it is ``bare``, as the hub's own test splits have it."""
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    rows = {"image": [picture(first + i) for i in range(n)], "label": [-1 if bare else i % 2 for i in range(n)]}
    for name in more:
        features[name], rows[name] = datasets.ClassLabel(names=["x", "y"]), [i // 4 % 2 for i in range(n)]
    buffer = io.BytesIO()
    datasets.Dataset.from_dict(rows, features=datasets.Features(features)).to_parquet(buffer)
    return buffer.getvalue()


def read(address: str, *asked: tuple[str, dict | None]) -> list:
    """Return what a process of its own reads: the client looks for the hub's address when it is imported."""
    on = {"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "0", "HF_DATASETS_OFFLINE": "0"}
    environment = os.environ | on | {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_TOKEN": "hf_secret"}
    done = subprocess.run(
        [sys.executable, "-c", READ], input=json.dumps(asked), env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert "hf_secret" not in done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.long
def test_configuration_split_and_commit_are_read_and_said(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    readme = """---
configs:
- config_name: big
  data_files:
  - {split: train, path: big/train-*}
  - {split: test, path: big/test-*}
- config_name: small
  data_files:
  - {split: validation, path: small/validation-*}
---
"""
    files = {
        "README.md": readme.encode(),
        "big/train-00000-of-00001.parquet": parquet(0, coarse=True),
        "big/test-00000-of-00001.parquet": parquet(20, coarse=True),
        "small/validation-00000-of-00001.parquet": parquet(40),
    }
    name = "hub:someone/pets"
    parts = ("big/train", "big/test", "small/validation", "big/nothing", "huge/train")
    asked = [(f"{name}:{part}", None) for part in parts] + [(f"{name}@main:big/test", {"label": "coarse"})]
    with hub_with("someone/pets", files) as (address, paths):
        train, test, small, no_split, no_config, coarse, several, nobody = read(
            address, *asked, (name, None), ("hub:someone/else", None)
        )
    for images, first in ((train, 0), (test, 20), (small, 40)):
        classes, n, hashes, notes = images
        assert n == 8 and classes == ["cat", "dog"]
        assert set(hashes) == {as_picture(png(first + i)).sha256 for i in range(8)}
        assert f"at commit {COMMIT}" in notes[0] and f"up to {IMAGES} rows" in notes[0]
    assert "split 'train'" in train[3][0] and "There are also the splits 'test'." in train[3][0]
    assert coarse[0] == ["x", "y"]
    assert "several configurations" in several and "'big', 'small'" in several and "hub:someone/pets:CONFIG/SPLIT" in several
    assert "no split 'nothing'" in no_split and "'train', 'test'" in no_split
    assert "no configuration 'huge'" in no_config and "The hub has no such data set, or it is private" in nobody
    assert all("/resolve/main" not in path for path in paths), "only the commit is read"


@pytest.mark.long
def test_a_row_that_names_a_file_of_this_machine_opens_nothing(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    (tmp_path / "secret.png").write_bytes(png(1))
    rows = {
        "image": [{"bytes": None, "path": str(tmp_path / "secret.png")}] * 2
        + [{"bytes": png(i), "path": None} for i in range(2, 8)]
    }
    features = datasets.Features({"image": datasets.Image(decode=False), "label": datasets.Value("string")})
    buffer = io.BytesIO()
    datasets.Dataset.from_dict(rows | {"label": list("abababab")}, features=features).to_parquet(buffer)
    with hub_with("someone/trap", {"train.parquet": buffer.getvalue()}) as (address, _):
        (images,) = read(address, ("hub:someone/trap", None))
    assert images[1] == 6 and "2 files left out" in " ".join(images[3])


def test_without_a_route_it_answers_soon(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    (said,) = read("http://127.0.0.1:9", ("hub:someone/pets", None))
    assert "The hub did not answer" in said and "sample pack" in said


def test_references_that_are_none(tmp_path, monkeypatch) -> None:
    for text in ("hub:", "hub:../../etc", "hub:csv", "hub:a/b/c", "hub:https://x/y", "hub:a/b:", "hub:a/b:c/d/e", "hub:a/b@"):
        with pytest.raises(UserError, match="OWNER/NAME"):
            Reference.of(text)
    assert Reference.of("hub:a/b@refs/pr/3:c/test") == Reference("hub:a/b@refs/pr/3:c/test", "a/b", "refs/pr/3", "c", "test")
    assert Reference.of("hub:a/b:test").split == "test"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(UserError, match="also a folder a/b"):
        load_images("hub:a/b")


def test_without_its_package_it_says_how_to_get_it(monkeypatch) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "datasets" else there(name, *more))
    with pytest.raises(UserError, match="'datasets' is not installed.*pip install datasets"):
        load_images("hub:a/b")


@pytest.mark.long
def test_of_a_test_split_without_labels_the_validation_split_is_read(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    parts = {"train": parquet(0), "validation": parquet(20), "test": parquet(40, bare=True)}
    files = {f"data/{split}-00000-of-00001.parquet": data for split, data in parts.items()}
    with hub_with("someone/bare", files) as (address, _):
        test, validation = read(address, ("hub:someone/bare:test", None), ("hub:someone/bare:validation", None))
    assert test[2] == validation[2] and test[1] == 8
    assert "Its test split has no labels, so 'validation' was read instead." in test[3][0] and "no labels" not in validation[3][0]
    assert pinned(test[3]) == [f"hub:someone/bare@{COMMIT}:default/validation"]


@pytest.mark.long
def test_a_set_that_inflates_without_end_costs_this_process_nothing(tmp_path, monkeypatch) -> None:
    bomb = io.BytesIO()
    huge = pa.DictionaryArray.from_arrays(pa.array([0] * 40, pa.int32()), pa.array([bytes(100 << 20)]))
    parquet_files.write_table(pa.table({"image": huge, "label": ["a", "b"] * 20}), bomb, compression="zstd", store_schema=False)
    assert len(bomb.getvalue()) < 1 << 20
    monkeypatch.setattr("sn_viz.sources.hub.WORKER_BYTES", 2048 << 20)
    with hub_with("someone/bomb", {"train.parquet": bomb.getvalue()}) as (address, _):
        for name, value in (("HF_HOME", str(tmp_path)), ("HF_ENDPOINT", address), ("HF_HUB_OFFLINE", "0")):
            monkeypatch.setenv(name, value)
        with pytest.raises(
            UserError, match="'hub:someone/bomb' was not read. What it holds is damaged, or needs more than 2048 MiB"
        ):
            load_images("hub:someone/bomb")


@pytest.mark.long
def test_what_the_hub_refuses_has_a_sentence_of_its_own(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    plain = io.BytesIO()
    datasets.Dataset.from_dict({"image": [png(i) for i in range(8)], "caption": list("abababab")}).to_parquet(plain)
    with hub_with("someone/plain", {"train.parquet": plain.getvalue()}) as (address, _):
        no_label, revision = read(address, ("hub:someone/plain", None), ("hub:someone/plain@v9", None))
    assert "is called label or class. There are: 'image', 'caption'" in no_label
    assert "someone/plain has no branch, tag or commit 'v9'" in revision
    with hub_with("someone/code", {"code.py": b"raise SystemExit", "notes.txt.gpg": b"x"}) as (address, _):
        (code,) = read(address, ("hub:someone/code", None))
    assert "without running its code" in code
    with hub_with("someone/shut", {}, gated=True) as (address, _):
        (gated,) = read(address, ("hub:someone/shut", None))
    assert "It is gated" in gated and "HF_TOKEN" in gated


@pytest.mark.long
def test_a_split_with_other_columns_is_read_or_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    other = io.BytesIO()
    rows = {"image": [picture(20 + i) for i in range(8)], "kind": ["a", "b"] * 4}
    features = datasets.Features({"image": datasets.Image(), "kind": datasets.Value("string")})
    datasets.Dataset.from_dict(rows, features=features).to_parquet(other)
    files = {"data/train-00000-of-00001.parquet": parquet(0), "data/test-00000-of-00001.parquet": other.getvalue()}
    with hub_with("someone/mixed", files) as (address, _):
        train, test = read(address, ("hub:someone/mixed:train", None), ("hub:someone/mixed:test", None))
    assert train[1] == 8 and "The hub gives no licence." in train[3][0]
    assert isinstance(test, str) and "The split 'test' has other columns" in test, test
