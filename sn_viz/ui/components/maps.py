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
COLOURS = {"class": "Class", "correct": "Right or wrong", "split": "Probing or test"}


def size_of_layout(layout: projection.Info) -> int:
    """Return about the bytes of a layout."""
    return BYTES_PER_POINT * len(layout.x)


def map_text(layouts: Shelf[projection.Info], run_key: str, run: RunRecord, layer: str, colour: str) -> str:
    """Return the map of ``run``: of "all" neurons, the "super" neurons, or one layer such as "3" ("0" and less: vision tower).

    Its layout is taken from ``layouts``, and kept there.

    Raises
    ------
    UserError
        For a layer or colour that does not exist.
    """
    chosen = {str(there): there for there in run.neurons.layers}.get(layer, layer)
    if chosen not in ("all", "super", *run.neurons.layers) or colour not in COLOURS:
        raise UserError("This map cannot be drawn.", "The layer or colour does not exist.", "Choose from the lists.")
    key = f"{run_key}|{chosen}"
    layout = layouts.find(key)
    if layout is None:
        layout = projection.info(run, chosen)
        layouts.put(layout, key)
    return figures.text("map", projection.recoloured(layout, run, colour), "Map of the activations, one point per image")
