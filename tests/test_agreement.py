"""What people see of one run is the same everywhere: JSON, report, page, terminal and Python."""

from __future__ import annotations

import io
import json
import re
import sys
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent / "plots"))

from one_server import SERVER
from planted_run import make_run, measured

from sn_viz.formatting import percent, percent_range
from sn_viz.plots.reference import METHOD_NAMES
from sn_viz.report import page as report
from sn_viz.report.caveats import with_warnings
from sn_viz.report.tables import print_run
from sn_viz.run import Run
from sn_viz.ui import page
from sn_viz.ui.components import neuron
from sn_viz.ui.sections import compare_section, exit_section
from sn_viz.voting.verdict import verdict


def lucky(run: Run) -> Run:
    """Return a run whose best neuron is reached by some of its shuffled labellings."""
    return replace(run, null_scores=np.linspace(0.7, 1.0, 50).astype(np.float32))


RUNS_SEEN = {
    "two classes": lambda: measured(make_run()),
    "three classes": lambda: measured(make_run(classes=("cat", "dog", "bird"))),
    "luck fits as well": lambda: lucky(measured(make_run(n_train=10, n_test=14))),
    "few of each": lambda: measured(make_run(n_train=12, n_test=9, seed=3)),
}


@pytest.fixture(params=RUNS_SEEN, scope="module")
def run(request) -> Run:
    return with_warnings(RUNS_SEEN[request.param]())


@pytest.fixture(scope="module")
def facts(run) -> dict:
    """What ``find --json`` says."""
    return json.loads(run.to_json())


@pytest.fixture(scope="module")
def printed(run) -> str:
    """What the terminal says."""
    out = io.StringIO()
    print_run(run, Console(file=out, width=400))
    return out.getvalue()


@pytest.fixture(scope="module")
def told(run) -> str:
    """The words of the report, without its figures."""
    parts = (report._verdict(run), report.summary(run), report._warnings(run), report._methods_table(run))
    return _words(" ".join((*parts, report._settings_table(run))))


def _words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def strip(run: Run) -> dict:
    """Return the result in one line, as the page shows it."""
    shown, _ = page.show_strip(SERVER, SERVER.runs.put(run), None)
    return shown


def cells(html: str) -> list[list[str]]:
    """Return the rows of a table of the report."""
    return [
        [_words(cell) for cell in re.findall(r"<td>(.*?)</td>", row, re.S)] for row in re.findall(r"<tr>(.*?)</tr>", html, re.S)
    ][1:]


def test_every_accuracy_and_its_interval_is_the_same(run, facts, printed):
    in_report, on_page = ({row[0]: row for row in rows} for rows in (cells(report._methods_table(run)), compare_section.rows(run)))
    for key, measure in facts["accuracy"].items():
        if measure is None:
            continue
        name = METHOD_NAMES.get(key.replace("_", "-"), f"Super neurons, exit layer {facts['exit_layer_name']}")
        value = percent(measure["value"])
        told = next(row for label, row in in_report.items() if label.startswith(name) and row[0].split(" cut-off")[0] == name)
        assert told[1] == on_page[name][1] == value
        assert told[2] == on_page[name][2] == percent_range(measure["low"], measure["high"], 1)
        of_terminal = name if key != "super_neurons" else f"super neurons, exit at layer {facts['exit_layer_name']}"
        line = next(line for line in printed.splitlines() if re.search(rf"{re.escape(of_terminal)}\s+│", line))
        assert value in line and percent_range(measure["low"], measure["high"], 1) in line


def test_the_exit_its_accuracy_and_its_time_are_the_same(run, facts, printed, told):
    name, ours = facts["exit_layer_name"], facts["accuracy"]["super_neurons"]
    assert run.by_layer[run.exit_index].layer == facts["exit_layer"] and run.neurons.layer_name(facts["exit_layer"]) == name
    row = next(row for row in facts["by_layer"] if row["layer"] == facts["exit_layer"])
    assert (row["accuracy"], row["low"], row["high"]) == (ours["value"], ours["low"], ours["high"])
    assert f"-> {name} " in printed and f"Stopping after layer {name} of" in told
    shown = exit_section.layer_facts(run, run.exit_layer)
    assert f"layer {name}" in shown["title"] and shown["facts"][0]["value"] == percent(ours["value"])
    ms = f"{facts['latency_ms']['early_exit']['median']:.1f}"
    assert shown["facts"][1]["value"] == f"{ms} ms" and row["latency_ms"] == facts["latency_ms"]["early_exit"]["median"]
    assert next(r[3] for r in compare_section.rows(run)) == f"{ms} ms" and cells(report._methods_table(run))[0][3] == ms
    assert strip(run)["facts"][0]["value"] == percent(ours["value"]) and f"layer {name}" in strip(run)["facts"][0]["note"]


def test_a_speed_up_is_the_same_or_nowhere(run, facts, printed, told):
    holds = facts["speedup_holds"]
    assert holds == facts["verdict"]["holds"] == verdict(run).holds
    times = f"{facts['speedup']['vs_full_model']:.1f}"
    shown = [fact for fact in strip(run)["facts"] if fact["label"] == "faster"]
    at_exit = [fact for fact in exit_section.layer_facts(run, run.exit_layer)["facts"] if fact["label"].startswith("faster")]
    assert [fact["value"] for fact in shown] == [fact["value"] for fact in at_exit] == ([f"{times}×"] if holds else [])
    for text in (printed, told):
        assert (f"{times} times as fast" in text) == holds and ("times as fast" in text) == holds
    assert facts["headline"]["speedup"] == facts["speedup"]["vs_full_model"]


def test_verdict_reasons_and_p_value_are_the_same_words(run, facts, printed, told):
    found = facts["verdict"]
    for seen in (strip(run)["verdict"], exit_section.layer_facts(run, run.exit_layer)["verdict"]):
        assert seen == {"kind": found["kind"], "text": found["sentence"]}
    assert found["sentence"] in told and found["sentence"] in " ".join(printed.split())
    for reason in found["reasons"]:
        assert reason in facts["warnings"] and reason in strip(run)["warnings"]
        assert reason in told and reason in " ".join(printed.split())
    reached = int((run.null_scores >= np.nanmax(run.stumps.score)).sum())
    assert (f"of {reached} of {len(run.null_scores)} shuffled" in " ".join(found["reasons"])) == bool(reached)


def test_scores_of_the_voters_are_the_same_also_held_out(run, facts, printed):
    in_report = cells(report._voters_table(run))
    on_page = {(row[1], row[2]): row for row in neuron.table(run, n_rows=len(run.stumps)) if row[5]}
    assert len(facts["neurons"]) == len(in_report) == len(on_page)
    for one, row in zip(facts["neurons"], in_report, strict=True):
        score, held_out = f"{one['score']:.3f}", f"{one['held_out']:.3f}"
        assert row[1] == one["class"] and row[3:] == [score, held_out, "1 vote"]
        mine = on_page[row[0], one["class"]]
        assert f"{mine[3]:.3f}" == score and mine[4] == held_out
        line = next(line for line in printed.splitlines() if f" {row[0]} " in line and f" {one['class']} " in line)
        assert score in line and held_out in line


def test_counts_are_the_same(run, facts, printed, told):
    n_train, n_test, n_neurons = len(run.train), len(run.test), f"{len(run.neurons):,}"
    assert (facts["n_train"], facts["n_test"], facts["n_neurons"]) == (n_train, n_test, len(run.neurons))
    assert f"{n_train} images to find neurons, {n_test} others to test them" in printed and f"{n_neurons} neurons" in printed
    assert f"{n_train} probing and {n_test} test images" in strip(run)["note"] and strip(run)["facts"][-1]["value"] == n_neurons
    for setting in (f"probing images {n_train}", f"test images {n_test}", f"neurons {n_neurons}", f"of {n_test} held-out images"):
        assert setting in told
