"""The lesson with its numbers put in: what the page shows, the sheet prints and the documentation tells.

Takes the steps and what was recorded, or a finished run; returns plain JSON values whose every share stands with its interval. It
runs no model.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from sn_viz.errors import UserError
from sn_viz.formatting import percent, percent_range
from sn_viz.lessons import measured
from sn_viz.lessons.steps import OTHER, STEPS, SUPER, Look, Step
from sn_viz.plots import style
from sn_viz.types import RunRecord

RECORDED = "recorded.json"
"""Beside this file; written by ``python -m sn_viz lessons --write``."""
LIVE: dict[str, Callable[[RunRecord], measured.Numbers]] = {
    "one-number": measured.one_number,
    "luck": measured.luck_of_run,
    "whole-or-named": measured.cost,
    "race": measured.race,
    "cost": measured.cost,
    "certified": measured.certified,
    "causal": measured.causal,
}
"""What can be measured on any finished run, by step."""


@functools.cache
def recorded() -> dict[str, Any]:
    """Return what was recorded: {recorded, steps: {key: {truth, numbers, figure}}}."""
    return json.loads(files("sn_viz.lessons").joinpath(RECORDED).read_text(encoding="utf-8"))


def words(numbers: Mapping[str, Any]) -> dict[str, str]:
    """Return measured numbers as people read them; a share with its 95 % interval and the number of pictures.

    Examples
    --------
    >>> words({"alone": {"value": 0.95, "low": 0.91, "high": 0.973, "n": 200}, "n_neurons": 21504, "level": 0.1})
    {'alone': '95.0 % (91 to 97 %, 200 pictures)', 'n_neurons': '21,504', 'level': '10 %'}
    """
    return {name: _word(name, value) for name, value in numbers.items()}


def _word(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{percent(value['value'])} ({percent_range(value['low'], value['high'])}, {value['n']:,} pictures)"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "unknown"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.1f}" if name in ("depth",) else percent(value, 0 if value * 100 == round(value * 100) else 1)
    return str(value)


def lesson() -> list[dict[str, Any]]:
    """Return every step as the page shows it; see ``step_told``."""
    return [step_told(number, step) for number, step in enumerate(STEPS, start=1)]


def step_told(number: int, step: Step) -> dict[str, Any]:
    """Return one step with the recorded numbers in its words.

    Returns
    -------
    dict
        key, number, title, minutes, pack, setting, question, options [{text, right}], reveal, so, figure (see ``figure_told``),
        looks [{text, query, tab, at, press}], discuss, answer.
    """
    seen = recorded()["steps"][step.key]
    named = words(seen["numbers"])
    return {
        "key": step.key,
        "number": number,
        "title": step.title,
        "minutes": step.minutes,
        "pack": step.pack,
        **{part: getattr(step, part).format_map(named) for part in ("setting", "question", "reveal", "so", "discuss", "answer")},
        "options": [{"text": each.text, "right": each.low <= seen["truth"] < each.high} for each in step.options],
        "figure": figure_told(seen["figure"], step.figure.format_map(named), step.series),
        "looks": [_look(step, each, named, seen["numbers"]) for each in step.looks],
    }


def _look(step: Step, look: Look, named: Mapping[str, str], numbers: Mapping[str, Any]) -> dict[str, str]:
    chosen = {name: _plain(numbers.get(value, value)) for name, value in look.select}
    own = look.tab == "examples"  # the drawer of people's own pictures: no pack is opened for it
    query = {"tab": look.tab} if own else {"pack": step.pack, "model": recorded()["recorded"]["model"], **chosen, "tab": look.tab}
    return {
        "text": look.text.format_map(named),
        "query": "?" + urlencode(query),
        "tab": look.tab,
        "at": look.at,
        "press": look.press,
        "own": "yes" if own else "",
    }


def _plain(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def figure_told(figure: Mapping[str, Any], caption: str, series: Mapping[str, str]) -> dict[str, Any]:
    """Return a figure for the page, with whose colour each series wears and the table that says the same."""
    told = {**figure, "caption": caption, "table": table(figure)}
    if figure["kind"] == "histogram":
        colours = style.colour_pairs([each["name"] for each in figure["series"]])
        told["series"] = [{**each, "colour": list(pair)} for each, pair in zip(figure["series"], colours, strict=True)]
    elif figure["kind"] != "lanes":
        told["tones"] = {
            name: series.get(name, OTHER if name else SUPER) for name in dict.fromkeys(r["series"] for r in figure["rows"])
        }
    return told


def table(figure: Mapping[str, Any]) -> dict[str, list]:
    """Return a figure as {head, rows} of text: what it shows, for people who do not see it and for paper."""
    if figure["kind"] == "lanes":
        rows = [[each["name"], f"{each['blocks']} of {each['of']}"] for each in figure["lanes"]]
        return {"head": ["lane", "blocks that run"], "rows": rows}
    if figure["kind"] == "histogram":
        edges = figure["edges"]
        spans = [f"{low:g} to {high:g}" for low, high in itertools.pairwise(edges)]
        counts = zip(*(each["counts"] for each in figure["series"]), strict=True)
        names = [f"pictures of “{each['name']}”" for each in figure["series"]]
        return {"head": ["value", *names], "rows": [[span, *map(str, row)] for span, row in zip(spans, counts, strict=True)]}
    rows = [
        [each["series"], each["label"], percent(each["value"]), percent_range(each["low"], each["high"]), f"{each['n']:,}"]
        for each in figure["rows"]
    ]
    rows += [["line", each["text"], percent(each["value"]), _range(each), ""] for each in figure["marks"]]
    return {"head": ["series", "what", "value", "interval", "pictures"], "rows": rows}


def _range(mark: Mapping[str, Any]) -> str:
    return percent_range(mark["low"], mark["high"]) if "low" in mark else ""


def live(run: RunRecord, where: str) -> dict[str, str]:
    """Return what each step measures on a finished run, a sentence by step; where it cannot be said, why.

    Parameters
    ----------
    run : RunRecord
    where : str
        What the run is of, for people; "" where that goes without saying.
    """
    found = {}
    for step in STEPS:
        if step.live and step.key in LIVE:
            found[step.key] = f"In the workbench now{where and ', '}{where}: {_said(step, run)}"
    return found


def _said(step: Step, run: RunRecord) -> str:
    if run.no_held_out:
        return "this cannot be said. No pictures were held out to test on."
    try:
        numbers = LIVE[step.key](run)["numbers"]
    except UserError as error:
        return f"this cannot be said. {error.what}"
    if any(isinstance(value, Mapping) and not math.isfinite(value["value"]) for value in numbers.values()):
        return "this cannot be said. Nothing could be measured on held-out pictures."
    try:
        return step.live.format_map(words(numbers))
    except KeyError:
        return "this cannot be said. The full model was not asked, or its answers cannot be read."
