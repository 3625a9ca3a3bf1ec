"""The recorded runs that people land on: what was found, one race with its times, and the picture; read from ``assets/recorded``.

Takes a folder; returns a checked ``Recorded``, and back. There are two: one of a photograph, which is not kept here but read out of
the installed scikit-learn, and one of a drawn pack, for where that photograph is missing. ``python -m sn_viz bench record`` makes
them; nothing is computed here.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sn_viz.paths import ASSETS
from sn_viz.sources.ingest import as_picture
from sn_viz.sources.pack import flower_photograph
from sn_viz.types import Interval, Picture
from sn_viz.ui.components.racing import Race

FOLDER = ASSETS / "recorded"
FACTS, PICTURE = "story.json", "story.webp"
PHOTOGRAPH = "photograph.json"


@dataclass(frozen=True)
class Photographs:
    """What a run on photographs was made from, none of which is kept."""

    credit: str
    """Of the photograph that races."""
    sets: tuple[str, ...]
    """Names and terms of the sets that were searched and tested on, one with its class in front each."""
    weights: str
    """Hexadecimal digest of the model's weights and settings; another one has other super neurons."""


@dataclass(frozen=True)
class Found:
    """What the run found; the same on every machine that computes alike."""

    pack: str
    """"" for the photograph, which is of no pack."""
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
    """Which test picture races; -1 is the photograph out of scikit-learn."""
    label: str
    sha256: str
    """Of the picture; of the photograph: of its file."""
    tally: tuple[tuple[float, ...], ...]
    """(layer, class): the vote after each block, for that picture."""
    exit_answer: str
    full_answer: str
    full_label: str
    """The class that the full model's answer names; "" when it names none."""
    photographs: Photographs | None = None
    """None for a drawn pack."""


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
    """Write ``recorded`` into ``folder``, made if needed: facts as JSON, a drawn picture without loss, a photograph not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = recorded.found.photographs is None
    found = {name: value for name, value in asdict(recorded.found).items() if name != "photographs" or not drawn}
    told = {"command": recorded.command, "found": found, "times": asdict(recorded.times)}
    text = json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / (FACTS if drawn else PHOTOGRAPH)).write_text(f"{text}\n", encoding="utf-8")
    if drawn:
        Image.fromarray(recorded.picture.pixels).save(folder / PICTURE, lossless=True, quality=100, method=6)


def read(folder: Path = FOLDER) -> Recorded:
    """Return the run of the drawn pack that `write` wrote into ``folder``."""
    with Image.open(folder / PICTURE) as image:
        picture = Picture(np.asarray(image.convert("RGB")))
    return _read(folder / FACTS, picture)


def read_photograph(folder: Path = FOLDER) -> Recorded | None:
    """Return the run of the photograph that `write` wrote into ``folder``.

    None where there is none, or where the installed scikit-learn holds no such photograph, or another one.
    """
    path, facts = flower_photograph(), folder / PHOTOGRAPH
    if path is None or not facts.is_file():
        return None
    recorded = _read(facts, as_picture(path))
    return recorded if file_sha256(path) == recorded.found.sha256 else None


def landing(folder: Path = FOLDER) -> Recorded:
    """Return the run that the page opens with: that of the photograph where it can be shown, else that of the drawn pack."""
    return read_photograph(folder) or read(folder)


def file_sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read(facts: Path, picture: Picture) -> Recorded:
    told = json.loads(facts.read_text(encoding="utf-8"))
    found, times = told["found"], told["times"]
    for name in ("neuron_right", "vote_right", "full_right"):
        found[name] = Interval(**found[name])
    found |= {"classes": tuple(found["classes"]), "tally": tuple(map(tuple, found["tally"]))}
    if beside := found.get("photographs"):
        found["photographs"] = Photographs(**beside | {"sets": tuple(beside["sets"])})
    return Recorded(told["command"], Found(**found), Times(**times | {"stamps": tuple(times["stamps"])}), picture)
