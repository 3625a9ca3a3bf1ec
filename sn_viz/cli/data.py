"""What there is to ask about and to ask: drawn scenes, sample packs, models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sn_viz.cli.app import app
from sn_viz.cli.options import JsonOption
from sn_viz.cli.output import new_console, print_list


@app.command()
def world(
    task: Annotated[str, typer.Argument(help="Name of a task; an unknown one lists them.")],
    n: Annotated[int, typer.Option("-n", "--number", min=1, max=100_000, help="How many scenes.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same scenes.")] = 0,
    shifted: Annotated[bool, typer.Option("--shifted", help="Backgrounds, noise and colours that training never showed.")] = False,
    out: Annotated[Path, typer.Option(help="Folder to write; one sub-folder per class.")] = Path("world"),
) -> None:
    """Draw labelled scenes of the embedded model's world."""
    from sn_viz.sources.export import save_folders
    from sn_viz.world.tasks import draw_task

    images = draw_task(task, n, seed, shifted=shifted)
    save_folders(images, out)
    new_console().print(f"Wrote {len(images)} images of {', '.join(images.classes)} in {out}", markup=False, highlight=False)
    if images.question:
        new_console().print(f"Question: {images.question}", markup=False, highlight=False)


@app.command()
def packs(json_file: JsonOption = None) -> None:
    """List the sample packs."""
    from sn_viz.sources.pack import pack_names

    rows = [
        {"name": p.name, "title": p.title, "question": p.question or None, "classes": list(p.classes), "trained": p.trained}
        | {"origin": p.origin}
        for p in pack_names()
    ]
    print_list(("pack", "about", "question (none: one an image)", "classes", "model trained on such", "origin"), rows, json_file)


@app.command()
def models(json_file: JsonOption = None) -> None:
    """List the models known by name."""
    from sn_viz.models.catalog import CATALOG

    rows = [
        {"name": m.name, "megabytes": m.n_bytes // 10**6, "usable_by_name": m.available, "hub_id": m.hub_id, "note": m.note}
        for m in CATALOG
    ]
    print_list(("model", "MB", "usable by name", "hub", "note"), rows, json_file)
