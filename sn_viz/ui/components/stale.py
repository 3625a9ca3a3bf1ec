"""Is what is shown still what is set up? Old results are marked as old until something new is found.

Takes the values of the widgets that a run is made of; returns what has changed since the shown one. It knows nothing of results.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import gradio as gr

from sn_viz.ui.components.edits import Edits
from sn_viz.ui.components.plotly_view import when_ready
from sn_viz.ui.sections.examples_section import Where

TITLE = "From the earlier set-up"


class Setup(NamedTuple):
    """Digests of what a run is made of; equal ones mean the same run."""

    examples: str
    changes_by_hand: str
    question: str
    choices: str
    answers: str
    """The user's own words for the classes."""


def setup_of(made: Edits, question: str, choices: Sequence[Any], answers: tuple[tuple[str, str], ...], place: Where) -> Setup:
    """Return the set-up in the widgets; ``choices`` as in the run panel, ``answers`` the user's own (class, answer)."""
    by_hand = made.belonging_to(place.name).made
    parts = place.key, by_hand, " ".join((question or "").split()), list(choices), answers
    return Setup(*(hashlib.sha256(repr(part).encode()).hexdigest()[:16] for part in parts))


def told(shown: Setup | None, now: Setup) -> dict[str, str]:
    """Return the mark's value: empty while ``now`` is what is shown, else what has changed."""
    if shown is None or shown == now:
        return {}
    changed = [name.replace("_", " ") for name, one, other in zip(Setup._fields, shown, now, strict=True) if one != other]
    words = " and ".join([", ".join(changed[:-1]), changed[-1]] if len(changed) > 1 else changed)
    return {
        "title": TITLE,
        "text": f"{words[0].upper()}{words[1:]} changed since. Press Find super neurons to see what is set up now.",
    }


def view(elem_id: str) -> gr.HTML:
    """Return the mark: a line in the strip, and a tag on every figure while it says something."""
    return gr.HTML(
        None,
        elem_id=elem_id,
        html_template='<div class="sn-stale-mark" role="status"></div>',
        js_on_load=when_ready("snViz.stale(element, props, watch)"),
        apply_default_css=False,
    )
