"""The set of examples below the sources: every image by class; a click chooses one to move to another class or to remove.

Takes clicks; keeps ``Edits`` and the chosen image in the session, and shows the set with them made. The edits themselves are in
``edits``, the images in ``examples_section``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from sn_viz.errors import Cancelled, UserError
from sn_viz.plots import style
from sn_viz.types import LabelledImages
from sn_viz.ui.components import edits, views
from sn_viz.ui.components.edits import Edits, Example
from sn_viz.ui.sections import examples_section
from sn_viz.ui.sections.examples_section import Where
from sn_viz.ui.server.guard import guarded, message
from sn_viz.ui.server.jobs import Done, steps
from sn_viz.ui.server.quotas import visitor
from sn_viz.ui.server.state import Server

PAGE_TILES = 24
"""Images of each class shown at first, and more at each click on the number of the rest."""
HINT = "Click an image to move it to another class or to remove it."
ON_CARDS = "Click pictures on the cards to choose them, then move or remove them; or drag them."


class EditPanel(NamedTuple):
    """The widgets, in the order in which handlers return their values."""

    grid: gr.HTML
    panel: gr.Row
    image: gr.HTML
    told: gr.HTML
    to: gr.Radio
    remove: gr.Button
    undo: gr.Button
    redo: gr.Button


class Chosen(NamedTuple):
    """What is looked at; lives in the session."""

    example: Example | None = None
    pages: int = 1
    of: str = ""
    """Name of the set."""


def layout() -> EditPanel:
    """Place the widgets."""
    with gr.Row(equal_height=False, elem_classes="sn-panel sn-edit", elem_id="edit-panel") as panel:
        with gr.Column(scale=1, min_width=120, elem_classes="sn-edit-image"):
            image = views.pictures_view("set-image")
        with gr.Column(scale=7, min_width=220):
            told = views.facts_view("set-told")
            to = gr.Radio([], label="Its class", elem_id="set-class", visible=False)
            with gr.Row(elem_classes="sn-tight sn-edit-buttons"):
                remove = gr.Button("Remove this image", size="sm", elem_id="btn-remove-image", interactive=False, min_width=140)
                undo = gr.Button("Undo", size="sm", elem_id="btn-undo-edit", interactive=False, min_width=90)
                redo = gr.Button("Redo", size="sm", elem_id="btn-redo-edit", interactive=False, min_width=90)
    grid = views.pictures_view("labelled-set", "")
    return EditPanel(grid, panel, image, told, to, remove, undo, redo)


def connect(
    server: Server, panel: EditPanel, tab: examples_section.Examples, states: Any, cards: gr.State, changed: list[Any]
) -> Any:
    """Wire the panel: the set is shown anew at every event of ``changed``; edits go into ``states.edits``.

    Returns what is triggered when a set was read and is shown.
    """
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    chosen = gr.State(Chosen())
    where = examples_section.inputs(tab, states.source, states.pack, cards)
    looked_at = [states.edits, chosen, *where]
    outputs = [states.edits, chosen, *panel]
    shown = gr.on(
        changed, server.bind(show), looked_at, list(panel), trigger_mode="multiple", concurrency_limit=None, **private
    )  # at once: a call stops the one before it
    panel.grid.pick(server.bind(pick), looked_at, outputs, **private)
    panel.to.input(server.bind(move), [panel.to, *looked_at], outputs, **private)
    panel.remove.click(server.bind(remove), looked_at, outputs, **private)
    panel.undo.click(server.bind(undo), looked_at, outputs, **private)
    panel.redo.click(server.bind(redo), looked_at, outputs, **private)
    return shown.then


def show(server: Server, request: gr.Request, made: Edits, chosen: Chosen, *where: Any) -> Iterator[tuple]:
    """Show the set as it is now, read as a job that the next one stops; a set that cannot be read says why in its place."""
    place, owner = Where.of(where), visitor(request)
    try:
        flag = server.previews.flag(owner, place.key)
        images = examples_section.at_hand(server, place, owner)
        if images is None:
            for step in steps(server.reading, examples_section.reading(server, place, owner), flag, owner):
                if isinstance(step, Done):
                    images = step.value
                else:
                    yield _instead(f"{step.text}.")
        assert images is not None, "a job ends with its result or an exception"
        if flag.is_set():  # another set was chosen meanwhile: it is shown already
            raise Cancelled
        yield _shown(images, made.belonging_to(place.name), _of(chosen, place), place)
    except Cancelled:
        yield (gr.skip(),) * len(EditPanel._fields)
    except Exception as error:  # put into words in place of the set; faults of ours are logged by ``message``
        silent = isinstance(error, UserError) and not examples_section.uploaded(place)
        yield _instead("" if silent else message(error))


def _instead(said: str) -> tuple:
    """Return the values of ``EditPanel`` with a sentence where the set would be.

    The panel itself stays and is unseen while it says nothing: what Gradio hides misses what it is told meanwhile.
    """
    nothing = {"groups": []}
    return {"groups": [], "empty": said}, gr.skip(), nothing, {}, gr.Radio(visible=False), *(gr.skip(),) * 3


@guarded
def pick(server: Server, event: gr.EventData, request: gr.Request, made: Edits, chosen: Chosen, *where: Any) -> tuple:
    """Choose the clicked image, or show more of them."""
    place, base, made, chosen = _looked_at(server, request, made, chosen, where)
    images = edits.apply(base, made)
    if isinstance(event._data, dict) and event._data.get("more"):
        chosen = chosen._replace(pages=chosen.pages + 1)
    else:
        index = views.tile_of(event, [_members(images, label, chosen.pages) for label in range(len(images.classes))])
        chosen = chosen._replace(example=edits.example_at(images, index))
    return made, chosen, *_shown(base, made, chosen, place)


@guarded
def move(server: Server, to: str, request: gr.Request, made: Edits, chosen: Chosen, *where: Any) -> tuple:
    """Move the chosen image to the class ``to``."""
    place, base, made, chosen = _looked_at(server, request, made, chosen, where)
    images = edits.apply(base, made)
    example = _example(chosen)
    made = edits.move(images, made, example, to)
    return made, chosen, *_shown(base, made, chosen, place, f"{_name(base, example)} is now in “{to}”.")


@guarded
def remove(server: Server, request: gr.Request, made: Edits, chosen: Chosen, *where: Any) -> tuple:
    """Remove the chosen image."""
    place, base, made, chosen = _looked_at(server, request, made, chosen, where)
    example = _example(chosen)
    made = edits.remove(edits.apply(base, made), made, example)
    chosen = chosen._replace(example=None)
    return made, chosen, *_shown(base, made, chosen, place, f"{_name(base, example)} was removed.")


@guarded
def undo(server: Server, request: gr.Request, made: Edits, chosen: Chosen, *where: Any) -> tuple:
    """Take the last change back, and choose its image."""
    place, base, made, chosen = _looked_at(server, request, made, chosen, where)
    made, last = edits.undo(made)
    if last is None:
        raise UserError("There is nothing to undo.", "This set was not changed.", "Click an image to change it.")
    images = edits.apply(base, made)
    index = edits.index_of(images, last.example)
    chosen = chosen._replace(example=last.example)
    said = "" if index is None else f"Undone: {_name(base, last.example)} is back in “{images.classes[images.labels[index]]}”."
    return made, chosen, *_shown(base, made, chosen, place, said)


@guarded
def redo(server: Server, request: gr.Request, made: Edits, chosen: Chosen, *where: Any) -> tuple:
    """Make the change again that was undone last."""
    place, base, made, chosen = _looked_at(server, request, made, chosen, where)
    made, last = edits.redo(made)
    if last is None:
        raise UserError("There is nothing to make again.", "Nothing was undone.", "Click an image to change it.")
    chosen = chosen._replace(example=last.example if last.to is not None else None)
    now = f"is in “{last.to}”" if last.to is not None else "is removed"
    return made, chosen, *_shown(base, made, chosen, place, f"Made again: {_name(base, last.example)} {now}.")


def _looked_at(
    server: Server, request: gr.Request, made: Edits, chosen: Chosen, where: Any
) -> tuple[Where, LabelledImages, Edits, Chosen]:
    place = Where.of(where)
    return place, examples_section.loaded(server, place, visitor(request)), made.belonging_to(place.name), _of(chosen, place)


def _of(chosen: Chosen, place: Where) -> Chosen:
    return chosen if chosen.of == place.name else Chosen(of=place.name)


def _example(chosen: Chosen) -> Example:
    if chosen.example is None:
        raise UserError("No image is chosen.", "The page shows an older set, or the image was removed.", "Click an image first.")
    return chosen.example


def _name(images: LabelledImages, example: Example) -> str:
    index = edits.index_of(images, example)
    return "The image" if index is None else images.names[index][:60]


def _members(images: LabelledImages, label: int, pages: int) -> list[int]:
    return np.flatnonzero(images.labels == label).tolist()[: PAGE_TILES * pages]


def _shown(base: LabelledImages, made: Edits, chosen: Chosen, place: Where, said: str = "") -> tuple:
    """Return the values of ``EditPanel``."""
    images = edits.apply(base, made)
    index = edits.index_of(images, chosen.example)
    now = None if index is None else images.classes[images.labels[index]]
    what, on_cards = "probing images" if place.source == "pack" else "images", place.source == "own"
    return (
        {"groups": [], "empty": ""} if on_cards else _grid(images, edits.moved_to(base, made), chosen, what),
        gr.skip(),
        _picture(images, index),
        _told(images, index, said or ("" if index is not None or not on_cards else ON_CARDS)),
        gr.Radio(choices=list(images.classes), value=now, visible=index is not None),
        gr.Button(interactive=index is not None, visible=not on_cards),
        gr.Button(interactive=bool(made.made)),
        gr.Button(interactive=bool(made.undone)),
    )


def _grid(images: LabelledImages, moved: set[Example], chosen: Chosen, what: str) -> dict:
    groups, colours = [], style.colour_pairs(images.classes)
    for label, (name, count) in enumerate(edits.counts(images)):
        members = _members(images, label, chosen.pages)
        tiles = [_tile(images, i, moved, chosen.example) for i in members]
        groups.append({**views.group(name, tiles, f"{count} {what}", colours[label], count - len(members)), "pages": True})
    return {"groups": groups, "empty": ""}


def _tile(images: LabelledImages, index: int, moved: set[Example], chosen: Example | None) -> dict[str, str]:
    example = edits.example_at(images, index)
    own_question = "" if images.question else f" · {example.question}"
    mark, badge = "picked" if example == chosen else "none", "moved" if example in moved else ""
    return views.tile(images.pictures[index], f"{images.names[index]}{own_question}", mark, badge)


def _picture(images: LabelledImages, index: int | None) -> dict:
    if index is None:
        return {"groups": [], "empty": ""}
    tile = {**views.tile(images.pictures[index], images.names[index]), "src": views.thumbnail(images.pictures[index], 224)}
    return {"groups": [{**views.group("", [tile]), "plain": True}]}


def _told(images: LabelledImages, index: int | None, said: str) -> dict:
    counted = " · ".join(f"{count} {name}" for name, count in edits.counts(images))
    changed = next((note.removeprefix(edits.NOTE) for note in images.notes if note.startswith(edits.NOTE)), "")
    if index is not None and not said:
        question = "" if images.question else f" {images.questions[index]}"
        said = f"{images.names[index][:60]}.{question}"
    lines = [said or HINT, f"Changed by hand: {changed}" if changed else ""]
    return {"title": counted, "note": " ".join(filter(None, lines)), "warnings": edits.too_few(images)}
