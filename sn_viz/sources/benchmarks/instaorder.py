"""InstaOrder: of two marked objects in a photograph of COCO, which covers the other, and which is nearer?

Published as ``annotations/InstaOrder_train2017.json`` and ``annotations/InstaOrder_val2017.json``: an object whose list
``annotations`` holds ``image_id``, ``instance_ids`` (numbers of COCO's own annotations), ``occlusion`` and ``depth``; an entry of
either has an ``order`` such as ``0<2``, which counts places in ``instance_ids``: object 0 covers object 2, or is nearer to the
camera. ``0<2 & 2<0`` says that each covers a part of the other, ``0=2`` that both are equally far. COCO's
``instances_train2017.json`` and ``instances_val2017.json`` give their outlines.

The paper's way of turning these orders into questions is not at hand. These choices are ours: one pair per photograph, picked by
the photograph's number, so that questions are independent; orders that hold both ways, or neither, are left out, for then no colour
would be the right one; one object is outlined in red and the other in blue, and which is which is settled by the photograph's
number, so that yes and no are equally frequent. The question is the same for every photograph and does not name what is outlined:
a person is in front of a chair more often than not, so that words alone would answer. All depth orders are used, those marked as
overlapping too.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from sn_viz.sources.benchmarks import BENCHMARKS, NO, YES, Asked, Benchmark
from sn_viz.sources.benchmarks.files import arrays, field, find_file, picture_in, wrong
from sn_viz.sources.budget import Budget
from sn_viz.sources.ingest import picture_from_pixels
from sn_viz.types import Picture

LAYOUT = (
    "annotations/InstaOrder_train2017.json, annotations/InstaOrder_val2017.json, COCO's annotations/instances_train2017.json and "
    "annotations/instances_val2017.json, and the photographs in train2017 and val2017"
)
RED, BLUE = (255, 0, 0), (0, 80, 255)
QUESTIONS = {
    "occlusion": "Does the object outlined in red cover a part of the object outlined in blue? Answer yes or no.",
    "depth": "Is the object outlined in red nearer to the camera than the object outlined in blue? Answer yes or no.",
}
_ORDER = re.compile(r"\s*(\d+)\s*<\s*(\d+)\s*")


@dataclass(frozen=True)
class Pair:
    """Two objects of one photograph, by their numbers in COCO's annotations."""

    image: int
    red: int
    blue: int
    answer: str


@dataclass(frozen=True)
class Outline:
    """Where an object is, in pixels of the photograph as COCO has it."""

    polygons: tuple[tuple[float, ...], ...]
    """x, y in turns; the box, where COCO gives no polygon."""


def local(folder: Path, part: str, order: str) -> Iterator[Asked]:
    """List one question per photograph of ``part`` about ``order``: occlusion or depth."""
    orders = _annotations(folder, f"InstaOrder_{part}2017.json")
    instances = _annotations(folder, f"instances_{part}2017.json")
    found = [pair_of(entry, order, orders.name, n) for n, (_, entry) in enumerate(arrays(orders, {"annotations"}), start=1)]
    pairs = [pair for pair in found if pair]
    outlines, sizes, files = _coco(instances, pairs)
    places = (f"{part}2017", f"images/{part}2017", "images", f"../coco/{part}2017")
    for pair in pairs:
        if pair.red not in outlines or pair.blue not in outlines:
            raise wrong(orders.name, f"of photograph {pair.image}", f"Its objects are not in {instances.name}.")
        red, blue = outlines[pair.red], outlines[pair.blue]
        name = files.get(pair.image, f"{pair.image:012d}.jpg")
        opened = functools.partial(_marked, picture_in(folder, places, name), red, blue, sizes.get(pair.image))
        yield Asked(name, name, QUESTIONS[order], pair.answer, opened)


def pair_of(entry: Mapping[str, Any], order: str, source: str, number: object) -> Pair | None:
    """Return the pair of a photograph that is asked about, or None when no order of two objects is one-sided.

    Raises
    ------
    UserError
        When a field is missing, or an order names an object that is not there.
    """
    image, ids = field(entry, "image_id", int, source, number), field(entry, "instance_ids", list, source, number)
    sided = [pair for one in field(entry, order, list, source, number) if (pair := _one_sided(one, source, number))]
    if not sided:
        return None
    coin = int.from_bytes(hashlib.sha256(f"{order} {image}".encode()).digest()[:8], "big")
    first, second = sided[(coin >> 1) % len(sided)]
    if max(first, second) >= len(ids):
        raise wrong(source, number, f"Its order {first}<{second} counts beyond its {len(ids)} objects.")
    red, blue = (first, second) if coin & 1 else (second, first)
    return Pair(image, int(ids[red]), int(ids[blue]), YES if coin & 1 else NO)


def _one_sided(one: object, source: str, number: object) -> tuple[int, int] | None:
    text = field(one if isinstance(one, dict) else {}, "order", str, source, number)
    if "&" in text or "=" in text:
        return None
    match = _ORDER.fullmatch(text)
    if match is None:
        raise wrong(source, number, f"Its order {text!r} is none of the forms 0<1, 0<1 & 1<0 and 0=1.")
    return int(match[1]), int(match[2])


def _annotations(folder: Path, name: str) -> Path:
    return find_file(folder, [f"annotations/{name}", name, f"../coco/annotations/{name}"], LAYOUT)


def _coco(path: Path, pairs: list[Pair]) -> tuple[dict[int, Outline], dict[int, tuple[int, int]], dict[int, str]]:
    """Return the outlines that pairs need, and the size and file name of each photograph."""
    objects, photographs = {n for p in pairs for n in (p.red, p.blue)}, {p.image for p in pairs}
    outlines: dict[int, Outline] = {}
    sizes: dict[int, tuple[int, int]] = {}
    files: dict[int, str] = {}
    for number, (key, entry) in enumerate(arrays(path, {"annotations", "images"}), start=1):
        of = functools.partial(field, entry, source=path.name, number=number)
        identity = of("id", int)
        if key == "annotations" and identity in objects:
            outlines[identity] = Outline(_polygons(entry, path.name, number))
        elif key == "images" and identity in photographs:
            sizes[identity], files[identity] = (of("width", int), of("height", int)), of("file_name", str)
    return outlines, sizes, files


def _polygons(entry: Mapping[str, Any], source: str, number: object) -> tuple[tuple[float, ...], ...]:
    segmentation = entry.get("segmentation")
    if isinstance(segmentation, list) and segmentation:
        return tuple(tuple(map(float, polygon)) for polygon in segmentation)
    x, y, width, height = map(float, field(entry, "bbox", list, source, number))
    return ((x, y, x + width, y, x + width, y + height, x, y + height),)


def _marked(
    opened: Callable[[Budget], Picture], red: Outline, blue: Outline, size: tuple[int, int] | None, budget: Budget
) -> Picture:
    return marked(opened(budget), red, blue, size)


def marked(picture: Picture, red: Outline, blue: Outline, size: tuple[int, int] | None = None) -> Picture:
    """Return the photograph with both outlines drawn.

    Parameters
    ----------
    picture : Picture
    red, blue : Outline
    size : (int, int), optional
        Width and height that the outlines refer to, where the picture was scaled since.
    """
    image = Image.fromarray(np.asarray(picture.pixels))
    x_scale, y_scale = (1.0, 1.0) if size is None else (image.width / size[0], image.height / size[1])
    width = max(2, round(max(image.size) / 160))
    canvas = ImageDraw.Draw(image)
    for outline, colour in ((blue, BLUE), (red, RED)):
        for polygon in outline.polygons:
            points = [(x * x_scale, y * y_scale) for x, y in zip(polygon[::2], polygon[1::2], strict=False)]
            canvas.line([*points, points[0]], fill=colour, width=width, joint="curve")
    return picture_from_pixels(np.asarray(image))


for _order in QUESTIONS:
    BENCHMARKS.register(f"instaorder-{_order}")(
        Benchmark(
            title=f"InstaOrder {_order}",
            classes=(NO, YES),
            folder="instaorder",
            layout=LAYOUT,
            home="The orders: github.com/POSTECH-CVLab/InstaOrder. COCO's own annotations and photographs (2017): cocodataset.org.",
            ours="How an order becomes a yes/no question about two outlined objects, one per photograph; one-sided orders only.",
            local=functools.partial(local, order=_order),
        )
    )
