"""What every training in stages does alike: how far a stage is, the log, the checkpoints, and going on after an interruption.

Takes a training and its stages; writes a folder for each stage under the training's own, ``exact.safetensors`` (weights as they
are), ``heads.safetensors`` (what learns beside the model), a checkpoint that transformers reads, and last ``recipe.json``. It knows
nothing of pictures or losses.
"""

from __future__ import annotations

import json
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast

from sn_viz.training.families import EMBEDDED_FAMILIES, Family
from sn_viz.training.model import on, save_model

DONE = "recipe.json"
"""Written last into a stage's folder."""


class Clock:
    """How much of a stage is done, by wall-clock minutes or by an exact number of steps; ``before`` is from an earlier call."""

    def __init__(self, minutes: float, steps: int | None, taken: int = 0, before: float = 0.0) -> None:
        self.minutes, self.steps, self.taken, self.before = minutes, steps, taken, before
        self.began = self.saved = time.monotonic()

    def done(self) -> float:
        """Return the fraction of the stage that is over; 1 or more at its end."""
        if self.steps is not None:
            return self.taken / max(1, self.steps)
        return self.before + (time.monotonic() - self.began) / (60 * max(self.minutes, 1e-6))

    def time_to_save(self, seconds: float) -> bool:
        """Return whether the last save, or the start, is ``seconds`` ago; the answer yes starts the wait anew."""
        late = time.monotonic() - self.saved > seconds
        if late:
            self.saved = time.monotonic()
        return late


class Log:
    """Writes what happened to a JSONL file and to the screen."""

    def __init__(self, path: Path) -> None:
        self.path, self.began = path, time.monotonic()

    def write(self, **what) -> None:
        """Write one line of named values, the minutes since the start before them."""
        what = {"minutes": round((time.monotonic() - self.began) / 60, 2)} | what
        line = json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in what.items()})
        print(line, flush=True)
        with self.path.open("a") as file:
            file.write(line + "\n")


@dataclass
class StagedTraining(ABC):
    """A model in training, and where its stages are kept."""

    recipe: Any
    """A frozen dataclass with at least ``family``, ``sizes``, ``seed``, ``minutes`` and ``steps``; written beside the weights."""
    model: Any
    heads: Any
    """What learns beside the model and is not shipped; a module."""
    tokenizer: PreTrainedTokenizerFast
    folder: Path
    log: Log
    device: torch.device

    @property
    def family(self) -> Family:
        """What kind of model it is."""
        return EMBEDDED_FAMILIES[self.recipe.family]

    @abstractmethod
    def run(self, stage: str, clock: Clock) -> None:
        """Train one stage until ``clock`` says that it is over."""

    @abstractmethod
    def compile(self, stage: str) -> None:
        """Compile the blocks that ``stage`` runs through."""

    def save(self, stage: str, clock: Clock | None = None) -> None:
        """Write what learned, so that a later call goes on from this stage, or from the part of it that ``clock`` tells."""
        place = self.folder / (f"{stage}-part" if clock else stage)
        fresh = place.with_name(place.name + "-new")
        shutil.rmtree(fresh, ignore_errors=True)
        save_model(self.model, self.family.make_processor(self.tokenizer, self.recipe.sizes), fresh)
        weights = {name: value for name, value in self.model.state_dict().items() if name != "lm_head.weight"}
        for name, kept in (("exact", weights), ("heads", self.heads.state_dict())):
            save_file({key: value.contiguous().cpu() for key, value in kept.items()}, fresh / f"{name}.safetensors")
        progress = {"taken": clock.taken, "before": clock.done()} if clock else {}
        (fresh / DONE).write_text(json.dumps(asdict(self.recipe) | progress, indent=1))
        shutil.rmtree(place, ignore_errors=True)
        fresh.rename(place)
        if not clock:
            shutil.rmtree(self.folder / f"{stage}-part", ignore_errors=True)

    def load(self, stage: str) -> None:
        """Take up the weights of a saved stage, with as many blocks as it has."""
        weights = load_file(self.folder / stage / "exact.safetensors")
        blocks = 1 + max(int(n.split("layers.")[1].split(".")[0]) for n in weights if "language_model.layers." in n)
        if blocks != len(self.model.model.language_model.layers):
            self.model = self.family.make_model(self.tokenizer, replace(self.recipe.sizes, blocks=blocks))
        self.model.load_state_dict(weights, strict=False)
        self.model.tie_weights()
        on(self.device, self.model)
        self.heads.load_state_dict(load_file(self.folder / stage / "heads.safetensors"))

    def progress(self, stage: str) -> dict[str, Any]:
        """Return how far an interrupted call came with ``stage``: arguments of ``Clock``, empty when there is no such call."""
        path = self.folder / f"{stage}-part" / DONE
        return {name: json.loads(path.read_text())[name] for name in ("taken", "before")} if path.exists() else {}

    def deepen(self) -> None:
        """Give the model all of its blocks, as its family does."""
        self.model = on(self.device, self.family.deepen(self.model, self.recipe.sizes.blocks, self.recipe.seed))


def go_through(training: StagedTraining, stages: Sequence[str], resume: bool, compiled: bool) -> None:
    """Train every stage in order, saved as it ends.

    Parameters
    ----------
    training : StagedTraining
        Its model has the blocks of the shallow stages; "deep" begins by deepening it.
    stages : sequence of str
    resume : bool
        Go on behind the last finished stage, or inside the one that was interrupted.
    compiled : bool
        Compile each block, which pays within minutes.
    """
    recipe = training.recipe
    ended = [number for number, stage in enumerate(stages) if (training.folder / stage / DONE).exists()] if resume else []
    finished = max(ended, default=-1)
    if finished >= 0:
        training.load(stages[finished])
    for number, stage in enumerate(stages[finished + 1 :], finished + 1):
        progress = training.progress(stage) if resume else {}
        if progress:
            training.load(f"{stage}-part")
        elif stage == "deep":
            training.deepen()
        if compiled:
            torch._dynamo.reset()
            training.compile(stage)
        clock = Clock(recipe.minutes[number], recipe.steps[number] if recipe.steps else None, **progress)
        training.run(stage, clock)
        training.save(stage)
        training.log.write(stage=stage, finished=True, steps=clock.taken)


def device_named(name: str | None) -> torch.device:
    """Return the device of that name; CUDA when there is one, else the CPU, where none is named."""
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
