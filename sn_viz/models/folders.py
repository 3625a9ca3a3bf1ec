"""Where models lie that were given by a folder, so that a saved run can name its model without a path of the machine.

Takes the name a run keeps and the model's key; returns the folder, where this machine has seen it. It loads nothing.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path

from sn_viz.models.catalog import CATALOG
from sn_viz.models.hub.name import is_pinned_name
from sn_viz.paths import cache_folder

FILE = "model-folders.json"
MOST = 200
"""How many folders are remembered; the one seen first goes first."""
MOST_BYTES = 2**20


def saved_name(model: str) -> str:
    """Return what a saved run calls its model: a known name, or a model of the hub at a commit, as it is; else the folder's name.

    Examples
    --------
    >>> saved_name("/home/me/models/my-llava")
    'my-llava'
    """
    if _is_known(model):
        return model
    return re.split(r"[\\/]+", model.rstrip("\\/"))[-1] or "model"


def _is_known(model: str) -> bool:
    """Return whether a name finds its model on any machine."""
    return is_pinned_name(model) or any(model in (row.name, row.hub_id) for row in CATALOG)


def remember(model: str, key: str) -> None:
    """Note in the cache folder where the model of that key lies; a name that is no folder is not noted."""
    if saved_name(model) == model or not key or not Path(model).is_dir():
        return
    known = _known()
    if known.pop(key, None) == model:
        return
    known[key] = model
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, fresh = tempfile.mkstemp(prefix=f".{FILE}-", dir=folder)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(dict(list(known.items())[-MOST:]), file, indent=1)
        os.replace(fresh, folder / FILE)
    except OSError:
        return  # it only costs naming the folder again


def folder_of(name: str, key: str) -> str | None:
    """Return the folder of the model that a run calls ``name``, or None where it is a known name or was not seen here.

    Parameters
    ----------
    name : str
        From `saved_name`.
    key : str
        The model's key, as the run keeps it. One with other weights, or in another number format, is not it.
    """
    if _is_known(name):
        return None
    folder = _known().get(key)
    return folder if folder is not None and saved_name(folder) == name and Path(folder).is_dir() else None


def _known() -> dict[str, str]:
    """Return folders by key; nothing when the file is absent, too large or not in order."""
    path = cache_folder() / FILE
    try:
        if path.stat().st_size > MOST_BYTES:
            return {}
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    pairs = known.items() if isinstance(known, dict) else ()
    return {key: folder for key, folder in pairs if isinstance(key, str) and isinstance(folder, str)}
