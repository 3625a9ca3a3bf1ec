"""Where the package finds its own files and keeps what it computes.

Takes nothing but the environment, asked when called; returns folders. It makes none of them.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent if (PACKAGE.parent / "app.py").is_file() and (PACKAGE.parent / "assets").is_dir() else None
"""The folder that holds app.py and assets, when the package runs from a checkout; None when it is installed."""
ASSETS = CHECKOUT / "assets" if CHECKOUT else PACKAGE / "assets"
"""The embedded models, the script and the style sheet of the page."""


def cache_folder() -> Path:
    """Return the folder for activations and finished work: SN_VIZ_CACHE, ``cache`` in the checkout, or the user's cache folder.

    A leading ``~`` in SN_VIZ_CACHE is the home folder.
    """
    named = os.environ.get("SN_VIZ_CACHE")
    if named:
        return Path(named).expanduser()
    return CHECKOUT / "cache" if CHECKOUT else Path(platformdirs.user_cache_dir("sn_viz", appauthor=False))
