"""The tables task x method for a document, from what ``bench tasks --json`` wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sn_viz.bench.tasks.cells import TITLES
from sn_viz.world.tasks import TASKS


def markdown(facts: Mapping[str, Any], shots: Sequence[int] | None = None) -> str:
    """Return the tables task x method, one for each number of probing images.

    Parameters
    ----------
    facts : dict
        What ``bench tasks --json`` writes.
    shots : sequence of int, optional
        Which numbers of probing images; by default all there are.

    Returns
    -------
    str
        Accuracies in percent with 95 % intervals over draws and images; below them the mean over the tasks, milliseconds an image,
        seconds to fit (medians over the tasks), and on how many tasks the super neurons (exit by cross-validation) are better or
        worse than the method by more than chance.
    """
    cells = [row for row in facts["rows"] if row.get("bench") == "tasks" and row.get("method")]
    there = sorted({row["shots"] for row in cells if row["shots"] is not None})
    parts = [_one_table(cells, n) for n in there if shots is None or n in shots]
    return "\n\n".join(parts)


def _one_table(cells: Sequence[Mapping[str, Any]], shots: int) -> str:
    here = {(row["task"], row["method"]): row for row in cells if row["shots"] in (shots, None)}
    tasks = list(dict.fromkeys(task for task, method in here if (task, "exit-chosen") in here))
    methods = [method for method in TITLES if any((task, method) in here for task in tasks)]
    some = here[tasks[0], "exit-chosen"]
    lines = [
        f"**{shots} probing images**, {some['draws']} draws, {some['n']} test images a task (the digits fewer):",
        "",
        "| task | " + " | ".join(TITLES[method] for method in methods) + " |",
        "|---|" + "---|" * len(methods),
    ]
    for task in tasks:
        mirrored = TASKS[task].mirrors if task in TASKS else ""
        shown = [_percent(here.get((task, method))) for method in methods]
        lines.append(f"| {task}{f' ({mirrored})' if mirrored else ''} | " + " | ".join(shown) + " |")

    def over_tasks(name: str, show: Callable[[np.ndarray], str]) -> list[str]:
        columns = [[here[task, method][name] for task in tasks if (task, method) in here] for method in methods]
        return [show(np.array([value for value in column if value is not None], float)) for column in columns]

    rows = {
        f"mean of {len(tasks)} tasks": over_tasks("measured", lambda values: f"{100 * values.mean():.1f}" if values.size else ""),
        "ms an image": over_tasks("latency_ms", lambda values: f"{np.median(values):.1f}" if values.size else ""),
        "seconds to fit": over_tasks("train_seconds", lambda values: f"{np.median(values):.2g}" if values.size else ""),
        "super neurons better / worse than it": [_wins(here, tasks, method) for method in methods],
    }
    return "\n".join([*lines, *(f"| *{name}* | " + " | ".join(shown) + " |" for name, shown in rows.items())])


def _percent(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    value, low, high = (100 * row[name] for name in ("measured", "low", "high"))
    return f"{value:.1f} ({low:.0f} to {high:.0f})"


def _wins(here: Mapping[tuple[str, str], Mapping[str, Any]], tasks: Sequence[str], method: str) -> str:
    gaps = [here[task, f"exit-chosen - {method}"] for task in tasks if (task, f"exit-chosen - {method}") in here]
    better, worse = sum(gap["low"] > 0 for gap in gaps), sum(gap["high"] < 0 for gap in gaps)
    return f"{better} / {worse} of {len(gaps)}" if gaps else ""
