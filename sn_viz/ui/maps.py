"""Drawn maps of the activations, kept for a while: laying out one takes seconds.

Takes a run and what to draw; returns the figure's text.
"""

from __future__ import annotations

from sn_viz.errors import UserError
from sn_viz.types import Run
from sn_viz.ui import figures
from sn_viz.ui.session import Shelf

MAPS: Shelf[str] = Shelf("map", 64 * 2**20, len)
"""By run key, layer and colour."""
COLOURS = {"class": "Class", "correct": "Right or wrong", "split": "Probing or test"}


def map_text(run_key: str, run: Run, layer: str, colour: str) -> str:
    """Return the map of ``run``: of "all" neurons, the "super" neurons, or one layer.

    Raises
    ------
    UserError
        For a layer or colour that does not exist.
    """
    chosen = int(layer) if layer.isascii() and layer.isdigit() else layer
    if chosen not in ("all", "super", *range(1, run.neurons.n_layers + 1)) or colour not in COLOURS:
        raise UserError("This map cannot be drawn.", "The layer or colour does not exist.", "Choose from the lists.")
    key = f"{run_key}|{chosen}|{colour}"
    text = MAPS.find(key)
    if text is None:
        text = figures.draw_map(run, chosen, colour)
        MAPS.put(text, key)
    return text
