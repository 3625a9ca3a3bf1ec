"""Sample packs: labelled images that are drawn, or cut from what the dependencies carry, on demand and by seed.

Takes a pack's name; returns probing and test images that never overlap. It knows nothing of models.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Condition
from typing import Any

import numpy as np
from cachetools import LRUCache, cached
from PIL import Image

from sn_viz.errors import UserError
from sn_viz.sources.budget import Budget
from sn_viz.sources.gather import Found
from sn_viz.sources.ingest import picture_from_pixels
from sn_viz.sources.source import SOURCES
from sn_viz.types import LabelledImages
from sn_viz.world.ahead import Wanted, draw_ahead, drawn_ahead
from sn_viz.world.tasks import TASKS, YES_NO, draw_task

N_TRAIN, N_TEST = 60, 200
"""How many probing and test images a pack has unless asked otherwise."""
KEPT = 2
"""Packs of usual size that stay at hand: one takes some 40 MB, shared with the runs on it, and two thirds of a second to draw."""
SIDE = 224
"""Pixels a side of digits and crops."""


@dataclass(frozen=True)
class Pack:
    """What there is to choose."""

    name: str
    title: str
    question: str
    """"" when it changes with the image."""
    classes: tuple[str, ...]
    trained: bool
    """Whether the embedded model was trained on questions of this kind."""
    origin: str
    demonstration: str = ""
    """Why no accuracy can be measured on it, for people; "" when one can."""
    credit: str = ""
    """Whose photographs they are and on which terms, for people; "" where there are none."""
    model: str | None = None
    """The model that answers unless another is named; None: the usual one."""


BETTER_WITH_TINY_LLAVA = ("anything-red", "any-animal", "nearer")
"""Packs on which tiny-photo's super neurons lose more than two points to tiny-llava's, at the exits that each chose."""


def model_of_pack(name: str) -> str | None:
    """Return the model that a pack brings, None where it brings none or there is no such pack."""
    return next((pack.model for pack in pack_names() if pack.name == name), None)


def pack_names() -> list[Pack]:
    """Return every pack, in the order people see them."""
    own: dict[str, str] = dict.fromkeys(BETTER_WITH_TINY_LLAVA, "tiny-llava")
    scenes = [Pack(n, t.title, t.question, t.classes, t.trained, "drawn scenes", model=own.get(n)) for n, t in TASKS.items()]
    return [
        *scenes,
        Pack("digits-three", "Is it a three?", DIGIT_QUESTION, YES_NO, False, "scikit-learn's handwritten digits"),
        Pack(
            "photos",
            "Flower or temple? (demonstration)",
            PHOTO_QUESTION,
            YES_NO,
            False,
            "crops of scikit-learn's two photographs",
            "A demonstration: all images of a class are crops of one photograph, so that no accuracy can be measured on them. "
            + PHOTO_CREDIT,
            PHOTO_CREDIT,
        ),
    ]


DIGIT_QUESTION = "Is it a three?"
PHOTO_QUESTION = "Is this a photograph of a flower?"
PHOTO_CREDIT = (
    "Photographs out of the installed scikit-learn: china.jpg by danielbuechele and flower.jpg by vultilion, both of flickr.com, "
    "CC BY 2.0."
)
"""As the text beside them says; of the flower it gives danielbuechele's name and vultilion's address."""
FLOWER_CREDIT = "Photograph: flower.jpg out of the installed scikit-learn, by vultilion of flickr.com, CC BY 2.0."


def flower_photograph() -> Path | None:
    """Return where the installed scikit-learn keeps its photograph of a flower; None where it has none. Nothing is imported."""
    found = importlib.util.find_spec("sklearn")
    places = [Path(folder, "datasets", "images", "flower.jpg") for folder in (found and found.submodule_search_locations) or ()]
    return next((path for path in places if path.is_file()), None)


def load_pack(name: str, n_train: int = N_TRAIN, n_test: int = N_TEST, seed: int = 0) -> tuple[LabelledImages, LabelledImages]:
    """Return the probing and the test images of a pack.

    Parameters
    ----------
    name : str
        A name of ``pack_names``.
    n_train, n_test : int
        How many of each; the digits have at most 183 threes.
    seed : int
        Draws other probing and other test images.

    Raises
    ------
    UserError
        For an unknown name, or for more images than there are.
    """
    return (_kept if n_train + n_test <= N_TRAIN + N_TEST else _made)(name, n_train, n_test, seed)


def _made(name: str, n_train: int, n_test: int, seed: int) -> tuple[LabelledImages, LabelledImages]:
    if name == "digits-three":
        return _digits(n_train, n_test, seed)
    if name == "photos":
        return _photos(n_train, n_test, seed)
    if name not in TASKS:
        there = ", ".join(pack.name for pack in pack_names())
        raise UserError(f"There is no sample pack called {name!r}.", f"There are: {there}.", "Choose one of these.")
    wanted = _scenes(name, n_train, n_test, seed)
    train, test = drawn_ahead(wanted) or [draw_task(*one) for one in wanted]
    return train, test


_kept = cached(LRUCache(KEPT), condition=Condition())(_made)
"""Whoever asks for the same at once waits for the first: the page's set, its answers and a run all look at one pack."""


def begin_pack(data: object, seed: int = 0) -> None:
    """Let a process of its own draw the scenes of ``pack:NAME``, whose `load_pack` will then take them; other data wait."""
    name = data.removeprefix("pack:") if isinstance(data, str) and data.startswith("pack:") else ""
    if name in TASKS:
        draw_ahead(_scenes(name, N_TRAIN, N_TEST, seed))


def _scenes(name: str, n_train: int, n_test: int, seed: int) -> list[Wanted]:
    return [(name, n_train, 2 * seed), (name, n_test, 2 * seed + 1)]


def _digits(n_train: int, n_test: int, seed: int) -> tuple[LabelledImages, LabelledImages]:
    """Return threes against other digits, half and half, enlarged from 8 x 8 pixels."""
    from sklearn.datasets import load_digits  # a second's import, which listing the packs can do without

    digits: Any = load_digits()
    rng = np.random.default_rng((3, seed))
    threes, others = (rng.permutation(np.flatnonzero((digits.target == 3) == truth)) for truth in (True, False))
    half = (n_train + n_test + 1) // 2
    if half > len(threes):
        raise UserError(
            "The pack 'digits-three' has too few images.",
            f"{n_train + n_test} were asked for; it has {len(threes)} threes, so at most {2 * len(threes)} images.",
            "Ask for fewer images.",
        )
    order = np.stack([others[:half], threes[:half]], 1).ravel()
    pictures = []
    for index in order:
        small = Image.fromarray((255 - digits.images[index] * 15.9).astype(np.uint8))
        pictures.append(picture_from_pixels(np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC).convert("RGB"))))
    labels = (digits.target[order] == 3).astype(np.int64)
    names = tuple(f"digit {index:04d}" for index in order)
    whole = LabelledImages(names, tuple(pictures), labels, YES_NO, (DIGIT_QUESTION,) * len(order))
    return whole.take(range(n_train)), whole.take(range(n_train, n_train + n_test))


def _photos(n_train: int, n_test: int, seed: int) -> tuple[LabelledImages, LabelledImages]:
    """Return crops of a photograph of a temple (no) and of a flower (yes), those of each photograph in one group.

    Probing and test crops come from disjoint halves, and still show one place in one light: no accuracy is measured on them.
    """
    from sklearn.datasets import load_sample_images

    temple, flower = load_sample_images().images
    halves = []
    for part, n in enumerate((n_train, n_test)):
        rng, pictures = np.random.default_rng((4, seed, part)), []
        labels = np.arange(n) % 2
        for label in labels:
            photo = (temple, flower)[label]
            middle = photo.shape[1] // 2
            half = photo[:, :middle] if part == 0 else photo[:, middle:]
            side = int(rng.integers(110, 260))
            top, left = (int(rng.integers(0, extent - side + 1)) for extent in half.shape[:2])
            crop = Image.fromarray(half[top : top + side, left : left + side]).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            pictures.append(picture_from_pixels(np.asarray(crop)))
        names = tuple(f"crop {index + 1:04d}" for index in range(n))
        groups = tuple(("temple", "flower")[label] for label in labels)
        images = LabelledImages(names, tuple(pictures), labels.astype(np.int64), YES_NO, (PHOTO_QUESTION,) * n, groups=groups)
        halves.append(images)
    return halves[0], halves[1]


@SOURCES.register("pack")
class PackSource:
    """A sample pack, drawn on demand: ``pack:NAME``."""

    @staticmethod
    def accepts(data: object) -> bool:
        return isinstance(data, str) and data.startswith("pack:")

    @staticmethod
    def read(data: str, budget: Budget) -> Iterable[Found]:
        raise UserError(f"{data!r} is read whole.", "Packs bring their own split.", "Use load_pack.")
