"""``bench paper``: the paper's table on any model, from the benchmarks' own files; the published figures stand beside ours.

Takes a folder that holds one folder per benchmark (or the hub); ``prepare`` says what is there, what is done already and what the
rest will take, ``carry_out`` does it, one result file per benchmark, so that a stopped run goes on where it was. It is no part of
``bench all``, for it needs files that do not ship with this package.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from sn_viz.activations.extract import extract, neurons_of
from sn_viz.activations.store import Store
from sn_viz.bench import machine
from sn_viz.config import baseline_names
from sn_viz.early_exit.decide import N_TIMED
from sn_viz.errors import UserError
from sn_viz.models import Vlm
from sn_viz.pipeline import NULL_BUDGET, find
from sn_viz.progress import part, silent
from sn_viz.report.tables import plain_table
from sn_viz.search.stumps import find_stumps, warm_up
from sn_viz.sources.benchmarks import BENCHMARKS, published
from sn_viz.sources.benchmarks.sample import HUB, N_TEST, N_TRAIN, SCHEME, load_benchmark
from sn_viz.sources.text import quoted, safe_file_name
from sn_viz.storage.summary import summary
from sn_viz.types import LabelledImages, Progress

FORMAT = 1
MEASURED = 4
"""Pictures on which the estimate is measured; a first one, that warms up, is not counted."""
SEARCHED = 20_000
"""Neurons on which the search is timed for the estimate."""
OTHER_SEARCHES = 15
"""How many searches the cross-validation of the exit layer and the resampling of the stability together amount to."""


@dataclass(frozen=True)
class Settings:
    """What decides a result; a result with others is another one."""

    model: str
    """Name, and digest of revision and weights."""
    n_train: int = N_TRAIN
    n_test: int = N_TEST
    seed: int = 0
    compare: tuple[str, ...] = ("full-model",)


@dataclass(frozen=True)
class Job:
    """One benchmark of the table."""

    name: str
    reference: str
    """What ``load_benchmark`` takes."""
    result: Path
    """The file of its result."""
    missing: str = ""
    """Why it cannot be read here, in words; "" when it can."""
    done: dict[str, Any] | None = None
    """The finished result, where there is one."""


@dataclass(frozen=True)
class Estimate:
    """What is ahead, measured on a few pictures."""

    benchmarks: int
    """How many are still to do; nothing else is filled in when there is none."""
    seconds: float = 0.0
    """All of them together, at most: pictures read in an earlier run cost nothing."""
    disk_bytes: int = 0
    """Activations that the cache will keep."""
    free_bytes: int = 0
    """What the cache's disk has left."""
    memory_bytes: int = 0
    """Activations of one benchmark, which are held at once."""
    ms_an_image: float = 0.0
    """Reading every neuron, a picture."""
    answer_ms: float = 0.0
    """The full model's own answer, a picture; 0 when it is not compared."""

    def sentence(self) -> str:
        """Return it in words."""
        if not self.benchmarks:
            return "Everything is done already."
        speed = f"reading a picture takes {self.ms_an_image:.0f} ms"
        if self.answer_ms:
            speed += f", the full model's answer {self.answer_ms:.0f} ms"
        short = " That is more than is free." if self.disk_bytes > self.free_bytes else ""
        return (
            f"Measured on {MEASURED} pictures: {speed}. {self.benchmarks} benchmarks to do: about {_duration(self.seconds)}, "
            f"{_gigabytes(self.disk_bytes)} on the disk of the cache ({_gigabytes(self.free_bytes)} free) and "
            f"{_gigabytes(self.memory_bytes)} of memory.{short}"
        )


def jobs(root: str | Path, out: Path, settings: Settings, only: Sequence[str] = ()) -> list[Job]:
    """Return the benchmarks of the table: where each is read from, and what is done.

    Parameters
    ----------
    root : str or Path
        A folder with one folder per benchmark, named as ``Benchmark.folder`` says; or "hub".
    out : Path
        Where results are kept, in a folder for each model.
    settings : Settings
    only : sequence of str
        Names; none means every benchmark that the paper has a figure for.

    Raises
    ------
    UserError
        When nothing can be read; the message says which folders are expected.
    """
    digest = hashlib.sha256(json.dumps(_plain(settings), sort_keys=True).encode()).hexdigest()[:12]
    folder = out / safe_file_name(settings.model.split(" ")[0], "model")
    found = []
    for name in only or published.names():
        benchmark = BENCHMARKS[name]
        result = folder / f"{name}-{digest}.json"
        place, missing = str(Path(root).expanduser() / benchmark.folder), ""
        if str(root) == HUB:
            place = HUB
            missing = "" if benchmark.hub else "No data set of the hub is known for it."
        elif not Path(place).is_dir():
            missing = f"There is no folder {benchmark.folder!r}."
        found.append(Job(name, f"{SCHEME}{name}={place}", result, missing, _finished(result, settings)))
    if all(job.missing and job.done is None for job in found):
        raise UserError(
            f"No benchmark was found in {quoted(str(root))}.",
            " ".join(f"{BENCHMARKS[job.name].folder!r} holds {BENCHMARKS[job.name].layout}." for job in found),
            "Name these folders so, in one folder.",
        )
    return found


def settings_of(vlm: Vlm, n_train: int, n_test: int, seed: int, compare: str | Sequence[str]) -> Settings:
    """Return what decides the results on a loaded model."""
    key = hashlib.sha256(vlm.key.encode()).hexdigest()[:12]
    return Settings(f"{Path(vlm.name).name} {key}", n_train, n_test, seed, baseline_names(compare))


def estimate(planned: Sequence[Job], vlm: Vlm, settings: Settings) -> Estimate:
    """Return what the open benchmarks will take, measured on the first of them that can be read.

    Raises
    ------
    UserError
        When none of those that are left can be read.
    """
    left = [job for job in planned if job.done is None and not job.missing]
    if not left:
        return Estimate(0)
    images = _a_few(left, settings.seed)
    neurons = neurons_of(vlm)
    n_neurons, n = len(neurons), settings.n_train + settings.n_test
    read = _seconds_each(lambda rows: extract(vlm, images.take(rows)), len(images))
    answer = 0.0
    if "full-model" in settings.compare:
        answer = _seconds_each(lambda rows: _answer(vlm, images.take(rows)), len(images))
    values = np.random.default_rng(0).standard_normal((settings.n_train, min(SEARCHED, n_neurons))).astype(np.float16)
    warm_up((np.float16,), False, True)
    start = time.perf_counter()
    find_stumps(values, np.arange(settings.n_train) % 2)
    search = (time.perf_counter() - start) * n_neurons / values.shape[1]
    labellings = float(np.clip(NULL_BUDGET / max(n_neurons * settings.n_train, 1), 20, 100))
    timing = N_TIMED * (answer + read * (1 + neurons.n_layers / 4))  # each exit in half of the turns: half a pass on average
    each = n * read + settings.n_test * answer + search * (1 + OTHER_SEARCHES + labellings) + timing
    kept = n * n_neurons * np.dtype(np.float16).itemsize
    return Estimate(
        benchmarks=len(left),
        seconds=each * len(left),
        disk_bytes=kept * len(left),
        free_bytes=_free(Store().root),
        memory_bytes=kept,
        ms_an_image=1e3 * read,
        answer_ms=1e3 * answer,
    )


def carry_out(planned: Sequence[Job], vlm: Vlm, settings: Settings, progress: Progress = silent) -> list[Job]:
    """Do what is not done; return every benchmark with its result.

    Each result is written as soon as it is there, so that a stopped call loses one benchmark at most, and of that one not the
    pictures it has read, which the cache keeps. A benchmark whose files are wrong says so in ``missing`` and does not stop the
    others.

    Parameters
    ----------
    planned : sequence of Job
        From ``jobs``.
    vlm : Vlm
    settings : Settings
        From ``settings_of`` the same model.
    progress : callable
        Told the fraction of all and what is going on; may raise ``Cancelled``.
    """
    finished = []
    for index, job in enumerate(planned):
        report = part(progress, index / len(planned), (index + 1) / len(planned))
        finished.append(job if job.missing or job.done is not None else _carried_out(job, vlm, settings, _named(report, job.name)))
    return finished


def _carried_out(job: Job, vlm: Vlm, settings: Settings, progress: Progress) -> Job:
    progress(0.0, "reading its files")
    start = time.perf_counter()
    try:
        train, test = load_benchmark(job.reference, settings.n_train, settings.n_test, settings.seed)
    except UserError as error:
        return replace(job, missing=str(error))
    run = find(
        train, model=vlm, test=test, compare=settings.compare or "none", committee="plain", seed=settings.seed, progress=progress
    )
    result = {
        "format": FORMAT,
        "benchmark": job.name,
        "settings": _plain(settings),
        "published": [{"percent": row.percent, "setting": row.setting} for row in published.of(job.name)],
        "published_source": published.SOURCE,
        "seconds": time.perf_counter() - start,
        "machine": machine(),
        "run": summary(run),
    }
    _write(job.result, result)
    return replace(job, done=result)


def table(planned: Sequence[Job]) -> Table:
    """Return one row per benchmark: the published figure, ours, and where we stopped."""
    headings = (
        "benchmark",
        "published %",
        "super neurons %",
        "95 %",
        "exit",
        "after layer 1 %",
        "full model %",
        "times faster",
        "n",
    )
    made = plain_table(headings, [_cells(job) for job in planned])
    settings = sorted({f"{f.percent:g} in {f.setting}" for job in planned for f in published.of(job.name) if f.setting})
    made.caption = f"Published: {published.SOURCE}" + (
        f"; {BENCHMARKS['pope'].title} also {', '.join(settings)}" if settings else ""
    )
    made.caption_justify = "left"
    return made


def _cells(job: Job) -> list[str]:
    figures = " / ".join(f"{row.percent:g}" for row in published.of(job.name)) or "none"
    if job.done is None:
        return [job.name, figures, job.missing or "not done", "", "", "", "", "", ""]
    run = job.done["run"]
    ours, full, faster = run["accuracy"]["super_neurons"], run["accuracy"]["full_model"], run["speedup"]["vs_full_model"]
    return [
        job.name,
        figures,
        f"{100 * ours['value']:.1f}",
        f"{100 * ours['low']:.1f} to {100 * ours['high']:.1f}",
        f"{run['exit_layer_name']} of {run['n_layers']}",
        f"{100 * run['by_layer'][0]['accuracy']:.1f}",
        "" if full is None else f"{100 * full['value']:.1f}",
        "" if faster is None else f"{faster:.2f}",
        f"{run['n_train']} + {run['n_test']}",
    ]


def notes(planned: Sequence[Job]) -> list[str]:
    """Return what a reader should know of each result before believing it, one line each."""
    return [f"{job.name}: {warning}" for job in planned if job.done for warning in job.done["run"]["warnings"]]


def as_json(planned: Sequence[Job], settings: Settings) -> dict[str, Any]:
    """Return the table as plain values: every result, and why others are missing."""
    rows = [{"benchmark": job.name, "missing": job.missing or None, "result": job.done} for job in planned]
    return {"settings": _plain(settings), "published_source": published.SOURCE, "rows": rows}


def _plain(settings: Settings) -> dict[str, Any]:
    return {**asdict(settings), "compare": list(settings.compare)}


def _finished(path: Path, settings: Settings) -> dict[str, Any] | None:
    """Return a result that was written before, or None where there is none, or none that is whole and of these settings."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{quoted(path.name)} was not read.", f"{error.strerror}.", "Give another folder with --out.") from None
    except ValueError:
        return None  # cut short by a crash of the machine: done again
    whole = isinstance(result, dict) and result.get("format") == FORMAT and result.get("settings") == _plain(settings)
    return result if whole else None


def _write(path: Path, result: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        beside.write_text(json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise UserError(f"{quoted(path.name)} was not written.", f"{error.strerror}.", "Give another folder with --out.") from error


def _a_few(left: Sequence[Job], seed: int) -> LabelledImages:
    """Return pictures of the first benchmark that can be read."""
    problem = UserError("No benchmark is left.")
    for job in left:
        try:
            return load_benchmark(job.reference, n_train=20, n_test=20, seed=seed)[0].take(range(MEASURED + 1))
        except UserError as error:
            problem = error
    raise problem


def _answer(vlm: Vlm, images: LabelledImages) -> None:
    vlm.generate(images.pictures, images.questions)


def _seconds_each(work: Any, n: int) -> float:
    """Return the seconds an example, the first one left out."""
    work([0])
    start = time.perf_counter()
    work(range(1, n))
    return (time.perf_counter() - start) / max(n - 1, 1)


def _free(folder: Path) -> int:
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


def _named(progress: Progress, name: str) -> Progress:
    return lambda fraction, doing: progress(fraction, f"{name}: {doing}")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _gigabytes(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:.0f} MB"
