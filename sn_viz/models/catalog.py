"""The models known by name: where each lives and what it weighs.

Takes a name; returns a ``KnownModel``. It loads nothing. A model is fetched from the hub only at the commit pinned here; where no
commit is pinned (``revision`` is None) the model is used from a local folder instead.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sn_viz.errors import UserError
from sn_viz.paths import ASSETS


@dataclass(frozen=True)
class KnownModel:
    """One row of the table."""

    name: str
    """What people type and choose."""
    hub_id: str | None
    """Repository on the hub; None for an embedded model."""
    revision: str | None
    """Full commit hash on the hub; None where none has been checked yet."""
    n_bytes: int
    """Approximate size of the weights."""
    note: str
    folder: Path | None = None
    """Where an embedded model lies."""

    @property
    def available(self) -> bool:
        """Whether loading it by name can work: its folder exists or its commit is pinned."""
        return self.folder.is_dir() if self.folder else self.revision is not None


CATALOG: tuple[KnownModel, ...] = (
    KnownModel("tiny-llava", None, None, 25_000_000, "Embedded: nothing to download.", ASSETS / "tiny-llava"),
    KnownModel("tiny-gemma3", None, None, 6_000_000, "Embedded too: another family, four blocks.", ASSETS / "tiny-gemma3"),
    KnownModel("tiny-photo", None, None, 17_000_000, "Embedded: its tower has seen photographs.", ASSETS / "tiny-photo"),
    KnownModel("llava-1.5-7b", "llava-hf/llava-1.5-7b-hf", None, 14_100_000_000, "LLaVA 1.5; bfloat16 on a GPU of 16 GB or more."),
    KnownModel("llava-onevision-0.5b", "llava-hf/llava-onevision-qwen2-0.5b-ov-hf", None, 1_800_000_000, "LLaVA-OneVision."),
    KnownModel("qwen3-vl-2b", "Qwen/Qwen3-VL-2B-Instruct", None, 4_300_000_000, "Qwen3-VL."),
    KnownModel("qwen3-vl-8b", "Qwen/Qwen3-VL-8B-Instruct", None, 17_500_000_000, "Qwen3-VL; bfloat16 on a GPU of 24 GB or more."),
    KnownModel("smolvlm-256m", "HuggingFaceTB/SmolVLM-256M-Instruct", None, 513_000_000, "SmolVLM; runs on a laptop."),
    KnownModel(
        "idefics3-8b", "HuggingFaceM4/Idefics3-8B-Llama3", None, 16_900_000_000, "Idefics3; bfloat16 on a GPU of 24 GB or more."
    ),
    KnownModel("gemma-3-4b", "google/gemma-3-4b-it", None, 8_600_000_000, "Gemma 3; its licence must be accepted on the hub."),
)


def model_names() -> list[str]:
    """Return the names of every known model, the embedded one first."""
    return [row.name for row in CATALOG]


def locate(name_or_path: str | os.PathLike[str]) -> tuple[str, str | None, str]:
    """Find where a model's files are.

    Parameters
    ----------
    name_or_path : str or path
        A name or hub id of the table, or a local folder.

    Returns
    -------
    source : str
        A local folder, or a hub id.
    revision : str or None
        The pinned commit when ``source`` is a hub id.
    name : str
        What to call it.

    Raises
    ------
    UserError
        When there is no such model or folder, or when the model is known but its commit is not pinned.
    """
    text = os.fspath(name_or_path)
    row = next((row for row in CATALOG if text in (row.name, row.hub_id)), None)
    if row is None:
        return _local_folder(text), None, Path(text).resolve().name
    if row.folder is not None:
        return _local_folder(str(row.folder), row.name), None, row.name
    if row.revision is None:
        raise UserError(
            f"The model {row.name!r} cannot be downloaded.",
            "No commit of it has been checked and pinned in this version.",
            f"Download {row.hub_id} yourself and give the path of that folder instead of the name.",
        )
    assert row.hub_id is not None, f"{row.name} has neither a folder nor a hub id"
    return row.hub_id, row.revision, row.name


def resolve_name(name_or_path: str | os.PathLike[str]) -> str:
    """Return what finds the same model from any working directory: a known name as it is, a folder as its absolute path."""
    text = os.fspath(name_or_path)
    known = any(text in (row.name, row.hub_id) for row in CATALOG)
    return text if known or not Path(text).is_dir() else str(Path(text).resolve())


def _local_folder(path: str, name: str | None = None) -> str:
    if Path(path, "config.json").is_file():
        return path
    usable = ", ".join(row.name for row in CATALOG if row.available) or "none"
    if name is not None:
        raise UserError(f"The files of {name!r} are missing.", f"There is no config.json in {path}.", "Train or restore it first.")
    if Path(path).is_dir():
        raise UserError(
            f"The folder {path!r} holds no model.", "There is no config.json in it.", "Choose a folder saved by transformers."
        )
    raise UserError(
        f"There is no model called {path!r}.",
        f"By name: {', '.join(model_names())} (usable here by name: {usable}).",
        "Choose one of these, or give the path of a folder that holds a model.",
    )
