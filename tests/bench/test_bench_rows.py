"""Benchmarks say what they measured, what was aimed at and what holds; the ways they compare find the same."""

import json
import math
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from sn_viz.activations.store import Store
from sn_viz.bench import (
    BENCHES,
    Options,
    app,
    as_json,
    extract,
    in_a_fresh_process,
    machine,
    prepared,
    row,
    scale,
    search,
    table,
    visitors,
)
from sn_viz.bench.running import Running
from sn_viz.cli import main
from sn_viz.search.stumps import find_stumps


def test_a_row_knows_whether_its_target_is_met():
    assert row("a", 3.0, "s").holds is None
    assert row("a", 3.0, "s", at_most=3).holds and not row("a", 3.1, "s", at_most=3).holds
    assert row("a", 3.0, "s", at_least=15, ratio=20.0).holds
    assert not row("a", math.nan, "s", at_most=3).holds and not row("a", math.nan, "s", at_least=3).holds
    with pytest.raises(AssertionError):
        row("a", 3.0, "s", at_least=1, at_most=2)


def test_rows_become_one_table_and_plain_json():
    tables = {"one": [row("quick [enough]", 0.5, "s", at_most=1)], "other": [row("lost", math.nan, "", note="absent")]}
    plain = json.loads(json.dumps(as_json(tables, machine()), allow_nan=False))
    told = [(each["bench"], each["holds"], each["target"]) for each in plain["rows"]]
    assert told == [("one", True, "<= 1"), ("other", None, "")]
    assert plain["rows"][1]["measured"] is None and {"processor", "cores", "numpy", "torch"} <= plain["machine"].keys()
    assert table(tables, plain["machine"]).row_count == 2


def test_every_way_to_search_finds_the_same_and_none_is_better():
    rng = np.random.default_rng(0)
    values, labels = rng.integers(-9, 9, (30, 40)).astype(np.float16), np.arange(30) % 2
    ours = find_stumps(values, labels).score
    np.testing.assert_allclose(ours, search.sorted_in_torch(values, labels), atol=1e-6)
    assert np.all(search.one_tree_each(values, labels) <= ours + 1e-6)


@pytest.mark.long
def test_the_search_has_a_row_for_every_target(monkeypatch):
    monkeypatch.setattr(search, "QUICK_SIZES", ((20, 300), (40, 200)))
    rows = {one.name: one for one in BENCHES["search"](Options(quick=True))}
    targets = {one.target for one in rows.values()}
    assert {">= 15", ">= 800", "<= 6", "<= 60", "<= 1"} <= targets
    for wanted in ("20 x 300: against trees", "40: roc-auc", "40: midpoint", "40: 5 classes", "kernels ready in a fresh process"):
        assert rows[wanted].measured > 0


def test_reading_adds_one_image_for_one_image(checkpoint, monkeypatch, tmp_path):
    monkeypatch.setattr(extract, "QUICK_IMAGES", 4)
    monkeypatch.setattr(extract, "QUICK_CACHED", 6)
    passes, read = [], extract.extract

    def counted(model, images, *rest, **more):
        before = Store(more["cache"].root).size() if "cache" in more else 0
        found = read(model, images, *rest, **more)
        if "cache" in more:
            passes.append((len(images), Store(more["cache"].root).size() - before))
        return found

    monkeypatch.setattr(extract, "extract", counted)
    rows = extract.measure(Options(str(checkpoint("llava")), "cpu", quick=True))
    assert [one.name.split(":")[0] for one in rows[:3]] == ["batch 1", "batch 4", "batch 16"]
    assert rows[-1].name.startswith("a cached run") and rows[-1].holds
    (known, whole), *rest = passes
    assert known == 6 and {grown for n, grown in rest if n == 6} == {0}
    assert {grown for n, grown in rest if n == 7} == {whole // 6}


def test_memory_is_measured_in_a_process_of_its_own(monkeypatch, tmp_path):
    path = tmp_path / "values"
    scale.write_values(path, 40, 500)
    values = np.memmap(path, np.float16, "r", shape=(40, 500))
    assert len(np.unique(values[:, 7])) > 30
    found = scale.searched(path, (40, 500), 20, 300, repeats=1)
    assert found.seconds > 0 and 0.02 < found.idle <= found.own <= found.peak < 1.5


@pytest.mark.long
def test_find_itself_is_measured_on_photographs_whose_activations_are_stored(tmp_path):
    table = prepared.photographs(tmp_path / "photographs", 12, (64, 48))
    prepared.fill(tmp_path / "cache", "tiny-llava", table, skip=2)
    found = prepared.found(table, "tiny-llava", tmp_path / "cache")
    assert found.examples == 12 and found.probing == 6 and found.neurons == 13_824
    assert {"load", "extract", *scale.STAGES} <= set(found.stages) and found.seconds > sum(found.stages.values()) * 0.9
    assert 0.1 < found.idle <= found.peak < 4
    peak, whole, *stages = scale.stage_rows(found)
    assert peak.holds and whole.ratio > 1 and [one.unit for one in stages] == ["ns"] * len(scale.STAGES)


def test_a_line_through_points_on_a_line_is_straight():
    slope, start, fit = scale.line(np.array([1.0, 2, 3]), np.array([5.0, 7, 9]))
    assert (slope, start, fit) == pytest.approx((2, 3, 1))


def test_the_heatmap_of_a_large_model_is_small():
    assert len(app.large_run().neurons) == 745_472
    assert app.heatmap_row().holds


def test_without_a_browser_the_app_says_so(monkeypatch):
    def none(address, clicks):
        raise ImportError("playwright")

    class Started:
        def __enter__(self):
            return Running("http://127.0.0.1:1/", 2.5)

        def __exit__(self, *_):
            return None

    monkeypatch.setattr(app, "in_a_browser", none)
    monkeypatch.setattr(app, "server", lambda *_: Started())
    monkeypatch.setattr(visitors, "thirty", lambda address, quick: [])
    assert app.measure(Options(quick=True))[-1].note.startswith("not measured: Playwright")


def test_a_process_that_fails_is_told_about():
    assert in_a_fresh_process("import sys; print(sys.argv[1:])", 1, "b").strip() == "['1', 'b']"
    with pytest.raises(RuntimeError, match="no such thing"):
        in_a_fresh_process("raise ValueError('no such thing')")


def test_all_benchmarks_share_one_table_and_each_has_a_command(monkeypatch, capsys):
    monkeypatch.setattr(BENCHES, "_entries", {name: lambda _: [row("done", 1.0, "s", at_most=2)] for name in BENCHES.names()})
    assert main(["bench", "all", "--quick", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"search", "scale", "extract", "app", "speed", "speed, tiny-photo"} <= {each["bench"] for each in found["rows"]}
    assert ("scale, on Ray" in {each["bench"] for each in found["rows"]}) == (find_spec("ray") is not None)
    assert main(["bench", "scale"]) == 0
    assert "done" in capsys.readouterr().out


def test_commands_are_listed_without_importing_a_benchmark():
    code = "import sys, sn_viz.cli; print([m for m in sys.modules if m.startswith('sn_viz.bench') or m == 'torch'])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
