"""Layers in words and as choices: decoder blocks by number, blocks of the vision tower by names such as V4.

Takes a Run and what a widget, a link or a client says; returns checked layers and text. It knows nothing of widgets.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sn_viz import config
from sn_viz.errors import UserError
from sn_viz.types import RunRecord


def checked_layer(run: RunRecord, layer: Any) -> int:
    """Return ``layer``, a number, when the run has it.

    Raises
    ------
    UserError
        When it has not; the message lists the layers.
    """
    if isinstance(layer, bool) or not isinstance(layer, int | float | np.integer) or layer not in run.neurons.layers:
        raise UserError(f"There is no layer {str(layer)[:10]}.", f"This model has {everywhere(run)}.", "Choose one of them.")
    return int(layer)


def layer_asked(run: RunRecord, text: Any) -> int:
    """Return the layer that a client asks for.

    Parameters
    ----------
    run : Run
    text : str or number
        "3", or "V4" in the vision tower; 0, "auto" or nothing takes the run's own, so the tower's last block goes by its name only.

    Raises
    ------
    UserError
        When the run has no such layer.
    """
    typed = str("" if text is None else text).strip()[:20].removesuffix(".0")
    if typed.lower() in ("", "0", "auto"):
        return run.exit_layer
    found = config.checked_layer(typed, run.neurons.n_layers, run.neurons.n_tower)
    return run.exit_layer if found is None else found


def everywhere(run: RunRecord) -> str:
    """Return "layers 1 to 12", and the blocks of the vision tower where they were read."""
    neurons = run.neurons
    decoder = f"layers 1 to {neurons.n_layers}" if neurons.n_layers else ""
    tower = f"blocks V1 to V{neurons.n_tower} of the vision tower" if neurons.n_tower else ""
    return " and ".join(filter(None, (tower, decoder)))


def numbering(run: RunRecord) -> str:
    """Return how a slider numbers the blocks of the vision tower; "" without them."""
    n_tower = run.neurons.n_tower
    if not n_tower:
        return ""
    return (
        f"{1 - n_tower} to 0 are V1 to V{n_tower} of the vision tower" if n_tower > 1 else "0 is V1, the vision tower's only block"
    )
