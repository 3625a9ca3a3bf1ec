"""Do the answers survive other pictures? The same images blurred, noisy, darker, in other hues, compressed and turned."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sn_viz.checks import CHECKS, Check, Options, sample
from sn_viz.checks.compared import conditions, sentence
from sn_viz.sources.shift import SHIFTS, shifted
from sn_viz.types import Progress, RunRecord

if TYPE_CHECKING:
    from sn_viz.models import Vlm


def ask(run: RunRecord, vlm: Vlm, options: Options, progress: Progress) -> dict[str, Any]:
    """Change every image in every way, at the chosen strength."""
    plain = sample(run.test, options.n_images, options.seed)
    rng = np.random.default_rng(options.seed)
    changed = {}
    for name in SHIFTS:
        progress(0.0, f"Changing the pictures: {name}")
        changed[name] = replace(plain, pictures=tuple(shifted(p, name, options.strength, rng) for p in plain.pictures))
    found = conditions(run, vlm, plain, changed, progress)
    return found | {
        "strength": options.strength,
        "sentence": sentence(found, f"With pictures changed at strength {options.strength:g}"),
    }


CHECKS.register("pictures")(Check("Changed pictures", ask))
