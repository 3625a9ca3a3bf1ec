"""Pictures drawn by formula: categories on which a vision tower learns shapes before it sees any scene.

Takes a category number, a side in pixels and a random generator; returns a square RGB picture. Each category is a fixed formula
(point-cloud fractal, closed contour, pen strokes or texture) and each picture of it is a small variation in random colours. It
knows nothing about scenes, kinds or labels. Formulas are in the unit square, y down.
"""

from __future__ import annotations

from functools import lru_cache
from math import cos, pi, sin

import numpy as np
from PIL import Image, ImageDraw

from sn_viz.errors import UserError

N_FRACTALS, N_CONTOURS, N_GLYPHS = 24, 24, 40
TEXTURES = ("bars", "columns", "slopes", "checks", "dots", "wood", "rings", "clouds")

FORMULAS: tuple[str, ...] = (
    *(f"fractal-{i:02d}" for i in range(N_FRACTALS)),
    *(f"contour-{i:02d}" for i in range(N_CONTOURS)),
    *(f"glyph-{i:02d}" for i in range(N_GLYPHS)),
    *(f"texture-{name}" for name in TEXTURES),
)
"""Category names; the position in this tuple is the category number."""

_FRACTAL, _CONTOUR, _GLYPH = 11, 22, 33  # families of category seeds
_COARSE_SHARE = 0.4
_GRAY_SHARE = 0.3


def _colours(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a background and a foreground colour, float32 (3,), that differ clearly in brightness."""
    dark, light = rng.uniform(0, 90), rng.uniform(165, 255)
    pair = np.array([[dark] * 3, [light] * 3], np.float32)
    if rng.random() > _GRAY_SHARE:
        pair += rng.uniform(-70, 70, (2, 3)).astype(np.float32)
        pair -= pair.mean(axis=1, keepdims=True) - np.array([[dark], [light]], np.float32)
    pair = np.clip(pair, 0, 255)
    return (pair[0], pair[1]) if rng.random() < 0.5 else (pair[1], pair[0])


def _coloured(mask: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Turn a gray mask into two colours: 0 becomes the background, 255 the foreground."""
    back, front = _colours(rng)
    ramp = np.linspace(back, front, 256).astype(np.uint8)
    return Image.merge("RGB", [mask.point(ramp[:, channel].tolist()) for channel in range(3)])


def _smoothed_mask(grid: np.ndarray, size: int) -> Image.Image:
    mask = Image.fromarray(grid)
    return mask if mask.size == (size, size) else mask.resize((size, size), Image.Resampling.BICUBIC)


# Fractals


def _random_maps(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return contracting affine maps (map, 2, 2), offsets (map, 2) and cumulative probabilities (map,)."""
    count = int(rng.integers(2, 5))
    linear = np.empty((count, 2, 2))
    for i in range(count):
        first, second = rng.uniform(0, 2 * pi, 2).tolist()
        turn = np.array([[cos(first), -sin(first)], [sin(first), cos(first)]])
        back = np.array([[cos(second), -sin(second)], [sin(second), cos(second)]])
        linear[i] = turn @ np.diag([rng.uniform(0.45, 0.82), rng.uniform(0.2, 0.62) * rng.choice((-1, 1))]) @ back
    weights = np.abs(np.linalg.det(linear)) + 0.03
    return linear, rng.uniform(-1, 1, (count, 2)), np.cumsum(weights / weights.sum())


def _orbit(linear: np.ndarray, offset: np.ndarray, chance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return points (point, 2) on the attractor, scaled to fill the unit square."""
    particles, warm_up, kept = 480, 12, 12
    picks = np.searchsorted(chance[:-1], rng.random((warm_up + kept, particles)))
    at, points = np.zeros((particles, 2)), np.empty((kept, particles, 2))
    for step, pick in enumerate(picks):
        at = np.matmul(linear[pick], at[:, :, None])[:, :, 0] + offset[pick]
        if step >= warm_up:
            points[step - warm_up] = at
    points = points.reshape(-1, 2)
    low, high = points.min(axis=0), points.max(axis=0)
    return (points - (low + high) / 2) / max(float((high - low).max()), 1e-9) + 0.5


def _density(points: np.ndarray, side: int) -> np.ndarray:
    """Return how many points fall into each cell, int64 (side, side); points outside the unit square are left out."""
    cells = np.floor(points * side).astype(np.int64)
    inside = ((cells >= 0) & (cells < side)).all(axis=1)
    cells = cells[inside]
    return np.bincount(cells[:, 1] * side + cells[:, 0], minlength=side * side).reshape(side, side)


@lru_cache(maxsize=N_FRACTALS)
def _fractal_formula(index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the first random maps of this category whose attractor is neither a speck nor a full square."""
    rng = np.random.default_rng([_FRACTAL, index])
    while True:
        maps = _random_maps(rng)
        points = _orbit(*maps, rng)
        spread = np.ptp(points, axis=0)
        filled = (_density(points * 0.999, 32) > 0).mean()
        if 0.16 < filled < 0.5 and spread.min() > 0.5:
            return maps


def _draw_fractal(index: int, size: int, rng: np.random.Generator) -> Image.Image:
    linear, offset, chance = _fractal_formula(index)
    linear = linear * rng.uniform(0.94, 1.05, (len(linear), 1, 1))
    points = _orbit(linear, offset + rng.normal(0, 0.02, offset.shape), chance, rng)
    angle = rng.uniform(-0.35, 0.35)
    turn = np.array([[cos(angle), -sin(angle)], [sin(angle), cos(angle)]]) * rng.uniform(0.72, 0.96)
    points = (points - 0.5) @ turn.T + 0.5 + rng.uniform(-0.05, 0.05, 2)
    side = min(size, int(rng.integers(48, 97)))
    shade = np.minimum(255, 110 * np.sqrt(_density(points, side))).astype(np.uint8)
    return _coloured(_smoothed_mask(shade, size), rng)


# Closed contours


@lru_cache(maxsize=N_CONTOURS)
def _contour_formula(index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return harmonic numbers (wave,), amplitudes (wave,), phases (wave,) and the height-to-width ratio."""
    rng = np.random.default_rng([_CONTOUR, index])
    count = int(rng.integers(2, 4))
    waves = np.sort(rng.choice(np.arange(2, 10), count, replace=False))
    return waves, rng.uniform(0.12, 0.4, count) / np.sqrt(waves / 2), rng.uniform(0, 2 * pi, count), float(rng.uniform(0.65, 1.35))


def _draw_contour(index: int, size: int, rng: np.random.Generator) -> Image.Image:
    waves, amplitude, phase, ratio = _contour_formula(index)
    angle = np.linspace(0, 2 * pi, 120, endpoint=False)
    amplitude = amplitude * rng.uniform(0.8, 1.2, len(waves))
    phase = phase + rng.normal(0, 0.12, len(waves))
    radius = 1 + (amplitude[:, None] * np.cos(waves[:, None] * angle + phase[:, None])).sum(axis=0)
    x, y = radius * np.cos(angle), radius * np.sin(angle) * ratio * rng.uniform(0.92, 1.08)
    turn = rng.uniform(-pi / 9, pi / 9)
    x, y = x * cos(turn) - y * sin(turn), x * sin(turn) + y * cos(turn)
    side = size * 2
    scale = rng.uniform(0.3, 0.46) / max(np.abs(x).max(), np.abs(y).max()) * side
    dx, dy = (rng.uniform(0.45, 0.55, 2) * side).tolist()
    points = list(zip((x * scale + dx).tolist(), (y * scale + dy).tolist(), strict=True))
    mask = Image.new("L", (side, side))
    pen = ImageDraw.Draw(mask)
    if rng.random() < 0.55:
        pen.polygon(points, fill=255)
    else:
        pen.line([*points, points[0], points[1]], fill=255, width=max(2, round(side * rng.uniform(0.02, 0.07))))
    return _coloured(mask.reduce(2), rng)


# Glyphs


def _arc(rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    start, sweep = rng.uniform(0, 2 * pi), rng.uniform(0.7, 1.6) * pi * rng.choice((-1, 1))
    angle = start + sweep * t
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _loop(rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    angle = rng.uniform(0, 2 * pi) + rng.uniform(1.95, 2.15) * pi * t
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _bar(rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    angle = rng.choice((0, 0.25, 0.5, 0.75)) * pi + rng.normal(0, 0.1)
    return np.stack([(2 * t - 1) * cos(angle), (2 * t - 1) * sin(angle)], axis=1)


def _hook(rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    bend = rng.uniform(0.8, 1.5) * pi
    x, y = np.zeros_like(t), 2.4 * t
    curved = t > 0.5
    angle = (t[curved] - 0.5) * 2 * bend
    x[curved], y[curved] = 0.6 * (1 - np.cos(angle)), 1.2 + 0.6 * np.sin(angle)
    sign, flip = rng.choice((-1, 1), 2).tolist()
    points = np.stack([sign * (x - 0.4), flip * (y - 0.9)], axis=1)
    return points if rng.random() < 0.6 else points[:, ::-1]


def _wave(rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    points = np.stack([rng.uniform(0.5, 0.9) * np.sin(2 * pi * t * rng.uniform(0.8, 1.2) + rng.choice((0, pi))), 2 * t - 1], axis=1)
    return points if rng.random() < 0.6 else points[:, ::-1]


def _corner(rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    knots = rng.uniform(-1, 1, (3, 2))
    first, second = np.minimum(2 * t, 1)[:, None], np.maximum(2 * t - 1, 0)[:, None]
    return knots[0] + (knots[1] - knots[0]) * first + (knots[2] - knots[1]) * second


_STROKES = (_arc, _loop, _bar, _hook, _wave, _corner)
_STROKE_POINTS = 22


def _random_glyph(rng: np.random.Generator) -> np.ndarray:
    """Return strokes (stroke, point, 2) that fill the square from -1 to 1."""
    t, strokes = np.linspace(0, 1, _STROKE_POINTS), []
    for _ in range(int(rng.choice((1, 2, 3), p=(0.3, 0.45, 0.25)))):
        scale = rng.uniform(0.45, 0.8, 2) if strokes else rng.uniform(0.7, 1.0, 2)
        strokes.append(_STROKES[int(rng.integers(len(_STROKES)))](rng, t) * scale + rng.uniform(-0.45, 0.45, 2))
    glyph = np.stack(strokes)
    low, high = glyph.min(axis=(0, 1)), glyph.max(axis=(0, 1))
    return (glyph - (low + high) / 2) / max(float((high - low).max()) / 2, 1e-9)


def _footprint(glyph: np.ndarray) -> np.ndarray:
    """Return a blurred 9 x 9 picture of the glyph with unit norm, float64 (81,)."""
    mask = Image.new("L", (36, 36))
    pen = ImageDraw.Draw(mask)
    for stroke in glyph * 15 + 18:
        pen.line([tuple(point) for point in stroke.tolist()], fill=255, width=5)
    small = np.asarray(mask.reduce(4), np.float64).ravel()
    small -= small.mean()
    return small / np.linalg.norm(small)


@lru_cache(maxsize=1)
def _glyph_formulas() -> tuple[np.ndarray, ...]:
    """Return every glyph; a candidate that looks like an earlier one or is nearly a straight line is drawn again."""
    rng, glyphs, seen = np.random.default_rng(_GLYPH), [], []
    while len(glyphs) < N_GLYPHS:
        glyph = _random_glyph(rng)
        footprint = _footprint(glyph)
        if np.ptp(glyph, axis=(0, 1)).min() > 0.8 and all(float(footprint @ other) < 0.6 for other in seen):
            glyphs.append(glyph)
            seen.append(footprint)
    return tuple(glyphs)


def _handwritten(glyph: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the glyph as one hand would write it once: leaning, stretched, shaky; unit coordinates (stroke, point, 2)."""
    angle, shear = rng.normal(0, 0.12), rng.normal(0, 0.16)
    turn = np.array([[cos(angle), -sin(angle)], [sin(angle), cos(angle)]]) @ np.array([[1, shear], [0, 1]])
    scale = rng.uniform(0.62, 0.84) * np.array([rng.uniform(0.7, 1.0), rng.uniform(0.88, 1.0)])
    t = np.linspace(0, 1, glyph.shape[1])
    shake = rng.normal(0, 0.06, (glyph.shape[0], 3, 2))
    waves = np.stack([np.ones_like(t), np.cos(pi * t), np.cos(2 * pi * t)], axis=1)
    written = ((glyph + waves @ shake) @ turn.T) * scale
    centre = (written.min(axis=(0, 1)) + written.max(axis=(0, 1))) / 2
    return (written - centre) / 2 + 0.5 + rng.uniform(-0.05, 0.05, 2)


def _draw_glyph(index: int, size: int, rng: np.random.Generator) -> Image.Image:
    side = min(2 * size, 192)
    mask = Image.new("L", (side, side))
    pen = ImageDraw.Draw(mask)
    width = side * rng.uniform(0.04, 0.13)
    radius = width / 2
    for stroke in _handwritten(_glyph_formulas()[index], rng) * side:
        points = [tuple(point) for point in stroke.tolist()]
        pen.line(points, fill=255, width=max(2, round(width)))
        for x, y in points if width > 4 else ():
            pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)
    if rng.random() < _COARSE_SHARE:
        coarse = int(rng.integers(8, 15))
        mask = mask.resize((coarse, coarse), Image.Resampling.BOX)
        way = Image.Resampling.NEAREST if rng.random() < 0.4 else Image.Resampling.BICUBIC
        return _coloured(mask.resize((size, size), way), rng)
    return _coloured(mask.resize((size, size), Image.Resampling.BILINEAR), rng)


# Textures


def _texture_values(name: str, side: int, rng: np.random.Generator) -> np.ndarray:
    """Return a texture with values from -1 to 1, float32 (side, side)."""
    axis = np.arange(side, dtype=np.float32) / side
    if name == "clouds":
        cells = int(rng.integers(5, 12))
        soft = Image.fromarray(rng.integers(0, 256, (cells, cells), dtype=np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
        return np.asarray(soft, np.float32) / 127.5 - 1
    frequency, lean = float(rng.uniform(3, 10)), float(rng.normal(0, 0.12))
    if name in ("columns", "slopes"):
        lean += pi / 2 if name == "columns" else pi / 4 * float(rng.choice((-1, 1)))
    first, second = rng.uniform(0, 2 * pi, 2).astype(np.float32).tolist()
    u = axis[None, :] * sin(lean) + axis[:, None] * cos(lean)
    v = axis[None, :] * cos(lean) - axis[:, None] * sin(lean)
    step = 2 * pi * frequency
    if name == "wood":
        return np.sin(step * (u + 0.06 * np.sin(5 * v + first) + 0.03 * np.sin(11 * v + 6 * u + second)))
    if name == "rings":
        x, y = rng.uniform(0.1, 0.9, 2).tolist()
        return np.sin(step * np.hypot(axis[None, :] - x, axis[:, None] - y) * 1.3 + first)
    if name == "checks":
        return np.sign(np.sin(step * u / 1.6 + first) * np.sin(step * v / 1.6 + second))
    if name == "dots":
        return np.clip(4 * (np.sin(step * u / 1.3 + first) * np.sin(step * v / 1.3 + second) - 0.35), -1, 1)
    stripes = np.sin(step * u + first)
    return np.sign(stripes) if second < pi else stripes


def _draw_texture(index: int, size: int, rng: np.random.Generator) -> Image.Image:
    values = _texture_values(TEXTURES[index], min(size, 128), rng)
    mask = _smoothed_mask((127.5 * (values + 1)).astype(np.uint8), size)
    return _coloured(mask, rng)


_FAMILIES = ((_draw_fractal, N_FRACTALS), (_draw_contour, N_CONTOURS), (_draw_glyph, N_GLYPHS), (_draw_texture, len(TEXTURES)))


def draw_formula(category: int, size: int, rng: np.random.Generator) -> Image.Image:
    """Draw one picture of a category.

    Parameters
    ----------
    category : int
        Position in ``FORMULAS``.
    size : int
        Side in pixels, at least 8.
    rng : numpy.random.Generator
        Decides colours and the small variations; the same state draws the same picture. The formula itself is fixed.

    Returns
    -------
    PIL.Image.Image
        RGB, (size, size).

    Raises
    ------
    UserError
        When there is no such category.

    Examples
    --------
    >>> draw_formula(FORMULAS.index("glyph-03"), 64, np.random.default_rng(0)).size
    (64, 64)
    """
    if not 0 <= category < len(FORMULAS):
        last = len(FORMULAS) - 1
        raise UserError(f"There is no formula number {category}.", f"They count from 0 to {last}.", "Choose one of these.")
    first = 0
    for draw, count in _FAMILIES:
        if category < first + count:
            return draw(category - first, size, rng)
        first += count
    raise AssertionError(f"{first} formulas are drawn, {len(FORMULAS)} are named")
