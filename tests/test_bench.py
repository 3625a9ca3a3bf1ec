"""The benchmarks run, and their rows hold plain values."""

import json

import numpy as np

from sn_viz.bench import extract, search, speed
from sn_viz.search import find_stumps


def test_speed_has_a_row_for_every_way_to_stop(checkpoint, monkeypatch):
    monkeypatch.setattr(speed, "N_IMAGES", 2)
    rows = speed.measure(str(checkpoint("llava")), "cpu")
    assert [row["stops_at"] for row in rows] == ["layer 1", "layer 2", "layer 3", "first token", "full answer"]
    assert rows[-1]["speedup_vs_full"] == 1
    json.dumps(rows)


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
