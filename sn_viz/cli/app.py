"""The commands that the other files of this folder add to: the app itself, ``cache`` and ``bench``."""

from __future__ import annotations

import typer

app = typer.Typer(
    name="sn_viz",
    help="Find super neurons in a vision-language model, and stop it early.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cache_app = typer.Typer(help="Activations kept on disk.")
bench_app = typer.Typer(help="Measure this machine; prints tables or JSON.")
app.add_typer(cache_app, name="cache")
app.add_typer(bench_app, name="bench")
