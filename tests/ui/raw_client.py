"""A client that sends whatever it is told to a really launched server, and witnesses of what the server touches."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
API = "/gradio_api"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running app."""

    def __init__(self, process: subprocess.Popen, port: int, folder: Path) -> None:
        self.process, self.port, self.folder = process, port, folder
        self.address = f"http://127.0.0.1:{port}"
        self.uploads = folder / "uploads"

    @property
    def log(self) -> str:
        return (self.folder / "log.txt").read_text()


@contextmanager
def started(folder: Path, command: tuple[str, ...] = ("app.py",), **environment: str) -> Iterator[Server]:
    """Run the app as people do, in a process of its own."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    named = {"SN_VIZ_PORT": str(port), "SN_VIZ_CACHE": str(folder / "cache"), "GRADIO_TEMP_DIR": str(folder / "uploads")}
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SN_VIZ", "GRADIO", "SPACE"))}
    with open(folder / "log.txt", "w") as log:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env={**clean, **named, **environment}, stdout=log, stderr=subprocess.STDOUT
        )
    server = Server(process, port, folder)
    try:
        for _ in range(480):
            assert process.poll() is None, server.log
            try:
                urllib.request.urlopen(f"{server.address}/config", timeout=10).close()
                break
            except (urllib.error.URLError, TimeoutError, ConnectionError):
                time.sleep(0.25)
        yield server
    finally:
        process.terminate()
        process.wait(20)


class Raw:
    """One visitor who speaks HTTP by hand."""

    def __init__(self, server: Server, session: str = "rawsession") -> None:
        self.http = httpx.Client(base_url=server.address, timeout=60)
        self.session = session
        config = self.http.get("/config").json()
        self.components = {each["id"]: each for each in config["components"]}
        self.functions = {each["id"]: each for each in config["dependencies"]}

    def named(self, api_name: str) -> dict[str, Any]:
        return next(each for each in self.functions.values() if each["api_name"] == api_name)

    def kind(self, component: int) -> str:
        return self.components[component]["type"]

    def defaults(self, function: dict[str, Any]) -> list[Any]:
        return [self.components[each]["props"].get("value") for each in function["inputs"]]

    def call(self, function: dict[str, Any], data: list[Any], **more: Any) -> tuple[int, str]:
        """Call a function in the way the page would, the last values left as they are on the page; returns status and answer."""
        data = [*data, *self.defaults(function)[len(data) :]]
        body = {"fn_index": function["id"], "data": data, "session_hash": self.session, **more}
        if not function["queue"]:
            answer = self.http.post(f"{API}/run/predict", json=body)
            return answer.status_code, answer.text
        joined = self.http.post(f"{API}/queue/join", json=body)
        if joined.status_code != 200:
            return joined.status_code, joined.text
        return 200, self.listen(joined.json()["event_id"])

    def listen(self, event: str) -> str:
        with self.http.stream("GET", f"{API}/queue/data", params={"session_hash": self.session}) as stream:
            for line in stream.iter_lines():
                told = json.loads(line[6:]) if line.startswith("data: ") else {}
                if told.get("msg") == "process_completed" and told.get("event_id") == event:
                    return json.dumps(told["output"], ensure_ascii=False)
        return ""

    def upload(self, *files: tuple[str, bytes], **more: Any) -> httpx.Response:
        return self.http.post(f"{API}/upload", files=[("files", file) for file in files], **more)


class Watch:
    """What is opened or read in a folder, by anybody: told by the kernel where it can (Linux)."""

    OPEN_OR_ACCESS = 0x20 | 0x1

    def __init__(self, folder: Path) -> None:
        try:
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._handle = self._libc.inotify_init1(os.O_NONBLOCK)
            self._libc.inotify_add_watch(self._handle, str(folder).encode(), self.OPEN_OR_ACCESS)
        except (OSError, AttributeError):
            self._handle = None

    def touched(self) -> bool:
        """Return whether anything was, since last asked."""
        if self._handle is None:
            return False
        try:
            return bool(os.read(self._handle, 65536))
        except BlockingIOError:
            return False


def has_reader(pipe: Path) -> bool:
    """Return whether somebody waits at the other end of a named pipe."""
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return True
    except OSError:
        return False


class Listener:
    """A web server of the attacker's, which notes whether anybody comes."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.visits = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.visits += 1
            connection.close()

    def close(self) -> None:
        self._socket.close()
