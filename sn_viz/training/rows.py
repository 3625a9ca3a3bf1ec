"""Training rows: one picture, then a dozen packed questions with their answers, each blind to the others.

Takes pictures with their truth and a tokenizer; returns tensors of tokens. It knows nothing of models.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from sn_viz.world import questions
from sn_viz.world.formulas import FORMULAS
from sn_viz.world.pictures import Pictures
from sn_viz.world.scene import Drawing, sample_scene

ROW = 224
"""Tokens of a training row: the picture, then packed questions."""
MOST_ASKED = 16
"""Questions packed behind one picture, at most."""
WEIGHTS = {
    "presence": 2.0, "attribute": 1.5, "colour": 0.7, "count": 1.7, "how-many": 0.8, "relation": 6.0, "depth": 2.0,
    "occlusion": 1.3, "choice-kind": 1.2, "choice-sense": 0.6, "choice-subject": 0.9,
}  # fmt: skip
"""How often each family is asked."""
STEPS = {"where": 3.0, "place": 3.0, "distance": 1.0, "further": 3.0}
"""Asked besides until the deep stage is two thirds over: where one thing is must be known before two can be compared."""
UPRIGHT = re.compile(r"\b(above|below|further (up|down))\b")
PASSED_OVER = 0.6
"""Share of questions on up and down that are not asked: what is lower is nearer, so questions on depth teach that besides."""
OPEN = {"open": 4.0, "open-colour": 1.5}
"""What the deep stage asks besides: with no one thing named, the answer needs a view of the whole picture."""
EASY = ("presence", "attribute", "colour", "how-many", "choice-kind")
"""What the first quarter of the shallow stage asks."""


def figure_name(category: int) -> str:
    """Return the made-up word by which a formula-drawn category is called."""
    return "bdfgklmnprstvz"[category % 14] + "aeiou"[category // 14 % 5] + "bdgklmnprstx"[(category * 5 + category // 14) % 12]


FIGURE_NAMES = tuple(figure_name(i) for i in range(len(FORMULAS)))


def ask_figure(category: int, rng: np.random.Generator) -> questions.Asked:
    """Return a question about a formula-drawn figure, called by its made-up name."""
    name = FIGURE_NAMES[category]
    other = str(rng.choice([n for n in FIGURE_NAMES if n != name]))
    if rng.uniform() < 0.5:
        truth = rng.uniform() < 0.5
        return questions.Asked("figure", f"Is this a {name if truth else other}?", "yes" if truth else "no")
    shown, letter = questions.options(name, [n for n in FIGURE_NAMES if n != name], rng)
    return questions.Asked("figure", f"Which figure is this? {shown}", letter)


def ask_some(pictures: Pictures, index: int, rng: np.random.Generator, families: dict[str, float]) -> list[questions.Asked]:
    """Return up to ``MOST_ASKED`` questions about picture ``index``."""
    if pictures.figure[index] != 255:
        return [ask_figure(int(pictures.figure[index]), rng) for _ in range(5)]
    scene, drawing = pictures.scene(index)
    names, weights = list(families), np.array(list(families.values()))
    asked = [questions.ask(str(f), scene, drawing, rng) for f in rng.choice(names, MOST_ASKED, p=weights / weights.sum())]
    return [a for a in dict.fromkeys(asked) if a is not None and (rng.uniform() > PASSED_OVER or not UPRIGHT.search(a.question))]


def corpus(n: int = 3000) -> list[str]:
    """Return texts of every family for training the tokenizer; words of held-out wordings stay in pieces."""
    texts = [f" {name}" for name in FIGURE_NAMES] * 12 + [f" {word}" for word in questions.NUMBERS + questions.LETTERS] * 20
    for index in range(n):
        rng = np.random.default_rng((7, index))
        scene = sample_scene(rng)
        drawing = Drawing(None, None, np.ones(len(scene.things)), np.ones((len(scene.things),) * 2, bool))  # type: ignore[arg-type]
        asked = [questions.ask(family, scene, drawing, rng) for family in WEIGHTS | STEPS]
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
    pictured: Tensor
    """bool (row, token): stands for a patch; the same places in every row."""
    families: list[tuple[int, int, str]]
    """(row, position of the first answer token's prediction, family)."""

    def to(self, device: torch.device) -> Rows:
        """Return the rows on ``device``."""
        names = ("tokens", "positions", "block", "targets", "pictured")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    def with_pictures(self, written: Tensor, pictured: Tensor) -> Tensor:
        """Return embeddings ``written`` (row, token, width) with the projected patches ``pictured`` (row, patch, width) in them."""
        start = int(self.pictured[0].int().argmax())
        return torch.cat([written[:, :start], pictured.to(written.dtype), written[:, start + pictured.shape[1] :]], 1)

    def seen(self) -> Tensor:
        """Return what each token may look at, bool (row, token, token): earlier ones of the picture and of its own question."""
        same = self.block[:, :, None] == self.block[:, None, :]
        shared = (self.block == 0)[:, None, :] & (self.block >= 0)[:, :, None]
        causal = torch.ones(self.tokens.shape[1:] * 2, dtype=torch.bool, device=self.tokens.device).tril()
        return (same | shared) & causal

    def mask(self, seen: Tensor) -> Tensor:
        """Return ``seen`` as an attention mask that is added, (row, 1, token, token), in the number format of the moment."""
        mask = torch.zeros(seen.shape, device=seen.device).masked_fill(~seen, -1e9)[:, None]
        return mask.to(torch.bfloat16) if torch.is_autocast_enabled(seen.device.type) else mask


class Packer:
    """Turns questions into rows: one picture, then as many questions as fit, each blind to the others."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, prefix: list[int], length: int = ROW) -> None:
        """``prefix`` is what comes before a question: the picture's tokens and what the prompt puts around them."""
        self.length = length
        ids = tokenizer.convert_tokens_to_ids
        self.tokenizer = tokenizer
        self.user, self.assistant = ids("<|user|>"), ids("<|assistant|>")
        self.pad, self.end = tokenizer.pad_token_id, tokenizer.eos_token_id
        self.prefix, self.image = prefix, tokenizer.get_vocab()[str(tokenizer.image_token)]
        self.known: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        """Return the tokens of ``text``; words repeat, so what was seen is remembered."""
        if text not in self.known:
            self.known[text] = self.tokenizer.encode(text, add_special_tokens=False)
        return self.known[text]

    def pack(self, asked: list[list[questions.Asked]]) -> Rows:
        """Return one row a picture, its questions behind each other, each seeing the picture and itself alone.

        Of a question whose answer is empty no next token is wanted.
        """
        n, head, length = len(asked), len(self.prefix), self.length
        tokens = np.full((n, length), self.pad)
        positions, block, targets = np.zeros((n, length), int), np.full((n, length), -1), np.full((n, length), -100)
        families = []
        tokens[:, :head], positions[:, :head], block[:, :head] = self.prefix, np.arange(head), 0
        for row, turns in enumerate(asked):
            at = head
            for number, turn in enumerate(turns, 1):
                prompt = [self.user, *self.encode(turn.question), self.assistant]
                answer = [*self.encode(turn.answer), self.end]
                whole = prompt + answer[:-1]
                if at + len(whole) > length:
                    continue
                stop, first = at + len(whole), at + len(prompt) - 1
                tokens[row, at:stop], block[row, at:stop] = whole, number
                positions[row, at:stop] = head + np.arange(len(whole))
                if turn.answer:
                    targets[row, first : first + len(answer)] = answer
                families.append((row, first, turn.family))
                at = stop
        if len(self.known) > 200_000:
            self.known.clear()
        tensor = torch.from_numpy
        pictured = tensor(tokens == self.image)
        return Rows(tensor(tokens), tensor(positions), tensor(block), tensor(targets), pictured, families)
