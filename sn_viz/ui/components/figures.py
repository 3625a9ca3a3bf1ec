"""Every registered figure on the page: its place, and the text that is drawn there.

Takes a Run or an ``Info`` of ``sn_viz.plots``; returns ``plotly_view.payload`` texts. What there is to draw, and on which tab, is
said by the plots themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from sn_viz.plots import PLOTS, heatmap, histogram, ordered, style, units
from sn_viz.types import RunRecord
from sn_viz.ui.components.plotly_view import payload, plotly_view
from sn_viz.ui.server.guard import guarded

if TYPE_CHECKING:
    from sn_viz.ui.server.state import Server


def element_id(name: str) -> str:
    """Return the id of the element that shows the plot ``name``."""
    return f"fig-{name}"


def place(name: str, drawn_by: str = "plot") -> gr.HTML:
    """Place the plot ``name`` and its hint where the page is being built; ``drawn_by`` is the page's function that draws it."""
    view = plotly_view(element_id(name), drawn_by)
    if PLOTS[name].hint:
        gr.HTML(f'<p class="sn-hint">{escape(PLOTS[name].hint)}</p>')
    return view


def others(tab: str, placed: Iterable[str] = ()) -> list[str]:
    """Return the plots of ``tab`` that are made of a run alone and are not among those ``placed`` by hand."""
    return [name for name in ordered(tab) if name not in set(placed) and PLOTS[name].info is not None]


def place_all(names: list[str]) -> dict[str, gr.HTML]:
    """Place the plots ``names`` two side by side, each in a panel of its own."""
    views = {}
    with gr.Row(equal_height=True, visible=bool(names)):
        for name in names:
            with gr.Column(scale=5, min_width=400, elem_classes="sn-panel"):
                views[name] = place(name)
    return views


def text(name: str, info: Any, label: str = "", run: RunRecord | None = None) -> str:
    """Return the plot ``name`` of ``info``; ``label`` says what it shows when its title is too general.

    With a ``run`` whose test was edited after looking, a plot of held-out figures says so.
    """
    plot = PLOTS[name]
    mark = run.held_out_mark if run is not None and plot.held_out else ""
    said = ", ".join(filter(None, (label or plot.title, mark)))
    return payload(lambda dark: style.marked(plot.figure(info, dark), mark, dark), said)


def draw(name: str, run: RunRecord) -> str:
    """Return the plot ``name`` of ``run``; an empty one says so when there is nothing to draw."""
    plot = PLOTS[name]
    assert plot.info is not None, name
    earlier = () if plot.again is None else (PLOTS[plot.again].info(run),)
    info = plot.info(run, *earlier)
    if info is None:
        return payload(partial(style.empty, plot.title, plot.missing), plot.title)
    return text(name, info, run=run)


def draw_all(names: Iterable[str], run: RunRecord) -> list[str]:
    """Return the plots ``names`` of ``run``, in that order."""
    return [draw(name, run) for name in names]


def connect(server: Server, views: dict[str, gr.HTML], run_key: gr.State) -> None:
    """Redraw ``views``, plots by name, whenever ``run_key`` names another run."""
    names = list(views)

    @guarded
    def show(key: str) -> Any:
        """Return the plots of a new run."""
        drawn = draw_all(names, server.runs.get(key)) if key else [gr.skip() for _ in names]
        return drawn[0] if len(drawn) == 1 else tuple(drawn)

    if names:
        run_key.change(show, [run_key], list(views.values()), api_visibility="private", show_progress="hidden")


def draw_units(run: RunRecord, layer: int, site: str) -> str:
    """Return the top units inside one block."""
    drawn = partial(units.drawing, units.info(run, layer, site))
    return payload(drawn, f"Top units of layer {run.neurons.layer_name(layer)}, {site}")


def draw_heatmap(run: RunRecord, shown: str = "best", numbers: bool = False) -> str:
    """Return the heatmap, with what stands in every cell in words."""
    info = heatmap.info(run)
    mark = run.held_out_mark
    label = ", ".join(filter(None, (f"{heatmap.TITLE}, by {heatmap.SHOWN[shown]}", mark)))
    return payload(
        lambda dark: style.marked(heatmap.figure(info, dark, shown, numbers), mark, dark), label, said=heatmap.described(info, mark)
    )


def draw_histogram(run: RunRecord, neuron: int, dragging: dict[str, Any] | None = None) -> str:
    """Return one neuron's activations by class; over it the page lays the cut, of which ``dragging`` tells all it needs."""
    drawn = partial(histogram.docked, histogram.info(run, neuron))
    return payload(drawn, f"Activations of neuron {run.neurons.name(neuron)} by class", drag=dragging)
