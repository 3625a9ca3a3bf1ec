"""Every figure of the page, as the text the page draws.

Takes a Run and what was chosen; returns ``plotly_view.payload`` texts. The drawing itself is in ``sn_viz.plots``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from sn_viz.plots import compare, heatmap, histogram, layers, map, null, race, tradeoff, units
from sn_viz.types import Run
from sn_viz.ui.plotly_view import payload


def _text(module: Any, info: Any, label: str) -> str:
    return payload(partial(module.figure, info), label)


def draw_heatmap(run: Run) -> str:
    """Return the best score of every block and site."""
    return _text(heatmap, heatmap.info(run), "Heatmap: best score by layer and site")


def draw_units(run: Run, layer: int, site: str) -> str:
    """Return the top units inside one block."""
    return _text(units, units.info(run, layer, site), f"Top units of layer {layer}, {site}")


def draw_histogram(run: Run, neuron: int, threshold: float | None = None) -> str:
    """Return one neuron's activations by class; ``threshold`` replaces the found one."""
    info = histogram.info(run, neuron)
    if threshold is not None:
        info = info._replace(threshold=threshold)
    return _text(histogram, info, f"Activations of neuron {run.neurons.name(neuron)} by class")


def draw_map(info: map.Info) -> str:
    """Return the map of the activations."""
    return _text(map, info, "Map of the activations, one point per image")


def draw_layers(run: Run) -> str:
    """Return accuracy by exit layer."""
    return _text(layers, layers.info(run), "Accuracy by exit layer")


def draw_race(tally: np.ndarray, milliseconds: np.ndarray, classes: tuple[str, ...], exit_layer: int, **more: Any) -> str:
    """Return the race so far; see ``plots.race.info``."""
    return _text(race, race.info(tally, milliseconds, classes, exit_layer, **more), "Votes and time, block by block")


def draw_compare(run: Run) -> str:
    """Return every method with its interval."""
    return _text(compare, compare.info(run), "Accuracy of every method")


def draw_tradeoff(run: Run) -> str:
    """Return time against accuracy."""
    return _text(tradeoff, tradeoff.info(run), "Time against accuracy")


def draw_null(run: Run) -> str:
    """Return what shuffled labels reach."""
    return _text(null, null.info(run), "Best scores under shuffled labels")
