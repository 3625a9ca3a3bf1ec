"""The whole product, in order: labelled images and a model in, a ``Run`` out.

`find` loads and splits; `run` reads activations, searches, votes, compares and measures; `predict` labels new images with a
finished run.
This module knows nothing about the browser, the command line or figures.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from sn_viz.baselines import BASELINES, Context, silent
from sn_viz.baselines.answers import parse_answer
from sn_viz.classifier import select_voters, vote, votes_by_layer, winners
from sn_viz.errors import UserError
from sn_viz.exits import truncated_forward
from sn_viz.extract import extract
from sn_viz.held_out import align_classes, asked, usable, without_seen
from sn_viz.latency import milliseconds_in_turns
from sn_viz.search import best_scores_under_null, find_stumps
from sn_viz.sites import site_names
from sn_viz.statistics import choose_exit_layer, cross_validated_layers, wilson
from sn_viz.store import Store
from sn_viz.types import (
    Baseline,
    Config,
    LabelledImages,
    LayerAccuracy,
    Neurons,
    Picture,
    Prediction,
    Progress,
    Run,
    Stumps,
    Votes,
)

if TYPE_CHECKING:
    from sn_viz.models import Vlm

DEFAULT_MODEL = "tiny-llava"
N_TIMED = 8
"""How many test images latency is measured on."""
FEW = 10
"""Fewer probing images of a class than this earn a warning."""
NULL_BUDGET = 4e8
"""At most this many values are searched for the null, but never fewer than 20 labellings."""


def run(
    config: Config,
    train: LabelledImages,
    test: LabelledImages,
    vlm: Vlm,
    progress: Progress = silent,
    cache: Store | None = None,
) -> Run:
    """Find super neurons on ``train`` and judge them, and every baseline, on ``test``.

    Parameters
    ----------
    config : Config
        Every choice.
    train, test : LabelledImages
        Probing and test split: the same classes, no example in common.
    vlm : Vlm
        The frozen model.
    progress : callable
        Told the fraction done and what is going on; may raise ``Cancelled``.
    cache : Store, optional
        Where activations are kept; by default the cache folder.

    Returns
    -------
    Run
        Nothing in it was chosen by looking at ``test``.
    """
    assert not asked(train) & asked(test), "selection and test examples must differ"
    stage, n_classes, cache = Stages(progress), len(train.classes), cache or Store()
    with stage("extract", 0.30, "Reading activations") as report:
        sites = config.sites or "all"
        seen = extract(vlm, train, sites=sites, cache=cache, progress=part(report, 0, len(train) / (len(train) + len(test))))
        unseen = extract(vlm, test, sites=sites, cache=cache, progress=part(report, len(train) / (len(train) + len(test)), 1))
    with stage("search", 0.35, "Looking for super neurons"):
        stumps = find_stumps(seen.values, train.labels, config.rule, config.metric, n_classes)
        voters = voters_by_layer(stumps, seen.neurons, config.voters, n_classes)
    with stage("choose", 0.45, "Choosing the exit layer on the probing images") as report:
        choices = (config.rule, config.metric, config.voters, config.weighting, n_classes)
        correct = cross_validated_layers(seen.values, train.labels, seen.neurons, *choices, seed=config.seed, progress=report)
        exit_layer = choose_exit_layer(correct) if config.exit_layer is None else config.exit_layer
    with stage("vote", 0.46, "Voting on the test images"):
        votes = votes_by_layer(unseen.values, voters, n_classes, config.weighting)
    with stage("baselines", 0.80, "Comparing with other methods") as report:
        context = Context(vlm, train, test, seen.values, unseen.values, seen.neurons, config.seed, report)
        baselines = compare(config.compare, context)
    with stage("null", 0.88, "Asking what luck alone would find"):
        labellings = int(np.clip(NULL_BUDGET / max(seen.values.size, 1), 20, 100))
        null_scores = best_scores_under_null(seen.values, train.labels, config.metric, config.rule, labellings, config.seed)
    with stage("latency", 1.0, "Timing, one image at a time") as report:
        exit_ms, layer_ms = measure_latency(config, vlm, test, seen, voters, exit_layer, report)
    return Run(
        config=config,
        train=train,
        test=test,
        neurons=seen.neurons,
        train_values=seen.values,
        test_values=unseen.values,
        stumps=stumps,
        voters=voters,
        exit_layer=exit_layer,
        votes=votes,
        by_layer=layer_accuracies(votes, test.labels, correct, layer_ms),
        baselines=baselines,
        null_scores=null_scores,
        latency_ms=exit_ms,
        seconds=stage.seconds,
        warnings=plain_warnings(train, test, stumps, null_scores, baselines, votes, exit_layer),
        versions=versions(),
    )


def find(
    data: Any,
    question: str | None = None,
    model: str | Vlm | None = None,
    compare: str | Sequence[str] = "all",
    *,
    test: Any = None,
    test_size: float = 0.5,
    sites: str | Sequence[str] = "all",
    rule: str = "best-split",
    metric: str = "balanced-accuracy",
    voters: int = 15,
    weighting: str = "majority",
    exit_layer: int | str | None = "auto",
    seed: int = 0,
    progress: Progress | None = None,
    device: str | None = None,
    dtype: Any = None,
) -> Run:
    """Find the super neurons that answer a question about labelled images.

    Parameters
    ----------
    data : str, Path or LabelledImages
        A folder with one sub-folder per class, a zip of it, a CSV or JSONL, ``pack:NAME`` or ``hub:DATASET``.
    question : str, optional
        Asked of every image; by default each image's own question.
    model : str or Vlm, optional
        A name from the catalogue, a hub id, a folder, or a loaded model; by default SN_VIZ_MODEL, else "tiny-llava".
    compare : "all", "none", or names
        Baselines to run on the same images.
    test : optional
        Separate test images, as ``data``; by default a part of ``data`` is kept for testing (a pack brings its own).
    test_size : float
        Fraction of ``data`` kept for testing.
    sites : "all" or names
        Which tensors are read.
    rule, metric : str
        Threshold rule and score of the search.
    voters : int
        How many super neurons vote, for each class when there are more than two.
    weighting : str
        "majority" or "log-odds".
    exit_layer : "auto" or int
        From 1; "auto" chooses it on the probing split.
    seed : int
        Of the split, the folds and the null.
    progress : callable, optional
        ``progress(fraction, doing)``; may raise ``Cancelled``.
    device, dtype : optional
        Passed to `load_model`.

    Returns
    -------
    Run

    Raises
    ------
    UserError
        For everything the caller can mend: unreadable data, one class only, an unknown choice.

    Examples
    --------
    >>> run = find("pack:presence-dog", compare="none")  # doctest: +SKIP
    >>> run.by_layer[run.exit_layer - 1].accuracy.value  # doctest: +SKIP
    """
    stage = Stages(progress or silent)
    names = baseline_names(compare)
    chosen_sites = () if sites == "all" else site_names(sites.split(",") if isinstance(sites, str) else sites)
    check_choices(rule, metric, voters, weighting, test_size)
    with stage("load", 0.10, "Loading images and model") as report:
        train, held_out = load_splits(data, question, test, test_size, seed)
        report(0.5, "Loading the model")
        vlm = model_named(model or os.environ.get("SN_VIZ_MODEL") or DEFAULT_MODEL, device, dtype)
    config = Config(
        question=question,
        model=model if isinstance(model, str) else vlm.name,
        sites=chosen_sites,
        rule=rule,
        metric=metric,
        voters=voters,
        weighting=weighting,
        exit_layer=checked_layer(exit_layer, vlm.n_layers),
        test_size=test_size,
        seed=seed,
        compare=names,
    )
    found = run(config, train, held_out, vlm, part(progress or silent, 0.10, 1.0))
    return replace(found, seconds={**stage.seconds, **found.seconds})


def predict(
    run: Run, images: Any, exit_layer: int | None = None, question: str | None = None, vlm: Vlm | None = None
) -> list[Prediction]:
    """Let the super neurons of a run label new images; the model stops at the exit layer.

    Parameters
    ----------
    run : Run
        A finished or reopened run.
    images : LabelledImages, or a sequence of paths, PIL images, uint8 arrays (h, w, 3) or Pictures
        What to label.
    exit_layer : int, optional
        From 1; by default the run's own.
    question : str, optional
        By default the run's question; needed when the run asked each image something else.
    vlm : Vlm, optional
        The model, when it is loaded already.

    Returns
    -------
    list of Prediction
        In the order of the images.

    Raises
    ------
    UserError
        For a layer that the model lacks, an unreadable image, or a missing question.
    """
    layer = checked_layer(exit_layer, run.neurons.n_layers) or run.exit_layer
    pictures, questions = pictures_and_questions(run, images, question)
    vlm = vlm or model_named(run.config.model)
    decide = Decision(
        vlm, run.neurons, run.voters[layer - 1], layer, len(run.train.classes), run.config.weighting, run.train_values.dtype
    )
    predictions = []
    if pictures:
        decide((pictures[0], questions[0]))  # the first call of a process pays for warming up; it is not what is measured
    for example in zip(pictures, questions, strict=True):
        start = time.perf_counter()
        tally = decide(example)
        milliseconds = 1000 * (time.perf_counter() - start)
        first, second = np.sort(tally)[::-1][:2]
        winner = int(winners(tally))
        predictions.append(
            Prediction(run.train.classes[winner], winner, layer, milliseconds, tuple(map(float, tally)), float(first - second))
        )
    return predictions


@dataclass(frozen=True)
class Answer:
    """What the full model wrote about one image."""

    text: str
    milliseconds: float
    """From decoded image to text, batch 1."""


def full_answers(vlm: Vlm, pictures: Sequence[Picture], questions: Sequence[str]) -> list[Answer]:
    """Let the full model answer each question about its picture, one at a time."""
    answers = []
    if pictures:
        vlm.generate(pictures[:1], questions[:1])  # warming up, as in `predict`
    for picture, question in zip(pictures, questions, strict=True):
        start = time.perf_counter()
        text = vlm.generate([picture], [question])[0]
        answers.append(Answer(text, 1000 * (time.perf_counter() - start)))
    return answers


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

    def __call__(self, example: tuple[Picture, str]) -> np.ndarray:
        """Return the tally, float32 (class,)."""
        inputs = self.vlm.prepare([example[0]], [example[1]])
        values = np.asarray(truncated_forward(self.vlm, inputs, self.layer, self.neurons.site_names))
        # the same rounding as the activations that the thresholds were fitted on
        return vote(values.astype(self.dtype), self.voters, self.n_classes, self.weighting)[0]


def voters_by_layer(stumps: Stumps, neurons: Neurons, k: int, n_classes: int) -> tuple[Stumps, ...]:
    """Return the super neurons of every exit layer: the best ``k`` stumps (of each class) among those up to that layer.

    A layer has none where all neurons so far are constant: with sliding attention the last position may not have met the picture.
    """
    per_neuron = 1 if n_classes == 2 else n_classes
    ends = [neurons.up_to(layer) * per_neuron for layer in range(1, neurons.n_layers + 1)]
    first = next((i for i, end in enumerate(ends[:-1]) if not np.isnan(stumps.score[:end]).all()), len(ends) - 1)
    return tuple(
        select_voters(stumps.take(slice(0, end)), k, n_classes) if i >= first else stumps.take(slice(0, 0))
        for i, end in enumerate(ends)
    )


def layer_accuracies(votes: Votes, labels: np.ndarray, correct: np.ndarray, layer_ms: np.ndarray) -> tuple[LayerAccuracy, ...]:
    """Combine held-out accuracy, cross-validated accuracy (``correct``, bool (example, layer)) and latency of every exit layer."""
    right = (votes.predicted == labels[:, None]).sum(axis=0)
    cv = correct.mean(axis=0) if len(correct) else np.full(len(right), np.nan)
    return tuple(
        LayerAccuracy(l + 1, wilson(int(right[l]), len(labels)), float(cv[l]), float(layer_ms[l])) for l in range(len(right))
    )


def compare(names: Sequence[str], context: Context) -> tuple[Baseline, ...]:
    """Run the named baselines one after the other."""
    share = 1 / max(len(names), 1)
    return tuple(
        BASELINES[name](replace(context, progress=part(context.progress, i * share, (i + 1) * share)))
        for i, name in enumerate(names)
    )


def measure_latency(
    config: Config,
    vlm: Vlm,
    test: LabelledImages,
    seen: Any,
    voters: tuple[Stumps, ...],
    exit_layer: int,
    progress: Progress = silent,
) -> tuple[dict[str, float], np.ndarray]:
    """Time the full answer, its first token and every exit layer in turns: batch 1, from decoded image to label.

    Returns
    -------
    tuple
        Milliseconds by name ("full_model", "first_token", "early_exit": medians; "early_exit_p95"), and float64 (layer,) medians.
    """
    examples = list(zip(test.pictures, test.questions, strict=True))[:N_TIMED]
    exits = [
        Decision(vlm, seen.neurons, chosen, layer, len(test.classes), config.weighting, seen.values.dtype)
        for layer, chosen in enumerate(voters, start=1)
    ]

    def full_model(example: tuple[Picture, str]) -> int:
        return parse_answer(vlm.generate([example[0]], [example[1]])[0], test.classes, example[1])

    def first_token(example: tuple[Picture, str]) -> int:
        return int(vlm.first_token_logits([example[0]], [example[1]])[0].argmax())

    progress(0.0, "Timing the full model against every exit")
    times = milliseconds_in_turns([full_model, first_token, *exits], examples)
    medians, chosen = np.median(times, axis=0), 1 + exit_layer
    named = {
        "full_model": medians[0],
        "first_token": medians[1],
        "early_exit": medians[chosen],
        "early_exit_p95": np.percentile(times[:, chosen], 95),
    }
    return {name: float(ms) for name, ms in named.items()}, medians[2:]


def plain_warnings(
    train: LabelledImages,
    test: LabelledImages,
    stumps: Stumps,
    null_scores: np.ndarray,
    baselines: Sequence[Baseline],
    votes: Votes,
    exit_layer: int,
) -> tuple[str, ...]:
    """Return what a reader of the results should know, in plain words; notes of the data come first, without repeats."""
    notes = [*train.notes, *test.notes]
    counts = np.bincount(train.labels, minlength=len(train.classes))
    if counts.min() < FEW:
        few = int(counts.argmin())
        notes.append(
            f"Only {counts[few]} probing image{'' if counts[few] == 1 else 's'} of {train.classes[few]!r}: with so few, "
            f"neurons that fit by luck are common. {FEW} or more of each class are better."
        )
    best, lucky = np.nanmax(stumps.score, initial=-np.inf), _percentile(null_scores, 95)
    if not best > lucky:
        notes.append(
            f"The best neuron scores {best:.2f} on the probing images; shuffled labels reach {lucky:.2f} in 1 of 20 cases. "
            "What was found may be luck."
        )
    majority = np.bincount(test.labels, minlength=len(test.classes)).max() / len(test)
    right = float(np.mean(votes.predicted[:, exit_layer - 1] == test.labels))
    if right <= majority:
        notes.append(
            f"Always saying the commonest class would be right on {majority:.0%} of the test images, "
            f"the super neurons are right on {right:.0%}."
        )
    notes += [baseline.note for baseline in baselines if baseline.name == "full-model" and np.any(baseline.predicted == -1)]
    return tuple(dict.fromkeys(notes))


def versions() -> dict[str, str]:
    """Return the versions of what the numbers depend on."""
    import sn_viz

    libraries = {name: version(name) for name in ("numpy", "torch", "transformers", "scikit-learn")}
    return {"sn_viz": sn_viz.__version__, "python": platform.python_version(), **libraries}


def load_splits(data: Any, question: str | None, test: Any, test_size: float, seed: int) -> tuple[LabelledImages, LabelledImages]:
    """Load ``data`` (and ``test``) and return the probing and test split, checked and disjoint."""
    from sn_viz.sources import load_images
    from sn_viz.sources.split import split

    packed = _load_pack(data, seed)
    if packed is not None and test is None:
        train, held_out = (split.ask(question) for split in packed)
        train = usable(train)
        return train, without_seen(align_classes(held_out, train), train)
    images = usable((packed[0] if packed else load_images(data, question)).ask(question))
    if test is None:
        return split(images, test_size, seed)
    packed_test = _load_pack(test, seed)
    held_out = usable((packed_test[1] if packed_test else load_images(test, question)).ask(question), "test set")
    return images, without_seen(align_classes(held_out, images), images)


def _load_pack(data: Any, seed: int) -> tuple[LabelledImages, LabelledImages] | None:
    if not (isinstance(data, str) and data.startswith("pack:")):
        return None
    from sn_viz.sources.pack import load_pack

    return load_pack(data.removeprefix("pack:"), seed=seed)


def model_named(model: str | Vlm, device: str | None = None, dtype: Any = None) -> Vlm:
    """Return the model of that name, loaded once per process; a loaded model is returned as it is."""
    return _loaded(model, device, dtype) if isinstance(model, str) else model


@lru_cache(maxsize=1)
def _loaded(name: str, device: str | None, dtype: Any) -> Vlm:
    from sn_viz.models import load_model

    return load_model(name, device=device, dtype=dtype)


def pictures_and_questions(run: Run, images: Any, question: str | None) -> tuple[list[Picture], list[str]]:
    """Return decoded pictures and what each is asked; see `predict`."""
    from sn_viz.sources.ingest import as_picture

    if isinstance(images, LabelledImages):
        images = images.ask(question)
        return list(images.pictures), list(images.questions)
    asked_of_all = question or run.config.question or run.train.question
    if not asked_of_all:
        raise UserError(
            "There is no question to ask.",
            "This run asked every image something else.",
            "Give one, for example --question 'Is there a dog?'.",
        )
    pictures = [as_picture(image) for image in images]
    return pictures, [asked_of_all] * len(pictures)


def baseline_names(compare: str | Sequence[str]) -> tuple[str, ...]:
    """Return the baselines behind "all", "none", "a,b" or a sequence; an unknown name raises a UserError that lists them."""
    if isinstance(compare, str):
        compare = {"all": BASELINES.names(), "none": []}.get(compare, [name.strip() for name in compare.split(",") if name.strip()])
    for name in compare:
        BASELINES[name]
    return tuple(dict.fromkeys(compare))


def check_choices(rule: str, metric: str, voters: int, weighting: str, test_size: float) -> None:
    """Raise a UserError for a choice that does not exist, before anything slow begins."""
    from sn_viz.classifier import WEIGHTINGS
    from sn_viz.rules import RULES
    from sn_viz.search import METRICS

    RULES[rule]
    for kind, name, known in (("metric", metric, METRICS), ("weighting", weighting, WEIGHTINGS)):
        if name not in known:
            raise UserError(f"There is no {kind} called {name!r}.", f"There are: {', '.join(known)}.", "Choose one of these.")
    if voters < 1:
        raise UserError(f"{voters} voters cannot decide.", "At least one super neuron must vote.", "Use 15.")
    if not 0 < test_size < 1:
        raise UserError(
            f"The test size {test_size:g} is not possible.", "It is the fraction of images kept for testing.", "Use 0.5."
        )


def checked_layer(exit_layer: int | str | None, n_layers: int) -> int | None:
    """Return a valid exit layer, or None for "auto"."""
    if exit_layer is None or exit_layer == "auto":
        return None
    try:
        layer = int(exit_layer)
    except ValueError:
        layer = 0
    if not 1 <= layer <= n_layers:
        raise UserError(
            f"There is no exit layer {exit_layer!r}.", f"This model has layers 1 to {n_layers}.", "Use one of them, or auto."
        )
    return layer


def part(progress: Progress, start: float, end: float) -> Progress:
    """Return a progress callable whose 0 to 1 is ``start`` to ``end`` of ``progress``."""

    def report(fraction: float, doing: str) -> None:
        progress(start + (end - start) * min(max(fraction, 0.0), 1.0), doing)

    return report


class Stages:
    """Times the stages of a run and tells how far it is.

    Parameters
    ----------
    progress : callable
        Told the fraction of the whole at the start of each stage and during it.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress, self.done = progress, 0.0
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str, until: float, doing: str) -> Iterator[Progress]:
        """Enter stage ``name``, which ends at fraction ``until``; yields its own progress callable."""
        report = part(self.progress, self.done, until)
        report(0.0, doing)
        start = time.perf_counter()
        yield report
        self.seconds[name] = time.perf_counter() - start
        self.done = until
        self.progress(until, doing)


def _percentile(values: np.ndarray, q: float) -> float:
    finite = values[np.isfinite(values)]
    return float(np.percentile(finite, q)) if len(finite) else float("nan")
