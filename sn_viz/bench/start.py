"""How soon the command ``find`` shows something: its super neurons, each other method, the whole table with times.

Takes nothing; starts the command in a process of its own and notes when its lines arrive. First as on a new machine, with neither
activations nor answers nor compiled kernels kept, then again with what that kept. It reads the command's words and imports nothing
of what they come from.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from sn_viz.bench import BENCHES, Options, Row, row

DATA = "pack:presence-dog"
FOUND_SECONDS, ALL_SECONDS, NEW_SECONDS = 6.0, 10.0, 15.0
"""What is aimed at: super neurons, and every other method with its time, both with what was kept; the latter on a new machine."""
AGAIN = 3
FOUND, TABLE, ANSWER = "Super neurons, exit at layer", "On the test images", " test images ("


@dataclass(frozen=True)
class Shown:
    """Seconds from starting the command."""

    found: float
    """To the super neurons and what they get right."""
    methods: float
    """To the accuracy of the last other method."""
    whole: float
    """To the table of all methods with their milliseconds."""
    ended: float
    """To the end of the process."""


@BENCHES.register("start")
def measure(options: Options) -> list[Row]:
    """Time ``find pack:presence-dog`` in fresh processes, from the command to its lines: on a new machine, and with a cache."""
    with tempfile.TemporaryDirectory(prefix="sn-viz-bench-") as folder:
        new = shown(Path(folder), options.model)
        again = [shown(Path(folder), options.model) for _ in range(1 if options.quick else AGAIN)]
    often = f"median of {len(again)}"
    return [
        *_rows("on a new machine", [new], "nothing kept, kernels compiled", None, NEW_SECONDS),
        *_rows("with a cache", again, often, FOUND_SECONDS, ALL_SECONDS),
    ]


def _rows(when: str, seen: list[Shown], note: str, found: float | None, whole: float) -> list[Row]:
    middle = {name: statistics.median(getattr(one, name) for one in seen) for name in ("found", "methods", "whole", "ended")}
    told = f"{note}; accuracies of all at {middle['methods']:.1f} s, the process ends at {middle['ended']:.1f} s"
    return [
        row(f"find {DATA}, {when}: super neurons", middle["found"], "s", at_most=found, note=note),
        row(f"find {DATA}, {when}: all other methods, timed", middle["whole"], "s", at_most=whole, note=told),
    ]


def shown(folder: Path, model: str) -> Shown:
    """Run the command with everything that it keeps in ``folder``.

    Raises
    ------
    RuntimeError
        With the end of what it said, when it fails.
    """
    kept = {"SN_VIZ_CACHE": str(folder / "cache"), "NUMBA_CACHE_DIR": str(folder / "kernels")}
    paths = [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", "sn_viz", "find", DATA, "--model", model]
    start, found, methods, whole, said = time.perf_counter(), 0.0, 0.0, 0.0, []
    with subprocess.Popen(
        command,
        env={**os.environ, **kept, "PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            now = time.perf_counter() - start
            said.append(line)
            if line.startswith(FOUND):
                found = now
            elif line.startswith(TABLE):
                whole = now
            elif ANSWER in line and not whole:
                methods = now
    ended = time.perf_counter() - start
    if process.returncode or not (found and methods and whole):
        raise RuntimeError(f"the command failed: {''.join(said)[-2000:]}")
    return Shown(found, methods, whole, ended)
