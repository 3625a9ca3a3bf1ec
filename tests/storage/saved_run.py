"""What the tests of saved runs share: pictures with hostile names, and a folder sealed anew after it was damaged."""

import hashlib
import json
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from sn_viz.sources.ingest import picture_from_pixels
from sn_viz.storage.run_folder import DIGEST_FILE, RUN_FILE
from sn_viz.types import LabelledImages

SIGNS = "<img onerror=1> =cmd() ../../x %{x}"


def images(n: int, seed: int) -> LabelledImages:
    pixels = np.random.default_rng(seed).integers(0, 256, (n, 9, 12, 3), dtype=np.uint8)
    names = tuple(f"../{i} 🐶.png" for i in range(n))
    return LabelledImages(
        names, tuple(map(picture_from_pixels, pixels)), np.arange(n) % 2, ("no", SIGNS), ("Is it?",) * n, ("a note",)
    )


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def seal(folder: Path, facts: dict | None = None) -> None:
    """Write ``facts`` and every digest anew, as whoever wants to harm would."""
    facts = json.loads((folder / RUN_FILE).read_text()) if facts is None else facts
    if isinstance(facts.get("files"), dict):
        for name in facts["files"]:
            if (folder / name).is_file():
                facts["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    seal_text(folder, json.dumps(facts).encode())


def seal_text(folder: Path, text: bytes) -> None:
    (folder / RUN_FILE).write_bytes(text)
    (folder / DIGEST_FILE).write_text(f"{hashlib.sha256(text).hexdigest()}  {RUN_FILE}\n")


def texts(most: int = 40):
    return st.text(max_size=most)
