"""How much memory and time ``find``, and the search alone, take as the data grow: far more of them than they may hold."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sn_viz.bench import BENCHES, Options, Row, in_a_fresh_process, prepared, row
from sn_viz.bench.prepared import Found

EXAMPLES, NEURONS = 3000, 745_000
"""LLaVA-1.5-7B at all sites: 4.5 GB of float16."""
QUICK_EXAMPLES, QUICK_NEURONS = 600, 40_000
BOUND_GB = 1.5
PHOTOGRAPHS, QUICK_PHOTOGRAPHS = (2500, 5000, 10_000, 20_000), (40, 80, 120)
FEW = 40
"""Photographs of the run in which the model reads some."""
FIND_GB = 2.0
STAGES = ("search", "choose", "vote", "null", "stability")
WHOLE = 1.3
"""A run on activations that are in the store against the sum of its ``STAGES``, at most."""
STRAIGHT = 0.95
"""R² of the line through the times, at least; small sizes are all overhead."""

SEARCH = """
import json, sys, threading, time
import numpy as np
from sn_viz.search.stumps import find_stumps, warm_up

def memory():
    with open("/proc/self/status") as file:
        lines = dict(line.split(":", 1) for line in file)
    return {name: int(lines[name].split()[0]) / 1e6 for name in ("VmHWM", "VmRSS", "RssAnon", "RssFile")}

path, rows, columns, examples, neurons, repeats = sys.argv[1], *map(int, sys.argv[2:])
warm_up((np.float16,))
values = np.memmap(path, np.float16, "r", shape=(rows, columns))[:examples, :neurons]
labels, before = np.arange(examples) % 2, memory()
most, done = dict(before), threading.Event()

def watch():
    while not done.wait(0.005):
        for name, now in memory().items():
            most[name] = max(most[name], now)

watcher = threading.Thread(target=watch)
watcher.start()
seconds = []
for _ in range(repeats):
    start = time.perf_counter()
    find_stumps(values, labels)
    seconds.append(time.perf_counter() - start)
done.set()
watcher.join()
most["VmHWM"] = memory()["VmHWM"]
print(json.dumps({"seconds": sorted(seconds)[len(seconds) // 2], "most": most, "before": before}))
"""


@dataclass(frozen=True)
class Searched:
    """One search in a process of its own; gigabytes."""

    examples: int
    neurons: int
    seconds: float
    peak: float
    """Everything resident, mapped pages of the file included."""
    own: float
    """Memory of its own (anonymous), without pages of files."""
    file: float
    """Resident pages of files: the values and the libraries."""
    idle: float
    """Its own memory before the search."""


@BENCHES.register("scale", costly=True)
def measure(options: Options) -> list[Row]:
    """Run ``find`` on ever more photographs, then on 4.5 GB of activations, then the search alone, each in a fresh process.

    On Ray: one worker against two.
    """
    if options.engine == "ray":
        from sn_viz.bench import spread

        return spread.rows(options)
    return find_photographs(options) + find_neurons(options) + search_alone(options)


def find_photographs(options: Options) -> list[Row]:
    """Run ``find`` on photographs whose activations lie in the store, all but a few, which the model looks at."""
    sizes = QUICK_PHOTOGRAPHS if options.quick else PHOTOGRAPHS
    with tempfile.TemporaryDirectory(prefix="sn-viz-bench-") as folder:
        pictures, cache = Path(folder, "photographs"), Path(folder, "cache")
        prepared.fill(cache, options.model, prepared.photographs(pictures, sizes[-1]))
        points = [prepared.found(prepared.table(pictures, n), options.model, cache) for n in sizes]
    last = points[-1]
    note = f"640 x 480 JPEGs, {last.neurons:,} neurons; {last.idle:.2g} GB of it with the model loaded, before the run"
    rows = [row(f"find on {last.examples:,} photographs: peak resident", last.peak, "GB", at_most=FIND_GB, note=note)]
    searches = [Searched(one.examples, one.neurons, one.seconds, one.peak, one.own, one.file, one.idle) for one in points]
    return rows + [_named("find, ", one) for one in growth("examples", searches, None if options.quick else STRAIGHT)]


def find_neurons(options: Options) -> list[Row]:
    """Run ``find`` on the activations of a model with as many neurons as LLaVA-1.5-7B, all in the store: written beforehand,
    but for the few that a run before it reads.
    """
    n = QUICK_PHOTOGRAPHS[-1] if options.quick else EXAMPLES
    with tempfile.TemporaryDirectory(prefix="sn-viz-bench-") as folder:
        model = options.model if options.quick else prepared.wide_model(Path(folder, "wide"))
        path, cache = prepared.photographs(Path(folder, "photographs"), n, (64, 48)), Path(folder, "cache")
        prepared.fill(cache, model, path)
        few = prepared.found(prepared.table(path.parent, FEW), model, cache)  # the model looks at what the store lacks, once
        found = prepared.found(path, model, cache)
    name = f"find on {few.examples:,} x {few.neurons:,}, of which the model reads {prepared.REALLY_READ}"
    real = row(name, few.seconds, "s", note=f"the same path, before the run below; extract {few.stages['extract']:.3g} s")
    return [real, *stage_rows(found, None if options.quick else WHOLE)]  # of few values the timing of exits is nearly all


def stage_rows(found: Found, at_most: float | None = WHOLE) -> list[Row]:
    """Return memory beyond the model, the run against the sum of its stages, and what each stage takes a value."""
    size = f"{found.examples:,} x {found.neurons:,}"
    parts, whole = {name: found.stages[name] for name in STAGES}, found.seconds
    note = f"{found.idle:.2g} GB before it, {found.own:.2g} GB of its own at most"
    rows = [
        row(f"find on {size}: peak beyond the model", found.peak - found.idle, "GB", at_most=FIND_GB, note=note),
        row(
            f"find on {size}",
            whole,
            "s",
            ratio=whole / sum(parts.values()),
            at_most=at_most,
            note=f"against {sum(parts.values()):.3g} s of {', '.join(STAGES)}; all stages: "
            + ", ".join(f"{name} {seconds:.3g}" for name, seconds in found.stages.items()),
        ),
    ]
    values = found.probing * found.neurons
    return rows + [row(f"{name} a value", 1e9 * seconds / values, "ns", note=f"{seconds:.3g} s") for name, seconds in parts.items()]


def _named(before: str, one: Row) -> Row:
    return replace(one, name=before + one.name)


def search_alone(options: Options) -> list[Row]:
    """Search a file of 4.5 GB and parts of it, and fit straight lines."""
    examples, neurons = (QUICK_EXAMPLES, QUICK_NEURONS) if options.quick else (EXAMPLES, NEURONS)
    with tempfile.TemporaryDirectory(prefix="sn-viz-bench-") as folder:
        path = Path(folder, "values.f16")
        write_values(path, examples, neurons)
        shape, quarters = (examples, neurons), (1, 2, 3, 4)
        whole = searched(path, shape, examples, neurons, repeats=1)
        by_examples = [searched(path, shape, examples * part // 4, neurons // 4) for part in quarters]
        by_neurons = [searched(path, shape, examples // 4, neurons * part // 4) for part in quarters]
    size = f"{examples:,} x {neurons:,} float16, {2e-9 * examples * neurons:.2g} GB on disk"
    rows = [
        row("peak resident", whole.peak, "GB", at_most=BOUND_GB, note=f"{size}; mapped pages of the file included"),
        row("of its own at most", whole.own, "GB", at_most=BOUND_GB, note=f"{whole.idle:.2g} GB of it before the search"),
        row("pages of files at most", whole.file, "GB", note="values and libraries; the system may take them back at any time"),
        row("search", whole.seconds, "s", note=size),
    ]
    straight = None if options.quick else STRAIGHT
    return rows + growth("examples", by_examples, straight) + growth("neurons", by_neurons, straight)


def write_values(path: Path, examples: int, neurons: int) -> None:
    """Write random float16 (example, neuron), one row at a time: windows of one long random row, so that it takes seconds."""
    noise = np.random.default_rng(0).standard_normal(neurons + 1009 * 64, dtype=np.float32).astype(np.float16)
    with open(path, "wb") as file:
        for i in range(examples):
            start = i * 4099 % (len(noise) - neurons)
            file.write(noise[start : start + neurons].data)


def searched(path: Path, shape: tuple[int, int], examples: int, neurons: int, repeats: int = 3) -> Searched:
    """Search the first ``examples`` and ``neurons`` of the file in a process of its own; the median of ``repeats``."""
    found = json.loads(in_a_fresh_process(SEARCH, path, *shape, examples, neurons, repeats))
    most, idle = found["most"], found["before"]["RssAnon"]
    return Searched(examples, neurons, found["seconds"], most["VmHWM"], most["RssAnon"], most["RssFile"], idle)


def growth(what: str, points: Sequence[Searched], straight: float | None) -> list[Row]:
    """Return a row per size, how straight the line through the times is, and how memory grows."""
    sizes = np.array([getattr(point, what) for point in points], float)
    own = np.array([point.own for point in points])
    rows = []
    for point in points:
        note = f"{point.own:.2f} GB of its own, {point.peak:.2f} in all"
        rows.append(row(f"{point.examples:,} x {point.neurons:,}", point.seconds, "s", note=note))
    slope, start, fit = line(sizes, np.array([point.seconds for point in points]))
    note = f"{start:.3g} s + {1e9 * slope / other(what, points):.3g} ns a value"
    rows.append(row(f"time against {what}: straightness", fit, "R²", at_least=straight, note=note))
    rise, at_none, _ = line(sizes, own)
    note = f"{at_none:.2g} GB + {1e9 * rise:.3g} bytes for each of the {what}"
    times, most = own.max() / own.min(), sizes.max() / sizes.min()
    rows.append(row(f"memory against {what}: largest / smallest", times, "", at_most=most, note=note))
    return rows


def other(what: str, points: Sequence[Searched]) -> int:
    """Return how many values one more of ``what`` adds."""
    return points[0].neurons if what == "examples" else points[0].examples


def line(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Return slope, intercept and R² of the least-squares line through (x, y)."""
    slope, start = np.polyfit(x, y, 1)
    spread = ((y - y.mean()) ** 2).sum()
    return float(slope), float(start), float(1 - ((y - slope * x - start) ** 2).sum() / spread) if spread else 1.0
