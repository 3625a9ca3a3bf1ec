"""The panel for many new pictures: files or zips in, a table out, disagreements first.

Takes the key of a run and uploads; reads and labels them as one job at the model, which can be stopped and keeps what is done. The
table is a view of our own, with a click that enlarges and a CSV made in the browser.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import gradio as gr

from sn_viz.activations.model_cache import model_of
from sn_viz.errors import Cancelled, UserError
from sn_viz.sources.new_pictures import new_pictures
from sn_viz.types import Progress
from sn_viz.ui.components import batch, views
from sn_viz.ui.components.layers import checked_layer
from sn_viz.ui.components.plotly_view import when_ready
from sn_viz.ui.server.guard import message
from sn_viz.ui.server.jobs import Done, steps
from sn_viz.ui.server.paths import hidden
from sn_viz.ui.server.quotas import visitor
from sn_viz.ui.server.state import Server
from sn_viz.ui.server.uploads import UploadedFile

IDLE = views.status(
    "Add pictures, or a zip of them.", f"Up to {batch.MOST} at once; a zip's folders named like the classes are labels."
)


class BatchPanel(NamedTuple):
    """The widgets of the panel."""

    files: gr.File
    ask_full: gr.Checkbox
    start: gr.Button
    cancel: gr.Button
    status: gr.HTML
    table: gr.HTML


def layout() -> BatchPanel:
    """Place the widgets."""
    gr.HTML(
        '<h3 class="sn-h3">Many new pictures</h3>'
        '<p class="sn-hint">What the vote at the exit says of each: guesses of the run above, right about as often as it was on '
        "pictures like its own.</p>"
    )
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=260, elem_classes="sn-panel"):
            files = UploadedFile(
                label="Pictures, or a zip", file_count="multiple", file_types=["image", ".zip"], height=150, elem_id="batch-files"
            )
            ask_full = gr.Checkbox(False, label="Ask the full model too (slower)", elem_id="batch-full")
            with gr.Row(elem_classes="sn-tight"):
                start = gr.Button("Label them", variant="primary", elem_id="btn-batch", scale=3, min_width=110)
                cancel = gr.Button("Cancel", elem_id="btn-batch-cancel", interactive=False, scale=1, min_width=90)
            status = views.status_view("batch-status", IDLE)
        with gr.Column(scale=7, min_width=320, elem_classes="sn-panel"):
            table = gr.HTML(
                {"empty": "The table appears here: disagreements first, then what is unclear."},
                elem_id="batch-table",
                html_template='<div class="sn-batch"></div>',
                js_on_load=when_ready("snViz.batch(element, props, watch)"),
                apply_default_css=False,
            )
    return BatchPanel(files, ask_full, start, cancel, status, table)


def connect(server: Server, panel: BatchPanel, run_key: gr.State, layer: gr.Slider) -> None:
    """Wire the panel to ``run_key``; each pass stops after the block that ``layer`` says."""
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    job = gr.State("")
    buttons = [panel.start, panel.cancel]
    panel.start.click(server.bind(begin), None, [job, panel.status, *buttons], queue=False, **private).then(
        server.bind(label_them),
        [job, run_key, panel.files, panel.ask_full, layer],
        [panel.table, panel.status, *buttons],
        concurrency_limit=None,
        **private,
    )
    panel.cancel.click(server.stops.stop, job, None, queue=False, **private)


def begin(server: Server) -> tuple:
    """Return a new job key, and the buttons of a running job."""
    return server.stops.new(), views.status("Queued.", tone="busy"), gr.Button(interactive=False), gr.Button(interactive=True)


def label_them(
    server: Server, request: gr.Request, job: str, run_key: str, files: list[str] | None, ask_full: bool, layer: float
) -> Iterator[tuple[Any, ...]]:
    """Label the uploaded pictures; yields (table, status, start button, cancel button)."""
    idle, skip = (gr.Button(interactive=True), gr.Button(interactive=False)), gr.skip()
    stop, owner = server.stops.flag(job), visitor(request)
    rows: list[batch.Row] = []
    more = [0]
    try:
        if not run_key:
            raise UserError("There is nothing to label with yet.", "No result is open.", "Run a pack or your own images first.")
        run = server.runs.get(run_key)
        layer = checked_layer(run, int(layer))
        question = run.config.question or run.shown.question or run.shown.questions[0]
        server.uploads.count(owner, files or [])

        def work(progress: Progress) -> None:
            progress(0.0, "Loading the model")
            vlm = model_of(run.config)
            with new_pictures(files or [], batch.MOST) as (pictures, left):
                more[0] = left
                batch.label_all(run, vlm, pictures, layer, question, ask_full is True, rows, progress)

        for step in steps(server.turns, work, stop, owner):
            if not isinstance(step, Done):
                yield skip, views.status(step.text, "", step.fraction, "busy"), skip, skip
        yield shown(rows, question, more[0]), views.status(batch.summary(rows), _left(more[0]), tone="done"), *idle
    except Cancelled:
        kept = shown(rows, question, more[0]) if rows else skip
        yield kept, views.status("Stopped.", batch.summary(rows) if rows else "", tone="idle"), *idle
    except Exception as error:  # put into words on the page; faults of ours are logged by ``message``
        yield skip, views.status(message(error), tone="error"), *idle


def shown(rows: list[batch.Row], question: str, more: int = 0) -> dict[str, Any]:
    """Return the table for the page, and the same as CSV; a path of the server is never in it."""
    ordered = batch.in_order(rows)
    return {
        "title": f"{question} {batch.summary(rows)} {_left(more)}".strip(),
        "rows": [
            {
                "name": row.name,
                "src": row.src,
                "vote": row.vote,
                "margin": None if row.failed else row.margin,
                "layer": row.layer,
                "ms": None if row.failed else row.milliseconds,
                "full": row.full,
                "label": row.label,
                "remarks": list(row.remarks),
                "failed": hidden(row.failed),
            }
            for row in ordered
        ],
        "full": any(row.full for row in rows),
        "labels": any(row.label for row in rows),
        "csv": hidden(batch.as_csv(ordered)),
    }


def _left(more: int) -> str:
    return f"{more} more were left out: {batch.MOST} at once is the most." if more else ""
