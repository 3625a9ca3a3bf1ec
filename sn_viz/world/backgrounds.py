"""Backgrounds of the drawn world: muted places and patterns on which coloured things stand out.

Takes the name of a background, a side in pixels and a random generator; returns a square RGB picture. It knows nothing about the
things that stand in front. Shifted backgrounds are never trained on. Positions are in the unit square, y down.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
from PIL import Image, ImageDraw

from sn_viz.errors import UserError

Rgb = tuple[int, int, int]
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Background:
    """One background and what is true of it."""

    name: str
    draw: Callable[[Canvas, np.random.Generator], None]
    night: bool = False
    """Whether it shows a dark night out of doors."""
    indoors: bool = False
    shifted: bool = False
    """Whether it is kept out of training."""
    texture: str = "scene"
    """"scene", "pattern" or "noise"."""


class Canvas:
    """A square RGB picture with drawing verbs in unit coordinates."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.image = Image.new("RGB", (side, side))
        self._pen = ImageDraw.Draw(self.image)

    def paste(self, picture: Image.Image, top: float = 0.0) -> None:
        """Put a picture over everything below ``top``."""
        self.image.paste(picture, (0, round(top * self.side)))

    def gradient(self, top: float, bottom: float, first: Rgb, last: Rgb) -> None:
        """Fill a horizontal band with a vertical gradient."""
        y0, y1 = round(top * self.side), round(bottom * self.side)
        if y1 <= y0:
            return
        steps = np.linspace(first, last, y1 - y0).astype(np.uint8)[:, None, :]
        self.image.paste(Image.fromarray(steps).resize((self.side, y1 - y0), Image.Resampling.NEAREST), (0, y0))

    def polygon(self, points: Points, colour: Rgb) -> None:
        """Fill a polygon."""
        self._pen.polygon([(x * self.side, y * self.side) for x, y in points], fill=colour)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Rgb) -> None:
        """Fill an upright rectangle."""
        s = self.side
        self._pen.rectangle([x0 * s, y0 * s, max(x0, x1) * s, max(y0, y1) * s], fill=colour)

    def oval(self, cx: float, cy: float, rx: float, ry: float, colour: Rgb) -> None:
        """Fill an ellipse."""
        s = self.side
        self._pen.ellipse([(cx - rx) * s, (cy - ry) * s, (cx + rx) * s, (cy + ry) * s], fill=colour)

    def line(self, points: Points, width: float, colour: Rgb) -> None:
        """Draw a line at least one pixel wide."""
        s = self.side
        self._pen.line([(x * s, y * s) for x, y in points], fill=colour, width=max(1, round(width * s)))


def _hsv(hue: float, saturation: float, value: float) -> Rgb:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, min(1.0, max(0.0, saturation)), min(1.0, max(0.0, value)))
    return round(255 * red), round(255 * green), round(255 * blue)


def _near(rng: np.random.Generator, hue: float, saturation: float, value: float, spread: float = 1.0) -> Rgb:
    dh, ds, dv = rng.uniform(-1, 1, 3).tolist()
    return _hsv(hue + 0.025 * spread * dh, saturation + 0.06 * spread * ds, value + 0.06 * spread * dv)


def _times(rgb: Rgb, factor: float) -> Rgb:
    red, green, blue = (min(255, round(channel * factor)) for channel in rgb)
    return red, green, blue


def _hills(canvas: Canvas, rng: np.random.Generator, level: float, height: float, colour: Rgb, waves: float = 1.0) -> None:
    """Fill everything below a rolling ridge around ``level``."""
    x = np.linspace(0, 1, 25)
    a, b, first, second = rng.uniform(0, 1, 4).tolist()
    broad, fine = np.sin(2 * pi * (waves * x * (0.7 + a) + first)), np.sin(2 * pi * (waves * x * (1.6 + b) + second))
    y = level + height * (0.6 * broad + 0.4 * fine)
    canvas.polygon([(0, 1), *zip(x.tolist(), y.tolist(), strict=True), (1, 1)], colour)


def _cloud(canvas: Canvas, cx: float, cy: float, scale: float, colour: Rgb) -> None:
    for dx, dy, r in ((-0.9, 0.15, 0.5), (0.0, -0.15, 0.8), (0.9, 0.1, 0.55), (0.35, 0.2, 0.6), (-0.4, 0.2, 0.55)):
        canvas.oval(cx + dx * scale, cy + dy * scale, r * scale, r * 0.75 * scale, colour)


def _sun_or_clouds(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    if rng.random() < 0.5:
        x, y, r = rng.uniform(0.1, 0.9), rng.uniform(0.08, 0.2), rng.uniform(0.05, 0.085)
        canvas.oval(x, y, r * 1.4, r * 1.4, (226, 226, 206))
        canvas.oval(x, y, r, r, (246, 232, 164))
    for _ in range(int(rng.integers(1, 4))):
        _cloud(canvas, rng.uniform(0, 1), rng.uniform(0.06, horizon * 0.6), rng.uniform(0.05, 0.09), (232, 237, 240))


def _stars(canvas: Canvas, rng: np.random.Generator, count: int, bottom: float) -> None:
    for x, y, r in rng.uniform(0, 1, (count, 3)).tolist():
        r = 0.0025 + 0.004 * r
        canvas.oval(x, y * bottom, r, r, (214, 216, 220))


def _moon(canvas: Canvas, rng: np.random.Generator, sky: Rgb) -> None:
    x, y, r = rng.uniform(0.12, 0.88), rng.uniform(0.1, 0.22), rng.uniform(0.05, 0.08)
    canvas.oval(x, y, r, r, (222, 220, 198))
    if rng.random() < 0.5:
        canvas.oval(x + 0.45 * r, y - 0.15 * r, 0.9 * r, 0.9 * r, sky)


def meadow(canvas: Canvas, rng: np.random.Generator) -> None:
    """A day in the fields."""
    horizon = rng.uniform(0.42, 0.62)
    sky, grass = _near(rng, 0.56, 0.3, 0.86), _near(rng, 0.25, 0.36, 0.68)
    canvas.gradient(0, horizon + 0.08, sky, _times(sky, 1.1))
    _sun_or_clouds(canvas, rng, horizon)
    _hills(canvas, rng, horizon - 0.03, 0.05, _times(grass, 0.9))
    _hills(canvas, rng, horizon + 0.05, 0.02, grass)
    for x, y in rng.uniform(0, 1, (26, 2)).tolist():
        y = horizon + 0.1 + (0.9 - horizon) * y
        canvas.line([(x - 0.01, y), (x - 0.013, y - 0.02)], 0.005, _times(grass, 0.86))
        canvas.line([(x, y), (x + 0.006, y - 0.025)], 0.005, _times(grass, 0.86))


def night(canvas: Canvas, rng: np.random.Generator) -> None:
    """A starry night over dark hills."""
    horizon = rng.uniform(0.55, 0.75)
    sky, ground = _near(rng, 0.64, 0.5, 0.2), _near(rng, 0.35, 0.25, 0.19)
    canvas.gradient(0, 1, _times(sky, 0.8), _times(sky, 1.5))
    _stars(canvas, rng, int(rng.integers(14, 36)), horizon)
    _moon(canvas, rng, _times(sky, 0.95))
    _hills(canvas, rng, horizon - 0.04, 0.05, _times(ground, 1.25))
    _hills(canvas, rng, horizon + 0.05, 0.03, ground)


def _skyline(canvas: Canvas, rng: np.random.Generator, ground: float, wall: Rgb, windows: tuple[Rgb, ...], lit: float) -> None:
    """Draw a row of houses with a grid of windows, some of them lit."""
    x = -0.02
    while x < 1:
        wide, tall, tone = rng.uniform(0.12, 0.24), rng.uniform(0.2, 0.52), rng.uniform(0.85, 1.15)
        colour = _times(wall, tone)
        canvas.box(x, ground - tall, x + wide, ground, colour)
        columns, rows = max(2, int(wide / 0.055)), max(2, int(tall / 0.08))
        on = rng.random((rows, columns)).tolist()
        for row in range(rows):
            for column in range(columns):
                u, v = x + wide * (column + 0.28) / columns, ground - tall + tall * (row + 0.3) / rows
                shine = windows[int(on[row][column] < lit)]
                canvas.box(u, v, u + wide * 0.44 / columns, v + tall * 0.42 / rows, shine)
        x += wide + rng.uniform(0, 0.02)


def street_night(canvas: Canvas, rng: np.random.Generator) -> None:
    """A city street at night, some windows lit."""
    ground = rng.uniform(0.62, 0.78)
    sky, wall = _near(rng, 0.66, 0.45, 0.17), _near(rng, 0.64, 0.2, 0.27)
    canvas.gradient(0, 1, _times(sky, 0.8), _times(sky, 1.6))
    _stars(canvas, rng, 10, 0.4)
    if rng.random() < 0.4:
        _moon(canvas, rng, sky)
    _skyline(canvas, rng, ground, wall, (_times(wall, 0.75), (196, 178, 112)), rng.uniform(0.25, 0.55))
    canvas.gradient(ground, 1, _near(rng, 0.65, 0.1, 0.24), _near(rng, 0.65, 0.1, 0.17))
    for i in range(4):
        canvas.box(0.05 + 0.26 * i, (ground + 1) / 2, 0.17 + 0.26 * i, (ground + 1) / 2 + 0.012, (120, 118, 104))


def sea(canvas: Canvas, rng: np.random.Generator) -> None:
    """Open water under a pale sky."""
    horizon = rng.uniform(0.35, 0.55)
    sky, water = _near(rng, 0.55, 0.16, 0.88), _near(rng, 0.53, 0.38, 0.66)
    canvas.gradient(0, horizon, sky, _times(sky, 1.07))
    _sun_or_clouds(canvas, rng, horizon)
    canvas.gradient(horizon, 1, _times(water, 1.1), _times(water, 0.88))
    for x, y in rng.uniform(0, 1, (22, 2)).tolist():
        depth = y
        y, wide = horizon + 0.02 + (0.97 - horizon) * depth, 0.03 + 0.05 * depth
        crest = [(x - wide, y), (x - wide / 2, y - 0.25 * wide), (x, y), (x + wide / 2, y - 0.25 * wide), (x + wide, y)]
        canvas.line(crest, 0.006, _times(water, 1.22))


def _window(canvas: Canvas, x: float, y: float, w: float, h: float, pane: Rgb) -> None:
    canvas.box(x - 0.02, y - 0.02, x + w + 0.02, y + h + 0.02, (222, 218, 210))
    canvas.box(x, y, x + w, y + h, pane)
    canvas.box(x + w / 2 - 0.006, y, x + w / 2 + 0.006, y + h, (222, 218, 210))
    canvas.box(x, y + h / 2 - 0.006, x + w, y + h / 2 + 0.006, (222, 218, 210))


def _picture(canvas: Canvas, rng: np.random.Generator, x: float, y: float, w: float, h: float) -> None:
    canvas.box(x - 0.018, y - 0.018, x + w + 0.018, y + h + 0.018, (124, 102, 80))
    canvas.box(x, y, x + w, y + h, (214, 208, 194))
    ridge = ((0, 1), (0.35, 0.35), (0.6, 0.75), (0.8, 0.5), (1, 1))
    canvas.polygon([(x + w * u, y + h * v) for u, v in ridge], _near(rng, rng.uniform(0, 1), 0.15, 0.66))


def room(canvas: Canvas, rng: np.random.Generator) -> None:
    """A room with floor boards and a window or a picture."""
    floor = rng.uniform(0.6, 0.74)
    wall, wood = _near(rng, rng.choice((0.1, 0.13, 0.45, 0.58)), 0.13, 0.8), _near(rng, 0.08, 0.32, 0.6)
    canvas.gradient(0, floor, wall, _times(wall, 0.94))
    canvas.gradient(floor, 1, _times(wood, 0.92), _times(wood, 1.08))
    for y in (0.12, 0.34, 0.64):
        canvas.line([(0, floor + y * (1 - floor)), (1, floor + y * (1 - floor))], 0.005, _times(wood, 0.82))
    for x in np.linspace(-0.6, 1.6, 8).tolist():
        canvas.line([(0.5 + (x - 0.5) * 0.75, floor), (x, 1)], 0.004, _times(wood, 0.84))
    canvas.box(0, floor - 0.025, 1, floor, (224, 220, 212))
    x, w, h = rng.uniform(0.1, 0.55), rng.uniform(0.22, 0.34), rng.uniform(0.22, 0.32)
    if rng.random() < 0.55:
        _window(canvas, x, 0.12, w, h, _near(rng, 0.56, 0.2, 0.9))
    else:
        _picture(canvas, rng, x, 0.14, w, h * 0.8)


def bedroom(canvas: Canvas, rng: np.random.Generator) -> None:
    """A papered room with a lamp and a carpet."""
    floor, lamp = rng.uniform(0.58, 0.7), rng.choice((0.12, 0.88))
    wall, ground = _near(rng, rng.choice((0.02, 0.3, 0.6, 0.75)), 0.14, 0.74), _near(rng, 0.09, 0.2, 0.55)
    canvas.box(0, 0, 1, floor, wall)
    for x in np.linspace(0.02, 0.98, int(rng.integers(7, 13))).tolist():
        canvas.box(x, 0, x + 0.018, floor, _times(wall, 0.94))
    canvas.gradient(floor, 1, _times(ground, 0.95), ground)
    canvas.box(0, floor - 0.03, 1, floor, _times(wall, 0.8))
    carpet = _near(rng, rng.uniform(0, 1), 0.22, 0.64)
    middle = (floor + 1) / 2 + 0.02
    canvas.oval(0.5, middle, 0.46, (1 - floor) * 0.4, _times(carpet, 0.85))
    canvas.oval(0.5, middle, 0.42, (1 - floor) * 0.34, carpet)
    canvas.oval(lamp, floor - 0.31, 0.15, 0.15, _times(wall, 1.1))
    canvas.box(lamp - 0.008, floor - 0.27, lamp + 0.008, floor + 0.06, (96, 86, 78))
    canvas.oval(lamp, floor + 0.06, 0.05, 0.014, (96, 86, 78))
    top, hem = floor - 0.38, floor - 0.24
    canvas.polygon([(lamp - 0.045, top), (lamp + 0.045, top), (lamp + 0.09, hem), (lamp - 0.09, hem)], (240, 224, 176))
    if rng.random() < 0.6:
        _picture(canvas, rng, rng.uniform(0.3, 0.5), 0.12, 0.22, 0.16)


def desert(canvas: Canvas, rng: np.random.Generator) -> None:
    """Sand dunes under a pale sky."""
    horizon = rng.uniform(0.45, 0.62)
    sky, sand = _near(rng, 0.54, 0.14, 0.88), _near(rng, 0.1, 0.32, 0.82)
    canvas.gradient(0, 1, sky, _times(sky, 1.05))
    x, r = rng.uniform(0.1, 0.9), rng.uniform(0.05, 0.075)
    canvas.oval(x, rng.uniform(0.1, 0.2), r, r, (246, 236, 186))
    for i, tone in enumerate((0.88, 0.95, 1.02)):
        _hills(canvas, rng, horizon + 0.13 * i, 0.05, _times(sand, tone), 0.8)
    for x, y in rng.uniform(0, 1, (8, 2)).tolist():
        canvas.oval(x, horizon + 0.2 + 0.3 * y, 0.012, 0.006, _times(sand, 0.78))


def snow(canvas: Canvas, rng: np.random.Generator) -> None:
    """A winter day with snow on the ground."""
    horizon = rng.uniform(0.45, 0.62)
    sky, ground = _near(rng, 0.6, 0.12, 0.72), _near(rng, 0.58, 0.05, 0.87, 0.5)
    canvas.gradient(0, 1, sky, _times(sky, 1.12))
    top, bottom = _near(rng, 0.6, 0.14, 0.62), (224, 228, 234)
    for x in rng.uniform(0, 1, 3).tolist():
        tall = 0.2 + 0.1 * x
        canvas.polygon([(x - 0.26, horizon + 0.1), (x, horizon - tall), (x + 0.26, horizon + 0.1)], top)
        line = horizon - tall * 0.6
        canvas.polygon([(x - 0.07, line), (x, horizon - tall), (x + 0.07, line), (x, line + tall * 0.1)], bottom)
    _hills(canvas, rng, horizon + 0.03, 0.03, _times(ground, 0.95))
    _hills(canvas, rng, horizon + 0.14, 0.03, ground)
    for x, y, r in rng.uniform(0, 1, (int(rng.integers(16, 34)), 3)).tolist():
        canvas.oval(x, y, 0.004 + 0.005 * r, 0.004 + 0.005 * r, (240, 243, 246))


def city(canvas: Canvas, rng: np.random.Generator) -> None:
    """A city street by day."""
    ground = rng.uniform(0.62, 0.78)
    sky, wall = _near(rng, 0.57, 0.2, 0.88), _near(rng, rng.choice((0.05, 0.09, 0.6)), 0.14, 0.68)
    canvas.gradient(0, ground, sky, _times(sky, 1.08))
    _sun_or_clouds(canvas, rng, 0.5)
    _skyline(canvas, rng, ground, wall, (_times(wall, 0.82), (196, 208, 214)), 0.6)
    canvas.box(0, ground, 1, ground + 0.05, (184, 182, 176))
    canvas.gradient(ground + 0.05, 1, (134, 134, 138), (150, 150, 154))
    for i in range(4):
        canvas.box(0.05 + 0.26 * i, (ground + 1.05) / 2, 0.17 + 0.26 * i, (ground + 1.05) / 2 + 0.014, (206, 204, 196))


def _pair(rng: np.random.Generator) -> tuple[Rgb, Rgb]:
    """Return two muted colours of clearly different brightness."""
    hue, value, low, high = rng.uniform(0, 1), rng.uniform(0.5, 0.85), 0.04, 0.24
    first = _hsv(hue, rng.uniform(low, high), value)
    return first, _hsv(hue + rng.uniform(-0.1, 0.1), rng.uniform(low, high), value - rng.uniform(0.09, 0.2))


def stripes(canvas: Canvas, rng: np.random.Generator) -> None:
    """Stripes at any angle."""
    first, second = _pair(rng)
    canvas.box(0, 0, 1, 1, first)
    angle, step = rng.uniform(0, pi), rng.uniform(0.08, 0.2)
    c, s = cos(angle), sin(angle)
    for i in range(-int(0.8 / step) - 1, int(0.8 / step) + 2):
        x, y = 0.5 + i * step * c, 0.5 + i * step * s
        canvas.line([(x - s, y + c), (x + s, y - c)], step / 2, second)


def checks(canvas: Canvas, rng: np.random.Generator) -> None:
    """A chessboard in muted colours."""
    first, second = _pair(rng)
    count, (dx, dy) = int(rng.integers(5, 11)), rng.uniform(0, 2, 2).tolist()
    canvas.box(0, 0, 1, 1, first)
    step = 1 / count
    for row in range(-2, count + 1):
        for column in range(-2 + row % 2, count + 1, 2):
            x, y = (column + dx) * step, (row + dy) * step
            canvas.box(x, y, x + step, y + step, second)


def dots(canvas: Canvas, rng: np.random.Generator) -> None:
    """Rows of dots."""
    first, second = _pair(rng)
    count, radius, (dx, dy) = int(rng.integers(5, 10)), rng.uniform(0.2, 0.34), rng.uniform(0, 1, 2).tolist()
    canvas.box(0, 0, 1, 1, first)
    for row in range(-1, count + 1):
        for column in range(-1, count + 1):
            x, y = (column + dx + 0.5 * (row % 2)) / count, (row + dy) / count
            canvas.oval(x, y, radius / count, radius / count, second)


def noise(canvas: Canvas, rng: np.random.Generator) -> None:
    """Soft blotches of colour."""
    base = np.array(_near(rng, rng.uniform(0, 1), 0.1, 0.62, 2.0))
    cells = int(rng.integers(6, 24))
    values = np.clip(base + rng.normal(0, 26, (cells, cells, 3)), 0, 255).astype(np.uint8)
    canvas.paste(Image.fromarray(values).resize((canvas.side, canvas.side), Image.Resampling.BILINEAR))


def plain(canvas: Canvas, rng: np.random.Generator) -> None:
    """One muted colour, brighter towards one end."""
    hue, value = rng.uniform(0, 1), rng.uniform(0.35, 0.85)
    first = _hsv(hue, rng.uniform(0, 0.25), value)
    canvas.gradient(0, 1, first, _times(first, rng.uniform(0.72, 1.15)))


def sunset(canvas: Canvas, rng: np.random.Generator) -> None:
    """An evening sky over dark hills."""
    horizon = rng.uniform(0.55, 0.68)
    top, low = _near(rng, 0.74, 0.34, 0.5), _near(rng, 0.06, 0.42, 0.86)
    canvas.gradient(0, horizon * 0.6, top, _near(rng, 0.95, 0.32, 0.68))
    canvas.gradient(horizon * 0.6, 1, _near(rng, 0.97, 0.34, 0.7), low)
    r = rng.uniform(0.09, 0.13)
    canvas.oval(rng.uniform(0.25, 0.75), horizon - 0.03, r, r, (248, 208, 150))
    for x, y in rng.uniform(0, 1, (4, 2)).tolist():
        canvas.oval(x, 0.1 + 0.3 * y, 0.16, 0.012, _times(low, 0.86))
    _hills(canvas, rng, horizon, 0.03, _near(rng, 0.85, 0.28, 0.36))
    _hills(canvas, rng, horizon + 0.14, 0.03, _near(rng, 0.8, 0.28, 0.28))


def space(canvas: Canvas, rng: np.random.Generator) -> None:
    """Stars, a nebula and a ringed planet."""
    cloud = np.clip(np.array([22, 18, 40]) + rng.normal(0, 14, (5, 5, 3)), 4, 90).astype(np.uint8)
    canvas.paste(Image.fromarray(cloud).resize((canvas.side, canvas.side), Image.Resampling.BICUBIC))
    _stars(canvas, rng, int(rng.integers(40, 80)), 1.0)
    x, y, r = rng.uniform(0.15, 0.85), rng.uniform(0.12, 0.3), rng.uniform(0.06, 0.11)
    planet = _near(rng, rng.uniform(0, 1), 0.3, 0.58)
    canvas.oval(x, y, r, r, planet)
    canvas.oval(x - 0.25 * r, y - 0.25 * r, 0.6 * r, 0.6 * r, _times(planet, 1.15))
    ring = [(x + 1.7 * r * cos(a / 12 * pi), y + 0.45 * r * sin(a / 12 * pi) - 0.3 * r * cos(a / 12 * pi)) for a in range(-2, 15)]
    canvas.line(ring, 0.012, _times(planet, 1.35))


def graph_paper(canvas: Canvas, rng: np.random.Generator) -> None:
    """Squared paper with a margin line."""
    paper, ink = _near(rng, 0.13, 0.06, 0.92, 0.5), _near(rng, 0.57, 0.22, 0.78)
    canvas.box(0, 0, 1, 1, paper)
    step, (dx, dy) = rng.uniform(0.045, 0.08), rng.uniform(0, 1, 2).tolist()
    for i in range(int(1 / step) + 2):
        heavy = i % 5 == 0
        colour, width = (_times(ink, 0.85), 0.008) if heavy else (ink, 0.004)
        canvas.line([((i - dx) * step, 0), ((i - dx) * step, 1)], width, colour)
        canvas.line([(0, (i - dy) * step), (1, (i - dy) * step)], width, colour)
    margin = rng.choice((0.09, 0.91))
    canvas.line([(margin, 0), (margin, 1)], 0.008, (206, 140, 140))


def autumn_forest(canvas: Canvas, rng: np.random.Generator) -> None:
    """Bare trunks, brown leaves and a misty wood."""
    ground = rng.uniform(0.62, 0.76)
    mist, leaf = _near(rng, 0.11, 0.16, 0.8), _near(rng, 0.07, 0.38, 0.6)
    canvas.gradient(0, ground, mist, _times(mist, 1.08))
    canvas.gradient(ground, 1, _times(leaf, 0.8), _times(leaf, 0.95))
    for far in (True, False):
        bark = _times(leaf, 1.08) if far else _near(rng, 0.07, 0.22, 0.36)
        for x in rng.uniform(0, 1, 6 if far else 3).tolist():
            w, foot = (0.012, ground + 0.02) if far else (0.028, ground + 0.08)
            canvas.polygon([(x - w * 0.7, 0), (x + w * 0.7, 0), (x + w, foot), (x - w, foot)], bark)
            canvas.line([(x, 0.34), (x + 0.1, 0.2)], w * 0.6, bark)
    for x, y, r, tone in rng.uniform(0, 1, (44, 4)).tolist():
        canvas.oval(x, 0.3 * y * y, 0.025 + 0.045 * r, 0.02 + 0.03 * r, _hsv(0.045 + 0.07 * tone, 0.42, 0.6 + 0.14 * r))
    for x, y, tone in rng.uniform(0, 1, (24, 3)).tolist():
        canvas.oval(x, ground + 0.04 + (0.94 - ground) * y, 0.014, 0.008, _hsv(0.045 + 0.07 * tone, 0.42, 0.68))


def underwater(canvas: Canvas, rng: np.random.Generator) -> None:
    """The bottom of a lagoon with weeds, rays and bubbles."""
    water, sand = _near(rng, 0.49, 0.38, 0.66), _near(rng, 0.14, 0.2, 0.58)
    canvas.gradient(0, 1, _times(water, 1.15), _times(water, 0.6))
    for x in rng.uniform(0, 0.9, 3).tolist():
        canvas.polygon([(x, 0), (x + 0.07, 0), (x + 0.22, 0.8), (x + 0.04, 0.8)], _times(water, 1.04))
    _hills(canvas, rng, rng.uniform(0.8, 0.88), 0.02, sand)
    for x, y in rng.uniform(0, 1, (7, 2)).tolist():
        tall = 0.15 + 0.2 * y
        weed = [(x + 0.018 * sin(5 * t + 7 * y), 0.93 - tall * t) for t in (i / 8 for i in range(9))]
        canvas.line(weed, 0.018, _hsv(0.38 + 0.06 * y, 0.36, 0.42))
    for x, y, r in rng.uniform(0, 1, (14, 3)).tolist():
        r = 0.006 + 0.012 * r
        canvas.oval(x, 0.8 * y, r, r, _times(water, 1.3))
        canvas.oval(x, 0.8 * y, r * 0.7, r * 0.7, _times(water, 1.02))


BACKGROUNDS: dict[str, Background] = {
    background.name: background
    for background in (
        Background("meadow", meadow),
        Background("night", night, night=True),
        Background("street-night", street_night, night=True),
        Background("sea", sea),
        Background("room", room, indoors=True),
        Background("bedroom", bedroom, indoors=True),
        Background("desert", desert),
        Background("snow", snow),
        Background("city", city),
        Background("stripes", stripes, texture="pattern"),
        Background("checks", checks, texture="pattern"),
        Background("dots", dots, texture="pattern"),
        Background("noise", noise, texture="noise"),
        Background("plain", plain, texture="pattern"),
        Background("sunset", sunset, shifted=True),
        Background("space", space, night=True, shifted=True),
        Background("graph-paper", graph_paper, shifted=True, texture="pattern"),
        Background("autumn-forest", autumn_forest, shifted=True),
        Background("underwater", underwater, shifted=True),
    )
}
"""Every background by name: fourteen for training, then five shifted ones."""


def draw_background(name: str, size: int, rng: np.random.Generator) -> Image.Image:
    """Draw one background.

    Parameters
    ----------
    name : str
        One of ``BACKGROUNDS``.
    size : int
        Side in pixels, at least 8.
    rng : numpy.random.Generator
        Decides hues, horizon and details; the same state draws the same picture.

    Returns
    -------
    PIL.Image.Image
        RGB, (size, size).

    Raises
    ------
    UserError
        When ``name`` is not a background.

    Examples
    --------
    >>> draw_background("meadow", 128, np.random.default_rng(0)).mode
    'RGB'
    """
    if name not in BACKGROUNDS:
        raise UserError(f"There is no background called {name!r}.", f"There are: {', '.join(BACKGROUNDS)}.", "Choose one of these.")
    factor = 2 if size <= 256 else 1  # large pictures are smooth enough without reducing
    canvas = Canvas(size * factor)
    BACKGROUNDS[name].draw(canvas, rng)
    return canvas.image.reduce(factor) if factor > 1 else canvas.image
