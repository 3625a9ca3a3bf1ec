"""The recorded run that people land on: what was found, one race with its times, and the picture; read from ``assets/recorded``.

Takes a folder; returns a checked ``Recorded``, and back. ``python -m sn_viz bench record`` makes it; nothing is computed here.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sn_viz.paths import ASSETS
from sn_viz.types import Interval, Picture
from sn_viz.ui.components.racing import Race

FOLDER = ASSETS / "recorded"
FACTS, PICTURE = "story.json", "story.webp"


@dataclass(frozen=True)
class Found:
    """What the run found; the same on every machine that computes alike."""

    pack: str
    model: str
    question: str
    classes: tuple[str, ...]
    n_probing: int
    n_test: int
    n_neurons: int
    n_layers: int
    n_tower: int
    exit_layer: int
    neuron: int
    """Column of the best single neuron up to the exit, chosen on the probing pictures."""
    neuron_name: str
    neuron_layer: int
    probing_score: float
    neuron_right: Interval
    """Share of the test pictures that it alone is right on."""
    luck: float
    """The best probing score that any neuron reaches for any shuffled labelling."""
    n_shuffled: int
    n_voters: int
    vote_right: Interval
    """Of the vote at the exit, on the test pictures."""
    full_right: Interval
    """Of the full model, on the test pictures."""
    example: int
    """Which test picture races."""
    label: str
    sha256: str
    """Of the picture."""
    tally: tuple[tuple[float, ...], ...]
    """(layer, class): the vote after each block, for that picture."""
    exit_answer: str
    full_answer: str
    full_label: str
    """The class that the full model's answer names; "" when it names none."""


@dataclass(frozen=True)
class Times:
    """What was measured once, and would be otherwise on another machine, or on another day."""

    date: str
    machine: str
    full_model_ms: float
    """Median over a few test pictures, the methods in turns."""
    early_exit_ms: float
    stamps: tuple[float, ...]
    """(layer,): when each block of the full lane had finished."""
    race_exit_ms: float
    race_full_ms: float


@dataclass(frozen=True)
class Recorded:
    """A run to land on."""

    command: str
    found: Found
    times: Times
    picture: Picture

    @property
    def race(self) -> Race:
        """The race of its picture."""
        found, times = self.found, self.times
        layers = range(1 - found.n_tower, found.n_layers + 1)
        tally, stamps = np.array(found.tally, np.float32), np.array(times.stamps)
        exits = (found.exit_layer, found.exit_answer, times.race_exit_ms)
        return Race(tally, stamps, layers, *exits, found.full_answer, times.race_full_ms)


def write(recorded: Recorded, folder: Path = FOLDER) -> None:
    """Write ``recorded`` into ``folder``, made if needed: facts as JSON, the picture without loss."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {"command": recorded.command, "found": asdict(recorded.found), "times": asdict(recorded.times)}
    text = json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / FACTS).write_text(f"{text}\n", encoding="utf-8")
    Image.fromarray(recorded.picture.pixels).save(folder / PICTURE, lossless=True, quality=100, method=6)


def read(folder: Path = FOLDER) -> Recorded:
    """Return what `write` wrote into ``folder``."""
    told = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    found, times = told["found"], told["times"]
    for name in ("neuron_right", "vote_right", "full_right"):
        found[name] = Interval(**found[name])
    found |= {"classes": tuple(found["classes"]), "tally": tuple(map(tuple, found["tally"]))}
    with Image.open(folder / PICTURE) as image:
        picture = Picture(np.asarray(image.convert("RGB")))
    return Recorded(told["command"], Found(**found), Times(**times | {"stamps": tuple(times["stamps"])}), picture)
