"""What a source of images is, and all there are: each file of this folder that registers one.

A source is a class registered under a name, with ``accepts(data) -> bool`` and ``read(data, budget)`` that yields ``Found`` images;
its docstring is what users read. To add one, copy ``folder.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from sn_viz.registry import Registry
from sn_viz.sources.budget import Budget
from sn_viz.sources.gather import Found, Note


class Source(Protocol):
    """One kind of data."""

    @staticmethod
    def accepts(data: Any) -> bool:
        """Return whether this source reads ``data``: an existing Path, a str with a scheme, or an object in memory."""
        ...

    @staticmethod
    def read(data: Any, budget: Budget) -> Iterable[Found | Note]:
        """Yield its images, unopened, and notes on the whole; raise UserError when that is unreadable."""
        ...


SOURCES: Registry[type[Source]] = Registry("source of images", "sn_viz.sources", first=("arrow_files", "tar_file", "coco_file"))
"""All there are; the first know by its files what would else be just a folder, or just JSON."""
