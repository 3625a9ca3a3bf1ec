"""The export: the run folder, one offline page of figures, and the neurons as a table, in one zip.

Takes the key of a run; returns the path of a zip in Gradio's own temporary folder, which is emptied regularly.
"""

from __future__ import annotations

import csv
import io
import tempfile
import zipfile
from pathlib import Path

from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from sn_viz.report.page import write_report
from sn_viz.sources.text import csv_cell
from sn_viz.storage.save import save_run
from sn_viz.types import RunRecord
from sn_viz.ui.components import neuron
from sn_viz.ui.server.guard import guarded
from sn_viz.ui.server.session import finished
from sn_viz.ui.server.state import Server

N_NEURONS = 1000


@guarded
def bundle(server: Server, run_key: str) -> str:
    """Return the path of a zip with everything about the run."""
    run = finished(server.runs.get(run_key))
    made = server.exports.find(run_key)
    if made is None or not Path(made).is_file():
        data = zipped(run)
        server.arrivals.make_room(len(data))
        made = save_bytes_to_cache(data, "super-neurons.zip", get_upload_folder())
        server.exports.put(made, run_key)
    return made


def zipped(run: RunRecord) -> bytes:
    """Return the zip: ``run/`` (reopens in the app, on the command line and in Python), ``report.html`` and ``neurons.csv``."""
    buffer = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="sn-viz-") as folder, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        saved = save_run(run, Path(folder) / "run")
        write_report(run, Path(folder) / "report.html")
        archive.write(Path(folder) / "report.html", "report.html")
        for path in sorted(saved.rglob("*")):
            if path.is_file():
                archive.write(path, str(Path("run") / path.relative_to(saved)))
        archive.writestr("neurons.csv", neurons_csv(run))
    return buffer.getvalue()


def neurons_csv(run: RunRecord, n_rows: int = N_NEURONS) -> str:
    """Return the best neurons as CSV; a cell that a spreadsheet would run as a formula is quoted."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*neuron.HEADERS, "threshold", "sign"])
    for row in neuron.table(run, n_rows):
        cut = neuron.cut(run, row[0])
        writer.writerow(
            [csv_cell(cell) if isinstance(cell, str) else cell for cell in [*row, float(f"{cut.threshold:.6g}"), cut.sign]]
        )
    return text.getvalue()
