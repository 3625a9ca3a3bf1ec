"""How many altered copies of photographs are found again, and how many different pictures are taken for one.

Takes a folder of pictures, however deep; each of a sample is re-encoded, rescaled and cropped by at most 5 % a side. Pairs that are
found among the pictures of the folder are named: some are true near-duplicates, which most collections hold, so that the rate of
false pairs is at most what is printed. One half of the pictures is measured, told by the digests of their names, as the thresholds
were set on the other; ``half`` chooses.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from sn_viz.bench import Row, row
from sn_viz.errors import UserError
from sn_viz.sources.ingest import as_picture
from sn_viz.splits.near_duplicates import near_duplicates
from sn_viz.types import Picture

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
LEAST_RECALL, MOST_FALSE = 0.99, 1e-4


def _encoded(image: Image.Image, form: str, quality: int) -> Image.Image:
    file = BytesIO()
    image.save(file, form, quality=quality)
    return Image.open(BytesIO(file.getvalue())).convert("RGB")


def _scaled(image: Image.Image, scale: float) -> Image.Image:
    width, height = (max(8, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def _cropped(image: Image.Image, rng: np.random.Generator, corner: bool = False) -> Image.Image:
    left, top, right, bottom = rng.choice([0.0, 0.05], 4) if corner else rng.uniform(0, 0.05, 4)
    width, height = image.size
    return image.crop((round(left * width), round(top * height), width - round(right * width), height - round(bottom * height)))


ALTERATIONS: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "JPEG, quality 30": lambda image, rng: _encoded(image, "JPEG", 30),
    "WebP, quality 40": lambda image, rng: _encoded(image, "WEBP", 40),
    "a quarter as large": lambda image, rng: _scaled(image, 0.25),
    "twice as large": lambda image, rng: _scaled(image, 2.0),
    "cropped by up to 5 % a side": lambda image, rng: _cropped(image, rng),
    "cropped by 5 % at some sides": lambda image, rng: _cropped(image, rng, corner=True),
    "cropped, half as large, JPEG": lambda image, rng: _encoded(_scaled(_cropped(image, rng), 0.5), "JPEG", 60),
}


def measure(folder: str | Path, half: str = "second", n_altered: int = 200, most: int = 4000, seed: int = 0) -> list[Row]:
    """Return recall for each alteration, the share of pairs that are found among the folder's own pictures, and seconds.

    Raises
    ------
    UserError
        When the folder holds fewer than two pictures of that half.
    """
    paths = [path for path in sorted(Path(folder).rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file()]
    wanted = {"first": (0,), "second": (1,), "all": (0, 1)}[half]
    paths = [p for p in paths if hashlib.sha256(p.relative_to(folder).as_posix().encode()).digest()[0] % 2 in wanted]
    rng = np.random.default_rng(seed)
    paths = [paths[i] for i in np.sort(rng.permutation(len(paths))[:most])]
    if len(paths) < 2:
        raise UserError("There are too few pictures.", f"{len(paths)} were found.", "Name a folder of photographs.")
    pictures = [as_picture(path) for path in paths]
    start = time.perf_counter()
    found = near_duplicates(pictures)
    seconds = time.perf_counter() - start
    n_pairs = len(pictures) * (len(pictures) - 1) // 2
    names = "; ".join(f"{paths[i].relative_to(folder)} = {paths[j].relative_to(folder)}" for i, j in found)
    rows = [
        row(
            "pairs among different pictures", len(found) / n_pairs, "of all", at_most=MOST_FALSE, note=f"{n_pairs:,} pairs: {names}"
        ),
        row("time", seconds, "s", note=f"{len(pictures):,} pictures"),
    ]
    sample = [pictures[i] for i in rng.permutation(len(pictures))[:n_altered]]
    for name, altered in ALTERATIONS.items():
        again = [_found_again(picture, altered, rng) for picture in sample]
        rows.append(row(f"found: {name}", float(np.mean(again)), "of all", at_least=LEAST_RECALL, note=f"{len(again)} pairs"))
    return rows


def _found_again(picture: Picture, altered: Callable, rng: np.random.Generator) -> bool:
    copy = as_picture(altered(Image.fromarray(picture.pixels), rng))
    return bool(near_duplicates([picture, copy]))
