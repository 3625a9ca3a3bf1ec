"""Changed copies of a picture: what robustness is measured with.

Takes a ``Picture``, the name of a change and its strength from 0 (as it was) to 1; returns a ``Picture`` of the same size.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from sn_viz.errors import UserError
from sn_viz.sources.ingest import decode, picture_from_pixels
from sn_viz.types import Picture

Change = Callable[[Image.Image, float, np.random.Generator], Image.Image]


def _blur(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(strength * max(image.size) / 30))


def _noise(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image, np.float32)
    return Image.fromarray(np.clip(pixels + rng.normal(0, 90 * strength, pixels.shape), 0, 255).astype(np.uint8))


def _darkness(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(1 - 0.8 * strength)


def _brightness(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(1 + 1.5 * strength)


def _hue(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    hue, saturation, value = image.convert("HSV").split()
    turned = (np.asarray(hue, np.int64) + round(128 * strength)) % 256
    return Image.merge("HSV", (Image.fromarray(turned.astype(np.uint8)), saturation, value)).convert("RGB")


def _jpeg(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    if not strength:
        return image
    file = BytesIO()
    image.save(file, "JPEG", quality=round(60 - 58 * strength))
    return Image.fromarray(decode(file.getvalue(), "compressed.jpg").pixels)


def _rotation(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    middle = tuple(int(v) for v in np.asarray(image).mean(axis=(0, 1)))
    return image.rotate(60 * strength, Image.Resampling.BICUBIC, fillcolor=middle)


SHIFTS: dict[str, Change] = {
    "blur": _blur,
    "noise": _noise,
    "darkness": _darkness,
    "brightness": _brightness,
    "hue": _hue,
    "JPEG": _jpeg,
    "rotation": _rotation,
}
"""What can be changed about a picture; hue turns by half the circle and rotation by 60 degrees at full strength."""


def shifted(picture: Picture, name: str, strength: float, rng: np.random.Generator) -> Picture:
    """Return a changed copy.

    Parameters
    ----------
    picture : Picture
    name : str
        A name of ``SHIFTS``.
    strength : float
        From 0, which changes nothing, to 1.
    rng : numpy.random.Generator
        Used by noise alone.

    Raises
    ------
    UserError
        For an unknown name or a strength outside 0 to 1.
    """
    if name not in SHIFTS:
        raise UserError(f"There is no change called {name!r}.", f"There are: {', '.join(SHIFTS)}.", "Choose one of these.")
    if not 0 <= strength <= 1:
        raise UserError(f"A strength of {strength:g} is not offered.", "It lies between 0 and 1.", "Choose 0.5.")
    if not strength:
        return picture
    return picture_from_pixels(np.asarray(SHIFTS[name](Image.fromarray(picture.pixels), float(strength), rng)))
