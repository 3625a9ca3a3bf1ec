"""Train an embedded model from scratch: first its eyes, then a few language blocks, then all.

Takes minutes (or exact numbers of steps) and a folder; writes a checkpoint that transformers' ``Auto`` classes read. It knows
nothing of super neurons: no figure that the app reports is looked at here.

Stages
  vision    the tower alone, on dense truth: what, which colour, where, how near, hidden or hiding, for every patch; background,
            degradation, what is anywhere, and the category of formula-drawn figures for the whole picture
  shallow   a third of the decoder blocks behind the finished tower, on about a dozen packed questions a picture
  deep      all blocks (where the family can, dealt out of the trained ones), and the tower too, slowly
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedTokenizerFast

from sn_viz.errors import UserError
from sn_viz.paths import cache_folder
from sn_viz.training.families import EMBEDDED_FAMILIES, Family
from sn_viz.training.losses import SIDES, VisionHeads, answer_loss, gist_loss, naming_loss, pixels_of, truth_of
from sn_viz.training.model import Sizes, make_tokenizer, on, save_model, see
from sn_viz.training.rows import EASY, OPEN, STEPS, WEIGHTS, Packer, ask_some, corpus
from sn_viz.world.pictures import Pictures, draw_pictures
from sn_viz.world.scene import COLOUR_NAMES, TRAINED_KINDS

STAGES = ("vision", "shallow", "deep")
DONE = "recipe.json"
"""Written last into a stage's folder."""
SAVE_SECONDS = 600.0
"""At most this much is lost when a stage is interrupted."""


@dataclass(frozen=True)
class Recipe:
    """Every number of the training, saved beside the weights."""

    family: str = "llava"
    sizes: Sizes = Sizes(width=192, mlp=576, blocks=12)
    scenes: int = 56_000
    figures: int = 10_000
    seed: int = 1
    shallow_blocks: int = 4
    vision_batch: int = 64
    vision_rate: float = 2e-3
    batch: int = 24
    rate: float = 2e-3
    deep_rate: float = 1.5e-3
    tower_share: float = 0.2
    """The tower's learning rate in the deep stage, relative to the decoder's; in the shallow stage it stands still."""
    dense_weight: float = 0.25
    """Weight of the dense vision loss in the deep stage."""
    naming_weight: float = 0.3
    """Weight of the naming loss at first; it falls to a sixth in the shallow stage and stays there."""
    gist_weight: float = 0.5
    """Weight of the loss for whole pictures in the deep stage."""
    minutes: tuple[float, float, float] = (18.0, 38.0, 52.0)
    """Wall-clock limits of the three stages."""
    steps: tuple[int, int, int] | None = None
    """Exact numbers of steps instead of minutes: repeats a logged training."""

    @classmethod
    def of(cls, family: str) -> Recipe:
        """Return the recipe of a family by name; UserError when there is none."""
        known = EMBEDDED_FAMILIES[family]
        return cls(family=family, sizes=known.sizes, shallow_blocks=known.shallow_blocks, minutes=known.minutes)


# ---- how it is optimised -------------------------------------------------------------------------------------------------------


@dataclass
class Optimisers:
    """Muon for the matrices inside blocks, AdamW for everything else, on one schedule."""

    each: list[torch.optim.Optimizer]

    def step(self, factor: float) -> None:
        for optimiser in self.each:
            for group in optimiser.param_groups:
                group["lr"] = group["rate"] * factor
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)


def optimisers(model: Any, heads: VisionHeads, rate: float, tower_rate: float) -> Optimisers:
    """Return the optimisers; Muon's updates are scaled to AdamW's size, so that one rate serves both."""
    matrices: dict[float, list] = {rate: [], tower_rate: []}
    rest: dict[float, list] = {rate: [], tower_rate: []}
    rest[tower_rate] += heads.parameters()
    for name, weight in model.named_parameters():
        at = tower_rate if "vision_tower" in name else rate
        (matrices if weight.ndim == 2 and ".layers." in name else rest)[at].append(weight)
    muon = [{"params": p, "lr": 1.5 * r, "rate": 1.5 * r} for r, p in matrices.items() if p and r > 0]
    adam = [{"params": p, "lr": r, "rate": r} for r, p in rest.items() if p and r > 0]
    return Optimisers(
        [
            torch.optim.Muon(muon, weight_decay=0.05, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(adam, betas=(0.9, 0.98), weight_decay=0.01),
        ]
    )


def schedule(done: float, warm: float = 0.03) -> float:
    """Return the learning-rate factor when the fraction ``done`` of a stage is over: a short rise, then a straight fall to 2 %."""
    return min(1.0, done / warm + 0.02) * (0.02 + 0.98 * (1 - done)) if done < 1 else 0.02


class Clock:
    """How much of a stage is done, by wall-clock minutes or by an exact number of steps; ``before`` is from an earlier call."""

    def __init__(self, minutes: float, steps: int | None, taken: int = 0, before: float = 0.0) -> None:
        self.minutes, self.steps, self.taken, self.before = minutes, steps, taken, before
        self.began = self.saved = time.monotonic()

    def done(self) -> float:
        if self.steps is not None:
            return self.taken / max(1, self.steps)
        return self.before + (time.monotonic() - self.began) / (60 * max(self.minutes, 1e-6))

    def time_to_save(self, seconds: float | None = None) -> bool:
        """Return whether the last save, or the start, is ``seconds`` ago; the answer yes starts the wait anew."""
        late = time.monotonic() - self.saved > (SAVE_SECONDS if seconds is None else seconds)
        if late:
            self.saved = time.monotonic()
        return late


class Log:
    """Writes what happened to a JSONL file and to the screen."""

    def __init__(self, path: Path) -> None:
        self.path, self.began = path, time.monotonic()

    def write(self, **what) -> None:
        what = {"minutes": round((time.monotonic() - self.began) / 60, 2)} | what
        line = json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in what.items()})
        print(line, flush=True)
        with self.path.open("a") as file:
            file.write(line + "\n")


# ---- the stages ----------------------------------------------------------------------------------------------------------------


@dataclass
class Training:
    """What the stages share."""

    recipe: Recipe
    model: Any
    heads: VisionHeads
    tokenizer: PreTrainedTokenizerFast
    pictures: Pictures
    held_out: Pictures
    folder: Path
    log: Log
    device: torch.device

    @property
    def family(self) -> Family:
        """What kind of model it is."""
        return EMBEDDED_FAMILIES[self.recipe.family]

    def packer(self) -> Packer:
        """Return what packs questions behind the pictures' tokens."""
        return Packer(self.tokenizer, self.family.prefix(self.tokenizer, self.recipe.sizes))

    def save(self, stage: str, clock: Clock | None = None) -> None:
        """Write weights and heads, so that a later call goes on from this stage, or from the part of it that ``clock`` tells."""
        place = self.folder / (f"{stage}-part" if clock else stage)
        processor = self.family.make_processor(self.tokenizer, self.recipe.sizes)
        save_model(self.model, processor, place)
        save_file(
            {k: v.contiguous().cpu() for k, v in self.model.state_dict().items() if k != "lm_head.weight"},
            place / "exact.safetensors",
        )
        save_file({k: v.contiguous().cpu() for k, v in self.heads.state_dict().items()}, place / "heads.safetensors")
        progress = {"taken": clock.taken, "before": clock.done()} if clock else {}
        (place / DONE).write_text(json.dumps(asdict(self.recipe) | progress, indent=1))
        if not clock:
            shutil.rmtree(self.folder / f"{stage}-part", ignore_errors=True)

    def part(self, stage: str) -> dict[str, Any]:
        """Return how far an interrupted call came with ``stage``: arguments of ``Clock``, empty when there is no such call."""
        path = self.folder / f"{stage}-part" / DONE
        return {name: json.loads(path.read_text())[name] for name in ("taken", "before")} if path.exists() else {}

    def load(self, stage: str) -> None:
        weights = load_file(self.folder / stage / "exact.safetensors")
        blocks = 1 + max(int(n.split("layers.")[1].split(".")[0]) for n in weights if "language_model.layers." in n)
        if blocks != len(self.model.model.language_model.layers):
            self.model = self.family.make_model(self.tokenizer, replace(self.recipe.sizes, blocks=blocks))
        self.model.load_state_dict(weights, strict=False)
        self.model.tie_weights()
        on(self.device, self.model)
        self.heads.load_state_dict(load_file(self.folder / stage / "heads.safetensors"))

    def compile(self) -> None:
        for layer in [*self.model.model.language_model.layers, *self.model.model.vision_tower.encoder.layers]:
            layer.compile()

    def to(self, truth: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: tensor.to(self.device) for name, tensor in truth.items()}


def vision_stage(training: Training, clock: Clock) -> None:
    """Teach the tower what every patch shows."""
    recipe, model, heads = training.recipe, training.model, training.heads
    best = optimisers(model, heads, 0.0, recipe.vision_rate)
    rng = np.random.default_rng((recipe.seed, clock.taken))
    at_first = held_out_vision(training)
    while (done := clock.done()) < 1:
        index = rng.integers(len(training.pictures), size=recipe.vision_batch)
        features = see(model, pixels_of(training.pictures, index, training.device))
        loss, shown = heads.loss(features, training.to(truth_of(training.pictures, index)))
        loss.backward()
        nn.utils.clip_grad_norm_(model.model.vision_tower.parameters(), 1.0)
        best.step(schedule(done))
        clock.taken += 1
        if clock.taken % 50 == 0:
            training.log.write(stage="vision", step=clock.taken, done=done, loss=loss.item(), **shown)
        if clock.time_to_save():
            training.save("vision", clock)
    shown = {"present at first": at_first["present"]} | held_out_vision(training)
    training.log.write(stage="vision", step=clock.taken, held_out=True, **shown)


@torch.no_grad()
def held_out_vision(training: Training) -> dict[str, float]:
    """Return the parts of the vision loss on pictures that training never draws."""
    index = np.arange(min(512, len(training.held_out)))
    features = see(training.model, pixels_of(training.held_out, index, training.device))
    return training.heads.loss(features, training.to(truth_of(training.held_out, index)))[1]


def decoder_stage(training: Training, stage: str, clock: Clock) -> None:
    """Teach the decoder to answer."""
    recipe, model, heads = training.recipe, training.model, training.heads
    shallow = stage == "shallow"
    rate = recipe.rate if shallow else recipe.deep_rate
    best = optimisers(model, heads, rate, 0.0 if shallow else rate * recipe.tower_share)
    rng = np.random.default_rng((recipe.seed, len(stage), clock.taken))
    packer, family = training.packer(), training.family
    words = torch.tensor([packer.encode(word)[0] for word in TRAINED_KINDS + COLOUR_NAMES + SIDES], device=training.device)
    clear = np.flatnonzero((training.pictures.degraded == 0) & ((training.pictures.count > 0) | (training.pictures.figure != 255)))
    everything = [weight for group in best.each for part in group.param_groups for weight in part["params"]]
    while (done := clock.done()) < 1:
        also = STEPS if shallow else OPEN | (STEPS if done < 2 / 3 else {})
        early = shallow and done < 0.25
        families = {name: weight for name, weight in (WEIGHTS | also).items() if not early or name in EASY}
        index = rng.choice(clear, recipe.batch)
        rows = packer.pack([ask_some(training.pictures, int(i), rng, families) for i in index]).to(training.device)
        truth = training.to(truth_of(training.pictures, index))
        with torch.autocast(training.device.type, torch.bfloat16):
            with torch.set_grad_enabled(not shallow):
                features = see(model, pixels_of(training.pictures, index, training.device))
            pictured = family.project(model, features)
            hidden = family.read(model, rows, pictured)
        loss = answer_loss(model, rows, hidden)
        naming, gist = naming_loss(model, pictured, truth, words, not early), gist_loss(model, pictured, truth, words)
        total = loss + recipe.naming_weight * (max(1 / 6, 1 - done) if shallow else 1 / 6) * naming
        if not shallow:
            total = total + recipe.gist_weight * gist + recipe.dense_weight * heads.loss(features.float(), truth)[0]
        total.backward()
        nn.utils.clip_grad_norm_(everything, 1.0)
        best.step(schedule(done))
        clock.taken += 1
        if clock.taken % 50 == 0:
            shown = {"loss": loss.item(), "naming": naming.item(), "gist": gist.item()}
            training.log.write(stage=stage, step=clock.taken, done=done, **shown)
        if clock.taken % 400 == 0:
            training.log.write(stage=stage, step=clock.taken, done=done, accuracy=accuracy(training, packer))
        if clock.time_to_save():
            training.save(stage, clock)
    training.log.write(stage=stage, step=clock.taken, accuracy=accuracy(training, packer))


@torch.no_grad()
def accuracy(training: Training, packer: Packer, n: int = 240) -> dict[str, float]:
    """Return the accuracy of first answer tokens by family, on pictures that training never draws.

    Asked as in training: of the relations, most are left and right.
    """
    held_out, rng = training.held_out, np.random.default_rng(5)
    usable = np.flatnonzero((held_out.degraded == 0) & ((held_out.count > 0) | (held_out.figure != 255)))
    right: dict[str, list[bool]] = {}
    for start in range(0, n, training.recipe.batch):
        index = usable[start : start + training.recipe.batch]
        rows = packer.pack([ask_some(held_out, int(i), rng, WEIGHTS) for i in index]).to(training.device)
        with torch.autocast(training.device.type, torch.bfloat16):
            pictured = training.family.project(training.model, see(training.model, pixels_of(held_out, index, training.device)))
            hidden = training.family.read(training.model, rows, pictured)
        said = F.linear(hidden.float(), training.model.lm_head.weight).argmax(-1)
        for row, at, family in rows.families:
            right.setdefault(family, []).append(bool(said[row, at] == rows.targets[row, at]))
    return {family: round(float(np.mean(values)), 3) for family, values in sorted(right.items())}


def train(
    out: str | Path,
    recipe: Recipe | None = None,
    *,
    folder: str | Path | None = None,
    device: str | None = None,
    resume: bool = False,
    compiled: bool = True,
) -> Path:
    """Train an embedded model and write it to ``out``.

    Parameters
    ----------
    out : path
        Where the finished checkpoint goes.
    recipe : Recipe, optional
        Every number of the training.
    folder : path, optional
        Where pictures, checkpoints of finished stages and the log are kept; by default ``train-FAMILY`` in the cache.
    device : str, optional
        A torch device; CUDA when there is one, else the CPU.
    resume : bool
        Go on where the last call with ``folder`` stopped, at most ten minutes earlier.
    compiled : bool
        Compile each block, which pays within minutes.

    Returns
    -------
    pathlib.Path
        The folder of the finished checkpoint.
    """
    recipe = recipe or Recipe()
    if EMBEDDED_FAMILIES[recipe.family].photographs:
        raise UserError(
            f"The family {recipe.family!r} is trained on photographs.",
            "No folder of photographs was given.",
            "Name some with --photos.",
        )
    folder = Path(folder) if folder else cache_folder() / f"train-{recipe.family}"
    folder.mkdir(parents=True, exist_ok=True)
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    log = Log(folder / "log.jsonl")
    pictures = draw_pictures(recipe.scenes, recipe.figures, recipe.seed, folder)
    held_out = draw_pictures(600, 60, recipe.seed + 1000, folder)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(held_out))
    held_out = Pictures(**{name: getattr(held_out, name)[order] for name in Pictures.__dataclass_fields__})
    log.write(stage="pictures", n=len(pictures))
    family = EMBEDDED_FAMILIES[recipe.family]
    tokenizer = make_tokenizer(corpus(), recipe.sizes.vocabulary, family.image_tokens)
    model = on(where, family.make_model(tokenizer, replace(recipe.sizes, blocks=recipe.shallow_blocks), recipe.seed))
    heads = VisionHeads(recipe.sizes.vision_width).to(where)
    training = Training(recipe, model, heads, tokenizer, pictures, held_out, folder, log, where)
    finished = max((i for i, s in enumerate(STAGES) if (folder / s / DONE).exists()), default=-1) if resume else -1
    if resume:
        _refuse_another_family(folder, recipe.family)
    if finished >= 0:
        training.load(STAGES[finished])
    for number, stage in enumerate(STAGES[finished + 1 :], finished + 1):
        part = training.part(stage) if resume else {}
        if part:
            training.load(f"{stage}-part")
        elif stage == "deep":
            training.model = on(where, family.deepen(training.model, recipe.sizes.blocks, recipe.seed))
        if compiled:
            torch._dynamo.reset()
            training.compile()
        clock = Clock(recipe.minutes[number], recipe.steps[number] if recipe.steps else None, **part)
        if stage == "vision":
            vision_stage(training, clock)
        else:
            decoder_stage(training, stage, clock)
        training.save(stage)
        log.write(stage=stage, finished=True, steps=clock.taken)
    save_model(training.model, family.make_processor(tokenizer, recipe.sizes), out)
    return Path(out)


def _refuse_another_family(folder: Path, family: str) -> None:
    """Raise a UserError when stages of another family lie in ``folder``: their weights would be taken as far as names agree."""
    for path in (folder / name / DONE for stage in STAGES for name in (stage, f"{stage}-part")):
        found = json.loads(path.read_text()).get("family", "llava") if path.exists() else family
        if found != family:
            raise UserError(
                "This training cannot go on.",
                f"{folder} holds a training of the family {found!r}, not {family!r}.",
                "Give another folder with --work.",
            )
