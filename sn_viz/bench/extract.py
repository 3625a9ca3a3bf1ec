"""How fast activations are read, by batch size, beside a bare forward pass that keeps nothing."""

from __future__ import annotations

import time
from typing import Any

import torch

from sn_viz.bench.speed import QUESTION, pictures
from sn_viz.extract import extract
from sn_viz.models import load_model

BATCH_SIZES = (1, 4, 16)
N_IMAGES = 32


def measure(model: str, device: str | None = None) -> list[dict[str, Any]]:
    """Time reading every neuron of pictures of noise, without the cache.

    Parameters
    ----------
    model : str
        Name or folder.
    device : str, optional
        Where to run.

    Returns
    -------
    list of dict
        ``batch_size, images, images_per_second, bare_forward_per_second, neurons``.
    """
    vlm = load_model(model, device=device)
    images = pictures(N_IMAGES)
    extract(vlm, images[:2], QUESTION)
    rows = []
    for size in BATCH_SIZES:
        start = time.perf_counter()
        read = extract(vlm, images, QUESTION, batch_size=size)
        reading = time.perf_counter() - start
        start = time.perf_counter()
        with vlm.lock, torch.inference_mode():
            for first in range(0, N_IMAGES, size):
                batch = images[first : first + size]
                vlm.module(**vlm.prepare(batch, [QUESTION] * len(batch)), **vlm.forward_options())
        bare = time.perf_counter() - start
        rows.append(
            {
                "batch_size": size,
                "images": N_IMAGES,
                "images_per_second": N_IMAGES / reading,
                "bare_forward_per_second": N_IMAGES / bare,
                "neurons": len(read.neurons),
            }
        )
    return rows
