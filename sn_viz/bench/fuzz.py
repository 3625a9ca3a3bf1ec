"""Damaged and hostile inputs of every kind, for a while: what breaks, what is slow, what is shown that should not be.

Each kind of input (``fuzzed``) is tried in a process of its own, which is ended when a try hangs. A try is told by its target, the
seed and its number, so that ``bench fuzz --only NAME --seed S --try N`` repeats it with its whole traceback.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sn_viz.bench import BENCHES, Options, Row, row
from sn_viz.bench.fuzzed import TARGETS, Try
from sn_viz.errors import UserError
from sn_viz.paths import PACKAGE

HANGS = 60.0
"""A try that takes longer, by the clock, is ended and counted."""
SLOW = 5.0
"""Seconds of processor time that one try may take."""
MEMORY = 4 * 2**30
"""Bytes one process may take beyond what its libraries do."""
KEPT = 20
"""Faults of one target that are told one by one."""
WARM_UP = 3
"""Tries at the start of a process that load libraries, which is not the input's doing; they are not timed."""


@dataclass
class Found:
    """What trying one kind of input has shown."""

    target: str
    tried: int = 0
    refused: int = 0
    slowest: tuple[float, int] = (0.0, -1)
    """Seconds of processor time, and the number of the try."""
    peak_mb: float = 0.0
    """Of the process, libraries included."""
    peak_try: int = -1
    """The try after which it grew last."""
    faults: dict[str, int] = field(default_factory=dict)
    """What was raised and where -> the first try that raised it."""
    n_faults: int = 0
    paths: dict[str, int] = field(default_factory=dict)
    """Messages that show a path of this machine -> the first try."""
    hangs: list[int] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether every input was read or refused in a sentence, in time."""
        return not (self.n_faults or self.paths or self.hangs) and self.slowest[0] <= SLOW


def generator(target: str, seed: int, number: int) -> np.random.Generator:
    """Return the random numbers of one try."""
    return np.random.default_rng([seed, zlib.crc32(target.encode()), number])


def measure(minutes: float, seed: int = 0, only: Sequence[str] = ()) -> list[Found]:
    """Try every kind of input, or some, for equal shares of the time."""
    for name in only:
        TARGETS[name]
    names = list(only) or TARGETS.names()
    found = []
    for name in names:
        print(f"fuzz {name} ...", file=sys.stderr)
        found.append(_watched(name, seed, 60 * minutes / len(names)))
    return found


def rows(found: Sequence[Found], seed: int) -> list[Row]:
    """Return what was found as rows: for each target tries, slowest input, peak memory, faults, paths shown."""
    made = []
    for one in found:
        again = f"--only {one.target} --seed {seed} --try"
        faults = "; ".join(f"{what} ({again} {number})" for what, number in list(one.faults.items())[:3])
        shown = "; ".join(f"{what[:80]} ({again} {number})" for what, number in list(one.paths.items())[:3])
        made += [
            row(f"{one.target}: inputs tried", one.tried, "", note=f"{one.refused:,} refused in a sentence"),
            row(f"{one.target}: slowest input", one.slowest[0], "s", at_most=SLOW, note=f"{again} {one.slowest[1]}"),
            row(f"{one.target}: peak memory", one.peak_mb, "MB", note=f"{again} {one.peak_try}, libraries included"),
            row(f"{one.target}: tracebacks", one.n_faults, "", at_most=0, note=faults),
            row(f"{one.target}: hung", len(one.hangs), "", at_most=0, note=f"{again} {one.hangs[0]}" if one.hangs else ""),
            row(f"{one.target}: paths shown", len(one.paths), "", at_most=0, note=shown),
        ]
    return made


@BENCHES.register("fuzz", costly=True)
def fuzz(options: Options) -> list[Row]:
    """Try damaged inputs of every kind, for ten minutes or a quarter of one."""
    return rows(measure(0.25 if options.quick else 10.0), 0)


def repeat(target: str, seed: int, number: int) -> str:
    """Try one input again and return what came of it; anything but a refusal is raised."""
    with tempfile.TemporaryDirectory() as folder, _silent():
        attempt = TARGETS[target](Path(folder))
        try:
            attempt(generator(target, seed, number))
        except UserError as error:
            return f"Refused: {error}"
    return "Read."


def _watched(target: str, seed: int, seconds: float) -> Found:
    """Run tries in a process of their own until the time is over; one that hangs or dies is ended, and another goes on after it."""
    found, end, first = Found(target), time.monotonic() + seconds, 0
    while (left := end - time.monotonic()) > 0 or not first:
        with tempfile.TemporaryDirectory() as folder:
            last = _one_process(found, folder, seed, first, max(left, 1.0))
        if last is None:
            break
        first = last + 1
    return found


def _one_process(found: Found, folder: str, seed: int, first: int, seconds: float) -> int | None:
    """Watch one process; returns the number of the try that ended it, or None when it ended of itself."""
    arguments = [sys.executable, "-m", "sn_viz.bench.fuzz", found.target, folder, str(seed), str(first), str(seconds)]
    paths = os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "SN_VIZ_CACHE": str(Path(folder) / "cache")}
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    lines: queue.Queue[str | None] = queue.Queue()
    for pipe, put in ((process.stdout, lines.put), (process.stderr, lambda line: None)):
        threading.Thread(target=_listen, args=(pipe, put, pipe is process.stdout, lines), daemon=True).start()
    current, started = first, False
    try:
        while True:
            line = lines.get(timeout=HANGS if started else 10 * HANGS)
            if line is None:
                break
            started = True
            said = json.loads(line)
            current = said["try"]
            if "done" in said:
                _add(found, current, said)
    except queue.Empty:
        found.hangs.append(current)
        return current
    finally:
        process.kill()
        code = process.wait()
    if code == 0:
        return None
    found.n_faults += 1
    found.faults.setdefault(f"the process ended with status {code}", current)
    return current


def _listen(pipe: Any, put: Any, tells_end: bool, lines: queue.Queue[str | None]) -> None:
    for line in pipe:
        put(line)
    if tells_end:
        lines.put(None)


def _add(found: Found, number: int, said: dict[str, Any]) -> None:
    found.tried += 1
    found.refused += said["done"] == "refused"
    if said["seconds"] > found.slowest[0]:
        found.slowest = (said["seconds"], number)
    if said["mb"] > found.peak_mb:
        found.peak_mb, found.peak_try = said["mb"], number
    if said["done"] == "fault":
        found.n_faults += 1
        if len(found.faults) < KEPT:
            found.faults.setdefault(said["what"], number)
    if said.get("path"):
        found.paths.setdefault(said["path"], number)


def _work(target: str, folder: Path, seed: int, first: int, seconds: float) -> None:
    """Try inputs until the time is over, telling of each on standard output."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with _silent():
        attempt = TARGETS[target](folder)
        _bound_memory()
        end = time.monotonic() + seconds  # loading libraries on a busy machine is not trying inputs
        number = first
        while time.monotonic() < end or number == first:
            print(json.dumps({"try": number}), file=out, flush=True)
            said = _tried(attempt, generator(target, seed, number), folder)
            if number < first + WARM_UP:
                said["seconds"] = 0.0
            print(json.dumps({"try": number, **said}), file=out, flush=True)
            number += 1


def _tried(attempt: Try, rng: np.random.Generator, folder: Path) -> dict[str, Any]:
    started, said = time.process_time(), {"done": "read"}
    try:
        attempt(rng)
    except UserError as error:
        said = {"done": "refused", "path": _path_in(str(error), folder)}
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        said = {"done": "fault", "what": f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}"}
        if isinstance(error, KeyboardInterrupt):
            raise
    return {**said, "seconds": time.process_time() - started, "mb": _resident_mb()}


def _path_in(message: str, folder: Path) -> str:
    """Return the message when it shows where something lies on this machine; the folder of a saved run is the user's own word."""
    shown = message.replace(f"'{folder / 'run'}'", "")
    return message[:200] if any(str(place) in shown for place in (folder, PACKAGE.parent, Path.home(), sys.prefix)) else ""


def _resident_mb() -> float:
    try:
        import resource
    except ImportError:
        return float("nan")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _bound_memory() -> None:
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            taken = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    except (ImportError, OSError, ValueError):
        return  # no such bound on this system


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep libraries' warnings to themselves."""
    logging.disable(logging.CRITICAL)
    try:
        with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
            import warnings

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
    finally:
        logging.disable(logging.NOTSET)


if __name__ == "__main__":
    _work(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
