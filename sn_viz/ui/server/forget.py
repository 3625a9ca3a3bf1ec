"""Forget a visitor: uploads, sets, runs, exports, activations and what a session remembers, in memory and on the disk.

Takes the server and whose; returns how much it was. Sample packs are nobody's and stay. What other visitors brought stays too, but
for activations of the very same picture asked the very same question, which are read anew.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sn_viz.activations.extract import row_names
from sn_viz.activations.store import Store
from sn_viz.types import LabelledImages, RunRecord
from sn_viz.ui.components import views
from sn_viz.ui.server.paths import upload_folder
from sn_viz.ui.server.state import Server

IDLE_HOURS = 24
"""What a visitor brought is forgotten when the session did nothing for so long."""
LOOK_SECONDS = 600.0


@dataclass(frozen=True)
class Forgotten:
    """How much was forgotten."""

    files: int
    sets: int
    runs: int
    rows: int
    """Of activations."""

    @property
    def sentence(self) -> str:
        parts = [(self.files, "file"), (self.sets, "set of images"), (self.runs, "run"), (self.rows, "row of activations")]
        told = [f"{n:,} {_plural(what) if n != 1 else what}" for n, what in parts if n]
        return f"Forgotten: {', '.join(told)}." if told else "There was nothing of yours here."


def _plural(what: str) -> str:
    first, _, rest = what.partition(" ")
    return f"{first}s {rest}".strip()


def forget(server: Server, sessions: Iterable[str], browser: str = "") -> Forgotten:
    """Delete everything that these sessions of a browser have here.

    Parameters
    ----------
    server : Server
    sessions : iterable of str
        Names of visitors, as `sn_viz.ui.server.quotas.visitor` gives them.
    browser : str
        As `sn_viz.ui.server.visits.browser_of` gives it; its other sessions go too.
    """
    owners = list(dict.fromkeys([*sessions, *(server.visits.sessions_of(browser) if browser else [])]))
    for owner in owners:
        server.previews.stop(owner)
    keys = {key for owner in owners for key in server.runs.keys_of(owner)}
    files = [*server.exports.drop_all(lambda key: key.partition("|")[0] in keys), *_uploads(server, owners, browser)]
    server.maps.drop_all(lambda key: key.partition("|")[0] in keys)
    server.looked.drop_all(owners.__contains__)
    runs: list[RunRecord] = server.runs.drop_all(keys.__contains__)
    sets: list[LabelledImages] = server.sets.drop_all(lambda key: key.rpartition("|")[0] in owners)
    images = [*sets, *(split for run in runs for split in (run.train, run.test))]
    views.forget_thumbnails({picture.sha256 for each in images for picture in each.pictures})
    rows = Store().remove([name for each in _asked(sets, runs) for name in row_names(each)])
    return Forgotten(sum(map(_deleted, dict.fromkeys(files))), len(sets), len(runs), rows)


def _asked(sets: list[LabelledImages], runs: list[RunRecord]) -> list[LabelledImages]:
    """Return the images with every question that they were asked by a run."""
    splits = [split for run in runs for split in (run.train, run.test)]
    questions = {question for split in splits for question in split.questions}
    return [*sets, *splits, *(each.ask(question) for each in sets for question in questions)]


def _uploads(server: Server, owners: list[str], browser: str) -> list[str]:
    used = [path for owner in owners for path in server.uploads.drop(owner)]
    return [*used, *(server.visits.drop(browser) if browser else [])]


def _deleted(path: str) -> bool:
    """Delete a file of the upload folder, and its folder when that is empty then; returns whether it was there."""
    real, folder = Path(path).resolve(), upload_folder()
    if not real.is_relative_to(folder) or not real.is_file():
        return False
    real.unlink(missing_ok=True)
    for parent in real.parents:
        if parent == folder or not parent.is_relative_to(folder):
            break
        with suppress(OSError):  # something else lies there
            parent.rmdir()
    return True


def forget_state(app: Any, sessions: Iterable[str], seconds: float = 60.0) -> None:
    """Delete what Gradio remembers of sessions as soon as their pages are closed, or after so many seconds.

    Not at once: the page that asks for it still has events under way.
    """
    holder = getattr(app, "state_holder", None)
    waiting = [session for session in sessions if holder is not None and session in holder]
    if not waiting:
        return

    def drop() -> None:
        until = time.monotonic() + seconds
        while waiting:
            time.sleep(0.5)
            for session in list(waiting):
                kept = holder.session_data.get(session)
                if kept is None or kept.is_closed or time.monotonic() > until:
                    holder.delete_state(session)
                    holder.session_data.pop(session, None)
                    holder.time_last_used.pop(session, None)
                    waiting.remove(session)

    threading.Thread(target=drop, name="forget", daemon=True).start()


def forget_idle(server: Server, seconds: float = 3600.0 * IDLE_HOURS) -> int:
    """Forget the visitors that used nothing of theirs for so long; returns how many."""
    idle = server.runs.idle_owners(seconds) | server.sets.idle_owners(seconds)
    idle = {owner for owner in idle if not _uses_something(server, owner, seconds)}
    if idle:
        forget(server, sorted(idle))
    return len(idle)


def _uses_something(server: Server, owner: str, seconds: float) -> bool:
    """Return whether a visitor has something that was used within that time."""
    return any(shelf.keys_of(owner) and owner not in shelf.idle_owners(seconds) for shelf in (server.runs, server.sets))


def forget_idle_for_ever(server: Server) -> threading.Thread:
    """Look every few minutes, in a thread that ends with the process."""

    def look() -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            forget_idle(server)

    thread = threading.Thread(target=look, name="forget", daemon=True)
    thread.start()
    return thread
