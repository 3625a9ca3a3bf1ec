"""Arrays and tensors of numbers as the pixels of a picture, whichever way round they lie.

Takes what has an array in it; returns uint8 (height, width, channels). It knows nothing about files, and imports no torch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

CHANNELS = (1, 3, 4)


def is_array(image: object) -> bool:
    """Return whether an object is an array, or a tensor of torch or of another library that numpy can read."""
    return isinstance(image, np.ndarray) or (hasattr(image, "__array__") and hasattr(image, "shape") and hasattr(image, "dtype"))


def bytes_of(image: Any) -> np.ndarray:
    """Return the pixels of an array or tensor.

    Parameters
    ----------
    image : np.ndarray or tensor
        (height, width), (height, width, channels) or (channels, height, width) with 1, 3 or 4 channels; where both could be meant
        the channels stand last. Whole numbers from 0 to 255, truth values, or numbers with a point from 0 to 1.

    Returns
    -------
    np.ndarray
        uint8 (height, width, channels): grey, RGB or RGBA.

    Raises
    ------
    ValueError
        With a sentence that says what arrived.

    Examples
    --------
    >>> bytes_of(np.ones((3, 4, 5), np.float32)).shape
    (4, 5, 3)
    """
    array = _numbers(image)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim == 3 and array.shape[2] not in CHANNELS and array.shape[0] in CHANNELS:
        array = array.transpose(1, 2, 0)
    if array.ndim != 3 or array.shape[2] not in CHANNELS or not array.size:
        raise ValueError(f"It is {array.dtype} {array.shape}.")
    return np.ascontiguousarray(_as_bytes(array))


def _numbers(image: Any) -> np.ndarray:
    if hasattr(image, "detach"):  # a tensor of torch; numpy has no bfloat16
        image = image.detach().cpu()
        image = image.float() if image.is_floating_point() else image
    return np.asarray(image)


def _as_bytes(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind in "iu" and array.min() >= 0 and array.max() <= 255:
        return array.astype(np.uint8)
    if array.dtype.kind == "f" and array.min() >= 0 and array.max() <= 1:  # false for NaN
        return np.rint(array.astype(np.float32) * 255).astype(np.uint8)
    raise ValueError(f"It is {array.dtype}, and its numbers are not those of pixels; perhaps they were normalised for a model.")
