"""Full model and super neurons on the same images under changed conditions: how much each loses.

Takes a run and changed copies of its test images; returns accuracies and paired losses as plain values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from sn_viz.baselines.answers import parse_answer
from sn_viz.baselines.answers.said import written_answers
from sn_viz.early_exit.decide import predict
from sn_viz.groups import group_index
from sn_viz.types import LabelledImages, Progress, RunRecord
from sn_viz.voting.statistics import accuracy_interval, paired_difference

if TYPE_CHECKING:
    from sn_viz.models import Vlm

BATCH = 8
METHODS = ("full_model", "super_neurons")


def conditions(
    run: RunRecord, vlm: Vlm, plain: LabelledImages, changed: Mapping[str, LabelledImages], progress: Progress
) -> dict[str, Any]:
    """Return what either method gets right as it was and under every condition.

    Returns
    -------
    dict
        ``n``; ``before`` (method -> interval); ``conditions``, each with its ``name`` and for either method the ``accuracy`` and
        the ``lost`` fraction of images (before minus after, paired).
    """
    steps = 2 * (1 + len(changed))
    right: dict[str, dict[str, np.ndarray]] = {}
    for i, (name, images) in enumerate({"": plain, **changed}.items()):
        said = f": {name}" if name else ""
        right[name] = {}
        for j, (method, answer) in enumerate({"full_model": _full, "super_neurons": _early}.items()):
            at = 2 * i + j
            labels = answer(run, vlm, images, lambda fraction, at=at, said=said: progress((at + fraction) / steps, "Asking" + said))
            right[name][method] = labels == images.labels
    before = right.pop("")
    n, groups = len(plain), group_index(plain)
    return {
        "n": n,
        "before": {method: asdict(accuracy_interval(before[method], groups)) for method in METHODS},
        "conditions": [
            {"name": name}
            | {
                method: {
                    "accuracy": asdict(accuracy_interval(now[method], groups)),
                    "lost": asdict(paired_difference(before[method], now[method], groups=groups)),
                }
                for method in METHODS
            }
            for name, now in right.items()
        ],
    }


def _full(run: RunRecord, vlm: Vlm, images: LabelledImages, tell: Any) -> np.ndarray:
    said: list[int] = []
    for start in range(0, len(images), BATCH):
        tell(start / len(images))
        rows = slice(start, start + BATCH)
        questions = images.questions[rows]
        answers = written_answers(vlm, images.pictures[rows], questions, run.answer_key)
        said += [parse_answer(a, images.classes, q, run.answer_key) for a, q in zip(answers, questions, strict=True)]
    return np.array(said)


def _early(run: RunRecord, vlm: Vlm, images: LabelledImages, tell: Any) -> np.ndarray:
    said: list[int] = []
    for start in range(0, len(images), BATCH):
        tell(start / len(images))
        some = images.take(np.arange(start, min(start + BATCH, len(images))))
        said += [one.class_index for one in predict(run, some, run.exit_layer, vlm=vlm)]
    return np.array(said)


def sentence(found: dict[str, Any], what: str) -> str:
    """Say in one sentence how much each method lost on average, and where most."""
    shown = found["conditions"]
    if not shown:
        return "Nothing was tried."
    mean = {method: np.mean([one[method]["lost"]["value"] for one in shown]) for method in METHODS}
    worst = max(shown, key=lambda one: one["super_neurons"]["lost"]["value"])
    return (
        f"{what}, the full model lost {100 * mean['full_model']:.1f} points of accuracy on average and the super neurons "
        f"{100 * mean['super_neurons']:.1f}, on {found['n']} images; the super neurons lost most with "
        f"“{worst['name']}” ({100 * worst['super_neurons']['lost']['value']:.1f})."
    )
