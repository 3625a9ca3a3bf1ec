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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sn_viz.errors import UserError
from sn_viz.paths import cache_folder
from sn_viz.training.families import EMBEDDED_FAMILIES
from sn_viz.training.losses import SIDES, VisionHeads, answer_loss, gist_loss, naming_loss, pixels_of, truth_of
from sn_viz.training.model import Sizes, make_tokenizer, on, save_model, see
from sn_viz.training.optimisers import Optimisers, adam, learning_at, muon, schedule
from sn_viz.training.rows import EASY, OPEN, STEPS, WEIGHTS, Packer, ask_some, corpus
from sn_viz.training.stages import DONE, Clock, Log, StagedTraining, device_named, go_through
from sn_viz.world.pictures import Pictures, draw_pictures
from sn_viz.world.scene import COLOUR_NAMES, TRAINED_KINDS

STAGES = ("vision", "shallow", "deep")
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
    minutes: tuple[float, ...] = (18.0, 38.0, 52.0)
    """Wall-clock limits of the three stages."""
    steps: tuple[int, int, int] | None = None
    """Exact numbers of steps instead of minutes: repeats a logged training."""

    @classmethod
    def of(cls, family: str) -> Recipe:
        """Return the recipe of a family by name; UserError when there is none."""
        known = EMBEDDED_FAMILIES[family]
        return cls(family=family, sizes=known.sizes, shallow_blocks=known.shallow_blocks, minutes=known.minutes)


# ---- how it is optimised -------------------------------------------------------------------------------------------------------


def optimisers(model: Any, heads: VisionHeads, rate: float, tower_rate: float) -> Optimisers:
    """Return Muon for the matrices inside blocks and AdamW for the rest, tower and heads at ``tower_rate``; 0 stands still."""
    matrices: dict[float, list] = {rate: [], tower_rate: []}
    rest: dict[float, list] = {rate: [], tower_rate: []}
    rest[tower_rate] += heads.parameters()
    for name, weight in model.named_parameters():
        at = tower_rate if "vision_tower" in name else rate
        (matrices if weight.ndim == 2 and ".layers." in name else rest)[at].append(weight)
    return Optimisers([muon(learning_at(matrices)), adam(learning_at(rest))])


# ---- the stages ----------------------------------------------------------------------------------------------------------------


@dataclass
class Training(StagedTraining):
    """What the stages share."""

    recipe: Recipe
    heads: VisionHeads
    pictures: Pictures
    held_out: Pictures

    def packer(self) -> Packer:
        """Return what packs questions behind the pictures' tokens."""
        return Packer(self.tokenizer, self.family.prefix(self.tokenizer, self.recipe.sizes))

    def run(self, stage: str, clock: Clock) -> None:
        """Train one stage until ``clock`` says that it is over."""
        if stage == "vision":
            vision_stage(self, clock)
        else:
            decoder_stage(self, stage, clock)

    def compile(self, stage: str) -> None:
        """Compile every block of decoder and tower."""
        for layer in [*self.model.model.language_model.layers, *self.model.model.vision_tower.encoder.layers]:
            layer.compile()

    def to(self, truth: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return ``truth`` where the model is."""
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
        if clock.time_to_save(SAVE_SECONDS):
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
        nn.utils.clip_grad_norm_(best.learning, 1.0)
        best.step(schedule(done))
        clock.taken += 1
        if clock.taken % 50 == 0:
            shown = {"loss": loss.item(), "naming": naming.item(), "gist": gist.item()}
            training.log.write(stage=stage, step=clock.taken, done=done, **shown)
        if clock.taken % 400 == 0:
            training.log.write(stage=stage, step=clock.taken, done=done, accuracy=accuracy(training, packer))
        if clock.time_to_save(SAVE_SECONDS):
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
    where = device_named(device)
    log = Log(folder / "log.jsonl")
    pictures = draw_pictures(recipe.scenes, recipe.figures, recipe.seed, folder)
    held_out = draw_pictures(600, 60, recipe.seed + 1000, folder)
    order = np.random.default_rng(0).permutation(len(held_out))
    held_out = Pictures(**{name: getattr(held_out, name)[order] for name in Pictures.__dataclass_fields__})
    log.write(stage="pictures", n=len(pictures))
    family = EMBEDDED_FAMILIES[recipe.family]
    tokenizer = make_tokenizer(corpus(), recipe.sizes.vocabulary, family.image_tokens)
    model = on(where, family.make_model(tokenizer, replace(recipe.sizes, blocks=recipe.shallow_blocks), recipe.seed))
    heads = VisionHeads(recipe.sizes.vision_width).to(where)
    training = Training(recipe, model, heads, tokenizer, folder, log, where, pictures, held_out)
    if resume:
        _refuse_another_family(folder, recipe.family)
    go_through(training, STAGES, resume, compiled)
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
