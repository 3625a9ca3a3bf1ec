"""Pictures of noise on which it is tried out what a model allows, before anybody's picture is read.

Takes a ``Vlm``; returns prepared inputs. It knows nothing about what is tried.
"""

from __future__ import annotations

import numpy as np

from sn_viz.models.vlm import Inputs, Vlm
from sn_viz.types import Picture


def noise_batch(vlm: Vlm) -> Inputs:
    """Return the inputs of two pictures of noise, together."""
    return vlm.prepare(noise_pictures(0), ["?", "?"])


def noise_pair(vlm: Vlm) -> tuple[Inputs, Inputs]:
    """Return the inputs of two pictures of noise, one by one, asked the same."""
    one, other = (vlm.prepare([picture], ["?"]) for picture in noise_pictures(1))
    return one, other


def noise_pictures(seed: int) -> list[Picture]:
    """Return two pictures of noise, wider than high: a square hides what processors and towers do about sizes."""
    noise = np.random.default_rng(seed).integers(0, 256, (2, 48, 80, 3), dtype=np.uint8)
    return [Picture(pixels) for pixels in noise]
