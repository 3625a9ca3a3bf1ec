"""The map of all images: what it is drawn of, its colours, and the image of a clicked point.

Takes the key of a run; pictures and activations stay on the server.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gradio as gr

from sn_viz.errors import UserError
from sn_viz.ui.components import figures, neuron, views
from sn_viz.ui.components.maps import COLOURS, map_text
from sn_viz.ui.components.plotly_view import Pick
from sn_viz.ui.server.guard import guarded
from sn_viz.ui.server.state import Server


class MapPanel(NamedTuple):
    """The widgets of the map."""

    view: gr.HTML
    layer: gr.Dropdown
    colour: gr.Radio
    image: gr.HTML


def layout() -> MapPanel:
    """Place the widgets."""
    gr.HTML('<h3 class="sn-h3">All images, by what the neurons say</h3>')
    with gr.Row(elem_classes="sn-tight"):
        layer = gr.Dropdown(["all"], value="all", label="Neurons of", elem_id="map-layer", min_width=140)
        colour = gr.Radio(
            [(text, key) for key, text in COLOURS.items()],
            value="class",
            label="Colour",
            elem_id="map-colour",
            min_width=200,
        )
    view = figures.place("map")
    image = views.pictures_view("map-image", "Click a point to see its image.")
    return MapPanel(view, layer, colour, image)


def connect(server: Server, panel: MapPanel, run_key: gr.State) -> None:
    """Draw the map of the run that ``run_key`` names, and show the image of a clicked point."""
    drawn_of = [run_key, panel.layer, panel.colour]
    run_key.change(server.bind(show_map_choices), [run_key], [panel.layer, panel.image], **_private()).then(
        server.bind(show_map), drawn_of, panel.view, **_private()
    )
    for choice in (panel.layer, panel.colour):
        choice.input(server.bind(show_map), drawn_of, panel.view, trigger_mode="always_last", **_private())
    panel.view.pick(server.bind(pick_point), [run_key], panel.image, **_private())


def _private() -> dict[str, Any]:
    return {"api_visibility": "private", "show_progress": "hidden"}


@guarded
def show_map_choices(server: Server, run_key: str) -> tuple:
    """Return the layers a map can be drawn of."""
    if not run_key:
        return gr.skip(), gr.skip()
    neurons = server.runs.get(run_key).neurons
    layers = [(f"layer {neurons.layer_name(layer)}", str(layer)) for layer in neurons.layers]
    choices = [("all layers", "all"), ("the super neurons", "super"), *layers]
    return gr.Dropdown(choices=choices, value="all"), {"groups": [], "empty": "Click a point to see its image."}


@guarded
def show_map(server: Server, run_key: str, layer: str, colour: str) -> str | dict:
    """Return the map of all images."""
    if not run_key:
        return gr.skip()
    return map_text(server.maps, run_key, server.runs.get(run_key), layer, colour)


@guarded
def pick_point(server: Server, run_key: str, event: gr.EventData) -> dict:
    """Return the image of the clicked point."""
    run, custom = server.runs.get(run_key), Pick.read(event).custom
    images = {"train": run.train, "test": run.test}.get(str(custom[1])) if len(custom) == 2 else None
    if images is None or custom[0] not in range(len(images)):
        raise UserError("This point is not in the map.", "The page is older than the result.", "Reload the page.")
    example = int(custom[0])
    kind = "probing image" if custom[1] == "train" else "test image"
    mark = "none"
    if custom[1] == "test":
        mark = "right" if run.votes.predicted[example, run.exit_index] == run.test.labels[example] else "wrong"
    name = neuron.class_of(images, example)
    tile = {
        **views.tile(images.pictures[example], images.names[example], mark),
        "src": views.thumbnail(images.pictures[example], 224),
    }
    return {"groups": [views.group(name, [tile], f"{kind} · {images.names[example][:60]}")]}
