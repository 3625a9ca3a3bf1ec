"""The tables of a run as CSV and JSON: neurons, layers, methods, and what was said about each picture.

Takes a run; returns rows of plain values. A cell that a spreadsheet would run as a formula is quoted in the CSV. It knows nothing
about where the text goes.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from sn_viz.errors import UserError
from sn_viz.sources.text import csv_cell
from sn_viz.storage.lighter import original_shas
from sn_viz.storage.summary import as_json, summary
from sn_viz.types import Interval, RunRecord, Stumps
from sn_viz.voting.stump_scores import stump_score

N_NEURONS = 1000
"""Rows of the table of neurons, best first."""
Row = dict[str, Any]


def rows_of(run: RunRecord, table: str) -> list[Row]:
    """Return the rows of a table, with what could not be measured None.

    Parameters
    ----------
    run : Run
    table : str
        An entry of ``TABLES``.

    Raises
    ------
    UserError
        When there is no such table.
    """
    if table not in TABLES:
        raise UserError(
            f"There is no table called {str(table)[:40]!r}.", f"There are: {', '.join(TABLES)}.", "Choose one of these."
        )
    return as_json(TABLES[table](run))


def as_csv(rows: list[Row]) -> str:
    """Return rows as CSV, with a line of names; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text)
    if rows:
        writer.writerow(rows[0])
    for row in rows:
        writer.writerow([csv_cell(cell) if isinstance(cell, str) else cell for cell in row.values()])
    return text.getvalue()


def as_json_text(rows: list[Row]) -> str:
    """Return rows as JSON, a list of objects."""
    return json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _neurons(run: RunRecord) -> list[Row]:
    stumps, voters, rows = run.stumps, run.voters[run.exit_index], []
    voting = {pair: at for at, pair in enumerate(zip(voters.neuron.tolist(), voters.class_index.tolist(), strict=True))}
    order = np.argsort(-stumps.score, kind="stable")
    for i in order[np.isfinite(stumps.score[order])][:N_NEURONS].tolist():
        neuron, says = int(stumps.neuron[i]), int(stumps.class_index[i])
        threshold, sign = float(stumps.threshold[i]), int(stumps.sign[i])
        held_out = stump_score(run.test_values[:, neuron], run.test.labels, threshold, sign, says)
        rows.append(
            {
                "neuron": neuron,
                "where": run.neurons.name(neuron),
                "says": run.train.classes[says],
                "probing_score": float(stumps.score[i]),
                "held_out_balanced_accuracy": held_out.balanced_accuracy,
                "threshold": threshold,
                "sign": sign,
                "votes_at_exit": (neuron, says) in voting,
                **_weight(voters, voting.get((neuron, says))),
            }
        )
    return rows


def _weight(voters: Stumps, at: int | None) -> Row:
    """Return what a voter's yes adds to the log-odds of its class, where votes are weighed so; None for neurons without a vote."""
    return {} if voters.weight is None else {"weight": None if at is None else float(voters.weight[at])}


def _layers(run: RunRecord) -> list[Row]:
    return [
        {
            "layer": run.neurons.layer_name(row.layer),
            **_interval(row.accuracy),
            "cv_accuracy": row.cv_accuracy,
            "milliseconds": row.latency_ms,
        }
        for row in run.by_layer
    ]


def _methods(run: RunRecord) -> list[Row]:
    at_exit = run.by_layer[run.exit_index]
    ours = {"method": "super-neurons", **_interval(at_exit.accuracy), "milliseconds": run.latency_ms.get("early_exit"), "note": ""}
    others = [{"method": b.name, **_interval(b.accuracy), "milliseconds": b.latency_ms, "note": b.note} for b in run.baselines]
    return [ours, *others]


def _interval(interval: Interval | None) -> Row:
    if interval is None or not interval.n:
        return {"accuracy": None, "low": None, "high": None, "n_test": 0}
    return {"accuracy": interval.value, "low": interval.low, "high": interval.high, "n_test": interval.n}


def _pictures(run: RunRecord) -> list[Row]:
    said, classes = run.votes.predicted[:, run.exit_index], run.train.classes
    margin, rows = run.votes.margin[:, run.exit_index], []
    for split, images in (("train", run.train), ("test", run.test)):
        for i, sha in enumerate(original_shas(run, split)):
            label, tested = int(images.labels[i]), split == "test"
            rows.append(
                {
                    "split": {"train": "probing", "test": "test"}[split],
                    "name": images.names[i],
                    "sha256": sha,
                    "question": images.questions[i],
                    "label": classes[label] if label >= 0 else None,
                    "said": classes[int(said[i])] if tested else None,
                    "right": bool(said[i] == label) if tested and label >= 0 else None,
                    "margin": float(margin[i]) if tested else None,
                }
            )
    return rows


def _summary(run: RunRecord) -> list[Row]:
    facts = summary(run)
    return [
        {"name": name, "value": json.dumps(value) if isinstance(value, dict | list) else value} for name, value in facts.items()
    ]


TABLES: dict[str, Callable[[RunRecord], list[Row]]] = {
    "neurons": _neurons,
    "layers": _layers,
    "methods": _methods,
    "pictures": _pictures,
    "everything": _summary,
}
"""What can be had as a table, by name."""
