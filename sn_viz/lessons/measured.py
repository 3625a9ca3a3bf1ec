"""What a step of the lesson measures on a finished run: shares with their intervals, and the rows of its figure.

Takes a ``RunRecord``; returns plain JSON values. Every share is of held-out pictures unless its note says otherwise. It runs no
model and knows no words of the lesson.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from sn_viz.early_exit.certificates import exact_interval, images_needed, upper_bounds
from sn_viz.early_exit.risk_control import FullModel
from sn_viz.early_exit.trial import Trial, trial_of_run
from sn_viz.errors import UserError
from sn_viz.groups import group_index
from sn_viz.plots import heatmap, reference
from sn_viz.search.stumps import best_scores_under_null, find_stumps
from sn_viz.types import Interval, RunRecord
from sn_viz.voting.statistics import accuracy_interval

BINS = 14
"""Of the histogram."""
FEW = (5, 10, 20, 40, 60)
"""Numbers of probing pictures that luck is tried with."""
LABELLINGS = 100
LEVEL = 0.10
"""The risk that the certified exit promises to stay below."""
STRICT = 0.01
"""A promise for which a pack brings too few pictures."""

Numbers = dict[str, Any]
"""What the words of a step name: a share as {value, low, high, n}, a count, or a short text."""


def share(seen: Interval) -> dict[str, float]:
    """Return a measured share with its interval as JSON values."""
    return {"value": seen.value, "low": seen.low, "high": seen.high, "n": seen.n}


def row(series: str, label: str, seen: Mapping[str, float], at: float | None = None) -> dict[str, Any]:
    """Return one row of a figure; ``at`` is its place on the horizontal axis of a figure of lines."""
    return {"series": series, "label": label, "at": at, **seen}


def one_number(run: RunRecord) -> Numbers:
    """Return what the best single neuron alone is right about, and its values by class."""
    column, says = best_alone(run)
    right = says == (run.test.labels == _class_of(run, column))
    numbers = {
        "neuron": run.neurons.name(column),
        "n_neurons": len(run.neurons),
        "n_probing": len(run.train),
        "column": column,
        "alone": share(accuracy_interval(right, group_index(run.test))),
        **_moved(run, column),
        **_full(run),
    }
    figure = _histogram(run, column)
    return {"truth": numbers["alone"]["value"], "numbers": numbers | {"says": figure["says"]}, "figure": figure}


def _moved(run: RunRecord, column: int) -> Numbers:
    """Return a cut in the middle of the probing values of the neuron's own class, and how often it is then right."""
    _, sign, class_index = _stump(run, column)
    own = run.train_values[run.train.labels == class_index, column].astype(np.float32)
    threshold = float(f"{np.nanmedian(own):.4g}")
    says = sign * (run.test_values[:, column].astype(np.float32) - np.float32(threshold)) > 0
    seen = accuracy_interval(says == (run.test.labels == class_index), group_index(run.test))
    return {"moved_threshold": threshold, "moved_at": f"{threshold:g}", "moved": share(seen)}


def best_alone(run: RunRecord) -> tuple[int, np.ndarray]:
    """Return the neuron that the page outlines, and whether it says its class, bool (test example,)."""
    best = heatmap.best(heatmap.info(run))
    if best is None:
        raise UserError("No neuron of this run has a score.", "Every value is constant or not finite.", "Choose another set.")
    column = best[2]
    threshold, sign, _ = _stump(run, column)
    return column, sign * (run.test_values[:, column].astype(np.float32) - np.float32(threshold)) > 0


def _stump(run: RunRecord, column: int) -> tuple[float, int, int]:
    rows = np.flatnonzero((run.stumps.neuron == column) & np.isfinite(run.stumps.score))
    at = rows[np.argmax(run.stumps.score[rows])]
    return float(run.stumps.threshold[at]), int(run.stumps.sign[at]), int(run.stumps.class_index[at])


def _class_of(run: RunRecord, column: int) -> int:
    return _stump(run, column)[2]


def _full(run: RunRecord) -> Numbers:
    """Return how often the full model is right, where it was asked and its answers can be read."""
    seen = run.opponent
    return {} if seen is None or not math.isfinite(seen.accuracy.value) else {"full": share(seen.accuracy)}


def _histogram(run: RunRecord, column: int) -> dict[str, Any]:
    threshold, sign, class_index = _stump(run, column)
    values = run.test_values[:, column].astype(np.float64)
    values = np.where(np.isfinite(values), values, np.nan)
    if np.isnan(values).all():
        raise UserError("The best neuron has no finite value.", "It has none on the test images.", "Choose another set.")
    edges = np.linspace(np.nanmin(values), np.nanmax(values), BINS + 1)
    side = "above" if sign > 0 else "below"
    return {
        "kind": "histogram",
        "edges": _rounded(edges),
        "series": [
            {"name": name, "counts": np.histogram(values[run.test.labels == label], edges)[0].tolist()}
            for label, name in enumerate(run.test.classes)
        ],
        "line": threshold,
        "says": f"says “{run.test.classes[class_index]}” {side} it",
    }


def _rounded(values: Iterable[float]) -> list[float]:
    return [float(f"{value:.5g}") for value in values]


def luck(run: RunRecord, few: tuple[int, ...] = FEW, labellings: int = LABELLINGS, seed: int = 0) -> Numbers:
    """Return what shuffled labels reach with few probing pictures, and what the neuron chosen from as many right ones is worth."""
    by_luck, chosen, perfect = [], [], 0
    for n in few:
        values, labels = run.train_values[:n], run.train.labels[:n]
        scores = best_scores_under_null(values, labels, n_labellings=labellings, seed=seed)
        low, middle, high = np.quantile(scores[np.isfinite(scores)], [0.05, 0.5, 0.95])
        by_luck.append({"value": float(middle), "low": float(low), "high": float(high), "n": n})
        found = find_stumps(values, labels)
        if n == few[0]:
            perfect = int((found.score >= 1).sum())
        at = int(np.nanargmax(found.score))
        seen = run.test_values[:, int(found.neuron[at])].astype(np.float32)
        says = float(found.sign[at]) * (seen - found.threshold[at]) > 0
        chosen.append(share(accuracy_interval(says == (run.test.labels == found.class_index[at]), group_index(run.test))))
    numbers = {
        "n_few": few[0],
        "n_many": few[-1],
        "n_neurons": len(run.neurons),
        "perfect": perfect,
        "labellings": labellings,
        "luck_few": by_luck[0]["value"],
        "luck_many": by_luck[-1]["value"],
        "luck_many_low": by_luck[-1]["low"],
        "luck_many_high": by_luck[-1]["high"],
        "chosen_few": chosen[0],
        "chosen_many": chosen[-1],
    }
    rows = [row("best neuron, shuffled labels, on those same pictures", f"{n} pictures", by_luck[i], n) for i, n in enumerate(few)]
    rows += [row("neuron chosen with right labels, on new pictures", f"{n} pictures", chosen[i], n) for i, n in enumerate(few)]
    return {"truth": numbers["luck_few"], "numbers": numbers, "figure": _lines("probing pictures", rows)}


def luck_of_run(run: RunRecord) -> Numbers:
    """Return what shuffled labels reached in the run's own null.

    Raises
    ------
    UserError
        When no null was computed.
    """
    line = reference.luck(run)
    if line is None:
        raise UserError("This run did not shuffle its labels.", "It has no null.", "Find again.")
    return {"numbers": {"luck": line, "labellings": len(run.null_scores), "n_probing": len(run.train)}}


def _lines(axis: str, rows: list[dict[str, Any]], marks: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"kind": "lines", "axis": axis, "rows": rows, "marks": marks or []}


def by_block(run: RunRecord, series: str) -> list[dict[str, Any]]:
    """Return the held-out accuracy of the super neurons after each block, as rows of a figure."""
    return [
        row(series, f"after block {run.neurons.layer_name(each.layer)}", share(each.accuracy), each.layer) for each in run.by_layer
    ]


def two_questions(fixed: RunRecord, changing: RunRecord) -> Numbers:
    """Return the accuracy after each block for a question about the whole picture, and for one that changes with it."""
    whole, named = by_block(fixed, "whole picture"), by_block(changing, "named thing")
    numbers = {
        "whole_first": _at(whole, 0),
        "named_first": _at(named, 0),
        "named_exit": _at(named, changing.exit_index),
        "named_block": changing.neurons.layer_name(changing.exit_layer),
        "n_blocks": len(named),
    }
    figure = _lines("decoder block", [*whole, *named], [{"text": "guessing", "value": 0.5}])
    return {"truth": numbers["named_first"]["value"], "numbers": numbers, "figure": figure}


def _at(rows: list[dict[str, Any]], index: int) -> dict[str, float]:
    return {name: rows[index][name] for name in ("value", "low", "high", "n")}


def race(run: RunRecord) -> Numbers:
    """Return how far the model runs in each lane and how often both are right; times are the machine's and are not kept."""
    early = next(each for each in run.by_layer if each.layer == run.exit_layer)
    n_blocks, ran = len(run.neurons.layers), run.exit_index + 1
    numbers = {
        "exit": run.neurons.layer_name(run.exit_layer),
        "n_blocks": n_blocks,
        "skipped": n_blocks - ran,
        "early": share(early.accuracy),
        **_full(run),
    }
    lanes = [{"name": "super neurons", "blocks": ran, "of": n_blocks}, {"name": "full model", "blocks": n_blocks, "of": n_blocks}]
    return {"truth": ran / n_blocks, "numbers": numbers, "figure": {"kind": "lanes", "lanes": lanes}}


def cost(run: RunRecord, early: int | None = None) -> Numbers:
    """Return what stopping after each block costs, and after block ``early``, by default a third of them."""
    rows, full = by_block(run, "super neurons"), _full(run)
    early = max(1, len(rows) // 3) if early is None else early
    numbers = {
        "first": _at(rows, 0),
        "early": _at(rows, early - run.neurons.layers.start),
        "early_block": run.neurons.layer_name(early),
        "exit": run.neurons.layer_name(run.exit_layer),
        "at_exit": _at(rows, run.exit_index),
        "n_blocks": len(rows),
        **full,
    }
    marks = [{"text": "full model", **full["full"]}] if full else []
    marks.append({"text": "guessing", "value": 1 / len(run.test.classes)})
    return {"truth": numbers["early"]["value"], "numbers": numbers, "figure": _lines("decoder block", rows, marks)}


def certified(run: RunRecord, level: float = LEVEL) -> Numbers:
    """Return the exit that calibration pictures certify, what other pictures say of it, and what no slip at all would show."""
    trial, strict = trial_of_run(run, level), trial_of_run(run, STRICT)
    seen, measured = trial.policy.certificate, trial.outcome
    lost = int(seen.losses[seen.certified][-1]) if seen.certified.any() else int(seen.losses[0])
    first = run.neurons.layers.start
    numbers = {
        "level": level,
        "strict": STRICT,
        "n_calibration": seen.n,
        "lost": lost,
        "none_lost_bound": none_lost_bound(seen.n),
        "refused": isinstance(strict.policy, FullModel),
        "needed": images_needed(STRICT),
        "margin": None if isinstance(trial.policy, FullModel) else trial.policy.threshold,
        "depth": measured.mean_layer - first + 1,
        "n_blocks": len(run.neurons.layers),
        "risk": share(measured.risk),
    }
    return {"truth": numbers["none_lost_bound"], "numbers": numbers, "figure": _certificate(trial, lost, level)}


def none_lost_bound(n: int, confidence: float = 0.95) -> float:
    """Return the risk that ``n`` pictures without a single slip still allow: the one-sided Clopper-Pearson bound.

    Examples
    --------
    >>> round(none_lost_bound(100), 4)
    0.0295
    """
    return float(upper_bounds(np.array(0), n, confidence))


def _certificate(trial: Trial, lost: int, level: float) -> dict[str, Any]:
    seen = share(exact_interval(lost, trial.policy.certificate.n))
    rows = [
        row("", "calibration pictures, which chose the exit", seen),
        row("", "other test pictures, which check it", share(trial.outcome.risk)),
    ]
    return {"kind": "bars", "rows": rows, "marks": [{"text": "promised", "value": level}], "unit": "contradict the full model"}


def causal(run: RunRecord) -> Numbers:
    """Return how often the full model's answer moves when the voters are overwritten, and when random neurons are.

    Raises
    ------
    UserError
        When the run was not asked the check "causal".
    """
    kinds = run.findings.get("causal", {}).get("kinds")
    if not kinds:
        raise UserError("This run was not asked.", "The causal check has not been made.", "Press Ask in Compare.")
    names = {"mean": "set to their mean", "zero": "set to zero", "other-class": "set to the other answer's mean"}
    rows = [
        row(series, names[str(kind["kind"])], {name: kind[field][name] for name in ("value", "low", "high", "n")})
        for kind in kinds
        for series, field in (("super neurons", "moved"), ("random neurons", "random_moved"))
    ]
    last = kinds[-1]  # the other answer's mean, named beforehand: the strongest of three would be picked by its result
    numbers = {
        "n_voters": last["n_neurons"],
        "moved": {name: last["moved"][name] for name in ("value", "low", "high", "n")},
        "random": {name: last["random_moved"][name] for name in ("value", "low", "high", "n")},
        "difference": {name: last["difference"][name] for name in ("value", "low", "high", "n")},
        "how": names.get(last["kind"], last["kind"]),
        "verdict": _told_apart(last["difference"]),
        "exit": run.neurons.layer_name(run.exit_layer),
    }
    figure = {"kind": "bars", "rows": rows, "marks": [], "unit": "of the full model's answers turn"}
    return {"truth": numbers["moved"]["value"], "numbers": numbers, "figure": figure}


def _told_apart(difference: Mapping[str, float]) -> str:
    if difference["low"] > 0:
        return "More often than random ones do, the voters carry the model's own answer: here it depends on them."
    if difference["high"] < 0:
        return "Less often than random ones do these neurons turn the answer: here it does not depend on them."
    return "No difference from random neurons can be told: here the voters may be only correlated with the answer."


def shortcut(run: RunRecord, n_alike: int, habit: np.ndarray) -> Numbers:
    """Return how the super neurons of a set with a habit do on pictures with that habit, the first ``n_alike``, and on others.

    Parameters
    ----------
    run : RunRecord
    n_alike : int
    habit : bool (other test example,)
        Which of the others show the thing that went along with the class.
    """
    column, says = best_alone(run)
    right = says == (run.test.labels == _class_of(run, column))
    voted = run.votes.predicted[:, run.exit_index] == run.test.labels
    parts = {"with the habit": slice(None, n_alike), "without it": slice(n_alike, None)}
    rows = [
        row(series, f"{series}, new pictures {name}", share(accuracy_interval(seen[part])))
        for series, seen in (("best neuron", right), ("vote at the exit", voted))
        for name, part in parts.items()
    ]
    numbers = {
        "neuron": run.neurons.name(column),
        "alike": _at(rows, 0),
        "other": _at(rows, 1),
        "vote_alike": _at(rows, 2),
        "vote_other": _at(rows, 3),
        "n_probing": len(run.train),
        "says_car": share(accuracy_interval(says[n_alike:] == habit)),
    }
    figure = {"kind": "bars", "rows": rows, "marks": [{"text": "guessing", "value": 0.5}], "unit": "right"}
    return {"truth": numbers["other"]["value"], "numbers": numbers, "figure": figure}
