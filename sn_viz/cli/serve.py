"""Start the app in the browser."""

from __future__ import annotations

from typing import Annotated

import typer

from sn_viz.cli.app import app


@app.command()
def serve(
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="[default: SN_VIZ_PORT, else a free one]")] = None,
    root_path: Annotated[
        str | None, typer.Option(help="Path under which a proxy serves the app. [default: GRADIO_ROOT_PATH, else none]")
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on; 0.0.0.0 for a class. [default: SN_VIZ_HOST, else 127.0.0.1: this machine only]"),
    ] = None,
    host_name: Annotated[
        list[str] | None,
        typer.Option(
            help="Name under which visitors come, such as class.example.org; may be repeated. [default: SN_VIZ_HOST_NAMES]"
        ),
    ] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy is the only way in, and X-Forwarded-Host is its word.")
    ] = False,
) -> None:
    """Start the app in the browser."""
    from sn_viz.ui.page import build
    from sn_viz.ui.server.hosts import served
    from sn_viz.ui.server.launch import launch, port_of_environment

    port = port or port_of_environment()
    public = served(host, host_name or (), behind_proxy).is_public
    launch(build(public=public), port, root_path, host, host_name or (), behind_proxy)
