"""How fast a device computes at best, and when it is done. Takes a torch device; knows nothing about models."""

from __future__ import annotations

import time

import torch


def matmul_rate(device: torch.device, dtype: torch.dtype, n_tries: int = 8) -> float:
    """Return the fastest rate of multiplying two large square matrices in ``dtype``, floating-point operations a second."""
    side = 8192 if device.type == "cuda" else 1024
    one, other = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    best = 0.0
    for _ in range(n_tries):
        wait(device)
        start = time.perf_counter()
        torch.matmul(one, other)
        wait(device)
        best = max(best, 2 * side**3 / (time.perf_counter() - start))
    return best


def wait(device: torch.device) -> None:
    """Return when everything that was given to the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
