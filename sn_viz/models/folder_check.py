"""Looks at a model's folder before any library does: sizes of files, numbers of its settings, what its weights hold.

Takes a folder; returns nothing, or raises a UserError with the file, what it holds and what is allowed. It reads JSON and the
headers of safetensors, and knows nothing about torch.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sn_viz.errors import UserError

MIB = 2**20
SIZES = {
    "config.json": MIB,
    "generation_config.json": MIB,
    "preprocessor_config.json": MIB,
    "processor_config.json": MIB,
    "video_preprocessor_config.json": MIB,
    "chat_template.json": MIB,
    "chat_template.jinja": MIB,
    "special_tokens_map.json": MIB,
    "tokenizer_config.json": 16 * MIB,
}
"""Bytes that a file may have; the largest published ones have a fraction of it."""
OTHER_TEXT = 128 * MIB
"""Of any other text file: vocabularies, tokenizers, indexes of shards."""
TEXTS = (".json", ".jinja", ".txt", ".model")
MOST_FILES = 5000
MOST_HEADER = 64 * MIB
"""Of a safetensors file."""
WHOLE = 2**31
"""No whole number of a configuration is larger, but for a length that stands for none."""

LAYERS = re.compile(r"(num|n)_\w*(layers|layer|blocks|experts|heads|stages)|\w*_layers|depths?|layers|blocks")
WIDTHS = re.compile(r"\w*(hidden_size|intermediate_size|embed_dim|head_dim|projection_dim|d_model|dim|width)|num_channels")
BOUNDS = (
    (LAYERS, 4096, "layers, heads or experts"),
    (WIDTHS, 2**20, "a width"),
    (re.compile(r"vocab_size|type_vocab_size|\w*num_embeddings"), 2**24, "a vocabulary"),
    (re.compile(r"image_size|patch_size|tile_size|crop_size"), 2**14, "pixels of a side"),
    (re.compile(r"(height|width)"), 2**14, "pixels of a side"),
    (
        re.compile(r"\w*(seq_length|seq_len|image_tokens|num_image_tokens|num_additional_image_tokens)|max_image_tiles"),
        2**20,
        "tokens",
    ),
)
"""Names of settings that decide how much is allocated, and how large they may be; none may be below 0."""
MOST_LAYERS = 1000
MOST_PIXELS = 2**26
"""Of one picture after it is resized."""
SPARE = 4.0, 2_000_000
"""A configuration may ask for so many times the weights that its files hold, and so many more: then some are missing, which is told
by name when they are loaded."""


def check_folder(folder: str | Path, name: str) -> None:
    """Raise a UserError when a folder is not what a model's folder can be.

    Parameters
    ----------
    folder : str or Path
    name : str
        What messages call the model.
    """
    folder = Path(folder)
    files = [path for _, path in zip(range(MOST_FILES + 1), folder.iterdir(), strict=False)]
    if len(files) > MOST_FILES:
        raise _refused(name, f"Its folder holds more than {MOST_FILES} files.")
    for path in files:
        if path.suffix in (*TEXTS, ".safetensors") or path.name in SIZES:
            _check_file(path, name)
    for file in (
        "config.json",
        "preprocessor_config.json",
        "processor_config.json",
        "tokenizer_config.json",
        "generation_config.json",
    ):
        if (folder / file).is_file():
            settings = _json(folder / file, name)
            if file == "tokenizer_config.json":
                continue
            for path, key, value in _numbers(settings):
                _check_number(file, path, key, value, name)
            _check_pixels(file, settings, name)


def _check_file(path: Path, name: str) -> None:
    try:
        found = path.stat()
    except OSError as error:
        raise _refused(name, f"{path.name} cannot be read: {error.strerror}.") from None
    if not stat.S_ISREG(found.st_mode):
        raise _refused(name, f"{path.name} is no regular file.")
    most = SIZES.get(path.name, OTHER_TEXT)
    if path.suffix != ".safetensors" and found.st_size > most:
        raise _refused(name, f"{path.name} has {found.st_size / MIB:,.0f} MiB; at most {most // MIB} are read.")


def _json(path: Path, name: str) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _refused(name, f"{path.name} is damaged: {type(error).__name__}: {str(error)[:100]}.") from None
    if not isinstance(settings, dict):
        raise _refused(name, f"{path.name} holds no settings.")
    return settings


def _numbers(value: Any, path: str = "", key: str = "") -> Iterator[tuple[str, str, float]]:
    """Yield path, name and value of every number in nested settings; a number in a list has the list's name."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _numbers(inner, f"{path}.{name}" if path else name, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _numbers(inner, path, key)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, key, value


def _check_number(file: str, path: str, key: str, value: float, name: str) -> None:
    shown = f"{value:.3g}" if isinstance(value, float) or abs(value) < 10**300 else "a number of hundreds of digits"
    if isinstance(value, float) and not math.isfinite(value):
        raise _refused(name, f"In {file}, {path[:80]} is {value}.")
    if isinstance(value, int) and abs(value) > WHOLE:
        raise _refused(name, f"In {file}, {path[:80]} is {shown}; at most {WHOLE:,} can be.")
    for pattern, most, what in BOUNDS if file != "generation_config.json" else ():
        if pattern.fullmatch(key) and not 0 <= value <= most:
            raise _refused(name, f"In {file}, {path[:80]} is {shown}; {what} can be 0 to {most:,}.")
    if re.fullmatch(r"\w*(hidden_layers|n_layers?|num_layers|depth)", key) and value > MOST_LAYERS:
        raise _refused(name, f"In {file}, {path[:80]} is {shown}; there can be at most {MOST_LAYERS:,} layers.")


def _check_pixels(file: str, settings: dict[str, Any], name: str) -> None:
    """Raise a UserError where pictures would be enlarged beyond all bounds: by a side, or by a count of pixels."""
    images = settings.get("image_processor", settings)
    size = images.get("size") if isinstance(images, dict) else None
    if not isinstance(size, dict):
        return
    counts_pixels = "merge_size" in images or "min_pixels" in images or "max_pixels" in images
    for side in ("shortest_edge", "longest_edge", "min_pixels", "max_pixels"):
        value = size.get(side, images.get(side))
        most = MOST_PIXELS if counts_pixels or side.endswith("pixels") else 2**14
        if isinstance(value, int | float) and not 0 < value <= most:
            raise _refused(name, f"In {file}, {side} is {value:.3g}; it can be 1 to {most:,}.")


def weights_held(folder: str | Path, name: str) -> int:
    """Return how many numbers the safetensors files of a folder hold, read from their headers.

    Raises
    ------
    UserError
        When a header is damaged, or tells of more than its file has.
    """
    held = 0
    for path in sorted(Path(folder).glob("*.safetensors")):
        try:
            held += _held(path)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, struct.error):
            raise _refused(name, f"{path.name} is damaged or cut short.") from None
    return held


def _held(path: Path) -> int:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        (length,) = struct.unpack("<Q", file.read(8))
        if length > min(size - 8, MOST_HEADER):
            raise ValueError("the header is longer than the file")
        header = json.loads(file.read(length))
    held = 0
    for tensor, facts in header.items():
        if tensor == "__metadata__":
            continue
        start, end = facts["data_offsets"]
        if not 0 <= start <= end <= size - 8 - length:
            raise ValueError("a tensor lies outside the file")
        held += math.prod(int(side) for side in facts["shape"])
    return held


def check_weights(asked: int, held: int, n_bytes: float, quantised: bool, on_cpu: bool, name: str) -> None:
    """Raise a UserError when a configuration asks for far more weights than its files hold, or than fit the memory.

    Parameters
    ----------
    asked, held : int
        How many numbers.
    n_bytes : float
        Of one number as it is loaded.
    quantised : bool
        Several numbers may then lie in one.
    on_cpu : bool
    name : str
    """
    if asked > held * SPARE[0] * (8 if quantised else 1) + SPARE[1]:
        raise _refused(name, f"Its config.json asks for {asked:,} weights and its files hold {held:,}.")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else math.inf
    if on_cpu and asked * n_bytes > memory:
        raise _refused(
            name,
            f"It takes {asked * n_bytes / 1e9:,.0f} GB of memory, and this machine has {memory / 1e9:,.0f}.",
            "Choose a smaller model, or a machine with more memory.",
        )


def _refused(name: str, cause: str, hint: str = "Restore its files from a source you trust.") -> UserError:
    return UserError(f"The model {name!r} could not be loaded.", cause, hint)
