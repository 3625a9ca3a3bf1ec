"""A saved run in a zip: opened as if it came from somebody who wants to harm.

Takes the path of a zip, such as the page saves; returns the run, held in memory, with nothing of it left on the disk. No name in
the archive becomes a path: the files that a run may consist of are looked for by their exact names, whatever else lies beside them
is not touched, and every byte is counted while it is inflated. What was unpacked goes through `sn_viz.storage.load.load_run`, which
checks digests, fields and arrays. It knows no model.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from sn_viz.errors import UserError
from sn_viz.sources.budget import MIB, Budget
from sn_viz.sources.text import quoted
from sn_viz.sources.zip_file import Entry, Inflater, entries_of, opened_archive
from sn_viz.storage.load import load_run
from sn_viz.storage.run_file import MOST_BYTES
from sn_viz.storage.run_folder import DIGEST_FILE, MOST_PNG, RUN_FILE
from sn_viz.types import RunRecord

PART = re.compile(r"run\.json|run\.sha256|[a-z0-9_]{1,80}\.npy|pictures/[0-9a-f]{64}\.png")
"""Names of files that a saved run consists of, relative to its folder."""
BUDGET = Budget(files=20_000, zip_bytes=1024 * MIB, inflated_bytes=1024 * MIB, file_bytes=512 * MIB, inflated_ratio=1100)
"""Of one archive. Arrays of few values shrink to a thousandth, as far as deflate goes; what counts is what all inflate to."""


def load_zip(path: str | Path, budget: Budget = BUDGET, folder: Path | None = None) -> RunRecord:
    """Read a saved run from a zip.

    Parameters
    ----------
    path : str or Path
        A zip with one saved run in it, in whatever folder; other files may lie beside it.
    budget : Budget
        Limits on files and bytes.
    folder : Path, optional
        Where it is unpacked for a moment; by default the system's folder for temporary files.

    Returns
    -------
    Run
        Its arrays lie in memory.

    Raises
    ------
    UserError
        When it is no zip, holds no run or several, is too large, damaged, or not what a run may be.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{quoted(path.name)} was not opened.", "There is no such file.", "Name a folder or a zip of a saved run.")
    with opened_archive(path, budget) as archive, tempfile.TemporaryDirectory(prefix="sn-viz-open-", dir=folder) as made:
        entries, _ = entries_of(archive, path.name, budget)
        inflater, target = Inflater(archive, path.name, budget), Path(made) / "run"
        (target / "pictures").mkdir(parents=True)
        for name, entry in _parts(entries, path.name).items():
            (target / name).write_bytes(inflater.inflate(entry, _most(name, budget)))
        try:
            run = load_run(target)
        except UserError as error:
            raise UserError(f"{quoted(path.name)} was not opened.", error.cause, error.hint) from error
        return replace(run, train_values=np.array(run.train_values), test_values=np.array(run.test_values))


def load_any(path: str | Path) -> RunRecord:
    """Read a saved run from its folder, or from a zip."""
    return load_zip(path) if Path(path).is_file() else load_run(path)


def _parts(entries: list[Entry], name: str) -> dict[str, Entry]:
    """Return the files of the one run in an archive, by their names inside its folder."""
    plain = [entry for entry in entries if not entry.leaves]
    runs = [entry.path.parent for entry in plain if entry.path.name == RUN_FILE]
    if len(runs) != 1:
        cause = "It holds no run.json." if not runs else f"It holds {len(runs)} saved runs."
        raise UserError(f"{quoted(name)} was not opened.", cause, "Choose a zip that Save made, or one of a run's folder.")
    found: dict[str, Entry] = {}
    for entry in plain:
        inside = _inside(entry.path, runs[0])
        if inside is None or not PART.fullmatch(inside):
            continue
        if inside in found:
            raise UserError(f"{quoted(name)} was not opened.", f"It holds {inside[:80]} twice.", "Zip the folder of the run again.")
        found[inside] = entry
    return found


def _inside(path: PurePosixPath, folder: PurePosixPath) -> str | None:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else None


def _most(name: str, budget: Budget) -> int:
    if name in (RUN_FILE, DIGEST_FILE):
        return min(MOST_BYTES, budget.file_bytes)
    return min(MOST_PNG if name.endswith(".png") else budget.file_bytes, budget.file_bytes)
