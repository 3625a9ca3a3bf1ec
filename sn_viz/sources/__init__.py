"""Where labelled images come from: one file per kind of data, and one door for bytes (``ingest``).

Takes a path, a ``pack:`` or ``hub:`` name, or images in memory; returns checked ``LabelledImages``. It knows nothing about models.
To add a source, see ``source.py``.
"""

from sn_viz.sources.budget import Budget
from sn_viz.sources.export import save_folders
from sn_viz.sources.gather import check
from sn_viz.sources.load import load_images
from sn_viz.sources.source import SOURCES, Source

__all__ = ["SOURCES", "Budget", "Source", "check", "load_images", "save_folders"]
