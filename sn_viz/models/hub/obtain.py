"""The files of a model, wherever it is named: a folder as it is; of the hub what is here, else what is fetched now.

Takes a name; returns an ``Obtained``: the name at a commit, and a folder. What is here is used without asking the hub. It knows
nothing about torch.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass

from sn_viz.errors import UserError
from sn_viz.models.catalog import locate
from sn_viz.models.hub import refused
from sn_viz.models.hub.cache import Copy, cached, storage, write_ref
from sn_viz.models.hub.fetch import SPARE_BYTES, begun_bytes, fetch, free_bytes, missing, size
from sn_viz.models.hub.info import Listing, ask
from sn_viz.models.hub.name import HubName
from sn_viz.progress import silent
from sn_viz.types import Progress

log = logging.getLogger("sn_viz.models")


@dataclass(frozen=True)
class Obtained:
    """A model whose files are on this machine."""

    name: str
    """What finds the same model again: a name or folder as it was given, OWNER/NAME@COMMIT of the hub."""
    title: str
    """What to call it."""
    folder: str
    commit: str = ""
    """Of the hub; "" for a folder."""
    repository: str = ""
    note: str = ""
    """How a branch or tag became a commit; "" where nothing needs to be said."""


def obtain(
    model: str | os.PathLike[str],
    progress: Progress = silent,
    say: Callable[[str], None] | None = None,
    most_bytes: float | None = None,
    fresh: bool = False,
) -> Obtained:
    """Return where a model's files are, fetching them from the hub where they are not here.

    Parameters
    ----------
    model : str or path
        What ``catalog.locate`` takes.
    progress : callable
        Told what arrives, in bytes; may raise ``Cancelled``, after which a later call goes on.
    say : callable, optional
        Told, in a sentence, what is about to be fetched, or which commit a branch is taken to be at. By default that stands before
        the bytes; where nobody listens to those either, it is logged as a warning.
    most_bytes : float, optional
        A larger model is not fetched.
    fresh : bool
        Ask the hub where a branch or tag is now, even if it is here, and fetch what is not here with all its bytes.

    Raises
    ------
    UserError
        When there is no such model, or its files cannot be had: see ``refused``.
    """
    place = locate(model)
    if place.hub is None:
        return Obtained(os.fspath(model), place.name, place.folder)
    copy = None if fresh else cached(place.hub)
    if copy is None:
        copy = _fetched(place.hub, progress, say, most_bytes)
    elif copy.note:
        (say or log.info)(copy.note)
    return Obtained(str(copy.hub), str(copy.hub), str(copy.folder), copy.hub.revision, copy.hub.repository, copy.note)


def is_here(model: str) -> bool:
    """Return whether a model can be loaded without fetching anything."""
    place = locate(model)
    return place.hub is None or cached(place.hub) is not None


def name_here(model: str) -> str:
    """Return the name at the commit of a model of the hub that is here; whatever else as it is, also what does not exist."""
    try:
        place = locate(model)
    except UserError:
        return model
    copy = cached(place.hub) if place.hub is not None else None
    return model if copy is None else str(copy.hub)


def _fetched(name: HubName, progress: Progress, say: Callable[[str], None] | None, most_bytes: float | None) -> Copy:
    listing = ask(name, progress)
    if missing(listing):
        _check_room(name, listing, most_bytes)
        told = sentence(listing)
        short = f"Fetching {name.repository}"
        if say is not None:
            say(told)
        elif progress is silent:
            log.warning("%s", told)
        fetch(listing, progress, short if say is not None else told)
    try:
        write_ref(name, listing.hub.revision)
    except OSError:
        log.info("the branch of %s could not be noted", name)  # it only costs asking again
    return Copy(listing.hub, storage(name) / "snapshots" / listing.hub.revision)


def _check_room(name: HubName, listing: Listing, most_bytes: float | None) -> None:
    wanted = sum(file.size for file in missing(listing)) - begun_bytes(listing)
    if most_bytes is not None and listing.n_bytes > most_bytes:
        raise refused.too_large(name, size(listing.n_bytes), size(most_bytes))
    if listing.gated and not _has_token():
        raise refused.gated(name)
    if (free := free_bytes()) < wanted + SPARE_BYTES:
        raise refused.no_room(name, size(wanted), size(free))


def _has_token() -> bool:
    from huggingface_hub import get_token

    return bool(get_token())


def sentence(listing: Listing) -> str:
    """Return what is about to be fetched: size, kind of weights, whether gated, free room."""
    begun, name = begun_bytes(listing), listing.hub
    here = f", {size(begun)} of it already here" if begun else ""
    terms = "gated, with your token" if listing.gated else "not gated"
    what = f"Fetching {name.repository} at commit {name.revision[:7]}: {size(listing.n_bytes)} with safetensors weights{here}"
    return f"{what}; {terms}; {size(free_bytes())} of the disk are free"
