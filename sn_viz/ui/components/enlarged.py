"""A picture of a run, enlarged: the page opens its dialog at once and asks here for a copy large enough to look at.

Takes the key of a run; the picture is named by its split and place, and encoded afresh.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from sn_viz.errors import UserError
from sn_viz.report.thumbnails import data_url
from sn_viz.types import LabelledImages, RunRecord
from sn_viz.ui.components import views
from sn_viz.ui.components.neuron import class_of
from sn_viz.ui.server.guard import guarded
from sn_viz.ui.server.state import Server

PIXELS = 640


def layout() -> gr.HTML:
    """Place the view, which is unseen; the page's ``snViz.enlarge`` opens the dialog."""
    return views.unseen_view("enlarged", "snViz.enlarger(element, props, watch, (which) => trigger('pick', which))")


def connect(server: Server, view: gr.HTML, run_key: gr.State) -> None:
    """Answer the page with pictures of the run that ``run_key`` names."""
    asked: Any = view
    asked.pick(server.bind(large), [run_key], view, queue=False, api_visibility="private", show_progress="hidden")


@guarded
def large(server: Server, run_key: str, event: gr.EventData) -> dict[str, Any]:
    """Return the picture that the page asks for, as {split, example, src, caption, facts}."""
    data = event._data if isinstance(event._data, dict) else {}
    split, example = data.get("split"), data.get("example")
    images = images_of(server.runs.get(run_key), split, example)
    name = class_of(images, example)
    return {
        "split": split,
        "example": example,
        "src": data_url(images.pictures[example].pixels, PIXELS, "WEBP", enlarge=True),
        "caption": f"{name} · {images.names[example]}"[:160],
        "facts": [f"{'Test' if split == 'test' else 'Probing'} picture of class “{name}”"],
    }


def images_of(run: RunRecord, split: Any, example: Any) -> LabelledImages:
    """Return the images of the split that a picture is said to be of.

    Raises
    ------
    UserError
        When the run has no such split, or nothing at that place.
    """
    images = {"train": run.train, "test": run.test}.get(split) if isinstance(split, str) else None
    if images is None or isinstance(example, bool) or not isinstance(example, int) or not 0 <= example < len(images):
        raise UserError("This picture is not in the result.", "The page is older than the result.", "Reload the page.")
    return images
