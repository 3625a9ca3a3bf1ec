"""What the hub says of a model before anything is fetched: its commit, which files are needed, their sizes, whether it is gated.

Takes a ``HubName``; returns a ``Listing``, within seconds or a sentence.
"""

from __future__ import annotations

import queue
import re
import threading
import time
from dataclasses import dataclass
from typing import Any

from sn_viz.models.folder_check import OTHER_TEXT, SIZES, TEXTS
from sn_viz.models.hub import refused
from sn_viz.models.hub.cache import INDEX, WHOLE
from sn_viz.models.hub.name import MAIN, HubName
from sn_viz.types import Progress

ANSWER_SECONDS = 4.0
"""How long the hub is waited for, names looked up included, before it is said not to answer."""
OTHER_WEIGHTS = (*refused.PROGRAMS, ".h5", ".msgpack", ".gguf")
_SHARD = re.compile(r"(?!consolidated)[\w.-]*-\d{5}-of-\d{5}\.safetensors", re.ASCII)
_TEXT = re.compile(r"[\w.-]+", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class File:
    """One file of a repository."""

    name: str
    size: int
    digest: str
    """SHA-256 of a large file, git's SHA-1 of a small one."""


@dataclass(frozen=True)
class Listing:
    """What is fetched of a model, at one commit."""

    hub: HubName
    """Its revision is the commit."""
    files: tuple[File, ...]
    """Texts first, then weights; config.json, without which nothing is a model, at the end."""
    gated: bool

    @property
    def n_bytes(self) -> int:
        """Bytes of all of it."""
        return sum(file.size for file in self.files)


def ask(name: HubName, progress: Progress) -> Listing:
    """Ask the hub about a model, once.

    Raises
    ------
    UserError
        When the hub gives no answer in time, has no such model or revision, or the model has no weights that are read.
    """
    found: Any = _in_time(name, progress)
    if found.disabled:
        raise refused.closed(name)
    if not isinstance(found.sha, str) or not name.at(found.sha).is_pinned:
        raise refused.untold(name)
    siblings = {file.rfilename: file for file in found.siblings or ()}
    names = _needed(name, set(siblings))
    files = tuple(_file(name, siblings[each]) for each in names)
    return Listing(name.at(found.sha), files, bool(found.gated))


def _in_time(name: HubName, progress: Progress) -> Any:
    """Return the client's answer; in a thread, because looking up a host's name heeds no timeout."""
    from huggingface_hub import HfApi, constants, get_token

    answers: queue.Queue[Any] = queue.Queue()

    def asking() -> None:
        try:
            if not re.fullmatch(r"[!-~]*", get_token() or ""):
                raise refused.odd_token(name)
            api = HfApi(endpoint=constants.ENDPOINT)
            revision = name.revision or MAIN
            answers.put(api.model_info(name.repository, revision=revision, timeout=ANSWER_SECONDS, files_metadata=True))
        except Exception as error:  # handed over and raised by the caller, none is swallowed
            answers.put(error)

    progress(0.0, f"Asking the hub about {name}")
    threading.Thread(target=asking, name="hub", daemon=True).start()
    until = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < until:
        try:
            answer = answers.get(timeout=0.1)
        except queue.Empty:
            progress(0.0, f"Asking the hub about {name}")
            continue
        if isinstance(answer, refused.failures()):
            raise refused.as_user_error(answer, name) from None
        if isinstance(answer, ValueError | KeyError | TypeError):
            raise refused.no_hub(name) from None
        if isinstance(answer, Exception):
            raise answer
        return answer
    raise refused.unreachable(name)


def _needed(name: HubName, there: set[str]) -> list[str]:
    """Return the files that loading needs: settings, words, templates, and the weights in safetensors. Nothing from sub-folders."""
    weights = [WHOLE] if WHOLE in there else sorted(each for each in there if INDEX in there and _SHARD.fullmatch(each))
    if "config.json" not in there:
        raise refused.no_model(name)
    if not weights:
        raise refused.only_pickled(name, sorted((each for each in there if each.endswith(OTHER_WEIGHTS)), key=_kind))
    texts = sorted(each for each in there if each.endswith(TEXTS) and _TEXT.fullmatch(each) and each != "config.json")
    return [*texts, *weights, "config.json"]


def _kind(file: str) -> tuple[bool, str]:
    return not file.endswith(refused.PROGRAMS), file


def _file(name: HubName, sibling: Any) -> File:
    large = sibling.lfs
    size, digest = (large.size, large.sha256) if large is not None else (sibling.size, sibling.blob_id)
    if not isinstance(size, int) or size < 0 or not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise refused.untold(name)
    if sibling.rfilename.endswith(TEXTS) and size > SIZES.get(sibling.rfilename, OTHER_TEXT):
        raise refused.oversized(name, sibling.rfilename, f"{size / 1e6:,.0f} MB")
    return File(sibling.rfilename, size, digest)
