"""Teaches a copy of the model to answer a question: what the fine-tuned baselines share.

Takes a ``Context``, a copy of the model and which of its weights may change; returns the copy at its best, and what that took. The
copy has modules of its own around the weights of the model that everyone uses, which stay as they are: nothing has to be put
back, whatever happens meanwhile, and other threads may go on using the model. Weights that change are new tensors of the copy.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

import numpy as np
import torch
from torch import nn

from sn_viz.baselines import Context
from sn_viz.baselines.answers import answer_words
from sn_viz.baselines.logit_lens import spoken
from sn_viz.errors import UserError
from sn_viz.groups import drawn_apart, n_groups
from sn_viz.models import Vlm
from sn_viz.types import LabelledImages, Picture

LARGE = 10**9
"""From so many weights on, one example at a time is held in memory, and gradients are summed up."""


@dataclass(frozen=True)
class Recipe:
    """How to train: good for 5 to 500 images, on a small model and on one of seven billion weights."""

    learning_rate: float
    """Peak; rises over the first tenth of the steps, then falls to nothing in a line."""
    batch: int = 8
    """Images a step; all of them when there are fewer."""
    epochs: int = 20
    """How often each image is shown, within the bounds on steps."""
    least_steps: int = 80
    most_steps: int = 300
    held_back: float = 0.2
    """Share of the probing images, class by class, that say when to stop."""
    most_held_back: int = 50
    """Of them all: more would cost time and say little more."""
    least_to_hold_back: int = 10
    """With fewer probing images none can be spared: all are trained on, to the last step."""
    every: int = 10
    """Steps between looks at the images held back."""
    patience: int = 6
    """Looks without a lower loss before it stops."""

    def steps(self, n: int) -> int:
        """Return how many steps ``n`` images are trained for, at most."""
        return int(np.clip(self.epochs * n / self.batch, self.least_steps, self.most_steps))


@dataclass(frozen=True, eq=False)
class Taught:
    """A copy of the model that has learned to answer."""

    module: Any
    vlm: Vlm
    """Whose copy it is, for prompts and tokens."""
    words: tuple[str, ...]
    """What each class is answered with."""
    starts: tuple[list[int], ...]
    """The tokens that each word may start with."""
    seconds: float
    """Wall-clock time of training."""
    step: int
    """Whose weights were kept; 0 are the untrained ones."""
    n_held_back: int
    n_weights: int
    """How many numbers were trained."""

    def predict(self, pictures: Sequence[Picture], questions: Sequence[str]) -> np.ndarray:
        """Return the class whose answer is likeliest to begin, int64 (example,); all in one pass. Ties go to the first class."""
        with torch.no_grad():
            logits = _first_token(self.vlm, self.module, pictures, questions)
        return torch.stack([logits[:, ids].amax(dim=1) for ids in self.starts], dim=1).argmax(dim=1).cpu().numpy()

    @property
    def note(self) -> str:
        """What was trained and what it cost, for people."""
        when = f"stopped by {self.n_held_back} probing images held back" if self.n_held_back else "no image held back"
        return f"{self.n_weights:,} weights trained in {self.seconds:.1f} s, kept from step {self.step} ({when})."


def copy_of(vlm: Vlm) -> Any:
    """Return modules of their own around the very same frozen weights: a model that may be altered, for next to no memory.

    Raises
    ------
    UserError
        When the model is quantised, or lies on several devices: gradients are not passed through either here.
    """
    if vlm.quantised or vlm.shared_out:
        how = "quantised" if vlm.quantised else "shared out over several devices"
        raise UserError(
            f"A copy of {vlm.name!r} cannot be trained.",
            f"Its weights are {how}.",
            "Load it whole in bfloat16 or float32, or compare with methods that train nothing of the model.",
        )
    with vlm.lock:  # no hook of another thread is on the modules now
        same = {id(weight): nn.Parameter(weight.detach(), requires_grad=False) for weight in vlm.module.parameters()}
        return copy.deepcopy(vlm.module, same).eval()


def teach(context: Context, module: Any, recipe: Recipe, what: str) -> Taught:
    """Train the weights of ``module`` that require gradients to begin the right answer, on the probing images.

    Parameters
    ----------
    context : Context
        Of it only the probing images are looked at. Its ``progress`` is told every step and may raise ``Cancelled``.
    module : PreTrainedModel
        From `copy_of`.
    recipe : Recipe
    what : str
        For progress: "LoRA".

    Returns
    -------
    Taught
        With the weights that had the lowest loss on the images held back; with those of the last step when none were.

    Raises
    ------
    UserError
        When the answers cannot be told apart by their first token.
    """
    began, vlm, train = time.perf_counter(), context.vlm, context.train
    words, starts = distinct_words(vlm, context)
    apart = held_back(train.labels, recipe, context.seed, context.groups)
    lesson, judge = train.take(np.flatnonzero(~apart)), train.take(np.flatnonzero(apart))
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    n_steps = recipe.steps(len(lesson))
    optimiser = torch.optim.AdamW(weights, lr=recipe.learning_rate, weight_decay=0.01)
    scaler = torch.amp.GradScaler(vlm.device.type, enabled=vlm.dtype == torch.float16)  # type: ignore[attr-defined]
    loss = _Loss(vlm, module, starts)
    best = _Best(weights)
    with torch.inference_mode(False), torch.enable_grad():
        for step, rows in enumerate(_batches(len(lesson), recipe.batch, n_steps, context.seed)):
            context.progress(step / (n_steps + 1), f"{what}: training step {step + 1} of {n_steps}")
            if len(judge) and step % recipe.every == 0:
                best.judge(loss.of(judge, context), step)
                if best.stale >= recipe.patience:
                    break
            for group in optimiser.param_groups:
                group["lr"] = recipe.learning_rate * min((step + 1) / (0.1 * n_steps), (n_steps - step) / (0.9 * n_steps), 1.0)
            optimiser.zero_grad(set_to_none=True)
            loss.backward(lesson.take(rows), scaler)
            scaler.unscale_(optimiser)
            nn.utils.clip_grad_norm_(weights, 1.0)
            scaler.step(optimiser)
            scaler.update()
        if not len(judge):
            best.keep(np.inf, n_steps)
        elif best.stale < recipe.patience:
            best.judge(loss.of(judge, context), n_steps)
    best.put_back()
    seconds = time.perf_counter() - began
    return Taught(module, vlm, words, starts, seconds, best.step, len(judge), sum(weight.numel() for weight in weights))


class _Best:
    """The weights as they were when the loss on the images held back was lowest."""

    def __init__(self, weights: Sequence[nn.Parameter]) -> None:
        self.weights, self.stale = weights, 0
        self.keep(np.inf, 0)

    def keep(self, loss: float, step: int) -> None:
        """Take the weights as they are now for the best."""
        self.loss, self.step, self.stale = loss, step, 0
        self.kept = [weight.detach().clone() for weight in self.weights]

    def judge(self, loss: float, step: int) -> None:
        """Keep the weights where ``loss`` is lower than ever; otherwise count one more time that it was not."""
        if loss < self.loss:
            self.keep(loss, step)
        else:
            self.stale += 1

    def put_back(self) -> None:
        """Give the weights their best values."""
        with torch.no_grad():
            for weight, value in zip(self.weights, self.kept, strict=True):
                weight.copy_(value)


def distinct_words(vlm: Vlm, context: Context) -> tuple[tuple[str, ...], tuple[list[int], ...]]:
    """Return the word that each class is taught to be answered with, and the tokens it may start with.

    The words that the other baselines compare; where two of them start alike ("red car", "red bus"), letters instead.
    """
    seen = spoken(vlm, context.residual[-1][0])
    classes = context.train.classes
    for words in (
        answer_words(vlm, seen, classes, context.train.question, context.key, fitted=True),
        tuple(ascii_uppercase[: len(classes)]),
    ):
        starts = tuple(vlm.answer_token_ids(word) for word in words)
        if len(words) == len(classes) and all(starts) and len({i for ids in starts for i in ids}) == sum(map(len, starts)):
            return words, starts
    raise UserError(
        "The model cannot be taught these answers.",
        "Their first tokens cannot be told apart, and there are too few letters to name them.",
        "Leave the fine-tuned methods out of the comparison.",
    )


def held_back(labels: np.ndarray, recipe: Recipe, seed: int, groups: np.ndarray | None = None) -> np.ndarray:
    """Return which probing images say when to stop, bool (example,).

    Parameters
    ----------
    labels : numpy.ndarray
        int64 (example,).
    recipe : Recipe
    seed : int
    groups : numpy.ndarray, optional
        int64 (example,), from `sn_viz.groups.group_index`: whole groups are held back.

    Returns
    -------
    numpy.ndarray
        Of every class the same share, at least one of a class with three groups or more, and none of a smaller class; none at all
        when there are too few images, or when groups leave no choice.
    """
    nothing = np.zeros(len(labels), bool)
    if len(labels) < recipe.least_to_hold_back:
        return nothing
    share = min(recipe.held_back, recipe.most_held_back / len(labels))
    groups, wanted = np.arange(len(labels)) if groups is None else groups, []
    for c in range(int(labels.max()) + 1):
        enough = n_groups(groups[labels == c]) >= 3
        wanted.append(max(1, round(share * int((labels == c).sum()))) if enough else 0)
    apart = drawn_apart(labels, groups, wanted, seed)
    return nothing if apart is None else apart


class _Loss:
    """Minus the log probability that the first token begins the right answer, in nats."""

    def __init__(self, vlm: Vlm, module: Any, starts: Sequence[list[int]]) -> None:
        self.vlm, self.module, self.starts = vlm, module, starts
        self.at_once = 1 if sum(weight.numel() for weight in module.parameters()) >= LARGE else 16

    def backward(self, images: LabelledImages, scaler: Any) -> None:
        """Add the gradients of the mean loss."""
        for rows in self._parts(images):
            part = images.take(rows)
            scaler.scale(self._sum(part) / len(images)).backward()

    def of(self, images: LabelledImages, context: Context) -> float:
        """Return the mean loss; not a number counts as infinite."""
        with torch.no_grad():
            total = sum(float(self._sum(images.take(rows))) for rows in self._parts(images))
        return total / len(images) if np.isfinite(total) else np.inf

    def _parts(self, images: LabelledImages) -> Iterator[range]:
        for start in range(0, len(images), self.at_once):
            yield range(start, min(start + self.at_once, len(images)))

    def _sum(self, images: LabelledImages) -> torch.Tensor:
        logits = _first_token(self.vlm, self.module, images.pictures, images.questions)
        of_class = torch.stack([logits[:, ids].logsumexp(dim=1) for ids in self.starts], dim=1)
        own = of_class.gather(1, torch.from_numpy(images.labels).to(of_class.device)[:, None])
        return (logits.logsumexp(dim=1) - own[:, 0]).sum()


def _first_token(vlm: Vlm, module: Any, pictures: Sequence[Picture], questions: Sequence[str]) -> torch.Tensor:
    """Return the first token's logits, float32 (example, vocabulary), with gradients where they are recorded."""
    inputs = vlm.prepare(pictures, questions)
    # what was prepared in inference mode, by whoever asked this question before, may not take part in training
    own = {name: value.clone() if torch.is_tensor(value) else value for name, value in inputs.items()}
    return module(**own, **vlm.forward_options()).logits[:, -1].float()


def _batches(n: int, batch: int, n_steps: int, seed: int) -> Iterator[np.ndarray]:
    """Yield ``n_steps`` times the rows of a batch, int64 (row,): every image once, in a new order, before any comes again."""
    random, queue = np.random.default_rng(seed), np.zeros(0, np.int64)
    for _ in range(n_steps):
        if len(queue) < min(batch, n):
            queue = np.concatenate([queue, random.permutation(n)])
        yield queue[: min(batch, n)]
        queue = queue[min(batch, n) :]
