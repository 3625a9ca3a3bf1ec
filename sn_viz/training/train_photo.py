"""Train the photograph model: a tower that has seen photographs, then words for what it sees, then answers, then depth.

Takes folders of photographs and a recipe; writes a checkpoint that transformers' ``Auto`` classes read. It knows nothing of super
neurons: no figure that the app reports is looked at here.

Stages
  pictures  photographs, collages and drawn scenes go through the standing part of the tower once and are kept
  naming    projector, word embeddings and, slowly, the learning part of the tower: patches are drawn to the words for them
  shallow   four decoder blocks too, on about a dozen packed questions a picture, photographed and drawn
  deep      all blocks, dealt out of the trained ones
  answers   the later blocks alone, slowly, on the answers: what the first ones fetch stays as it is

Each stage goes on from a small checkpoint of its own, at most ``SAVE_SECONDS`` old. A loss holds the tower's own head for 1,000
kinds to what it said of each photograph before, so that the tower forgets little; two more ask the same of what the decoder is
given, so that kinds without a question survive on the way there; two ask the places that answer, already behind the first
blocks, for all that the tower saw. A share of the single photographs is cut anew, some of them shown as small pictures are.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sn_viz.errors import UserError
from sn_viz.paths import cache_folder
from sn_viz.training import asking
from sn_viz.training.families import EMBEDDED_FAMILIES
from sn_viz.training.families.llava import read_through
from sn_viz.training.families.photo import LICENCE, fill_tower, published_weights, tail, tail_parameters
from sn_viz.training.losses import answer_loss
from sn_viz.training.model import Sizes, make_tokenizer, on, save_model
from sn_viz.training.optimisers import Optimisers, adam, learning_at, muon, schedule
from sn_viz.training.photo_features import Standing
from sn_viz.training.photo_feed import Feed, Shelf
from sn_viz.training.photo_losses import Losses
from sn_viz.training.photo_pool import Batch, Pool
from sn_viz.training.photographs import SIDE, Kept, fill, find_photographs, plan_pictures
from sn_viz.training.rows import EASY, OPEN, STEPS, WEIGHTS, Packer, Rows, corpus
from sn_viz.training.stages import Clock, Log, StagedTraining, device_named, go_through

STAGES = ("naming", "shallow", "deep", "answers")
SAVE_SECONDS = 300.0
MEASURED = 1500
"""Steps between two measurements on held-out pictures."""
ROW = 176
"""Tokens of a training row: 25 of the picture, then packed questions."""


@dataclass(frozen=True)
class PhotoRecipe:
    """Every number of the training, saved beside the weights."""

    family: str = "photo"
    sizes: Sizes = EMBEDDED_FAMILIES["photo"].sizes
    pictures: int = 200_000
    seed: int = 1
    shallow_blocks: int = 5
    single: int = 104
    """Single photographs in a batch."""
    several: int = 56
    """Collages and pasted photographs in a batch."""
    drawn: int = 96
    """Drawn pictures in a batch."""
    rate: float = 2e-3
    deep_rate: float = 1.5e-3
    answers_rate: float = 5e-4
    fixed: int = 4
    """Blocks that the last stage leaves as they are."""
    tower_rate: float = 1.5e-4
    naming_weight: float = 0.3
    gist_weight: float = 0.2
    soft_weight: float = 0.3
    """Weight of the loss that holds the tower's own head to what it said before."""
    same_weight: float = 0.5
    """Weight of the loss that holds the mean of the tower's last map, of photographs, to what it was before."""
    passed_weight: float = 0.6
    """Weight of the loss that asks the projected patches what the tower's own head says."""
    dense_weight: float = 0.15
    """Weight of the dense vision loss on drawn pictures."""
    fetched_weight: float = 1.0
    """Weight of each of the two losses that ask the places that answer for all that the tower saw."""
    unanswered: float = 0.7
    """Share of the photographed pictures that are also asked about a made-up thing, where only those two losses are computed."""
    anew: float = 0.5
    """Share of the single photographs that are cut anew instead of taken as they are kept."""
    reduced: float = 0.4
    """Share of those that are reduced and enlarged again, as small pictures of users will be."""
    reduced_side: tuple[int, int] = (32, 64)
    """Pixels a side to which they are reduced, at least and at most."""
    minutes: tuple[float, ...] = EMBEDDED_FAMILIES["photo"].minutes
    """Wall-clock limits of the stages."""
    steps: tuple[int | None, ...] = (None, None, None, None)
    """Exact numbers of steps instead of minutes, where given: repeats a logged training."""

    @property
    def batch(self) -> int:
        """Pictures in a batch."""
        return self.single + self.several + self.drawn


@dataclass
class Training(StagedTraining):
    """What the stages share."""

    recipe: PhotoRecipe
    heads: Losses
    pool: Pool
    held_out: Pool
    shelf: Shelf
    workers: int = 0
    """Processes that put batches together; none: this one does."""

    @cached_property
    def packer(self) -> Packer:
        """What packs questions behind the pictures' tokens."""
        return Packer(self.tokenizer, self.family.prefix(self.tokenizer, self.recipe.sizes), ROW)

    def run(self, stage: str, clock: Clock) -> None:
        """Train one stage until ``clock`` says that it is over."""
        run_stage(self, stage, clock)

    def compile(self, stage: str) -> None:
        """Compile every block of the decoder, which "naming" does not run through."""
        for layer in self.model.model.language_model.layers if stage != "naming" else ():
            layer.compile()

    def prepare(self, stage: str) -> None:
        """Let only what learns have gradients, and let batch norms keep their statistics."""
        self.model.eval()
        if stage == "answers":
            self.model.requires_grad_(False)
            self.model.model.language_model.layers[self.recipe.fixed :].requires_grad_(True)
            return
        tower = self.model.model.vision_tower
        tower.requires_grad_(False)
        for weight in tail_parameters(tower):
            weight.requires_grad_(True)

    def optimisers(self, rate: float, decoder: bool) -> Optimisers:
        """Return Muon for the matrices of the blocks, AdamW for the rest, the tower slowly; without ``decoder`` no blocks."""
        recipe = self.recipe
        matrices: list = []
        rest: dict[float, list] = {rate: list(self.heads.parameters()), recipe.tower_rate: []}
        for name, weight in self.model.named_parameters():
            if not weight.requires_grad or (".layers." in name and not decoder):
                continue
            if "vision_tower" in name:
                rest[recipe.tower_rate].append(weight)
            else:
                (matrices if weight.ndim == 2 and ".layers." in name else rest[rate]).append(weight)
        muons = [muon({rate: matrices})] if matrices else []
        return Optimisers([adam(learning_at(rest)), *muons])

    def see(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the tower's patches (picture, patch, 1280) and what the decoder is given of them (picture, patch, width)."""
        features = tail(self.model.model.vision_tower, batch.stem.to(self.device))
        return features, self.family.project(self.model, features)

    def beside(self, features: Tensor, pictured: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the losses beside that of the answers, by name."""
        embeddings = self.model.model.language_model.embed_tokens.weight
        naming, gist = self.heads.naming(embeddings, pictured, batch)
        dense = self.heads.heads.loss(features[~batch.photographed].float(), batch.truth)[0]
        features, at = features.float(), batch.photographed
        same = F.mse_loss(self.shelf.standardised(features[at].mean(1)), batch.pooled[at])
        held = {"soft": self.heads.kept(features, batch), "same": same, "dense": dense}
        return {"naming": naming, "gist": gist, "passed": self.heads.passed(pictured, batch)} | held


def run_stage(training: Training, stage: str, clock: Clock) -> None:
    """Train one stage until ``clock`` says that it is over."""
    recipe = training.recipe
    decoder = stage != "naming"
    training.prepare(stage)
    rates = {"deep": recipe.deep_rate, "answers": recipe.answers_rate}
    best = training.optimisers(rates.get(stage, recipe.rate), decoder)
    weights = {"naming": recipe.naming_weight, "gist": recipe.gist_weight, "soft": recipe.soft_weight, "dense": recipe.dense_weight}
    weights |= {"passed": recipe.passed_weight, "same": recipe.same_weight}
    seed = (recipe.seed, STAGES.index(stage), clock.taken)
    feed = Feed(training.pool, training.packer if decoder else None, partial(_families, stage), seed, training.workers)
    while (done := clock.done()) < 1:
        batch, rows = feed.next(done)
        batch = training.shelf.fill(batch)
        with torch.autocast(training.device.type, torch.bfloat16):
            features, pictured = training.see(batch)
            shown: dict[str, Tensor] = {}
            if rows is not None:
                rows = rows.to(training.device)
                behind = read_through(training.model, rows, pictured)
                hidden = training.model.model.language_model.norm(behind[-1])
                shown["answer"] = answer_loss(training.model, rows, hidden)
                if stage != "answers":
                    shown["logits"], shown["channels"] = training.heads.fetched(behind, rows, batch)
        if stage != "answers":
            shown |= training.beside(features, pictured, batch)
        scale = 1.0 if not decoder else max(1 / 3, 1 - done) if stage == "shallow" else 1 / 3
        full = {"answer": 1.0, "logits": recipe.fetched_weight, "channels": recipe.fetched_weight}
        loss = torch.stack([value * (full[name] if name in full else weights[name] * scale) for name, value in shown.items()]).sum()
        loss.backward()
        nn.utils.clip_grad_norm_(best.learning, 1.0)
        best.step(schedule(done))
        clock.taken += 1
        if clock.taken % 25 == 0:
            losses = {name: value.item() for name, value in shown.items()}
            training.log.write(stage=stage, step=clock.taken, done=done, pictures=training.pool.n, **losses)
        if clock.taken % MEASURED == 0:
            training.log.write(stage=stage, step=clock.taken, done=done, **measure(training, decoder))
        if clock.time_to_save(SAVE_SECONDS):
            training.save(stage, clock)
    feed.close()
    training.log.write(stage=stage, step=clock.taken, **measure(training, decoder))


def _families(stage: str, done: float) -> dict[str, float]:
    """Return what is asked of drawn pictures, as in the training of the drawn world's own models."""
    if stage not in ("deep", "answers"):
        return {name: w for name, w in (WEIGHTS | STEPS).items() if done >= 0.25 or name in EASY}
    return WEIGHTS | OPEN | (STEPS if done < 2 / 3 else {})


@torch.no_grad()
def measure(training: Training, decoder: bool, batches: int = 5) -> dict[str, Any]:
    """Return on pictures that training never shows how often the nearest word is right, and first answer tokens by family."""
    rng = np.random.default_rng(5)
    right: dict[str, list[bool]] = {}
    nearest: list[np.ndarray] = []
    table = F.normalize(training.heads.things @ training.model.model.language_model.embed_tokens.weight, dim=-1)
    for _ in range(batches):
        batch = training.shelf.fill(training.held_out.batch(rng, WEIGHTS))
        _features, pictured = training.see(batch)
        whole = F.normalize(pictured[: training.recipe.single].float(), dim=-1).mean(1)
        best = F.linear(whole, table).argmax(-1)
        nearest.append((batch.names[: training.recipe.single].amax(1).gather(1, best[:, None]) > 0).cpu().numpy())
        if decoder:
            rows = training.packer.pack(batch.asked).to(training.device)
            said, wanted = _said(training, rows, pictured).cpu(), rows.targets.cpu()
            for row, at, family in rows.families:
                if wanted[row, at] != -100:
                    right.setdefault(family, []).append(bool(said[row, at] == wanted[row, at]))
    accuracy = {family: round(float(np.mean(values)), 3) for family, values in sorted(right.items())}
    return {"nearest": float(np.concatenate(nearest).mean()), "accuracy": accuracy}


def _said(training: Training, rows: Rows, pictured: Tensor) -> Tensor:
    hidden = training.family.read(training.model, rows, pictured)
    return F.linear(hidden.float(), training.model.lm_head.weight).argmax(-1)


def make_corpus() -> list[str]:
    """Return the texts that the tokenizer is trained on."""
    return corpus() + asking.corpus(3000, np.random.default_rng(11))


def train_photo(
    out: str | Path,
    photos: Sequence[str | Path],
    recipe: PhotoRecipe | None = None,
    *,
    folder: str | Path | None = None,
    device: str | None = None,
    resume: bool = False,
    compiled: bool = True,
    least: int = 20_000,
    fill_first: bool = True,
    workers: int = 0,
) -> Path:
    """Train the photograph model and write it to ``out``.

    Parameters
    ----------
    out : path
        Where the finished checkpoint goes.
    photos : sequence of path
        Folders with the photograph sets of ``nouns.SETS``.
    recipe : PhotoRecipe, optional
        Every number of the training.
    folder : path, optional
        Where pictures, checkpoints of stages and the log are kept; in the cache by default.
    device : str, optional
        A torch device; CUDA when there is one, else the CPU.
    resume : bool
        Go on where the last call with ``folder`` stopped, at most five minutes earlier.
    compiled : bool
        Compile each decoder block, which pays within minutes.
    least : int
        Pictures that must be there before training begins, where another process fills ``folder``.
    fill_first : bool
        Compute all pictures that are not there yet before training begins.
    workers : int
        Processes that put batches together, which a GPU needs; none: this one does.

    Returns
    -------
    pathlib.Path
        The folder of the finished checkpoint.

    Raises
    ------
    UserError
        When there are no photographs, or the tower's published weights are not installed.
    """
    recipe = recipe or PhotoRecipe()
    folder = Path(folder) if folder else cache_folder() / f"train-{recipe.family}"
    folder.mkdir(parents=True, exist_ok=True)
    where = device_named(device)
    log = Log(folder / "log.jsonl")
    weights, head = published_weights()
    kept = prepare_pictures(folder / "pictures", photos, recipe, where, log.write if fill_first else None)
    if kept.n_done < min(least, kept.plan["n"]):
        raise UserError(
            "The pictures are not ready.",
            f"{kept.n_done} of {kept.plan['n']} went through the tower.",
            "Let them be computed first.",
        )
    tokenizer = make_tokenizer(make_corpus(), recipe.sizes.vocabulary, EMBEDDED_FAMILIES["photo"].image_tokens)
    model = EMBEDDED_FAMILIES["photo"].make_model(tokenizer, replace(recipe.sizes, blocks=recipe.shallow_blocks), recipe.seed)
    fill_tower(model.model.vision_tower, weights)
    losses = Losses(tokenizer, head, recipe.sizes).to(where)
    standing = Standing(SIDE, where)
    pools = (Pool(kept, recipe, False), Pool(kept, recipe, True))
    training = Training(recipe, on(where, model), losses, tokenizer, folder, log, where, *pools, Shelf(kept, standing), workers)
    log.write(
        stage="pictures", n=kept.n_done, single=len(pools[0].single), several=len(pools[0].several), drawn=len(pools[0].drawn)
    )
    go_through(training, STAGES, resume, compiled)
    save_model(training.model, training.family.make_processor(tokenizer, recipe.sizes), out)
    shutil.copyfile(LICENCE, Path(out, "LICENSE"))
    return Path(out)


def prepare_pictures(
    folder: str | Path,
    photos: Sequence[str | Path],
    recipe: PhotoRecipe,
    device: torch.device,
    write: Callable[..., None] | None,
) -> Kept:
    """Return the pictures of a recipe, those that are not there yet computed when ``write`` is given, which is told of progress."""
    place = Path(folder)
    kept = Kept(place) if (place / "plan.json").exists() else plan_pictures(place, find_photographs(photos), recipe.pictures)
    if write is not None and kept.n_done < kept.plan["n"]:
        fill(kept, Standing(SIDE, device), lambda n: write(stage="pictures", n=n))
    return kept
