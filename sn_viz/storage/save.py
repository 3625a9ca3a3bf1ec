"""Write a ``Run`` into a folder, so that whenever the process is killed a whole run is on the disk, never a mixture.

No path of the machine is kept. What could not be read again is not written.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from sn_viz.errors import UserError
from sn_viz.models.folders import remember, saved_name
from sn_viz.storage.run_arrays import arrays_of, digest, layouts
from sn_viz.storage.run_folder import DIGEST_FILE, FORM, FORMAT, OURS, PICTURE, RUN_FILE, digest_line, write_png
from sn_viz.storage.summary import as_json, summary
from sn_viz.types import Partial, RunRecord

ABANDONED_SECONDS = 24 * 3600
"""What a killed save left beside the folder is removed by a later save, once it is this old."""


def save_run(run: RunRecord, folder: str | Path) -> Path:
    """Write a run into a folder.

    Everything is written beside the folder first and moved into place at the end. Whenever the process is killed, the folder
    holds the earlier run, the new one, or, between two renames, nothing: never a mixture, and never less than one whole run on
    the disk.

    Parameters
    ----------
    run : Run
        What to save; pictures included.
    folder : str or Path
        Made if needed. An earlier saved run there is replaced; files that are not part of it stay.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    UserError
        When the folder holds something that is not a saved run, or cannot be written.
    """
    if isinstance(run, Partial):
        raise UserError("This result was not saved.", f"It is not finished: {run.said}.", "Wait until it is.")
    folder = Path(folder)
    check_folder(folder)
    folder = folder.resolve()  # a link to a folder stays a link
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            _write(run, fresh)
            fresh.chmod(0o777 & ~_umask())
            _put_in_place(fresh, folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        _sweep(folder)
    except OSError as error:
        raise UserError(
            f"The run was not saved in {str(folder)!r}.",
            f"{error.strerror or error}.",
            "Name a folder you may write, with room on its disk.",
        ) from error
    return folder


def _put_in_place(fresh: Path, folder: Path) -> None:
    """Let ``fresh`` take the place of ``folder``: the earlier run is moved aside whole, and goes only when the new one stands."""
    if not folder.exists():
        fresh.rename(folder)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-earlier-", dir=folder.parent)) / folder.name
    folder.rename(aside)
    try:
        fresh.rename(folder)
    except OSError:
        aside.rename(folder)
        aside.parent.rmdir()
        raise
    _keep_others(aside, folder)
    shutil.rmtree(aside.parent, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what saves to this place left beside it when they were killed: only what is old, and holds nothing but a run."""
    name = re.compile(rf"\.{re.escape(folder.name)}-(earlier-)?[a-z0-9_]{{8}}")
    for path in list(folder.parent.iterdir()):
        match = name.fullmatch(path.name)
        if not match or path.is_symlink() or not path.is_dir() or time.time() - path.stat().st_mtime < ABANDONED_SECONDS:
            continue
        inside = path / folder.name if match[1] else path
        if not any(others for others in (set(path.iterdir()) - {inside} if match[1] else (), _others(inside))):
            shutil.rmtree(path, ignore_errors=True)


def _others(folder: Path) -> list[Path]:
    """Return what lies in a folder and its pictures and is no part of a saved run."""
    arrays = layouts(1000, fitted=True)
    found = [
        path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if not (OURS.fullmatch(path.name) or (path.suffix == ".npy" and path.stem in arrays))
    ]
    pictures = folder / "pictures"
    return found + [path for path in (pictures.iterdir() if pictures.is_dir() else ()) if not PICTURE.fullmatch(path.name)]


def _keep_others(earlier: Path, folder: Path) -> None:
    """Move what is not part of the earlier run, such as a report or notes, into the folder of the new one."""
    for path in _others(earlier):
        path.rename(folder / path.relative_to(earlier))


def check_folder(folder: str | Path) -> None:
    """Raise a UserError when a run cannot be saved in ``folder``; asked before a long search, not only after it."""
    folder = Path(folder)
    try:
        taken = folder.exists() and not (folder.is_dir() and (_holds_a_run(folder) or not any(folder.iterdir())))
    except OSError as error:
        cause = f"{error.strerror or error}."
        raise UserError(f"The run cannot be saved in {str(folder)!r}.", cause, "Name a folder you may write.") from error
    if taken:
        raise UserError(f"{str(folder)!r} is not a folder for a run.", "It holds other files.", "Name a new or empty folder.")
    above = next(path for path in folder.absolute().parents if path.exists())
    if not (above.is_dir() and os.access(above, os.W_OK)):
        raise UserError(
            f"The run cannot be saved in {str(folder)!r}.", "Nothing can be written there.", "Name a folder you may write."
        )


def _holds_a_run(folder: Path) -> bool:
    """Return whether there is a ``run.json`` that begins as ours do; other programs write files of that name too."""
    if not (folder / RUN_FILE).is_file():
        return False
    with (folder / RUN_FILE).open("rb") as file:
        return FORM.match(file.read(100)) is not None


def _write(run: RunRecord, folder: Path) -> None:
    from sn_viz.storage import run_file

    as_facts = run_file.as_facts
    for name, array in arrays_of(run).items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
    (folder / "pictures").mkdir()
    for picture in {p.sha256: p for split in (run.train, run.test) for p in split.pictures}.values():
        write_png(picture, folder / "pictures" / f"{picture.sha256}.png")
    remember(run.config.model, run.versions.get("model", ""))
    config = replace(run.config, model=saved_name(run.config.model))
    facts = {
        "format": FORMAT,
        "summary": summary(run),
        "config": as_facts(config),
        "site_names": run.neurons.site_names,
        "splits": {name: as_facts(split) for name, split in (("train", run.train), ("test", run.test))},
        "by_layer": [as_facts(row) for row in run.by_layer],
        "baselines": [as_facts(baseline) for baseline in run.baselines],
        "findings": run.findings,
        **as_facts(run),
        "files": {str(p.relative_to(folder).as_posix()): digest(p) for p in sorted(folder.rglob("*")) if p.is_file()},
    }
    text = json.dumps(as_json(facts), indent=1, ensure_ascii=False, allow_nan=False).encode("utf-8")
    try:
        run_file.read(text)  # what could not be read again is not written
    except ValueError as error:
        raise UserError("The run was not saved.", f"{error}.", "Shorten or correct that, and save it again.") from error
    (folder / RUN_FILE).write_bytes(text)
    (folder / DIGEST_FILE).write_bytes(digest_line(text))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
