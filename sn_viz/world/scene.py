"""A procedural world with known truth: scenes of things, drawn at any size, deterministic by seed.

Takes a random generator; returns a ``Scene`` (what is there) and a ``Drawing`` (its picture with per-pixel truth). It knows
nothing of questions, models or training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from sn_viz.world.backgrounds import BACKGROUNDS, draw_background
from sn_viz.world.kinds import COLOURS, KINDS, draw_kind

NEW_KIND = "umbrella"
"""Drawn only in the test of a kind that training never showed."""
TRAINED_KINDS = tuple(kind for kind in KINDS if kind != NEW_KIND)
COLOUR_NAMES = tuple(COLOURS)
TRAINED_BACKGROUNDS = tuple(name for name, b in BACKGROUNDS.items() if not b.shifted)
SHIFTED_BACKGROUNDS = tuple(name for name, b in BACKGROUNDS.items() if b.shifted)
DEGRADATIONS = ("blur", "dark", "glare", "noise", "finger")
"""Ways a picture becomes unanswerable, as in photographs taken without seeing."""
MOST_THINGS = 5
PEOPLE_SIZE = 224
"""Pixels a side when a picture is drawn for people."""


@dataclass(frozen=True)
class Thing:
    """One object of a scene."""

    kind: str
    colour: str
    x: float
    """Centre from the left edge, fraction of the picture."""
    y: float
    """Centre from the top edge, fraction of the picture."""
    size: float
    """Side of its box, fraction of the picture."""
    nearness: float
    """0 far, 1 near: near things are lower, larger, and cover far ones."""
    flip: bool = False


@dataclass(frozen=True)
class Scene:
    """What a picture shows; things from far to near."""

    background: str
    things: tuple[Thing, ...]
    degraded: str = ""
    """One of ``DEGRADATIONS``, or "" for a clear picture."""
    shifted: bool = False
    """Drawn with the palette and noise of the shifted split."""

    def kinds(self) -> tuple[str, ...]:
        return tuple(thing.kind for thing in self.things)


@dataclass(frozen=True, eq=False)
class Drawing:
    """A scene's picture and the truth that only drawing it tells."""

    image: Image.Image
    """RGB (size, size)."""
    owner: np.ndarray
    """int8 (size, size): index of the thing seen at each pixel, -1 for background."""
    visible: np.ndarray
    """float32 (thing,): fraction of the thing's own area that is seen."""
    covers: np.ndarray
    """bool (thing, thing): [a, b] when a hides at least a tenth of b."""


def _place(rng: np.random.Generator, kind: str, colour: str, others: list[Thing], overlap: bool) -> Thing | None:
    """Return a thing that keeps clear of ``others`` (or overlaps the last one), None when no room was found."""
    for _ in range(12):
        nearness = float(rng.uniform())
        size = float(0.24 + 0.17 * nearness + rng.uniform(-0.02, 0.02))
        x = float(rng.uniform(size / 2 + 0.01, 0.99 - size / 2))
        y = float(np.clip(0.28 + 0.48 * nearness + rng.normal(0, 0.06), size / 2 + 0.01, 0.99 - size / 2))
        if overlap and others:
            near = others[-1]
            reach = (near.size + size) * rng.uniform(0.26, 0.4)
            angle = rng.uniform(0, 2 * np.pi)
            x, y = near.x + reach * np.cos(angle), near.y + reach * np.sin(angle) * 0.6
            if not (size / 2 < x < 1 - size / 2 and size / 2 < y < 1 - size / 2):
                continue
            others = others[:-1]
        gaps = [np.hypot(x - o.x, y - o.y) / ((o.size + size) / 2) for o in others]
        if min(gaps, default=9.0) > 0.8:
            return Thing(kind, colour, float(x), float(y), size, nearness, bool(rng.integers(2)))
    return None


def sample_scene(
    rng: np.random.Generator,
    *,
    n_things: int | None = None,
    must: tuple[tuple[str, str | None], ...] = (),
    kinds: tuple[str, ...] = TRAINED_KINDS,
    colours: tuple[str, ...] = COLOUR_NAMES,
    background: str | None = None,
    shifted: bool = False,
    degraded: str | None = None,
) -> Scene:
    """Return a random scene.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_things : int, optional
        How many things to try to place, up to ``MOST_THINGS``; random when None.
    must : tuple of (kind, colour or None)
        Things that the scene has for certain.
    kinds, colours : tuple of str
        What the other things are drawn from.
    background : str, optional
        A name of ``BACKGROUNDS``; random when None.
    shifted : bool
        Use backgrounds, noise and palette that training never shows.
    degraded : str, optional
        None degrades one picture in eight; "" never; or a name of ``DEGRADATIONS``.
    """
    wanted = n_things if n_things is not None else int(rng.choice([0, 1, 2, 3, 4, 5], p=[0.02, 0.13, 0.25, 0.25, 0.2, 0.15]))
    wanted = max(wanted, len(must))
    named = [(kind, colour or str(rng.choice(colours))) for kind, colour in must]
    twin = str(rng.choice(kinds)) if rng.uniform() < 0.4 else None
    while len(named) < wanted:
        kind = twin if twin and rng.uniform() < 0.6 else str(rng.choice(kinds))
        named.append((kind, str(rng.choice(colours))))
    things: list[Thing] = []
    for index, (kind, colour) in enumerate(named):
        thing = _place(rng, kind, colour, things, overlap=rng.uniform() < 0.3)
        while thing is None and index < len(must):
            things = things[: len(must) - 1]
            thing = _place(rng, kind, colour, [], overlap=False)
        if thing is not None:
            things.append(thing)
    if background is None:
        background = str(rng.choice(SHIFTED_BACKGROUNDS if shifted else TRAINED_BACKGROUNDS))
    if degraded is None:
        degraded = str(rng.choice(DEGRADATIONS)) if rng.uniform() < 0.125 else ""
    return Scene(background, tuple(sorted(things, key=lambda thing: thing.nearness)), degraded, shifted)


def _degrade(image: Image.Image, how: str, rng: np.random.Generator) -> Image.Image:
    """Return ``image`` spoilt so far that nothing can be told from it."""
    size = image.width
    if how == "blur":
        return image.filter(ImageFilter.GaussianBlur(size * rng.uniform(0.07, 0.12)))
    if how == "dark":
        return ImageEnhance.Brightness(image).enhance(rng.uniform(0.03, 0.1))
    if how == "glare":
        return Image.blend(image, Image.new("RGB", image.size, (255, 255, 250)), rng.uniform(0.88, 0.96))
    if how == "noise":
        grains = Image.fromarray(rng.integers(0, 256, (size // 2, size // 2, 3), dtype=np.uint8)).resize(image.size)
        return Image.blend(image, grains, rng.uniform(0.8, 0.92))
    finger = Image.new("RGB", image.size, tuple(int(v) for v in rng.normal((196, 140, 116), 16).clip(0, 255)))
    mask = Image.new("L", image.size, 0)
    side = int(size * 2.2)
    corner = Image.new("L", (side, side), 0)
    corner.paste(255, (0, 0, side, int(size * rng.uniform(1.3, 1.5))))
    angle = float(rng.uniform(0, 360))
    turned = corner.rotate(angle).crop((int(size * 0.6), int(size * 0.6), int(size * 1.6), int(size * 1.6)))
    mask.paste(turned.filter(ImageFilter.GaussianBlur(size * 0.04)))
    return Image.composite(finger, image, mask)


def _vary(image: Image.Image, shifted: bool, rng: np.random.Generator) -> Image.Image:
    """Return ``image`` as a camera might see it: brightness, contrast and grain vary; the shifted split varies more."""
    reach = 0.3 if shifted else 0.15
    image = ImageEnhance.Brightness(image).enhance(rng.uniform(1 - reach, 1 + reach))
    image = ImageEnhance.Contrast(image).enhance(rng.uniform(1 - reach, 1 + reach))
    if shifted:
        image = ImageEnhance.Color(image).enhance(rng.uniform(0.6, 0.9))
    if shifted or rng.uniform() < 0.2:
        sigma = rng.uniform(10, 18) if shifted else rng.uniform(2, 8)
        grain = rng.normal(0, sigma, (image.height, image.width, 1)).astype(np.float32)
        image = Image.fromarray((np.asarray(image) + grain).clip(0, 255).astype(np.uint8))
    return image


def draw_scene(scene: Scene, size: int, rng: np.random.Generator) -> Drawing:
    """Return the picture of ``scene``, ``size`` pixels a side, with its per-pixel truth.

    Everything random (details of the background, shape jitter, grain) comes from ``rng``, so equal seeds give equal pixels.
    """
    image = draw_background(scene.background, size, rng)
    owner = np.full((size, size), -1, np.int8)
    area = np.zeros(len(scene.things), np.float32)
    hidden = np.zeros((len(scene.things), len(scene.things)), np.float32)
    for index, thing in enumerate(scene.things):
        side = max(8, round(thing.size * size))
        sprite = draw_kind(thing.kind, side, COLOURS[thing.colour], rng, thing.flip)
        left, top = round(thing.x * size - side / 2), round(thing.y * size - side / 2)
        image.paste(sprite, (left, top), sprite)
        x0, y0 = max(left, 0), max(top, 0)
        window = owner[y0 : top + side, x0 : left + side]
        mask = np.asarray(sprite.getchannel("A"))[y0 - top :, x0 - left :][: window.shape[0], : window.shape[1]] > 127
        area[index] = max(1, mask.sum())
        covered = window[mask]
        for other in range(index):
            hidden[index, other] = (covered == other).sum()
        window[mask] = index
    visible = np.array([(owner == index).sum() for index in range(len(scene.things))], np.float32) / np.maximum(area, 1)
    covers = hidden > 0.1 * area[None, :]
    image = _vary(image, scene.shifted, rng)
    if scene.degraded:
        image = _degrade(image, scene.degraded, rng)
    return Drawing(image, owner, visible, covers)
