"""What people land on: a picture, its race replayed from a recording, and one sentence with what was measured.

Takes a ``Recorded``; returns the value of a view that the page's script draws at once (``assets/page/race.js``). Nothing is
computed when it is shown. A click goes on to the workbench, at the same pack, model and neuron.
"""

from __future__ import annotations

import functools
from datetime import date
from typing import Any

import gradio as gr

from sn_viz.formatting import percent, percent_range, ratio
from sn_viz.sources.pack import pack_names
from sn_viz.types import Interval, layer_name
from sn_viz.ui.components import lanes, views
from sn_viz.ui.components.link import Link, write_link
from sn_viz.ui.components.plotly_view import when_ready
from sn_viz.ui.components.recorded import Recorded, landing

PICTURE_PIXELS = 360


def layout() -> gr.HTML:
    """Place what people land on, with its value: it is there as soon as the page is."""
    return gr.HTML(
        value(),
        elem_id="story",
        html_template='<div class="sn-story"></div>',
        js_on_load=when_ready("snViz.story(element, props)"),
        apply_default_css=False,
    )


@functools.cache
def value() -> dict[str, Any]:
    """Return the recorded run for the page."""
    return shown(landing())


def shown(recorded: Recorded) -> dict[str, Any]:
    """Return a recorded run for the page.

    Returns
    -------
    dict
        The picture, the race for the lanes, sentences, and the link that goes on from here; "" where what was searched is
        not here to be opened, so that people go on to the workbench as it stands.
    """
    found = recorded.found
    race = lanes.shown(
        recorded.race,
        found.classes,
        n_tower=found.n_tower,
        truth=found.label,
        full_label=found.full_label,
        recorded=where_and_when(recorded),
    )
    lead, photographs = lead_of(recorded), found.photographs
    told = {
        "alt": f"A test picture of the pack “{found.pack}”, labelled “{found.label}”",
        "credit": next((pack.credit for pack in pack_names() if pack.name == found.pack), ""),
        "on": "Look at this number",
        "link": write_link(Link(found.pack, found.model, neuron=found.neuron, exit=found.exit_layer, tab="neurons")),
    }
    if photographs is not None:
        told |= {
            "alt": f"A photograph; the right answer is “{found.label}”",
            "credit": photographs.credit,
            "on": "On to the workbench",
            "link": "",
        }
    return told | {
        "picture": views.thumbnail(recorded.picture, PICTURE_PIXELS),
        "question": found.question,
        "race": race,
        "lead": lead,
        "rest": sentence(recorded).removeprefix(lead),
        "luck": luck(recorded),
        "pack": found.pack,
        "model": found.model,
        "neuron": found.neuron,
    }


def lead_of(recorded: Recorded) -> str:
    """Return how the sentence begins: what it is about."""
    if recorded.found.photographs is None:
        return "This one number"
    n = recorded.found.n_voters
    return f"{n} single numbers" if n > 1 else "One single number"


def sentence(recorded: Recorded) -> str:
    """Return what was measured, in one sentence."""
    found, times, lead = recorded.found, recorded.times, lead_of(recorded)
    if found.photographs is not None:
        many = "answer" if found.n_voters > 1 else "answers"
        sooner = ratio(times.race_full_ms, times.race_exit_ms)
        ahead = f"{sooner:.1f} times sooner than" if sooner >= 1.05 else "no sooner than"
        return (
            f"{lead} out of {_blocks(recorded)} {many} it: right on {_share(found.vote_right)} of {found.n_test} other photographs "
            f"({_between(found.vote_right)}), and on this one {ahead} the full model."
        )
    faster = ratio(times.full_model_ms, times.early_exit_ms)
    return (
        f"{lead} alone is right on {_share(found.neuron_right)} of {found.n_test} new pictures ({_between(found.neuron_right)}); "
        f"the model could stop after block {_name(recorded)} of {found.n_layers}, {faster:.1f} times as fast."
    )


def luck(recorded: Recorded) -> str:
    """Return what luck would reach, and what else was right as often."""
    found = recorded.found
    luck_told = (
        f"with shuffled answers the best of {found.n_neurons:,} numbers scores {found.luck:.2f} on {found.n_probing} probing"
    )
    full = f"full model is right on {_share(found.full_right)} ({_between(found.full_right)})"
    if found.photographs is not None:
        return (
            f"Luck: {luck_told} photographs, the best of these {found.probing_score:.2f}. The {full} of the same {found.n_test}. "
            f"All come from {len(found.photographs.sets)} public sets."
        )
    return (
        f"Luck: {luck_told} pictures, this one {found.probing_score:.2f}. At the stop {found.n_voters} numbers vote, right on "
        f"{_share(found.vote_right)} ({_between(found.vote_right)}); the {full}."
    )


def where_and_when(recorded: Recorded) -> str:
    """Return the machine and the day, such as "2 processor cores, 26 November 2026"."""
    day = date.fromisoformat(recorded.times.date)
    return f"{recorded.times.machine.split(',')[0]}, {day.day} {day:%B %Y}"


def _blocks(recorded: Recorded) -> str:
    """Return which blocks are run before the stop, such as "the first 3 of 8 blocks"."""
    found = recorded.found
    if found.exit_layer >= found.n_layers:
        return f"all {found.n_layers} blocks"
    if found.exit_layer < 1:
        return f"the vision tower, before any of {found.n_layers} blocks"
    return f"the first {found.exit_layer if found.exit_layer > 1 else ''} of {found.n_layers} blocks".replace("  ", " ")


def _name(recorded: Recorded) -> str:
    found = recorded.found
    name = layer_name(found.exit_layer, found.n_tower)
    return name if found.exit_layer >= 1 else f"{name} of the vision tower, before any"


def _share(seen: Interval) -> str:
    return percent(seen.value, 1 if seen.value * 100 % 1 > 1e-9 else 0)


def _between(seen: Interval) -> str:
    return percent_range(seen.low, seen.high).removesuffix(" %")
