"""Maps of the activations whose layout is kept for a while: laying one out takes seconds, colouring it anew takes none.

Takes a run and what to draw; returns the figure's text.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from typing import Any

from PIL import Image, ImageOps

from sn_viz.errors import UserError
from sn_viz.plots import projection
from sn_viz.types import RunRecord
from sn_viz.ui.components import figures
from sn_viz.ui.server.session import Shelf

BYTES_PER_POINT = 400
"""About what one image of a layout takes: coordinates and hover text."""
COLOURS = {
    "class": "Class",
    "correct": "Right or wrong",
    "vote": "Vote",
    "settles": "Layer of settling",
    "split": "Probing or test",
}
SETTLES = (
    "Layer of settling: the first layer from which on the super neurons' vote stays the same through to the deepest layer read, "
    "right or not. Probing images have no vote: the neurons were chosen on them."
)
TILE, MOST_TILES, COLUMNS = 48, 600, 25
"""Pixels a side of one picture in the sheet of a map, how many there are at most, and how many stand side by side."""


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
    shown = projection.recoloured(layout, run, colour)
    figure = json.loads(figures.text("map", shown, "Map of the activations, one point per image", run))
    more = {"of": of_run(run_key), "n_train": len(run.train), "n": len(layout.x), "most": MOST_TILES}
    return json.dumps(figure | more).replace("<", "\\u003c")


def of_run(run_key: str) -> str:
    """Return what the page knows a run's map and its pictures by: it leads back to no key."""
    return hashlib.sha256(run_key.encode()).hexdigest()[:12]


def sheet(run_key: str, run: RunRecord) -> dict[str, Any]:
    """Return every picture of a run in one small sheet, in the order of the rows, for a map of pictures.

    Raises
    ------
    UserError
        When there are more than ``MOST_TILES``.
    """
    pictures = [*run.train.pictures, *run.test.pictures]
    if len(pictures) > MOST_TILES:
        raise UserError(
            f"{len(pictures):,} pictures are too many for a map of pictures.",
            f"At most {MOST_TILES} are drawn as pictures.",
            "Look at the dots, and choose some for the table.",
        )
    whole = Image.new("RGB", (COLUMNS * TILE, -(-len(pictures) // COLUMNS) * TILE))
    for i, picture in enumerate(pictures):
        tile = ImageOps.fit(Image.fromarray(picture.pixels), (TILE, TILE), Image.Resampling.BILINEAR)
        whole.paste(tile, (i % COLUMNS * TILE, i // COLUMNS * TILE))
    buffer = io.BytesIO()
    whole.save(buffer, "WEBP", quality=70)
    src = "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
    return {"of": of_run(run_key), "src": src, "tile": TILE, "columns": COLUMNS}
