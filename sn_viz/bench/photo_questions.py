"""Ten everyday questions on public photographs, their files fixed before the photograph model was trained.

Takes a folder with the public repositories that ``photo_questions.json`` names, each unpacked under ``OWNER+NAME``; returns
labelled photographs. It knows nothing of models. No photograph is in this repository, and none of these is ever trained on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from sn_viz.errors import UserError
from sn_viz.sources.ingest import picture_from_pixels
from sn_viz.splits.near_duplicates import near_duplicates
from sn_viz.types import LabelledImages

LIST = Path(__file__).with_name("photo_questions.json")
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
SPARE = 2
"""Times as many further photographs are looked at as are wanted: some show what others show."""


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

    def with_more(self, folder: str | Path, n: int, seed: int = 0) -> PhotoQuestion:
        """Return the question with up to ``n`` probing photographs, the classes alike, none a near-duplicate of a test photograph.

        They come out of the folders that the fixed ones lie in, all of which are kept. Where one folder holds several classes, or
        the question is asked about several repositories, no more are known and it stays as it is.
        """
        folders: dict[str, int] = {}
        for name, label in self.probing + self.test:
            if folders.setdefault(str(PurePosixPath(name).parent), label) != label:
                return self
        if n <= len(self.probing) or len(self.source) > 1:
            return self
        root = Path(folder) / next(iter(self.source))
        known = {name for name, _ in self.probing + self.test}
        rng, more = np.random.default_rng(seed), []
        for label in range(len(self.classes)):
            wanted = n // len(self.classes) - sum(own == label for _, own in self.probing)
            places = [root / place for place, own in sorted(folders.items()) if own == label]
            paths = [path for place in places for path in sorted(place.glob("*")) if path.suffix.lower() in SUFFIXES]
            others = [name for name in (path.relative_to(root).as_posix() for path in paths) if name not in known]
            drawn = [(others[int(i)], label) for i in rng.permutation(len(others))[: wanted * SPARE]]
            pictures = self._read(Path(folder), (*self.test, *drawn)).pictures
            again = {second - len(self.test) for _, second in near_duplicates(pictures)}
            more += [pair for at, pair in enumerate(drawn) if at not in again][:wanted]
        return replace(self, probing=(*self.probing, *more))

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
