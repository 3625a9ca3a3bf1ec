"""The Early exit section: how deep the model must go, how early is safe, and the live race on one image.

Takes the key of a run; returns figures and facts of the exit that the slider names.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from sn_viz.formatting import milliseconds, percent, percent_range, ratio
from sn_viz.plots.words import depth_words, exit_words
from sn_viz.types import RunRecord
from sn_viz.ui.components import batch_panel, figures, policy_panel, race_panel, views
from sn_viz.ui.components.following_slider import FollowingSlider
from sn_viz.ui.components.layers import checked_layer, numbering
from sn_viz.ui.components.plotly_view import Pick
from sn_viz.ui.server.guard import guarded
from sn_viz.ui.server.state import Server
from sn_viz.voting.verdict import Verdict, verdict

SLIDER = "Stop after layer"


class Exit(NamedTuple):
    """The widgets of the section."""

    layers: gr.HTML
    layer: gr.Slider
    facts: gr.HTML
    policy: policy_panel.Policy
    race: race_panel.RacePanel
    batch: batch_panel.BatchPanel
    others: dict[str, gr.HTML]
    """Further plots of this section, by name."""


def layout() -> Exit:
    """Place the widgets."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=6, min_width=320, elem_classes="sn-panel"):
            layers = figures.place("layers")
        with gr.Column(scale=4, min_width=300, elem_classes="sn-panel"):
            layer = FollowingSlider(1, 12, value=1, step=1, label=SLIDER, elem_id="exit-layer", buttons=[])
            facts = views.facts_view("exit-facts")
    policy = policy_panel.layout()
    race = race_panel.layout()
    many = batch_panel.layout()
    others = figures.place_all(figures.others("exit", ("layers",)))
    return Exit(layers, layer, facts, policy, race, many, others)


def connect(server: Server, tab: Exit, run_key: gr.State, link: gr.State) -> Any:
    """Wire the section to ``run_key``; returns the event after which a race of a new run may be started."""
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    run_key.change(server.bind(show), [run_key, link], [tab.layers, tab.layer, tab.facts], **private)
    policy_panel.connect(server, tab.policy, run_key)
    figures.connect(server, tab.others, run_key)
    tab.layers.pick(server.bind(pick_layer), [run_key], [tab.layer, tab.facts], **private)
    tab.layer.input(server.bind(show_layer), [run_key, tab.layer], tab.facts, trigger_mode="always_last", **private)
    batch_panel.connect(server, tab.batch, run_key, tab.layer)
    return race_panel.connect(server, tab.race, run_key, tab.layer)


@guarded
def show(server: Server, run_key: str, link: Any) -> tuple:
    """Return the figure of the layers, the slider and the facts of the exit, for a new run."""
    if not run_key:
        return (gr.skip(),) * 3
    run = server.runs.get(run_key)
    layers = run.neurons.layers
    layer = link.exit_layer if link and link.exit_layer in layers else run.exit_layer
    label = ": ".join(filter(None, (SLIDER, numbering(run))))
    slider = gr.Slider(minimum=layers[0], maximum=max(layers[0] + 1, layers[-1]), value=layer, label=label)
    return figures.draw("layers", run), slider, layer_facts(run, layer)


def layer_facts(run: RunRecord, layer: int) -> dict[str, Any]:
    """Return accuracy, time and speed-up when the model stops after ``layer``."""
    row = next(row for row in run.by_layer if row.layer == layer)
    full = run.latency_ms.get("full_model", float("nan"))
    early = run.latency_ms.get("early_exit", row.latency_ms) if layer == run.exit_layer else row.latency_ms
    seen = verdict(run, layer)
    between = percent_range(row.accuracy.low, row.accuracy.high)
    chosen = " (chosen on the probing images)" if layer == run.exit_layer and run.config.exit_layer is None else ""
    return {
        "title": f"Stop after {exit_words(run, layer)}{chosen}",
        "verdict": views.verdict_mark(seen),
        "facts": [
            views.fact(
                "accuracy",
                percent(row.accuracy.value),
                ", ".join(filter(None, (between, f"{row.accuracy.n} images", run.held_out_mark))),
                "accent",
            ),
            views.fact("time per image", milliseconds(early), f"full model {milliseconds(full)}"),
            *speed_facts(seen, early, full),
        ],
        "note": depth_words(run) if layer == run.exit_layer else "",
    }


def speed_facts(seen: Verdict, early: float, full: float) -> list[dict[str, str]]:
    """Return the speed-up as a fact; none beside an accuracy that does not hold, and behind is called behind."""
    faster = ratio(full, early)
    if not seen.holds or not np.isfinite(faster):
        return []
    label, times = ("faster", faster) if faster >= 1 else ("slower", 1 / faster)
    return [views.fact(f"{label} than the full answer", f"{times:.1f}×", f"{milliseconds(early)} against {milliseconds(full)}")]


@guarded
def pick_layer(server: Server, run_key: str, event: gr.EventData) -> tuple:
    """Move the exit to the clicked layer."""
    run, layer = server.runs.get(run_key), Pick.read(event).x
    layer = checked_layer(run, layer)
    return layer, layer_facts(run, layer)


@guarded
def show_layer(server: Server, run_key: str, layer: float) -> dict:
    """Return the facts of the exit layer on the slider."""
    run = server.runs.get(run_key)
    return layer_facts(run, checked_layer(run, min(int(layer), run.neurons.layers[-1])))
