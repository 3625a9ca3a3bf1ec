"""Take a run with you: as a shortcut that runs without this package, a script or a notebook; open one in the page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sn_viz.cli.app import app
from sn_viz.cli.output import have_model, progress_bar, quiet
from sn_viz.cli.serve import port_of
from sn_viz.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from sn_viz.run import Run


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Folder of a saved run.")],
    shortcut: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the model's blocks up to the exit, the neurons and a short program.")
    ] = None,
    script: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a Python script that repeats exactly this run.")
    ] = None,
    notebook: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the same as a notebook.")] = None,
    exit_layer: Annotated[str, typer.Option(help="Of the shortcut: auto (the run's own), or a layer: 3, V4.")] = "auto",
) -> None:
    """Write what a run is taken away as: a shortcut, a script, a notebook."""
    if not (shortcut or script or notebook):
        raise UserError(
            "Nothing was named to be written.",
            "A run can be exported as a shortcut, a script or a notebook.",
            "Add --shortcut DIR, --script FILE or --notebook FILE.",
        )
    with quiet(None) as console:
        from sn_viz.export import repeat
        from sn_viz.run import Run

        reopened = Run.load(run)
        for path, text in ((script, repeat.script), (notebook, repeat.notebook)):
            if path is not None:
                console.print(f"Wrote {repeat.write_text(text(reopened), path)}", markup=False, highlight=False)
        if shortcut is not None:
            _shortcut(reopened, shortcut, exit_layer, console)


@app.command("open")
def open_run(
    run: Annotated[Path, typer.Argument(help="Folder or zip of a saved run.")],
    port: Annotated[
        int | None, typer.Option(parser=port_of, metavar="INTEGER", help="Port to listen on.", show_default="a free one, as for 0")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
) -> None:
    """Start the page on a saved run, on this machine."""
    with quiet(None):
        from sn_viz.run import Run

        reopened = Run.load(run)  # what cannot be opened is told before the page starts
        from sn_viz.ui.page import build
        from sn_viz.ui.server.launch import launch

        page = build(public=False)
        assert page.kept is not None
        page.first_run = page.kept.runs.put(reopened)
        launch(page, port, host="127.0.0.1", inbrowser=browser)


def _shortcut(run: Run, folder: Path, exit_layer: str, console: Console) -> None:
    from sn_viz.config import checked_layer
    from sn_viz.export.shortcut import export_shortcut, shortcut_facts, summary_line

    have_model(run.config.model)
    layer = checked_layer(exit_layer, run.neurons.n_layers, run.neurons.n_tower)
    with progress_bar() as progress:
        folder = export_shortcut(run, folder, layer, progress=progress)
    console.print(f"Wrote {folder}: {summary_line(shortcut_facts(folder))}", markup=False, highlight=False)
    console.print(f"Run it with: python {folder / 'run.py'} PICTURE...", markup=False, highlight=False)
