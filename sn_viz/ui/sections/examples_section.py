"""The drawer of pictures: where labelled images come from.

Takes clicks and uploads; returns the images as ``sources`` reads them. Every uploaded byte goes through ``sources`` and nowhere
else. What is changed by hand afterwards is in ``edit_panel``.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from sn_viz.errors import UserError
from sn_viz.groups import group_index, n_groups
from sn_viz.sources import load_images
from sn_viz.sources.budget import DEFAULT, Budget
from sn_viz.sources.classes import TEST, TRAIN
from sn_viz.sources.hub import SCHEME as HUB
from sn_viz.sources.pack import load_pack
from sn_viz.sources.tar_file import ENDS as TAR_ENDS
from sn_viz.sources.text import listed, quoted
from sn_viz.types import LabelledImages, Progress
from sn_viz.ui.components import class_cards, views
from sn_viz.ui.components.cards import Cards, Shot
from sn_viz.ui.components.class_cards import RECORDED_AGAIN, RECORDING
from sn_viz.ui.components.edits import Edits
from sn_viz.ui.server import datasets, packs
from sn_viz.ui.server.guard import guarded
from sn_viz.ui.server.jobs import run_job
from sn_viz.ui.server.offered import Usual
from sn_viz.ui.server.state import Server
from sn_viz.ui.server.uploads import UploadedFile

WEBCAM_FILE = "webcam_upload."
"""How a bare path of a picture of the webcam is called."""
PRIVACY = "Your images stay on this server; nothing is sent anywhere."


class Examples(NamedTuple):
    """The widgets of the tab."""

    cards: gr.HTML
    tabs: gr.Tabs
    pack_tab: gr.Tab
    own_tab: gr.Tab
    file_tab: gr.Tab
    board: gr.HTML
    """The class cards."""
    file: gr.File
    hub_name: gr.Dropdown
    """The data set of the hub that is written or chosen."""
    hub_read: gr.Button
    hub: gr.State
    """The one that is read, as ``hub:OWNER/NAME``; "" for an uploaded file."""


def layout(public: bool = False) -> Examples:
    """Place the widgets; on a ``public`` server with only those data sets of the hub that its operator names."""
    with gr.Tabs(elem_id="sources", selected="pack") as tabs:
        with gr.Tab("Sample packs", id="pack", elem_id="source-pack") as pack_tab:
            cards = views.cards_view("packs")
        with gr.Tab("My images", id="own", elem_id="source-own") as own_tab:
            board = class_cards.view()
        with gr.Tab("Files", id="file", elem_id="source-file") as file_tab:
            gr.HTML(
                '<p class="sn-hint">A zip or tar, one folder per class, or a saved set; a CSV or JSONL (image, label, '
                "question) and a zip of its images; a Parquet file. A folder with one folder per class may be dropped anywhere in "
                "this drawer.</p>"
            )
            file = UploadedFile(
                label="Zip, tar or Parquet, or a table and a zip",
                file_count="multiple",
                file_types=[".zip", ".csv", ".jsonl", *TAR_ENDS, ".parquet"],
                height=150,
                elem_id="upload-file",
            )
            listed = datasets.offered(public)
            with gr.Row(elem_classes="sn-tight", visible=bool(listed)):
                hub_name = gr.Dropdown(
                    listed,
                    value=None,
                    label="Or a data set of the hub",
                    info="OWNER/NAME, perhaps with @REVISION or :CONFIG/SPLIT",
                    allow_custom_value=not public,
                    scale=4,
                    elem_id="hub-data",
                )
                hub_read = gr.Button("Read it", size="sm", scale=1, min_width=90, elem_id="btn-hub-data")
    hub = gr.State("")
    return Examples(cards, tabs, pack_tab, own_tab, file_tab, board, file, hub_name, hub_read, hub)


class Where(NamedTuple):
    """What the widgets say about where the examples come from; ``loaded`` turns it into images."""

    source: str
    """"pack", "own" or "file"."""
    pack: str
    count: int
    """Classes shown."""
    files: list[str] | None
    """Paths of uploaded files, or one data set of the hub."""
    names: tuple[str, ...]
    galleries: tuple[Any, ...]
    again: tuple[Any, ...] = ()
    """The second recordings."""

    @classmethod
    def of(cls, values: Sequence[Any]) -> Where:
        """Return what the values of ``inputs`` say."""
        source, pack, cards, files, hub = values
        names = tuple(card.name for card in cards.cards)
        galleries, again = tuple(card.shots for card in cards.cards), tuple(card.again for card in cards.cards)
        return cls(source, pack, len(cards), [hub] if hub else files, names, galleries, again)

    @property
    def name(self) -> str:
        """Name of the set, the same when images are added to it."""
        if self.source == "pack":
            return f"pack:{self.pack}"
        return "own" if self.source == "own" else f"file:{self.key}"

    @property
    def key(self) -> str:
        """Digest of everything the images are read from; files are kept under a digest of their content."""
        own = self.count, self.names, self.galleries, self.again
        read = {"pack": (self.pack,), "file": (self.files,), "own": own}[self.source]
        return hashlib.sha256(repr((self.source, read)).encode()).hexdigest()[:32]


def inputs(tab: Examples, source: gr.State, pack: gr.State, cards: gr.State) -> list[Any]:
    """Return the widgets whose values ``Where.of`` reads."""
    return [source, pack, cards, tab.file, tab.hub]


def at_hand(server: Server, where: Where, owner: str) -> LabelledImages | None:
    """Return the images of ``where`` when nothing of a visitor's need be read for them: a pack's, or those read before."""
    if where.source == "pack":
        return load_pack(packs.checked(where.pack))[0]
    return server.sets.find(f"{owner}|{where.key}")


def loaded(server: Server, where: Where, owner: str) -> LabelledImages:
    """Return the images of ``where`` with their own questions; a pack's are its probing images.

    Raises
    ------
    UserError
        When the pack does not exist, something cannot be read, or ``owner`` has uploaded too much.
    Cancelled
        When ``owner`` began to read something else meanwhile.
    """
    images = at_hand(server, where, owner)
    return _read_now(server, where, owner) if images is None else images


def _read_now(server: Server, where: Where, owner: str) -> LabelledImages:
    return run_job(server.reading, reading(server, where, owner), owner, server.previews.flag(owner, where.key))


def reading(server: Server, where: Where, owner: str) -> Callable[[Progress], LabelledImages]:
    """Return the job that reads the images of ``where``; it can be stopped between two of them."""

    def work(progress: Progress) -> LabelledImages:
        """Count, read and keep the images."""
        images = at_hand(server, where, owner)  # perhaps read while this job waited
        if images is None:
            server.uploads.count(owner, uploaded(where))
            budget = heard(progress)
            if where.source == "own":
                images = from_galleries(where.count, where.names, where.galleries, None, budget, where.again)
            else:
                images = from_files(where.files, None, budget)
            server.sets.put(images, f"{owner}|{where.key}", owner)
        return images

    return work


def heard(progress: Progress) -> Budget:
    """Return the budget of uploads, with a report before each image that is read, at which a job may be stopped."""
    return replace(DEFAULT, files_may_go=True, proceed=lambda number: progress(0.0, f"Reading your images: number {number:,}"))


def uploaded(where: Where) -> list[str]:
    """Return the paths of the files that ``where`` is read from."""
    if where.source == "file":
        return [path for path in where.files or [] if not path.startswith(HUB)]
    galleries = (*where.galleries[: where.count], *where.again[: where.count]) if where.source == "own" else ()
    return [path for gallery in galleries for path in paths_of(gallery)]


def paths_of(gallery: Any) -> list[str]:
    """Return the paths of pictures, given as paths or as ``Shot``."""
    return [entry.path if isinstance(entry, Shot) else entry for entry in gallery or []]


def connect(
    tab: Examples,
    source: gr.State,
    pack: gr.State,
    touched: gr.State,
    question: gr.Textbox,
    model: gr.Dropdown,
    usual: Usual,
    public: bool = False,
) -> list[Any]:
    """Wire the tab and return the events after which the set is another, for ``gr.on``.

    ``source`` is the chosen way in, ``pack`` the chosen pack, ``model`` the chosen one, which follows source and pack
    while it is the ``usual`` one. ``touched`` is new whenever one of the first two, or a class card, was set.
    """
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    for sub_tab, name in ((tab.pack_tab, "pack"), (tab.own_tab, "own"), (tab.file_tab, "file")):
        sub_tab.select(_switch(name, usual), [source, pack, model], [touched, source, question, model], **private)
    tab.cards.pick(_picker(usual), [source, pack, model], [touched, pack, source, question, model], **private)
    tab.hub_read.click(_hub_chooser(public), tab.hub_name, [touched, tab.hub], **private)
    tab.file.change(_file_instead, None, [touched, tab.hub], **private)
    return [touched.change]


def connect_cards(server: Server, tab: Examples, cards: gr.State, edits: gr.State, touched: gr.State) -> None:
    """Wire what people do on the class cards: ``cards`` and ``edits`` follow, and ``touched`` once the set is complete.

    Through the queue, for only there does Gradio tell the page that a state has changed.
    """
    tab.board.act(
        server.bind(act),
        [cards, edits],
        [cards, edits, tab.board, touched],
        trigger_mode="multiple",
        concurrency_limit=None,
        api_visibility="private",
        show_progress="hidden",
    )


def act(server: Server, event: gr.EventData, cards: Cards, made: Edits) -> tuple:
    """Do what the script asks on the cards; it waits for the answer before it asks for more."""
    what = event._data
    result = class_cards.done(cards, made.belonging_to("own"), what)
    ack = class_cards.number_in(what, "seq", 0, 2**31)
    tiles = class_cards.number_in(what, "tiles", class_cards.PAGE_TILES, class_cards.MAX_TILES)
    value = class_cards.shown(result.cards, server.arrivals, ack, result.said, result.wrong, tiles)
    edited = gr.skip() if made.of != "own" and not result.edits.made else result.edits
    return result.cards, edited, value, touch() if result.is_new else gr.skip()


def touch() -> str:
    """Return a new value for the state that tells everybody to look at the set again."""
    return secrets.token_hex(8)


def _switch(name: str, usual: Usual) -> Any:
    @guarded
    def switch(source: str, pack: str, model: str) -> tuple:
        """Choose a source; a question typed for another source goes, a pack brings its own."""
        question = packs.question_of(packs.packs()[pack]) if name == "pack" else ""
        return touch(), name, question, suiting(model, usual, (source, pack), (name, pack))

    return switch


def _hub_chooser(public: bool) -> Any:
    @guarded
    def choose(name: str) -> tuple[str, str]:
        """Take the data set of the hub that is named in place of a file."""
        return touch(), datasets.chosen(name, public)

    return choose


def _file_instead() -> tuple[str, str]:
    """Take the uploaded file in place of a data set of the hub."""
    return touch(), ""


def _picker(usual: Usual) -> Any:
    @guarded
    def pick_pack(event: gr.EventData, source: str, pack: str, model: str) -> tuple:
        """Choose the clicked pack, and its question."""
        name = views.card_of(event, list(packs.packs()))
        now = suiting(model, usual, (source, pack), ("pack", name))
        return touch(), name, "pack", packs.question_of(packs.packs()[name]), now

    return pick_pack


def suiting(model: str, usual: Usual, was: tuple[str, str], now: tuple[str, str]) -> str:
    """Return the model for another (source, pack): what was chosen by hand, else the usual one there."""
    before, after = (usual(pack if source == "pack" else None) for source, pack in (was, now))
    return after if model == before else model


def from_galleries(
    count: int,
    names: Sequence[str],
    galleries: Sequence[Any],
    question: str | None,
    budget: Budget = DEFAULT,
    again: Sequence[Any] = (),
) -> LabelledImages:
    """Return the images uploaded class by class.

    The pictures of one recording of the webcam are one group. Those of ``again``, a second recording, are to be tested on.

    Raises
    ------
    UserError
        When a class has no name or no images, or an image cannot be read.
    """
    data = []
    for number, (name, gallery) in enumerate(zip(names[:count], galleries[:count], strict=True)):
        second = shots_of(again[number] if number < len(again) else None, RECORDED_AGAIN + name)
        first = [
            (shot.name, Path(shot.path), shot.group, TRAIN if second and shot.group else "")
            for shot in shots_of(gallery, RECORDING + name)
        ]
        data.append((name, [*first, *((f"test {shot.name}", Path(shot.path), shot.group, TEST) for shot in second)]))
    if not any(files for _, files in data):
        raise UserError(
            "There are no images yet.", "Every class is empty.", "Add a few images to each class, or choose a sample pack."
        )
    empty = [name for name, files in data if not files]
    if empty:
        raise UserError(
            f"The class {empty[0]!r} has no images.", "Each class needs some.", "Add images to it, or remove the class."
        )
    return load_images(data, question, budget=budget)


def shots_of(gallery: Any, recording: str) -> list[Shot]:
    """Return pictures given as ``Shot`` or as bare paths, of which the webcam's are the group ``recording``."""
    return [
        each if isinstance(each, Shot) else Shot(each, Path(each).name, recording if is_webcam(each) else "")
        for each in gallery or []
    ]


def is_webcam(path: str) -> bool:
    """Return whether the page's webcam took the picture at ``path``."""
    return Path(path).name.startswith(WEBCAM_FILE)


def recorded_once(images: LabelledImages) -> tuple[str, ...]:
    """Return the classes that are nothing but one webcam recording."""
    groups, alone = group_index(images), []
    for label, name in enumerate(images.classes):
        rows = np.flatnonzero(images.labels == label)
        is_one = n_groups(groups[rows]) == 1
        if images.groups and is_one and any(images.groups[row].startswith(RECORDING) for row in rows):
            alone.append(name)
    return tuple(alone)


def open_again(server: Server, classes: Sequence[str], cards: Cards) -> tuple:
    """Ask on the cards of ``classes`` for a second recording; returns the tab "My images", a status, the cards and their view."""
    now = cards.asking_again(classes)
    told = f"Record {listed([quoted(name) for name in classes])} again, somewhere else or at another time, and find again."
    said = views.status(told, "The new pictures are the test.", tone="idle")
    return gr.Tabs(selected="own"), said, now, class_cards.shown(now, server.arrivals)


def from_files(files: list[str] | None, question: str | None, budget: Budget = DEFAULT) -> LabelledImages:
    """Return the images of an uploaded zip, tar or Parquet, or of a CSV or JSONL with a zip."""
    if not files:
        raise UserError("There is no file yet.", "Nothing was uploaded.", "Upload a zip with one folder per class.")
    if files[0].startswith(HUB):
        return load_images(files[0], question, budget=budget)
    if len(files) > 2:
        raise UserError(
            f"{len(files)} files are too many.", "One zip, tar or Parquet is read, or one table with one zip.", "Remove the others."
        )
    return load_images(Path(files[0]) if len(files) == 1 else (Path(files[0]), Path(files[1])), question, budget=budget)


def check_asked(images: LabelledImages) -> None:
    """Raise a ``UserError`` when an image has no question."""
    if not all(question.strip() for question in images.questions):
        raise UserError(
            "There is no question yet.", "The model is asked something about every image.", "Write a question, such as: Is it ripe?"
        )
