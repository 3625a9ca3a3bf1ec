"""Take it with you: save a run, download what is made of it, open one that was saved, and have everything forgotten.

Takes the key of the run that is shown; hands files to the browser, or the key of a run that was opened. What is made, and what is
forgotten, is told by ``server.export`` and ``server.forget``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from sn_viz.errors import UserError
from sn_viz.export.tables import TABLES
from sn_viz.sources.budget import MIB
from sn_viz.storage.archive import BUDGET, load_zip
from sn_viz.storage.lighter import KINDS, MANY
from sn_viz.types import RunRecord
from sn_viz.ui.components import views
from sn_viz.ui.server import export
from sn_viz.ui.server.forget import IDLE_HOURS, forget, forget_state
from sn_viz.ui.server.guard import guarded, message
from sn_viz.ui.server.jobs import Done, run_job, steps
from sn_viz.ui.server.paths import upload_folder
from sn_viz.ui.server.quotas import visitor
from sn_viz.ui.server.session import finished
from sn_viz.ui.server.state import Server
from sn_viz.ui.server.uploads import UploadedFile
from sn_viz.ui.server.visits import browser_of

OPENED = BUDGET.__class__(**{**vars(BUDGET), "inflated_bytes": 512 * MIB, "files": 10_000})
"""How much a visitor's zip may hold."""
TOGGLE, CLOSE = "() => window.snViz.take()", "() => window.snViz.take(false)"
DOWNLOAD = "() => window.snViz.download()"
AGAIN = "() => setTimeout(() => location.replace(location.pathname), 1500)"
USUAL = "usual"
SAVED_AS = [("as usual", USUAL), *((text, kind) for kind, text in KINDS.items())]
SAVED = (
    "A zip that opens here again, on the command line and in Python. As usual means with the pictures; "
    f"beyond {MANY:,} of them, or where they are large, with thumbnails."
)
MADE = {
    "report": ("Report", "One page with every figure that opens offline."),
    "script": ("Script", "A Python program that repeats exactly this run."),
    "notebook": ("Notebook", "The same as a notebook."),
    "shortcut": ("Shortcut", "The model's blocks up to the exit with the voters, run by plain transformers."),
}
"""What is made of a run besides its tables: what its button says, and what it is."""
WHOSE = (
    "This page runs on your own machine: nothing leaves it.",
    "This page runs on the operator's server: what you upload goes there, and nowhere else.",
)


class Take(NamedTuple):
    """The widgets of the panel."""

    pictures: gr.Radio
    """How pictures are kept."""
    save: gr.Button
    made: dict[str, gr.Button]
    table: gr.Dropdown
    as_csv: gr.Button
    as_json: gr.Button
    open: UploadedFile
    forget: gr.Button
    status: gr.HTML
    file: gr.DownloadButton
    """Unseen; what the browser is to download."""


def layout(toggle: gr.Button, public: bool) -> Take:
    """Place the panel, closed; ``toggle`` opens and closes it."""
    with gr.Column(elem_id="take", elem_classes="sn-take sn-panel"):
        with gr.Row(elem_classes="sn-tight sn-drawer-head"):
            gr.HTML('<h2 class="sn-h2" id="take-title" tabindex="-1">Take it with you</h2>')
            close: Any = gr.Button("Close", size="sm", elem_id="btn-take-close", scale=0, min_width=80)
        status = views.status_view("take-status", views.status("Choose what to take.", tone="idle"))
        with gr.Row(elem_classes="sn-take-parts"):
            with gr.Column(min_width=260):
                gr.HTML('<h3 class="sn-h3">This run</h3>')
                pictures = gr.Radio(SAVED_AS, value=USUAL, label="Save it", elem_id="save-pictures")
                save = gr.Button("Save the run", variant="primary", elem_id="btn-save-run")
                gr.HTML(f'<p class="sn-hint">{SAVED}</p>')
            with gr.Column(min_width=260):
                gr.HTML('<h3 class="sn-h3">Made of it</h3>')
                with gr.Row(elem_classes="sn-tight sn-take-made"):
                    made = {
                        what: gr.Button(text, size="sm", elem_id=f"btn-{what}", min_width=90) for what, (text, _) in MADE.items()
                    }
                gr.HTML(f'<p class="sn-hint">{" ".join(f"<b>{text}</b>: {said}" for text, said in MADE.values())}</p>')
                table = gr.Dropdown(list(TABLES), value="neurons", label="A table", elem_id="take-table")
                with gr.Row(elem_classes="sn-tight sn-take-made"):
                    as_csv = gr.Button("CSV", size="sm", elem_id="btn-csv", min_width=70)
                    as_json = gr.Button("JSON", size="sm", elem_id="btn-json", min_width=70)
            with gr.Column(min_width=260):
                gr.HTML('<h3 class="sn-h3">Open a run</h3>')
                opened = UploadedFile(label="A zip that was saved here", file_types=[".zip"], elem_id="open-run", height=130)
                gr.HTML('<h3 class="sn-h3">Forget me</h3>')
                gr.HTML(f'<p class="sn-hint" id="whose">{_whose(public)}</p>')
                forgotten = gr.Button("Forget me now", variant="stop", size="sm", elem_id="btn-forget")
        file = gr.DownloadButton("Download", visible="hidden", elem_id="export-file")
    toggle.click(None, None, None, js=TOGGLE, api_visibility="private")
    close.click(None, None, None, js=CLOSE, api_visibility="private")
    return Take(pictures, save, made, table, as_csv, as_json, opened, forgotten, status, file)


def _whose(public: bool) -> str:
    return (
        f"{WHOSE[public]} Uploads are deleted after an hour; sets, runs and what was read from your pictures after {IDLE_HOURS} "
        "hours in which you used none of them. The button deletes all of it now."
    )


def connect(server: Server, panel: Take, run: gr.State, shown: list[Any], job: gr.State, then: Callable[[Any], Any]) -> None:
    """Wire the panel.

    Parameters
    ----------
    server : Server
    panel : Take
    run : gr.State
        Key of the run that is shown.
    shown : list
        What a run that was opened is put into: its key, pack, model, and question.
    job : gr.State
        Key of the stop flag of the running job.
    then : callable
        Told the event that opened a run.
    """
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    told = [panel.file, panel.status]
    asked = [(panel.save, "run", panel.pictures), (panel.as_csv, "csv", panel.table), (panel.as_json, "json", panel.table)]
    asked += [(button, what, None) for what, button in panel.made.items()]
    for button, what, detail in asked:
        button.click(
            _made(server, what), [run] if detail is None else [run, detail], told, concurrency_limit=None, **private
        ).success(None, None, None, js=DOWNLOAD, **private)
    then(panel.open.upload(_opened(server), panel.open, [*shown, panel.open, panel.status], concurrency_limit=None, **private))
    panel.forget.click(_forgotten(server), job, panel.status, queue=False, **private).success(None, None, None, js=AGAIN, **private)


def _made(server: Server, what: str) -> Any:
    """Return the handler that makes one thing to take away, as a job where the model is asked."""

    @guarded
    def bundle(request: gr.Request, run_key: str, detail: str = "") -> Iterator[tuple]:
        """Make it, say how far it is, and hand it over."""
        record = finished(server.runs.get(run_key))
        if what == "run" and detail in ("", None, USUAL):
            detail = export.usual_pictures(record)
        owner, path = visitor(request), ""
        if what == "shortcut":
            try:
                yield gr.skip(), views.status("Making the shortcut", "it labels every test picture first", 0.0, "busy")
                for step in steps(
                    server.turns,
                    lambda p: export.taken_away(server, run_key, what, "", p),
                    server.stops.flag(server.stops.new()),
                    owner,
                ):
                    if isinstance(step, Done):
                        path = step.value
                    else:
                        yield gr.skip(), views.status(step.text, f"{step.seconds:.0f} s", step.fraction, "busy")
            except UserError as error:
                yield gr.skip(), views.status(message(error), tone="error")
                raise
        else:
            path = export.taken_away(server, run_key, what, detail)
        yield path, views.status(*_handed_over(path, detail if what == "run" else ""), tone="done")

    return bundle


def _handed_over(path: str, kind: str) -> tuple[str, str]:
    n_bytes = Path(path).stat().st_size
    size = f"{n_bytes / MIB:.1f} MB" if n_bytes > MIB else f"{-(-n_bytes // 1024)} kB"
    saved = f", {KINDS[kind]}" if kind in KINDS else ""
    note = (
        "too large to be opened in the page: use sn-viz open, or save it lighter" if kind and export.too_large_to_open(path) else ""
    )
    return f"{Path(path).name}{saved}: {size}", note


def open_zip(server: Server, owner: str, path: str | None) -> tuple[str, RunRecord]:
    """Return the key of the run in a zip that was uploaded, and the run; the zip is deleted.

    Raises
    ------
    UserError
        When there is none, or it is not what a saved run may be.
    """
    if not path:
        raise UserError("No run was opened.", "No file arrived.", "Choose a zip that Save made.")
    server.uploads.count(owner, [path])
    found = run_job(server.reading, lambda progress: load_zip(path, OPENED, upload_folder()), owner)
    return server.runs.put(found, owner=owner), found


def _opened(server: Server) -> Any:
    @guarded
    def open_run(request: gr.Request, path: str | None) -> tuple:
        """Show the run in a zip."""
        key, run = open_zip(server, visitor(request), path)
        said = views.status("Opened", f"{len(run.train)} probing and {len(run.test)} test images", tone="done")
        return key, None, run.config.model_name, run.config.question or run.train.question, None, said

    return open_run


def _forgotten(server: Server) -> Any:
    @guarded
    def forget_me(request: gr.Request, job: str) -> dict[str, Any]:
        """Delete everything of this browser's."""
        server.stops.stop(job)
        browser, owner = browser_of(request.cookies), visitor(request)
        sessions = [owner, *server.visits.sessions_of(browser)]
        said = forget(server, sessions, browser).sentence
        forget_state(getattr(request.request, "app", None), sessions)
        return views.status(said, "The page opens afresh.", tone="done")

    return forget_me
