"""What a saved run is on disk: ``run.json``, one .npy file per array, one PNG per picture, and ``run.sha256``.

Nothing is pickled. ``run.json`` lists the SHA-256 of every other file and ``run.sha256`` holds its own, so that a damaged folder is
refused instead of half read. ``save`` writes such a folder and ``load`` reads it. This module knows no model.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from sn_viz.storage.run_arrays import layouts, open_regular
from sn_viz.types import Picture
from sn_viz.voting.committees import is_fitted

FORMAT = 2
RUN_FILE = "run.json"
DIGEST_FILE = "run.sha256"
"""The SHA-256 of ``run.json``, in the form that ``sha256sum --check`` reads."""
MOST_PNG = 32 * 2**20
"""Bytes of one kept picture."""
OURS = re.compile(r"run\.json|run\.sha256|pictures")
PICTURE = re.compile(r"[0-9a-f]{64}\.png")
FORM = re.compile(rb'\s*\{\s*"format"\s*:\s*(\d{1,9})\s*[,}]')


def digest_line(text: bytes) -> bytes:
    """Return what ``run.sha256`` says of this ``run.json``."""
    return f"{hashlib.sha256(text).hexdigest()}  {RUN_FILE}\n".encode()


def files_of(facts: Any) -> list[str]:
    """Return the files that a run of these facts consists of, beside ``run.json`` and ``run.sha256``."""
    shas = dict.fromkeys((*facts.splits.train.pictures, *facts.splits.test.pictures))
    return [
        *(f"{name}.npy" for name in layouts(len(facts.baselines), is_fitted(facts.config.weighting))),
        *(f"pictures/{sha}.png" for sha in shas),
    ]


def write_png(picture: Picture, path: Path) -> None:
    """Write a picture as PNG."""
    from PIL import Image

    Image.fromarray(picture.pixels).save(path, format="PNG", compress_level=1)


def read_png(folder: Path, sha: str) -> Picture:
    """Return a kept picture; ValueError when it is too large, or not the one that its name says."""
    from sn_viz.sources.ingest import decode

    with open_regular(folder / "pictures" / f"{sha}.png") as file:
        data = file.read(MOST_PNG + 1)
    if len(data) > MOST_PNG:
        raise ValueError(f"picture {sha[:12]} has more than {MOST_PNG:,} bytes")
    picture = decode(data, f"{sha[:12]}.png")
    if picture.sha256 != sha:
        raise ValueError(f"picture {sha[:12]} is another one")
    return picture
