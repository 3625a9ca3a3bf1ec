"""The Neurons section: from a block to a unit to the images it fires for, and the map of all images.

Takes the key of a run; a click in any view moves the others. Arrays stay on the server.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import gradio as gr

from sn_viz.errors import UserError
from sn_viz.types import RunRecord
from sn_viz.ui.components import figures, map_panel, neuron, views
from sn_viz.ui.components.map_panel import MapPanel
from sn_viz.ui.components.plotly_view import Pick
from sn_viz.ui.server.guard import guarded
from sn_viz.ui.server.state import Server

PLACED = ("heatmap", "units", "histogram", "map")
"""Plots with a place of their own, because clicks in them move the others."""


class Neurons(NamedTuple):
    """The widgets of the section."""

    heatmap: gr.HTML
    units: gr.HTML
    table: gr.Dataframe
    facts: gr.HTML
    histogram: gr.HTML
    threshold: gr.Slider
    reset: gr.Button
    images: gr.HTML
    map: MapPanel
    others: dict[str, gr.HTML]
    """Further plots of this tab, by name."""


def layout() -> Neurons:
    """Place the widgets."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320, elem_classes="sn-panel"):
            heatmap = figures.place("heatmap")
        with gr.Column(scale=6, min_width=320, elem_classes="sn-panel", elem_id="neuron-page"):
            facts = views.facts_view("neuron-facts")
            histogram = figures.place("histogram")
            with gr.Row(equal_height=False, elem_classes="sn-tight sn-centre"):
                threshold = gr.Slider(
                    0,
                    1,
                    value=0.5,
                    label="Threshold: drag it",
                    elem_id="threshold",
                    scale=5,
                    min_width=200,
                    buttons=[],
                )
                reset = gr.Button("Reset", size="sm", scale=1, min_width=90, elem_id="btn-threshold-reset")
            images = views.pictures_view("neuron-images", "The images that excite this neuron appear here.")
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320, elem_classes="sn-panel"):
            units = figures.place("units")
            table = gr.Dataframe(
                headers=neuron.HEADERS,
                datatype=neuron.TYPES,
                interactive=False,
                elem_id="neuron-table",
                label="Best neurons: click a row",
                max_height=430,
                show_search="filter",
                column_widths=["14%", "31%", "13%", "13%", "16%", "13%"],
                wrap=False,
            )
        with gr.Column(scale=6, min_width=320, elem_classes="sn-panel"):
            shown_map = map_panel.layout()
    others = figures.place_all(figures.others("neurons", PLACED))
    return Neurons(heatmap, units, table, facts, histogram, threshold, reset, images, shown_map, others)


def connect(server: Server, tab: Neurons, run_key: gr.State, picked: gr.State, link: gr.State) -> None:
    """Wire the views: ``run_key`` names the run, ``picked`` is the chosen neuron, ``link`` what the address asked for."""
    page = [picked, tab.facts, tab.histogram, tab.threshold, tab.images]
    run_key.change(server.bind(show), [run_key, link], [tab.heatmap, tab.units, tab.table, *page], **_private())
    tab.heatmap.pick(server.bind(pick_cell), [run_key], [tab.units, *page], **_at_once())
    tab.units.pick(server.bind(pick_unit), [run_key], page, **_at_once())
    tab.table.select(server.bind(pick_row), [run_key], [tab.units, *page], **_at_once())
    tab.threshold.input(
        server.bind(move_threshold),
        [run_key, picked, tab.threshold],
        [tab.facts, tab.histogram],
        trigger_mode="always_last",
        **_at_once(),
    )
    tab.reset.click(server.bind(show_neuron), [run_key, picked], page, **_at_once())
    map_panel.connect(server, tab.map, run_key)
    figures.connect(server, tab.others, run_key)


def _private() -> dict[str, Any]:
    return {"api_visibility": "private", "show_progress": "hidden"}


def _at_once() -> dict[str, Any]:
    """Of events that only look something up: answered in one request, without a turn in the queue of the model's work."""
    return {**_private(), "queue": False}


@guarded
def show(server: Server, run_key: str, link: Any) -> tuple:
    """Return every view of a new run; a link may ask for a neuron, a layer and a threshold."""
    if not run_key:
        return (gr.skip(),) * 8
    run = server.runs.get(run_key)
    column = link.neuron if link and link.neuron is not None and link.neuron < len(run.neurons) else neuron.best_neuron(run)
    layer, site = _home(run, column)
    if link and link.neuron is None and link.layer in run.neurons.layers:
        layer = link.layer
    threshold = link.t if link else None
    return figures.draw("heatmap", run), figures.draw_units(run, layer, site), neuron.table(run), *_page(run, column, threshold)


@guarded
def show_neuron(server: Server, run_key: str, column: Any) -> tuple:
    """Return the page of one neuron with its found threshold."""
    run = server.runs.get(run_key)
    return _page(run, neuron.checked_neuron(run, column))


def _page(run: RunRecord, column: int, threshold: float | None = None) -> tuple:
    slider = _slider(*neuron.span(run, column), neuron.cut(run, column, threshold).threshold)
    return (
        column,
        neuron.facts(run, column, threshold),
        figures.draw_histogram(run, column, threshold),
        slider,
        neuron.extremes(run, column),
    )


def _slider(low: float, high: float, at: float) -> gr.Slider:
    """Return the threshold slider over the activations, in round steps; its position is rounded, the threshold itself is not."""
    step = 10.0 ** math.floor(math.log10((high - low) / 200))
    low, high = math.floor(min(low, at) / step), math.ceil(max(high, at) / step)
    digits = max(0, -math.floor(math.log10(step)))
    return gr.Slider(minimum=round(low * step, digits), maximum=round(high * step, digits), step=step, value=round(at, digits))


def _home(run: RunRecord, column: int) -> tuple[int, str]:
    return int(run.neurons.layer[column]), run.neurons.site_names[run.neurons.site[column]]


@guarded
def pick_cell(server: Server, run_key: str, event: gr.EventData) -> tuple:
    """Return the units and the best neuron of the clicked cell."""
    run, custom = server.runs.get(run_key), Pick.read(event).custom
    layer, site, column = _cell(run, custom)
    return figures.draw_units(run, layer, site), *_page(run, column)


def _cell(run: RunRecord, custom: tuple) -> tuple[int, str, int]:
    """Check [layer, site, neuron], as the figures' customdata tells it."""
    if len(custom) != 3 or custom[1] not in run.neurons.site_names or custom[0] not in run.neurons.layers:
        raise UserError("This cell is not in the figure.", "The page is older than the result.", "Reload the page.")
    if custom[2] == -1:
        raise UserError(
            "No neuron of this cell has a score.", "Every value there is constant or not finite.", "Choose another cell."
        )
    column = neuron.checked_neuron(run, custom[2])
    if _home(run, column) != (int(custom[0]), str(custom[1])):
        raise UserError("This neuron is not in the figure's cell.", "The page is older than the result.", "Reload the page.")
    return int(custom[0]), str(custom[1]), column


@guarded
def pick_unit(server: Server, run_key: str, event: gr.EventData) -> tuple:
    """Return the page of the clicked unit."""
    run = server.runs.get(run_key)
    return _page(run, _cell(run, Pick.read(event).custom)[2])


@guarded
def pick_row(server: Server, run_key: str, event: gr.SelectData) -> tuple:
    """Return the units and the page of the neuron in the clicked row."""
    run, row = server.runs.get(run_key), event.row_value
    if not isinstance(row, list) or not row:
        raise UserError("This row was not understood.", "The page sent no row.", "Reload the page.")
    column = neuron.checked_neuron(run, _number(row[0]))
    return figures.draw_units(run, *_home(run, column)), *_page(run, column)


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12 else value


@guarded
def move_threshold(server: Server, run_key: str, column: Any, threshold: float) -> tuple:
    """Return the facts and the histogram at the dragged threshold."""
    run = server.runs.get(run_key)
    column = neuron.checked_neuron(run, column)
    return neuron.facts(run, column, float(threshold)), figures.draw_histogram(run, column, float(threshold))
