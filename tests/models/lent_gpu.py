"""Who lends GPUs on ZeroGPU, as far as the package ``spaces`` can tell, and a program that begins as on a Space there.

``spaces`` itself is the real one, with its own processes, pipes and limits; what only a card can do is left out.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import runpy
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Lender:
    """What was asked of it, in order: the path and its arguments."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.refuses = False

    def count(self, path: str) -> int:
        return sum(asked == path for asked, _ in self.asked)

    def environment(self) -> dict[str, str]:
        return {"SPACES_ZERO_GPU": "true", "SPACES_ZERO_DEVICE_API_URL": self.address}


@contextmanager
def lender() -> Iterator[Lender]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))  # closed with bytes unread, a connection is reset
            at = urlsplit(self.path)
            lends.asked.append((at.path, {name: values[0] for name, values in parse_qs(at.query).items()}))
            self._say(*_answer(at.path, lends))

        def _say(self, status: int, answer: Any) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    lends = Lender(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield lends
    finally:
        server.shutdown()
        server.server_close()


def _answer(path: str, lends: Lender) -> tuple[int, Any]:
    if path != "/schedule":
        return 200, {}
    if lends.refuses:
        return 429, {"left": 3, "wait": 7200}
    again = lends.count("/schedule") > 1  # the process of the first loan waits for the next
    return 200, {"idle": again, "nvidiaIndex": 0, "nvidiaUUID": "GPU-0", "allowToken": f"token-{lends.count('/schedule')}"}


def _end(*_: object) -> None:
    """End with the processes that had a GPU, which otherwise wait for the next loan for ever."""
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(0)


def begin() -> None:
    """Run a program, named with its arguments on the command line, as on ZeroGPU but with models of any size and no card."""
    import torch

    if torch.version.cuda is None:  # a build without CUDA will do: of these only the names are needed
        torch.version.cuda = "13.0"
        torch._C._cuda_init = lambda: None
        torch.cuda._is_in_bad_fork = bool
    import spaces.zero.torch as card

    card.init = lambda uuid: None
    card.move = lambda callback=None: None
    from sn_viz.activations import legs

    legs.LENT_DEVICE, legs.FEWEST_WEIGHTS = "cpu", 0
    signal.signal(signal.SIGTERM, _end)
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    sys.path.insert(0, "")
    begin()
