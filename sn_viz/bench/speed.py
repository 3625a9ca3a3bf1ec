"""How long one image takes: every exit layer, the first token, the full answer; batch 1, from decoded image to result."""

from __future__ import annotations

from typing import Any

import numpy as np

from sn_viz.exits import truncated_forward
from sn_viz.latency import milliseconds_in_turns
from sn_viz.models import load_model
from sn_viz.sources.ingest import picture_from_pixels
from sn_viz.types import Picture

N_IMAGES = 10
QUESTION = "Is there a dog in the picture?"


def measure(model: str, device: str | None = None) -> list[dict[str, Any]]:
    """Time a model on pictures of noise, all methods in turns.

    Parameters
    ----------
    model : str
        Name or folder.
    device : str, optional
        Where to run.

    Returns
    -------
    list of dict
        One row per exit layer, then the first token and the full answer: ``stops_at, median_ms, p95_ms, speedup_vs_full``, and over
        how many ``images``. A vote on top costs microseconds and is left out.
    """
    vlm = load_model(model, device=device)
    layers = range(1, vlm.n_layers + 1)

    def exit_at(layer: int):
        return lambda picture: truncated_forward(vlm, vlm.prepare([picture], [QUESTION]), layer)

    def first_token(picture: Picture) -> np.ndarray:
        return vlm.first_token_logits([picture], [QUESTION])

    def full_answer(picture: Picture) -> list[str]:
        return vlm.generate([picture], [QUESTION])

    times = milliseconds_in_turns([*map(exit_at, layers), first_token, full_answer], pictures(N_IMAGES), budget=60)
    medians, slow = np.median(times, axis=0), np.percentile(times, 95, axis=0)
    names = [*(f"layer {layer}" for layer in layers), "first token", "full answer"]
    return [
        {
            "stops_at": name,
            "median_ms": float(medians[i]),
            "p95_ms": float(slow[i]),
            "speedup_vs_full": float(medians[-1] / medians[i]),
            "images": len(times),
        }
        for i, name in enumerate(names)
    ]


def pictures(n: int, side: int = 224, seed: int = 0) -> list[Picture]:
    """Return ``n`` pictures of noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), dtype=np.uint8)
    return [picture_from_pixels(pixels) for pixels in noise]
