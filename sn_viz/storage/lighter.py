"""A run with smaller pictures or none, for saving: everything that was found stays as it is.

Takes a run and how its pictures are to be kept; returns a run whose pictures are thumbnails, or grey in their place. What of a run
needs its pictures (asking the model about them again, the shortcut) is refused in a sentence by `check_has_pictures`.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TypeVar

import numpy as np
from PIL import Image

from sn_viz.errors import UserError
from sn_viz.types import LabelledImages, Picture, RunRecord

AnyRun = TypeVar("AnyRun", bound=RunRecord)
KINDS = {"pictures": "with the pictures", "thumbnails": "with thumbnails", "figures": "figures only"}
"""How pictures may be kept, and what that is called."""
MANY = 1000
"""Beyond so many pictures thumbnails are the default."""
SIDE = 96
"""Pixels of a thumbnail's longer side."""
KEPT = "kept"
"""The finding that says how pictures were kept, and by which SHA-256 they are known."""
GREY, PLACE = 205, 12
SAID = {
    "thumbnails": "Its pictures were saved as thumbnails: the model is not asked about them again.",
    "figures": "It was saved without its pictures: grey stands in their place, and the model is not asked about them again.",
}


def usual_kind(run: RunRecord) -> str:
    """Return how the pictures of a run are kept unless somebody says otherwise."""
    return "thumbnails" if len(run.train) + len(run.test) > MANY else "pictures"


def lighter(run: AnyRun, kind: str) -> AnyRun:
    """Return the run with its pictures kept in that way.

    Parameters
    ----------
    run : Run
    kind : str
        An entry of ``KINDS``. A run that has thumbnails or nothing left stays as it is where more is asked for.

    Returns
    -------
    The same kind of run
        With a warning and a finding that say what is missing.

    Raises
    ------
    UserError
        When there is no such way.
    """
    if kind not in KINDS:
        raise UserError(f"There is no way to save called {str(kind)[:40]!r}.", f"There are: {', '.join(KINDS)}.", "Choose one.")
    ways, now = list(KINDS), kept_of(run)
    if ways.index(kind) <= ways.index(now):
        return run
    known = {name: original_shas(run, name) for name in ("train", "test")}
    make = _thumbnail if kind == "thumbnails" else _in_its_place
    made: dict[str, Picture] = {}

    def light(images: LabelledImages) -> LabelledImages:
        for picture in images.pictures:
            if picture.sha256 not in made:
                made[picture.sha256] = make(picture)
        return replace(images, pictures=tuple(made[picture.sha256] for picture in images.pictures))

    warnings = tuple(text for text in run.warnings if text not in SAID.values())
    found = {**run.findings, KEPT: {"pictures": kind, **known}}
    return replace(run, train=light(run.train), test=light(run.test), warnings=(*warnings, SAID[kind]), findings=found)


def kept_of(run: RunRecord) -> str:
    """Return how the pictures of a run are kept, an entry of ``KINDS``."""
    kind = run.findings.get(KEPT, {}).get("pictures")
    return kind if kind in KINDS else "pictures"


def original_shas(run: RunRecord, split: str) -> list[str]:
    """Return the SHA-256 of the pictures that a split ("train" or "test") was made with, whatever is kept of them."""
    images = getattr(run, split)
    known = run.findings.get(KEPT, {}).get(split)
    if isinstance(known, list) and len(known) == len(images) and all(isinstance(sha, str) and len(sha) == 64 for sha in known):
        return known
    return [picture.sha256 for picture in images.pictures]


def check_has_pictures(run: RunRecord) -> None:
    """Raise a UserError unless the pictures of a run are those that it was made with."""
    if (kind := kept_of(run)) != "pictures":
        raise UserError("The pictures of this run are not here.", SAID[kind], "Open one that was saved with its pictures.")


def _thumbnail(picture: Picture) -> Picture:
    image = Image.fromarray(np.ascontiguousarray(picture.pixels))
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return Picture(np.array(image))


def _in_its_place(picture: Picture) -> Picture:
    """Return a grey picture that differs from those of other pictures, since examples of one picture belong together."""
    pixels = np.full((PLACE, PLACE, 3), GREY, np.uint8)
    digest = hashlib.sha256(picture.sha256.encode()).digest()[:PLACE]
    pixels[-1] = np.frombuffer(digest, np.uint8)[:, None] // 16 + (GREY - 8)
    return Picture(pixels)
