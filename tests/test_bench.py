"""The benchmarks run, and their rows hold plain values."""

import json

import numpy as np
import pytest
import torch

from sn_viz.bench import extract, search, speed
from sn_viz.bench.machine import machine, matmul_rate
from sn_viz.search import find_stumps


def test_speed_has_a_row_for_every_way_to_stop_and_every_part(checkpoint, monkeypatch):
    monkeypatch.setattr(speed, "N_ROUNDS", 2)
    rows = speed.measure(str(checkpoint("llava")), "cpu", batches=(1, 2))
    exits = ["exit at V2, last of the tower", "exit at block 1", "exit at block 2", "exit at block 3"]
    parts = ["preprocessing", "vision tower", "projector", "embedding", "block 1, last position through its MLP"]
    names = ["full answer", "first token", *exits, *(f"part: {part}" for part in parts), "sum of the parts"]
    assert [(row["batch"], row["what"]) for row in rows] == [(batch, name) for batch in (1, 2) for name in names]
    by_name = {row["what"]: row for row in rows if row["batch"] == 1}
    assert by_name["full answer"]["full_over_this"] == by_name["first token"]["first_over_this"] == 1
    assert by_name["exit at block 1"]["holds"] in (True, False) and "5.10" in by_name["exit at block 1"]["target"]
    total = by_name["sum of the parts"]
    assert total["median_ms"] == pytest.approx(sum(by_name[f"part: {part}"]["median_ms"] for part in parts))
    assert total["exit_over_this"] == pytest.approx(by_name["exit at block 1"]["median_ms"] / total["median_ms"])
    json.dumps(rows)


def test_an_exit_computes_what_its_parts_compute_and_nothing_else(checkpoint, monkeypatch):
    monkeypatch.setattr(speed, "N_ROUNDS", 1)
    rows = {row["what"]: row for row in speed.measure(str(checkpoint("llava")), "cpu", batches=(1,))}
    assert rows["exit at block 1"]["gflop"] == pytest.approx(rows["sum of the parts"]["gflop"])
    assert rows["exit at V2, last of the tower"]["gflop"] == pytest.approx(rows["part: vision tower"]["gflop"])
    assert rows["exit at block 3"]["gflop"] < rows["first token"]["gflop"] < rows["full answer"]["gflop"]
    assert all(row["floor_ms"] >= 0 for row in rows.values())


def test_a_measurement_names_its_machine():
    found = machine()
    assert found["processor"] and found["cores"] >= 1 and found["torch"] and found["device"] == "cpu"
    json.dumps(found)
    assert matmul_rate(torch.device("cpu"), torch.float32, n_tries=1) > 1e8


def test_extract_has_a_row_for_every_batch_size(checkpoint, monkeypatch):
    monkeypatch.setattr(extract, "N_IMAGES", 4)
    rows = extract.measure(str(checkpoint("llava")), "cpu")
    assert [row["batch_size"] for row in rows] == list(extract.BATCH_SIZES)
    json.dumps(rows)


def test_search_is_as_good_as_a_sort_and_never_worse_than_a_tree(monkeypatch):
    monkeypatch.setattr(search, "SIZES", ((30, 300),))
    rows = search.measure()
    assert [row["method"] for row in rows] == ["sn_viz.search", "numpy sort", "scikit-learn trees"]
    rng = np.random.default_rng(0)
    values, labels = rng.permuted(np.tile(np.arange(30.0), (8, 1)), axis=1).T.astype(np.float32), np.arange(30) % 2
    ours = find_stumps(values, labels).score
    np.testing.assert_allclose(ours, search.sorted_in_numpy(values, labels), atol=1e-6)
    assert np.all(search.one_tree_each(values, labels) <= ours + 1e-6)
