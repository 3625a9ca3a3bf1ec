"""Names a loaded model so that equal names mean equal activations.

Takes where a model was loaded from; returns a short text. It knows nothing about torch.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

WHOLE = 1 << 28
"""Weights up to this many bytes are hashed whole; of larger ones, ``SAMPLES`` pieces spread over each file."""
SAMPLES = 256
PIECE = 1 << 16


def weights_key(
    name: str, source: str, revision: str | None, dtype: str, processor: Any, options: tuple[tuple[str, str], ...] = ()
) -> str:
    """Return a name for the model, its weights, its number format and how it prepares pictures and prompts.

    Parameters
    ----------
    name, source : str
        What it is called, and its local folder, or its repository on the hub.
    revision : str or None
        The commit, for a model of the hub: it stands for the files, which are then not read.
    dtype : str
        "float32", "bfloat16".
    processor : object
        Its transformers processor: chat template, image processor and tokenizer settings count.
    options : tuple of (str, str)
        What else changes activations; none leaves the name as it was before there were any.

    Returns
    -------
    str
        ``NAME-`` and 16 hexadecimal digits; NAME holds only letters, digits, dot and dash.
    """
    digest = hashlib.sha256(f"{dtype}\n{source if revision else ''}\n{revision}\n".encode())
    digest.update(_processor_text(processor).encode())
    digest.update("".join(f"{option}={value}\n" for option, value in options).encode())
    if revision is None:
        for path in sorted(Path(source).glob("*.safetensors")) + sorted(Path(source).glob("*.json")):
            _hash_file(path, digest)
    safe = "".join(letter if letter.isalnum() or letter in ".-" else "-" for letter in name)
    return f"{safe}-{digest.hexdigest()[:16]}"


def same_weights(key: str, other: str) -> bool:
    """Return whether two names are of the same weights and preparation, whatever the model is called.

    Examples
    --------
    >>> same_weights("mine-0123456789abcdef-folded", "theirs-0123456789abcdef-folded")
    True
    >>> same_weights("mine-0123456789abcdef-folded", "mine-fedcba9876543210-folded")
    False
    """
    return _digest_of(key) == _digest_of(other)


def _digest_of(key: str) -> str:
    found = re.search(r"[0-9a-f]{16}(-folded)?$", key)
    return found[0] if found else key


def _processor_text(processor: Any) -> str:
    images = getattr(processor, "image_processor", None)
    settings = images.to_dict() if images is not None else {}
    return json.dumps(
        [str(getattr(processor, "chat_template", None)), type(images).__name__, settings], sort_keys=True, default=str
    )


def _hash_file(path: Path, digest: Any) -> None:
    size = path.stat().st_size
    digest.update(f"{path.name} {size}\n".encode())
    with path.open("rb") as file:
        if size <= WHOLE:
            digest.update(hashlib.file_digest(file, "sha256").digest())
            return
        for start in np.linspace(0, size - PIECE, SAMPLES, dtype=np.int64):
            file.seek(int(start))
            digest.update(file.read(PIECE))
