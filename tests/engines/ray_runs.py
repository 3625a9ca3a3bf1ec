"""What tests of Ray ask about runs, files and processes; a job that no worker survives."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np

PARTS = "train test neurons train_values test_values stumps voters exit_layer votes by_layer baselines null_scores warnings".split()


class Dies:
    """Ends whoever does it."""

    def run(self, worker: Any) -> None:
        os._exit(1)


def same_run(one: Any, other: Any) -> None:
    """Assert that two runs have found the same, bit for bit, times apart."""
    for part in PARTS:
        same(getattr(one, part), getattr(other, part), part)
    assert one.findings["stability"] == other.findings["stability"]


def same(one: Any, other: Any, where: str) -> None:
    if dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            if "latency" not in field.name:
                same(getattr(one, field.name), getattr(other, field.name), f"{where}.{field.name}")
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes(), where
    elif isinstance(one, tuple):
        assert len(one) == len(other), where
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            same(a, b, f"{where}[{i}]")
    else:
        assert one == other or (one != one and other != other), where


def shared_files(cache: Path) -> list[Path]:
    """Return what workers and driver shared and is still there."""
    return sorted(cache.glob("*.shared"))


def listening(process: Any) -> list[tuple[str, int]]:
    """Return address and port of all that the descendants of a process, and itself, listen on."""
    found = []
    for one in (process, *process.children(recursive=True)):
        for each in one.net_connections("inet"):
            if each.status == "LISTEN":
                found.append((each.laddr.ip.removeprefix("::ffff:"), each.laddr.port))
    return found
