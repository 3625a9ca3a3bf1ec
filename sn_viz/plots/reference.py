"""What a score is to be compared with: chance, and luck.

Takes a Run, returns plain numbers. It draws nothing.
"""

from __future__ import annotations

import numpy as np

from sn_viz.plots import style
from sn_viz.types import Baseline, Interval, RunRecord
from sn_viz.voting.verdict import chance_of

LUCK_PERCENTILE = 95


def luck(run: RunRecord) -> float | None:
    """Return the score that the best neuron of 95 % of shuffled labellings stays below; None when no null was computed."""
    scores = run.null_scores[np.isfinite(run.null_scores)]
    return float(np.percentile(scores, LUCK_PERCENTILE)) if len(scores) else None


def commonest_answer(run: RunRecord) -> float:
    """Return the held-out accuracy of always giving the commonest label of the test split; NaN without labels."""
    return chance_of(run).value


def chance(run: RunRecord, class_index: np.ndarray | int) -> np.ndarray:
    """Return the score a stump for each class gets without looking at the image.

    Parameters
    ----------
    run : Run
        Its metric decides: one half for balanced accuracy and ROC AUC; the larger of both shares for accuracy; always saying
        "yes" for F1; 0 for effect sizes.
    class_index : int array, any shape
        The class each stump speaks for.

    Returns
    -------
    float64 array of the same shape.
    """
    index = np.asarray(class_index, dtype=np.int64)
    known = run.train.labels[run.train.labels >= 0]
    if not is_share(run):
        return np.zeros(index.shape)
    if run.config.metric not in ("accuracy", "f1") or not len(known):
        return np.full(index.shape, 0.5)
    share = (np.bincount(known, minlength=len(run.train.classes)) / len(known))[index]
    return np.maximum(share, 1 - share) if run.config.metric == "accuracy" else 2 * share / (1 + share)


def is_share(run: RunRecord) -> bool:
    """Return whether the run's metric is a share of something, from 0 to 1; an effect size is none."""
    return run.config.metric != "effect-size"


def above_chance(run: RunRecord, score: np.ndarray, class_index: np.ndarray) -> np.ndarray:
    """Return ``score`` rescaled so that 0 is chance and 1 is perfect; NaN where the score is NaN or chance is already perfect.

    An effect size has no perfect value: 1 is then the largest of the run.
    """
    if not is_share(run):
        largest = float(np.nanmax(run.stumps.score, initial=0.0))
        return np.asarray(score, np.float64) / largest if largest > 0 else np.full(np.shape(score), np.nan)
    floor = chance(run, class_index)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(floor < 1, (np.asarray(score, dtype=np.float64) - floor) / (1 - floor), np.nan)


def baseline(run: RunRecord, name: str) -> Baseline | None:
    """Return the baseline called ``name``, or None when it was not run."""
    return next((method for method in run.baselines if method.name == name), None)


def measured(method: Baseline) -> Interval:
    """Return a method's accuracy; undefined (NaN, from 0 to 1) where it cannot be told what its answers mean."""
    return method.accuracy if method.accuracy is not None else Interval(float("nan"), 0.0, 1.0, 0)


READ_BY_KEY = ("full-model", "logit-lens")
"""Methods whose accuracy rests on what each class is answered with."""
INFERRED = " (answers inferred)"
"""Stands behind their names where nobody gave that reading."""


def is_inferred(run: RunRecord, name: str) -> bool:
    """Return whether the accuracy of a method rests on a reading of yes and no that nobody gave."""
    return name in READ_BY_KEY and run.answer_key is not None and run.answer_key.inferred


def shown_name(run: RunRecord, name: str) -> str:
    """Return a method's readable name, marked where its figure rests on an inferred reading."""
    return method_name(name) + (INFERRED if is_inferred(run, name) else "")


METHOD_NAMES = {
    "full-model": "Full model",
    "full-model-calibrated": "Full model, calibrated",
    "sav": "Attention vectors (SAV)",
    "logit-lens": "Logit lens",
    "linear-probe": "Linear probe",
    "lora": "LoRA fine-tune",
    "fine-tune-last-block": "Last block fine-tuned",
}


def method_name(name: str) -> str:
    """Return the readable name of a baseline (still to be made literal); one without a row above is called by its own name."""
    return METHOD_NAMES.get(name) or name[:1].upper() + name[1:].replace("-", " ")


def method_colour(name: str, dark: bool = False) -> str:
    """Return the colour of a method in every figure; ``name`` is its name in the run or the readable one."""
    look = style.theme(dark)
    readable = method_name(name)
    if name == "super-neurons":
        return look.accent
    if readable == METHOD_NAMES["full-model"]:
        return look.rival
    known = [other for other in METHOD_NAMES.values() if other != METHOD_NAMES["full-model"]]
    position = known.index(readable) if readable in known else len(known) + sum(readable.encode())
    return look.methods[position % len(look.methods)]
