"""The one place that serves the page, with every safety flag set.

Takes a Gradio page; returns when the server stops. It knows nothing about what is on the page.
"""

from __future__ import annotations

import functools
import gzip
import html
import os
import re
from pathlib import Path
from typing import Any

import gradio as gr
import plotly
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sn_viz.errors import UserError
from sn_viz.paths import ASSETS
from sn_viz.search import warm_up_beside
from sn_viz.ui.share import limits
from sn_viz.ui.theme import theme

MAX_FILE_BYTES = 64 * 2**20
MAX_BODY_BYTES = 96 * 2**20
QUEUE_SIZE = 400
"""Events of the page that may wait in Gradio's own queue; the queue for the model is much shorter and in ``share``."""
TEMPORARY_FILES_SECONDS = 3600
"""Uploads that Gradio keeps on disk are deleted when this old."""
CLOSED_ROUTES = (
    "/monitoring",
    "/gradio_api/proxy=",
    "/gradio_api/vibe-",
    "/gradio_api/undo-vibe",
    "/gradio_api/dev/",
    "/gradio_api/profiling",
)

HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
        "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'"
    ),
}
"""The browser itself refuses to send anything to another host."""


def head(root: str = "") -> str:
    """Return what stands in the page's head; ``root`` is the path under which a proxy serves the app, "" for none.

    Without a root the addresses are relative, so that proxies that nobody told us about work too.
    """
    base = f"{html.escape(root, quote=True)}/" if root else ""
    return (
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<script defer src="{base}sn-viz/plotly.js?v={plotly.__version__}"></script>'
        f'<script defer src="{base}sn-viz/page.js"></script>'
        f'<link rel="stylesheet" href="{base}sn-viz/style.css">'
    )


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
        Route("/sn-viz/page.js", _file(ASSETS / "page.js", "text/javascript", 300)),
        Route("/sn-viz/style.css", _file(ASSETS / "style.css", "text/css", 300)),
    ]


class SafeRequests:
    """ASGI middleware: caps the body, closes routes the page does not use, adds safety headers."""

    def __init__(self, app: ASGIApp, max_bytes: int = MAX_BODY_BYTES) -> None:
        self.app, self.max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if any(path.startswith(closed) for path in self._paths(scope) for closed in CLOSED_ROUTES):
            await PlainTextResponse("Not found.", 404)(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self.max_bytes:
            await self._refuse(scope, receive, send)
            return
        await self._pass_on(scope, receive, send)

    @staticmethod
    def _paths(scope: Scope) -> list[str]:
        """Return the path asked for, and that path as the app sees it behind a proxy that leaves its own prefix on."""
        return [scope["path"], scope["path"].removeprefix(scope.get("root_path", ""))]

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        text = f"At most {self.max_bytes // 2**20} MB in one upload. Send fewer or smaller images."
        await PlainTextResponse(text, 413)(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        seen, started, refused = 0, False, False

        async def counted() -> Message:
            nonlocal seen, refused
            message = await receive()
            seen += len(message.get("body", b""))
            refused = refused or seen > self.max_bytes
            return {"type": "http.disconnect"} if refused else message

        async def with_headers(message: Message) -> None:
            nonlocal started
            if refused and not started:
                return  # whatever the app says about the cut-off body; the refusal is sent below
            if message["type"] == "http.response.start":
                started = True
                present = {name for name, _ in message["headers"]}
                extra = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in present]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        try:
            await self.app(scope, counted, with_headers)
        except ClientDisconnect:
            if not refused:
                raise
        if refused and not started:
            await self._refuse(scope, receive, send)


def launch_flags(port: int | None = None, root_path: str | None = None) -> dict[str, Any]:
    """Return every argument given to Gradio's ``launch``; a test holds them in place.

    Parameters
    ----------
    port : int, optional
        TCP port; Gradio chooses a free one from 7860 when None.
    root_path : str, optional
        Path (or whole address) under which a proxy serves the app; by default GRADIO_ROOT_PATH, else none.
    """
    root = checked_root(root_path)
    return {
        "server_name": "0.0.0.0" if os.environ.get("SPACE_ID") else "127.0.0.1",
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
        "mcp_server": False,
        "theme": theme(),
        "root_path": root,
        "head": head(root),
        "app_kwargs": {"middleware": [Middleware(SafeRequests)], "routes": routes(), "docs_url": None, "redoc_url": None},
    }


def launch(page: gr.Blocks, port: int | None = None, root_path: str | None = None, **more: Any) -> Any:
    """Serve ``page``; returns what Gradio's ``launch`` returns.

    The search is compiled beside it, so that on a new machine no click waits for a compiler.

    Parameters
    ----------
    page : gradio.Blocks
        The built page.
    port : int, optional
        TCP port; a free one when None.
    root_path : str, optional
        See `launch_flags`.
    **more
        ``prevent_thread_lock``, ``quiet`` and ``inbrowser`` only.
    """
    unknown = set(more) - {"prevent_thread_lock", "quiet", "inbrowser"}
    assert not unknown, unknown
    warm_up_beside()
    page.queue(max_size=QUEUE_SIZE, default_concurrency_limit=8, api_open=False)
    return page.launch(**launch_flags(port, root_path), **more)
