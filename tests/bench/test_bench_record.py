"""The run that people land on is what the code of today finds; only its times are of another day."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sn_viz.bench import record
from sn_viz.errors import UserError
from sn_viz.ui.components import recorded


@pytest.mark.long
def test_the_recorded_run_is_not_stale(tmp_path, monkeypatch):
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path))
    kept = recorded.read()
    again = record.make(kept.found.pack, kept.found.model)
    assert again.found == kept.found, f"record it again: {kept.command}"
    assert again.command == kept.command and again.picture.sha256 == kept.picture.sha256
    assert len(again.times.stamps) == len(kept.times.stamps) == len(kept.found.tally)


def test_a_run_that_may_be_luck_is_not_recorded(monkeypatch):
    from sn_viz.voting.verdict import Verdict

    monkeypatch.setattr(record, "find", lambda *args, **more: None)
    monkeypatch.setattr(record, "verdict", lambda run: Verdict("unclear", "Unclear: too few.", (), False))
    with pytest.raises(UserError, match="nothing to land on"):
        record.make("night")


def test_the_neuron_is_one_that_exists_at_the_exit():
    from planted_run import make_run, planted_column

    run = make_run()
    assert record.best_up_to_exit(run) == planted_column(run.neurons)
    early = record.best_up_to_exit(replace(run, exit_layer=1))
    assert run.neurons.layer[early] == 1
