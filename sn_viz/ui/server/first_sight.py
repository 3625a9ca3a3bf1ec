"""What a browser gets before Gradio has built the page: our scripts and style sheets, and the place where the landing is drawn.

Takes ASGI requests for the page; puts our lines into the document that Gradio answers with, and packs it. Gradio would fetch them
only once its own scripts run, and building the page takes it seconds. It knows nothing about what is on the page:
``assets/page/race.js`` draws the landing from the configuration that is in the same document.
"""

from __future__ import annotations

import html

import plotly
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sn_viz.paths import ASSETS
from sn_viz.ui.server.requests import path_of

PLACE = (
    '<div id="sn-first" class="gradio-container" hidden><div class="main app">'
    '<div class="sn-top"></div><div class="sn-story"></div></div></div>'
)
"""Where the landing is drawn; it moves to its own place once that is there."""
HEAD_ENDS, PAGE_ENDS = "</head>", "</gradio-app>"


def page_files(suffix: str) -> list[str]:
    """Return the names of our own scripts or style sheets of the page, those that the others build on first."""
    first = ("page.js", "style.css")
    return sorted((path.name for path in (ASSETS / "page").glob(f"*{suffix}")), key=lambda name: (name not in first, name))


def head(root: str = "") -> str:
    """Return what stands in the page's head; ``root`` is the path under which a proxy serves the app, "" for none.

    Without a root the addresses are relative, so that proxies that nobody told us about work too. Plotly is large, and only the
    workbench waits for it.
    """
    base = f"{html.escape(root, quote=True)}/" if root else ""
    return (
        "".join(f'<link rel="stylesheet" href="{base}sn-viz/{name}">' for name in page_files(".css"))
        + "".join(f'<script defer src="{base}sn-viz/{name}"></script>' for name in page_files(".js"))
        + f'<script async fetchpriority="low" src="{base}sn-viz/plotly.js?v={plotly.__version__}"></script>'
    )


class FirstSight:
    """ASGI middleware for the page's own address; every other request passes through.

    Parameters
    ----------
    app : ASGI app
    root : str
        See `head`.
    """

    def __init__(self, app: ASGIApp, root: str = "") -> None:
        self.app, self._lines = app, {HEAD_ENDS: head(root) + HEAD_ENDS, PAGE_ENDS: PAGE_ENDS + PLACE}
        self._packed = GZipMiddleware(self._inserted, compresslevel=5)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = scope["type"] == "http" and scope["method"] == "GET" and path_of(scope) == "/"
        await (self._packed if asked else self.app)(scope, receive, send)

    async def _inserted(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun: Message = {}
        pieces: list[bytes] = []

        async def gather(message: Message) -> None:
            if message["type"] == "http.response.start":
                begun.update(message)
                return
            pieces.append(message.get("body", b""))
            if message.get("more_body"):
                return
            body = b"".join(pieces)
            kinds = [value for name, value in begun["headers"] if name.lower() == b"content-type"]
            if kinds and kinds[0].startswith(b"text/html"):
                body = self._with_lines(body.decode()).encode()
            kept = [each for each in begun["headers"] if each[0].lower() != b"content-length"]
            await send({**begun, "headers": [*kept, (b"content-length", str(len(body)).encode())]})
            await send({"type": "http.response.body", "body": body})

        await self.app(scope, receive, gather)

    def _with_lines(self, document: str) -> str:
        """Return Gradio's document with our lines, each at the last place of its kind: the configuration may hold such words."""
        for where, lines in self._lines.items():
            before, found, after = document.rpartition(where)
            document = before + lines + after if found else document
        return document
