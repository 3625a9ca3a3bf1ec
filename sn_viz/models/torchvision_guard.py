"""Keeps a half-installed torchvision from taking the app down.

transformers asks only whether a package named torchvision exists and then imports it; a build made for another torch fails there
and takes every image processor with it. Called once, before transformers is imported; knows nothing about models.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys

logger = logging.getLogger(__name__)


def hide_broken_torchvision() -> bool:
    """Make Python treat torchvision as absent when it is installed but cannot be imported.

    Returns
    -------
    bool
        True when torchvision can be used, False when it is absent or was hidden. Image processors then use Pillow.
    """
    if "torchvision" in sys.modules:
        return sys.modules["torchvision"] is not None
    if importlib.util.find_spec("torchvision") is None:
        return False
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        logger.warning("torchvision is installed but cannot be imported (%s); images are processed with Pillow instead.", error)
        sys.modules["torchvision"] = None  # type: ignore[assignment]  # the documented way to say "no such module"
        return False
    return True
