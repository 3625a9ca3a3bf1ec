"""Eighteen hand-drawn kinds of things, each one silhouette in one colour.

Takes the name of a kind, a side in pixels, a colour and a random generator; returns a square RGBA picture whose alpha is the
mask. It knows nothing about scenes, questions or labels. Shapes are written in the unit square, x to the right and y down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import cos, pi, sin

import numpy as np
from PIL import Image, ImageDraw

from sn_viz.errors import UserError

Rgb = tuple[int, int, int]
Points = Sequence[tuple[float, float]]

COLOURS: dict[str, Rgb] = {
    "red": (216, 36, 40),
    "orange": (245, 134, 20),
    "yellow": (250, 216, 40),
    "green": (44, 160, 62),
    "blue": (38, 92, 214),
    "purple": (142, 52, 176),
    "white": (246, 246, 244),
    "black": (35, 35, 40),
}
"""The colours a thing can have, far apart from each other."""

INK, PAPER, GLASS, WOOD, STEM, SUN = (24, 24, 30), (252, 252, 248), (190, 222, 238), (128, 84, 48), (58, 122, 50), (250, 190, 40)


class Pen:
    """Draws outlined body parts and small details in unit coordinates on one RGBA picture.

    Body parts gather in a layer; a layer is inked as one silhouette (one outline around the union of its parts) when a detail or a
    new layer follows.
    """

    def __init__(self, side: int, rgb: Rgb, flip: bool) -> None:
        self.side, self.flip = side, flip
        self.tones = {tone: _shade(rgb, tone) for tone in (1.0, 0.88)}
        self.edge = _outline_of(rgb)
        self.image = Image.new("RGBA", (side, side), (*self.edge, 0))
        self._draw = ImageDraw.Draw(self.image)
        self._stroke = max(1.0, 0.014 * side)
        self._layer: list[tuple[str, list, float, Rgb]] = []

    def _xy(self, points: Points) -> list[tuple[float, float]]:
        side = self.side
        if self.flip:
            return [((1 - x) * side, y * side) for x, y in points]
        return [(x * side, y * side) for x, y in points]

    def _box(self, cx: float, cy: float, rx: float, ry: float) -> list[float]:
        cx = (1 - cx if self.flip else cx) * self.side
        cy, rx, ry = cy * self.side, rx * self.side, ry * self.side
        return [cx - rx, cy - ry, cx + rx, cy + ry]

    def shape(self, points: Points, tone: float = 1.0) -> None:
        """Add a polygon to the body."""
        self._layer.append(("polygon", self._xy(points), 0.0, self.tones[tone]))

    def blob(self, points: Points, tone: float = 1.0) -> None:
        """Add a smooth closed curve through ``points`` to the body."""
        self._layer.append(("polygon", self._xy(_smooth(points)), 0.0, self.tones[tone]))

    def oval(self, cx: float, cy: float, rx: float, ry: float, tone: float = 1.0) -> None:
        """Add an ellipse to the body."""
        self._layer.append(("ellipse", self._box(cx, cy, rx, ry), 0.0, self.tones[tone]))

    def limb(self, points: Points, width: float, tone: float = 1.0) -> None:
        """Add a thick line with round ends and joints to the body."""
        self._layer.append(("line", self._xy(points), width * self.side, self.tones[tone]))

    def ink(self) -> None:
        """Put the gathered body parts on the picture: first their common outline, then their fill."""
        draw, stroke = self._draw, self._stroke
        for what, where, width, _ in self._layer:
            if what == "ellipse":
                x0, y0, x1, y1 = where
                draw.ellipse([x0 - stroke, y0 - stroke, x1 + stroke, y1 + stroke], fill=self.edge)
            elif what == "polygon":
                draw.line([*where, where[0]], fill=self.edge, width=round(2 * stroke))
                if len(where) < 9:
                    self._joints(where, 2 * stroke, self.edge)
            else:
                self._line(where, width + 2 * stroke, self.edge)
        for what, where, width, colour in self._layer:
            if what == "ellipse":
                draw.ellipse(where, fill=colour)
            elif what == "polygon":
                draw.polygon(where, fill=colour)
            else:
                self._line(where, width, colour)
        self._layer = []

    def _line(self, where: list, width: float, colour: Rgb) -> None:
        self._draw.line(where, fill=colour, width=max(1, round(width)))
        if width > 2:
            self._joints(where, width, colour)

    def _joints(self, where: list, width: float, colour: Rgb) -> None:
        radius = width / 2
        for x, y in where:
            self._draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)

    def spot(self, cx: float, cy: float, rx: float, ry: float, colour: Rgb) -> None:
        """Draw a small ellipse on top."""
        self.ink()
        self._draw.ellipse(self._box(cx, cy, rx, ry), fill=colour)

    def patch(self, points: Points, colour: Rgb) -> None:
        """Draw a small polygon on top."""
        self.ink()
        self._draw.polygon(self._xy(points), fill=colour)

    def mark(self, points: Points, width: float, colour: Rgb | None = None) -> None:
        """Draw a thin line on top, in the outline's colour unless told otherwise."""
        self.ink()
        self._line(self._xy(points), width * self.side, colour or self.edge)

    def eye(self, cx: float, cy: float, radius: float = 0.035) -> None:
        """Draw an eye that shows on bodies of any colour."""
        self.spot(cx, cy, radius, radius, PAPER)
        self.spot(cx + radius * 0.25, cy, radius * 0.62, radius * 0.62, INK)


def _shade(rgb: Rgb, factor: float) -> Rgb:
    red, green, blue = (int(min(255, max(0, channel * factor))) for channel in rgb)
    return red, green, blue


def _outline_of(rgb: Rgb) -> Rgb:
    """Return a darker outline, softer around white; a lighter one for dark colours, which would vanish on a night sky."""
    if max(rgb) < 80:
        return (118, 118, 130)
    return _shade(rgb, 0.68 if min(rgb) > 200 else 0.55)


@lru_cache(maxsize=8)
def _basis(count: int) -> np.ndarray:
    """Return the matrix (5 * count, count) from control points to a closed Catmull-Rom curve."""
    matrix = np.zeros((5 * count, count))
    for i in range(count):
        for j in range(5):
            t = j / 5
            weights = (-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3)
            for k, weight in enumerate(weights):
                matrix[5 * i + j, (i + k - 1) % count] += weight / 2
    return matrix


def _smooth(points: Points) -> list[tuple[float, float]]:
    return (_basis(len(points)) @ np.asarray(points)).tolist()


def _arc(cx: float, cy: float, rx: float, ry: float, start: float, end: float, steps: int = 12) -> list[tuple[float, float]]:
    """Return points on an ellipse from ``start`` to ``end`` degrees, clockwise from the right."""
    angles = [(start + (end - start) * i / steps) * pi / 180 for i in range(steps + 1)]
    return [(cx + rx * cos(a), cy + ry * sin(a)) for a in angles]


def _box(x0: float, y0: float, x1: float, y1: float) -> list[tuple[float, float]]:
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def _round_box(x0: float, y0: float, x1: float, y1: float, r: float) -> list[tuple[float, float]]:
    corners = ((x1 - r, y0 + r, 270), (x1 - r, y1 - r, 0), (x0 + r, y1 - r, 90), (x0 + r, y0 + r, 180))
    return [point for cx, cy, start in corners for point in _arc(cx, cy, r, r, start, start + 90, 3)]


def _wheel(pen: Pen, cx: float, cy: float, radius: float) -> None:
    pen.spot(cx, cy, radius, radius, INK)
    pen.spot(cx, cy, radius * 0.45, radius * 0.45, (176, 178, 184))


def dog(pen: Pen, rng: np.random.Generator) -> None:
    """A standing dog with a floppy ear and a raised tail."""
    leg, ear, tail = rng.uniform(-0.02, 0.03), rng.uniform(-0.03, 0.05), rng.uniform(-0.06, 0.04)
    pen.limb([(0.11, 0.46), (0.055, 0.26 + tail)], 0.075)
    for x in (0.17, 0.3, 0.53, 0.66):
        pen.limb([(x, 0.6), (x, 0.9)], 0.1 + leg)
    pen.blob([(0.08, 0.45), (0.3, 0.41), (0.56, 0.41), (0.73, 0.44), (0.71, 0.68), (0.4, 0.66), (0.13, 0.7)])
    pen.shape([(0.54, 0.46), (0.6, 0.24), (0.8, 0.3), (0.73, 0.56)])
    pen.blob([(0.58, 0.2), (0.7, 0.12), (0.8, 0.19), (0.94, 0.26), (0.95, 0.37), (0.8, 0.41), (0.63, 0.4)])
    pen.ink()
    pen.blob([(0.58, 0.16), (0.65, 0.15), (0.67, 0.3), (0.63, 0.46 + ear), (0.55, 0.45 + ear), (0.53, 0.3)], tone=0.88)
    pen.eye(0.755, 0.23, 0.032)
    pen.spot(0.94, 0.275, 0.035, 0.03, INK)
    pen.mark([(0.85, 0.36), (0.94, 0.345)], 0.012)
    pen.mark([(0.6, 0.47), (0.67, 0.53), (0.74, 0.5)], 0.035, (196, 52, 52) if pen.edge[0] < 130 else (52, 88, 170))


def cat(pen: Pen, rng: np.random.Generator) -> None:
    """A cat that sits and looks at you, its tail curled up beside it."""
    ear, fat, tail = rng.uniform(-0.02, 0.04), rng.uniform(-0.02, 0.03), rng.uniform(-0.05, 0.05)
    pen.limb([(0.6, 0.9), (0.8, 0.9), (0.9, 0.8), (0.89, 0.66), (0.82, 0.56 + tail)], 0.085)
    pen.blob([(0.42, 0.42), (0.58, 0.48), (0.68 + fat, 0.72), (0.66 + fat, 0.95), (0.4, 0.96), (0.14 - fat, 0.95),
              (0.14 - fat, 0.72), (0.25, 0.48)])  # fmt: skip
    pen.shape([(0.15, 0.3), (0.14, 0.07 - ear), (0.36, 0.18)])
    pen.shape([(0.67, 0.3), (0.68, 0.07 - ear), (0.46, 0.18)])
    pen.oval(0.41, 0.33, 0.275, 0.215)
    pen.patch([(0.195, 0.19), (0.185, 0.13 - ear), (0.27, 0.175)], (240, 170, 170))
    pen.patch([(0.625, 0.19), (0.635, 0.13 - ear), (0.55, 0.175)], (240, 170, 170))
    pen.eye(0.31, 0.31, 0.045)
    pen.eye(0.51, 0.31, 0.045)
    pen.patch([(0.38, 0.385), (0.44, 0.385), (0.41, 0.42)], (240, 150, 150))
    for side in (-1, 1):
        pen.mark([(0.41 + side * 0.12, 0.4), (0.41 + side * 0.3, 0.38)], 0.01)
        pen.mark([(0.41 + side * 0.12, 0.425), (0.41 + side * 0.29, 0.45)], 0.01)
    pen.mark([(0.41, 0.74), (0.41, 0.94)], 0.014)


def bird(pen: Pen, rng: np.random.Generator) -> None:
    """A bird in flight, one wing raised."""
    wing, tail = rng.uniform(-0.05, 0.05), rng.uniform(-0.04, 0.04)
    pen.patch([(0.88, 0.47), (0.995, 0.54), (0.87, 0.575)], (244, 158, 32))
    pen.shape([(0.3, 0.6), (0.02, 0.62 + tail), (0.07, 0.74 + tail), (0.01, 0.83 + tail), (0.34, 0.76)])
    pen.blob([(0.2, 0.67), (0.42, 0.54), (0.68, 0.48), (0.78, 0.4), (0.9, 0.45), (0.91, 0.58), (0.78, 0.72), (0.56, 0.84),
              (0.34, 0.8)])  # fmt: skip
    pen.ink()
    pen.blob([(0.64, 0.55), (0.66, 0.3), (0.5 + wing, 0.05), (0.36 + wing, 0.03), (0.38 + wing, 0.12), (0.25 + wing, 0.13),
              (0.29 + wing, 0.23), (0.19 + wing, 0.26), (0.28, 0.44), (0.42, 0.62)])  # fmt: skip
    pen.mark([(0.36 + wing, 0.2), (0.5, 0.5)], 0.012)
    pen.mark([(0.47 + wing, 0.17), (0.56, 0.48)], 0.012)
    pen.eye(0.81, 0.5, 0.036)


def fish(pen: Pen, rng: np.random.Generator) -> None:
    """A fish seen from the side."""
    tall, tail = rng.uniform(-0.04, 0.04), rng.uniform(-0.05, 0.03)
    pen.shape([(0.32, 0.5), (0.03, 0.2 - tail), (0.11, 0.5), (0.03, 0.8 + tail)])
    pen.blob([(0.4, 0.3), (0.5, 0.13 - tall), (0.66, 0.2), (0.72, 0.34)])
    pen.blob([(0.46, 0.68), (0.44, 0.86 + tall), (0.58, 0.82), (0.62, 0.68)])
    pen.blob([(0.2, 0.5), (0.38, 0.31 - tall), (0.62, 0.24 - tall), (0.85, 0.34), (0.97, 0.51), (0.85, 0.66), (0.62, 0.76 + tall),
              (0.38, 0.69 + tall)])  # fmt: skip
    pen.mark(_arc(0.66, 0.5, 0.08, 0.19, -70, 70, 6), 0.016)
    pen.mark(_arc(0.38, 0.5, 0.06, 0.1, -70, 70, 5), 0.012)
    pen.mark(_arc(0.49, 0.5, 0.06, 0.12, -70, 70, 5), 0.012)
    pen.eye(0.85, 0.44, 0.045)
    pen.mark([(0.9, 0.585), (0.95, 0.56)], 0.014)


def snail(pen: Pen, rng: np.random.Generator) -> None:
    """A snail with a coiled shell."""
    radius, lean = rng.uniform(0.3, 0.34), rng.uniform(-0.04, 0.03)
    for x in (0.76 + lean, 0.93 + lean):
        pen.limb([(0.84, 0.5), (x, 0.26)], 0.035)
        pen.oval(x, 0.26, 0.035, 0.035)
    pen.blob([(0.01, 0.9), (0.2, 0.76), (0.55, 0.76), (0.7, 0.72), (0.74, 0.52), (0.83, 0.44), (0.93, 0.49), (0.95, 0.62),
              (0.9, 0.8), (0.8, 0.9), (0.45, 0.92)])  # fmt: skip
    pen.ink()
    cx, cy = 0.4, 0.47
    pen.oval(cx, cy, radius, radius, tone=0.88)
    turns = [(cx + radius * 0.82 * (1 - t) * cos(13 * t + 1.2), cy + radius * 0.82 * (1 - t) * sin(13 * t + 1.2)) for t in
             (i / 38 for i in range(38))]  # fmt: skip
    pen.mark(turns, 0.018)
    pen.spot(0.865, 0.57, 0.026, 0.026, INK if pen.edge[0] != 118 else PAPER)
    pen.mark([(0.86, 0.68), (0.91, 0.66)], 0.014)


def car(pen: Pen, rng: np.random.Generator) -> None:
    """A car seen from the side."""
    roof, nose = rng.uniform(-0.05, 0.03), rng.uniform(-0.03, 0.03)
    pen.shape([(0.2, 0.5), (0.32, 0.24 + roof), (0.63, 0.24 + roof), (0.8, 0.5)])
    pen.shape([(0.02, 0.52), (0.08, 0.46), (0.76, 0.46), (0.94, 0.52 + nose), (0.98, 0.6), (0.98, 0.77), (0.02, 0.77)])
    pen.patch([(0.31, 0.45), (0.37, 0.34 + roof), (0.45, 0.34 + roof), (0.45, 0.45)], GLASS)
    pen.patch([(0.52, 0.45), (0.52, 0.34 + roof), (0.59, 0.34 + roof), (0.67, 0.45)], GLASS)
    pen.mark([(0.485, 0.48), (0.485, 0.73)], 0.01)
    pen.mark([(0.53, 0.55), (0.58, 0.55)], 0.02)
    pen.spot(0.94, 0.6, 0.03, 0.035, (255, 240, 170))
    for x in (0.24, 0.76):
        _wheel(pen, x, 0.76, 0.09)


def bus(pen: Pen, rng: np.random.Generator) -> None:
    """A tall bus with a row of windows."""
    count, low = int(rng.integers(3, 5)), rng.uniform(-0.02, 0.03)
    pen.shape(_round_box(0.02, 0.15 + low, 0.98, 0.83, 0.07))
    step = 0.68 / count
    for i in range(count):
        pen.patch(_box(0.08 + i * step, 0.25 + low, 0.08 + i * step + step * 0.66, 0.39 + low), GLASS)
    pen.patch(_box(0.82, 0.25 + low, 0.92, 0.6), GLASS)
    pen.mark([(0.87, 0.25 + low), (0.87, 0.6)], 0.012)
    pen.mark([(0.05, 0.54), (0.76, 0.54)], 0.014)
    for x in (0.22, 0.68):
        _wheel(pen, x, 0.83, 0.085)


def boat(pen: Pen, rng: np.random.Generator) -> None:
    """A sailing boat."""
    mast, bow = rng.uniform(-0.03, 0.03), rng.uniform(-0.02, 0.03)
    pen.mark([(0.47 + mast, 0.06), (0.47 + mast, 0.74)], 0.032, WOOD)
    pen.shape([(0.51 + mast, 0.06), (0.51 + mast, 0.62), (0.9, 0.62)])
    pen.shape([(0.43 + mast, 0.16), (0.43 + mast, 0.62), (0.14, 0.62)], tone=0.88)
    pen.shape([(0.02, 0.7 - bow), (0.98, 0.7 - bow), (0.8, 0.93), (0.2, 0.93)])
    pen.mark([(0.1, 0.775), (0.9, 0.775)], 0.022, PAPER if max(pen.tones[1.0][:2]) < 230 else (70, 90, 130))
    pen.patch([(0.47 + mast, 0.02), (0.47 + mast, 0.09), (0.36 + mast, 0.055)], (214, 60, 60))


def rocket(pen: Pen, rng: np.random.Generator) -> None:
    """An upright rocket with two fins and a flame."""
    fin, fat = rng.uniform(-0.03, 0.04), rng.uniform(-0.02, 0.02)
    pen.patch([(0.41, 0.8), (0.59, 0.8), (0.5, 1.0)], (250, 150, 36))
    pen.patch([(0.46, 0.8), (0.54, 0.8), (0.5, 0.91)], (255, 226, 110))
    for side in (-1, 1):
        half = [(0.14, 0.5), (0.35, 0.7 - fin), (0.37, 0.93), (0.12, 0.78)]
        pen.shape([(0.5 + side * x, y) for x, y in half], tone=0.88)
    pen.ink()
    pen.blob([(0.5, 0.01), (0.63, 0.15), (0.7 + fat, 0.38), (0.68 + fat, 0.62), (0.6, 0.83), (0.4, 0.83), (0.32 - fat, 0.62),
              (0.3 - fat, 0.38), (0.37, 0.15)])  # fmt: skip
    pen.spot(0.5, 0.37, 0.105, 0.105, pen.edge)
    pen.spot(0.5, 0.37, 0.08, 0.08, GLASS)
    pen.mark([(0.36, 0.19), (0.43, 0.215), (0.57, 0.215), (0.64, 0.19)], 0.016)
    pen.mark([(0.5, 0.62), (0.5, 0.84)], 0.03)


def house(pen: Pen, rng: np.random.Generator) -> None:
    """A house with a chimney, a door and two windows."""
    roof, door = rng.uniform(-0.04, 0.05), rng.uniform(-0.03, 0.03)
    pen.shape(_box(0.69, 0.1, 0.81, 0.4))
    pen.shape(_box(0.12, 0.42, 0.88, 0.96))
    pen.ink()
    pen.shape([(0.5, 0.06 - roof * 0.5), (0.99, 0.47), (0.01, 0.47)], tone=0.88)
    pen.patch(_box(0.43 + door, 0.66, 0.57 + door, 0.96), WOOD)
    pen.spot(0.54 + door, 0.82, 0.014, 0.014, SUN)
    for x in (0.2, 0.66):
        pen.patch(_box(x, 0.58, x + 0.14, 0.72), GLASS)
        pen.mark([(x + 0.07, 0.58), (x + 0.07, 0.72)], 0.012)
        pen.mark([(x, 0.65), (x + 0.14, 0.65)], 0.012)


def tree(pen: Pen, rng: np.random.Generator) -> None:
    """A fir tree of three tiers."""
    wide, drop = rng.uniform(-0.04, 0.04), rng.uniform(-0.02, 0.02)
    pen.patch(_box(0.44, 0.8, 0.56, 0.99), WOOD)
    for i, (top, bottom, half) in enumerate(((0.45, 0.86, 0.46), (0.23, 0.62, 0.36), (0.01, 0.37, 0.25))):
        y, half = bottom + drop, half + wide * (1 - i * 0.2)
        hem = [(0.5 + half * x, y + sag) for x, sag in ((1, 0), (0.5, -0.03), (0, 0.01), (-0.5, -0.03), (-1, 0))]
        pen.shape([(0.5, top), *hem])
        pen.ink()


def flower(pen: Pen, rng: np.random.Generator) -> None:
    """A flower with round petals on a leafy stem."""
    count, turn, leaf = int(rng.integers(5, 8)), rng.uniform(0, 2 * pi), rng.uniform(-0.03, 0.03)
    pen.mark([(0.5, 0.5), (0.5, 0.97)], 0.045, STEM)
    pen.patch(_smooth([(0.5, 0.92), (0.6, 0.78 + leaf), (0.71, 0.75 + leaf), (0.65, 0.86 + leaf)]), STEM)
    pen.patch(_smooth([(0.5, 0.95), (0.4, 0.83 - leaf), (0.29, 0.8 - leaf), (0.35, 0.9 - leaf)]), STEM)
    size = {5: 0.17, 6: 0.16, 7: 0.145}[count]
    for i in range(count):
        angle = turn + 2 * pi * i / count
        pen.oval(0.5 + 0.22 * cos(angle), 0.39 + 0.22 * sin(angle), size, size)
        if count == 5 or i % 2 == 0:
            pen.ink()
    pen.oval(0.5, 0.39, 0.13, 0.13)
    heart = SUN if pen.tones[1.0][1] < 120 or pen.tones[1.0][2] > 130 else (134, 78, 36)
    pen.spot(0.5, 0.39, 0.085, 0.085, heart)


def mushroom(pen: Pen, rng: np.random.Generator) -> None:
    """A mushroom with a spotted cap on a stout stalk."""
    tall, stout = rng.uniform(-0.04, 0.04), rng.uniform(-0.1, 0.12)
    stalk = [(0.41, 0.5), (0.59, 0.5), (0.6, 0.78), (0.65, 0.94), (0.5, 0.96), (0.35, 0.94), (0.4, 0.78)]
    for grown, colour in ((0.016, pen.edge), (0.0, (240, 226, 200))):
        wide = 1 + stout + grown * 8
        pen.patch(_smooth([(0.5 + (x - 0.5) * wide, y + grown * (y > 0.9)) for x, y in stalk]), colour)
    pen.shape([*_arc(0.5, 0.6, 0.48, 0.56 + tall, 180, 360, 18), *_arc(0.5, 0.6, 0.48, 0.07, 0, 180, 10)])
    spot = PAPER if min(pen.tones[1.0]) < 200 else (206, 92, 84)
    for x, y, r in ((0.28, 0.42, 0.055), (0.52, 0.22, 0.055), (0.73, 0.44, 0.06), (0.49, 0.49, 0.035)):
        pen.spot(x + rng.uniform(-0.03, 0.03), y, r, r * 0.9, spot)


def cactus(pen: Pen, rng: np.random.Generator) -> None:
    """A cactus with two raised arms."""
    left, right = rng.uniform(-0.06, 0.06), rng.uniform(-0.06, 0.06)
    pen.limb([(0.5, 0.13), (0.5, 0.93)], 0.23)
    pen.limb([(0.45, 0.66 + left), (0.14, 0.66 + left), (0.14, 0.4 + left)], 0.145)
    pen.limb([(0.55, 0.55 + right), (0.86, 0.55 + right), (0.86, 0.26 + right)], 0.145)
    ribs = ((0.455, 0.14, 0.94), (0.545, 0.14, 0.94), (0.14, 0.42 + left, 0.62 + left), (0.86, 0.28 + right, 0.5 + right))
    for x, top, bottom in ribs:
        pen.mark([(x, top), (x, bottom)], 0.01)
    pen.spot(0.5, 0.035, 0.05, 0.035, (244, 132, 170))


def cup(pen: Pen, rng: np.random.Generator) -> None:
    """A mug with a handle."""
    taper, grip = rng.uniform(0.0, 0.06), rng.uniform(-0.03, 0.03)
    pen.limb(_arc(0.7, 0.5 + grip, 0.22, 0.2, -80, 80, 10), 0.085)
    base = _arc(0.39, 0.86, 0.33 - taper, 0.07, 0, 180, 8)
    pen.shape([(0.04, 0.2), (0.74, 0.2), (0.74 - taper, 0.84), *base, (0.04 + taper, 0.84)])
    pen.oval(0.39, 0.2, 0.35, 0.085)
    pen.spot(0.39, 0.2, 0.3, 0.06, pen.edge)
    pen.spot(0.39, 0.215, 0.26, 0.043, (98, 60, 36))
    pen.mark([(0.13 + taper / 2, 0.36), (0.14 + taper, 0.74)], 0.03, pen.tones[0.88])


def chair(pen: Pen, rng: np.random.Generator) -> None:
    """A wooden chair seen from the side."""
    tall, lean = rng.uniform(-0.02, 0.04), rng.uniform(-0.03, 0.02)
    for x in (0.36, 0.72):
        pen.limb([(x, 0.6), (x, 0.9)], 0.075, tone=0.88)
    pen.ink()
    pen.limb([(0.2, 0.58), (0.2, 0.94)], 0.105)
    pen.limb([(0.86, 0.6), (0.86, 0.94)], 0.105)
    pen.shape([(0.13 + lean, 0.03 - tall * 0.5), (0.3 + lean, 0.03 - tall * 0.5), (0.33, 0.58), (0.14, 0.58)])
    pen.shape(_round_box(0.12, 0.52, 0.95, 0.67, 0.05))
    pen.mark([(0.22 + lean, 0.09), (0.235, 0.5)], 0.014)


def ball(pen: Pen, rng: np.random.Generator) -> None:
    """A ball with curved seams."""
    turn = rng.uniform(-0.5, 0.5)
    pen.oval(0.5, 0.5, 0.46, 0.46)
    c, s = cos(turn), sin(turn)

    def turned(points: Points) -> list[tuple[float, float]]:
        return [(0.5 + c * (x - 0.5) - s * (y - 0.5), 0.5 + s * (x - 0.5) + c * (y - 0.5)) for x, y in points]

    pen.mark(turned([(0.06, 0.5), (0.94, 0.5)]), 0.02)
    pen.mark(turned(_arc(-0.05, 0.5, 0.36, 0.42, -55, 55, 8)), 0.02)
    pen.mark(turned(_arc(1.05, 0.5, 0.36, 0.42, 125, 235, 8)), 0.02)
    pen.mark(turned([(0.5, 0.06), (0.5, 0.94)]), 0.02)
    pen.spot(0.33, 0.24, 0.07, 0.05, PAPER if min(pen.tones[1.0]) < 200 else (214, 222, 230))


def umbrella(pen: Pen, rng: np.random.Generator) -> None:
    """An open umbrella with a hooked handle."""
    count, tall = int(rng.integers(3, 6)), rng.uniform(-0.03, 0.05)
    pen.mark([(0.5, 0.02), (0.5, 0.86), *_arc(0.6, 0.86, 0.1, 0.1, 180, 10, 8)], 0.045, (104, 92, 84))
    dome = _arc(0.5, 0.53, 0.49, 0.46 + tall, 180, 360, 18)
    half = 0.49 / count
    scallops = [point for i in range(count) for point in _arc(0.99 - half * (2 * i + 1), 0.53, half, 0.075, 0, -180, 6)]
    pen.shape([*dome, *scallops])
    for i in range(1, count):
        x = 0.01 + 2 * half * i
        middle = 0.5 + (x - 0.5) * 0.75
        pen.mark([(0.5, 0.08 - tall), (middle, 0.28), (x, 0.52)], 0.013)


KINDS: dict[str, Callable[[Pen, np.random.Generator], None]] = {
    kind.__name__: kind
    for kind in (
        *(dog, cat, bird, fish, snail, car, bus, boat, rocket),
        *(house, tree, flower, mushroom, cactus, cup, chair, ball, umbrella),
    )
}
"""Every kind by the name that questions and answers use."""


def draw_kind(name: str, size: int, rgb: Rgb, rng: np.random.Generator, flip: bool = False) -> Image.Image:
    """Draw one thing, anti-aliased, on a transparent square.

    Parameters
    ----------
    name : str
        One of ``KINDS``.
    size : int
        Side in pixels, at least 4.
    rgb : tuple of int
        Colour of the body, 0 to 255; its brightness varies by a few per cent.
    rng : numpy.random.Generator
        Decides proportions and brightness; the same state draws the same picture.
    flip : bool
        Mirror left and right.

    Returns
    -------
    PIL.Image.Image
        RGBA, (size, size); alpha is the mask. At least 70 % of the opaque pixels are close to ``rgb``.

    Raises
    ------
    UserError
        When ``name`` is not a kind.

    Examples
    --------
    >>> draw_kind("cat", 60, COLOURS["red"], np.random.default_rng(0)).size
    (60, 60)
    """
    if name not in KINDS:
        raise UserError(f"There is no kind called {name!r}.", f"There are: {', '.join(KINDS)}.", "Choose one of these.")
    factor = 3 if size < 48 else 2
    pen = Pen(size * factor, _shade(rgb, rng.uniform(0.95, 1.05)), flip)
    KINDS[name](pen, rng)
    pen.ink()
    return pen.image.reduce(factor)
