"""Maps of the activations whose layout is kept for a while: laying one out takes seconds, colouring it anew takes none.

Takes a run and what to draw; returns the figure's text.
"""

from __future__ import annotations

from sn_viz.errors import UserError
from sn_viz.plots import projection
from sn_viz.types import RunRecord
from sn_viz.ui.components import figures
from sn_viz.ui.server.session import Shelf

BYTES_PER_POINT = 400
"""About what one image of a layout takes: coordinates and hover text."""
LAYOUTS: Shelf[projection.Info] = Shelf("map", 64 * 2**20, lambda info: BYTES_PER_POINT * len(info.x))
"""By run key and layer."""
COLOURS = {"class": "Class", "correct": "Right or wrong", "split": "Probing or test"}


def map_text(run_key: str, run: RunRecord, layer: str, colour: str) -> str:
    """Return the map of ``run``: of "all" neurons, the "super" neurons, or one layer such as "3" ("0" and less: vision tower).

    Raises
    ------
    UserError
        For a layer or colour that does not exist.
    """
    chosen = {str(there): there for there in run.neurons.layers}.get(layer, layer)
    if chosen not in ("all", "super", *run.neurons.layers) or colour not in COLOURS:
        raise UserError("This map cannot be drawn.", "The layer or colour does not exist.", "Choose from the lists.")
    key = f"{run_key}|{chosen}"
    layout = LAYOUTS.find(key)
    if layout is None:
        layout = projection.info(run, chosen)
        LAYOUTS.put(layout, key)
    return figures.text("map", projection.recoloured(layout, run, colour), "Map of the activations, one point per image")
