"""Put it to the test: what is asked of a finished run with its model once more.

Takes the key of a run, the checks to make and their choices; streams progress and ends with the key of the same run with its
findings, which every figure and the report then show.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import gradio as gr

from sn_viz.activations.model_cache import model_of
from sn_viz.checks import CHECKS, MOST_WORDINGS, WORDINGS, Options, examine
from sn_viz.errors import Cancelled, UserError
from sn_viz.types import Progress, RunRecord
from sn_viz.ui.components import figures, views
from sn_viz.ui.server.arguments import MAX_QUESTION
from sn_viz.ui.server.guard import guarded, message
from sn_viz.ui.server.jobs import Done, steps
from sn_viz.ui.server.quotas import visitor
from sn_viz.ui.server.session import finished
from sn_viz.ui.server.state import Server

N_IMAGES = 60
"""Test images at first: a minute's work for the embedded model."""
FIGURES = ("robustness", "causal")
IDLE = views.status("Asks the model again; nothing is uploaded anew.", tone="idle")


class Checks(NamedTuple):
    """The widgets of the panel."""

    names: gr.CheckboxGroup
    wordings: gr.Textbox
    strength: gr.Slider
    n_images: gr.Slider
    button: gr.Button
    cancel: gr.Button
    status: gr.HTML
    facts: gr.HTML
    figures: dict[str, gr.HTML]


def layout() -> Checks:
    """Place the widgets."""
    gr.HTML(
        '<h3 class="sn-h3">Put it to the test</h3>'
        '<p class="sn-hint">Ask differently, change the pictures, overwrite the neurons: does the answer survive?</p>'
    )
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=300, elem_classes="sn-panel"):
            names = gr.CheckboxGroup(
                [(CHECKS[name].title, name) for name in CHECKS.names()],
                value=CHECKS.names(),
                label="Tests",
                elem_id="check-names",
            )
            wordings = gr.Textbox(
                "\n".join(WORDINGS),
                label="Ask it differently: one wording a line; {question} stands for yours",
                lines=4,
                max_lines=MOST_WORDINGS,
                max_length=MOST_WORDINGS * MAX_QUESTION,
                elem_id="check-wordings",
            )
            strength = gr.Slider(
                0.1, 1, value=0.5, step=0.1, label="How much the pictures are changed", elem_id="check-strength", buttons=[]
            )
            n_images = gr.Slider(
                20, 200, value=N_IMAGES, step=20, label="Test images asked about, at most", elem_id="check-images", buttons=[]
            )
            with gr.Row(elem_classes="sn-tight"):
                button = gr.Button("Test it", variant="primary", elem_id="btn-check", scale=3, min_width=150)
                cancel = gr.Button("Cancel", elem_id="btn-check-cancel", interactive=False, scale=1, min_width=90)
            status = views.status_view("check-status", IDLE)
            facts = views.facts_view("check-facts")
        with gr.Column(scale=6, min_width=320, elem_classes="sn-panel"):
            drawn = {name: figures.place(name) for name in FIGURES}
    return Checks(names, wordings, strength, n_images, button, cancel, status, facts, drawn)


def connect(server: Server, panel: Checks, run_key: gr.State) -> None:
    """Wire the panel to ``run_key``, which is given the examined run's key."""
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    figures.connect(server, panel.figures, run_key)
    run_key.change(server.bind(show), run_key, panel.facts, **private)
    job, buttons = gr.State(""), [panel.button, panel.cancel]
    panel.button.click(server.bind(begin), None, [job, panel.status, *buttons], queue=False, **private).then(
        server.bind(stream),
        [job, run_key, panel.names, panel.wordings, panel.strength, panel.n_images],
        [panel.status, run_key, *buttons],
        concurrency_limit=None,
        **private,
    )
    panel.cancel.click(server.bind(cancel), job, None, queue=False, **private)


@guarded
def show(server: Server, run_key: str) -> Any:
    """Return what a run's findings say, in words."""
    return {"warnings": []} | _told(server.runs.get(run_key)) if run_key else gr.skip()


def _told(run: RunRecord) -> dict[str, Any]:
    said = [run.findings[name]["sentence"] for name in CHECKS.names() if name in run.findings]
    return {"note": " ".join(said)}


def begin(server: Server) -> tuple:
    """Return a new job key, and the buttons of a running job."""
    return (
        server.stops.new(),
        views.status("Queued", tone="busy", fraction=0.0),
        gr.Button(interactive=False),
        gr.Button(interactive=True),
    )


def cancel(server: Server, job: str) -> None:
    """Ask the job to stop; it does within a batch, and says so itself."""
    server.stops.stop(job)


def stream(
    server: Server, request: gr.Request, job: str, run_key: str, names: list[str], wordings: str, strength: float, n_images: float
) -> Iterator[tuple[Any, ...]]:
    """Make the tests; yields (status, run key, button, cancel button)."""
    idle, keep = (gr.Button(interactive=True), gr.Button(interactive=False)), (gr.skip(),) * 3
    owner = visitor(request)
    try:
        if not run_key:
            raise UserError("There is nothing to test yet.", "No result is open.", "Run a pack or your own images first.")
        if not names:
            raise UserError("Nothing was tested.", "No test is ticked.", "Tick at least one.")
        run = finished(server.runs.get(run_key))
        options = Options(tuple(filter(None, map(str.strip, wordings.splitlines()))) or WORDINGS, strength, int(n_images))
        for step in steps(server.turns, lambda progress: _examined(run, names, options, progress), server.stops.flag(job), owner):
            if isinstance(step, Done):
                # under a key of its own: a pack's result is everybody's, these findings are this visitor's
                key = server.runs.put(step.value, owner=owner)
                yield views.status("Done", f"in {step.seconds:.1f} s", tone="done"), key, *idle
            else:
                yield views.status(step.text, f"{step.seconds:.0f} s", step.fraction, "busy"), *keep
    except Cancelled:
        yield views.status("Stopped. Nothing was changed.", tone="idle"), gr.skip(), *idle
    except Exception as error:  # put into words on the page; faults of ours are logged by ``message``
        yield views.status(message(error), tone="error"), gr.skip(), *idle


def _examined(run: RunRecord, names: list[str], options: Options, progress: Progress) -> RunRecord:
    progress(0.0, "Loading the model")
    return examine(run, names, model_of(run.config), options, progress)
