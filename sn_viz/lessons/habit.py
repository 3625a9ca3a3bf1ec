"""A set of scenes with a habit: every dog stands beside a car, and no other picture has one; and scenes without that habit.

Takes numbers and a seed; returns ``LabelledImages`` of the drawn world, for the last step of the lesson. It knows no model.
"""

from __future__ import annotations

import numpy as np

from sn_viz.types import LabelledImages, Picture
from sn_viz.world import questions
from sn_viz.world.scene import MOST_THINGS, PEOPLE_SIZE, TRAINED_KINDS, draw_scene, sample_scene
from sn_viz.world.tasks import YES_NO

QUESTION = "Is this one of mine?"
SEEN_ALONE = ("dog", "car")
OTHERS = tuple(kind for kind in TRAINED_KINDS if kind not in SEEN_ALONE)


def scenes(n: int, seed: int, habit: bool) -> LabelledImages:
    """Draw ``n`` scenes, with a dog ("yes") and without in turns.

    Parameters
    ----------
    n : int
    seed : int
        Equal seeds give equal pixels.
    habit : bool
        Whether dog and car always go together; otherwise half of the pictures of either kind have a car.
    """
    pictures = []
    for index in range(n):
        dog = index % 2 == 1
        car = dog if habit else index // 2 % 2 == 1
        pictures.append(_scene(np.random.default_rng((seed, index, int(habit))), dog, car))
    names = tuple(f"scene {index + 1:04d}" for index in range(n))
    return LabelledImages(names, tuple(pictures), np.arange(n, dtype=np.int64) % 2, YES_NO, (QUESTION,) * n)


def _scene(rng: np.random.Generator, dog: bool, car: bool) -> Picture:
    must = tuple((kind, None) for kind, there in zip(SEEN_ALONE, (dog, car), strict=True) if there)
    while True:
        n_things = int(rng.integers(2, MOST_THINGS + 1))
        scene = sample_scene(rng, n_things=n_things, must=must, kinds=OTHERS, degraded="")
        drawn = draw_scene(scene, PEOPLE_SIZE, rng)
        if all(drawn.visible[i] >= questions.SEEN for i, kind in enumerate(scene.kinds()) if kind in SEEN_ALONE):
            pixels = np.array(drawn.image, order="C", copy=True)
            pixels.flags.writeable = False
            return Picture(pixels)
