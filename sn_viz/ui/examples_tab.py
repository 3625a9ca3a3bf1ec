"""The Examples tab: where labelled images come from.

Takes clicks and uploads; returns the images as ``sources`` reads them. Every uploaded byte goes through ``sources`` and nowhere
else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from sn_viz.errors import UserError
from sn_viz.sources import load_images
from sn_viz.sources.pack import load_pack
from sn_viz.types import LabelledImages
from sn_viz.ui import packs, views
from sn_viz.ui.guard import guarded

MAX_CLASSES, FEWEST_CLASSES = 6, 2
NAMES = ("yes", "no", "class 3", "class 4", "class 5", "class 6")
PREVIEW_TILES = 18
PRIVACY = "Your images stay on this server; nothing is sent anywhere."


class Examples(NamedTuple):
    """The widgets of the tab."""

    cards: gr.HTML
    tabs: gr.Tabs
    pack_tab: gr.Tab
    own_tab: gr.Tab
    file_tab: gr.Tab
    names: list[gr.Textbox]
    galleries: list[gr.Gallery]
    columns: list[gr.Column]
    add: gr.Button
    remove: gr.Button
    file: gr.File


def layout() -> Examples:
    """Place the widgets."""
    with gr.Tabs(elem_id="sources", selected="pack") as tabs:
        with gr.Tab("Sample packs", id="pack", elem_id="source-pack") as pack_tab:
            cards = views.cards_view("packs")
        with gr.Tab("My images", id="own", elem_id="source-own") as own_tab:
            names, galleries, columns, add, remove = _class_columns()
        with gr.Tab("Zip or CSV", id="file", elem_id="source-file") as file_tab:
            gr.HTML(
                '<p class="sn-hint">A zip, one folder per class, or a CSV (image, label, question) and a zip of its images.</p>'
            )
            file = gr.File(
                label="Zip, or CSV and zip",
                file_count="multiple",
                file_types=[".zip", ".csv", ".jsonl"],
                height=150,
                elem_id="upload-file",
            )
    return Examples(cards, tabs, pack_tab, own_tab, file_tab, names, galleries, columns, add, remove, file)


def _class_columns() -> tuple:
    names, galleries, columns = [], [], []
    with gr.Row(equal_height=False, elem_classes="sn-classes"):
        for index in range(MAX_CLASSES):
            with gr.Column(min_width=220, visible=index < FEWEST_CLASSES, elem_classes="sn-panel") as column:
                names.append(gr.Textbox(NAMES[index], label=f"Class {index + 1}", max_length=80, elem_id=f"class-name-{index + 1}"))
                galleries.append(
                    gr.Gallery(
                        label="Files, webcam or paste",
                        sources=["upload", "webcam", "clipboard"],
                        type="filepath",
                        file_types=["image"],
                        columns=4,
                        height=220,
                        object_fit="cover",
                        interactive=True,
                        elem_id=f"class-images-{index + 1}",
                    )
                )
            columns.append(column)
    with gr.Row(elem_classes="sn-tight"):
        add = gr.Button("Add a class", size="sm", elem_id="btn-add-class")
        remove = gr.Button("Remove the last class", size="sm", elem_id="btn-remove-class")
    return names, galleries, columns, add, remove


def connect(tab: Examples, labelled_set: gr.HTML, source: gr.State, pack: gr.State, question: gr.Textbox) -> gr.State:
    """Wire the tab: ``source`` is the chosen way in, ``pack`` the chosen pack; returns the number of classes shown."""
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    n_classes = gr.State(FEWEST_CLASSES)
    for sub_tab, name in ((tab.pack_tab, "pack"), (tab.own_tab, "own"), (tab.file_tab, "file")):
        sub_tab.select(_switch(name), [pack, tab.file], [source, labelled_set, question], **private)
    tab.cards.pick(pick_pack, None, [pack, source, question, labelled_set], **private)
    tab.file.change(preview_file, tab.file, [labelled_set], **private)
    for button, step in ((tab.add, 1), (tab.remove, -1)):
        button.click(_stepped(step), n_classes, [n_classes, *tab.columns], **private)
    return n_classes


def _switch(name: str) -> Any:
    @guarded
    def switch(pack: str, files: list[str] | None) -> tuple:
        """Show the set of the chosen source; a question typed for another source goes, a pack brings its own."""
        if name == "pack":
            return name, preview_pack(pack), packs.question_of(packs.packs()[pack])
        return name, (preview_file(files) if name == "file" and files else {"groups": [], "empty": ""}), ""

    return switch


def _stepped(step: int) -> Any:
    def change(count: int) -> tuple:
        """Show one class more or less."""
        count = min(MAX_CLASSES, max(FEWEST_CLASSES, int(count) + step))
        return count, *(gr.Column(visible=index < count) for index in range(MAX_CLASSES))

    return change


@guarded
def pick_pack(event: gr.EventData) -> tuple:
    """Choose the clicked pack: its question and its images."""
    name = views.card_of(event, list(packs.packs()))
    return name, "pack", packs.question_of(packs.packs()[name]), preview_pack(name)


def preview_pack(name: str) -> dict:
    """Return the probing images of a pack, by class."""
    return preview(load_pack(name)[0], "probing images")


@guarded
def preview_file(files: list[str] | None) -> dict:
    """Return the images of an uploaded file, by class; an unreadable one says why."""
    if not files:
        return {"groups": [], "empty": ""}
    return preview(from_files(files, None), "images")


def preview(images: LabelledImages, what: str) -> dict:
    """Return a group of tiles per class."""
    groups = []
    for label, name in enumerate(images.classes):
        members = np.flatnonzero(images.labels == label).tolist()
        tiles = [_tile(images, i) for i in members[:PREVIEW_TILES]]
        groups.append(views.group(name, tiles, f"{len(members)} {what}", label, max(0, len(members) - PREVIEW_TILES)))
    return {"groups": groups, "empty": ""}


def _tile(images: LabelledImages, example: int) -> dict[str, str]:
    own_question = "" if images.question else f" · {images.questions[example]}"
    return views.tile(images.pictures[example], f"{images.names[example]}{own_question}")


def from_galleries(count: int, names: list[str], galleries: list[Any], question: str | None) -> LabelledImages:
    """Return the images uploaded class by class.

    Raises
    ------
    UserError
        When a class has no name or no images, or an image cannot be read.
    """
    data = []
    for name, gallery in zip(names[:count], galleries[:count], strict=True):
        files = [entry[0] if isinstance(entry, list | tuple) else entry for entry in gallery or []]
        data.append((name, [(Path(path).name, Path(path)) for path in files]))
    if not any(files for _, files in data):
        raise UserError(
            "There are no images yet.", "Every class is empty.", "Add a few images to each class, or choose a sample pack."
        )
    empty = [name for name, files in data if not files]
    if empty:
        raise UserError(
            f"The class {empty[0]!r} has no images.", "Each class needs some.", "Add images to it, or remove the class."
        )
    return load_images(data, question)


def from_files(files: list[str] | None, question: str | None) -> LabelledImages:
    """Return the images of an uploaded zip, or of a CSV or JSONL with a zip."""
    if not files:
        raise UserError("There is no file yet.", "Nothing was uploaded.", "Upload a zip with one folder per class.")
    if len(files) > 2:
        raise UserError(f"{len(files)} files are too many.", "One zip is read, or one table with one zip.", "Remove the others.")
    return load_images(Path(files[0]) if len(files) == 1 else (Path(files[0]), Path(files[1])), question)


def check_asked(images: LabelledImages) -> None:
    """Raise a ``UserError`` when an image has no question."""
    if not all(question.strip() for question in images.questions):
        raise UserError(
            "There is no question yet.", "The model is asked something about every image.", "Write a question, such as: Is it ripe?"
        )
