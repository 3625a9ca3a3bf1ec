"""``bench model``: what the embedded model can do, on pictures that training never draws. Its model card is this command's output.

Prints, for every task, the full model's accuracy and how often its answer parses; how much is lost when a decoder block is skipped;
and what super neurons reach with 100 probing images at chosen exit layers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import numpy as np
from torch import nn

from sn_viz.activations.extract import extract
from sn_viz.activations.store import Store
from sn_viz.baselines.answers import answer_key, parse_answer
from sn_viz.baselines.answers.said import written_answers
from sn_viz.models import Vlm
from sn_viz.search.stumps import find_stumps
from sn_viz.sources.pack import load_pack
from sn_viz.types import Interval, LabelledImages
from sn_viz.voting.statistics import wilson
from sn_viz.voting.voters import voters_by_layer
from sn_viz.voting.votes import votes_by_layer
from sn_viz.world.tasks import NEVER_TRAINED, TASKS, draw_task

TARGETS = {
    "presence-any": 0.90, "attribute-any": 0.88, "count-any": 0.85, "relation-any": 0.80, "depth-any": 0.75,
    "choice-kind": 0.85, "choice-sense": 0.85, "choice-subject": 0.85,
}  # fmt: skip
"""Held-out accuracy that the full model was meant to reach."""
SKIP_TASKS = (
    "presence-any", "attribute-any", "count-any", "relation-any", "depth-any", "occlusion-any", "choice-kind", "choice-sense",
    "choice-subject",
)  # fmt: skip
SHOTS, SHOT_TESTS = 100, 500
SHOT_TASKS = ("presence-dog", *NEVER_TRAINED, "digits-three")
VOTERS = 15


@dataclass(frozen=True)
class Answered:
    """The full model on one task."""

    task: str
    accuracy: Interval
    parsed: float
    """Fraction of answers that name one of the classes."""
    target: float | None


@dataclass(frozen=True)
class Shot:
    """Super neurons on one task, chosen on ``SHOTS`` images."""

    task: str
    full_model: Interval
    by_layer: tuple[Interval, ...]


@dataclass(frozen=True)
class Skipped:
    """What the first answer token says over ``SKIP_TASKS`` without one decoder block, and what that costs."""

    layer: int
    """From 1; 0 is the whole model."""
    accuracy: float
    """Fraction of examples whose likeliest first token begins the right answer."""
    lost: Interval
    """Accuracy lost, paired, with its 95 % interval (normal)."""
    surprise: float
    """Mean of minus the log probability of the right answer's first token, in nats."""
    more: Interval
    """Nats added, paired, with its 95 % interval (normal)."""
    task: str = ""
    """Of ``SKIP_TASKS`` the one that loses most accuracy."""
    most: Interval | None = None
    """What that one loses; the largest of several, so its interval is too narrow."""


def answered(vlm: Vlm, task: str, n: int, shifted: bool = False) -> Answered:
    """Return the full model's accuracy on ``n`` pictures of ``task``."""
    images = draw_task(task, n, seed=9001, shifted=shifted)
    said = answers(vlm, images)
    right = int((said == images.labels).sum())
    return Answered(task, wilson(right, n), float((said >= 0).mean()), None if shifted else TARGETS.get(task))


def answers(vlm: Vlm, images: LabelledImages, batch: int = 16) -> np.ndarray:
    """Return the class of the full model's generated answer for every example, int64; -1 where none is named."""
    order = sorted(range(len(images)), key=lambda i: len(images.questions[i]))
    said = np.full(len(images), -1, np.int64)
    key = answer_key(images.classes, images.questions, rule=images.answer_rule)
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        some = images.take(rows)
        texts = written_answers(vlm, some.pictures, some.questions, key, batch)
        for row, text in zip(rows, texts, strict=True):
            said[row] = parse_answer(text, images.classes, images.questions[row], key)
    return said


@contextmanager
def without(block: nn.Module) -> Iterator[None]:
    """Let ``block`` hand on what it is given."""

    def skip(_module, args, kwargs, output):
        given = args[0] if args else kwargs["hidden_states"]
        return (given, *output[1:]) if isinstance(output, tuple) else given

    handle = block.register_forward_hook(skip, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def skip_table(vlm: Vlm, n: int) -> list[Skipped]:
    """Return what skipping each decoder block costs, on ``n`` examples of each of ``SKIP_TASKS``."""
    sets = [draw_task(task, n, seed=9002) for task in SKIP_TASKS]

    def read() -> tuple[np.ndarray, np.ndarray]:
        parts = [first_tokens(vlm, images) for images in sets]
        return np.concatenate([right for right, _ in parts]), np.concatenate([nats for _, nats in parts])

    def paired(change: np.ndarray) -> Interval:
        error = 1.96 * float(change.std() / np.sqrt(len(change)))
        return Interval(float(change.mean()), float(change.mean()) - error, float(change.mean()) + error, len(change))

    def on_tasks(change: np.ndarray) -> tuple[str, Interval]:
        parts = dict(zip(SKIP_TASKS, map(paired, np.split(change, len(SKIP_TASKS))), strict=True))
        return max(parts.items(), key=lambda part: part[1].value)

    right, nats = read()
    rows = [Skipped(0, float(right.mean()), paired(right - right), float(nats.mean()), paired(nats - nats))]
    for layer, block in enumerate(vlm.blocks, 1):
        with without(block):
            cut, worse = read()
        rows.append(
            Skipped(
                layer, float(cut.mean()), paired(right - cut), float(worse.mean()), paired(worse - nats), *on_tasks(right - cut)
            )
        )
    return rows


def first_tokens(vlm: Vlm, images: LabelledImages) -> tuple[np.ndarray, np.ndarray]:
    """Return for every example whether the likeliest first token begins its right answer, and that answer's nats: float64 both."""
    order = np.array(sorted(range(len(images)), key=lambda i: len(images.questions[i])))
    pictures, asked = [images.pictures[i] for i in order], [images.questions[i] for i in order]
    logits = vlm.first_token_logits(pictures, asked, batch_size=16).astype(np.float64)
    starts = [vlm.answer_token_ids(name) for name in images.classes]
    mine = [starts[label] for label in images.labels[order]]
    right, nats = np.empty(len(order)), np.empty(len(order))
    right[order] = [row.argmax() in ids for row, ids in zip(logits, mine, strict=True)]
    nats[order] = [np.logaddexp.reduce(row) - np.logaddexp.reduce(row[ids]) for row, ids in zip(logits, mine, strict=True)]
    return right, nats


def shots(vlm: Vlm, task: str, n_test: int, seed: int = 40, tower: bool = False) -> Shot:
    """Return super neurons' accuracy at every exit layer, from ``SHOTS`` probing images, beside the full model's.

    With ``tower`` those of the vision tower may vote too; only the decoder's exits are told.
    """
    n_test = min(n_test, 366 - SHOTS) if task == "digits-three" else n_test
    train, test = load_pack(task, SHOTS, n_test, seed)
    sites = ("all", "tower") if tower else "all"
    seen, unseen = (extract(vlm, images, sites=sites, cache=Store()) for images in (train, test))
    n_classes = len(train.classes)
    stumps = find_stumps(seen.values, train.labels, classes=n_classes)
    voters = voters_by_layer(stumps, seen.neurons, VOTERS, n_classes)
    votes = votes_by_layer(unseen.values, voters, n_classes)
    right = (votes.predicted == test.labels[:, None]).sum(0)[seen.neurons.n_tower :]
    full = int((answers(vlm, test) == test.labels).sum())
    return Shot(f"{task}, tower sites too" if tower else task, wilson(full, n_test), tuple(wilson(int(r), n_test) for r in right))


def measure(vlm: Vlm, n: int = 1000, quick: bool = False) -> dict:
    """Return every figure of the model card.

    Parameters
    ----------
    vlm : Vlm
    n : int
        Held-out pictures a task.
    quick : bool
        A tenth of the pictures: for a look, not for the card.
    """
    n, n_test, n_skip = (n // 10, 100, 40) if quick else (n, SHOT_TESTS, 400)
    tasks = [answered(vlm, task, n) for task in TASKS]
    shifted = [answered(vlm, task, n, shifted=True) for task in ("presence-any", "attribute-any", "count-any")]
    return {
        "model": vlm.key,
        "n": n,
        "tasks": tasks,
        "shifted": shifted,
        "shots": [shots(vlm, task, n_test) for task in SHOT_TASKS] + [shots(vlm, SHOT_TASKS[0], n_test, tower=True)],
        "skipped": skip_table(vlm, n_skip),
    }


def as_json(result: dict) -> str:
    """Return ``measure``'s result as JSON."""
    return json.dumps(result, default=asdict, indent=1)


def lines(result: dict) -> list[str]:
    """Return ``measure``'s result as the Markdown tables of the model card."""

    def show(interval: Interval) -> str:
        return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"

    out = ["| task | full model | target | answers that parse |", "|---|---|---|---|"]
    for row in [*result["tasks"], *result["shifted"]]:
        name = row.task if row in result["tasks"] else f"{row.task}, shifted images"
        target = "" if row.target is None else f"{row.target:.2f}{'' if row.accuracy.value >= row.target else ' (missed)'}"
        out.append(f"| {name} | {show(row.accuracy)} | {target} | {row.parsed:.3f} |")
    depth = len(result["shots"][0].by_layer)
    layers = sorted({layer for layer in (1, 2, 4, 6, depth) if layer <= depth})
    out += ["", "| task, 100 shots | full model | " + " | ".join(f"exit {l}" for l in layers) + " |"]
    out.append("|---|---|" + "---|" * len(layers))
    for shot in result["shots"]:
        out.append(f"| {shot.task} | {show(shot.full_model)} | " + " | ".join(show(shot.by_layer[l - 1]) for l in layers) + " |")
    out += [
        "",
        "| skipped block | first token right | lost (95 %) | nats | more (95 %) | most lost on | there |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in result["skipped"]:
        lost, more = (show(i) if row.layer else "" for i in (row.lost, row.more))
        most = show(row.most) if row.most else ""
        out.append(f"| {row.layer or 'none'} | {row.accuracy:.3f} | {lost} | {row.surprise:.3f} | {more} | {row.task} | {most} |")
    return out
