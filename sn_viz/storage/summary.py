"""What a run found as plain values, ready for JSON: the fields of ``find --json``."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np

from sn_viz.formatting import ratio
from sn_viz.groups import group_index, n_groups
from sn_viz.types import Baseline, Interval, RunRecord
from sn_viz.voting.stump_scores import stump_score
from sn_viz.voting.verdict import verdict

METHODS = ("full_model", "full_model_calibrated", "super_neurons", "sav", "logit_lens", "linear_probe", "lora")
"""Keys that the summary's accuracies always have, None where a method was not run; others are added as they come."""


def summary(run: RunRecord) -> dict[str, Any]:
    """Return what a run found as plain values, ready for JSON: the fields of ``find --json``.

    Parameters
    ----------
    run : Run

    Returns
    -------
    dict
        Accuracies are fractions on the test images; what was not measured is None.
    """
    at_exit = run.by_layer[run.exit_index]
    baselines = {baseline.name.replace("-", "_"): baseline for baseline in run.baselines}
    accuracy = dict.fromkeys(METHODS)
    accuracy |= {name: _measured(b.accuracy) for name, b in baselines.items()}
    accuracy["super_neurons"] = _measured(at_exit.accuracy)
    ms = run.latency_ms
    facts = {
        "model": run.config.model_name,
        "question": run.config.question or run.train.question or None,
        "classes": list(run.train.classes),
        "n_train": len(run.train),
        "n_test": len(run.test),
        "n_groups": {"train": n_groups(group_index(run.train)), "test": n_groups(group_index(run.test))},
        "no_held_out": run.no_held_out or None,
        "edited_after_looking": run.edited_after_looking,
        "exit_layer": run.exit_layer,
        "exit_layer_name": run.neurons.layer_name(run.exit_layer),
        "n_layers": run.neurons.n_layers,
        "n_tower_layers": run.neurons.n_tower,
        "n_neurons": len(run.neurons),
        "verdict": asdict(verdict(run)),
        "accuracy": accuracy,
        "by_layer": [
            {
                "layer": row.layer,
                "name": run.neurons.layer_name(row.layer),
                "accuracy": row.accuracy.value,
                "low": row.accuracy.low if row.accuracy.n else None,
                "high": row.accuracy.high if row.accuracy.n else None,
                "cv_accuracy": row.cv_accuracy,
                "latency_ms": row.latency_ms,
            }
            for row in run.by_layer
        ],
        "latency_ms": {
            "full_model": ms.get("full_model"),
            "first_token": ms.get("first_token"),
            "early_exit": {"median": ms.get("early_exit"), "p95": ms.get("early_exit_p95")},
        },
        "speedup_holds": verdict(run).holds,
        "speedup": {
            "vs_full_model": ratio(ms.get("full_model"), ms.get("early_exit")),
            "vs_first_token": ratio(ms.get("first_token"), ms.get("early_exit")),
        },
        "neurons": [_neuron(run, i) for i in range(len(run.voters[run.exit_index]))],
        "null": {"best_score_p95": float(np.percentile(run.null_scores, 95)) if len(run.null_scores) else None},
        "baselines": [
            {"name": b.name, "latency_ms": b.latency_ms, "note": b.note, "named_no_class": _unnamed(b)} for b in run.baselines
        ],
        "answers": _answers(run),
        "headline": _headline(run),
        "config": {**asdict(run.config), "model": run.config.model_name},
        "seconds": dict(run.seconds),
        "warnings": list(run.warnings),
        "versions": dict(run.versions),
        "findings": dict(run.findings),
    }
    return as_json(facts)


def _measured(interval: Interval | None) -> dict[str, Any] | None:
    """Return an interval as plain values, all of them None but ``n`` when nothing was measured."""
    if interval is None:
        return None
    return asdict(interval) if interval.n else {"value": None, "low": None, "high": None, "n": 0}


def _unnamed(baseline: Baseline) -> list[dict[str, Any]]:
    """Return the written answers that named no class, each once with its count, the commonest first."""
    texts = Counter(text for text, said in zip(baseline.answers, baseline.predicted, strict=False) if said < 0)
    return [{"text": text, "count": count} for text, count in texts.most_common()]


def _answers(run: RunRecord) -> dict[str, Any] | None:
    """Return what each class is answered with and how that is known."""
    key = run.answer_key
    if key is None:
        return None
    named = dict(zip(key.classes, key.words, strict=True)) if key.known else None
    return {"words": named, "source": key.source, "inferred": key.inferred, "reason": key.reason, "rule": key.rule or None}


def _headline(run: RunRecord) -> dict[str, Any] | None:
    """Return which full model the super neurons are set against: as it writes, or calibrated where that cannot be read."""
    full = run.opponent
    if full is None or full.accuracy is None:
        return None
    ms = {"full-model": run.latency_ms.get("full_model")}.get(full.name, full.latency_ms)
    inferred = run.answer_key is not None and run.answer_key.inferred and full.name == "full-model"
    return {
        "full_model": full.name.replace("-", "_"),
        "accuracy": asdict(full.accuracy),
        "inferred": inferred,
        "speedup": ratio(ms, run.latency_ms.get("early_exit")),
        "speedup_holds": verdict(run).holds,
    }


def _neuron(run: RunRecord, index: int) -> dict[str, Any]:
    voters = run.voters[run.exit_index]
    neuron, class_index = int(voters.neuron[index]), int(voters.class_index[index])
    threshold, sign = float(voters.threshold[index]), int(voters.sign[index])
    weighed = {} if voters.weight is None else {"weight": float(voters.weight[index])}
    return {
        **weighed,
        "site": run.neurons.site_names[run.neurons.site[neuron]],
        "layer": int(run.neurons.layer[neuron]),
        "unit": int(run.neurons.unit[neuron]),
        "class": run.train.classes[class_index],
        "threshold": threshold,
        "sign": sign,
        "score": float(voters.score[index]),
        "held_out": stump_score(run.test_values[:, neuron], run.test.labels, threshold, sign, class_index).balanced_accuracy,
    }


def as_json(value: Any) -> Any:
    """Replace what JSON cannot say (NaN, infinities, numpy scalars, tuples, lone surrogates)."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {as_json(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
