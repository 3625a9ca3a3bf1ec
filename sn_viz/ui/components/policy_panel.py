"""How early is safe: a risk that people choose, and the exit that calibration images show to keep it.

Takes the key of a run, a level in percent and what counts as going wrong; returns the figure, facts and one plain sentence. Half of
the test images choose the threshold, the other half measure it; no model runs.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from sn_viz.early_exit.risk_control import RISKS, FullModel, RiskControlled
from sn_viz.early_exit.trial import Trial, trial_of_run
from sn_viz.errors import UserError
from sn_viz.formatting import percent, percent_range
from sn_viz.plots import PLOTS, style
from sn_viz.plots import policies as plots
from sn_viz.types import RunRecord
from sn_viz.ui.components import figures, views
from sn_viz.ui.components.plotly_view import payload
from sn_viz.ui.server.guard import guarded, message
from sn_viz.ui.server.state import Server
from sn_viz.voting.verdict import verdict

LEVEL = 10
"""Percent, at first: with 100 calibration images, 5 % forgives one slip, 10 % forgives four."""
LOWEST, HIGHEST = 1, 50
RISK_NAMES = {"disagreement": "Contradicts the full model", "error": "Is wrong"}
WENT_WRONG = {"disagreement": "contradicted the full model", "error": "was wrong"}


class Policy(NamedTuple):
    """The widgets of the panel."""

    level: gr.Slider
    risk: gr.Radio
    facts: gr.HTML
    figure: gr.HTML


def layout() -> Policy:
    """Place the widgets."""
    gr.HTML(
        '<h3 class="sn-h3">How early is safe?</h3>'
        '<p class="sn-hint">Say how often an early answer may go wrong. One half of the test images then chooses how clear a vote '
        "must be before the model stops, so that the limit holds with 95 % confidence; the other half checks it.</p>"
    )
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=300, elem_classes="sn-panel"):
            risk = gr.Radio(
                [(RISK_NAMES[name], name) for name in RISKS],
                value=RISKS[0],
                label="An answer goes wrong when it",
                elem_id="risk-kind",
            )
            level = gr.Slider(
                LOWEST, HIGHEST, value=LEVEL, step=1, label="At most this often (%)", elem_id="risk-level", buttons=[]
            )
            facts = views.facts_view("policy-facts")
        with gr.Column(scale=6, min_width=320, elem_classes="sn-panel"):
            figure = figures.place("policies")
    return Policy(level, risk, facts, figure)


def connect(server: Server, panel: Policy, run_key: gr.State) -> None:
    """Wire the panel to ``run_key``."""
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    asked, shown = [run_key, panel.level, panel.risk], [panel.figure, panel.facts]
    run_key.change(server.bind(show), asked, shown, **private)
    panel.level.release(server.bind(show), asked, shown, trigger_mode="always_last", **private)
    panel.risk.input(server.bind(show), asked, shown, trigger_mode="always_last", **private)


@guarded
def show(server: Server, run_key: str, level: float, risk: str) -> tuple:
    """Return the figure and the facts at a level in percent; where a run cannot say, why."""
    if not run_key:
        return gr.skip(), gr.skip()
    run = server.runs.get(run_key)
    try:
        trial = trial_of_run(run, _fraction(level), risk)
    except UserError as error:
        nothing = partial(style.empty, plots.TITLE, "There is nothing to show of this run.")
        return payload(nothing, plots.TITLE), {"warnings": [message(error)]}
    info = plots.info(trial, run.neurons.n_tower)
    info = info if verdict(run).holds else info._replace(speedup=float("nan"))
    return figures.text("policies", info, PLOTS["policies"].title, run), facts(run, trial)


def _fraction(level: Any) -> float:
    if isinstance(level, bool) or not isinstance(level, int | float) or not LOWEST <= level <= HIGHEST:
        raise UserError(f"A risk of {str(level)[:10]} % is not offered.", f"It lies between {LOWEST} and {HIGHEST}.", "Choose 10.")
    return level / 100


def facts(run: RunRecord, trial: Trial) -> dict[str, Any]:
    """Return a trial for ``facts_view``: a heading, one plain sentence and its figures."""
    seen = trial.outcome
    told = {"title": heading(trial), "note": sentence(run, trial)}
    if isinstance(trial.policy, FullModel) or not seen.risk.n:
        return told
    risk = trial.policy.certificate.risk
    between = f"{percent_range(seen.risk.low, seen.risk.high)}, {seen.risk.n} test images"
    between += run.held_out_mark and f", {run.held_out_mark}"
    total = len(run.neurons.layers)
    known = np.isfinite(seen.speedup) and verdict(run).holds
    return told | {
        "facts": [
            views.fact("average depth", f"{_blocks(run, seen.mean_layer):.1f}", f"of {total} blocks"),
            *([views.fact("expected speed", f"{seen.speedup:.1f}×", "of the full model's", "accent")] if known else []),
            views.fact(WENT_WRONG[risk], percent(seen.risk.value), between),
        ]
    }


def heading(trial: Trial) -> str:
    """Return the verdict in a few words."""
    if isinstance(trial.policy, FullModel):
        return "No early exit is safe enough yet"
    threshold = trial.policy.threshold
    return f"The model may stop at a vote margin of {threshold:g}" if threshold > 0 else "The model may stop after its first block"


def sentence(run: RunRecord, trial: Trial) -> str:
    """Return what was chosen and what it came to, or why nothing was and how many images it would take."""
    return _refusal(trial.policy) if isinstance(trial.policy, FullModel) else _promise(trial.policy) + _measured(run, trial)


def _promise(policy: RiskControlled) -> str:
    seen = policy.certificate
    lost = int(seen.losses[seen.certified][-1])
    return (
        f"The answer {WENT_WRONG[seen.risk]} on {lost:,} of {seen.n:,} calibration images; with {percent(seen.confidence, 0)} "
        f"confidence it goes wrong on at most {percent(seen.level, 0)} of images like these."
    )


def _measured(run: RunRecord, trial: Trial) -> str:
    seen, total = trial.outcome, len(run.neurons.layers)
    if not seen.risk.n:
        return ""
    tower = " (those of the vision tower included)" if run.neurons.n_tower else ""
    known = np.isfinite(seen.speedup) and verdict(run).holds
    faster = f"; expect {seen.speedup:.1f} times the full model's speed" if known else ""
    depth = f"{_blocks(run, seen.mean_layer):.1f} of {total} blocks{tower}"
    wrong = f"the answer {WENT_WRONG[trial.policy.certificate.risk]} on {percent(seen.risk.value)}"
    return (
        f" On {seen.risk.n:,} other test images the model stopped after {depth} on average, and {wrong} "
        f"(95 % interval {percent_range(seen.risk.low, seen.risk.high, 1)}){faster}."
    )


def _refusal(policy: FullModel) -> str:
    seen, needed = policy.certificate, policy.images_needed
    lost = int(seen.losses[0])
    found = f"Even at the clearest votes the answer {WENT_WRONG[seen.risk]} on {lost:,} of {seen.n:,} calibration images"
    goal = f"at most {percent(seen.level, 0)} go wrong, with {percent(seen.confidence, 0)} confidence"
    if needed is None:
        why = f"{found}, too often for {percent(seen.level, 0)}. Allow more."
    elif lost:
        why = f"{found}: too many of too few to show that {goal}. If that share holds, about {_images(needed)} would do."
    else:
        why = f"{seen.n:,} calibration images are too few to show that {goal}, even when none does: that takes {_images(needed)}."
    return f"{why} Every image runs through the whole model."


def _images(needed: int) -> str:
    return f"{needed:,} calibration images (so {2 * needed:,} test images)"


def _blocks(run: RunRecord, mean_layer: float) -> float:
    """Return how many blocks run up to an average exit layer."""
    return mean_layer - run.neurons.layers.start + 1
