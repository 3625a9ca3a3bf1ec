"""Under which names the app answers, so that no foreign page can make a browser talk to it under a name of its own (DNS rebinding).

Takes what the operator says (an address to listen on, names, whether a proxy stands in front); returns ``Served`` and a middleware
that refuses every request for another host before Gradio sees it. It knows nothing about what is served.

Starlette's ``TrustedHostMiddleware`` knows no IPv6, no plain addresses and no origins, and answers 400.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass

import idna
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sn_viz.errors import UserError

LOCAL = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = ("0.0.0.0", "::")
FORWARDED = ("x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-forwarded-for", "x-forwarded-prefix")
"""What proxies add; without one, anybody may have written it."""
NEVER = ("x-gradio-server", "forwarded")
"""Gradio builds addresses out of the first; only its own front server may send it, and none is used here.

Nobody checks the second."""
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\s:/@\[\]\\%?#]+))(?::(\d{0,5}))?")
_ORIGIN = re.compile(r"(https?)://([^/]+)")
"""All that browsers send; what a parser of addresses would read into anything longer may not be what a browser reads."""
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True)
class Served:
    """Where the app listens and under which names it answers."""

    listen: str = "127.0.0.1"
    names: frozenset[str] = frozenset(LOCAL)
    """Lower case, without port or brackets."""
    addresses: bool = False
    """Whether any plain IP address is a name too: they cannot be rebound."""
    behind_proxy: bool = False
    """Whether forwarded host headers count."""

    @property
    def is_public(self) -> bool:
        """Whether others than the person at this machine may come."""
        return self.addresses or self.behind_proxy or not self.names <= set(LOCAL)

    def is_own(self, host: str) -> bool:
        """Return whether ``host``, lower case, without port or brackets, is one of ours."""
        return host in self.names or (self.addresses and _is_address(host))


def served(host: str | None = None, names: Iterable[str] = (), behind_proxy: bool = False) -> Served:
    """Return where to listen and under which names to answer.

    Parameters
    ----------
    host : str, optional
        Address or name of this machine to listen on: ``0.0.0.0`` for a class. By default SN_VIZ_HOST, else 127.0.0.1; on a
        Hugging Face Space everywhere.
    names : iterable of str
        Further names under which visitors come. By default those of SN_VIZ_HOST_NAMES, separated by commas or spaces.
    behind_proxy : bool
        Whether a proxy that is the only way in writes ``X-Forwarded-Host``. Always so on a Space.

    Raises
    ------
    UserError
        When an address or name is none.
    """
    space = bool(os.environ.get("SPACE_ID") or os.environ.get("SPACE_HOST"))
    listen = _checked((host or os.environ.get("SN_VIZ_HOST", "")).strip() or ("0.0.0.0" if space else LOCAL[0]), "The host")
    given = list(names) or re.split(r"[\s,]+", os.environ.get("SN_VIZ_HOST_NAMES", ""))
    every = {_checked(name, "The host name") for name in given if name.strip()}
    every |= {_checked(name, "SPACE_HOST") for name in re.split(r"[\s,]+", os.environ.get("SPACE_HOST", "")) if name}
    beyond = listen not in LOCAL
    own = {listen} - set(EVERYWHERE)
    return Served(listen, frozenset({*LOCAL, *every, *own}), beyond, behind_proxy or space)


def _checked(text: str, what: str) -> str:
    """Return a host name or address as browsers send it: lower case, without port or brackets, letters beyond a to z as xn--."""
    name = _without_port(_as_sent(text.strip().lower()))
    if name is None or not (_is_address(name) or _NAME.fullmatch(name)):
        cause = f"{text[:60]!r} is neither a name such as class.example.org nor an address such as 0.0.0.0."
        raise UserError(f"{what} was not understood.", cause, "Give it without http:// and without a star.")
    return name


def _as_sent(text: str) -> str:
    """Return ``text`` with an international name in its ASCII form; as it is where that is none."""
    try:
        return text if text.isascii() else idna.encode(text[:253], uts46=True).decode("ascii")
    except idna.IDNAError:
        return text


def _is_address(host: str) -> bool:
    return _address(host) is not None


def _address(host: str) -> str | None:
    """Return a plain address in its one usual spelling, None for anything else: a zone, which may be any text, belongs to none."""
    try:
        return None if "%" in host else str(ipaddress.ip_address(host))
    except ValueError:
        return None


def _split(host: str) -> tuple[str, int | None] | None:
    """Return name and port of ``name``, ``name:port`` or ``[address]:port``; None when it is none of these.

    The name comes without the dot that may end it, an address in its usual spelling; the port is None where none is given.
    """
    if address := _address(host):
        return address, None
    found = _HOST.fullmatch(host)
    if found is None or (found[3] and not 0 < int(found[3]) < 2**16):
        return None
    name = found[1] or found[2].removesuffix(".")
    return (_address(name) or name, int(found[3]) if found[3] else None) if name else None


def _without_port(host: str) -> str | None:
    """Return the name in ``host``; None when there is none. See `_split`."""
    return found[0] if (found := _split(host)) else None


def board_address(listen: str, port: int) -> str:
    """Return the address to write on the board, for visitors on the same network; no packet is sent to find it."""
    if listen not in EVERYWHERE:
        return f"http://{f'[{listen}]' if ':' in listen else listen}:{port}/"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a documentation address: a datagram socket only chooses its own side
            found = probe.getsockname()[0]
        except OSError:
            found = socket.gethostname()
    return f"http://{found}:{port}/"


class OwnHosts:
    """ASGI middleware: 421 for a host that is not ours, 403 for an origin that is not the host's.

    Parameters
    ----------
    app : ASGI app
    own : Served
    """

    def __init__(self, app: ASGIApp, own: Served) -> None:
        self.app, self.own = app, own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = self._host(headers)
        if host is None:
            text = "This server does not answer under that name. Its operator names it with --host-name or SN_VIZ_HOST_NAMES."
            await self._refuse(text, 421, scope, receive, send)
        elif not self._may_ask(headers, host, scope["scheme"]):
            await self._refuse("Pages of other sites may not talk to this server.", 403, scope, receive, send)
        else:
            await self.app(self._plain(scope), receive, send)

    def _host(self, headers: Headers) -> str | None:
        """Return the host that was asked for, with its port; None when it is not ours."""
        asked = [*headers.getlist("host")]
        if len(asked) != 1:
            return None
        forwarded = ",".join(headers.getlist("x-forwarded-host"))
        if self.own.behind_proxy and forwarded:
            asked += [text.strip() for text in forwarded.split(",")]
        names = [_without_port(host.lower()) for host in asked]
        return asked[-1 if len(asked) == 1 else 1].lower() if all(name and self.own.is_own(name) for name in names) else None

    def _may_ask(self, headers: Headers, host: str, scheme: str) -> bool:
        origins = headers.getlist("origin")
        if not origins:
            return True
        found = _ORIGIN.fullmatch(origins[0].strip().lower())
        origin, own = _split(found[2]) if found else None, _split(host)
        if len(origins) != 1 or not found or not origin or not own:
            return False
        if origin[0] != own[0] and not self._are_both_local(origin[0], own[0]):
            return False
        # a proxy may stand on another port than the one it passes on
        return self.own.behind_proxy or (origin[1] or _PORTS[found[1]]) == (own[1] or _PORTS.get(scheme))

    @staticmethod
    def _are_both_local(one: str, other: str) -> bool:
        return one in LOCAL and other in LOCAL

    def _plain(self, scope: Scope) -> Scope:
        """Return ``scope`` without what only a proxy may say."""
        scope = {**scope, "headers": list(scope["headers"])}
        headers = MutableHeaders(scope=scope)
        for name in (*NEVER, *(() if self.own.behind_proxy else FORWARDED)):
            while name in headers:
                del headers[name]
        if self.own.behind_proxy and (forwarded := headers.get("x-forwarded-for")):
            scope["client"] = (forwarded.split(",")[-1].strip()[:64], 0)
        return scope

    async def _refuse(self, text: str, status: int, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": text[:100]})
            return
        await PlainTextResponse(text, status, headers={"x-content-type-options": "nosniff"})(scope, receive, send)
