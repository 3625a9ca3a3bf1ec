"""Whether the parts of a saved run fit each other: fields, neurons, arrays, accuracies, files.

Takes what was read; raises ValueError with what does not fit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sn_viz.storage.run_arrays import digest
from sn_viz.types import Neurons

SLACK = 1e-6
"""What rounding may change of a share."""


def check_facts(facts: Any, neurons: Neurons) -> None:
    """Raise ValueError unless the fields of ``run.json`` fit each other and the neurons."""
    from sn_viz.activations.sites import SITES, TOWER_SITES

    known = {*SITES.names(), *TOWER_SITES.names()}
    layers, train, test = neurons.layers, facts.splits.train, facts.splits.test
    fits = {
        "site_names holds names that are no sites here, or one twice": set(facts.site_names) <= known
        and len(set(facts.site_names)) == len(facts.site_names),
        "the layers of by_layer are not those of the neurons": [row.layer for row in facts.by_layer] == list(layers),
        f"exit_layer is {facts.exit_layer}, which is no layer of the neurons": facts.exit_layer in layers,
        "config.exit_layer is no layer of the neurons": facts.config.exit_layer in (None, *layers),
        "the splits have other classes, or one twice": train.classes == test.classes
        and len(set(train.classes)) == len(train.classes),
        **{
            f"splits.{name}: as many {field} as names are needed": len(getattr(split, field)) == len(split.names)
            for name, split in (("train", train), ("test", test))
            for field in ("pictures", "questions")
        },
        "the answers are those of other classes": facts.answer_key is None or facts.answer_key.classes == train.classes,
        "a split has neither a group for each image nor none": all(
            len(split.groups) in (0, len(split.names)) for split in (train, test)
        ),
        "a baseline is there twice": len({b.name for b in facts.baselines}) == len(facts.baselines),
        "a baseline has another number of answers than there are test images": all(
            len(b.answers) in (0, len(test.names)) for b in facts.baselines
        ),
        "a baseline has more layers than there are": all(len(b.by_layer) <= len(layers) for b in facts.baselines),
    }
    wrong = next((sentence for sentence, fit in fits.items() if not fit), None)
    if wrong:
        raise ValueError(wrong)


def check_accuracies(facts: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Raise ValueError unless every accuracy is the share of the test images on which what was said is the label."""
    labels, votes = arrays["test_labels"], arrays["vote_predicted"]
    told = [(f"the accuracy of layer {row.layer}", row.accuracy, votes[:, i]) for i, row in enumerate(facts.by_layer)]
    told += [
        (f"the accuracy of {b.name}", b.accuracy, arrays[f"baseline_{i}_predicted"])
        for i, b in enumerate(facts.baselines)
        if b.accuracy is not None and not math.isnan(b.accuracy.value)  # else it cannot be told what its answers mean
    ]
    for what, accuracy, said in told:
        if accuracy.n != len(labels) or (len(labels) and not abs(float(np.mean(said == labels)) - accuracy.value) <= SLACK):
            raise ValueError(f"{what} is not what the answers on the {len(labels)} test images give")


def check_files(folder: Path, files: Mapping[str, str], needed: Iterable[str]) -> None:
    """Raise ValueError unless every file that is needed is listed, and every file that is listed is as it was written."""
    unlisted = next((name for name in needed if name not in files), None)
    if unlisted is not None:
        raise ValueError(f"files has no digest of {unlisted}")
    for name, known in files.items():
        if digest(folder / name) != known:
            raise ValueError(f"{name} was changed")
