"""What one server keeps for its visitors: results, sets of images, turns at the model, stop flags, bytes uploaded.

``page.build`` makes it once and hands it down to sections and components; nothing of it is a global, so two servers in one process
share no result. Making it starts no thread and loads no model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MethodType
from typing import Any

from sn_viz.plots import projection
from sn_viz.types import LabelledImages, RunRecord
from sn_viz.ui.components.maps import size_of_layout
from sn_viz.ui.server.jobs import Latest, Stops
from sn_viz.ui.server.looked import Looked, size_of_looked
from sn_viz.ui.server.packs import Prefetcher
from sn_viz.ui.server.paths import upload_folder
from sn_viz.ui.server.quotas import Arrivals, Turns, Uploads, limits
from sn_viz.ui.server.session import Shelf, size_of_images, size_of_run
from sn_viz.ui.server.visits import Visits

MIB = 2**20


@dataclass(frozen=True, eq=False)
class Server:
    """The shelves, queues and flags of one server."""

    runs: Shelf[RunRecord]
    """Finished runs, by keys that cannot be guessed; a pack's by its configuration."""
    sets: Shelf[LabelledImages]
    """By what they were loaded from: a set is decoded once to be shown, edited and run."""
    maps: Shelf[projection.Info]
    """Layouts of maps, by run key and layer."""
    looked: Shelf[Looked]
    """The test images that each visitor has seen results on, by visitor."""
    exports: Shelf[str]
    """Paths of zips by run key: a run is exported once, however often its button is pressed."""
    previews: Latest
    """Stop flags of each visitor's latest reading."""
    stops: Stops
    """Stop flags of jobs."""
    turns: Turns
    """Turns at the model."""
    reading: Turns
    """Turns at decoding: nobody's large files hold up anybody's run, nor, two being read at once, a reading."""
    fetching: Turns
    """Turns at fetching models from a hub: a large one holds up nobody's run."""
    uploads: Uploads
    """Bytes of the files that each visitor uses."""
    arrivals: Arrivals
    """Bytes that arrive as uploads, and on the disk."""
    visits: Visits
    """Which sessions and which uploads are one browser's."""
    prefetch: Prefetcher
    """Runs of packs in the background."""

    def bind(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``handler`` with this server as its first argument, as Gradio calls it."""
        return MethodType(handler, self)


def new_server() -> Server:
    """Return a server that keeps nothing yet, bounded as the environment says."""
    runs: Shelf[RunRecord] = Shelf("result", 1500 * MIB, size_of_run, lambda: limits().runs)
    maps: Shelf[projection.Info] = Shelf("map", 64 * MIB, size_of_layout)
    turns = Turns()
    return Server(
        runs=runs,
        sets=Shelf("set of images", 1000 * MIB, size_of_images, lambda: 3),
        maps=maps,
        looked=Shelf("memory", 64 * MIB, size_of_looked),
        exports=Shelf("export", 500, lambda path: 1),
        previews=Latest(),
        stops=Stops(),
        turns=turns,
        reading=Turns(lambda: replace(limits(), jobs=8, queue=2 * limits().queue), at_once=2, of="the reader of images"),
        fetching=Turns(of="the hub"),
        uploads=Uploads(),
        arrivals=Arrivals(upload_folder),
        visits=Visits(),
        prefetch=Prefetcher(runs, maps, turns),
    )
