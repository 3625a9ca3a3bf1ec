"""Which neurons vote, and how: committees of the same activations at every exit, ``bench tasks --committees``.

Activations are read once a task; every draw of probing images is a set of rows of them. What is finished lies in one file per
task, number of probing images and draw, so that a second call goes on where the first stopped; the first draw of all tasks comes
before the second. Which tasks choices were made on, and which only judge, is named in a file (``split.json`` here, or another).
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student
from threadpoolctl import threadpool_limits

from sn_viz.activations.extract import extract
from sn_viz.activations.store import Store
from sn_viz.baselines import BASELINES
from sn_viz.baselines.linear_probe import STRENGTHS, fit_probe, fit_strength
from sn_viz.baselines.sparse_probe import (
    N_SCALARS,
    candidates,
    chosen_layer,
    effect_sizes,
    furthest_apart,
    left_out_scores,
    weightiest,
)
from sn_viz.bench.tasks.jobs import write
from sn_viz.bench.tasks.material import Material
from sn_viz.bench.tasks.plan import DIGITS, MOST_TESTED_DIGITS, N_DIGITS, Plan
from sn_viz.errors import UserError
from sn_viz.models import Vlm
from sn_viz.search.stumps import find_stumps
from sn_viz.types import Activations
from sn_viz.voting.choosing import CANDIDATES, choose_committee
from sn_viz.voting.committees import calibration_error, cross_fit, weighed
from sn_viz.voting.named import COMMITTEES
from sn_viz.voting.statistics import LeftOut
from sn_viz.voting.voters import voters_by_layer
from sn_viz.voting.votes import votes_by_layer

FORMAT = 6
"""Of the files; rises when a method changes."""
PLAIN = "majority of 15 by accuracy of their cuts (plain)"
TITLES = {
    "plain": PLAIN,
    "64-by-accuracy": "majority of 64 by accuracy of their cuts",
    "64-by-effect-size": "majority of 64 by effect size",
    "auto": "whichever of these three is chosen on the probing images",
    "logistic-64": "logistic on the cuts of 64 by effect size",
    "sparse-probe": "sparse probe: raw values of 64",
    "linear-probe": "linear probe on the residual stream",
    "full-model": "full model",
}
"""Every method in the order of the table."""


@dataclass(frozen=True)
class Split:
    """Tasks that choices were made on, and tasks that only judge."""

    choosing: tuple[str, ...]
    judging: tuple[str, ...]

    @classmethod
    def of(cls, path: str | Path | None = None) -> Split:
        """Read a JSON file with two lists, "choosing" and "judging"; by default ours.

        Raises
        ------
        UserError
            When it cannot be read, or a task is in both lists.
        """
        path = Path(path) if path else Path(__file__).with_name("split.json")
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            found = cls(*(tuple(map(str, told[name])) for name in ("choosing", "judging")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            cause = f"{type(error).__name__}: {str(error)[:80]}"
            raise UserError(
                f"{path.name} names no tasks.", cause, 'Write {"choosing": ["left-of"], "judging": ["nearer"]}.'
            ) from error
        if both := set(found.choosing) & set(found.judging):
            raise UserError(f"{min(both)!r} is in both lists.", "A task either chooses or judges.", "Leave it in one of them.")
        return found


class Read(Material):
    """A task's activations without the attention heads, which no committee here reads."""

    @cached_property
    def read(self) -> tuple[Activations, Activations]:
        """All usual sites, of pool and test images."""
        pool, test = (extract(self.vlm, images, sites="all", cache=Store()) for images in (self.pool, self.test))
        return pool, test


def cell(material: Material, shots: int, draw: int) -> dict[str, Any]:
    """Return every committee on one draw: which test images it names right at every exit, and which exit it chooses itself.

    Returns
    -------
    dict
        By method: "right", a string of 0 and 1 per exit, and "chosen", from 1. Everything is chosen on the probing images. The
        logistic vote also has "sure", the mean share of the class it names at every exit, and "error", the expected calibration
        error there.
    """
    rows = material.rows(shots, draw)
    values, labels, neurons = material.seen.values[rows], material.pool.labels[rows], material.seen.neurons
    unseen, truth, n_classes = material.unseen.values, material.test.labels, len(material.pool.classes)
    stumps = {name: find_stumps(values, labels, metric=name, classes=n_classes) for name in ("balanced-accuracy", "effect-size")}
    most = N_SCALARS if n_classes == 2 else N_SCALARS // n_classes
    found, choice = {}, choose_committee(values, labels, neurons, n_classes, seed=draw)
    for name, at in zip(CANDIDATES, choice.exits, strict=True):
        committee = COMMITTEES[name]
        by_layer = voters_by_layer(stumps[committee.metric], neurons, committee.voters, n_classes)
        found[name] = _kept(votes_by_layer(unseen, by_layer, n_classes).predicted, truth, at)
    found["auto"] = found[choice.name] | {"committee": choice.name}
    judged = cross_fit(values, labels, neurons, metric="effect-size", voters=most, n_classes=n_classes, seed=draw)
    by_layer = voters_by_layer(stumps["effect-size"], neurons, most, n_classes)
    votes = votes_by_layer(unseen, weighed(by_layer, values, labels, n_classes, "logistic", judged), n_classes, "logistic")
    found["logistic-64"] = _kept(votes.predicted, truth, LeftOut(judged.right, judged.pooled).exit_layer()) | {
        "sure": votes.tally.max(axis=2).mean(axis=0).round(4).tolist(),
        "error": [round(calibration_error(votes.tally[:, at], truth), 4) for at in range(len(by_layer))],
    }
    return found | _probes(material, rows, draw)


def _kept(predicted: np.ndarray, truth: np.ndarray, chosen: int) -> dict[str, Any]:
    right = predicted == truth[:, None]
    return {"right": ["".join("1" if one else "0" for one in column) for column in right.T], "chosen": int(chosen)}


def _probes(material: Material, rows: np.ndarray, draw: int) -> dict[str, Any]:
    """Return the sparse probe and the linear probe, with the exit of the best left-out score."""
    values, labels, neurons = material.seen.values[rows], material.pool.labels[rows], material.seen.neurons
    unseen, truth, n_classes = material.unseen.values, material.test.labels, len(material.pool.classes)
    among = [candidates(neurons, layer, len(labels) / n_classes) for layer in neurons.layers]
    effect, scores = effect_sizes(values, labels, n_classes), left_out_scores(values, labels, among, n_classes, draw)
    sparse, linear, linear_scores = [], [], []
    residual = neurons.site == neurons.site_names.index("residual")
    for layer, reach, score in zip(neurons.layers, among, scores, strict=True):
        columns = weightiest(values, labels, reach[furthest_apart(effect[reach])])
        probe = fit_strength(values[:, columns].astype(np.float32), labels, STRENGTHS[int(np.argmax(score))])
        sparse.append(probe.predict(np.nan_to_num(unseen[:, columns].astype(np.float32))))
        columns = np.flatnonzero(residual & (neurons.layer == layer))
        probe, inside = fit_probe(values[:, columns].astype(np.float32), labels, draw)
        linear.append(probe.predict(np.nan_to_num(unseen[:, columns].astype(np.float32))))
        linear_scores.append(inside)
    return {
        "sparse-probe": _kept(np.stack(sparse, axis=1), truth, chosen_layer(scores, values, labels, neurons, n_classes, draw) + 1),
        "linear-probe": _kept(np.stack(linear, axis=1), truth, int(np.argmax(linear_scores)) + 1),
    }


def full(material: Material, shots: int, draw: int) -> dict[str, Any]:
    """Return the full model's answers to the test images."""
    said = BASELINES["full-model"](material.context(material.rows(shots, draw), draw))
    return {"full-model": {"right": ["".join("1" if one else "0" for one in said.predicted == material.test.labels)], "chosen": 1}}


def folder_of(vlm: Vlm, plan: Plan) -> Path:
    """Return where results of this model on these images are kept."""
    settings = json.dumps(["committees", FORMAT, vlm.key, plan.n_pool, plan.n_test, plan.seed])
    return Path(Store().root) / "bench-committees" / hashlib.sha256(settings.encode()).hexdigest()[:16]


def jobs_of(plan: Plan) -> Iterator[tuple[str, str, int, int, Callable[..., dict[str, Any]]]]:
    """Yield (task, file, shots, draw, what to do): draw after draw, within it task after task, the full model in the first."""
    for draw in range(plan.n_draws):
        for task in plan.tasks:
            n_pool = min(plan.n_pool, N_DIGITS - min(plan.n_test, MOST_TESTED_DIGITS)) if task == DIGITS else plan.n_pool
            for shots in (n for n in plan.shots if n <= n_pool and (n < n_pool or draw == 0)):  # all there are is one draw
                yield task, f"{task}.{shots}.{draw}.json", shots, draw, cell
            if draw == 0:
                yield task, f"{task}.full.json", min(plan.shots), 0, full


def work(
    vlm: Vlm,
    plan: Plan,
    tell: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
    material_of: Callable[[str], Material] | None = None,
    folder: Path | None = None,
) -> Path:
    """Do every job that has no file yet and return the folder; it may be stopped at any time.

    ``material_of`` gives a task's images where they are not drawn, and ``folder`` is then where results of these are kept.
    """
    folder, read = folder or folder_of(vlm, plan), dict[str, Material]()
    material_of = material_of or (lambda task: Read.of(vlm, task, plan))
    folder.mkdir(parents=True, exist_ok=True)
    missing = [job for job in jobs_of(plan) if not (folder / job[1]).exists()]
    for number, (task, name, shots, draw, do) in enumerate(missing, 1):
        start = time.perf_counter()
        material = read[task] = read.get(task) or material_of(task)
        with threadpool_limits(1, "blas"):  # fits this small spend more on handing work between threads than on the work
            write(folder / name, do(material, shots, draw))
        tell(f"{number} of {len(missing)}: {name.removesuffix('.json')}, {time.perf_counter() - start:.0f} s")
    return folder


@dataclass(frozen=True)
class Line:
    """One method at one number of probing images, its mean over some tasks."""

    part: str
    """"choosing" or "judging"."""
    shots: int
    method: str
    n_tasks: int
    n_draws: int
    by_exit: tuple[float, ...]
    """Mean accuracy over tasks at every exit; one number for the full model."""
    chosen: float
    """At the exit each chose on its probing images."""
    mean_exit: float
    minus_plain: tuple[float, float, float]
    """Difference to the plain method, each at its own exit: mean over tasks, and 95 % by Student over tasks."""
    minus_linear: tuple[float, float, float]
    """The same to the linear probe."""
    minus_linear_there: tuple[float, float, float]
    """The same to the linear probe at the exit that the method chose."""
    minus_full: tuple[float, float, float]
    better_than_full: int
    """Tasks on which the mean over draws is above the full model's."""
    worse_than_full: int
    too_sure: float = np.nan
    """Mean share of the class that the logistic vote names, minus its accuracy, at its own exit."""
    error: float = np.nan
    """Its expected calibration error there."""


def lines(folder: Path, plan: Plan, split: Split) -> list[Line]:
    """Return the table from the files that there are; a task counts for as many draws as it has."""
    found = []
    for part, tasks in (("choosing", split.choosing), ("judging", split.judging)):
        for shots in plan.shots:
            seen = {task: one for task in tasks if (one := _cells(folder, plan, task, shots))}
            if seen:
                found += _lines(part, shots, seen, {task: _full(folder, task) for task in seen})
    return found


def _cells(folder: Path, plan: Plan, task: str, shots: int) -> list[dict[str, Any]]:
    paths = [folder / f"{task}.{shots}.{draw}.json" for draw in range(plan.n_draws)]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def _full(folder: Path, task: str) -> float:
    path = folder / f"{task}.full.json"
    return _share(json.loads(path.read_text(encoding="utf-8"))["full-model"]["right"])[0] if path.exists() else np.nan


def _share(right: Sequence[str]) -> list[float]:
    return [one.count("1") / max(1, len(one)) for one in right]


def _lines(part: str, shots: int, seen: Mapping[str, list[dict[str, Any]]], full: Mapping[str, float]) -> Iterator[Line]:
    draws = min(len(cells) for cells in seen.values())
    chosen = {
        method: np.array(
            [np.mean([_share(one[method]["right"])[one[method]["chosen"] - 1] for one in cells]) for cells in seen.values()]
        )
        for method in TITLES
        if method != "full-model"
    }
    whole = np.array([full[task] for task in seen])
    linear = {
        method: np.array(
            [np.mean([_share(one["linear-probe"]["right"])[one[method]["chosen"] - 1] for one in cells]) for cells in seen.values()]
        )
        for method in chosen
    }
    for method, accuracy in chosen.items():
        by_exit = np.mean([np.mean([_share(one[method]["right"]) for one in cells], axis=0) for cells in seen.values()], axis=0)
        depth = np.mean([np.mean([one[method]["chosen"] for one in cells]) for cells in seen.values()])
        known = np.isfinite(whole)
        over = (accuracy - whole)[known]
        too_sure, error = _calibration([one[method] for cells in seen.values() for one in cells])
        yield Line(
            part,
            shots,
            method,
            len(seen),
            draws,
            tuple(by_exit.tolist()),
            float(accuracy.mean()),
            float(depth),
            _interval(accuracy - chosen["plain"]),
            _interval(accuracy - chosen["linear-probe"]),
            _interval(accuracy - linear[method]),
            _interval(over),
            int((over > 0).sum()),
            int((over < 0).sum()),
            too_sure,
            error,
        )


def _calibration(results: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Return by how much shares are too high, and the calibration error, at the exits chosen; NaN where none were kept."""
    if not all("sure" in one for one in results):
        return np.nan, np.nan
    at = [one["chosen"] - 1 for one in results]
    sure = [one["sure"][i] - _share(one["right"])[i] for one, i in zip(results, at, strict=True)]
    return float(np.mean(sure)), float(np.mean([one["error"][i] for one, i in zip(results, at, strict=True)]))


def _interval(gaps: np.ndarray) -> tuple[float, float, float]:
    """Return the mean and its 95 % interval by Student over tasks; NaN without, and without an interval of one task."""
    if not len(gaps):
        return np.nan, np.nan, np.nan
    half = float(student.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / np.sqrt(len(gaps))) if len(gaps) > 1 else np.nan
    return float(gaps.mean()), float(gaps.mean()) - half, float(gaps.mean()) + half


def markdown(table: Sequence[Line], exits: Sequence[int] = (1, 2, 4, 6, 8, 12)) -> str:
    """Return the table for a document, percent."""
    parts = []
    for part, shots in dict.fromkeys((line.part, line.shots) for line in table):
        rows = [line for line in table if (line.part, line.shots) == (part, shots)]
        heads = [
            "method",
            *(f"exit {n}" for n in exits),
            "best exit",
            "own exit",
            "at",
            "minus plain",
            "minus linear probe",
            "minus linear probe at that exit",
            "minus full model",
            "better / worse than it",
        ]
        shown = [f"**{part} tasks, {shots} probing images** ({rows[0].n_tasks} tasks, {rows[0].n_draws} draws or more)", ""]
        shown += ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
        for line in rows:
            by = [f"{100 * line.by_exit[n - 1]:.1f}" if n <= len(line.by_exit) else "" for n in exits]
            gaps = [_gap(one) for one in (line.minus_plain, line.minus_linear, line.minus_linear_there, line.minus_full)]
            gaps.append(f"{line.better_than_full} / {line.worse_than_full}")
            own = [f"{100 * max(line.by_exit):.1f}", f"{100 * line.chosen:.1f}", f"{line.mean_exit:.1f}"]
            shown.append("| " + " | ".join([TITLES[line.method], *by, *own, *gaps]) + " |")
        shown += [
            f"\nShares of the {TITLES[line.method]}: {100 * line.too_sure:+.1f} points surer than right, calibration error "
            f"{100 * line.error:.1f}."
            for line in rows
            if np.isfinite(line.error)
        ]
        parts.append("\n".join(shown))
    return "\n\n".join(parts)


def _gap(gap: tuple[float, float, float]) -> str:
    value, low, high = (100 * one for one in gap)
    if np.isnan(value):
        return ""
    return f"{value:+.1f}" if np.isnan(low) else f"{value:+.1f} ({low:+.1f} to {high:+.1f})"


PLAN = Plan((), (5, 20, 100, 500), 1000, 500, 5, (), 0)
"""The tasks come from the split."""


def plan_of(split: Split, n_pool: int = PLAN.n_pool, n_test: int = PLAN.n_test, n_draws: int = PLAN.n_draws) -> Plan:
    """Return the plan over the tasks of a split; more probing images than ``n_pool`` are left out."""
    return replace(PLAN, tasks=(*split.choosing, *split.judging), n_pool=n_pool, n_test=n_test, n_draws=n_draws)
