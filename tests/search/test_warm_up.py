"""Kernels are compiled in a process of their own, of the same sources and with the same settings, where none are kept yet."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread
from threading import enumerate as threads

import numpy as np
import pytest

from sn_viz.search import stumps
from sn_viz.search.kernels import best_split
from sn_viz.search.stumps import warm_up, warm_up_beside

TELLS = """
import atexit, json, os, sys
def tell():
    loaded = sys.modules.get("sn_viz.search.stumps")
    with open(os.environ["TOLD"], "w") as file:
        json.dump({"asked": sys.orig_argv[-1], "stumps": getattr(loaded, "__file__", None)}, file)
atexit.register(tell)
"""


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Return what(): what a process that was started tells as it ends, or None."""
    warm_up([np.float16], fixed=False)
    (tmp_path / "sitecustomize.py").write_text(TELLS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("TOLD", str(tmp_path / "told.json"))
    monkeypatch.chdir(tmp_path)
    return lambda: json.loads((tmp_path / "told.json").read_text()) if (tmp_path / "told.json").exists() else None


@pytest.fixture
def nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(best_split.settings, "CACHE_DIR", str(tmp_path / "kernels"))


def test_a_process_compiles_beside_this_one_of_the_same_sources(told, nothing_is_kept):
    warm_up_beside(fixed=False)
    [thread] = [one for one in threads() if one.name == "warm-up"]
    thread.join()
    assert thread.daemon, "a process that ends does not wait for it"
    assert "['search', 'null']" in told()["asked"] and "['float16']" in told()["asked"]
    assert told()["stumps"] == str(Path(stumps.__file__))


def test_no_process_is_started_where_kernels_are_kept_or_nobody_asks_for_one(told, nothing_is_kept, monkeypatch):
    warm_up([np.float16], fixed=False)
    assert told() is None
    monkeypatch.setattr(best_split, "kept", lambda: True)
    warm_up([np.float16], fixed=False, apart=True)
    assert told() is None


def test_a_search_waits_for_its_own_kernel_only(monkeypatch):
    warm_up([np.float16], fixed=False)
    others, let_go, load = Event(), Event(), stumps._load

    def slow(kind, dtypes):
        if kind == "null":
            others.set()
            assert let_go.wait(60)
        load(kind, dtypes)

    monkeypatch.setattr(stumps, "_load", slow)
    two = [Thread(target=warm_up, args=([np.float16], False)) for _ in range(2)]  # the page and a run may both warm up
    for thread in two:
        thread.start()
    assert others.wait(60)
    values = np.arange(8, dtype=np.float16)[:, None]
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(stumps.find_stumps, values, np.arange(8) // 4).result(60)
        assert found.score[0] == 1
        luck = pool.submit(stumps.best_scores_under_null, values, np.arange(8) // 4, n_labellings=2)
        assert not luck.done()
        let_go.set()
        assert len(luck.result(60)) == 2
    for thread in two:
        thread.join()


def test_both_kernels_of_each_type_and_those_of_the_fixed_rules_are_loaded(monkeypatch):
    loaded = []
    monkeypatch.setattr(best_split, "_compiled_once", lambda function, _, itemsize: loaded.append((function.__name__, itemsize)))
    warm_up()
    every = [("_search", 2), ("_search", 4), ("_null", 2), ("_null", 4), ("_halves", 2), ("_sums", 4), ("_cuts", 4)]
    assert loaded == every
    warm_up([np.float32], fixed=False)
    assert loaded == [*every, ("_search", 4), ("_null", 4)]
