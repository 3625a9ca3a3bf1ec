"""How deep does this question go, and where does a neuron live? The answers in words.

Takes a finished Run, or its neurons; returns sentences and names. It knows nothing about models.
"""

from __future__ import annotations

import numpy as np

from sn_viz.formatting import percent, percent_range
from sn_viz.plots.reference import INFERRED, is_inferred
from sn_viz.types import LayerAccuracy, Neurons, RunRecord

FIXED = "The question is the same for every image, so the thresholds can stand in for it and shallow layers may do."
CHANGING = (
    "The question changes with the image. In the first block the last token looks at the image before it knows the question, so "
    "such questions usually need more blocks."
)
UNASKED = (
    "The question changes with the image, and no block of the vision tower knows it: an exit there can only guess what is asked."
)


def depth_words(run: RunRecord) -> str:
    """Return what the exit layers say about a question: where to stop, what that costs, and why it may be so."""
    rows = [row for row in run.by_layer if row.layer >= 1] or list(run.by_layer)
    if not rows or not run.by_layer[run.exit_index].accuracy.n:
        return "No exit layer has been measured yet."
    here, best = run.by_layer[run.exit_index], max(run.by_layer, key=lambda row: row.accuracy.value)
    chosen = "is what cross-validation on the probing images recommends"
    if run.config.exit_layer is not None:
        chosen = "is what was asked for"
    elif not np.isfinite(here.cv_accuracy):
        chosen = "is all that is left where probing images are too few to choose a layer by cross-validation"
    said = [f"Stopping after {exit_words(run, here.layer)} {chosen}: {_share(here)}."]
    if best.accuracy.value == here.accuracy.value:
        said.append("No layer does better.")
    else:
        said.append(f"No layer does better than {run.neurons.layer_name(best.layer)}, which is {_share(best)}.")
    full = next((baseline for baseline in run.baselines if baseline.name == "full-model"), None)
    if full is not None and full.accuracy is not None and full.accuracy.n and np.isfinite(full.accuracy.value):
        read = INFERRED if is_inferred(run, full.name) else ""
        said.append(f"The full model is right on {percent(full.accuracy.value)}{read}.")
    if run.held_out_mark:
        said.append(f"These figures are {run.held_out_mark}.")
    told = _first_above_chance(run, rows)
    if told is None:
        said.append("At no layer can the super neurons be told from always giving the commonest answer.")
    elif told.layer > rows[0].layer:
        said.append(
            f"Up to layer {run.neurons.layer_name(told.layer - 1)} they cannot be told from always giving the commonest answer."
        )
    changing = CHANGING if rows[-1].layer >= 1 else UNASKED
    return " ".join([*said, FIXED if run.shown.question else changing])


def _share(row: LayerAccuracy) -> str:
    seen = row.accuracy
    return f"right on {percent(seen.value)} of {seen.n} test images ({percent_range(seen.low, seen.high)})"


def _first_above_chance(run: RunRecord, rows: list[LayerAccuracy]) -> LayerAccuracy | None:
    """Return the first layer from which on all are above the commonest answer; where the deepest is not, the first that is."""
    known = run.test.labels[run.test.labels >= 0]
    commonest = np.bincount(known).max() / max(1, len(known))
    above = [row.accuracy.low > commonest for row in rows]
    start = len(above) - above[::-1].index(False) if False in above else 0
    return rows[start] if start < len(rows) else next((row for row, is_above in zip(rows, above, strict=True) if is_above), None)


def exit_words(run: RunRecord, layer: int) -> str:
    """Return "layer 2 of 12", or "block V3 of the vision tower"."""
    name = run.neurons.layer_name(layer)
    return f"layer {name} of {run.neurons.n_layers}" if layer >= 1 else f"block {name} of the vision tower"


def place_words(layer_name: str, site: str) -> str:
    """Return a block and a site of it as people say them.

    Examples
    --------
    >>> place_words("4", "mlp-output"), place_words("V2", "tower-residual")
    ('Block 4 · MLP output', 'Vision tower, block 2 · residual')
    """
    in_tower = layer_name.startswith("V")
    site = site.removeprefix("tower-") if in_tower else site
    block = f"Vision tower, block {layer_name[1:]}" if in_tower else f"Block {layer_name}"
    return f"{block} · {' '.join('MLP' if word == 'mlp' else word for word in site.split('-'))}"


def neuron_words(neurons: Neurons, neuron: int) -> str:
    """Return where a neuron lives as people say it, such as "Block 4 · MLP output · unit 91"."""
    place = place_words(neurons.layer_name(neurons.layer[neuron]), neurons.site_names[neurons.site[neuron]])
    return f"{place} · unit {neurons.unit[neuron]}"
