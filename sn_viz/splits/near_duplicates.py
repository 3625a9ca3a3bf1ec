"""Pictures that are one photograph twice: re-encoded, rescaled, or cropped by a few percent.

Takes pictures; returns pairs of their indices. It knows nothing about labels, files or sides of a split.

Three sieves, each on what the one before lets through. A perceptual hash (imagehash's pHash) and the mean colour leave about one
pair in a hundred. Coarse thumbnails, one of them read in a few crops, leave one in two thousand. At 48 x 48 pixels, in colour, one
is then moved and stretched over the other as cropping would, and every twelfth by twelfth of the picture is asked: where even one
differs by more than resampling explains, something else is in the picture. So two drawn scenes on one background are different
pictures, and so are two frames in which somebody moved. Brightness is compared as it is: a darker or recoloured copy is another
picture, as is a mirrored or turned one.

Hash and thumbnail take about 0.6 ms a picture of 300 x 200; pairs are compared eight bytes at a time, so that time grows with the
number of pictures up to some ten thousand: 8 s of processor time for 4,000. How well it does: ``bench duplicates``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8, UInt64

from sn_viz.types import Picture

SIDE = 48
"""Pixels a side of a thumbnail, whatever the shape of the picture."""
CELL = 4
"""Pixels a side of the parts that are compared one by one."""
MOST_BITS = 24
"""Of 64, in which the hashes may differ; cropping 5 % off every side turns up to 20 of them in 99 of 100 photographs."""
MOST_TINT = 32
"""Grey levels between the mean colours; cropping away a bright border moves them by up to 27."""
SMALL = 8
"""Pixels a side of the coarse thumbnails that are tried in a few crops."""
MOST_UNMOVED = 55
"""Root mean square grey levels between coarse thumbnails as they are; cropping 5 % off every side makes up to 49."""
MOST_BLUR = 28
"""The same at the best of the crops that are tried."""
MOST_SPOT = 90
"""Grey levels at any pixel of the two at that crop."""
MOST_PAIRS = 100_000
"""Pairs that are looked at closely, the nearest first: more come of thousands of pictures that are all alike, such as digits."""
COARSE = 32
"""Root mean square grey levels between 24 x 24 thumbnails, one moved over the other."""
MOST_OFF = 40
"""Grey levels between the means of a cell."""
MOST_OFF_SHARE = 2.5
"""Such a difference over the cell's own contrast, to which ``NOISE`` is added: sharp edges may differ more than plain paper."""
LEAST_ALIKE = 0.9
"""Correlation of the cells of both pictures, so that two pictures of next to nothing are not taken for one."""
NOISE = 6
"""Grey levels of difference that a plain cell may have, before ``MOST_OFF_SHARE``: what compression does to it."""
PLAIN = 4
"""A thumbnail whose grey levels spread by less than this shows one plain colour, and is like no other."""
REACH = 0.13
"""How far one picture may be moved or stretched over the other, as a share of the side; 5 % off either end stretches by 0.11."""
PAIRS_AT_ONCE = 500
CROPS = np.array([(0, 0), (0.025, -0.05), (-0.025, -0.05), (0, -0.1)], np.float32)
"""Tried along one side: shift and stretch for 5 % taken off nowhere, the start, the end and both."""


@dataclass(frozen=True, eq=False)
class Prints:
    """What pictures are compared by."""

    hash: UInt64[np.ndarray, " picture"]
    """uint64 (picture,): pHash, one bit per coefficient."""
    thumbnail: UInt8[np.ndarray, "picture side side rgb"]
    """uint8 (picture, 48, 48, 3)."""

    def __len__(self) -> int:
        return len(self.hash)


def prints_of(pictures: Sequence[Picture]) -> Prints:
    """Return hash and thumbnail of each picture."""
    import imagehash  # brings scipy's and PyWavelets' transforms, which nothing else here needs
    from PIL import Image

    hashes, thumbnails = np.zeros(len(pictures), np.uint64), np.zeros((len(pictures), SIDE, SIDE, 3), np.uint8)
    for i, picture in enumerate(pictures):
        whole = Image.fromarray(picture.pixels)
        small = whole.resize(
            (SIDE, SIDE), Image.Resampling.BOX if min(whole.size) >= SIDE else Image.Resampling.BILINEAR, reducing_gap=3
        )
        thumbnails[i] = np.asarray(small)
        hashes[i] = np.packbits(imagehash.phash(small).hash).view(np.uint64)[0]
    return Prints(hashes, thumbnails)


def near_duplicates(pictures: Sequence[Picture]) -> list[tuple[int, int]]:
    """Return the pairs of pictures that show one photograph.

    Parameters
    ----------
    pictures : sequence of Picture
        Equal pictures count as near-duplicates too.

    Returns
    -------
    list of (int, int)
        Indices, the smaller first, in ascending order. A picture of one plain colour is in no pair.
    """
    prints = prints_of(pictures)
    pairs, move = candidates(prints)
    same = np.zeros(len(pairs), bool)
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        part = slice(start, start + PAIRS_AT_ONCE)
        first, second = (prints.thumbnail[pairs[part, side]] for side in (0, 1))
        same[part] = is_same(first, second, move[part])
    return sorted((int(min(pair)), int(max(pair))) for pair in pairs[same])


def candidates(prints: Prints) -> tuple[Int[np.ndarray, "pair two"], Float[np.ndarray, "pair four"]]:
    """Return the pairs worth a closer look.

    Returns
    -------
    pairs : int64 (pair, 2)
        The picture that seems to show more comes first.
    move : float32 (pair, 4)
        Roughly how the first picture lies over the second; see `_places`.
    """
    tint = prints.thumbnail.mean(axis=(1, 2), dtype=np.float32)
    busy = np.flatnonzero(prints.thumbnail.std(axis=(1, 2), dtype=np.float32).max(axis=-1, initial=0) >= PLAIN)
    cropped = _in_crops(prints.thumbnail)
    whole = cropped[:, 0].astype(np.float32)
    found = [_Candidates(np.zeros((0, 2), np.int64), np.zeros((0, 4), np.float32), np.zeros(0, np.float32))]
    n_found = 0
    for position, i in enumerate(busy[:-1]):
        others = busy[position + 1 :]
        others = others[np.bitwise_count(prints.hash[others] ^ prints.hash[i]) <= MOST_BITS]
        others = others[np.abs(tint[others] - tint[i]).max(axis=1, initial=0) <= MOST_TINT]
        others = others[((whole[others] - whole[i]) ** 2).mean(axis=1) <= MOST_UNMOVED**2]
        if len(others):
            found.append(_nearest_crops(i, others, cropped))
            n_found += len(found[-1])
        if n_found > 2 * MOST_PAIRS:
            found = [_joined(found)]
            n_found = len(found[0])
    best = _joined(found)
    return best.pairs, best.move


@dataclass(frozen=True, eq=False)
class _Candidates:
    pairs: np.ndarray
    """int64 (pair, 2)."""
    move: np.ndarray
    """float32 (pair, 4)."""
    apart: np.ndarray
    """float32 (pair,): mean square grey levels."""

    def __len__(self) -> int:
        return len(self.pairs)


def _joined(found: Sequence[_Candidates]) -> _Candidates:
    """Return the ``MOST_PAIRS`` candidates that are least apart, in the order in which they were found."""
    pairs, move, apart = (np.concatenate([getattr(some, name) for some in found]) for name in ("pairs", "move", "apart"))
    kept = np.sort(np.argsort(apart, kind="stable")[:MOST_PAIRS])
    return _Candidates(pairs[kept], move[kept], apart[kept])


def _nearest_crops(i: int, others: np.ndarray, cropped: np.ndarray) -> _Candidates:
    """Return which of the others one picture may be a crop of, or they of it, int64 (other,)."""
    mine, theirs = cropped[i].astype(np.float32), cropped[others].astype(np.float32)
    off = np.concatenate([mine - theirs[:, :1], theirs - mine[0]], axis=1)
    apart = (off**2).mean(axis=2)
    rows, best = np.arange(len(others)), apart.argmin(axis=1)
    near = (apart[rows, best] <= MOST_BLUR**2) & (np.abs(off[rows, best]).max(axis=1) <= MOST_SPOT)
    turned, crop = np.divmod(best[near], len(CROPS) ** 2)
    pairs = np.stack([np.full(near.sum(), i), others[near]], axis=1)
    return _Candidates(
        np.where(turned[:, None] > 0, pairs[:, ::-1], pairs),
        np.concatenate([CROPS[crop // len(CROPS)], CROPS[crop % len(CROPS)]], axis=1),
        apart[rows, best][near],
    )


def _in_crops(thumbnails: np.ndarray) -> np.ndarray:
    """Return coarse thumbnails of every crop, uint8 (picture, crop, value); the first is of the whole picture."""
    edges = (CROPS[:, :1] + (1 + CROPS[:, 1:]) * (np.arange(SMALL + 1) / SMALL - 0.5) + 0.5) * SIDE
    start, stop, pixel = edges[:, :-1, None], edges[:, 1:, None], np.arange(SIDE)
    covered = np.clip(np.minimum(stop, pixel + 1) - np.maximum(start, pixel), 0, 1)
    reading = (covered / covered.sum(axis=2, keepdims=True)).astype(np.float32).reshape(-1, SIDE)
    cropped = np.empty((len(thumbnails), len(CROPS) ** 2, SMALL * SMALL * 3), np.uint8)
    for i, thumbnail in enumerate(thumbnails):
        rows = (reading @ thumbnail.reshape(SIDE, -1).astype(np.float32)).reshape(-1, SIDE, 3)
        both = (rows.transpose(0, 2, 1).reshape(-1, SIDE) @ reading.T).reshape(len(CROPS), SMALL, 3, len(CROPS), SMALL)
        cropped[i] = np.round(both.transpose(0, 3, 1, 4, 2)).reshape(len(CROPS) ** 2, -1)
    return cropped


def is_same(
    first: UInt8[np.ndarray, "pair side side rgb"],
    second: UInt8[np.ndarray, "pair side side rgb"],
    move: Float[np.ndarray, "pair four"],
) -> Bool[np.ndarray, " pair"]:
    """Return whether two thumbnails show one photograph, bool (pair,); ``move`` is where to begin, see `_places`."""
    same, move = np.ones(len(first), bool), move.copy()
    for side, steps in ((SIDE // 2, 4), (SIDE, 2)):
        rows = np.flatnonzero(same)
        if not len(rows):
            break
        ours, theirs = (_down(thumbnails[rows], SIDE // side) for thumbnails in (first, second))
        move[rows] = _aligned(_blurred(ours.mean(axis=-1)), _blurred(theirs.mean(axis=-1)), move[rows], steps)
        moved, inside = _moved(ours, *_places(move[rows], side))
        off = (theirs - moved) * inside[..., None]
        if side < SIDE:
            same[rows] = np.sqrt((off**2).mean(axis=(1, 2, 3))) <= COARSE
            continue
        cell = np.abs(_down(off, CELL)).max(axis=-1)
        room = NOISE + np.minimum(_roughness(moved), _roughness(theirs))
        same[rows] = (cell.max(axis=(1, 2)) <= MOST_OFF) & ((cell / room).max(axis=(1, 2)) <= MOST_OFF_SHARE)
        same[rows] &= _correlation(_down(moved, CELL), _down(theirs, CELL)) >= LEAST_ALIKE
    return same


def _blurred(grey: np.ndarray) -> np.ndarray:
    """Return grey levels (image, side, side) blurred over three pixels, so that alignment meets smooth slopes."""
    for axis in (1, 2):
        wide = np.pad(grey, [(1, 1) if at == axis else (0, 0) for at in range(3)], mode="edge")
        before, after = (np.take(wide, range(at, at + grey.shape[axis]), axis=axis) for at in (0, 2))
        grey = (before + 2 * grey + after) / 4
    return grey


def _down(images: np.ndarray, factor: int) -> Float[np.ndarray, "image side side channel"]:
    """Return float32 (image, side / factor, side / factor, channel): the mean of every block."""
    n, side = len(images), images.shape[1] // factor
    return images.reshape(n, side, factor, side, factor, images.shape[-1]).mean(axis=(2, 4), dtype=np.float32)


def _correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return how two sets of images (pair, side, side, 3) go together, each channel about its mean, float32 (pair,)."""
    one, other = (images - images.mean(axis=(1, 2), keepdims=True) for images in (first, second))
    size = np.sqrt((one**2).sum(axis=(1, 2, 3)) * (other**2).sum(axis=(1, 2, 3)))
    return (one * other).sum(axis=(1, 2, 3)) / np.maximum(size, 1e-6)


def _roughness(images: np.ndarray) -> np.ndarray:
    """Return the standard deviation inside every cell, float32 (image, cell, cell): that of the liveliest channel."""
    mean = _down(images, CELL)
    return np.sqrt(np.maximum(_down(images**2, CELL) - mean**2, 0)).max(axis=-1)


def _places(move: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return from which row and column of the first picture each pixel of the second is taken, float (pair, side) each.

    ``move``, float (pair, 4): shift and stretch down, shift and stretch across, as shares of the side.
    """
    from_middle = (np.arange(side) + 0.5) / side - 0.5
    rows, columns = ((move[:, at, None] + (1 + move[:, at + 1, None]) * from_middle + 0.5) * side - 0.5 for at in (0, 2))
    return rows.astype(np.float32), columns.astype(np.float32)


def _moved(images: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return images (pair, side, side, channel) read at other places, linearly between pixels, and which of them lie inside."""
    n, side, _, channels = images.shape
    inside = (np.abs(rows - (side - 1) / 2) <= side / 2)[:, :, None] & (np.abs(columns - (side - 1) / 2) <= side / 2)[:, None, :]
    for at in (rows, columns):  # down, then across, each time with the axes turned round
        weights = np.maximum(1 - np.abs(np.clip(at, 0, side - 1)[:, :, None] - np.arange(side, dtype=np.float32)), 0)
        images = (weights @ images.reshape(n, side, -1)).reshape(n, side, side, channels).transpose(0, 2, 1, 3)
    return images, inside


def _aligned(first: np.ndarray, second: np.ndarray, move: np.ndarray, steps: int) -> np.ndarray:
    """Return how the first picture has to be moved to lie under the second, float32 (pair, 4); see `_places`.

    Gauss-Newton on the grey levels, float (pair, side, side): B. D. Lucas and T. Kanade, "An iterative image registration technique
    with an application to stereo vision", IJCAI 1981.
    """
    side = first.shape[1]
    from_middle = ((np.arange(side) + 0.5) / side - 0.5).astype(np.float32)
    for _ in range(steps):
        read, inside = _moved(first[..., None], *_places(move, side))
        down, across = np.gradient(read[..., 0], axis=(1, 2))
        down, across = (slope * side / (1 + move[:, at, None, None]) for slope, at in ((down, 1), (across, 3)))
        off, down, across = ((value * inside) for value in (second - read[..., 0], down, across))
        slope = np.stack([down, down * from_middle[:, None], across, across * from_middle], axis=-1).reshape(len(first), -1, 4)
        turned = slope.transpose(0, 2, 1)
        square = turned @ slope + 1e-3 * side**2 * np.eye(4, dtype=np.float32)
        move = np.clip(move + np.linalg.solve(square, turned @ off.reshape(len(first), -1, 1))[..., 0], -REACH, REACH)
    return move
