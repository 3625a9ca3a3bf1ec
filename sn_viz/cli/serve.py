"""Start the app in the browser."""

from __future__ import annotations

from typing import Annotated

import typer

from sn_viz.cli.app import app
from sn_viz.errors import UserError


def port_of(text: str) -> int | None:
    """Return the port that was named; None, a free one, for 0 or nothing.

    Raises
    ------
    UserError
        When it is no port.
    """
    text = text.strip()
    if not text or text == "0":
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= 65535):
        raise UserError(f"The port is {text[:20]!r}.", "A port is a number from 1 to 65535.", "Set --port or SN_VIZ_PORT to 7860.")
    return int(text)


@app.command()
def serve(
    port: Annotated[
        int | None,
        typer.Option(
            envvar="SN_VIZ_PORT", parser=port_of, metavar="INTEGER", help="Port to listen on.", show_default="a free one, as for 0"
        ),
    ] = None,
    root_path: Annotated[
        str | None, typer.Option(envvar="GRADIO_ROOT_PATH", help="Path under which a proxy serves the app.", show_default="none")
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            envvar="SN_VIZ_HOST", help="Address to listen on; 0.0.0.0 for a class.", show_default="127.0.0.1: this machine only"
        ),
    ] = None,
    host_name: Annotated[
        list[str] | None,
        typer.Option(
            envvar="SN_VIZ_HOST_NAMES",
            help="Name under which visitors come, such as class.example.org; may be repeated.",
            show_default="none",
        ),
    ] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy is the only way in, and X-Forwarded-Host is its word.")
    ] = False,
    mcp: Annotated[
        bool,
        typer.Option("--mcp", help="Let programs that speak the model context protocol call the endpoints; needs the extra mcp."),
    ] = False,
) -> None:
    """Start the app in the browser."""
    from sn_viz.ui.page import build
    from sn_viz.ui.server.hosts import served
    from sn_viz.ui.server.launch import launch

    names = [name for given in host_name or () for name in given.split(",") if name]  # in the environment commas may part them
    public = served(host, names, behind_proxy).is_public
    launch(build(public=public), port, root_path, host, names, behind_proxy, mcp)
