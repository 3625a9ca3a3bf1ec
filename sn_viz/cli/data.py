"""What there is to ask about and to ask: drawn scenes, sample packs, models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from sn_viz.cli.app import app
from sn_viz.cli.options import JsonOption
from sn_viz.cli.output import have_model, new_console, print_list, quiet, write_json


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
        | {"origin": f"{p.origin}. {p.credit}" if p.credit else p.origin}
        for p in pack_names()
    ]
    print_list(("pack", "about", "question (none: one an image)", "classes", "model trained on such", "origin"), rows, json_file)


@app.command()
def models(
    fetch: Annotated[
        str | None, typer.Option(metavar="NAME", help="Fetch this model of the hub, or where its branch is now; then list nothing.")
    ] = None,
    json_file: JsonOption = None,
) -> None:
    """List the models known by name; any other of the hub goes by OWNER/NAME[@REVISION]."""
    from sn_viz.models.catalog import CATALOG, resolve_name
    from sn_viz.models.hub.cache import cached
    from sn_viz.models.hub.name import HubName

    if fetch is not None:
        with quiet(json_file):
            name = have_model(resolve_name(fetch), fresh=True)
        if json_file != "-":
            new_console().print(f"{name} is here.", markup=False, highlight=False)
        write_json(json_file, json.dumps({"name": name}))
        return
    rows = []
    for m in CATALOG:
        copy = cached(HubName(m.hub_id)) if m.hub_id else None
        here = m.folder.is_dir() if m.folder else copy is not None
        facts = {"name": m.name, "megabytes": m.n_bytes // 10**6, "here": here, "hub_id": m.hub_id}
        rows.append(facts | {"commit": copy.hub.revision if copy else None, "note": m.note})
    print_list(("model", "MB", "here", "hub", "commit", "note"), rows, json_file)
