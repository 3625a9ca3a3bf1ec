"""The one place that serves the page, with every safety flag set.

Takes a Gradio page; returns when the server stops. It knows nothing about what is on the page.
"""

from __future__ import annotations

import functools
import gzip
import importlib.util
import os
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import plotly
import uvicorn.config
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sn_viz.errors import UserError
from sn_viz.paths import ASSETS
from sn_viz.search.stumps import warm_up_beside
from sn_viz.ui.components.theme import theme
from sn_viz.ui.server.first_sight import FirstSight, page_files
from sn_viz.ui.server.gradio_state import LightSessions
from sn_viz.ui.server.hosts import OwnHosts, Served, board_address, served
from sn_viz.ui.server.offered import Offered
from sn_viz.ui.server.quotas import limits
from sn_viz.ui.server.requests import OnlyChecked, SafeRequests
from sn_viz.ui.server.uploads import Page

MAX_FILE_BYTES = 64 * 2**20
QUEUE_SIZE = 400
"""Events of the page that may wait in Gradio's own queue; the queue for the model is much shorter: ``quotas.Turns``."""
TEMPORARY_FILES_SECONDS = 3600
"""Uploads that Gradio keeps on disk are deleted when this old."""


def checked_root(root_path: str | None) -> str:
    """Return the path under which a proxy serves the app, without a slash at its end; GRADIO_ROOT_PATH when None.

    Raises
    ------
    UserError
        When it neither begins with a slash nor is a web address.
    """
    given = os.environ.get("GRADIO_ROOT_PATH", "") if root_path is None else root_path
    root = given.strip().rstrip("/")
    if root and (not re.fullmatch(r"(https?://[^/\s]+)?(/[A-Za-z0-9._~%@:+-]+)*", root)):
        cause = f"{given[:60]!r} is neither a path such as /super-neurons nor a web address."
        raise UserError("The root path was not understood.", cause, "Set --root-path or GRADIO_ROOT_PATH to one of these.")
    return root


@functools.cache
def _compressed(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), compresslevel=6)


def _file(path: Path, media_type: str, seconds: int) -> Any:
    async def serve(request: Request) -> Response:
        headers = {"cache-control": f"public, max-age={seconds}", "vary": "accept-encoding"}
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(path.read_bytes(), media_type=media_type, headers=headers)
        return Response(_compressed(path), media_type=media_type, headers={**headers, "content-encoding": "gzip"})

    return serve


def routes() -> list[Route]:
    """Return the scripts and the style sheet of the page, served from this machine.

    The style sheet is not given to Gradio, which rewrites the selectors of what it is given.
    """
    plotly_js = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    return [
        Route("/sn-viz/plotly.js", _file(plotly_js, "text/javascript", 30 * 86400)),
        *(Route(f"/sn-viz/{name}", _file(ASSETS / "page" / name, "text/javascript", 300)) for name in page_files(".js")),
        *(Route(f"/sn-viz/{name}", _file(ASSETS / "page" / name, "text/css", 300)) for name in page_files(".css")),
    ]


def guards(
    page: gr.Blocks | None, own: Served, mcp: bool = False, root: str = ""
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """Return the lifespan of the app that puts hosts and requests under guard, outside Gradio's own middleware too.

    Middleware given to Gradio stands inside the one it adds itself, which answers some requests alone. It also lets Gradio remember
    less of each visitor.
    """

    kept = page.kept if isinstance(page, Page) else None

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        app.middleware_stack = OwnHosts(
            SafeRequests(FirstSight(app.middleware_stack, root), page, mcp=mcp, **_counted_by(kept)), own
        )
        app.state_holder = LightSessions(app.get_blocks())
        yield

    return lifespan


def _counted_by(kept: Any) -> dict[str, Any]:
    """Return what counts and remembers uploads, of a page that keeps something for its visitors."""
    return {} if kept is None else {"arrivals": kept.arrivals, "visits": kept.visits}


def launch_flags(
    port: int | None = None,
    root_path: str | None = None,
    own: Served | None = None,
    page: gr.Blocks | None = None,
    mcp: bool = False,
) -> dict[str, Any]:
    """Return every argument given to Gradio's ``launch``; a test holds them in place.

    Parameters
    ----------
    port : int, optional
        TCP port; Gradio chooses a free one from 7860 when None.
    root_path : str, optional
        Path (or whole address) under which a proxy serves the app; by default GRADIO_ROOT_PATH, else none.
    own : Served, optional
        Where to listen and under which names to answer; by default what the environment says.
    page : gradio.Blocks, optional
        Whose functions may be called.
    mcp : bool
        Whether programs that speak the model context protocol may call the endpoints.
    """
    root = checked_root(root_path)
    own = own or served()
    return {
        "server_name": f"[{own.listen}]" if ":" in own.listen else own.listen,
        "server_port": port,
        "share": False,
        "show_error": False,
        "allowed_paths": [],
        "max_file_size": MAX_FILE_BYTES,
        "ssr_mode": False,
        "enable_monitoring": False,
        "run_history": False,
        "strict_cors": True,
        "state_session_capacity": 500,
        "max_threads": limits().queue + 40,
        "footer_links": ["api"],
        "pwa": False,
        "mcp_server": mcp,
        "theme": theme(),
        "root_path": root,
        "app_kwargs": {
            "middleware": [Middleware(OnlyChecked)],
            "lifespan": guards(page, own, mcp, root),
            "routes": routes(),
            "docs_url": None,
            "redoc_url": None,
        },
    }


def launch(
    page: gr.Blocks,
    port: int | None = None,
    root_path: str | None = None,
    host: str | None = None,
    host_names: Iterable[str] = (),
    behind_proxy: bool = False,
    mcp: bool = False,
    **more: Any,
) -> Any:
    """Serve ``page``; returns what Gradio's ``launch`` returns.

    The first sample pack is run beside it, and the search is compiled, so that on a new machine no click waits for a compiler.

    Parameters
    ----------
    page : gradio.Blocks
        The built page.
    port : int, optional
        TCP port; a free one when None.
    root_path : str, optional
        See `launch_flags`.
    host, host_names, behind_proxy
        See `hosts.served`.
    mcp : bool
        Whether the endpoints are tools of the model context protocol too; needs the extra ``[mcp]``.
    **more
        ``prevent_thread_lock``, ``quiet`` and ``inbrowser`` only.
    """
    unknown = set(more) - {"prevent_thread_lock", "quiet", "inbrowser"}
    assert not unknown, unknown
    own = served(host, host_names, behind_proxy)
    if mcp and importlib.util.find_spec("mcp") is None:
        raise UserError(
            "There are no tools of the model context protocol.", "The package mcp is not here.", 'Run: pip install "sn-viz[mcp]"'
        )
    on_space = bool(os.environ.get("SPACE_ID"))
    port = _free_port() if port is None and own.addresses and not on_space else port
    offered = getattr(page, "offered", None)
    if isinstance(offered, Offered):
        offered.any_name = not own.is_public
    flags = launch_flags(port, root_path, own, page, mcp)
    warm_up_beside()
    read_by_h11()
    if isinstance(page, Page):
        page.on_launch()
    page.queue(max_size=QUEUE_SIZE, default_concurrency_limit=8, api_open=False)
    if own.addresses and not on_space:
        print(f"Write on the board: {board_address(own.listen, flags['server_port'])}", flush=True)
    return page.launch(**flags, **more)


def read_by_h11() -> None:
    """Let uvicorn read requests with h11 even where httptools is installed.

    h11 bounds what it keeps of a request's head; Gradio makes uvicorn's configuration itself and cannot be told.
    """
    uvicorn.config.HTTP_PROTOCOLS["auto"] = uvicorn.config.HTTP_PROTOCOLS["h11"]


def _free_port() -> int:
    """Return a free port, from 7860 as Gradio does, so that it can be told before the server starts."""
    for port in range(7860, 7960):
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
    raise UserError("The server was not started.", "The ports 7860 to 7959 are all taken.", "Name another with --port.")
