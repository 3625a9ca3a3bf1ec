"""Photographs and drawn pictures for training, as what enters the part of the tower that learns.

Takes folders of photographs (``nouns.SETS`` says which) and numbers; composes single photographs, photographs pasted somewhere, and
collages, draws scenes beside them, runs all through the standing part of the tower once, and keeps that on disk with the truth. It
knows nothing of questions, decoders or losses.

What is kept grows chunk by chunk: an interrupted call goes on where it stopped, and training may begin with what is there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sn_viz.errors import UserError
from sn_viz.training.nouns import NOUNS, Noun, trained
from sn_viz.world.backgrounds import draw_background
from sn_viz.world.pictures import draw_one
from sn_viz.world.scene import TRAINED_BACKGROUNDS, Drawing, Scene, sample_scene

SIDE = 160
"""Pixels a side of what the tower sees."""
GRID = 5
"""Patches a side of the tower's last map."""
LEAST = 0.22
"""The share of a patch that a drawn thing must fill to be its truth."""
MOST_CELLS = 6
"""Photographs in one picture, at most."""
CHUNK = 256
"""Pictures composed, computed and written together."""
LAYOUTS = ((1, 1), (1, 2), (2, 1), (2, 2), (1, 3), (2, 3))
LAYOUT_SHARES = (0.22, 0.14, 0.14, 0.42, 0.03, 0.05)
"""How pictures of several photographs are laid out; (1, 1) is one photograph pasted somewhere."""
FAMILIAR = ("dog", "cat", "bird", "car", "horse", "ship", "person", "boat", "chair", "flower", "truck", "aeroplane")
"""Words of everyday photographs, which collages show more often than others."""
DRAWN_SHARE = 0.28
FIGURE_SHARE = 0.02
COLLAGE_SHARE = 0.18
"""Shares of all pictures; the rest are single photographs."""
HELD_OUT_EVERY = 25
"""One photograph in so many is never trained on."""


@dataclass(frozen=True)
class Photograph:
    """One file and what it shows."""

    path: str
    noun: Noun


def find_photographs(folders: Sequence[str | Path], per_folder: dict[str, int] | None = None) -> list[Photograph]:
    """Return the photographs in ``folders`` whose nouns training may show.

    Parameters
    ----------
    folders : sequence of path
        Each is, or contains at any depth, folders with the names that ``nouns.NOUNS`` tells; others are passed over.
    per_folder : dict, optional
        The most photographs taken from a folder of each set, by the set's name.

    Raises
    ------
    UserError
        When a folder does not exist or holds no such folder.
    """
    limits = {"tiny-imagenet": 210, "cifar": 1250} | (per_folder or {})
    found: list[Photograph] = []
    for folder in folders:
        if not Path(folder).is_dir():
            raise UserError(f"There is no folder {str(folder)!r}.", "Photographs are read from it.", "Give a folder that exists.")
        before = len(found)
        for place, inner, _ in os.walk(folder):
            name = Path(place).name
            known = next((s for s, nouns in NOUNS.items() if name in nouns and _belongs(s, Path(place))), None)
            if known is None:
                inner.sort()
                continue
            inner.clear()
            if trained(NOUNS[known][name]):
                files = sorted(p for p in Path(place).rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
                step = max(1, len(files) // limits.get(known, len(files) or 1))
                files = files[::step][: limits.get(known)]
                found += [Photograph(str(path), NOUNS[known][name]) for path in files]
        if len(found) == before:
            raise UserError(
                f"No known photographs in {str(folder)!r}.",
                f"Folders named as in one of these sets are looked for: {', '.join(NOUNS)}.",
                "Give the folder in which such a set was unpacked.",
            )
    return found


def _belongs(name: str, place: Path) -> bool:
    """Return whether ``place`` may belong to the set ``name``: test halves never do, and sets share folder names."""
    parts = {part.lower() for part in place.parts}
    if "test" in parts or "val" in parts:
        return False
    is_cifar = any("cifar" in part for part in parts)
    return is_cifar == (name == "cifar")


@dataclass(frozen=True, eq=False)
class Things:
    """What a picture made of photographs shows."""

    photographs: list[int]
    """Indices of photographs."""
    boxes: list[tuple[float, float, float, float]]
    """Left, top, right, bottom as fractions of the picture."""


def compose(photographs: Sequence[Photograph], by_name: dict[str, list[int]], seed: tuple[int, int], single: int | None):
    """Return a picture uint8 (160, 160, 3) and its ``Things``: photograph ``single``, or some laid out."""
    rng = np.random.default_rng(seed)
    if single is not None:
        return np.asarray(_view(photographs[single].path, (SIDE, SIDE), rng)), Things([single], [(0.0, 0.0, 1.0, 1.0)])
    rows, columns = LAYOUTS[int(rng.choice(len(LAYOUTS), p=LAYOUT_SHARES))]
    canvas = _canvas(rng)
    chosen, boxes = [], []
    names = list(by_name)
    familiar = [name for name in FAMILIAR if name in by_name]

    def name() -> str:
        return str(rng.choice(familiar if familiar and rng.uniform() < 0.4 else names))

    if rows == columns == 1:
        side = int(SIDE * rng.uniform(0.35, 0.7))
        left, top = (int(v) for v in rng.integers(0, SIDE - side + 1, 2))
        spots = [(left, top, side, side)]
    else:
        gap = int(rng.choice([0, 0, 2, 6]))
        width, height = SIDE // columns, SIDE // rows
        spots = [
            (c * width + gap // 2, r * height + gap // 2, width - gap, height - gap) for r in range(rows) for c in range(columns)
        ]
    twin = name() if rng.uniform() < 0.5 else None
    full = 1.0 if len(spots) < 4 else 0.88
    for left, top, width, height in spots:
        if chosen and rng.uniform() > full:
            continue
        wanted = twin if twin and rng.uniform() < 0.5 else name()
        index = int(rng.choice(by_name[wanted]))
        canvas.paste(_view(photographs[index].path, (width, height), rng), (left, top))
        chosen.append(index)
        boxes.append((left / SIDE, top / SIDE, (left + width) / SIDE, (top + height) / SIDE))
    return np.asarray(canvas), Things(chosen, boxes)


def _canvas(rng: np.random.Generator) -> Image.Image:
    if rng.uniform() < 0.5:
        return draw_background(str(rng.choice(TRAINED_BACKGROUNDS)), SIDE, rng).convert("RGB")
    return Image.new("RGB", (SIDE, SIDE), tuple(int(v) for v in rng.integers(0, 256, 3)))


def _view(path: str, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Return the photograph resized to ``size``, mostly all of it, sometimes a part, and half of the time mirrored."""
    with Image.open(path) as file:
        file.draft("RGB", (2 * size[0], 2 * size[1]))
        image = file.convert("RGB")
    if rng.uniform() < 0.6:
        share = rng.uniform(0.75, 1.0)
        width, height = max(8, int(image.width * share)), max(8, int(image.height * share))
        left, top = int(rng.integers(image.width - width + 1)), int(rng.integers(image.height - height + 1))
        image = image.crop((left, top, left + width, top + height))
    if rng.uniform() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return image.resize(size, Image.Resampling.BICUBIC)


def reduced(pixels: np.ndarray, side: int) -> np.ndarray:
    """Return uint8 (row, column, channel) of the same size that holds no more than ``side`` by ``side`` pixels would."""
    image = Image.fromarray(pixels)
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC).resize(image.size, Image.Resampling.BICUBIC))


# ---- what is kept --------------------------------------------------------------------------------------------------------------

DRAWN = ("kind", "colour", "place", "present", "count", "background", "degraded", "figure", "visible", "covers", "seed")
"""Truth of drawn pictures; zero, or 255 for none, in photographs."""


class Kept:
    """Pictures as they enter the part of the tower that learns, with their truth; arrays on disk, filled from the front.

    Attributes
    ----------
    stem : np.ndarray
        float16 (picture, 112, 10, 10).
    soft : np.ndarray
        float16 (picture, 1000): what the tower's own head says of it, as logits.
    pooled : np.ndarray
        float16 (picture, 1280): the mean over patches of the tower's last map, as published.
    bright : np.ndarray
        float32 (picture,): mean pixel, from -1 to 1.
    drawn : np.ndarray
        bool (picture,): a scene or figure rather than photographs.
    held_out : np.ndarray
        bool (picture,): never trained on.
    single : np.ndarray
        int32 (picture,): the one photograph that a picture is, -1 for any other.
    photographs, boxes : np.ndarray
        int32 (picture, cell), -1 for none, and float16 (picture, cell, 4).
    truth : dict of np.ndarray
        The arrays ``DRAWN`` as in ``data.Pictures``, on a grid of five.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.plan = json.loads((self.folder / "plan.json").read_text())
        self.arrays = {name: np.load(self.folder / f"{name}.npy", mmap_mode="r+") for name in self.plan["arrays"]}
        self.table = [Photograph(path, NOUNS[s][folder]) for path, s, folder in self.plan["photographs"]]
        for name in ("stem", "soft", "pooled", "bright", "drawn", "held_out", "photographs", "boxes"):
            setattr(self, name, self.arrays[name])
        self.truth = {name: self.arrays[name] for name in DRAWN}
        self.single = np.load(self.folder / "single.npy")

    stem: np.ndarray
    soft: np.ndarray
    pooled: np.ndarray
    bright: np.ndarray
    drawn: np.ndarray
    held_out: np.ndarray
    photographs: np.ndarray
    boxes: np.ndarray

    @property
    def n_done(self) -> int:
        """How many pictures are there."""
        path = self.folder / "done"
        return int(path.read_text()) if path.exists() else 0

    @property
    def figure(self) -> np.ndarray:
        """uint8 (picture,): category of a formula-drawn figure, 255 for anything else."""
        return self.truth["figure"]

    def scene(self, index: int) -> tuple[Scene, Drawing]:
        """Return the scene of the drawn picture ``index`` and its truth, without drawing it again."""
        scene = sample_scene(np.random.default_rng(self.truth["seed"][index]))
        n = len(scene.things)
        visible, covers = self.truth["visible"][index, :n], self.truth["covers"][index, :n, :n]
        return scene, Drawing(None, None, visible, covers)  # type: ignore[arg-type]

    def pixels(self, index: int, seed: int | None = None) -> np.ndarray:
        """Return the single photograph ``index``, uint8 (160, 160, 3): as the tower was shown it, or cut anew by ``seed``."""
        return compose(self.table, {}, (self.plan["seed"] if seed is None else seed, index), int(self.single[index]))[0].copy()

    def nouns(self, index: int) -> list[Noun]:
        """Return what the photographs of picture ``index`` show."""
        return [self.table[int(i)].noun for i in self.photographs[index] if i >= 0]


def plan_pictures(folder: str | Path, photographs: Sequence[Photograph], n: int, seed: int = 1) -> Kept:
    """Make room in ``folder`` for ``n`` pictures, every single photograph at least once among them as far as ``n`` allows."""
    place = Path(folder)
    if (place / "plan.json").exists():
        return Kept(place)
    place.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    kinds = rng.choice(4, n, p=(1 - DRAWN_SHARE - FIGURE_SHARE - COLLAGE_SHARE, COLLAGE_SHARE, DRAWN_SHARE, FIGURE_SHARE))
    singles = np.flatnonzero(kinds == 0)
    order = np.concatenate([rng.permutation(len(photographs)) for _ in range(-(-len(singles) // len(photographs)))])
    single = np.full(n, -1, np.int32)
    single[singles] = order[: len(singles)]
    patches, cells = GRID * GRID, MOST_CELLS
    sample = draw_one((seed, 0), False, SIDE, GRID, LEAST)
    shapes = {
        "stem": ((n, 112, 10, 10), np.float16), "soft": ((n, 1000), np.float16), "pooled": ((n, 1280), np.float16),
        "bright": ((n,), np.float32),
        "drawn": ((n,), bool), "held_out": ((n,), bool), "photographs": ((n, cells), np.int32),
        "boxes": ((n, cells, 4), np.float16),
    }  # fmt: skip
    shapes |= {name: ((n, *np.shape(sample[name])), np.asarray(sample[name]).dtype) for name in DRAWN}
    shapes["seed"] = ((n, 2), np.int64)
    shapes |= dict.fromkeys(("count", "background", "degraded", "figure"), ((n,), np.uint8))
    assert shapes["kind"][0] == (n, patches)
    for name, (shape, kind) in shapes.items():
        np.lib.format.open_memmap(place / f"{name}.npy", "w+", kind, shape).flush()
    np.save(place / "what.npy", kinds.astype(np.int8))
    np.save(place / "single.npy", single)
    table = [(p.path, *_where(p.noun)) for p in photographs]
    (place / "plan.json").write_text(json.dumps({"arrays": list(shapes), "photographs": table, "seed": seed, "n": n}))
    return Kept(place)


def _where(noun: Noun) -> tuple[str, str]:
    return next((s, folder) for s, nouns in NOUNS.items() for folder, other in nouns.items() if other is noun)


_AT_WORK: dict = {}
"""What each worker process needs, set once: the photographs, and which of them each part may use by name."""


def _begin(folder: str) -> None:
    kept = Kept(folder)
    parts = []
    for held_out in (False, True):
        by_name: dict[str, list[int]] = {}
        for index, photograph in enumerate(kept.table):
            if (index % HELD_OUT_EVERY == 0) == held_out:
                for word in photograph.noun.words:
                    by_name.setdefault(word, []).append(index)
        parts.append(by_name)
    _AT_WORK.update(
        table=kept.table, by_name=parts, seed=kept.plan["seed"], what=np.load(Path(folder, "what.npy")),
        single=np.load(Path(folder, "single.npy")),
    )  # fmt: skip


def _picture(index: int) -> tuple[np.ndarray, dict]:
    """Return picture ``index`` uint8 (160, 160, 3), and its truth."""
    work, what = _AT_WORK, _AT_WORK["what"][index]
    if what >= 2:
        row = draw_one((work["seed"] + 77, index), what == 3, SIDE, GRID, LEAST)
        held_out = index % HELD_OUT_EVERY == 0
        return row["pixels"], {name: row[name] for name in DRAWN} | {"drawn": True, "held_out": held_out}
    single = int(work["single"][index]) if what == 0 else None
    held_out = (index if single is None else single) % HELD_OUT_EVERY == 0
    pixels, things = compose(work["table"], work["by_name"][int(held_out)], (work["seed"], index), single)
    photographs, boxes = np.full(MOST_CELLS, -1, np.int32), np.zeros((MOST_CELLS, 4), np.float16)
    photographs[: len(things.photographs)], boxes[: len(things.boxes)] = things.photographs, things.boxes
    truth = {"drawn": False, "held_out": held_out, "photographs": photographs, "boxes": boxes, "figure": 255, "background": 255}
    return pixels, truth


def _some(start: int, stop: int) -> tuple[np.ndarray, list[dict]]:
    pairs = [_picture(index) for index in range(start, stop)]
    return np.stack([pixels for pixels, _ in pairs]), [truth for _, truth in pairs]


def fill(
    kept: Kept,
    compute: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]],
    progress: Callable[[int], None] = lambda n: None,
    workers: int | None = None,
    limit: int | None = None,
) -> None:
    """Compose, compute and write the pictures that are not there yet, or ``limit`` of them.

    Parameters
    ----------
    kept : Kept
    compute : callable
        uint8 (picture, row, column, channel) -> what enters the learning part, the soft labels, and the pooled map.
    progress : callable
        Told after each chunk how many pictures are there.
    workers : int
        Processes that compose; by default one a processor.
    """
    workers = workers or os.cpu_count() or 1
    begin, n = kept.n_done, min(kept.plan["n"], limit or kept.plan["n"])
    starts = list(range(begin, n, CHUNK))
    with ProcessPoolExecutor(workers, initializer=_begin, initargs=(str(kept.folder),)) as pool:
        jobs = {s: pool.submit(_some, s, min(s + CHUNK, n)) for s in starts[: 2 * workers]}
        for number, start in enumerate(starts):
            pixels, truths = jobs.pop(start).result()
            if number + 2 * workers < len(starts):
                ahead = starts[number + 2 * workers]
                jobs[ahead] = pool.submit(_some, ahead, min(ahead + CHUNK, n))
            stop = start + len(pixels)
            kept.stem[start:stop], kept.soft[start:stop], kept.pooled[start:stop] = compute(pixels)
            kept.bright[start:stop] = pixels.mean((1, 2, 3), dtype=np.float32) / 127.5 - 1
            kept.photographs[start:stop] = -1
            for row, truth in enumerate(truths, start):
                for name, value in truth.items():
                    kept.arrays[name][row] = value
            for array in kept.arrays.values():
                array.flush()
            (kept.folder / "done").write_text(str(stop))
            progress(stop)
