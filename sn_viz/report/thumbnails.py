"""Small copies of pictures as data URLs, encoded afresh from decoded pixels.

Takes uint8 pixels; returns text for the ``src`` of an image. It knows nothing of the page it appears on.
"""

from __future__ import annotations

import base64
import io
from typing import Literal

import numpy as np
from PIL import Image


def data_url(pixels: np.ndarray, side: int, kind: Literal["WEBP", "PNG"], enlarge: bool = False) -> str:
    """Return a picture at most ``side`` wide and high.

    Parameters
    ----------
    pixels : uint8 (height, width, 3)
    side : int
    kind : str
        "WEBP" is small, "PNG" opens everywhere.
    enlarge : bool
        Whether a smaller picture is shown larger, in whole steps: without inventing anything between its pixels.
    """
    image = Image.fromarray(pixels)
    if enlarge and max(image.size) < side:
        scale = side // max(image.size)
        image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    image.thumbnail((side, side), Image.Resampling.BOX if kind == "PNG" else Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    options = {"optimize": True} if kind == "PNG" else {"quality": 82}
    image.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64," + base64.b64encode(buffer.getvalue()).decode()
