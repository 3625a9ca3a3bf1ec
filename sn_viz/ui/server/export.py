"""What a visitor takes away: the saved run, the report, a script, a notebook, tables, the shortcut.

Takes the key of a run and what is wanted; returns the path of a file in Gradio's own temporary folder, which is emptied regularly.
Each is made once for a run. It knows nothing about the page.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from sn_viz.activations.model_cache import model_of
from sn_viz.errors import UserError
from sn_viz.export import repeat, tables
from sn_viz.export.shortcut import export_shortcut
from sn_viz.progress import silent
from sn_viz.report.page import write_report
from sn_viz.storage.lighter import lighter, usual_kind
from sn_viz.storage.save import save_run
from sn_viz.types import Progress, RunRecord
from sn_viz.ui.server.guard import guarded
from sn_viz.ui.server.launch import MAX_FILE_BYTES
from sn_viz.ui.server.session import FILLS, finished, size_of_pixels
from sn_viz.ui.server.state import Server

MIB = 2**20
LARGEST_SHORTCUT = 1024 * MIB
"""Bytes of weights of a model whose shortcut is made for a visitor; larger ones are for the command line."""
LARGE_PICTURES = 48 * MIB
"""Bytes of pixels beyond which thumbnails are saved unless somebody says otherwise: the zip is to be opened here again."""


@dataclass(frozen=True)
class Wanted:
    """One thing to take away."""

    name: str
    """Of the file."""
    make: Callable[[RunRecord, Progress], bytes]


def wanted(what: str, detail: str = "") -> Wanted:
    """Return how something is made.

    Parameters
    ----------
    what : str
        "run", "report", "script", "notebook", "shortcut", "csv" or "json".
    detail : str
        Of a run, how its pictures are kept; of a CSV or JSON, which table.

    Raises
    ------
    UserError
        When there is no such thing.
    """
    if what == "run":
        return Wanted("super-neurons.zip", lambda run, progress: zipped(run, detail))
    if what in ("csv", "json"):
        as_text = tables.as_csv if what == "csv" else tables.as_json_text
        return Wanted(f"{detail}.{what}", lambda run, progress: as_text(tables.rows_of(run, detail)).encode("utf-8"))
    made = {
        "report": Wanted("report.html", lambda run, progress: _report(run)),
        "script": Wanted("again.py", lambda run, progress: repeat.script(run).encode("utf-8")),
        "notebook": Wanted("again.ipynb", lambda run, progress: repeat.notebook(run).encode("utf-8")),
        "shortcut": Wanted("shortcut.zip", _shortcut),
    }
    if what not in made:
        raise UserError(
            "There is nothing of that kind to take away.", f"There are: run, csv, json, {', '.join(made)}.", "Choose one."
        )
    return made[what]


@guarded
def bundle(server: Server, run_key: str, pictures: str = "") -> str:
    """Return the path of a zip with everything about the run, its pictures kept as ``pictures`` says, or as is usual."""
    return taken_away(server, run_key, "run", pictures or usual_pictures(finished(server.runs.get(run_key))))


def taken_away(server: Server, run_key: str, what: str, detail: str = "", progress: Progress = silent) -> str:
    """Return the path of what is wanted of a run, made now or before."""
    run, key = finished(server.runs.get(run_key)), f"{run_key.partition(FILLS)[0]}|{what}|{detail}"
    made = server.exports.find(key)
    if made is None or not Path(made).is_file():
        one = wanted(what, detail)
        data = one.make(run, progress)
        server.arrivals.make_room(len(data))
        made = save_bytes_to_cache(data, one.name, get_upload_folder())
        server.exports.put(made, key)
    return made


def usual_pictures(run: RunRecord) -> str:
    """Return how pictures are kept unless somebody says otherwise, so that what is saved here opens here."""
    large = size_of_pixels(run.train) + size_of_pixels(run.test) > LARGE_PICTURES
    return "thumbnails" if large else usual_kind(run)


def too_large_to_open(path: str) -> bool:
    """Return whether a file is larger than one that the page takes."""
    return Path(path).stat().st_size > MAX_FILE_BYTES


def zipped(run: RunRecord, pictures: str = "pictures") -> bytes:
    """Return the zip: ``run/`` (opens in the page, on the command line and in Python), ``report.html`` and ``neurons.csv``."""
    buffer, run = io.BytesIO(), lighter(run, pictures)
    with tempfile.TemporaryDirectory(prefix="sn-viz-") as folder, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        saved = save_run(run, Path(folder) / "run")
        archive.writestr("report.html", _report(run))
        _add(archive, saved, "run")
        archive.writestr("neurons.csv", tables.as_csv(tables.rows_of(run, "neurons")))
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, folder: Path, inside: str) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            archive.write(path, str(Path(inside) / path.relative_to(folder)))


def _report(run: RunRecord) -> bytes:
    with tempfile.TemporaryDirectory(prefix="sn-viz-") as folder:
        write_report(run, Path(folder) / "report.html")
        return (Path(folder) / "report.html").read_bytes()


def _shortcut(run: RunRecord, progress: Progress) -> bytes:
    vlm = model_of(run.config)
    if 4 * vlm.n_weights > LARGEST_SHORTCUT:
        raise UserError(
            "This shortcut is too large to be sent.",
            f"Its model has {vlm.n_weights:,} weights.",
            "Save the run and use: sn-viz export run/ --shortcut DIR",
        )
    buffer = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="sn-viz-") as folder, zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, export_shortcut(run, Path(folder) / "shortcut", vlm=vlm, progress=progress), "shortcut")
    return buffer.getvalue()
