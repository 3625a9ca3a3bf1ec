"""A server of the app in a process of its own, for benches.

Takes a model and an empty folder; gives the address while the server answers.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 120


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    address: str
    seconds: float
    """From its start to its first page."""


@contextmanager
def server(model: str, folder: Path) -> Iterator[Running]:
    """Start the app on a free port, with an empty cache under ``folder``, and stop it afterwards.

    Raises
    ------
    RuntimeError
        When it ends or says nothing for two minutes, with the end of its log.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    paths = [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    places = {"SN_VIZ_CACHE": str(folder / "cache"), "GRADIO_TEMP_DIR": str(folder / "gradio"), "SN_VIZ_MODEL": model}
    address, log = f"http://127.0.0.1:{port}/", folder / "log.txt"
    start = time.perf_counter()
    with open(log, "w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "sn_viz", "serve", "--port", str(port)],
            env={**os.environ, **places, "PYTHONPATH": os.pathsep.join(paths)},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        while not _answers(address):
            if process.poll() is not None or time.perf_counter() - start > START_SECONDS:
                raise RuntimeError(f"the server did not start: {log.read_text()[-2000:]}")
            time.sleep(0.02)
        yield Running(address, time.perf_counter() - start)
    finally:
        process.terminate()
        process.wait(30)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return bool(answer.read())
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
