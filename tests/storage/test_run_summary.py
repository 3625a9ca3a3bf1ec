"""The summary of a run names every field, and says null for what is not known."""

import pytest
from saved_run import SIGNS

from sn_viz.storage.summary import summary
from sn_viz.voting.stump_scores import stump_score


def test_json_has_every_field_and_null_for_what_is_not_known(run):
    facts = summary(run)
    wanted = "model question classes n_train n_test exit_layer n_layers n_neurons accuracy by_layer latency_ms speedup neurons null"
    assert {*wanted.split(), "seconds", "warnings", "versions"} <= set(facts)
    assert facts["accuracy"]["sav"] == {"value": 0.5, "low": 0.1, "high": 0.9, "n": 4}
    assert facts["accuracy"]["lora"] is None
    assert {"full_model", "super_neurons", "sav", "logit_lens", "linear_probe", "lora"} <= set(facts["accuracy"])
    assert facts["latency_ms"] == {"full_model": 10.0, "first_token": 6.0, "early_exit": {"median": 2.0, "p95": None}}
    assert facts["speedup"] == {"vs_full_model": 5.0, "vs_first_token": 3.0}
    held_out = stump_score(run.test_values[:, 3], run.test.labels, float(run.stumps.threshold[3]), 1, 1)
    assert facts["neurons"][0] == {
        "site": "residual",
        "layer": 2,
        "unit": 0,
        "class": SIGNS,
        "threshold": float(run.stumps.threshold[3]),
        "sign": 1,
        "score": 1.0,
        "held_out": held_out.balanced_accuracy,
    }
    assert facts["null"]["best_score_p95"] == pytest.approx(0.695)
    assert "NaN" not in run.to_json()
