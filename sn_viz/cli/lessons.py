"""Make the recorded numbers of the lesson again, and say whether they still hold."""

from __future__ import annotations

from typing import Annotated

import typer

from sn_viz.cli.app import app
from sn_viz.cli.options import JsonOption
from sn_viz.cli.output import check_json_target, progress_bar, quiet, write_json
from sn_viz.errors import UserError


@app.command()
def lessons(
    only: Annotated[str, typer.Option(help="Steps with commas between; an unknown name lists them.", show_default="all")] = "",
    write: Annotated[bool, typer.Option("--write", help="Keep what was measured as the recorded numbers.")] = False,
    json_file: JsonOption = None,
) -> None:
    """Run the sample packs of the lesson and compare with its recorded numbers; fails when they no longer hold."""
    check_json_target(json_file)
    with quiet(json_file):
        import json

        from sn_viz.lessons import record
        from sn_viz.lessons.told import recorded

        names = tuple(name.strip() for name in only.split(",") if name.strip())
        if unknown := [name for name in names if name not in record.MEASURES]:
            raise UserError(
                f"There is no step called {unknown[0]!r}.", f"There are: {', '.join(record.MEASURES)}.", "Choose of these."
            )
        with progress_bar() as progress:
            found = record.measure(names, progress)
        changed = [] if write else record.differences(recorded(), found)
        if write:
            kept = recorded()["steps"] if names else {}
            found = {**found, "steps": {**kept, **found["steps"]}}
            record.write(found)
    write_json(json_file, json.dumps(found, indent=1, ensure_ascii=False))
    if json_file != "-":
        said = "were written" if write else "no longer hold" if changed else "hold"
        typer.echo("\n".join([f"The recorded numbers of {', '.join(names) or 'every step'} {said}.", *changed]))
    if changed:
        raise typer.Exit(1)
