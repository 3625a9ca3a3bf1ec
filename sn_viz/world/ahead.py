"""Scenes drawn by a process of its own, while this one imports what takes seconds.

Takes tasks with numbers and seeds; gives back exactly what `sn_viz.world.tasks.draw_task` draws, or nothing, and then whoever asks
draws it himself. Run as a module it is that process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from sn_viz.types import LabelledImages, Picture
from sn_viz.world.tasks import draw_task, labelled

Wanted = tuple[str, int, int]
"""A task, how many scenes, and the seed."""

_AHEAD: dict[tuple[Wanted, ...], tuple[subprocess.Popen[bytes], IO[bytes]]] = {}


def draw_ahead(wanted: Sequence[Wanted]) -> None:
    """Begin to draw ``wanted``, without waiting; where no process can be started, nothing happens."""
    if not sys.executable or tuple(wanted) in _AHEAD:
        return
    where = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    out = tempfile.TemporaryFile()  # noqa: SIM115  # closed when it is read
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "sn_viz.world.ahead", json.dumps(wanted)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": where},
        )
    except OSError:
        return
    _AHEAD[tuple(wanted)] = process, out


def drawn_ahead(wanted: Sequence[Wanted]) -> list[LabelledImages] | None:
    """Return what was drawn since `draw_ahead` was told the same, once; None where it was not told, or the process failed."""
    process, out = _AHEAD.pop(tuple(wanted), (None, None))
    if process is None or out is None:
        return None
    with out:
        if process.wait():
            return None
        out.seek(0)
        return [_read(out, name) for name, _, _ in wanted]


def _read(file: IO[bytes], name: str) -> LabelledImages:
    pixels, asked = np.load(file), np.load(file)
    pixels.flags.writeable = False
    return labelled(name, [Picture(one) for one in pixels], asked.tolist())


def _write(file: IO[bytes], images: LabelledImages) -> None:
    np.save(file, np.stack([picture.pixels for picture in images.pictures]))
    np.save(file, np.array(images.questions))


if __name__ == "__main__":
    for one in json.loads(sys.argv[1]):
        _write(sys.stdout.buffer, draw_task(*one))
