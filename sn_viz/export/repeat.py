"""A script and a notebook that repeat exactly one run: the same pictures by their content, the same split, choices and seed.

Takes a run; returns text. The pictures themselves are not in it, only their SHA-256: those of a sample pack are drawn again, those
of a data set of the hub are read at the commit, and people's own come from a folder that whoever runs it names. Text of a run
stands in it as Python literals only, never as code.
"""

from __future__ import annotations

import json
import pprint
from dataclasses import asdict, replace
from importlib import resources
from pathlib import Path
from typing import Any

from sn_viz.errors import UserError
from sn_viz.models.folders import saved_name
from sn_viz.storage.lighter import original_shas
from sn_viz.storage.summary import as_json
from sn_viz.types import LabelledImages, RunRecord

CELL = "# %%"
"""Begins a cell of the program that lies beside this module."""
FACTS = "# FACTS"
"""Stands where what is known of the run goes."""
WIDTH = 128


def script(run: RunRecord) -> str:
    """Return a Python program that repeats the run and exits with 0 only if it finds the same neurons.

    Parameters
    ----------
    run : Run
        Made by ``find`` or in the page.

    Returns
    -------
    str
        The program: ``python again.py [PICTURES] [--out DIR]``.
    """
    return "\n\n".join([*_cells(run, "script")]) + "\n"


def notebook(run: RunRecord) -> str:
    """Return the same as a notebook (format 4.5), as JSON text."""
    cells = [_cell(number, text) for number, text in enumerate(_cells(run, "notebook"))]
    told = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return json.dumps({"cells": cells, "metadata": told, "nbformat": 4, "nbformat_minor": 5}, indent=1, ensure_ascii=False) + "\n"


def write_text(text: str, path: str | Path) -> Path:
    """Write a script or notebook into a new file.

    Raises
    ------
    UserError
        When there is something already, or it cannot be written.
    """
    path = Path(path)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UserError(f"{str(path)!r} was not written.", "There is something of that name.", "Name a new file.") from None
    except OSError as error:
        raise UserError(f"{str(path)!r} was not written.", f"{error.strerror or error}.", "Name a file you may write.") from error
    return path


def _cells(run: RunRecord, kind: str) -> list[str]:
    """Return the cells of the program with the facts of a run filled in; those meant for the other kind are left out."""
    beside = (resources.files("sn_viz.export") / "beside" / "again.txt").read_text(encoding="utf-8")
    found = []
    for cell in beside.split(CELL)[1:]:
        head, _, body = cell.partition("\n")
        if head.strip() in ("", kind):
            found.append(body.strip("\n").replace(FACTS, facts_text(run)) if FACTS in body else body.strip("\n"))
    return found


def _cell(number: int, text: str) -> dict[str, Any]:
    lines = text.splitlines(keepends=True)
    if text.startswith('"""') and text.endswith('"""') and text.count('"""') == 2:
        said = text.strip('"').strip().splitlines(keepends=True)
        return {"cell_type": "markdown", "id": f"cell-{number}", "metadata": {}, "source": said}
    return {"cell_type": "code", "execution_count": None, "id": f"cell-{number}", "metadata": {}, "outputs": [], "source": lines}


def facts_text(run: RunRecord) -> str:
    """Return what is known of a run as assignments of Python literals."""
    told, voters = run.findings.get("data", {}), run.voters[run.exit_index]
    expected = [
        (run.neurons.name(n), run.train.classes[int(c)], float(t), int(s), float(score))
        for n, c, t, s, score in zip(voters.neuron, voters.class_index, voters.threshold, voters.sign, voters.score, strict=True)
    ]
    config = asdict(replace(run.config, model=saved_name(run.config.model)))
    values = {
        "SOURCES": list(told.get("sources", [])),
        "COLUMNS": told.get("columns") or None,
        "CONFIG": config,
        "NUMBERS": run.versions.get("numbers", "auto"),
        "CLASSES": tuple(run.train.classes),
        "ANSWER_RULES": (run.train.answer_rule, run.test.answer_rule),
        "TRAIN": _rows(run, "train"),
        "TEST": _rows(run, "test"),
        "EXIT_LAYER": run.exit_layer,
        "EXPECTED": expected,
        "MADE_WITH": {name: run.versions[name] for name in ("sn_viz", "torch", "transformers", "numpy") if name in run.versions},
    }
    return "\n".join(f"{name} = {_literal(value)}" for name, value in values.items())


def _rows(run: RunRecord, split: str) -> list[tuple[Any, ...]]:
    """Return (SHA-256 of the pixels, label, question, name, group) of each example."""
    images: LabelledImages = getattr(run, split)
    groups = images.groups or ("",) * len(images)
    return list(zip(original_shas(run, split), images.labels.tolist(), images.questions, images.names, groups, strict=True))


def _literal(value: Any) -> str:
    """Return a value as a Python literal that means the same; what no file can hold as text is replaced."""
    return pprint.pformat(_writable(value), width=WIDTH, sort_dicts=False)


def _writable(value: Any) -> Any:
    if isinstance(value, str):
        return as_json(value)
    if isinstance(value, dict):
        return {_writable(key): _writable(item) for key, item in value.items()}
    return type(value)(map(_writable, value)) if isinstance(value, list | tuple) else value
