"""The Neurons section: one selection, shown by the heatmap, the neuron docked beside it, the units and the table.

Takes the key of a run; a click in any view moves the others. Arrays stay on the server, but for the probing values of the neuron
that is shown, with which the browser counts while its cut is dragged.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import gradio as gr

from sn_viz.errors import UserError
from sn_viz.plots.heatmap import SHOWN
from sn_viz.types import Partial, RunRecord
from sn_viz.ui.components import enlarged, figures, map_panel, neuron, views
from sn_viz.ui.components.following_slider import FollowingSlider
from sn_viz.ui.components.link import Link
from sn_viz.ui.components.map_panel import MapPanel
from sn_viz.ui.components.plotly_view import Pick
from sn_viz.ui.server.guard import guarded
from sn_viz.ui.server.state import Server

PLACED = ("heatmap", "units", "histogram", "map")
"""Plots with a place of their own, because clicks in them move the others."""

IN_SIGHT = "() => window.snViz.inSight('neuron-page')"
"""Nobody clicks without seeing what it changed."""


class Neurons(NamedTuple):
    """The widgets of the section."""

    heatmap: gr.HTML
    shown: gr.Radio
    """What the heatmap shows, one of ``SHOWN``."""
    numbers: gr.Checkbox
    units: gr.HTML
    table: gr.Dataframe
    selected: gr.HTML
    """The one selection, for the browser."""
    facts: gr.HTML
    histogram: gr.HTML
    counts: gr.HTML
    thumbs: gr.HTML
    """Small copies of the probing pictures, for the browser."""
    threshold: gr.Slider
    reset: gr.Button
    images: gr.HTML
    alike: gr.HTML
    large: gr.HTML
    map: MapPanel
    others: dict[str, gr.HTML]
    """Further plots of this tab, by name."""


def layout() -> Neurons:
    """Place the widgets: the neuron stays in sight beside whatever is clicked."""
    with gr.Row(equal_height=False, elem_id="neuron-workbench"):
        with gr.Column(scale=5, min_width=320, elem_id="neuron-choices"):
            with gr.Column(elem_classes="sn-panel", elem_id="heatmap-panel"):
                heatmap, shown, numbers = _heatmap()
            with gr.Column(elem_classes="sn-panel", elem_id="units-panel"):
                units = figures.place("units", "units")
                table = _table()
        with gr.Column(scale=7, min_width=320, elem_classes="sn-panel", elem_id="neuron-page"):
            page = _neuron_page()
    shown_map = map_panel.layout()
    others = figures.place_all(figures.others("neurons", PLACED))
    selected, thumbs, large = views.selection_view("neuron-selected"), views.thumbs_view("neuron-thumbs"), enlarged.layout()
    facts, histogram, counts, threshold, reset, images, alike = page
    return Neurons(
        heatmap, shown, numbers, units, table, selected, facts, histogram, counts, thumbs, threshold, reset, images, alike, large,
        shown_map, others,
    )  # fmt: skip


def _heatmap() -> tuple[gr.HTML, gr.Radio, gr.Checkbox]:
    with gr.Row(elem_classes="sn-tight sn-heatmap-choices"):
        shown = gr.Radio(
            [(text, key) for key, text in SHOWN.items()],
            value="best",
            label="Colour shows",
            show_label=False,
            elem_id="heatmap-view",
            scale=6,
            min_width=240,
        )
        numbers = gr.Checkbox(False, label="numbers", elem_id="heatmap-numbers", scale=1, min_width=110)
    return figures.place("heatmap", "heatmap"), shown, numbers


def _table() -> gr.Dataframe:
    return gr.Dataframe(
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


def _neuron_page() -> tuple:
    facts = views.facts_view("neuron-facts")
    with gr.Row(equal_height=False, elem_classes="sn-tight sn-cut-row"):
        with gr.Column(scale=8, min_width=300):
            histogram = figures.place("histogram", "histogram")
            with gr.Row(equal_height=False, elem_classes="sn-tight sn-centre sn-cut-slider"):
                threshold = FollowingSlider(
                    0, 1, value=0.5, label="Threshold", elem_id="threshold", scale=5, min_width=200, buttons=[]
                )
                reset = gr.Button("Reset", size="sm", scale=1, min_width=80, elem_id="btn-threshold-reset")
        with gr.Column(scale=4, min_width=200):
            counts = views.counts_view("neuron-counts")
    images = views.strips_view("neuron-images", "The pictures that this neuron tells apart appear here.")
    alike = views.neighbours_view("neuron-alike")
    return facts, histogram, counts, threshold, reset, images, alike


def connect(server: Server, tab: Neurons, run_key: gr.State, picked: gr.State, cut: gr.State, link: gr.State) -> list[Any]:
    """Wire the views; returns the events after which the selection may be another.

    ``run_key`` names the run, ``picked`` is the chosen neuron, ``cut`` its threshold where it was chosen by hand, and ``link`` what
    the address asked for.
    """
    opened = gr.State(None)
    settled = [cut, tab.selected, tab.facts, tab.threshold, tab.images]
    page = [picked, tab.histogram, *settled]
    choices = [tab.shown, tab.numbers]
    latest: dict[str, Any] = {"trigger_mode": "always_last", **_at_once()}
    shown = run_key.change(
        server.bind(show),
        [run_key, link, opened, *choices],
        [opened, tab.shown, tab.heatmap, tab.units, tab.table, *page],
        **_private(),
    )
    run_key.change(server.bind(show_thumbs), [run_key], tab.thumbs, **_at_once())
    for choice in choices:
        choice.input(server.bind(show_heatmap), [run_key, *choices], tab.heatmap, trigger_mode="always_last", **_at_once())
    moves = [
        tab.heatmap.pick(server.bind(pick_cell), [run_key], [tab.units, *page], **_at_once()),
        tab.units.pick(server.bind(pick_unit), [run_key], page, **_at_once()),
        tab.table.select(server.bind(pick_row), [run_key], [tab.units, *page], **_at_once()),
        tab.alike.pick(server.bind(pick_neighbour), [run_key], [tab.units, *page], **_at_once()),
    ]
    for move in (shown, *moves):
        move.then(server.bind(show_neighbours), [run_key, picked], tab.alike, **latest)
    for move in moves:
        move.then(None, None, None, js=IN_SIGHT, api_visibility="private")
    cuts = [
        tab.histogram.pick(server.bind(drag_cut), [run_key, picked], settled, **latest),
        tab.threshold.input(server.bind(set_cut), [run_key, picked, tab.threshold], settled, **latest),
        tab.reset.click(server.bind(set_cut), [run_key, picked], settled, **_at_once()),
    ]
    tab.counts.pick(server.bind(pick_count), [run_key, picked, cut], tab.images, **_at_once())
    enlarged.connect(server, tab.large, run_key)
    figures.connect(server, tab.others, run_key)
    return [shown, *moves, *cuts]


def _private() -> dict[str, Any]:
    return {"api_visibility": "private", "show_progress": "hidden"}


def _at_once() -> dict[str, Any]:
    """Of events that only look something up: answered in one request, without a turn in the queue of the model's work."""
    return {**_private(), "queue": False}


@guarded
def show(server: Server, run_key: str, link: Link | None, opened: tuple[Link, str] | None, view: str, numbers: bool) -> tuple:
    """Return every view of a new run; the first one after a link came is shown as it asks, ``opened`` being the latest of both."""
    if not run_key:
        return (gr.skip(),) * 12
    run = server.runs.get(run_key)
    served = link is None or (opened is not None and opened[0] == link and opened[1] != run_key)
    asked = Link() if served or link is None else link
    view = asked.view or _checked_view(view)
    column = asked_neuron(run, asked)
    threshold = asked.t if asked.neuron == column else None
    return (
        opened if served or isinstance(run, Partial) else (link, run_key),  # while a run fills, the link holds on
        view,
        figures.draw_heatmap(run, view, bool(numbers)),
        figures.draw_units(run, *_home(run, column)),
        neuron.table(run),
        *_page(run, column, threshold),
    )


def asked_neuron(run: RunRecord, link: Link) -> int:
    """Return the neuron that a link asks for: by its number, else the best of its cell or layer; without either the best of all."""
    if link.neuron is not None and link.neuron < len(run.neurons):
        return link.neuron
    neurons = run.neurons
    if link.layer in neurons.layers:
        there = neurons.layer == link.layer
        if link.site in neurons.site_names:
            there &= neurons.site == neurons.site_names.index(link.site)
        best = neuron.best_of(run, there)
        if best is not None:
            return best
    return neuron.best_neuron(run)


def _checked_view(view: Any) -> str:
    return view if isinstance(view, str) and view in SHOWN else "best"


@guarded
def show_heatmap(server: Server, run_key: str, view: str, numbers: bool) -> Any:
    """Return the heatmap coloured by what was chosen."""
    return figures.draw_heatmap(server.runs.get(run_key), _checked_view(view), bool(numbers)) if run_key else gr.skip()


@guarded
def show_thumbs(server: Server, run_key: str) -> Any:
    """Return small copies of the probing pictures."""
    return neuron.probing_thumbs(server.runs.get(run_key)) if run_key else gr.skip()


@guarded
def show_neighbours(server: Server, run_key: str, column: Any) -> Any:
    """Return the neurons most alike."""
    if not run_key:
        return gr.skip()
    run = server.runs.get(run_key)
    return neuron.neighbours(run, neuron.checked_neuron(run, column))


def _page(run: RunRecord, column: int, threshold: float | None = None) -> tuple:
    """Return the neuron, its figure, and all that follows its cut."""
    return column, figures.draw_histogram(run, column, neuron.for_dragging(run, column)), *_settled(run, column, threshold)


def _settled(run: RunRecord, column: int, threshold: float | None) -> tuple:
    """Return all that follows the cut: the cut itself, the selection, facts, slider and pictures."""
    chosen = neuron.chosen_cut(run, column, threshold)
    slider = _slider(*neuron.span(run, column), neuron.cut(run, column, chosen).threshold)
    return (
        chosen,
        neuron.selection(run, column, chosen),
        neuron.facts(run, column, chosen),
        slider,
        neuron.strips(run, column, chosen),
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
    row = event.row_value
    if not isinstance(row, list) or not row:
        raise UserError("This row was not understood.", "The page sent no row.", "Reload the page.")
    return _with_units(server.runs.get(run_key), _number(row[0]))


@guarded
def pick_neighbour(server: Server, run_key: str, event: gr.EventData) -> tuple:
    """Return the units and the page of the clicked neighbour."""
    return _with_units(server.runs.get(run_key), _sent(event, "neuron"))


def _with_units(run: RunRecord, column: Any) -> tuple:
    column = neuron.checked_neuron(run, column)
    return figures.draw_units(run, *_home(run, column)), *_page(run, column)


def _sent(event: gr.EventData, name: str) -> Any:
    """Return one value of what the browser said; it is checked where it is used."""
    return event._data.get(name) if isinstance(event._data, dict) else None


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12 else value


@guarded
def drag_cut(server: Server, run_key: str, column: Any, event: gr.EventData) -> tuple:
    """Return what follows the cut that was dragged in the figure; none is the found one."""
    return _cut_at(server, run_key, column, _sent(event, "cut"))


@guarded
def set_cut(server: Server, run_key: str, column: Any, threshold: float | None = None) -> tuple:
    """Return what follows the cut on the slider; without one, the found one."""
    return _cut_at(server, run_key, column, threshold)


def _cut_at(server: Server, run_key: str, column: Any, threshold: Any) -> tuple:
    run = server.runs.get(run_key)
    return _settled(run, neuron.checked_neuron(run, column), neuron.checked_cut(threshold))


@guarded
def pick_count(server: Server, run_key: str, column: Any, threshold: Any, event: gr.EventData) -> dict:
    """Return the pictures that the clicked count stands for."""
    run = server.runs.get(run_key)
    return neuron.counted(run, neuron.checked_neuron(run, column), neuron.checked_cut(threshold), _sent(event, "which"))
