"""Does the full model's answer depend on the super neurons? They are overwritten in the full pass, against random ones.

Takes a run; returns for each way of overwriting how often the answer moved, beside the same number of random neurons.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from sn_viz.checks import CHECKS, Check, Options, sample
from sn_viz.checks.ablation import KINDS, ablate
from sn_viz.groups import group_index
from sn_viz.progress import part
from sn_viz.types import Progress, RunRecord

if TYPE_CHECKING:
    from sn_viz.models import Vlm


def ask(run: RunRecord, vlm: Vlm, options: Options, progress: Progress) -> dict[str, Any]:
    """Overwrite the voters of the exit layer in every way of ``ablation.KINDS``."""
    images, voters = sample(run.test, options.n_images, options.seed), run.voters[run.exit_index].neuron
    kinds, groups = [], group_index(images)
    for i, kind in enumerate(KINDS):
        found = ablate(
            vlm,
            images,
            run.neurons,
            voters,
            run.train_values,
            run.train.labels,
            kind,
            seed=options.seed,
            progress=part(progress, i / len(KINDS), (i + 1) / len(KINDS)),
            key=run.answer_key,
        )
        parts = {name: asdict(getattr(found, name)) for name in ("moved", "random_moved", "difference", "push_difference")}
        parts |= {"fall": _mean(found.push, groups), "random_fall": _mean(found.random_push.mean(axis=0), groups)}
        kinds.append({"kind": kind, "n_neurons": found.n_neurons, "sentence": found.sentence} | parts)
    return {"kinds": kinds, "sentence": kinds[-1]["sentence"]}


def _mean(values: np.ndarray, groups: np.ndarray) -> dict[str, float]:
    """Return the mean over images with its 95 % interval, by the normal approximation; whole groups vary together."""
    mean, whole = float(values.mean()), np.unique(groups, return_inverse=True)[1]
    error = 1.96 * float(np.sqrt((np.bincount(whole, weights=values - mean) ** 2).sum()) / len(values))
    return {"value": mean, "low": mean - error, "high": mean + error}


CHECKS.register("causal")(Check("Does the answer depend on them?", ask))
