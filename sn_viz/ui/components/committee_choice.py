"""One click for a committee with a name: the paper's plain one, and those that were more often right.

Takes a name; fills in rule, score, number of voters and vote, and is named by them where they are chosen by hand. It knows nothing
of runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from sn_viz.config import COMMITTEE
from sn_viz.voting.named import COMMITTEE_WORDS, COMMITTEES, named_committee

HINT = (
    "Chosen on your pictures: of three committees the one that was right about most probing pictures while they were left out; "
    "test pictures have no say. Plain: the 15 neurons with the most accurate cuts, one vote each, as in the paper. 64 by accuracy: "
    "more of the same. 64 by effect size: those whose class means lie furthest apart. Best scalars: these, weighed by a logistic "
    "regression. The result says who voted, and what that gains over the plain vote."
)


def layout() -> gr.Radio:
    """Place the committees that have a name."""
    return gr.Radio(
        [(_label(name), name) for name in COMMITTEE.names()],
        value=COMMITTEE.default,
        label=COMMITTEE.label,
        info=HINT,
        elem_id="committee",
    )


def _label(name: str) -> str:
    words = COMMITTEE_WORDS[name]
    return words[0].upper() + words[1:]


def connect(committee: gr.Radio, widgets: Sequence[Any]) -> None:
    """Wire it with the widgets of rule, score, number of voters and vote."""
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
    committee.input(chosen, committee, list(widgets), **private)
    for widget in widgets:
        widget.change(named_committee, list(widgets), committee, **private)


def chosen(name: str | None) -> tuple[Any, ...]:
    """Return rule, score, number of voters and vote of a committee with this name; nothing is changed for any other."""
    return tuple(COMMITTEES[name]) if name in COMMITTEES else (gr.skip(),) * 4
