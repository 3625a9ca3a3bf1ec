"""Save the set of examples as it is now, changes by hand included: a zip of class folders that every way in reads back.

Takes where the examples come from and what was changed; returns the path of a zip among the uploads, which are emptied regularly.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from sn_viz.errors import Cancelled, UserError
from sn_viz.sources.export import save_folders
from sn_viz.types import LabelledImages, Progress
from sn_viz.ui.components import edits, views
from sn_viz.ui.components.edits import Edits
from sn_viz.ui.sections import examples_section
from sn_viz.ui.sections.examples_section import Where
from sn_viz.ui.server.guard import message
from sn_viz.ui.server.jobs import Done, steps
from sn_viz.ui.server.paths import upload_folder
from sn_viz.ui.server.quotas import visitor
from sn_viz.ui.server.state import Server

NAME, ABOUT = "super-neurons-set.zip", "set.json"
CLICK = "() => setTimeout(() => document.querySelector('#set-file a, a#set-file, #set-file')?.click(), 200)"


class SaveSet(NamedTuple):
    """The widgets."""

    save: gr.Button
    file: gr.DownloadButton
    told: gr.HTML


def layout() -> SaveSet:
    """Place the widgets."""
    with gr.Row(elem_classes="sn-tight sn-save-set"):
        save = gr.Button("Save this set", size="sm", elem_id="btn-save-set", min_width=120, scale=0)
        file = gr.DownloadButton("Download", visible="hidden", elem_id="set-file")
        told = views.status_view("set-saved")
    return SaveSet(save, file, told)


def connect(server: Server, panel: SaveSet, tab: examples_section.Examples, states: Any, cards: gr.State, question: Any) -> None:
    """Wire the button; the browser takes the file when it is there."""
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    where = examples_section.inputs(tab, states.source, states.pack, cards)
    panel.save.click(
        server.bind(save), [states.edits, question, *where], [panel.file, panel.told], concurrency_limit=None, **private
    ).success(None, None, None, js=CLICK, **private)


def save(server: Server, request: gr.Request, made: Edits, question: str, *where: Any) -> Iterator[tuple]:
    """Write the set as a job; yields (path of the zip, status)."""
    place, owner = Where.of(where), visitor(request)
    try:
        images = edits.apply(examples_section.loaded(server, place, owner), made.belonging_to(place.name))
        asked = " ".join((question or "").split())[:300]
        flag = server.stops.flag(server.stops.new())
        for step in steps(server.reading, lambda progress: written(server, images, asked, progress), flag, owner):
            if isinstance(step, Done):
                said = f"Saved: {len(images):,} pictures. Open it again under Files, or on the command line."
                yield step.value, views.status(said, tone="done")
            else:
                yield gr.skip(), views.status(step.text, f"{step.seconds:.0f} s", step.fraction, "busy")
    except Cancelled:
        yield gr.skip(), views.status("Stopped.", tone="idle")
    except Exception as error:  # put into words in its place; faults of ours are logged by ``message``
        yield gr.skip(), views.status(message(error), tone="error")


def written(server: Server, images: LabelledImages, question: str, progress: Progress) -> str:
    """Return the path of a zip of ``images``: class folders, ``images.csv`` (label, question, group, split) and ``set.json``."""
    progress(0.0, "Writing the pictures")
    asked = images if any(text.strip() for text in images.questions) or not question else images.ask(question)
    with tempfile.TemporaryDirectory(prefix="sn-viz-set-") as folder:
        saved = save_folders(asked, Path(folder) / "set")
        (saved / ABOUT).write_text(json.dumps(about(images, question), ensure_ascii=False, indent=2), encoding="utf-8")
        files = sorted(path for path in saved.rglob("*") if path.is_file())
        server.arrivals.make_room(sum(path.stat().st_size for path in files))
        target = Path(tempfile.mkdtemp(dir=upload_folder())) / NAME
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            for number, path in enumerate(files, start=1):
                progress(number / len(files), f"Packing picture {number:,} of {len(files):,}")
                archive.write(path, path.relative_to(saved).as_posix())
    return str(target)


def about(images: LabelledImages, question: str) -> dict[str, Any]:
    """Return what ``set.json`` says of a set, for people: nothing in it is needed to read the set."""
    by_hand = [note.removeprefix(edits.NOTE) for note in images.notes if note.startswith(edits.NOTE)]
    if not len(images):
        raise UserError("The set was not saved.", "It holds no pictures.", "Add some first.")
    return {
        "made_by": "sn_viz",
        "question": question or images.question,
        "classes": [{"name": name, "pictures": count} for name, count in edits.counts(images)],
        "groups": len(set(images.groups) - {""}),
        "changed_by_hand": by_hand,
        "notes": [note for note in images.notes if not note.startswith(edits.NOTE)],
    }
