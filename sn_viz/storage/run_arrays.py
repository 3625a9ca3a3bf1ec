"""The arrays of a saved run: one .npy file each, with its number format and shape declared once.

Takes a folder and what ``run.json`` says of it; returns arrays whose headers, sizes and values fit it and each other, or raises
ValueError with a sentence. Nothing is ever unpickled, only regular files are opened, and a header is believed only when the file is
exactly as long as it says. It knows nothing about JSON.
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader, FileIO
from pathlib import Path
from tokenize import TokenError

import numpy as np

from sn_viz.types import RunRecord, Stumps
from sn_viz.voting.votes import winners

FLOATS = ("float16", "float32")
MOST_HEADER = 4096
"""Bytes of an .npy header; ours have 128."""
STUMP_FIELDS = {
    "neuron": ("int64",),
    "class_index": ("int16", "int64"),
    "threshold": ("float32",),
    "sign": ("int8",),
    "score": ("float32",),
    "margin": ("float32",),
}
"""Of ``Stumps``, with the number formats they are read in."""


@dataclass(frozen=True)
class Layout:
    """What one array file must hold."""

    formats: tuple[str, ...]
    shape: tuple[str, ...]
    """Names of its axes; axes of one name are equally long everywhere."""
    mapped: bool = False
    """Whether it stays on the disk."""


LAYOUTS: dict[str, Layout] = {
    "train_labels": Layout(("int64",), ("train",)),
    "test_labels": Layout(("int64",), ("test",)),
    "neuron_site": Layout(("int8",), ("neuron",)),
    "neuron_layer": Layout(("int16",), ("neuron",)),
    "neuron_unit": Layout(("int32",), ("neuron",)),
    "train_values": Layout(FLOATS, ("train", "neuron"), mapped=True),
    "test_values": Layout(FLOATS, ("test", "neuron"), mapped=True),
    "voter_count": Layout(("int64",), ("layer",)),
    "vote_tally": Layout(("float32",), ("test", "layer", "class")),
    "vote_predicted": Layout(("int64",), ("test", "layer")),
    "vote_margin": Layout(("float32",), ("test", "layer")),
    "null_scores": Layout(("float32",), ("labelling",)),
    **{f"stump_{field}": Layout(formats, ("stump",)) for field, formats in STUMP_FIELDS.items()},
    **{f"voter_{field}": Layout(formats, ("voter",)) for field, formats in STUMP_FIELDS.items()},
}
"""Every array of a run but the baselines' predictions."""
BASELINE = Layout(("int64",), ("test",))
FITTED = {"voter_weight": Layout(("float32",), ("voter",)), "voter_offset": Layout(("float32",), ("layer", "class"))}
"""Of runs whose votes are weighed by a fit."""
HEAVIEST = 1e6
"""No weight or offset is larger."""


def layouts(n_baselines: int, fitted: bool = False) -> dict[str, Layout]:
    """Return what every array of a run with so many baselines must hold, by the name of its file without ``.npy``."""
    return LAYOUTS | (FITTED if fitted else {}) | {f"baseline_{number}_predicted": BASELINE for number in range(n_baselines)}


def arrays_of(run: RunRecord) -> dict[str, np.ndarray]:
    """Return every array of a run under the name of its file without ``.npy``."""
    voters = run.voters
    arrays = {
        "train_labels": run.train.labels,
        "test_labels": run.test.labels,
        "neuron_site": run.neurons.site,
        "neuron_layer": run.neurons.layer,
        "neuron_unit": run.neurons.unit,
        "train_values": run.train_values,
        "test_values": run.test_values,
        "voter_count": np.array([len(s) for s in voters], np.int64),
        "vote_tally": run.votes.tally,
        "vote_predicted": run.votes.predicted,
        "vote_margin": run.votes.margin,
        "null_scores": run.null_scores,
    }
    for field in STUMP_FIELDS:
        arrays[f"stump_{field}"] = _stump_array(run.stumps, field)
        arrays[f"voter_{field}"] = np.concatenate([_stump_array(s, field) for s in voters])
    for number, baseline in enumerate(run.baselines):
        arrays[f"baseline_{number}_predicted"] = baseline.predicted
    if fitted := any(s.offset is not None for s in voters):
        arrays["voter_weight"] = np.concatenate([np.zeros(len(s)) if s.weight is None else s.weight for s in voters])
        none = np.zeros(len(run.train.classes))
        arrays["voter_offset"] = np.stack([none if s.offset is None else s.offset for s in voters])
    wanted = layouts(len(run.baselines), fitted)
    return {
        name: array if array.dtype in wanted[name].formats else array.astype(wanted[name].formats[-1])
        for name, array in arrays.items()
    }


def _stump_array(stumps: Stumps, field: str) -> np.ndarray:
    values = getattr(stumps, field)
    return np.zeros(len(stumps), np.float32) if values is None else values


def read_arrays(folder: Path, wanted: Mapping[str, Layout], sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Return the arrays named in ``wanted``.

    Parameters
    ----------
    folder : Path
    wanted : mapping of str to Layout
    sizes : mapping of str to int
        The axes whose lengths are known; those of the others are taken from the first array that has them.

    Raises
    ------
    ValueError
        When a file is missing, is not a regular file, or has another number format, shape or length.
    """
    known, arrays = dict(sizes), {}
    for name, layout in wanted.items():
        arrays[name] = _read(folder / f"{name}.npy", name, layout, known)
    return arrays


def _read(path: Path, name: str, layout: Layout, known: dict[str, int]) -> np.ndarray:
    with open_regular(path) as file:
        dtype, shape = _header(file, name)
        if dtype.name not in layout.formats:
            raise ValueError(f"{name} holds {dtype.name}, not {' or '.join(layout.formats)}")
        if len(shape) != len(layout.shape) or any(
            known.setdefault(axis, n) != n for axis, n in zip(layout.shape, shape, strict=True)
        ):
            wanted = ", ".join(f"{axis} {known.get(axis, '')}".strip() for axis in layout.shape)
            raise ValueError(f"{name} has the shape {str(shape)[:60]}, not ({wanted})")
        n_bytes, start = dtype.itemsize * math.prod(shape), file.tell()
        if os.fstat(file.fileno()).st_size != start + n_bytes:
            raise ValueError(f"{name} is not as long as it says")
        if layout.mapped and n_bytes:
            return np.memmap(file, dtype, "r", start, shape)
        return np.frombuffer(file.read(n_bytes), dtype).reshape(shape)


def _header(file: BufferedReader[FileIO], name: str) -> tuple[np.dtype, tuple[int, ...]]:
    """Return number format and shape from an .npy header; the file then stands at its first number."""
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, by_column, dtype = read(file, max_header_size=MOST_HEADER)
    except (ValueError, KeyError, TypeError, SyntaxError, TokenError, RecursionError, MemoryError, OSError) as error:
        raise ValueError(f"{name}.npy has no header that can be read") from error
    if by_column and len(shape) > 1:
        raise ValueError(f"{name} lies column by column")
    if dtype.hasobject or not dtype.isnative or any(n < 0 for n in shape):
        raise ValueError(f"{name} holds what is no plain number")
    return dtype, shape


def open_regular(path: Path) -> BufferedReader[FileIO]:
    """Open a regular file, or a link to one, for reading; a pipe or device, which may never answer, is refused unopened.

    Raises
    ------
    ValueError
        When there is no such file or it is something else.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ValueError(f"{path.name} is no regular file")
        # between the look and the opening it may have become a pipe: do not wait for one
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise ValueError(f"{path.name} is missing") from None
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read: {error.strerror}") from None
    file = BufferedReader(FileIO(descriptor))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise ValueError(f"{path.name} is no regular file")
    return file


def digest(path: Path) -> str:
    """Return the SHA-256 of a regular file, hexadecimal; raises ValueError when it is none."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


HIGHEST = {"effect-size": 1000.0}
"""The highest score of a metric that is no share; of the others it is 1."""


def check_values(arrays: Mapping[str, np.ndarray], n_sites: int, n_classes: int, metric: str = "balanced-accuracy") -> None:
    """Raise ValueError unless the numbers in the arrays are possible ones and fit each other.

    Parameters
    ----------
    arrays : mapping of str to np.ndarray
        From `read_arrays`.
    n_sites, n_classes : int
    metric : str
        Of the run: it says how high a score may be.
    """
    site, layer, unit = (arrays[f"neuron_{part}"] for part in ("site", "layer", "unit"))
    within(site, 0, n_sites - 1, "neuron_site")
    within(unit, 0, 2**31 - 1, "neuron_unit")
    n_neurons = len(unit)
    place = (layer.astype(np.int64) * 128 + site) * 2**31 + unit
    if (np.diff(place) <= 0).any():
        raise ValueError("the neurons are not in order, or one of them is there twice")
    for split in ("train", "test"):
        within(arrays[f"{split}_labels"], -1, n_classes - 1, f"{split}_labels")
    highest = HIGHEST.get(metric, 1.0)
    _check_stumps(arrays, "stump", n_neurons, n_classes, highest)
    per_neuron = 1 if n_classes == 2 else n_classes
    if not np.array_equal(arrays["stump_neuron"], np.repeat(np.arange(n_neurons), per_neuron)):
        raise ValueError("stump_neuron does not go through the neurons in order")
    _check_stumps(arrays, "voter", n_neurons, n_classes, highest)
    _check_voters(arrays, min(1, int(layer.min(initial=1))))
    _check_voters_are_stumps(arrays, per_neuron)
    for name in FITTED:
        if name in arrays:
            within(arrays[name], -HEAVIEST, HEAVIEST, name)
    within(arrays["vote_tally"], 0, 1, "vote_tally")
    within(arrays["vote_margin"], 0, 1, "vote_margin")
    within(arrays["vote_predicted"], 0, n_classes - 1, "vote_predicted")
    _check_votes(arrays["vote_tally"], arrays["vote_predicted"], arrays["vote_margin"])
    within(arrays["null_scores"], 0, highest, "null_scores", unknown=True)
    for name in arrays:
        if name.startswith("baseline_"):
            within(arrays[name], -1, n_classes - 1, name)


def _check_stumps(arrays: Mapping[str, np.ndarray], which: str, n_neurons: int, n_classes: int, highest: float) -> None:
    within(arrays[f"{which}_neuron"], 0, n_neurons - 1, f"{which}_neuron")
    within(arrays[f"{which}_class_index"], 0, n_classes - 1, f"{which}_class_index")
    sign, score, threshold = (arrays[f"{which}_{part}"] for part in ("sign", "score", "threshold"))
    if (np.abs(sign.astype(np.int64)) != 1).any():
        raise ValueError(f"{which}_sign holds other signs than +1 and -1")
    within(score, 0, highest, f"{which}_score", unknown=True)
    if not np.isfinite(threshold[~np.isnan(score)]).all():
        raise ValueError(f"{which}_threshold holds numbers that are not finite")
    if (arrays[f"{which}_margin"] < 0).any():
        raise ValueError(f"{which}_margin holds numbers below 0")


def _check_voters(arrays: Mapping[str, np.ndarray], first_layer: int) -> None:
    count, neuron = arrays["voter_count"], arrays["voter_neuron"]
    within(count, 0, len(neuron), "voter_count")
    if int(count.sum()) != len(neuron):
        raise ValueError(f"voter_count tells of {int(count.sum())} voters, and there are {len(neuron)}")
    if (arrays["neuron_layer"][neuron] > np.repeat(np.arange(first_layer, first_layer + len(count)), count)).any():
        raise ValueError("a voter lies behind the layer it votes at")


def _check_voters_are_stumps(arrays: Mapping[str, np.ndarray], per_neuron: int) -> None:
    """Raise ValueError unless every voter is the stump of its neuron, or of its neuron and class, in every field."""
    row = arrays["voter_neuron"].astype(np.int64) * per_neuron
    row += 0 if per_neuron == 1 else arrays["voter_class_index"]
    for field in STUMP_FIELDS:
        if not np.array_equal(arrays[f"voter_{field}"], arrays[f"stump_{field}"][row], equal_nan=True):
            raise ValueError(f"voter_{field} is not that of the stumps")


def _check_votes(tally: np.ndarray, predicted: np.ndarray, margin: np.ndarray) -> None:
    """Raise ValueError unless shares sum to one, the class with the largest is predicted, and the margin is before the next."""
    if not tally.size:
        return
    ranked = np.sort(tally, axis=2)
    if (np.abs(tally.sum(axis=2) - 1) > 1e-3).any():
        raise ValueError("vote_tally holds shares that do not sum to one")
    if (predicted != winners(tally)).any():
        raise ValueError("vote_predicted is not the class with the largest share")
    if (np.abs(ranked[..., -1] - ranked[..., -2] - margin) > 1e-3).any():
        raise ValueError("vote_margin is not the difference between the two largest shares")


def within(values: np.ndarray, low: float, high: float, name: str, unknown: bool = False) -> None:
    """Raise ValueError unless all ``values`` lie from ``low`` to ``high``; NaN is refused unless it stands for ``unknown``."""
    slack = 1e-4 if values.dtype.kind == "f" else 0
    fits = (values >= low - slack) & (values <= high + slack)
    if unknown:
        fits |= np.isnan(values)
    if not fits.all():
        wrong = values[~fits].ravel()[0]
        raise ValueError(f"{name} holds {wrong:g}, it may hold {low:g} to {high:g}")
