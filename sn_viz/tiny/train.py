"""Train the embedded model from scratch: first its eyes, then its language blocks, then more blocks.

Takes minutes (or exact numbers of steps) and a folder; writes a checkpoint that transformers' ``Auto`` classes read. It knows
nothing of super neurons: no figure that the app reports is looked at here.

Stages
  vision    the tower alone, on dense truth: what, which colour, where, how near, hidden or hiding, for every patch; background,
            degradation, what is anywhere, and the category of formula-drawn figures for the whole picture
  shallow   a third of the decoder blocks behind the finished tower, on about a dozen packed questions a picture
  deep      all blocks, the new ones starting as the identity, and the tower too, slowly
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

from sn_viz.tiny import questions
from sn_viz.tiny.data import Pictures, draw_pictures
from sn_viz.tiny.formulas import FORMULAS
from sn_viz.tiny.model import Sizes, grow, make_model, make_processor, make_tokenizer, save_model
from sn_viz.tiny.world import COLOUR_NAMES, DEGRADATIONS, TRAINED_BACKGROUNDS, TRAINED_KINDS

ROW = 224
"""Tokens of a training row: the picture, then packed questions."""
MOST_ASKED = 16
"""Questions packed behind one picture, at most."""
WEIGHTS = {
    "presence": 2.0, "attribute": 1.7, "colour": 0.7, "count": 1.7, "how-many": 0.8, "relation": 2.2, "depth": 1.8,
    "occlusion": 1.0, "choice-kind": 1.2, "choice-sense": 0.6, "choice-subject": 0.9,
}  # fmt: skip
"""How often each family is asked."""
EASY = ("presence", "attribute", "colour", "how-many", "choice-kind")
"""What the first part of the shallow stage asks."""


@dataclass(frozen=True)
class Recipe:
    """Every number of the training, saved beside the weights."""

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
    minutes: tuple[float, float, float] = (18.0, 40.0, 38.0)
    """Wall-clock limits of the three stages."""
    steps: tuple[int, int, int] | None = None
    """Exact numbers of steps instead of minutes: repeats a logged training."""


def figure_name(category: int) -> str:
    """Return the made-up word by which a formula-drawn category is called."""
    return "bdfgklmnprstvz"[category % 14] + "aeiou"[category // 14 % 5] + "bdgklmnprstx"[(category * 5 + category // 14) % 12]


FIGURE_NAMES = tuple(figure_name(i) for i in range(len(FORMULAS)))


# ---- what is asked -------------------------------------------------------------------------------------------------------------


def ask_figure(category: int, rng: np.random.Generator) -> questions.Asked:
    """Return a question about a formula-drawn figure, called by its made-up name."""
    name = FIGURE_NAMES[category]
    other = str(rng.choice([n for n in FIGURE_NAMES if n != name]))
    if rng.uniform() < 0.5:
        truth = rng.uniform() < 0.5
        return questions.Asked("figure", f"Is this a {name if truth else other}?", "yes" if truth else "no")
    options, letter = questions._options(name, [n for n in FIGURE_NAMES if n != name], rng)
    return questions.Asked("figure", f"Which figure is this? {options}", letter)


def ask_some(pictures: Pictures, index: int, rng: np.random.Generator, families: dict[str, float]) -> list[questions.Asked]:
    """Return up to ``MOST_ASKED`` questions about picture ``index``."""
    if pictures.figure[index] != 255:
        return [ask_figure(int(pictures.figure[index]), rng) for _ in range(5)]
    scene, drawing = pictures.scene(index)
    names, weights = list(families), np.array(list(families.values()))
    asked = [questions.ask(str(f), scene, drawing, rng) for f in rng.choice(names, MOST_ASKED, p=weights / weights.sum())]
    return [a for a in dict.fromkeys(asked) if a is not None]


def corpus(n: int = 3000) -> list[str]:
    """Return texts of every family for training the tokenizer; words of held-out wordings stay in pieces."""
    from sn_viz.tiny.world import sample_scene

    texts = [f" {name}" for name in FIGURE_NAMES] * 12 + [f" {word}" for word in questions.NUMBERS + questions.LETTERS] * 20
    for index in range(n):
        rng = np.random.default_rng((7, index))
        scene = sample_scene(rng)
        drawing = questions.Drawing(None, None, np.ones(len(scene.things)), np.ones((len(scene.things),) * 2, bool))  # type: ignore[arg-type]
        asked = [questions.ask(family, scene, drawing, rng) for family in questions.FAMILIES]
        texts += [f"{a.question} {a.answer}" for a in asked if a] + [ask_figure(index % len(FORMULAS), rng).question]
    return texts


@dataclass(frozen=True, eq=False)
class Rows:
    """Packed training rows."""

    tokens: Tensor
    """int64 (row, token)."""
    positions: Tensor
    """int64 (row, token): restart after the picture for every question, so that each looks like a single turn."""
    block: Tensor
    """int64 (row, token): 0 the picture, k the k-th question, -1 padding."""
    targets: Tensor
    """int64 (row, token): the next token of an answer, -100 elsewhere."""
    families: list[tuple[int, int, str]]
    """(row, position of the first answer token's prediction, family)."""


class Packer:
    """Turns questions into rows: one picture, then as many questions as fit, each blind to the others."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, n_patches: int) -> None:
        ids = tokenizer.convert_tokens_to_ids
        self.tokenizer = tokenizer
        self.user, self.assistant = ids("<|user|>"), ids("<|assistant|>")
        self.pad, self.end = tokenizer.pad_token_id, tokenizer.eos_token_id
        self.prefix = [tokenizer.bos_token_id] + [ids("<image>")] * n_patches
        self.known: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        """Return the tokens of ``text``; words repeat, so what was seen is remembered."""
        if text not in self.known:
            self.known[text] = self.tokenizer.encode(text, add_special_tokens=False)
        return self.known[text]

    def pack(self, asked: list[list[questions.Asked]]) -> Rows:
        n, head = len(asked), len(self.prefix)
        tokens = np.full((n, ROW), self.pad)
        positions, block, targets = np.zeros((n, ROW), int), np.full((n, ROW), -1), np.full((n, ROW), -100)
        families = []
        tokens[:, :head], positions[:, :head], block[:, :head] = self.prefix, np.arange(head), 0
        for row, turns in enumerate(asked):
            at = head
            for number, turn in enumerate(turns, 1):
                prompt = [self.user, *self.encode(turn.question), self.assistant]
                answer = [*self.encode(turn.answer), self.end]
                whole = prompt + answer[:-1]
                if at + len(whole) > ROW:
                    continue
                stop, first = at + len(whole), at + len(prompt) - 1
                tokens[row, at:stop], block[row, at:stop] = whole, number
                positions[row, at:stop] = head + np.arange(len(whole))
                targets[row, first : first + len(answer)] = answer
                families.append((row, first, turn.family))
                at = stop
        if len(self.known) > 200_000:
            self.known.clear()
        return Rows(*(torch.from_numpy(a) for a in (tokens, positions, block, targets)), families)


# ---- what is computed ----------------------------------------------------------------------------------------------------------


class VisionHeads(nn.Module):
    """Linear read-outs of the tower, used in training only: the truth must be linearly present in every patch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.parts = (
            len(TRAINED_KINDS) + 1, len(COLOUR_NAMES) + 1, 6,
        )  # fmt: skip
        self.whole = (
            len(TRAINED_KINDS) + len(COLOUR_NAMES), 6, len(TRAINED_BACKGROUNDS), len(DEGRADATIONS) + 1, len(FORMULAS), 1,
        )  # fmt: skip
        self.norm = nn.LayerNorm(width)
        self.patch = nn.Linear(width, sum(self.parts))
        self.picture = nn.Linear(width, sum(self.whole))

    def loss(self, features: Tensor, truth: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Return the summed loss over ``features`` (picture, patch, width) and its parts."""
        features = self.norm(features)
        kind, colour, place = self.patch(features).split(self.parts, -1)
        present, count, background, degraded, figure, bright = self.picture(features.mean(1)).split(self.whole, -1)
        scene = truth["figure"] == 255
        clear = scene & (truth["degraded"] == 0)
        on = clear[:, None] & (truth["kind"] > 0)
        parts = {
            "kind": 3 * F.cross_entropy(kind[on], truth["kind"][on]),
            "anything": 0.5 * F.cross_entropy(kind[clear].flatten(0, 1), truth["kind"][clear].flatten()),
            "colour": F.cross_entropy(colour[clear].flatten(0, 1), truth["colour"][clear].flatten()),
            "place": 4 * F.mse_loss(place[on][:, :3], truth["place"][on][:, :3]),
            "flags": F.binary_cross_entropy_with_logits(place[on][:, 3:], truth["place"][on][:, 3:]),
            "present": 2 * F.binary_cross_entropy_with_logits(present[clear], truth["present"][clear]),
            "count": 0.3 * F.cross_entropy(count[clear], truth["count"][clear]),
            "background": 0.3 * F.cross_entropy(background[clear], truth["background"][clear]),
            "degraded": 0.3 * F.cross_entropy(degraded[scene], truth["degraded"][scene]),
            "bright": F.mse_loss(bright[:, 0], truth["bright"]),
        }
        if (~scene).any():
            parts["figure"] = 0.5 * F.cross_entropy(figure[~scene], truth["figure"][~scene])
        right = (kind[on].argmax(-1) == truth["kind"][on]).float().mean().item()
        shown = {name: value.item() for name, value in parts.items()} | {"kind right": right}
        if (~scene).any():
            shown["figure right"] = (figure[~scene].argmax(-1) == truth["figure"][~scene]).float().mean().item()
        return torch.stack(list(parts.values())).sum(), shown


def truth_of(pictures: Pictures, index: np.ndarray) -> dict[str, Tensor]:
    names = ("kind", "colour", "count", "background", "degraded", "figure")
    truth = {name: torch.from_numpy(getattr(pictures, name)[index].astype(np.int64)) for name in names}
    truth |= {name: torch.from_numpy(getattr(pictures, name)[index].astype(np.float32)) for name in ("place", "present")}
    truth["bright"] = torch.from_numpy(pictures.pixels[index].mean((1, 2, 3), dtype=np.float32) / 127.5 - 1)
    return truth


def pixels_of(pictures: Pictures, index: np.ndarray, device: torch.device) -> Tensor:
    """Return normalised pixels float32 (picture, 3, 64, 64), as the processor makes them."""
    pixels = torch.from_numpy(pictures.pixels[index]).to(device)
    return (pixels.permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous()


def see(model: LlavaForConditionalGeneration, pixels: Tensor) -> Tensor:
    """Return the tower's patch features (picture, patch, width): what LLaVA's projector is given."""
    tower = model.model.vision_tower
    hidden = tower.embeddings(pixels)
    for layer in tower.encoder.layers:
        hidden = layer(hidden, attention_mask=None)
        hidden = hidden[0] if isinstance(hidden, tuple) else hidden
    return hidden


def read(model: LlavaForConditionalGeneration, rows: Rows, pictured: Tensor) -> Tensor:
    """Return the decoder's normalised hidden states (row, token, width) for packed rows and projected pictures."""
    language = model.model.language_model
    hidden = language.embed_tokens(rows.tokens)
    hidden = torch.cat([hidden[:, :1], pictured.to(hidden.dtype), hidden[:, 1 + pictured.shape[1] :]], 1)
    same = rows.block[:, :, None] == rows.block[:, None, :]
    shared = (rows.block == 0)[:, None, :] & (rows.block >= 0)[:, :, None]
    causal = torch.ones(ROW, ROW, dtype=torch.bool, device=hidden.device).tril()
    mask = torch.zeros(same.shape, device=hidden.device).masked_fill(~((same | shared) & causal), -1e9)[:, None]
    if torch.is_autocast_enabled(hidden.device.type):
        mask = mask.to(torch.bfloat16)
    rotary = language.rotary_emb(hidden, rows.positions)
    for layer in language.layers:
        hidden = layer(hidden, attention_mask=mask, position_ids=rows.positions, position_embeddings=rotary)
        hidden = hidden[0] if isinstance(hidden, tuple) else hidden
    return language.norm(hidden)


def answer_loss(model: LlavaForConditionalGeneration, rows: Rows, hidden: Tensor) -> Tensor:
    asked = rows.targets != -100
    return F.cross_entropy(F.linear(hidden[asked].float(), model.lm_head.weight), rows.targets[asked])


def naming_loss(model: LlavaForConditionalGeneration, pictured: Tensor, truth: dict[str, Tensor], words: Tensor) -> Tensor:
    """Return a cross-entropy that draws a patch's projection towards the embeddings of its kind and its colour."""
    on = truth["kind"] > 0
    table = F.normalize(model.model.language_model.embed_tokens(words), dim=-1)
    scores = 12 * F.linear(F.normalize(pictured[on].float(), dim=-1), table)
    kinds = len(TRAINED_KINDS)
    return F.cross_entropy(scores[:, :kinds], truth["kind"][on] - 1) + F.cross_entropy(scores[:, kinds:], truth["colour"][on] - 1)


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


def optimisers(model: LlavaForConditionalGeneration, heads: VisionHeads, rate: float, tower_rate: float) -> Optimisers:
    """Return the optimisers; Muon's updates are scaled to AdamW's size, so that one rate serves both."""
    matrices: dict[float, list] = {rate: [], tower_rate: []}
    rest: dict[float, list] = {rate: [], tower_rate: list(heads.parameters())}
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
    """How much of a stage is done, by wall-clock minutes or by an exact number of steps."""

    def __init__(self, minutes: float, steps: int | None) -> None:
        self.minutes, self.steps, self.taken, self.began = minutes, steps, 0, time.monotonic()

    def done(self) -> float:
        if self.steps is not None:
            return self.taken / max(1, self.steps)
        return (time.monotonic() - self.began) / (60 * max(self.minutes, 1e-6))


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
    model: LlavaForConditionalGeneration
    heads: VisionHeads
    tokenizer: PreTrainedTokenizerFast
    pictures: Pictures
    held_out: Pictures
    folder: Path
    log: Log
    device: torch.device

    def save(self, stage: str) -> None:
        """Write weights and heads, so that a later call goes on from this stage."""
        place = self.folder / stage
        processor = make_processor(self.tokenizer, self.recipe.sizes)
        save_model(self.model, processor, place)
        save_file(
            {k: v.contiguous().cpu() for k, v in self.model.state_dict().items() if k != "lm_head.weight"},
            place / "exact.safetensors",
        )
        save_file({k: v.contiguous().cpu() for k, v in self.heads.state_dict().items()}, place / "heads.safetensors")
        (place / "recipe.json").write_text(json.dumps(asdict(self.recipe), indent=1))

    def load(self, stage: str) -> None:
        weights = load_file(self.folder / stage / "exact.safetensors")
        blocks = 1 + max(int(n.split("layers.")[1].split(".")[0]) for n in weights if "language_model.layers." in n)
        if blocks != len(self.model.model.language_model.layers):
            self.model = make_model(self.tokenizer, replace(self.recipe.sizes, blocks=blocks))
        self.model.load_state_dict(weights, strict=False)
        self.model.tie_weights()
        self.model.to(self.device)
        self.heads.load_state_dict(load_file(self.folder / stage / "heads.safetensors"))

    def compile(self) -> None:
        for layer in [*self.model.model.language_model.layers, *self.model.model.vision_tower.encoder.layers]:
            layer.compile()

    def to(self, truth: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: tensor.to(self.device) for name, tensor in truth.items()}


def begin_to_read(training: Training) -> LlavaForConditionalGeneration:
    """Return a model with the trained tower and a fresh, shallow decoder."""
    sizes = replace(training.recipe.sizes, blocks=training.recipe.shallow_blocks)
    fresh = make_model(training.tokenizer, sizes, training.recipe.seed)
    fresh.model.vision_tower.load_state_dict(training.model.model.vision_tower.state_dict())
    return fresh.to(training.device)


def vision_stage(training: Training, minutes: float, steps: int | None) -> int:
    """Teach the tower what every patch shows. Returns the steps taken."""
    recipe, model, heads = training.recipe, training.model, training.heads
    best = optimisers(model, heads, 0.0, recipe.vision_rate)
    rng, clock = np.random.default_rng(recipe.seed), Clock(minutes, steps)
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
    shown = {"present at first": at_first["present"]} | held_out_vision(training)
    training.log.write(stage="vision", step=clock.taken, held_out=True, **shown)
    return clock.taken


@torch.no_grad()
def held_out_vision(training: Training) -> dict[str, float]:
    """Return the parts of the vision loss on pictures that training never draws."""
    index = np.arange(min(512, len(training.held_out)))
    features = see(training.model, pixels_of(training.held_out, index, training.device))
    return training.heads.loss(features, training.to(truth_of(training.held_out, index)))[1]


def decoder_stage(training: Training, stage: str, rate: float, minutes: float, steps: int | None) -> int:
    """Teach the decoder to answer. Returns the steps taken."""
    recipe, model, heads = training.recipe, training.model, training.heads
    frozen = stage == "shallow"
    best = optimisers(model, heads, rate, 0.0 if frozen else rate * recipe.tower_share)
    rng, clock = np.random.default_rng((recipe.seed, len(stage))), Clock(minutes, steps)
    packer = Packer(training.tokenizer, (recipe.sizes.image // recipe.sizes.patch) ** 2)
    words = torch.tensor([packer.encode(word)[0] for word in TRAINED_KINDS + COLOUR_NAMES], device=training.device)
    clear = np.flatnonzero((training.pictures.degraded == 0) & ((training.pictures.count > 0) | (training.pictures.figure != 255)))
    everything = [weight for group in best.each for part in group.param_groups for weight in part["params"]]
    saved, curriculum = time.monotonic(), stage == "shallow"
    while (done := clock.done()) < 1:
        early = curriculum and done < 0.25
        families = {f: w for f, w in WEIGHTS.items() if not early or f in EASY}
        index = rng.choice(clear, recipe.batch)
        rows = packer.pack([ask_some(training.pictures, int(i), rng, families) for i in index])
        rows = Rows(*(t.to(training.device) for t in (rows.tokens, rows.positions, rows.block, rows.targets)), rows.families)
        truth = training.to(truth_of(training.pictures, index))
        with torch.autocast(training.device.type, torch.bfloat16):
            with torch.set_grad_enabled(not frozen):
                features = see(model, pixels_of(training.pictures, index, training.device))
            pictured = model.model.multi_modal_projector(features)
            hidden = read(model, rows, pictured)
        loss = answer_loss(model, rows, hidden)
        naming = naming_loss(model, pictured, truth, words)
        total = loss + (0.3 * (1 - done) if curriculum else 0.05) * naming
        if not frozen:
            total = total + recipe.dense_weight * heads.loss(features.float(), truth)[0]
        total.backward()
        nn.utils.clip_grad_norm_(everything, 1.0)
        best.step(schedule(done))
        clock.taken += 1
        if clock.taken % 50 == 0:
            training.log.write(stage=stage, step=clock.taken, done=done, loss=loss.item(), naming=naming.item())
        if clock.taken % 400 == 0:
            training.log.write(stage=stage, step=clock.taken, done=done, accuracy=accuracy(training, packer))
        if time.monotonic() - saved > 600:
            training.save(f"{stage}-part")
            saved = time.monotonic()
    training.log.write(stage=stage, step=clock.taken, accuracy=accuracy(training, packer))
    return clock.taken


@torch.no_grad()
def accuracy(training: Training, packer: Packer, n: int = 240) -> dict[str, float]:
    """Return the accuracy of first answer tokens by family, on pictures that training never draws."""
    held_out, rng = training.held_out, np.random.default_rng(5)
    usable = np.flatnonzero((held_out.degraded == 0) & ((held_out.count > 0) | (held_out.figure != 255)))
    right: dict[str, list[bool]] = {}
    for start in range(0, n, training.recipe.batch):
        index = usable[start : start + training.recipe.batch]
        rows = packer.pack([ask_some(held_out, int(i), rng, WEIGHTS) for i in index])
        rows = Rows(*(t.to(training.device) for t in (rows.tokens, rows.positions, rows.block, rows.targets)), rows.families)
        with torch.autocast(training.device.type, torch.bfloat16):
            pictured = training.model.model.multi_modal_projector(see(training.model, pixels_of(held_out, index, training.device)))
            hidden = read(training.model, rows, pictured)
        said = F.linear(hidden.float(), training.model.lm_head.weight).argmax(-1)
        for row, at, family in rows.families:
            right.setdefault(family, []).append(bool(said[row, at] == rows.targets[row, at]))
    return {family: round(float(np.mean(values)), 3) for family, values in sorted(right.items())}


def train(
    out: str | Path,
    recipe: Recipe | None = None,
    *,
    folder: str | Path = "cache/train",
    device: str | None = None,
    resume: bool = False,
    compiled: bool = True,
) -> Path:
    """Train the embedded model and write it to ``out``.

    Parameters
    ----------
    out : path
        Where the finished checkpoint goes.
    recipe : Recipe, optional
        Every number of the training.
    folder : path
        Where pictures, checkpoints of finished stages and the log are kept.
    device : str, optional
        A torch device; CUDA when there is one, else the CPU.
    resume : bool
        Go on after the last finished stage found in ``folder``.
    compiled : bool
        Compile each block, which pays within minutes.

    Returns
    -------
    pathlib.Path
        The folder of the finished checkpoint.
    """
    recipe, folder = recipe or Recipe(), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    log = Log(folder / "log.jsonl")
    pictures = draw_pictures(recipe.scenes, recipe.figures, recipe.seed, folder)
    held_out = draw_pictures(600, 60, recipe.seed + 1000, folder)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(held_out))
    held_out = Pictures(**{name: getattr(held_out, name)[order] for name in Pictures.__dataclass_fields__})
    log.write(stage="pictures", n=len(pictures))
    tokenizer = make_tokenizer(corpus(), recipe.sizes.vocabulary)
    model = make_model(tokenizer, replace(recipe.sizes, blocks=recipe.shallow_blocks), recipe.seed).to(where)
    heads = VisionHeads(recipe.sizes.vision_width).to(where)
    training = Training(recipe, model, heads, tokenizer, pictures, held_out, folder, log, where)
    steps = recipe.steps or (None, None, None)
    stages = ("vision", "shallow", "deep")
    finished = max((i for i, s in enumerate(stages) if (folder / s / "recipe.json").exists()), default=-1) if resume else -1
    if finished >= 0:
        training.load(stages[finished])
    for number, stage in enumerate(stages):
        if number <= finished:
            continue
        if stage == "shallow":
            training.model = begin_to_read(training)
        if stage == "deep":
            training.model = grow(training.model, recipe.sizes.blocks).to(where)
        if compiled:
            torch._dynamo.reset()
            training.compile()
        if stage == "vision":
            taken = vision_stage(training, recipe.minutes[0], steps[0])
        else:
            rate = recipe.rate if stage == "shallow" else recipe.deep_rate
            taken = decoder_stage(training, stage, rate, recipe.minutes[number], steps[number])
        training.save(stage)
        log.write(stage=stage, finished=True, steps=taken)
    save_model(training.model, make_processor(tokenizer, recipe.sizes), out)
    return Path(out)
