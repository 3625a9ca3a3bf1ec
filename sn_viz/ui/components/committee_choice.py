"""One click for a committee with a name: the paper's plain one, and those that were more often right.

Takes a name; fills in rule, score, number of voters and vote, and is named by them where they are chosen by hand. It knows nothing
of runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from sn_viz.voting.named import COMMITTEES, named_committee

HINT = (
    "Plain: the 15 neurons with the most accurate cuts, one vote each, as in the paper. 64 by effect size: those whose class "
    "means lie furthest apart, one vote each; right on 2 to 3 of 100 photographs more than the plain ones, and as often or a "
    "little less on drawn scenes. Best scalars: the same 64, their yes and no weighed by a logistic regression. The result says "
    "what that gains over the plain vote."
)


def layout() -> gr.Radio:
    """Place the committees that have a name."""
    return gr.Radio(
        [(name[0].upper() + name[1:], name) for name in COMMITTEES],
        value=next(iter(COMMITTEES)),
        label="Who votes",
        info=HINT,
        elem_id="committee",
    )


def connect(committee: gr.Radio, widgets: Sequence[Any]) -> None:
    """Wire it with the widgets of rule, score, number of voters and vote."""
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
    committee.input(chosen, committee, list(widgets), **private)
    for widget in widgets:
        widget.change(named_committee, list(widgets), committee, **private)


def chosen(name: str | None) -> tuple[Any, ...]:
    """Return rule, score, number of voters and vote of a committee with this name; nothing is changed for any other."""
    found = COMMITTEES.get(name or "")
    return tuple(found[part] for part in ("rule", "metric", "voters", "weighting")) if found else (gr.skip(),) * 4
