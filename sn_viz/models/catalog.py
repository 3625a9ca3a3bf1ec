"""The models known by name, and what else a name may mean: a folder, or a model of the hub.

Takes a name; returns a ``KnownModel`` or a ``Place``. It loads nothing and asks nobody: which commit of the hub is meant, and
whether its files are here, ``hub`` knows.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sn_viz.errors import UserError
from sn_viz.models.hub.name import HubName, read_name
from sn_viz.paths import ASSETS


@dataclass(frozen=True)
class KnownModel:
    """One row of the table."""

    name: str
    """What people type and choose."""
    hub_id: str | None
    """Repository on the hub; None for an embedded model."""
    n_bytes: int
    """Approximate size of the weights."""
    note: str
    folder: Path | None = None
    """Where an embedded model lies."""


CATALOG: tuple[KnownModel, ...] = (
    KnownModel("tiny-llava", None, 25_000_000, "Embedded: nothing to download.", ASSETS / "tiny-llava"),
    KnownModel("tiny-gemma3", None, 6_000_000, "Embedded too: another family, four blocks.", ASSETS / "tiny-gemma3"),
    KnownModel("tiny-photo", None, 23_000_000, "Embedded: its tower has seen photographs.", ASSETS / "tiny-photo"),
    KnownModel("llava-1.5-7b", "llava-hf/llava-1.5-7b-hf", 14_100_000_000, "LLaVA 1.5; bfloat16 on a GPU of 16 GB or more."),
    KnownModel("llava-onevision-0.5b", "llava-hf/llava-onevision-qwen2-0.5b-ov-hf", 1_800_000_000, "LLaVA-OneVision."),
    KnownModel("qwen3-vl-2b", "Qwen/Qwen3-VL-2B-Instruct", 4_300_000_000, "Qwen3-VL."),
    KnownModel("qwen3-vl-8b", "Qwen/Qwen3-VL-8B-Instruct", 17_500_000_000, "Qwen3-VL; bfloat16 on a GPU of 24 GB or more."),
    KnownModel(
        "smolvlm-256m",
        "HuggingFaceTB/SmolVLM-256M-Instruct",
        513_000_000,
        "SmolVLM; runs on a laptop; needs the package num2words.",
    ),
    KnownModel("idefics3-8b", "HuggingFaceM4/Idefics3-8B-Llama3", 16_900_000_000, "Idefics3; bfloat16 on a GPU of 24 GB or more."),
    KnownModel("gemma-3-4b", "google/gemma-3-4b-it", 8_600_000_000, "Gemma 3; its licence must be accepted on the hub."),
)


def model_names() -> list[str]:
    """Return the names of every known model, the embedded one first."""
    return [row.name for row in CATALOG]


@dataclass(frozen=True)
class Place:
    """Where a model's files are: in a folder, or on the hub."""

    name: str
    """What to call it."""
    folder: str = ""
    """"" for a model of the hub."""
    hub: HubName | None = None


def locate(name_or_path: str | os.PathLike[str]) -> Place:
    """Find what a name means: a name of the table, else a folder, else a model of the hub.

    Parameters
    ----------
    name_or_path : str or path
        A name of the table, perhaps with @REVISION, a local folder, OWNER/NAME[@REVISION], or an address of the hub.

    Returns
    -------
    Place

    Raises
    ------
    UserError
        When it is none of these, or a folder without a model. Whether the hub has such a model is not asked.
    """
    text = os.fspath(name_or_path)
    short, _, revision = text.partition("@")
    row = next((row for row in CATALOG if row.name == short), None)
    if row is not None and row.folder is not None and not revision:
        return Place(row.name, _local_folder(str(row.folder), row.name))
    if row is not None and row.hub_id is not None:
        hub = read_name(f"{row.hub_id}@{revision}" if revision else row.hub_id)
        return Place(row.name, hub=hub) if hub else Place(text, _local_folder(text))
    if not Path(text).is_dir() and (hub := read_name(text)) is not None:
        return Place(str(hub), hub=hub)
    return Place(Path(text).resolve().name, _local_folder(text))


def resolve_name(name_or_path: str | os.PathLike[str]) -> str:
    """Return what finds the same model from any working directory.

    A name of the table stays as it is, a folder becomes its absolute path, an address of the hub OWNER/NAME@REVISION.
    """
    text = os.fspath(name_or_path)
    if text.partition("@")[0] in model_names():
        return text
    if Path(text).is_dir():
        return str(Path(text).resolve())
    return str(read_name(text) or text)


def _local_folder(path: str, name: str | None = None) -> str:
    if Path(path, "config.json").is_file():
        return path
    if name is not None:
        raise UserError(f"The files of {name!r} are missing.", f"There is no config.json in {path}.", "Train or restore it first.")
    if Path(path).is_dir():
        raise UserError(
            f"The folder {path!r} holds no model.", "There is no config.json in it.", "Choose a folder saved by transformers."
        )
    raise UserError(
        f"There is no model called {path!r}.",
        f"By name: {', '.join(model_names())}.",
        "Choose one of these, a model of the hub as OWNER/NAME, or the path of a folder that holds one.",
    )
