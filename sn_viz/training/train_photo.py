"""Train the photograph model: a tower that has seen photographs, then words for what it sees, then answers, then depth.

Takes folders of photographs and a recipe; writes a checkpoint that transformers' ``Auto`` classes read. It knows nothing of super
neurons: no figure that the app reports is looked at here.

Stages
  pictures  photographs, collages and drawn scenes go through the standing part of the tower once and are kept
  naming    projector, word embeddings and, slowly, the learning part of the tower: patches are drawn to the words for them
  shallow   four decoder blocks too, on about a dozen packed questions a picture, photographed and drawn
  deep      all blocks, dealt out of the trained ones

Each stage goes on from a small checkpoint of its own, at most ``SAVE_SECONDS`` old. A loss holds the tower's own head for 1,000
kinds to what it said of each photograph before, so that the tower forgets little; two more ask the same of what the decoder is
given and of where it answers, so that kinds without a question survive on the way there.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
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
from sn_viz.training import asking
from sn_viz.training.families import EMBEDDED_FAMILIES, Family
from sn_viz.training.families.photo import LICENCE, fill_tower, published_weights, tail, tail_parameters
from sn_viz.training.losses import SHARP, SIDES, VisionHeads, answer_loss
from sn_viz.training.model import Sizes, make_tokenizer, on, save_model
from sn_viz.training.nouns import NAMES
from sn_viz.training.photo_features import Standing
from sn_viz.training.photographs import GRID, SIDE, Kept, fill, find_photographs, plan_pictures
from sn_viz.training.rows import EASY, OPEN, STEPS, WEIGHTS, Packer, Rows, ask_some, corpus
from sn_viz.training.train import DONE, Clock, Log, Optimisers, schedule
from sn_viz.world.questions import Asked
from sn_viz.world.scene import COLOUR_NAMES, TRAINED_KINDS

STAGES = ("naming", "shallow", "deep")
SAVE_SECONDS = 300.0
WORDS = tuple(dict.fromkeys((*NAMES, *TRAINED_KINDS)))
"""Every word for what a picture shows."""
CENTRES = (np.arange(GRID) + 0.5) / GRID
"""Middles of the patches along a side, as fractions of the picture."""
ROW = 176
"""Tokens of a training row: 25 of the picture, then packed questions."""
MARGIN = 0.02
"""A patch whose middle is nearer than this to the edge of a photograph shows two."""


@dataclass(frozen=True)
class PhotoRecipe:
    """Every number of the training, saved beside the weights."""

    family: str = "photo"
    sizes: Sizes = EMBEDDED_FAMILIES["photo"].sizes
    pictures: int = 80_000
    seed: int = 1
    shallow_blocks: int = 4
    single: int = 10
    """Single photographs in a batch."""
    several: int = 5
    """Collages and pasted photographs in a batch."""
    drawn: int = 9
    """Drawn pictures in a batch."""
    rate: float = 2e-3
    deep_rate: float = 1.5e-3
    tower_rate: float = 1.5e-4
    naming_weight: float = 0.3
    gist_weight: float = 0.2
    soft_weight: float = 0.3
    """Weight of the loss that holds the tower's own head to what it said before."""
    passed_weight: float = 0.6
    """Weight of the loss that asks the projected patches, and the places that answer, what the tower's own head says."""
    dense_weight: float = 0.15
    """Weight of the dense vision loss on drawn pictures."""
    minutes: tuple[float, float, float] = EMBEDDED_FAMILIES["photo"].minutes
    """Wall-clock limits of the three stages."""
    steps: tuple[int | None, int | None, int | None] = (None, None, None)
    """Exact numbers of steps instead of minutes, where given: repeats a logged training."""

    @property
    def batch(self) -> int:
        """Pictures in a batch."""
        return self.single + self.several + self.drawn


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures of one step with all that the losses need."""

    stem: Tensor
    """float32 (picture, 112, row, column)."""
    soft: Tensor
    """float32 (photograph, 1000), of the pictures that ``photographed`` tells."""
    photographed: Tensor
    """bool (picture,)."""
    truth: dict[str, Tensor]
    """Dense truth of the drawn pictures, as ``VisionHeads`` takes it."""
    names: Tensor
    """float32 (picture, patch, word): how likely each of ``WORDS`` should be; all zero where a patch is of nothing."""
    colours: Tensor
    """int64 (picture, patch): index into ``COLOUR_NAMES``, -1 for none."""
    place: Tensor
    """float32 (picture, patch, 2): centre of the thing that the patch shows; NaN for none."""
    asked: list[list[Asked]]


class Pool:
    """The pictures that are there, by what they are, and batches of them."""

    def __init__(self, kept: Kept, recipe: PhotoRecipe, held_out: bool) -> None:
        self.kept, self.recipe, self.held_out = kept, recipe, held_out
        self.index = {word: number for number, word in enumerate(WORDS)}
        self.n = 0
        self.refresh()

    def refresh(self) -> None:
        """Take in the pictures that were added since."""
        n = self.kept.n_done
        if n == self.n:
            return
        self.n = n
        part = self.kept.held_out[:n] == self.held_out
        drawn = self.kept.drawn[:n]
        count = (self.kept.photographs[:n] >= 0).sum(1)
        whole = (count == 1) & (self.kept.boxes[:n, 0, 2] > 0.9) & (self.kept.boxes[:n, 0, 0] < 0.1)
        clear = (self.kept.truth["degraded"][:n] == 0) & (
            (self.kept.truth["count"][:n] > 0) | (self.kept.truth["figure"][:n] != 255)
        )
        self.single = np.flatnonzero(part & ~drawn & whole)
        self.several = np.flatnonzero(part & ~drawn & ~whole & (count > 0))
        self.drawn, self.clear = np.flatnonzero(part & drawn), np.flatnonzero(part & drawn & clear)

    def batch(self, rng: np.random.Generator, families: dict[str, float]) -> Batch:
        """Return a random batch; of the drawn pictures one may be spoilt, and is asked nothing."""
        recipe = self.recipe
        parts = ((self.single, recipe.single), (self.several, recipe.several), (self.clear, recipe.drawn - 1), (self.drawn, 1))
        return self.of(np.concatenate([rng.choice(pool, n) for pool, n in parts]), rng, families)

    def of(self, index: np.ndarray, rng: np.random.Generator, families: dict[str, float]) -> Batch:
        """Return the pictures ``index`` with questions from ``rng``."""
        kept = self.kept
        drawn = kept.drawn[index]
        names = np.zeros((len(index), GRID * GRID, len(WORDS)), np.float32)
        colours = np.full((len(index), GRID * GRID), -1, np.int64)
        place = np.full((len(index), GRID * GRID, 2), np.nan, np.float32)
        asked: list[list[Asked]] = []
        for row, i in enumerate(index):
            i = int(i)
            if drawn[row]:
                self._drawn(i, names[row], colours[row], place[row])
                asked.append(self._ask_drawn(i, rng, families))
            else:
                self._photographed(i, names[row], place[row])
                boxes = [tuple(float(v) for v in box) for box in kept.boxes[i, : len(kept.nouns(i))]]
                asked.append(asking.ask_some(kept.nouns(i), boxes, rng, 14))  # type: ignore[arg-type]
        photographed = ~drawn
        tensor = torch.from_numpy
        return Batch(
            tensor(kept.stem[index].astype(np.float32)),
            tensor(kept.soft[index[photographed]].astype(np.float32)),
            tensor(photographed),
            self._truth(index[drawn]),
            tensor(names),
            tensor(colours),
            tensor(place),
            asked,
        )

    def _ask_drawn(self, index: int, rng: np.random.Generator, families: dict[str, float]) -> list[Asked]:
        if self.kept.truth["degraded"][index]:
            return []
        return [asking.dress(one, rng) for one in ask_some(self.kept, index, rng, families)]  # type: ignore[arg-type]

    def _truth(self, index: np.ndarray) -> dict[str, Tensor]:
        whole = {name: self.kept.truth[name][index] for name in ("kind", "colour", "count", "background", "degraded", "figure")}
        truth = {name: torch.from_numpy(value.astype(np.int64)) for name, value in whole.items()}
        for name in ("place", "present"):
            truth[name] = torch.from_numpy(self.kept.truth[name][index].astype(np.float32))
        truth["bright"] = torch.from_numpy(self.kept.bright[index])
        return truth

    def _drawn(self, index: int, names: np.ndarray, colours: np.ndarray, place: np.ndarray) -> None:
        kind = self.kept.truth["kind"][index]
        on = np.flatnonzero(kind)
        names[on, [self.index[TRAINED_KINDS[kind[p] - 1]] for p in on]] = 1
        colours[:] = self.kept.truth["colour"][index].astype(np.int64) - 1
        place[on] = self.kept.truth["place"][index][on, :2]

    def _photographed(self, index: int, names: np.ndarray, place: np.ndarray) -> None:
        x, y = np.tile(CENTRES, GRID), np.repeat(CENTRES, GRID)
        whole = len(self.kept.nouns(index)) == 1 and self.kept.boxes[index, 0, 2] - self.kept.boxes[index, 0, 0] > 0.9
        for noun, box in zip(self.kept.nouns(index), self.kept.boxes[index].astype(np.float32), strict=False):
            left, top, right, bottom = box
            inside = (x > left + MARGIN) & (x < right - MARGIN) & (y > top + MARGIN) & (y < bottom - MARGIN)
            names[np.ix_(inside, [self.index[word] for word in noun.words])] = 1 / len(noun.words)
            if not whole:
                place[inside] = ((left + right) / 2, (top + bottom) / 2)


def word_table(tokenizer: PreTrainedTokenizerFast, words: Sequence[str]) -> Tensor:
    """Return float32 (word, token): what share of a word's embedding each token's is."""
    table = torch.zeros(len(words), len(tokenizer))
    for row, word in enumerate(words):
        ids = tokenizer.encode(word, add_special_tokens=False)
        for token in ids:
            table[row, token] += 1 / len(ids)
    return table


class Losses(nn.Module):
    """The losses beside that of the answers; what they learn is used in training only."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, head: dict[str, Tensor], sizes: Sizes) -> None:
        super().__init__()
        self.heads = VisionHeads(sizes.vision_width)
        self.projected = nn.Linear(sizes.width, len(head["bias"]))
        self.answering = nn.Linear(sizes.width, len(head["bias"]))
        for name, words in (("things", WORDS), ("tints", COLOUR_NAMES), ("sides", SIDES)):
            self.register_buffer(name, word_table(tokenizer, words), persistent=False)
        self.register_buffer("head_weight", head["weight"], persistent=False)
        self.register_buffer("head_bias", head["bias"], persistent=False)

    things: Tensor
    tints: Tensor
    sides: Tensor
    head_weight: Tensor
    head_bias: Tensor

    def naming(self, embeddings: Tensor, pictured: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return how far patches are from their words (kind, colour, side), and means of patches from all words of a picture."""

        def scores(vectors: Tensor, bag: Tensor) -> Tensor:
            return 12 * F.linear(F.normalize(vectors.float(), dim=-1), F.normalize(bag @ embeddings.float(), dim=-1))

        on = batch.names.sum(-1) > 0
        kinds = scores(pictured[on], self.things)
        loss = F.cross_entropy(kinds, batch.names[on])
        tinted = batch.colours >= 0
        if tinted.any():
            loss = loss + 0.5 * F.cross_entropy(scores(pictured[tinted], self.tints), batch.colours[tinted])
        placed = ~batch.place[..., 0].isnan()
        if placed.any():
            sides = scores(pictured[placed], self.sides)
            further = sides[:, 1::2] - sides[:, ::2]
            wanted = torch.sigmoid(SHARP * (batch.place[placed] - 0.5))
            loss = loss + F.binary_cross_entropy_with_logits(further, wanted)
        whole = F.normalize(pictured.float(), dim=-1).mean(1)
        shown = (batch.names > 0).float().amax(1)
        some = shown.sum(1) > 0
        gist = F.cross_entropy(scores(whole[some], self.things), shown[some] / shown[some].sum(1, keepdim=True))
        return loss, gist

    def kept(self, features: Tensor, batch: Batch) -> Tensor:
        """Return how far the tower's own head is from what it said of each photograph before training."""
        said = F.linear(features[batch.photographed].mean(1), self.head_weight, self.head_bias)
        return F.cross_entropy(said, batch.soft.softmax(-1))

    def passed(self, pictured: Tensor, batch: Batch) -> Tensor:
        """Return how badly what the tower's head said of each photograph is read from the mean of the projected patches."""
        said = self.projected(pictured[batch.photographed].float().mean(1))
        return F.cross_entropy(said, batch.soft.softmax(-1))

    def answered(self, hidden: Tensor, rows: Rows, batch: Batch) -> Tensor:
        """Return how badly it is read from ``hidden`` (row, token, width) where the questions about photographs are answered."""
        number = batch.photographed.cumsum(0) - 1
        at = [(row, place) for row, place, family in rows.families if family.startswith("photo ")]
        row, place = torch.tensor(at, device=hidden.device).reshape(-1, 2).unbind(1)
        said = self.answering(hidden[row, place].float())
        return F.cross_entropy(said, batch.soft.softmax(-1)[number[row]])


@dataclass
class Training:
    """What the stages share."""

    recipe: PhotoRecipe
    model: Any
    losses: Losses
    tokenizer: PreTrainedTokenizerFast
    pool: Pool
    held_out: Pool
    folder: Path
    log: Log
    device: torch.device

    @property
    def family(self) -> Family:
        """What kind of model it is."""
        return EMBEDDED_FAMILIES["photo"]

    @cached_property
    def packer(self) -> Packer:
        """What packs questions behind the pictures' tokens."""
        return Packer(self.tokenizer, self.family.prefix(self.tokenizer, self.recipe.sizes), ROW)

    def save(self, stage: str, clock: Clock | None = None) -> None:
        """Write what learned, so that a later call goes on from this stage, or from the part of it that ``clock`` tells."""
        place = self.folder / (f"{stage}-part" if clock else stage)
        fresh = place.with_name(place.name + "-new")
        shutil.rmtree(fresh, ignore_errors=True)
        save_model(self.model, self.family.make_processor(self.tokenizer, self.recipe.sizes), fresh)
        exact = {name: value.contiguous().cpu() for name, value in self.model.state_dict().items() if name != "lm_head.weight"}
        save_file(exact, fresh / "exact.safetensors")
        save_file({name: v.contiguous().cpu() for name, v in self.losses.state_dict().items()}, fresh / "heads.safetensors")
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
        self.losses.load_state_dict(load_file(self.folder / stage / "heads.safetensors"))

    def prepare(self) -> None:
        """Let only what learns have gradients, and let batch norms keep their statistics."""
        self.model.eval()
        tower = self.model.model.vision_tower
        tower.requires_grad_(False)
        for weight in tail_parameters(tower):
            weight.requires_grad_(True)

    def optimisers(self, rate: float, decoder: bool) -> Optimisers:
        """Return Muon for the matrices of the blocks, AdamW for the rest, the tower slowly; without ``decoder`` no blocks."""
        recipe = self.recipe
        matrices: list = []
        rest: dict[float, list] = {rate: list(self.losses.parameters()), recipe.tower_rate: []}
        for name, weight in self.model.named_parameters():
            if not weight.requires_grad or (".layers." in name and not decoder):
                continue
            if "vision_tower" in name:
                rest[recipe.tower_rate].append(weight)
            else:
                (matrices if weight.ndim == 2 and ".layers." in name else rest[rate]).append(weight)
        each: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(
                [{"params": p, "lr": r, "rate": r} for r, p in rest.items() if p], betas=(0.9, 0.98), weight_decay=0.01
            )
        ]
        if matrices:
            muon = [{"params": matrices, "lr": 1.5 * rate, "rate": 1.5 * rate}]
            each.append(torch.optim.Muon(muon, weight_decay=0.05, momentum=0.95, adjust_lr_fn="match_rms_adamw"))
        return Optimisers(each)

    def see(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the tower's patches (picture, patch, 1280) and what the decoder is given of them (picture, patch, width)."""
        features = tail(self.model.model.vision_tower, batch.stem.to(self.device))
        return features, self.family.project(self.model, features)

    def beside(self, features: Tensor, pictured: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the losses beside that of the answers, by name."""
        embeddings = self.model.model.language_model.embed_tokens.weight
        naming, gist = self.losses.naming(embeddings, pictured, batch)
        dense = self.losses.heads.loss(features[~batch.photographed].float(), batch.truth)[0]
        return {"naming": naming, "gist": gist, "soft": self.losses.kept(features.float(), batch), "dense": dense} | {
            "passed": self.losses.passed(pictured, batch)
        }

    def on_device(self, batch: Batch) -> Batch:
        """Return ``batch`` where the model is."""
        names = ("stem", "soft", "photographed", "names", "colours", "place")
        moved = {name: getattr(batch, name).to(self.device) for name in names}
        return replace(batch, truth={name: value.to(self.device) for name, value in batch.truth.items()}, **moved)


def run_stage(training: Training, stage: str, clock: Clock) -> None:
    """Train one stage until ``clock`` says that it is over."""
    recipe = training.recipe
    decoder = stage != "naming"
    training.prepare()
    best = training.optimisers(recipe.deep_rate if stage == "deep" else recipe.rate, decoder)
    rng = np.random.default_rng((recipe.seed, STAGES.index(stage), clock.taken))
    weights = {"naming": recipe.naming_weight, "gist": recipe.gist_weight, "soft": recipe.soft_weight, "dense": recipe.dense_weight}
    weights |= {"passed": recipe.passed_weight, "answered": recipe.passed_weight}
    learning = [weight for group in best.each for part in group.param_groups for weight in part["params"]]
    while (done := clock.done()) < 1:
        batch = training.on_device(training.pool.batch(rng, _families(stage, done)))
        with torch.autocast(training.device.type, torch.bfloat16):
            features, pictured = training.see(batch)
            shown: dict[str, Tensor] = {}
            if decoder:
                rows = training.packer.pack(batch.asked).to(training.device)
                hidden = training.family.read(training.model, rows, pictured)
                shown["answer"] = answer_loss(training.model, rows, hidden)
                shown["answered"] = training.losses.answered(hidden, rows, batch)
        shown |= training.beside(features, pictured, batch)
        scale = 1.0 if not decoder else max(1 / 3, 1 - done) if stage == "shallow" else 1 / 3
        loss = sum((value * (1.0 if name == "answer" else weights[name] * scale) for name, value in shown.items()), torch.zeros(()))
        loss.backward()
        nn.utils.clip_grad_norm_(learning, 1.0)
        best.step(schedule(done))
        clock.taken += 1
        if clock.taken % 25 == 0:
            losses = {name: value.item() for name, value in shown.items()}
            training.log.write(stage=stage, step=clock.taken, done=done, pictures=training.pool.n, **losses)
            training.pool.refresh()
            training.held_out.refresh()
        if clock.taken % (400 if decoder else 200) == 0:
            training.log.write(stage=stage, step=clock.taken, done=done, **measure(training, decoder))
        if clock.time_to_save(SAVE_SECONDS):
            training.save(stage, clock)
    training.log.write(stage=stage, step=clock.taken, **measure(training, decoder))


def _families(stage: str, done: float) -> dict[str, float]:
    """Return what is asked of drawn pictures, as in the training of the drawn world's own models."""
    if stage != "deep":
        return {name: w for name, w in (WEIGHTS | STEPS).items() if done >= 0.25 or name in EASY}
    return WEIGHTS | OPEN | (STEPS if done < 2 / 3 else {})


@torch.no_grad()
def measure(training: Training, decoder: bool, batches: int = 10) -> dict[str, Any]:
    """Return on pictures that training never shows how often the nearest word is right, and first answer tokens by family."""
    rng = np.random.default_rng(5)
    right: dict[str, list[bool]] = {}
    nearest: list[np.ndarray] = []
    table = F.normalize(training.losses.things @ training.model.model.language_model.embed_tokens.weight, dim=-1)
    for _ in range(batches):
        batch = training.on_device(training.held_out.batch(rng, WEIGHTS))
        features, pictured = training.see(batch)
        whole = F.normalize(pictured[: training.recipe.single].float(), dim=-1).mean(1)
        best = F.linear(whole, table).argmax(-1)
        nearest.append((batch.names[: training.recipe.single].amax(1).gather(1, best[:, None]) > 0).cpu().numpy())
        if decoder:
            rows = training.packer.pack(batch.asked).to(training.device)
            said = _said(training, rows, pictured)
            for row, at, family in rows.families:
                right.setdefault(family, []).append(bool(said[row, at] == rows.targets[row, at]))
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
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
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
    pools = (Pool(kept, recipe, False), Pool(kept, recipe, True))
    training = Training(recipe, on(where, model), losses, tokenizer, *pools, folder, log, where)
    log.write(
        stage="pictures", n=kept.n_done, single=len(pools[0].single), several=len(pools[0].several), drawn=len(pools[0].drawn)
    )
    finished = max((i for i, s in enumerate(STAGES) if (folder / s / DONE).exists()), default=-1) if resume else -1
    if finished >= 0:
        training.load(STAGES[finished])
    for number, stage in enumerate(STAGES[finished + 1 :], finished + 1):
        part = folder / f"{stage}-part" / DONE
        progress = {name: json.loads(part.read_text())[name] for name in ("taken", "before")} if resume and part.exists() else {}
        if progress:
            training.load(f"{stage}-part")
        elif stage == "deep":
            training.model = on(where, training.family.deepen(training.model, recipe.sizes.blocks, recipe.seed))
        if compiled and stage != "naming":
            torch._dynamo.reset()
            for layer in training.model.model.language_model.layers:
                layer.compile()
        clock = Clock(recipe.minutes[number], recipe.steps[number], **progress)
        run_stage(training, stage, clock)
        training.save(stage)
        log.write(stage=stage, finished=True, steps=clock.taken)
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
