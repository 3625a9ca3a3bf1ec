"""How fast activations are read, beside a bare forward pass that keeps nothing; and what the cache saves."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch

from sn_viz.activations.extract import extract
from sn_viz.activations.store import Store
from sn_viz.bench import BENCHES, Options, Row, row, seconds_in_turns
from sn_viz.errors import Cancelled
from sn_viz.models import Vlm, load_model
from sn_viz.pipeline import find
from sn_viz.sources.ingest import picture_from_pixels
from sn_viz.types import LabelledImages, Picture

BATCH_SIZES = (1, 4, 16)
N_IMAGES, N_CACHED = 32, 200
QUICK_IMAGES, QUICK_CACHED = 16, 20
ROUNDS = 7
QUESTION = "Is there a dog in the picture?"


@BENCHES.register("extract")
def measure(options: Options) -> list[Row]:
    """Time reading every neuron of pictures of noise, one picture more in a cached set, and a run whose pictures are all cached."""
    vlm = load_model(options.model, device=options.device)
    n_images, n_cached = (QUICK_IMAGES, QUICK_CACHED) if options.quick else (N_IMAGES, N_CACHED)
    images = pictures(n_images + n_cached)
    rows = [throughput(vlm, images[:n_images], size, 3 if options.quick else ROUNDS) for size in BATCH_SIZES]
    with tempfile.TemporaryDirectory(prefix="sn-viz-bench-") as folder:
        rows += cached(vlm, images[:n_cached], images[n_cached:], Store(folder))
    return rows


def throughput(vlm: Vlm, images: list[Picture], size: int, rounds: int) -> Row:
    """Return pictures a second at one batch size, against a bare forward pass of the same batches."""

    def bare() -> None:
        with vlm.lock, torch.inference_mode():
            for first in range(0, len(images), size):
                batch = images[first : first + size]
                vlm.module(**vlm.prepare(batch, [QUESTION] * len(batch)), **vlm.forward_options())

    def read() -> None:
        extract(vlm, images, QUESTION, batch_size=size)

    taken = seconds_in_turns({"bare": bare, "read": read}, rounds)
    speed, share = len(images) / taken["read"], taken["bare"] / taken["read"]
    note = f"of a bare forward pass, {len(images) / taken['bare']:.4g} images/s; {len(images)} images of noise"
    return row(f"batch {size}: reading every neuron", speed, "images/s", at_least=0.95, ratio=share, note=note)


def cached(vlm: Vlm, known: list[Picture], new: list[Picture], store: Store) -> list[Row]:
    """Return what one more picture costs in a set whose others are ``known``, and how soon a cached run searches."""
    extract(vlm, known, QUESTION, cache=store)
    one, again, more = [], [], []
    for picture in new:
        one.append(_seconds(lambda: extract(vlm, [picture], QUESTION)))  # noqa: B023
        again.append(_seconds(lambda: extract(vlm, known, QUESTION, cache=store)))
        more.append(_seconds(lambda: extract(vlm, [*known, picture], QUESTION, cache=store)))  # noqa: B023
    single, reading, adding = (1e3 * float(np.median(times)) for times in (one, again, more))
    note = f"images' worth of time, once the {reading:.3g} ms of reading {len(known)} rows are taken off; one takes {single:.3g} ms"
    images = labelled(known)
    soon = 1e3 * min(until_search(vlm, images, store) for _ in range(5))
    return [
        row(f"one image added to {len(known)} cached", adding, "ms", at_most=1.5, ratio=(adding - reading) / single, note=note),
        row(f"the {len(known)} cached images again", reading, "ms", at_most=100, note="all rows checked and read"),
        row("a cached run, from its call to its search", soon, "ms", at_most=100, note=f"{len(known)} images, the model loaded"),
    ]


def until_search(vlm: Vlm, images: LabelledImages, store: Store) -> float:
    """Return the seconds from calling ``find`` until it searches, where it is stopped."""
    seen: list[float] = []

    def stop_at_search(fraction: float, doing: str) -> None:
        if "who votes" in doing:
            seen.append(time.perf_counter() - start)
            raise Cancelled

    before = os.environ.get("SN_VIZ_CACHE")
    os.environ["SN_VIZ_CACHE"] = str(store.root)
    start = time.perf_counter()
    try:
        find(images, model=vlm, compare="none", progress=stop_at_search)
    except Cancelled:
        return seen[0]
    finally:
        if before is None:
            del os.environ["SN_VIZ_CACHE"]
        else:
            os.environ["SN_VIZ_CACHE"] = before
    raise AssertionError("the run never said that it searches")


def labelled(images: list[Picture]) -> LabelledImages:
    """Return pictures with two classes in turns."""
    names, questions = tuple(f"{i}.png" for i in range(len(images))), (QUESTION,) * len(images)
    return LabelledImages(names, tuple(images), np.arange(len(images)) % 2, ("no", "yes"), questions)


def pictures(n: int, side: int = 224, seed: int = 0) -> list[Picture]:
    """Return ``n`` pictures of noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), dtype=np.uint8)
    return [picture_from_pixels(pixels) for pixels in noise]


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
