"""The panel that puts a run to the test, on a planted run: no model, no browser."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from one_server import SERVER
from planted_run import make_run

from sn_viz.ui.components import check_panel

REQUEST = SimpleNamespace(session_hash="checks", client=None, headers={})


@pytest.fixture
def asked(monkeypatch):
    calls = []

    def examine(run, names, vlm, options, progress):
        calls.append((tuple(names), options))
        return replace(run, findings={**run.findings, **{name: {"sentence": f"{name} was asked."} for name in names}})

    monkeypatch.setattr(check_panel, "examine", examine)
    monkeypatch.setattr(check_panel, "model_of", lambda config: None)
    return calls


def last(key, names, wordings="One?\n\n {question} Two?", strength=0.3, n=40):
    return list(check_panel.stream(SERVER, REQUEST, SERVER.stops.new(), key, names, wordings, strength, n))[-1]


def test_findings_come_under_a_key_of_their_own_and_the_shown_run_stays(asked):
    key = SERVER.runs.put(make_run())
    status, new_key, find, stop = last(key, ["wordings"])
    assert status["text"] == "Done" and find.interactive and not stop.interactive
    assert new_key != key and not SERVER.runs.get(key).findings
    assert check_panel.show(SERVER, new_key)["note"] == "wordings was asked."
    ((names, options),) = asked
    assert names == ("wordings",) and options.wordings == ("One?", "{question} Two?")
    assert (options.strength, options.n_images) == (0.3, 40)


@pytest.mark.parametrize(
    ("key", "names", "more", "said"),
    [
        ("", ["causal"], {}, "nothing to test yet"),
        ("run", [], {}, "No test is ticked"),
        ("run", ["causal"], {"strength": 7}, "between 0 and 1"),
        ("run", ["causal"], {"wordings": "a?\n" * 9}, "1 to 8"),
        ("gone", ["causal"], {}, "no longer here"),
    ],
)
def test_what_cannot_be_asked_gets_a_sentence(asked, key, names, more, said):
    key = SERVER.runs.put(make_run()) if key == "run" else key
    status, new_key, *_ = last(key, names, **more)
    assert said in status["text"] + status["detail"] and not isinstance(new_key, str) and not asked


def test_a_stopped_test_changes_nothing(asked):
    key, job = SERVER.runs.put(make_run()), SERVER.stops.new()
    SERVER.stops.stop(job)
    status, new_key, *_ = list(check_panel.stream(SERVER, REQUEST, job, key, ["causal"], "", 0.5, 40))[-1]
    assert "Nothing was changed" in status["text"] and not isinstance(new_key, str)


def test_figures_without_findings_say_that_nothing_was_asked():
    from sn_viz.ui.components import figures

    for name in check_panel.FIGURES:
        assert "Not asked yet" in json.dumps(json.loads(figures.draw(name, make_run()))["light"])
