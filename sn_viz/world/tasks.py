"""Labelled scenes for one question: what the packs, the ``world`` command and the benchmarks are drawn from.

Takes a task's name, a number and a seed; returns ``LabelledImages``. It knows nothing of models. To add a task, add an entry to
``TASKS``. Tasks with ``trained`` False ask what training never asked, so a model that answers them has to generalise.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from sn_viz.errors import UserError
from sn_viz.types import LabelledImages, Picture
from sn_viz.world import questions
from sn_viz.world.backgrounds import BACKGROUNDS
from sn_viz.world.scene import (
    COLOUR_NAMES,
    NEW_KIND,
    PEOPLE_SIZE,
    TRAINED_BACKGROUNDS,
    TRAINED_KINDS,
    Drawing,
    Scene,
    draw_scene,
    sample_scene,
)

YES_NO = ("no", "yes")
ANIMALS = ("dog", "cat", "bird", "fish", "snail")
THINGS = tuple(kind for kind in TRAINED_KINDS if kind not in ANIMALS)

DOG = "Is there a dog in the picture?"
NEW = f"Is there an {NEW_KIND} in the picture?"
SKETCH = 48
"""Pixels a side of the small drawing that tells whether a scene suits a question; most are passed over."""

Drawn = tuple[Scene, Drawing, str]
"""A scene, its drawing, and the question asked of it."""


@dataclass(frozen=True)
class Task:
    """A question with labelled scenes."""

    title: str
    """A few words for people."""
    question: str
    """The fixed question; "" when it changes with the image."""
    classes: tuple[str, ...]
    trained: bool
    """Whether training asked questions of this kind."""
    draw: Callable[[np.random.Generator, int, int, bool], Drawn | None]
    """(generator, label, pixels a side, shifted) -> one example with that label, or None to try again."""
    mirrors: str = ""
    """The benchmark whose kind of question this is."""


def _draw(scene: Scene, size: int, rng: np.random.Generator, question: str) -> Drawn:
    return scene, draw_scene(scene, size, rng), question


def _number(rng: np.random.Generator) -> int:
    return int(rng.integers(1, 6))


def _has(question: str, kind: str, others: tuple[str, ...] = TRAINED_KINDS):
    def draw(rng, label, size, shifted):
        must = ((kind, None),) if label else ()
        kinds = tuple(k for k in others if k != kind)
        scene = sample_scene(rng, n_things=_number(rng), must=must, kinds=kinds, shifted=shifted, degraded="")
        drawn = _draw(scene, size, rng, question)
        seen = [drawn[1].visible[i] for i, k in enumerate(scene.kinds()) if k == kind]
        return drawn if all(v >= questions.SEEN for v in seen) else None

    return draw


def _any_animal(rng, label, size, shifted):
    must = ((str(rng.choice(ANIMALS)), None),) if label else ()
    scene = sample_scene(rng, n_things=_number(rng), must=must, kinds=THINGS, shifted=shifted, degraded="")
    drawn = _draw(scene, size, rng, "Is there an animal in the picture?")
    seen = [drawn[1].visible[i] for i, k in enumerate(scene.kinds()) if k in ANIMALS]
    return drawn if all(v >= questions.SEEN for v in seen) else None


def _any_red(rng, label, size, shifted):
    colours = tuple(c for c in COLOUR_NAMES if c != "red")
    must = ((str(rng.choice(TRAINED_KINDS)), "red"),) if label else ()
    scene = sample_scene(rng, n_things=_number(rng), must=must, colours=colours, shifted=shifted, degraded="")
    drawn = _draw(scene, size, rng, "Is anything red?")
    seen = [drawn[1].visible[i] for i, thing in enumerate(scene.things) if thing.colour == "red"]
    return drawn if all(v >= questions.SEEN for v in seen) else None


def _three_or_more(rng, label, size, shifted):
    wanted = int(rng.integers(3, 6)) if label else int(rng.integers(1, 3))
    scene = sample_scene(rng, n_things=wanted, shifted=shifted, degraded="")
    drawn = _draw(scene, size, rng, "Are there three or more things?")
    enough = len(scene.things) >= 3
    return drawn if enough == bool(label) and (drawn[1].visible >= questions.SEEN).all() else None


def _night(rng, label, size, shifted):
    names = [n for n in TRAINED_BACKGROUNDS if BACKGROUNDS[n].texture == "scene" and BACKGROUNDS[n].night == bool(label)]
    scene = sample_scene(rng, background=str(rng.choice(names)), shifted=shifted, degraded="")
    return _draw(scene, size, rng, "Is it night?")


def _answerable(rng, label, size, shifted):
    scene = sample_scene(rng, n_things=_number(rng), shifted=shifted, degraded="" if label else None)
    if bool(scene.degraded) == bool(label):
        return None
    return _draw(scene, size, rng, "Is this picture clear enough to answer questions about it?")


def _left_of(rng, label, size, shifted):
    scene = sample_scene(
        rng,
        n_things=_number(rng) + 1,
        must=(("dog", None), ("car", None)),
        kinds=_without("dog", "car"),
        shifted=shifted,
        degraded="",
    )
    return _compare(scene, label, size, rng, "Is the dog left of the car?", lambda dog, car: car.x - dog.x, 0.12)


def _nearer(rng, label, size, shifted):
    scene = sample_scene(
        rng,
        n_things=_number(rng) + 1,
        must=(("dog", None), ("car", None)),
        kinds=_without("dog", "car"),
        shifted=shifted,
        degraded="",
    )
    return _compare(scene, label, size, rng, "Is the dog nearer than the car?", lambda dog, car: dog.nearness - car.nearness, 0.2)


def _without(*kinds: str) -> tuple[str, ...]:
    return tuple(kind for kind in TRAINED_KINDS if kind not in kinds)


def _compare(scene: Scene, label: int, size: int, rng: np.random.Generator, question: str, gap, least: float) -> Drawn | None:
    kinds = scene.kinds()
    if kinds.count("dog") != 1 or kinds.count("car") != 1:
        return None
    dog, car = kinds.index("dog"), kinds.index("car")
    lead = gap(scene.things[dog], scene.things[car])
    if abs(lead) < least or (lead > 0) != bool(label):
        return None
    drawn = _draw(scene, size, rng, question)
    return drawn if min(drawn[1].visible[[dog, car]]) >= questions.SEEN else None


def _colour_of_car(rng, label, size, shifted):
    must = (("car", COLOUR_NAMES[label]),)
    scene = sample_scene(rng, n_things=_number(rng), must=must, kinds=_without("car"), shifted=shifted, degraded="")
    drawn = _draw(scene, size, rng, "What colour is the car?")
    return drawn if drawn[1].visible[scene.kinds().index("car")] >= questions.SEEN else None


def _varied(family: str, wordings: dict[str, tuple[str, ...]] | None = None):
    """Return a draw function whose question changes with the image, as in most benchmarks."""
    answers = questions.LETTERS if family.startswith("choice") else YES_NO

    def draw(rng, label, size, shifted):
        scene = sample_scene(rng, shifted=shifted, degraded="")
        pencil = int(rng.integers(2**32))
        sketch = draw_scene(scene, SKETCH, np.random.default_rng(pencil))
        asked = questions.ask(family, scene, sketch, rng, wordings)
        if asked is None or answers.index(asked.answer) != label:
            return None
        return scene, draw_scene(scene, size, np.random.default_rng(pencil)), asked.question

    return draw


TASKS: dict[str, Task] = {
    "presence-dog": Task("Is there a dog?", DOG, YES_NO, True, _has(DOG, "dog")),
    "presence-any": Task("Is the named thing there?", "", YES_NO, True, _varied("presence"), "POPE"),
    "answerable": Task(
        "Is the picture usable?", "Is this picture clear enough to answer questions about it?", YES_NO, False, _answerable, "VizWiz"
    ),
    "anything-red": Task("Anything red?", "Is anything red?", YES_NO, False, _any_red),
    "three-or-more": Task("Three things or more?", "Are there three or more things?", YES_NO, False, _three_or_more),
    "night": Task("Day or night?", "Is it night?", YES_NO, False, _night),
    "new-kind": Task("A thing it never saw", NEW, YES_NO, False, _has(NEW, NEW_KIND)),
    "any-animal": Task("Any animal?", "Is there an animal in the picture?", YES_NO, False, _any_animal),
    "left-of": Task("Dog left of the car?", "Is the dog left of the car?", YES_NO, True, _left_of),
    "nearer": Task("Dog nearer than the car?", "Is the dog nearer than the car?", YES_NO, True, _nearer),
    "colour-of-car": Task("Which colour is the car?", "What colour is the car?", COLOUR_NAMES, True, _colour_of_car),
    "attribute-any": Task("Has it that colour?", "", YES_NO, True, _varied("attribute"), "CLEVR"),
    "count-any": Task("Exactly so many?", "", YES_NO, True, _varied("count"), "CLEVR"),
    "relation-any": Task("Left, right, above, below?", "", YES_NO, True, _varied("relation"), "CLEVR"),
    "depth-any": Task("Which is nearer?", "", YES_NO, True, _varied("depth"), "InstaOrder (depth)"),
    "occlusion-any": Task("Which covers which?", "", YES_NO, True, _varied("occlusion"), "InstaOrder (occlusion)"),
    "choice-kind": Task("Multiple choice: what is seen", "", questions.LETTERS, True, _varied("choice-kind")),
    "choice-sense": Task("Multiple choice: common sense", "", questions.LETTERS, True, _varied("choice-sense"), "A-OKVQA"),
    "choice-subject": Task("Multiple choice: school subjects", "", questions.LETTERS, True, _varied("choice-subject"), "ScienceQA"),
    "presence-reworded": Task(
        "Asked in words it never met", "", YES_NO, False, _varied("presence", questions.NEW_WORDINGS), "POPE, other wording"
    ),
    "attribute-reworded": Task(
        "Colour, in words it never met", "", YES_NO, False, _varied("attribute", questions.NEW_WORDINGS), "CLEVR, other wording"
    ),
}  # fmt: skip
"""Every task by the name its pack has."""

NEVER_TRAINED = ("answerable", "anything-red", "three-or-more", "night", "new-kind", "any-animal")
"""The six tasks of which training saw neither question nor answer."""


def draw_task(name: str, n: int, seed: int, *, shifted: bool = False, size: int = PEOPLE_SIZE) -> LabelledImages:
    """Draw ``n`` labelled scenes of a task, the classes in turn so that they balance.

    Parameters
    ----------
    name : str
        A name of ``TASKS``.
    n : int
        How many examples.
    seed : int
        Equal seeds give equal pixels; different seeds give different scenes.
    shifted : bool
        Draw on backgrounds, with noise and a palette, that training never showed.
    size : int
        Pixels a side.

    Raises
    ------
    UserError
        For an unknown task; lists what there is.
    """
    if name not in TASKS:
        raise UserError(f"There is no task called {name!r}.", f"There are: {', '.join(TASKS)}.", "Choose one of these.")
    task, pictures, asked = TASKS[name], [], []
    labels = np.arange(n) % len(task.classes)
    for index, label in enumerate(labels):
        rng = np.random.default_rng((zlib.crc32(name.encode()), seed, index, int(shifted)))
        drawn = None
        while drawn is None:
            drawn = task.draw(rng, int(label), size, shifted)
        pictures.append(_picture(drawn[1].image))
        asked.append(drawn[2])
    return labelled(name, pictures, asked)


def labelled(name: str, pictures: Sequence[Picture], asked: Sequence[str]) -> LabelledImages:
    """Return drawn scenes of a task with their names and labels: the classes in turn."""
    names, classes = tuple(f"scene {index + 1:04d}" for index in range(len(pictures))), TASKS[name].classes
    labels = np.arange(len(pictures)) % len(classes)
    return LabelledImages(names, tuple(pictures), labels.astype(np.int64), classes, tuple(asked))


def _picture(image: Image.Image) -> Picture:
    """Return a drawing as a picture, whose pixels are read-only."""
    pixels = np.array(image, order="C", copy=True)
    pixels.flags.writeable = False
    return Picture(pixels)
