"""A small hub on this machine: what the hub's client asks of the real one, with repositories made by a test.

Takes folders; serves each as a repository at commits with branches, and counts every request and every byte of a file.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

EMBEDDED = "some-lab/tiny-llava-copy"
"""What the embedded model is called in the hub of the fixture ``hub``."""


@dataclass
class Repository:
    """One repository; ``commits`` holds the folder of each commit, ``branches`` where each branch and tag is."""

    commits: dict[str, Path] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    gated: str | bool = False
    told_sizes: dict[str, int] = field(default_factory=dict)
    """Sizes that are told of files instead of their own."""

    def commit(self, folder: Path, branch: str = "main") -> str:
        """Let a branch be at a new commit with the files of ``folder``; returns the commit."""
        commit = hashlib.sha1(f"{folder}{len(self.commits)}".encode()).hexdigest()
        self.commits[commit], self.branches[branch] = folder, commit
        return commit


@dataclass
class Hub:
    """The server."""

    address: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    token: str = ""
    """Who sends it may read what is gated."""
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """(method, path, headers) of every request."""
    bytes_sent: int = 0
    """Of files."""
    break_after: int = 0
    """Bytes of files after which each connection is broken off; 0 for never."""
    pause: float = 0.0
    """Seconds after each 64 KiB of a file."""
    status: int = 200
    """What every request is answered with, when it is not 200."""

    def add(self, name: str, folder: Path) -> Repository:
        """Add a repository with one commit, at the branch main."""
        self.repositories[name] = Repository()
        self.repositories[name].commit(folder)
        return self.repositories[name]

    def paths(self, method: str = "GET") -> list[str]:
        """Return the paths that were asked for."""
        return [path for how, path, _ in self.requests if how == method]


def answer(hub: Hub, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body, as the real hub words them."""
    if hub.status != 200:
        return hub.status, {}, b"<html>"
    api = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path)
    file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
    found = api or file
    repository = hub.repositories.get(found[1]) if found else None
    if found is None or repository is None:
        return 404, {"X-Error-Code": "RepoNotFound"}, b""
    revision = unquote(found[2] or "main")
    commit = repository.branches.get(revision) or next((each for each in repository.commits if each.startswith(revision)), None)
    if commit is None:
        return 404, {"X-Error-Code": "RevisionNotFound"}, b""
    sender = headers.get("authorization", "")
    if sender and sender != f"Bearer {hub.token}":
        return 401, {"X-Error-Message": "Invalid credentials in Authorization header"}, b""
    if api:
        return 200, {"Content-Type": "application/json"}, json.dumps(_info(repository, found[1], commit)).encode()
    if repository.gated and not sender:
        return 403, {"X-Error-Code": "GatedRepo"}, b""
    place = repository.commits[commit] / file[3]
    if not place.is_file():
        return 404, {"X-Error-Code": "EntryNotFound"}, b""
    data = place.read_bytes()
    facts = {"ETag": f'"{_digest(place)}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
    begin = re.fullmatch(r"bytes=(\d+)-", headers.get("range", ""))
    if begin:
        facts["Content-Range"] = f"bytes {begin[1]}-{len(data) - 1}/{len(data)}"
        return 206, facts, data[int(begin[1]) :]
    return 200, facts, data


def _info(repository: Repository, name: str, commit: str) -> dict[str, Any]:
    siblings = []
    for path in sorted(repository.commits[commit].iterdir()):
        size = repository.told_sizes.get(path.name, path.stat().st_size)
        one = {"rfilename": path.name, "size": size, "blobId": _digest(path)}
        if path.suffix in (".safetensors", ".bin"):
            one |= {"blobId": "0" * 40, "lfs": {"size": size, "sha256": _digest(path), "pointerSize": 134}}
        siblings.append(one)
    return {"id": name, "sha": commit, "siblings": siblings, "gated": repository.gated, "private": False, "disabled": False}


def _digest(path: Path) -> str:
    data = path.read_bytes()
    if path.suffix in (".safetensors", ".bin"):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@contextmanager
def serving() -> Iterator[Hub]:
    """Serve an empty hub on a free port of this machine."""
    hub = Hub()
    counting = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            path = urlsplit(self.path).path
            hub.requests.append((self.command, path, headers))
            status, facts, body = answer(hub, path, headers)
            self.send_response(status)
            for name, value in {**facts, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self._send(body, is_file="ETag" in facts)

        do_HEAD = do_GET

        def _send(self, body: bytes, is_file: bool) -> None:
            cut = bool(is_file and hub.break_after and len(body) > hub.break_after)
            part = body[: hub.break_after] if cut else body
            try:
                for begin in range(0, len(part), 2**16):
                    chunk = part[begin : begin + 2**16]
                    if is_file:  # before it goes out: whoever has received it finds it counted
                        with counting:
                            hub.bytes_sent += len(chunk)
                    self.wfile.write(chunk)
                    self.wfile.flush()
                    time.sleep(hub.pause if is_file else 0)
            except OSError:
                return  # whoever asked has gone
            if cut:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Say nothing of those who hung up."""

    server = Quiet(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def nothing_listens() -> str:
    """Return an address at which nobody answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def use(monkeypatch: pytest.MonkeyPatch, address: str, cache: Path) -> None:
    """Point the client, which reads the environment at its import, to a hub and a cache."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(cache / "no-token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
