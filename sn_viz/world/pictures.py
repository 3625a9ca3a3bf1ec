"""Training pictures with dense truth, as arrays.

Takes a seed and numbers; returns ``Pictures``: small images, per-patch and per-image labels, and what is needed to ask questions.
Drawing runs in several processes; the result depends on the seed only. It knows nothing of torch.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from PIL import Image

from sn_viz.world import questions
from sn_viz.world.formulas import FORMULAS, draw_formula
from sn_viz.world.scene import (
    COLOUR_NAMES,
    DEGRADATIONS,
    MOST_THINGS,
    NEW_KIND,
    TRAINED_BACKGROUNDS,
    TRAINED_KINDS,
    Drawing,
    Scene,
    draw_scene,
    sample_scene,
)

DRAW_SIZES = (96, 112, 128, 160, 224)
"""Training pictures are drawn at one of these sizes before they are reduced, so that the model meets every sharpness."""
GRID = 8
"""Patches a side."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Small pictures with their truth; every array starts with the axis picture."""

    pixels: np.ndarray
    """uint8 (picture, 64, 64, 3)."""
    kind: np.ndarray
    """uint8 (picture, patch): 0 background, else 1 + index into ``TRAINED_KINDS``."""
    colour: np.ndarray
    """uint8 (picture, patch): 0 background, else 1 + index into ``COLOUR_NAMES``."""
    place: np.ndarray
    """float16 (picture, patch, 6): centre x and y, nearness, hidden in part, hides another, centre is in this patch."""
    present: np.ndarray
    """bool (picture, kind + colour): which kinds and colours are seen anywhere."""
    count: np.ndarray
    """uint8 (picture,): how many things."""
    background: np.ndarray
    """uint8 (picture,): index into ``TRAINED_BACKGROUNDS``; 255 for a figure."""
    degraded: np.ndarray
    """uint8 (picture,): 0 clear, else 1 + index into ``DEGRADATIONS``."""
    figure: np.ndarray
    """uint8 (picture,): category of a formula-drawn figure; 255 for a scene."""
    visible: np.ndarray
    """float16 (picture, thing)."""
    covers: np.ndarray
    """bool (picture, thing, thing)."""
    seed: np.ndarray
    """int64 (picture, 2): seeds the generator that sampled the scene."""

    def __len__(self) -> int:
        return len(self.pixels)

    def scene(self, index: int) -> tuple[Scene, Drawing]:
        """Return the scene of picture ``index`` and its truth, without drawing it again."""
        scene = sample_scene(np.random.default_rng(self.seed[index]))
        n = len(scene.things)
        truth = Drawing(None, None, self.visible[index, :n], self.covers[index, :n, :n])  # type: ignore[arg-type]
        return scene, truth


def reduce(image: Image.Image, side: int = 64) -> np.ndarray:
    """Return ``image`` as the model's processor sees it: bicubic, ``side`` pixels, uint8."""
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))


def _patches(scene: Scene, drawing: Drawing, grid: int, least: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return kind, colour and place of the thing that fills the most of each patch, where that is more than ``least`` of it."""
    cell = drawing.owner.shape[0] // grid
    cut = drawing.owner[: cell * grid, : cell * grid].reshape(grid, cell, grid, cell)
    kind, colour = np.zeros((2, grid * grid), np.uint8)
    place = np.zeros((grid * grid, 6), np.float16)
    if scene.things:
        share = np.stack([(cut == i).mean((1, 3)).ravel() for i in range(len(scene.things))])
        best = share.argmax(0)
        for patch in np.flatnonzero(share.max(0) > least):
            index = int(best[patch])
            thing = scene.things[index]
            kind[patch] = 1 + TRAINED_KINDS.index(thing.kind)
            colour[patch] = 1 + COLOUR_NAMES.index(thing.colour)
            centre = int(thing.y * grid) * grid + int(thing.x * grid)
            hidden, hides = drawing.visible[index] < 0.9, drawing.covers[index].any()
            place[patch] = (thing.x, thing.y, thing.nearness, hidden, hides, patch == centre)
    return kind, colour, place


def draw_one(seed: tuple[int, int], figure: bool, side: int = 64, grid: int = GRID, least: float = 0.3) -> dict[str, np.ndarray]:
    """Return the arrays of ``Pictures`` for one picture, ``side`` pixels a side, its truth on a grid of ``grid`` patches a side."""
    rng = np.random.default_rng(seed)
    row: dict = {
        "kind": np.zeros(grid**2, np.uint8), "colour": np.zeros(grid**2, np.uint8), "place": np.zeros((grid**2, 6), np.float16),
        "present": np.zeros(len(TRAINED_KINDS) + len(COLOUR_NAMES), bool), "count": 0,
        "background": 255, "degraded": 0, "figure": 255,
        "visible": np.zeros(MOST_THINGS, np.float16), "covers": np.zeros((MOST_THINGS, MOST_THINGS), bool), "seed": seed,
    }  # fmt: skip
    if figure:
        row["figure"] = int(rng.integers(len(FORMULAS)))
        row["pixels"] = reduce(draw_formula(row["figure"], int(rng.choice(DRAW_SIZES[:4])), rng), side)
        return row
    scene = sample_scene(rng)
    drawing = draw_scene(scene, int(rng.choice(DRAW_SIZES, p=(0.25, 0.25, 0.25, 0.15, 0.1))), rng)
    n = len(scene.things)
    row["kind"], row["colour"], row["place"] = _patches(scene, drawing, grid, least)
    for index, thing in enumerate(scene.things):
        if drawing.visible[index] >= questions.SEEN:
            row["present"][[TRAINED_KINDS.index(thing.kind), len(TRAINED_KINDS) + COLOUR_NAMES.index(thing.colour)]] = True
    row["visible"][:n], row["covers"][:n, :n] = drawing.visible, drawing.covers
    row["count"], row["background"] = n, TRAINED_BACKGROUNDS.index(scene.background)
    row["degraded"] = 1 + DEGRADATIONS.index(scene.degraded) if scene.degraded else 0
    row["pixels"] = reduce(drawing.image, side)
    return row


def _draw_many(seed: int, start: int, stop: int, n_scenes: int) -> dict[str, np.ndarray]:
    rows = [draw_one((seed, index), index >= n_scenes) for index in range(start, stop)]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def draw_pictures(n_scenes: int, n_figures: int, seed: int, folder: str | Path | None = None) -> Pictures:
    """Draw scenes, then formula-drawn figures; kept in ``folder`` as arrays and read from there the next time.

    Parameters
    ----------
    n_scenes, n_figures : int
    seed : int
        Equal seeds and numbers give equal arrays, whatever the number of processes.
    folder : path, optional
        Where to keep the arrays.
    """
    assert NEW_KIND not in TRAINED_KINDS
    total = n_scenes + n_figures
    place = Path(folder) / f"pictures-{seed}-{n_scenes}-{n_figures}" if folder else None
    if place and (place / "seed.npy").exists():
        return Pictures(**{f.name: np.load(place / f"{f.name}.npy") for f in fields(Pictures)})
    step = 500
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(_draw_many, seed, i, min(i + step, total), n_scenes) for i in range(0, total, step)]
        parts = [job.result() for job in jobs]
    pictures = Pictures(**{f.name: np.concatenate([part[f.name] for part in parts]) for f in fields(Pictures)})
    if place:
        place.mkdir(parents=True, exist_ok=True)
        for f in fields(Pictures):
            np.save(place / f"{f.name}.npy", getattr(pictures, f.name))
    return pictures
