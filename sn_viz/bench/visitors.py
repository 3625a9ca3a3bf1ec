"""How a class of thirty is served: cached views asked for over HTTP while a long job runs.

Takes a running server; returns waiting times. Each visitor is a thread with a connection of its own that opens the page, looks at
neurons of a finished run at a person's pace, and takes no notice of the others.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from sn_viz.bench import Row, row

VISITORS, QUICK_VISITORS = 30, 4
PAUSE_SECONDS = 2.0
"""Between two clicks of a visitor, on average; drawn by seed."""
LONGEST_SECONDS, QUICK_SECONDS = 60.0, 10.0
"""How long visitors click at most; they stop when the long job ends, but not before half of it."""
ANSWER_SECONDS = 1.0
"""95 of 100 cached views are meant to be answered within this."""
FIRST, LONG = "presence-dog", "left-of"
"""The pack that everybody looks at, and the one that is found meanwhile."""


def thirty(address: str, quick: bool = False) -> list[Row]:
    """Let visitors of the server at ``address`` click on a finished run while another is found; return how long they waited."""
    visitors, longest = (QUICK_VISITORS, QUICK_SECONDS) if quick else (VISITORS, LONGEST_SECONDS)
    run, busy = found(address, FIRST), LongJob(address)
    job = threading.Thread(target=busy.work, daemon=True)
    job.start()
    with ThreadPoolExecutor(visitors) as pool:
        waited = list(pool.map(lambda seed: visit(address, run, busy, longest, seed), range(visitors)))
    job.join(600)
    opened, clicked = [each.opened for each in waited], np.concatenate([each.clicked for each in waited])
    note = f"{len(clicked)} views over HTTP beside a run of {busy.seconds:.0f} s"
    middle, slow = np.percentile(clicked, [50, 95])
    who = f"{visitors} at once"
    return [
        row(f"page opened by {who}, slowest", max(opened), "s", note="the page alone"),
        row(f"cached view, {who}, p50", middle, "s", note=note),
        row(f"cached view, {who}, p95", slow, "s", at_most=ANSWER_SECONDS, note=note),
        row(f"cached view, {who}, slowest", clicked.max(), "s", note=note),
    ]


@dataclass
class LongJob:
    """A run that is found while people look at another."""

    address: str
    ended: threading.Event = field(default_factory=threading.Event)
    seconds: float = float("nan")

    def work(self) -> None:
        """Find it, and say when it has ended."""
        start = time.perf_counter()
        try:
            found(self.address, LONG)
        finally:
            self.seconds = time.perf_counter() - start
            self.ended.set()


@dataclass(frozen=True)
class Visit:
    """What one visitor waited for, in seconds."""

    opened: float
    clicked: list[float]


def visit(address: str, run: str, busy: LongJob, longest: float, seed: int) -> Visit:
    """Open the page and look at neurons until the long job has ended, but half of ``longest`` seconds and at most all of them."""
    rng, times = np.random.default_rng(seed), []
    start = time.perf_counter()
    with urllib.request.urlopen(address, timeout=120) as page:
        page.read()
    opened = time.perf_counter() - start
    while (passed := time.perf_counter() - start) < longest and not (busy.ended.is_set() and passed > longest / 2):
        time.sleep(rng.uniform(0.5, 1.5) * PAUSE_SECONDS)
        before = time.perf_counter()
        answered(address, "neuron", [run, int(rng.integers(1000))])
        times.append(time.perf_counter() - before)
    return Visit(opened, times)


def answered(address: str, endpoint: str, values: list) -> str:
    """Return what a public endpoint answers, as the text of its last event.

    Raises
    ------
    RuntimeError
        When it answers with an error.
    """
    url, told = f"{address}gradio_api/call/{endpoint}", {"Content-Type": "application/json"}
    asked = urllib.request.Request(url, json.dumps({"data": values}).encode(), told)
    with urllib.request.urlopen(asked, timeout=120) as answer:
        event_id = json.load(answer)["event_id"]
    event = ""
    with urllib.request.urlopen(f"{url}/{event_id}", timeout=120) as stream:
        for line in (line.decode().strip() for line in stream):
            if line.startswith("event: "):
                event = line.removeprefix("event: ")
            elif line.startswith("data: ") and event == "complete":
                return line.removeprefix("data: ")
            elif line.startswith("data: ") and event == "error":
                raise RuntimeError(f"/{endpoint} answered with an error: {line}")
    raise RuntimeError(f"/{endpoint} ended without an answer")


def found(address: str, pack: str) -> str:
    """Return the key of a finished run of ``pack``."""
    from gradio_client import Client

    return Client(address, verbose=False).predict(pack=pack, data=None, api_name="/find")["run"]
