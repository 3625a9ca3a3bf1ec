"""Ten everyday questions on public photographs, their files fixed before the photograph model was trained.

Takes a folder with the public repositories that ``photo_questions.json`` names, each unpacked under ``OWNER+NAME``; returns
labelled photographs. It knows nothing of models. No photograph is in this repository, and none of these is ever trained on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sn_viz.errors import UserError
from sn_viz.sources.ingest import picture_from_pixels
from sn_viz.types import LabelledImages

LIST = Path(__file__).with_name("photo_questions.json")


@dataclass(frozen=True)
class PhotoQuestion:
    """A question with two answers and the photographs it is asked about."""

    id: str
    about: str
    """What it asks for: kinds, things or people."""
    question: str
    classes: tuple[str, ...]
    source: dict[str, str]
    """Commit by repository, ``OWNER+NAME``."""
    terms: str
    """The terms of the photographs as understood."""
    labels: str
    """Who said what each photograph shows; always people."""
    probing: tuple[tuple[str, int], ...]
    """Path and label of each probing photograph."""
    test: tuple[tuple[str, int], ...]

    def path(self, folder: Path, name: str) -> Path:
        """Return where the photograph ``name`` lies in ``folder``."""
        return folder / name if len(self.source) > 1 else folder / next(iter(self.source)) / name

    def load(self, folder: str | Path) -> tuple[LabelledImages, LabelledImages]:
        """Return probing and test photographs.

        Raises
        ------
        UserError
            When a photograph is not there.
        """
        first, second = (self._read(Path(folder), part) for part in (self.probing, self.test))
        return first, second

    def _read(self, folder: Path, part: tuple[tuple[str, int], ...]) -> LabelledImages:
        pictures = []
        for name, _ in part:
            path = self.path(folder, name)
            if not path.is_file():
                raise UserError(
                    f"A photograph of the question {self.id!r} is missing.",
                    f"There is no {path}.",
                    f"Unpack these repositories there: {', '.join(self.source)}.",
                )
            with Image.open(path) as image:
                pictures.append(picture_from_pixels(np.asarray(image.convert("RGB"))))
        labels = np.array([label for _, label in part], np.int64)
        names = tuple(name for name, _ in part)
        return LabelledImages(names, tuple(pictures), labels, self.classes, (self.question,) * len(part))


def photo_questions() -> list[PhotoQuestion]:
    """Return the fixed questions, in the order of the list."""
    read = json.loads(LIST.read_text(encoding="utf-8"))["questions"]
    tuples = {"classes": tuple, "probing": _pairs, "test": _pairs}
    return [PhotoQuestion(**{name: tuples.get(name, lambda v: v)(value) for name, value in one.items()}) for one in read]


def _pairs(values: list[list]) -> tuple[tuple[str, int], ...]:
    return tuple((str(name), int(label)) for name, label in values)
