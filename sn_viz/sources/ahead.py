"""Pictures decoded by threads while others are looked at.

Takes images of any kind that `sn_viz.sources.ingest.as_picture` takes; gives back pictures in their order. It knows nothing about
models.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sn_viz.sources.ingest import as_picture
from sn_viz.types import Picture

MOST_THREADS = 8


def decoded_ahead(images: Sequence[Any], size: int) -> Iterator[list[Picture]]:
    """Yield pictures, ``size`` at a time, the next ones being decoded meanwhile.

    Parameters
    ----------
    images : sequence
        Files and bytes, and pictures that are read when needed, are decoded by threads; objects that whoever called may be using
        (PIL images, arrays) here.
    size : int

    Yields
    ------
    list of Picture
        With their pixels in memory.

    Raises
    ------
    UserError
        Of the first image that cannot be read, when its turn comes.
    """
    if len(images) == 1:  # no thread is worth its start
        yield [as_picture(images[0]).decoded()]
        return
    spans = [images[start : start + size] for start in range(0, len(images), size)]
    pool = ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS), "decode")
    try:
        following = _begun(pool, spans[0]) if spans else []
        for at in range(len(spans)):
            some, following = following, _begun(pool, spans[at + 1]) if at + 1 < len(spans) else []
            yield [one.result() if isinstance(one, Future) else as_picture(one) for one in some]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _begun(pool: ThreadPoolExecutor, images: Sequence[Any]) -> list[Any]:
    return [pool.submit(_decoded, one) if isinstance(one, (str, Path, bytes, Picture)) else one for one in images]


def _decoded(image: Any) -> Picture:
    return image.decoded() if isinstance(image, Picture) else as_picture(image)
