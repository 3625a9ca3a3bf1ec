"""What we measure: one file each, registered under the file's name, run by ``python -m sn_viz bench NAME``.

A benchmark takes ``Options`` and returns rows that say what was measured, what was aimed at and whether that holds. A new file here
is a new command, and part of ``bench all``; one that takes hours is registered as ``costly``, and takes part in its quick mode.
"""

from __future__ import annotations

import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from sn_viz.registry import Registry
from sn_viz.report.tables import plain_table

PACKAGES = ("numpy", "numba", "torch", "transformers", "scikit-learn", "gradio", "plotly", "playwright")


@dataclass(frozen=True)
class Options:
    """What the person who measures may choose."""

    model: str = "tiny-llava"
    device: str | None = None
    quick: bool = False
    """Small sizes and few repetitions: for a look, not for the record."""
    engine: str = "local"
    """Where it runs, for what runs on several engines: see `sn_viz.engines`."""


@dataclass(frozen=True)
class Row:
    """One measurement."""

    name: str
    measured: float
    unit: str
    target: str = ""
    """Such as ``>= 15``: what the ratio, or where there is none the measurement, is meant to be; "" where nothing is aimed at."""
    ratio: float | None = None
    """The measurement against what it is compared with."""
    holds: bool | None = None
    """Whether the target is met; None without a target."""
    note: str = ""
    """Compared with what, on what."""


Bench = Callable[[Options], list[Row]]

BENCHES: Registry[Bench] = Registry("benchmark", "sn_viz.bench")


def row(
    name: str,
    measured: float,
    unit: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    ratio: float | None = None,
    note: str = "",
) -> Row:
    """Return a row that knows whether its target is met.

    Parameters
    ----------
    name, unit, note : str
    measured : float
        NaN meets no target.
    at_least, at_most : float, optional
        The target, at most one of the two.
    ratio : float, optional
        What the target is about, where that is not the measurement itself.

    Examples
    --------
    >>> row("search", 0.2, "s", at_least=15, ratio=40.0).holds
    True
    """
    assert at_least is None or at_most is None, "a target is one bound"
    value = measured if ratio is None else ratio
    if at_least is not None:
        return Row(name, measured, unit, f">= {at_least:g}", ratio, bool(value >= at_least), note)
    if at_most is not None:
        return Row(name, measured, unit, f"<= {at_most:g}", ratio, bool(value <= at_most), note)
    return Row(name, measured, unit, "", ratio, None, note)


def seconds_in_turns(methods: Mapping[str, Callable[[], object]], rounds: int, warm_up: bool = True) -> dict[str, float]:
    """Return the median seconds of each method, all run in turns, so that a busy moment of the machine meets them all."""
    times: dict[str, list[float]] = {name: [] for name in methods}
    for turn in range(rounds + warm_up):
        for name, method in methods.items():
            start = time.perf_counter()
            method()
            if turn >= warm_up:
                times[name].append(time.perf_counter() - start)
    return {name: float(np.median(taken)) for name, taken in times.items()}


def in_a_fresh_process(code: str, *arguments: object) -> str:
    """Return what Python prints that runs ``code``, which finds this package, in a process of its own.

    Raises
    ------
    RuntimeError
        With the end of what it said, when it fails.
    """
    paths = [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"the measuring process failed: {done.stderr[-2000:]}")
    return done.stdout


def machine() -> dict[str, str]:
    """Return what the rows were measured on: processor, cores, memory, system, accelerator, versions."""
    found = {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": f"{_memory_gb():.0f} GB" if _memory_gb() else "unknown",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    if hasattr(os, "getloadavg"):
        found["load before"] = f"{os.getloadavg()[0]:.1f}"
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        found["accelerator"] = torch.cuda.get_device_name()
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def table(tables: Mapping[str, Sequence[Row]], where: Mapping[str, str]) -> Table:
    """Return one table of all rows, the machine beneath it."""
    headings = ("bench", "what", "measured", "", "ratio", "target", "holds", "note")
    marks = {None: "", True: "yes", False: "NO"}

    def cells(bench: str, one: Row) -> list[str]:
        ratio = "" if one.ratio is None else f"{one.ratio:.3g}"
        return [bench, one.name, f"{one.measured:,.4g}", one.unit, ratio, one.target, marks[one.holds], one.note]

    made = plain_table(headings, [cells(bench, one) for bench, rows in tables.items() for one in rows])
    made.caption = escape(", ".join(f"{name} {value}" for name, value in where.items()))
    made.caption_justify = "left"
    return made


def as_json(tables: Mapping[str, Sequence[Row]], where: Mapping[str, str]) -> dict[str, Any]:
    """Return plain values for JSON: the machine, and the rows of each benchmark in one list; NaN becomes None."""
    rows = [{"bench": bench, **asdict(one)} for bench, table in tables.items() for one in table]
    return {"machine": dict(where), "rows": [{key: _plain(value) for key, value in one.items()} for one in rows]}


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory_gb() -> float:
    if not hasattr(os, "sysconf"):
        return 0.0
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
