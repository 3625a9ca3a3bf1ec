"""What a request may look like before Gradio sees it: which routes there are, how large, deep and slow, and for which function.

Takes ASGI requests; passes on those that the page could have sent and answers the others in a sentence. Whatever fails behind it is
logged under an incident id and told without a trace. It knows nothing about hosts, and of the page only its functions.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sn_viz.errors import UserError
from sn_viz.ui.server.guard import message
from sn_viz.ui.server.paths import hidden, hidden_everywhere, upload_folder
from sn_viz.ui.server.quotas import Arrivals
from sn_viz.ui.server.uploads import taken
from sn_viz.ui.server.visits import COOKIE, Visits

log = logging.getLogger("sn_viz.ui")
MAX_UPLOAD_BYTES = 96 * 2**20
MAX_BODY_BYTES = 2 * 2**20
"""Of everything but an upload; parsing more would hold up everybody."""
MAX_JSON_PIECES = 30_000
"""Brackets and commas of a JSON body: what makes it slow; the page says 2,700 images with so many, a zip holds more."""
MAX_JSON_DEPTH = 24
MAX_QUERY_BYTES = 8 * 2**10
MAX_ADDRESS_BYTES = 6 * 2**10
BODY_SECONDS, UPLOAD_SECONDS, IDLE_SECONDS = 30.0, 1800.0, 60.0
"""For a whole body, a whole upload, and between two pieces of one."""
API = "/gradio_api"
UPLOAD = f"{API}/upload"
FILE = f"{API}/file="
MCP = f"{API}/mcp"
OPEN_ROUTES = {"/", "/config", "/theme.css", "/robots.txt", "/favicon.ico", "/manifest.json", "/pwa_icon"} | {
    f"{API}/{name}"
    for name in (
        "info openapi.json app_id user login_check theme.css startup-events upload upload_progress reset cancel "
        "queue/join queue/data queue/status"
    ).split()
}
OPEN_FOLDERS = (
    "/sn-viz/",
    "/assets/",
    "/static/",
    "/svelte/",
    FILE,
    *(f"{API}/{name}/" for name in "run api call heartbeat".split()),
)
_CALL = re.compile(rf"{API}/(run|api|call)/([^/]{{1,100}})/?")
_SESSION = re.compile(r"[\w.:-]{1,100}", re.ASCII)
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
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


class Refused(Exception):
    """A request that is answered here."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


def path_of(scope: Scope) -> str:
    """Return the path as the app's own routes see it, behind a proxy that leaves its prefix on too."""
    path, root = scope["path"], scope.get("root_path", "").rstrip("/")
    inside = bool(root) and (path == root or path.startswith(f"{root}/"))
    return (path[len(root) :] or "/") if inside else path


class SafeRequests:
    """ASGI middleware, outermost but for the check of hosts.

    Parameters
    ----------
    app : ASGI app
    page : gradio.Blocks, optional
        Whose functions may be called; None leaves that to the app.
    max_upload : int
        Bytes of an upload.
    arrivals : Arrivals, optional
        What counts uploads; by default one of its own.
    visits : Visits, optional
        What remembers whose uploads are whose; by default one of its own.
    mcp : bool
        Whether the routes of the model context protocol are open.
    """

    def __init__(
        self,
        app: ASGIApp,
        page: Any = None,
        max_upload: int = MAX_UPLOAD_BYTES,
        arrivals: Arrivals | None = None,
        visits: Visits | None = None,
        mcp: bool = False,
    ) -> None:
        self.arrivals, self.visits = arrivals or Arrivals(upload_folder), visits or Visits()
        self._routes = OPEN_ROUTES | ({MCP} if mcp else set())
        self._folders = (*OPEN_FOLDERS, *((f"{MCP}/",) if mcp else ()))
        self.app, self.page, self.max_upload = app, page, max_upload
        self._secret = secrets.token_bytes(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # none is used
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        async with _told_in_words(scope, receive, send) as answer:
            scope, body = await self._checked(scope, receive)
            if path_of(scope) == "/" and self._visitor(Headers(scope=scope)) is None:
                answer.cookie = self._new_cookie(scope)
            answer.headers = HEADERS
            await self.app({**scope, "sn_viz.checked": True}, body, answer)

    async def _checked(self, scope: Scope, receive: Receive) -> tuple[Scope, Receive]:
        """Return the request to pass on.

        Raises
        ------
        Refused
        UserError
            When a visitor has uploaded too much.
        """
        path, headers = path_of(scope), Headers(scope=scope)
        if len(scope.get("query_string", b"")) > MAX_QUERY_BYTES or len(path) > MAX_ADDRESS_BYTES:
            raise Refused(414, "The address is too long.")
        if path.rstrip("/") not in self._routes and path != "/" and not path.startswith(self._folders):
            raise Refused(404, "Not found.")
        if path.startswith(FILE):
            return {**scope, "path": f"{scope['path'].removesuffix(path)}{FILE}{_file(path)}"}, receive
        if headers.get("content-encoding", "identity") != "identity":
            raise Refused(415, "Send the body as it is, not compressed.")
        if path.rstrip("/") == UPLOAD:
            return scope, await self._upload(scope, headers, receive)
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return scope, receive
        body = await _whole(headers, receive)
        _check_json(body)
        if self.page is not None:
            self._check_call(path, body)
        return scope, _replayed(body, receive)

    def _check_call(self, path: str, body: bytes) -> None:
        """Refuse a call of a function that does not exist, or with other than its number of inputs."""
        found = _CALL.fullmatch(path)
        join = path.rstrip("/") == f"{API}/queue/join"
        try:
            sent = json.loads(body) if body else {}
        except (ValueError, RecursionError):
            raise Refused(400, "The body is not JSON.") from None
        if not isinstance(sent, dict):
            raise Refused(422, "The body is not a JSON object.")
        session = sent.get("session_hash")
        if session is not None and not (isinstance(session, str) and _SESSION.fullmatch(session)):
            raise Refused(422, "The session is not understood.")
        if not found and not join:
            return
        functions = self.page.fns
        index = None if found and found[1] == "call" else sent.get("fn_index")
        if index is None and found:
            function = next((each for each in functions.values() if each.api_name == found[2]), None)
        else:
            function = functions.get(index) if type(index) is int else None
        if function is None:
            raise Refused(404, "There is no such function.")
        trigger = sent.get("trigger_id")
        components = {self.page._id, *self.page.blocks}  # the page itself triggers what happens when it opens
        if trigger is not None and (type(trigger) is not int or trigger not in components):
            raise Refused(422, "There is no such component.")
        expected = {len(function.inputs)}
        if found:
            expected.add(sum(not block.skip_api for block in function.inputs))
        given = sent.get("data")
        if sent.get("batched") or not isinstance(given, list) or (not function.cancels and len(given) not in expected):
            raise Refused(422, f"This function takes {len(function.inputs)} values in a list.")

    async def _upload(self, scope: Scope, headers: Headers, receive: Receive) -> Receive:
        declared = headers.get("content-length", "")
        if "content-length" in headers and (not _is_count(declared) or int(declared) > self.max_upload):
            raise Refused(413, f"At most {self.max_upload // 2**20} MB in one upload. Send fewer or smaller images.")
        address = str((scope.get("client") or ("unknown",))[0])
        owner = self._visitor(headers) or f"address {address}"
        await asyncio.to_thread(self.arrivals.take, owner, address, int(declared or 0))
        scope["sn_viz.arrived"] = lambda paths: self.visits.arrived(owner, paths)
        return _counted(receive, self.max_upload, lambda n: None if declared else self.arrivals.take(owner, address, n))

    def _visitor(self, headers: Headers) -> str | None:
        """Return the visitor that this server's own cookie names, or None."""
        found = re.search(rf"(?:^|;\s*){COOKIE}=([0-9a-f]{{32}})\.([0-9a-f]{{32}})(?:;|$)", headers.get("cookie", ""))
        return f"visitor {found[1]}" if found and hmac.compare_digest(self._signed(found[1]), found[2]) else None

    def _signed(self, token: str) -> str:
        return hmac.new(self._secret, token.encode(), hashlib.sha256).hexdigest()[:32]

    def _new_cookie(self, scope: Scope) -> str:
        token = secrets.token_hex(16)
        root = scope.get("root_path", "").rstrip("/") or "/"
        path = root if root.startswith("/") else "/"
        return f"{COOKIE}={token}.{self._signed(token)}; Path={path}; HttpOnly; SameSite=Lax"


class OnlyChecked:
    """ASGI middleware, inside Gradio's own: refuses what did not come through ``SafeRequests``, should that ever be left out.

    It also tells visitors where their uploads are under the name that they may know.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif not scope.get("sn_viz.checked"):
            await PlainTextResponse("This server is not ready.", 503)(scope, receive, send)
        else:
            # here and not only outside, because Starlette answers what is raised with a bare 500 of its own
            async with _told_in_words(scope, receive, send) as answer:
                await (self._upload if path_of(scope).rstrip("/") == UPLOAD else self.app)(scope, receive, answer)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {}
        body = b""

        async def rid(told: Message) -> None:
            """Keep the answer back until it is whole, then send it without the server's paths."""
            nonlocal start, body
            if told["type"] == "http.response.start":
                start = told
                return
            body += told.get("body", b"")
            if not told.get("more_body", False):
                plain = hidden(body.decode("utf-8", "replace")).encode()
                headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
                await send({**start, "headers": [*headers, (b"content-length", str(len(plain)).encode())]})
                await send({"type": "http.response.body", "body": plain})
                if start["status"] == 200:
                    scope.get("sn_viz.arrived", len)(_paths_told(body))

        await self.app(scope, receive, rid)


def _paths_told(body: bytes) -> list[str]:
    """Return the paths of uploads in Gradio's answer to them."""
    try:
        told = json.loads(body)
    except ValueError:
        return []
    return [path for path in told if isinstance(path, str)] if isinstance(told, list) else []


class _Answer:
    """Sends an answer with the safety headers; knows whether it has begun and ended."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = self.ended = False
        self.cookie = ""
        self.headers: dict[str, str] = {}

    async def __call__(self, told: Message) -> None:
        if self.ended:
            return
        if told["type"] == "http.response.start":
            self.started = True
            present = {name for name, _ in told["headers"]}
            extra = [(k.encode(), v.encode()) for k, v in self.headers.items() if k.encode() not in present]
            cookie = [(b"set-cookie", self.cookie.encode())] if self.cookie else []
            told = {**told, "headers": [*told["headers"], *extra, *cookie]}
        self.ended = told["type"] == "http.response.body" and not told.get("more_body", False)
        await self._send(told)

    async def instead(self, status: int, text: str, scope: Scope, receive: Receive) -> None:
        """Answer with ``text``; an answer that has begun can only be ended."""
        if not self.started:
            await PlainTextResponse(text, status, headers={"connection": "close"})(scope, receive, self)
        elif not self.ended:
            await self({"type": "http.response.body", "body": b"", "more_body": False})


@asynccontextmanager
async def _told_in_words(scope: Scope, receive: Receive, send: Send) -> AsyncIterator[_Answer]:
    """Give an answer to send through; whatever is raised meanwhile becomes a sentence in it."""
    answer = _Answer(send)
    try:
        yield answer
    except Refused as refused:
        await answer.instead(refused.status, refused.text, scope, receive)
    except UserError as error:
        await answer.instead(413, hidden_everywhere(str(error)), scope, receive)
    except ClientDisconnect:
        pass
    except Exception as error:
        known = error if isinstance(error, HTTPException) else error.__cause__
        if isinstance(known, HTTPException):  # of a stream that has begun, such as that of a session that does not exist
            await answer.instead(known.status_code, str(known.detail), scope, receive)
        elif path_of(scope).startswith(f"{API}/call/v2/"):  # names of functions and values that do not exist
            await answer.instead(422, "This call was not understood.", scope, receive)
        else:
            await answer.instead(500, message(error), scope, receive)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16


def _file(path: str) -> str:
    """Return the real path of a file to be served: one that was uploaded or made for a visitor, and nothing else."""
    try:
        return taken(path.removeprefix(FILE))
    except UserError:
        raise Refused(404, "There is no such file.") from None


async def _whole(headers: Headers, receive: Receive) -> bytes:
    """Return the whole body of a request that is no upload."""
    declared = headers.get("content-length", "0")
    if not _is_count(declared) or int(declared) > MAX_BODY_BYTES:
        raise Refused(413, f"At most {MAX_BODY_BYTES // 2**20} MB in one request; files go to /upload first.")
    pieces, size, until = [], 0, time.monotonic() + BODY_SECONDS
    more = True
    while more:
        told = await _heard(receive, until - time.monotonic())
        if told["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.append(told.get("body", b""))
        size, more = size + len(pieces[-1]), told.get("more_body", False)
        if size > MAX_BODY_BYTES:
            raise Refused(413, f"At most {MAX_BODY_BYTES // 2**20} MB in one request; files go to /upload first.")
    return b"".join(pieces)


async def _heard(receive: Receive, seconds: float) -> Message:
    try:
        return await asyncio.wait_for(receive(), max(0.01, seconds))
    except TimeoutError:
        raise Refused(408, "The request came too slowly.") from None


def _replayed(body: bytes, receive: Receive) -> Receive:
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _counted(receive: Receive, limit: int, count: Callable[[int], None]) -> Receive:
    """Return ``receive`` that refuses too many bytes, bytes that come too slowly, and what ``count`` raises for."""
    seen, more, until = 0, True, time.monotonic() + UPLOAD_SECONDS

    async def counted() -> Message:
        """Pass on the next part of the body, counted; late or too many bytes are refused."""
        nonlocal seen, more
        if not more:
            return await receive()
        told = await _heard(receive, min(IDLE_SECONDS, until - time.monotonic()))
        more = told.get("more_body", False)
        seen += len(told.get("body", b""))
        if seen > limit:
            raise Refused(413, f"At most {limit // 2**20} MB in one upload. Send fewer or smaller images.")
        count(len(told.get("body", b"")))
        return told

    return counted


def _check_json(body: bytes) -> None:
    """Refuse a JSON body of too many pieces, or too deep, before it is parsed."""
    pieces = body.count(b",") + body.count(b"[") + body.count(b"{")
    if pieces > MAX_JSON_PIECES:
        raise Refused(413, "The request holds too many values.")
    if pieces > MAX_JSON_DEPTH and _depth(body) > MAX_JSON_DEPTH and _depth(_STRING.sub(b"", body)) > MAX_JSON_DEPTH:
        raise Refused(413, "The request is nested too deeply.")


def _depth(body: bytes) -> int:
    """Return how deep brackets nest, those inside strings counted too."""
    letters = np.frombuffer(body, np.uint8)
    opened = ((letters == ord("[")) | (letters == ord("{"))).astype(np.int32)
    closed = ((letters == ord("]")) | (letters == ord("}"))).astype(np.int32)
    return int(np.cumsum(opened - closed).max(initial=0))
