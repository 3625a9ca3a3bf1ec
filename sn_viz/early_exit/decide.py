"""From one picture to an answer, and how long that takes.

`predict` lets the super neurons of a run label new images, stopping the model early; `full_answers` lets the full model answer;
`measure_latency` times both in turns. It knows nothing about how the super neurons were found.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sn_viz.activations.extract import batches, neurons_of
from sn_viz.activations.model_cache import model_of
from sn_viz.activations.programs import AtBlock
from sn_viz.activations.reader import get_ready, n_before_recorded, truncated_forward, warm_up
from sn_viz.activations.side_by_side import has_one_thread, side_by_side, twins
from sn_viz.activations.sites import transform_versions
from sn_viz.activations.streaming import now
from sn_viz.baselines.answers import parse_answer
from sn_viz.baselines.answers.said import written_answers
from sn_viz.config import checked_layer
from sn_viz.errors import UserError
from sn_viz.latency import milliseconds_in_turns
from sn_viz.models.weights import same_weights
from sn_viz.progress import silent
from sn_viz.types import AnswerKey, Config, LabelledImages, Neurons, Picture, Prediction, Progress, RunRecord, Stumps
from sn_viz.voting.votes import vote, winners

if TYPE_CHECKING:
    from sn_viz.models import Vlm

AT_ONCE = 64
"""How many pictures are decoded together."""
N_TIMED = 6
"""How many test images latency is measured on, at most; that of exits in the vision tower which were not chosen on half of them."""
TIMING_SECONDS = 2.0
"""After which no further image is timed."""


def predict(
    run: RunRecord,
    images: Any,
    exit_layer: int | None = None,
    question: str | None = None,
    vlm: Vlm | None = None,
    batch_size: int = 1,
) -> list[Prediction]:
    """Let the super neurons of a run label new images; the model stops at the exit layer and sees every image once.

    Parameters
    ----------
    run : Run
        A finished or reopened run.
    images : LabelledImages, or a sequence of paths, PIL images, uint8 arrays (h, w, 3) or Pictures
        What to label.
    exit_layer : int, optional
        From 1, 0 and less in the vision tower; by default the run's own.
    question : str, optional
        By default the run's question; needed when the run asked each image something else.
    vlm : Vlm, optional
        The model, when it is loaded already.
    batch_size : int
        Images a pass. With more than one, an image's milliseconds are its share of the pass, and the last bits of a value depend on
        what it was computed beside, as they do when activations are read.

    Returns
    -------
    list of Prediction
        In the order of the images.

    Raises
    ------
    UserError
        For a layer that the model lacks, an unreadable image, or a missing question.
    """
    checked_layer(exit_layer, run.neurons.n_layers, run.neurons.n_tower)
    asked = asked_ahead(run, images, question, batch_size)  # what cannot be read is told before the model loads
    return list(Predictor.of(run, exit_layer, question, vlm, batch_size).each(asked))


@dataclass(frozen=True, eq=False)
class Predictor:
    """A run that is ready to label pictures: the layer chosen, the model loaded, checked and warm.

    Make one with `Predictor.of` or ``Run.predictor``. Called with one picture (a path, PIL image, array or Picture) it gives a
    `Prediction`, with a sequence of them a list. One thread calls it at a time.
    """

    run: RunRecord
    decide: Decision
    question: str | None = None
    batch_size: int = 1

    @classmethod
    def of(
        cls,
        run: RunRecord,
        exit_layer: int | None = None,
        question: str | None = None,
        vlm: Vlm | None = None,
        batch_size: int = 1,
    ) -> Predictor:
        """Return the predictor of a run; parameters and errors as for `predict`."""
        chosen = checked_layer(exit_layer, run.neurons.n_layers, run.neurons.n_tower)
        layer = run.exit_layer if chosen is None else chosen
        vlm = vlm or model_of(run.config)
        check_model(run, vlm)
        get_ready(vlm, run.neurons.site_names)
        voters, n_classes = run.voters[layer - run.neurons.layers.start], len(run.train.classes)
        decide = Decision(vlm, run.neurons, voters, layer, n_classes, run.config.weighting, run.train_values.dtype)
        return cls(run, decide, question, batch_size)

    def __call__(self, images: Any) -> Prediction | list[Prediction]:
        """Return the prediction for one picture, or those for a sequence of them in its order."""
        alone = isinstance(images, (str, bytes, os.PathLike, np.ndarray, Picture)) or hasattr(images, "getbands")
        asked = asked_ahead(self.run, [images] if alone else images, self.question, self.batch_size)
        found = list(self.each(asked))
        return found[0] if alone else found

    def label(self, pictures: Sequence[Picture], questions: Sequence[str]) -> list[Prediction]:
        """Return the predictions for decoded pictures, each asked its question."""
        return list(self.each([(list(pictures), list(questions))]))

    def each(self, asked: Iterable[Asked]) -> Iterator[Prediction]:
        """Yield the predictions for parts of decoded pictures, in order; the next part is asked for while the last is looked at.

        Batches of a small model on a processor run side by side. Single pictures run one after the other: a picture's milliseconds
        are then its own.
        """
        vlm, n_asked = self.decide.vlm, []

        def grouped() -> Iterator[list[tuple[Decision, int, list[int], list[Picture], list[str]]]]:
            for part, (pictures, questions) in enumerate(asked):
                n_asked.append(len(pictures))
                groups = batches(vlm, pictures, questions, range(len(pictures)), self.batch_size)
                yield [(self.decide, part, rows, [pictures[i] for i in rows], [questions[i] for i in rows]) for rows in groups]

        parts = grouped()
        first = next(parts, [])
        calls = chain(first, chain.from_iterable(parts))
        if self.batch_size > 1 and len(first) > 1 and has_one_thread(vlm):
            done = side_by_side(vlm, _decided, calls, self._twins)
        else:
            done = (_decided(vlm, *call) for call in calls)
        labelled: dict[int, Prediction] = {}
        for part, rows, tallies, milliseconds in done:
            for row, tally, winner in zip(rows, tallies, winners(tallies).tolist(), strict=True):
                first_share, second_share = np.sort(tally)[::-1][:2]
                shares, margin, each = tuple(map(float, tally)), float(first_share - second_share), milliseconds / len(rows)
                labelled[row] = Prediction(self.run.train.classes[winner], winner, self.decide.layer, each, shares, margin)
            if len(labelled) == n_asked[part]:
                yield from (labelled[row] for row in range(len(labelled)))
                labelled.clear()

    @cached_property
    def _twins(self) -> list[Vlm]:
        """Models that share the weights, for batches beside each other; kept, as is what is recorded of them."""
        return twins(self.decide.vlm)


def _decided(
    vlm: Vlm, decide: Decision, part: int, rows: list[int], pictures: list[Picture], questions: list[str]
) -> tuple[int, list[int], np.ndarray, float]:
    """Return what tells a batch, its tallies, and the milliseconds that it took."""
    start = time.perf_counter()
    tallies = replace(decide, vlm=vlm).together(pictures, questions)
    return part, rows, tallies, 1000 * (time.perf_counter() - start)


def model_version(vlm: Vlm) -> dict[str, str]:
    """Return what a run remembers of its model, so that another one is not taken for it."""
    return {"model": vlm.key, "numbers": str(vlm.dtype).removeprefix("torch.")}


def site_versions(names: Sequence[str]) -> dict[str, str]:
    """Return what a run remembers of its sites: of each that has a transform, which one that was."""
    return {f"site {name!r}": version for name, version in transform_versions(names).items()}


def check_model(run: RunRecord, vlm: Vlm) -> None:
    """Raise a UserError unless ``vlm`` is the model that the run's super neurons live in.

    Neurons must lie where they lay. Weights and preprocessing must be the same too, which can be told only where the number format
    is the same. So must be the transforms of its sites.
    """
    there, known, now = neurons_of(vlm, run.neurons.site_names), run.versions, model_version(vlm)
    same = all(np.array_equal(getattr(there, a), getattr(run.neurons, a)) for a in ("site", "layer", "unit"))
    if same and known.get("numbers") == now["numbers"]:
        same = same_weights(known.get("model", ""), now["model"])
    if not same:
        raise UserError(
            f"{vlm.name!r} is not the model of this run.",
            f"Its neurons were found in {run.config.model_name!r}, and model or preprocessing differ from then.",
            "Name the same model, for example --model FOLDER, or find again.",
        )
    for site, version in site_versions(run.neurons.site_names).items():
        if known.get(site, version) != version:
            raise UserError(f"The {site} is not what it was.", "Its transform has changed since this run was made.", "Find again.")


@dataclass(frozen=True, eq=False)
class Decision:
    """From one decoded picture and its question to the vote, stopping the model after ``layer``."""

    vlm: Vlm
    neurons: Neurons
    voters: Stumps
    layer: int
    n_classes: int
    weighting: str
    dtype: np.dtype

    def __call__(self, example: tuple[Picture, str], at_block: AtBlock | None = None) -> np.ndarray:
        """Return the tally, float32 (class,)."""
        return self.together([example[0]], [example[1]], at_block)[0]

    def together(self, pictures: Sequence[Picture], questions: Sequence[str], at_block: AtBlock | None = None) -> np.ndarray:
        """Return the tallies of several pictures, float32 (example, class), from one pass; see `truncated_forward`."""
        inputs = self.vlm.prepare(pictures, questions)
        values = np.asarray(truncated_forward(self.vlm, inputs, self.layer, self.neurons.site_names, at_block=at_block))
        # the same rounding as the activations that the thresholds were fitted on
        return vote(values.astype(self.dtype), self.voters, self.n_classes, self.weighting)

    def warm_up(self, example: tuple[Picture, str]) -> None:
        """Run what only first passes over a prompt do, so that whoever measures measures what all later ones take."""
        warm_up(self.vlm, self.vlm.prepare([example[0]], [example[1]]), self.layer, self.neurons.site_names)


Asked = tuple[list[Picture], list[str]]
"""Decoded pictures and what each is asked."""


def pictures_and_questions(run: RunRecord, images: Any, question: str | None) -> Asked:
    """Return all pictures, decoded, and what each is asked; see `predict`."""
    parts = list(asked_ahead(run, images, question))
    return [picture for pictures, _ in parts for picture in pictures], [text for _, questions in parts for text in questions]


def asked_ahead(run: RunRecord, images: Any, question: str | None, batch_size: int = 1) -> Iterator[Asked]:
    """Return decoded pictures and what each is asked, some ``AT_ONCE`` at a time; see `predict`.

    The first are decoded when this is called, the next ones by threads while the last ones are looked at, so that as many pictures
    are held as two parts have, whatever the number of images.
    """
    from sn_viz.sources.ahead import decoded_ahead

    pictures, questions = _each_asked(run, images, question)
    size = max(AT_ONCE // batch_size, 1) * batch_size
    parts = decoded_ahead(pictures, size)
    first = list(islice(parts, 1))
    starts = range(0, len(pictures), size)
    return ((some, questions[start : start + size]) for some, start in zip(chain(first, parts), starts, strict=True))


def _each_asked(run: RunRecord, images: Any, question: str | None) -> tuple[Sequence[Any], list[str]]:
    """Return what is to be decoded, and what each is asked."""
    from sn_viz.sources.text import clean_question

    question = clean_question(question) if question else None
    if isinstance(images, LabelledImages):
        images = images.ask(question)
        return images.pictures, list(images.questions)
    asked_of_all = question or run.config.question or run.train.question
    if not asked_of_all:
        raise UserError(
            "There is no question to ask.",
            "This run asked every image something else.",
            "Give one, for example --question 'Is there a dog?'.",
        )
    images = list(images)
    return images, [asked_of_all] * len(images)


@dataclass(frozen=True)
class Answer:
    """What the full model wrote about one image."""

    text: str
    milliseconds: float
    """From decoded image to text, batch 1."""


def full_answers(vlm: Vlm, pictures: Sequence[Picture], questions: Sequence[str], key: AnswerKey | None = None) -> list[Answer]:
    """Let the full model answer each question about its picture, one at a time; with a key, until the answer names a class."""
    answers = []
    for picture, question in zip(pictures, questions, strict=True):
        start = time.perf_counter()
        text = written_answers(vlm, [picture], [question], key)[0]
        answers.append(Answer(text, 1000 * (time.perf_counter() - start)))
    return answers


class Latency(NamedTuple):
    """How long one image takes, milliseconds."""

    named: dict[str, float]
    """"full_model", "first_token", "early_exit": medians; "early_exit_p95"."""
    by_layer: np.ndarray
    """float64 (layer,), medians, in the order of the neurons' layers; see `measure_latency`."""
    others: np.ndarray
    """float64 (other,), medians of what else was timed."""


def measure_latency(
    config: Config,
    vlm: Vlm,
    test: LabelledImages,
    seen: Any,
    voters: tuple[Stumps, ...],
    exit_layer: int,
    progress: Progress = silent,
    key: AnswerKey | None = None,
    others: tuple[Callable[[tuple[Picture, str]], object], ...] = (),
) -> Latency:
    """Time the full answer, its first token, exits and ``others`` in turns: batch 1, from decoded image to label.

    Of the decoder's exits the chosen and the last are timed. The others are read off the clock of the last one's passes: the time
    until their block began, and what the last exit took from the beginning of its own block to its label. Exits in the tower that
    were not chosen have every second turn.
    """
    shown = [picture.decoded() for picture in test.pictures[:N_TIMED]]
    examples = list(zip(shown, test.questions[:N_TIMED], strict=True))
    exits = [
        Decision(vlm, seen.neurons, chosen, layer, len(test.classes), config.weighting, seen.values.dtype)
        for layer, chosen in zip(seen.neurons.layers, voters, strict=True)
    ]

    def full_model(example: tuple[Picture, str]) -> int:
        return parse_answer(written_answers(vlm, [example[0]], [example[1]], key)[0], test.classes, example[1], key)

    def first_token(example: tuple[Picture, str]) -> int:
        return int(vlm.first_token_logits([example[0]], [example[1]])[0].argmax())

    progress(0.0, "Timing the full model against exits")
    last = _Clocked(exits[-1])
    timed = {one.layer: one for one in exits if one.layer < 1 or one.layer == exit_layer} | {last.layer: last}
    for decide in reversed(exits):
        if decide.layer in timed:
            decide.warm_up(examples[0])
    inputs = vlm.prepare([examples[0][0]], [examples[0][1]])
    for method in (full_model, first_token, *others * max(1, n_before_recorded(vlm, inputs))):
        method(examples[0])
    where = {layer: number for number, layer in enumerate(timed, start=2)}
    rarely = {number for layer, number in where.items() if layer < 1 and layer != exit_layer}
    methods = [full_model, first_token, *timed.values(), *others]
    times = milliseconds_in_turns(methods, examples, TIMING_SECONDS, warm_up=False, rarely=rarely)
    medians = np.nanmedian(times, axis=0)

    def read_off(layer: int) -> float:
        return np.median(last.begun(layer) - last.begun(last.layer) + times[:, where[last.layer]])

    by_layer = [medians[where[one.layer]] if one.layer in where else read_off(one.layer) for one in exits]
    named = {
        "full_model": medians[0],
        "first_token": medians[1],
        "early_exit": medians[where[exit_layer]],
        "early_exit_p95": np.percentile(times[:, where[exit_layer]], 95),
    }
    return Latency({name: float(ms) for name, ms in named.items()}, np.array(by_layer), medians[2 + len(timed) :])


@dataclass(frozen=True, eq=False)
class _Clocked:
    """An exit that notes, of every pass, when each of the decoder's blocks began."""

    decide: Decision
    passes: list[dict[int, float]] = field(default_factory=list)
    """Layer -> milliseconds since the pass was called."""

    def __call__(self, example: tuple[Picture, str]) -> np.ndarray:
        """Return the tally, float32 (class,)."""
        self.passes.append({})
        start = time.perf_counter()

        def begun(layer: int) -> None:
            self.passes[-1][layer] = 1000 * (now(self.decide.vlm) - start)

        return self.decide(example, begun)

    @property
    def layer(self) -> int:
        return self.decide.layer

    def begun(self, layer: int) -> np.ndarray:
        """Return when the block of ``layer`` began, float64 (pass,), milliseconds."""
        return np.array([begun[layer] for begun in self.passes])
