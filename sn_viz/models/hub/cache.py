"""What of the hub's models is on this machine, in the cache that huggingface_hub, transformers and others share.

Takes a ``HubName``; returns a ``Copy``, or None. It asks nobody. The cache is laid out as huggingface_hub documents it: files by
their digest in ``blobs``, links to them in ``snapshots/COMMIT``, and in ``refs`` the commit that a branch or tag was at.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from sn_viz.models.hub.name import MAIN, HubName

INDEX = "model.safetensors.index.json"
WHOLE = "model.safetensors"
PROCESSOR = ("processor_config.json", "preprocessor_config.json")
TOKENIZER = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json", "spiece.model")
MOST_INDEX = 64 * 2**20
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Copy:
    """All files of a model at one commit, on this machine."""

    hub: HubName
    """Its revision is the commit."""
    folder: Path
    note: str = ""
    """How the commit was come by, where the model was not named by it."""


def cache_root() -> Path:
    """Return the folder of the hub's cache, as HF_HUB_CACHE or HF_HOME say."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def storage(name: HubName) -> Path:
    """Return the folder of one repository in the cache."""
    return cache_root() / f"models--{name.repository.replace('/', '--')}"


def cached(name: HubName) -> Copy | None:
    """Return the model as it is here, whole; None where a part is missing. A branch is where it was when it was last asked for."""
    commit = _commit_here(name)
    if commit is None or not is_whole(folder := storage(name) / "snapshots" / commit):
        return None
    note = ""
    if not commit.startswith(name.revision) or not name.revision:
        ref = storage(name) / "refs" / (name.revision or MAIN)
        day = time.strftime("%Y-%m-%d", time.localtime(ref.stat().st_mtime))
        note = (
            f"{name.repository}: {name.revision or MAIN} is taken to be {commit[:7]}, as it was on {day}; the hub was not asked. "
            f"sn-viz models --fetch {name} asks."
        )
    return Copy(name.at(commit), folder, note)


def whole_commits(name: HubName) -> list[str]:
    """Return every commit of a repository that is here whole."""
    folder = storage(name) / "snapshots"
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path.name for path in found if _COMMIT.fullmatch(path.name) and is_whole(path)]


def _commit_here(name: HubName) -> str | None:
    """Return the commit that a revision means by what is kept here; None where it is not known."""
    if name.is_pinned:
        return name.revision
    ref = storage(name) / "refs" / (name.revision or MAIN)
    try:
        commit = ref.read_text(encoding="ascii").strip() if ref.stat().st_size < 100 else ""
    except (OSError, ValueError):
        commit = ""
    if _COMMIT.fullmatch(commit):
        return commit
    begun = [
        each for each in whole_commits(name) if re.fullmatch(r"[0-9a-f]{7,39}", name.revision) and each.startswith(name.revision)
    ]
    return begun[0] if len(begun) == 1 else None


def is_whole(folder: Path) -> bool:
    """Return whether a folder holds settings, every weight, and what prepares pictures and words."""
    if not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir() if path.exists()}  # a link to what is gone does not count
    if "config.json" not in names or names.isdisjoint(PROCESSOR) or names.isdisjoint(TOKENIZER):
        return False
    return WHOLE in names or (INDEX in names and (shards := shards_of(folder / INDEX)) != set() and shards <= names)


def shards_of(index: Path) -> set[str]:
    """Return the files that an index of shards names; none where it is damaged."""
    try:
        if index.stat().st_size > MOST_INDEX:
            return set()
        return {str(name) for name in json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return set()


def link(blob: Path, place: Path) -> None:
    """Let ``place``, in a snapshot, be a file of ``blobs``: a link, or where there are none the file itself."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    try:
        place.symlink_to(os.path.relpath(blob, place.parent))
    except OSError:
        shutil.move(blob, place)


def write_ref(name: HubName, commit: str) -> None:
    """Remember the commit that a branch or tag is at; a commit is not noted."""
    if name.is_pinned or (name.revision and commit.startswith(name.revision)):
        return
    ref = storage(name) / "refs" / (name.revision or MAIN)
    ref.parent.mkdir(parents=True, exist_ok=True)
    fresh = ref.with_name(f".{ref.name}.{os.getpid()}")
    fresh.write_text(commit, encoding="ascii")
    fresh.replace(ref)
