"""Sample packs for the page: their cards, and runs of them that are ready before anyone asks.

Takes pack names; returns cards and run keys. A pack holds no one's data, so its run may be shared between visitors: its key is
made of its configuration. Runs of people's own images never come through here.
"""

from __future__ import annotations

import functools
import gc
import hashlib
import logging
import os
import queue
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import sn_viz
from sn_viz.activations.sites import site_names, transform_versions
from sn_viz.activations.store import ABANDONED_SECONDS
from sn_viz.errors import UserError
from sn_viz.models.hub.obtain import name_here, obtain
from sn_viz.paths import cache_folder
from sn_viz.pipeline import find, model_named
from sn_viz.plots import projection
from sn_viz.run import Run
from sn_viz.sources.pack import Pack, load_pack, pack_names
from sn_viz.storage.save import save_run
from sn_viz.types import LabelledImages, Partial, Progress, RunRecord
from sn_viz.ui.components import views
from sn_viz.ui.components.maps import map_text
from sn_viz.ui.server.arguments import Arguments
from sn_viz.ui.server.guard import message
from sn_viz.ui.server.jobs import Done, steps
from sn_viz.ui.server.quotas import Turns
from sn_viz.ui.server.session import Shelf

log = logging.getLogger("sn_viz.ui")
KEY = "pack."
"""How the keys of packs' runs begin; keys that cannot be guessed begin otherwise, for they hold no dot."""
FIRST_PACK = "presence-dog"
CARD_IMAGES = 3
MAX_SAVED_BYTES = 2 * 10**9
"""Of all saved runs of packs: about 150, at 13 MB each."""
_BOUNDING = threading.Lock()


@functools.cache
def packs() -> dict[str, Pack]:
    """Return every sample pack by name."""
    return {pack.name: pack for pack in pack_names()}


def checked(name: object) -> str:
    """Return ``name`` when there is such a pack, else raise a ``UserError``."""
    if not isinstance(name, str) or name not in packs():
        raise UserError(f"There is no pack called {str(name)[:60]!r}.", f"There are: {', '.join(packs())}.", "Choose one of these.")
    return name


@functools.cache
def cards(chosen: str) -> dict[str, Any]:
    """Return a card per pack, with three of its images."""
    return {"cards": [_card(pack, pack.name == chosen) for pack in packs().values()]}


def _card(pack: Pack, chosen: bool) -> dict[str, Any]:
    question = question_of(pack) or "The question changes with the image"
    card = {"name": pack.name, "title": pack.title, "question": question, "images": _samples(pack.name), "chosen": chosen}
    return card | {"credit": pack.credit}


@functools.cache
def _samples(name: str) -> list[str]:
    images, _ = load_pack(name, n_train=6, n_test=2, seed=1)
    of_class = [next(i for i in range(len(images)) if images.labels[i] == label) for label in sorted(set(images.labels.tolist()))]
    rest = [i for i in range(len(images)) if i not in of_class]
    return [views.thumbnail(images.pictures[i]) for i in [*of_class, *rest][:CARD_IMAGES]]


def question_of(pack: Pack) -> str:
    """Return the pack's own question, or "" when it changes with the image."""
    return pack.question


def held_out(name: str) -> LabelledImages:
    """Return the test images of a pack."""
    return load_pack(name)[1]


def with_own_question(name: str, arguments: Arguments) -> Arguments:
    """Return ``arguments`` with the pack's own question left to the pack, so that asking it and asking nothing are one run."""
    return replace(arguments, question=None) if arguments.question == question_of(packs()[name]) else arguments


def run_key(name: str, arguments: Arguments) -> str:
    """Return the shelf key of a run of pack ``name``: the same for everyone who asks for the same."""
    arguments = replace(arguments, model=name_here(arguments.model))
    return f"{KEY}{name}.{hashlib.sha256(repr(arguments).encode()).hexdigest()[:16]}"


def run_pack(
    runs: Shelf[RunRecord],
    name: str,
    arguments: Arguments,
    progress: Progress,
    offer: Callable[[Partial], None] | None = None,
) -> str:
    """Return the key of the finished run of pack ``name``: from the shelf, from disk, or computed now and ``offer``ed meanwhile."""
    key = run_key(name, arguments)
    if runs.find(key) is None:
        obtain(arguments.model, progress)
        folder = _folder(key, arguments)
        runs.put(_saved(folder) or _computed(name, arguments, folder, progress, offer), key)
    return key


def _folder(key: str, arguments: Arguments) -> Path:
    weights = hashlib.sha256(model_named(arguments.model, options=arguments.loading).key.encode()).hexdigest()[:16]
    transforms = transform_versions(site_names(arguments.sites)).values()
    return cache_folder() / "pack-runs" / ".".join((f"{key}.{weights}.{sn_viz.__version__}", *transforms))


def _saved(folder: Path) -> RunRecord | None:
    if not (folder / "run.json").is_file():
        return None
    try:
        run = Run.load(folder)
        with suppress(OSError):  # a read-only disk
            os.utime(folder)  # the runs used longest ago make room for new ones
        return run
    except UserError as error:
        log.warning("a saved run is computed again: %s", error)
        return None


def _computed(
    name: str, arguments: Arguments, folder: Path, progress: Progress, offer: Callable[[Partial], None] | None
) -> RunRecord:
    run = find(f"pack:{name}", progress=progress, offer=offer, **arguments.keywords())
    try:
        save_run(run, folder)
        bound(folder.parent)
    except (OSError, UserError) as error:  # a full or read-only disk costs speed next time, nothing else
        log.warning("the run of %s was not saved: %s", name, error)
    return run


def bound(folder: Path, max_bytes: int = MAX_SAVED_BYTES) -> None:
    """Remove the saved runs used longest ago when all of ``folder`` together exceed ``max_bytes``, until a tenth is free.

    What a killed process left half-written goes too, after an hour.
    """
    with _BOUNDING:
        kept = []
        for path in folder.iterdir():
            used = path.stat().st_mtime
            if path.name.startswith(".") and time.time() - used > ABANDONED_SECONDS:
                shutil.rmtree(path, ignore_errors=True)
            else:
                kept.append((used, sum(file.stat().st_size for file in path.rglob("*") if file.is_file()), path))
        total = sum(size for _, size, _ in kept)
        if total <= max_bytes:
            return
        for _, size, path in sorted(kept)[:-1]:
            if total > 0.9 * max_bytes:
                shutil.rmtree(path, ignore_errors=True)
                total -= size


class Prefetcher:
    """Runs packs in the background, one after the other, each only once; a bounded number may wait."""

    def __init__(self, runs: Shelf[RunRecord], maps: Shelf[projection.Info], turns: Turns, capacity: int = 8) -> None:
        self._runs, self._maps, self._turns = runs, maps, turns
        self._wanted: queue.Queue[tuple[str, Arguments]] = queue.Queue(capacity)
        self._said: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def want(self, name: str, arguments: Arguments) -> str:
        """Ask for a run of pack ``name``; returns its key at once."""
        key = run_key(name, arguments)
        with self._lock:
            if self._runs.find(key) is not None or self._said.get(key, {}).get("tone") == "busy":
                return key
            try:
                self._wanted.put_nowait((name, arguments))
            except queue.Full:
                self._said[key] = views.status("Many packs are being run.", "Choose this pack and press Find.", tone="error")
                return key
            self._said[key] = views.status("Running the sample pack", name, 0.0, "busy")
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="packs", daemon=True)
                self._thread.start()
        return key

    def said(self, key: str) -> dict[str, Any]:
        """Return the status of the run under ``key``."""
        with self._lock:
            return self._said.get(key, views.status("Not running", tone="idle"))

    def _say(self, key: str, value: dict[str, Any]) -> None:
        with self._lock:
            self._said[key] = value
            while len(self._said) > 200:
                self._said.pop(next(iter(self._said)))

    def _work(self) -> None:
        while True:
            name, arguments = self._wanted.get()
            key = run_key(name, arguments)
            try:
                for step in steps(self._turns, functools.partial(run_pack, self._runs, name, arguments), threading.Event()):
                    if not isinstance(step, Done):
                        self._say(key, views.status("Running the sample pack", step.text, step.fraction, "busy"))
                self._say(key, views.status("Ready", tone="done"))
                map_text(self._maps, key, self._runs.get(key), "all", "class")
                self._freeze_gc()
            except Exception as error:  # told to whoever waits; this thread serves the next one
                self._say(key, views.status("The sample pack could not be run.", message(error), tone="error"))

    def _freeze_gc(self) -> None:
        """Take what stays for good (libraries, model) out of the garbage collector's rounds, which hold up clicks.

        Once, when the first run and its map have loaded everything.
        """
        if not gc.get_freeze_count():
            gc.collect()
            gc.freeze()
