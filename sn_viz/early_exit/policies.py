"""When to stop: a fixed layer, the first clear vote, or the first vote whose clearness was shown to be safe enough.

Takes the votes by layer (and, to calibrate, the full model's answers or labels); returns where each image stops, what is answered
there, and how often that goes wrong. Where a policy stops nowhere the full model answers, out of the very pass that has been
running. It knows nothing about how voters were found.

The risk-controlled policy is chosen on calibration images by Learn then Test (A. N. Angelopoulos, S. Bates, E. J. Candès, M. I.
Jordan, L. Lei: "Learn then Test: Calibrating Predictive Algorithms to Achieve Risk Control", arXiv 2110.01052) with
fixed-sequence testing. Each threshold of a list that was fixed beforehand stands for the hypothesis "the risk is above the
level"; its p-value is the exact binomial tail, which falls below 1 - confidence just when the one-sided bound of C. J. Clopper
and E. S. Pearson ("The use of confidence or fiducial limits illustrated in the case of the binomial", Biometrika 26, 1934) falls
to the level. The list runs from the most cautious threshold to the boldest and testing ends at the first failure, so no
correction for many tests is due, and the risk need not grow along the list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from jaxtyping import Bool, Float, Int

from sn_viz.early_exit.certificates import certified, check_level, exact_interval, images_needed, p_values, upper_bounds
from sn_viz.errors import UserError
from sn_viz.formatting import percent
from sn_viz.groups import group_index, one_of_each
from sn_viz.types import AnswerKey, Interval, Neurons, RunRecord, Stumps, Votes

if TYPE_CHECKING:
    from sn_viz.models.vlm import Inputs, Vlm

Risk = Literal["disagreement", "error"]
"""What is counted: images where the early answer is not the full model's, or images whose final answer is not the label."""
RISKS: tuple[Risk, ...] = ("disagreement", "error")
GRID: tuple[float, ...] = tuple(float(t) for t in np.round(np.linspace(1.0, 0.0, 41), 3))
"""Margins tried as thresholds, the most cautious first. Fixed before any image is seen: the guarantee rests on that."""
FULL_MODEL, CALIBRATED = "full-model", "full-model-calibrated"
"""The name of the baseline whose answers disagreement is measured against."""


class Policy(Protocol):
    """Says where to stop."""

    def exit_mask(self, votes: Votes) -> np.ndarray:
        """Return bool (example, layer): where the policy would stop."""
        ...

    def should_exit(self, layer: int, margin: float) -> bool:
        """Return whether to stop when ``layer`` has voted with ``margin``."""
        ...


@dataclass(frozen=True)
class FixedLayer:
    """Stop every example at one layer."""

    layer: int
    """From 1; 0 and less in the vision tower."""

    def exit_mask(self, votes: Votes) -> np.ndarray:
        """Return bool (example, layer): True from the fixed layer on."""
        layers = votes.first_layer + np.arange(votes.margin.shape[1])
        return np.broadcast_to(layers >= self.layer, votes.margin.shape)

    def exit_layers(self, votes: Votes) -> np.ndarray:
        """Return the exit layer of every example, int64 (example,)."""
        return np.full(len(votes.predicted), self.layer, dtype=np.int64)

    def should_exit(self, layer: int, margin: float) -> bool:
        """Return whether to stop when ``layer`` has voted with ``margin``."""
        return layer >= self.layer


@dataclass(frozen=True)
class MarginPolicy:
    """Stop at the first layer whose vote is clear enough."""

    threshold: float
    """Smallest margin, from 0 to 1, that counts as clear: the winner's share of the vote minus the runner-up's."""

    def exit_mask(self, votes: Votes) -> np.ndarray:
        """Return bool (example, layer): where the margin reaches the threshold. A NaN margin never does."""
        return votes.margin >= self.threshold

    def exit_layers(self, votes: Votes) -> np.ndarray:
        """Return the exit layer of every example.

        Parameters
        ----------
        votes : Votes
            By layer.

        Returns
        -------
        np.ndarray
            int64 (example,): the first layer with a margin of at least ``threshold``, or the last layer when there is none.
            A NaN margin never stops.
        """
        return _stops(self.exit_mask(votes))[0] + votes.first_layer

    def should_exit(self, layer: int, margin: float) -> bool:
        """Return whether to stop when ``layer`` has voted with ``margin``."""
        return bool(margin >= self.threshold)

    @classmethod
    def calibrated(cls, votes: Votes, labels: np.ndarray, loss: float = 0.01) -> MarginPolicy:
        """Return the policy that stops soonest while staying accurate on a calibration split.

        Parameters
        ----------
        votes : Votes
            Of the calibration split, which must not be the test split.
        labels : np.ndarray
            int64 (example,).
        loss : float
            How much accuracy, as a fraction, may be given up against the best threshold.
        """
        thresholds = np.unique(np.append(votes.margin[np.isfinite(votes.margin)], [0.0, 1.0]))
        layers = np.stack([cls(float(threshold)).exit_layers(votes) for threshold in thresholds])
        accuracy = (votes.predicted[np.arange(len(labels)), layers - votes.first_layer] == labels).mean(axis=1)
        good = np.flatnonzero(accuracy >= accuracy.max() - loss)
        return cls(float(thresholds[good[np.argmin(layers[good].mean(axis=1))]]))


@dataclass(frozen=True, eq=False)
class Certificate:
    """What the calibration images said about every threshold."""

    risk: Risk
    level: float
    """The largest acceptable risk, a fraction."""
    confidence: float
    n: int
    """Calibration images."""
    threshold: Float[np.ndarray, " rung"]
    """float64 (rung,): margins, in the order they were tested."""
    losses: Int[np.ndarray, " rung"]
    """int64 (rung,): calibration images that went wrong."""
    p_value: Float[np.ndarray, " rung"]
    """float64 (rung,): of the hypothesis that the risk is above the level."""
    upper: Float[np.ndarray, " rung"]
    """float64 (rung,): one-sided Clopper-Pearson bound of the risk, for each threshold alone."""
    certified: Bool[np.ndarray, " rung"]
    """bool (rung,): rejected, and so were all before it."""
    mean_layer: Float[np.ndarray, " rung"]
    """float64 (rung,): average exit layer, the last one where the full model answered; NaN without images."""


@dataclass(frozen=True)
class RiskControlled:
    """Stop at the first layer whose vote is at least as clear as calibration images showed to be safe."""

    threshold: float
    """Smallest margin, from 0 to 1, that counts as clear."""
    certificate: Certificate = field(repr=False, compare=False)

    def exit_mask(self, votes: Votes) -> np.ndarray:
        """Return bool (example, layer): where the margin reaches the threshold. A NaN margin never does."""
        return votes.margin >= self.threshold

    def exit_layers(self, votes: Votes) -> np.ndarray:
        """Return the exit layer of every example, int64 (example,); the last one where the full model answers."""
        return MarginPolicy(self.threshold).exit_layers(votes)

    def should_exit(self, layer: int, margin: float) -> bool:
        """Return whether to stop when ``layer`` has voted with ``margin``."""
        return bool(margin >= self.threshold)

    @property
    def sentence(self) -> str:
        """What was certified, for people."""
        seen = self.certificate
        losses = int(seen.losses[seen.certified][-1])
        return (
            f"The model stops at the first block whose vote margin reaches {self.threshold:g}. The result {_went_wrong(seen.risk)} "
            f"on {losses:,} of {seen.n:,} calibration images, which shows with {seen.confidence:.0%} confidence that it does on at "
            f"most {percent(seen.level)} of images like these."
        )

    @classmethod
    def calibrated(
        cls,
        votes: Votes,
        full: np.ndarray,
        level: float = 0.05,
        labels: np.ndarray | None = None,
        confidence: float = 0.95,
        grid: Sequence[float] = GRID,
    ) -> RiskControlled | FullModel:
        """Return the boldest policy whose risk is shown to stay below ``level``.

        Parameters
        ----------
        votes : Votes
            Of the calibration images, which must have had no part in finding the voters and must not be the test images.
        full : np.ndarray
            int64 (example,): the full model's answers; -1 where an answer named no class.
        level : float
            The largest acceptable risk, in (0, 1).
        labels : np.ndarray, optional
            int64 (example,): given, the risk is an error of the final answer; otherwise a disagreement with the full model, which
            is 0 wherever the full model answers.
        confidence : float
            In (0, 1): how sure to be, over the draw of the calibration images.
        grid : sequence of float
            Margins to try, in this order. Must not depend on the calibration images.

        Returns
        -------
        RiskControlled or FullModel
            `FullModel` when not even the first threshold could be certified; it says why, and how many images would be needed.

        Raises
        ------
        UserError
            For a level or confidence outside (0, 1), an empty grid, or answers that are not one per image.

        Notes
        -----
        Learn then Test with fixed-sequence testing and exact binomial p-values; sources in the module's docstring. With probability
        ``confidence`` over calibration images drawn like the later ones, the risk is at most ``level``, for any number of images.
        """
        check_level(level, confidence)
        thresholds = np.asarray(grid, dtype=np.float64)
        if not len(thresholds):
            raise UserError("There is no margin to try.", "The grid is empty.", "Give at least one margin, for example 1.0.")
        lost = losses(votes, full, thresholds, labels)
        counts, n = lost.sum(axis=0), len(lost)
        certificate = Certificate(
            "disagreement" if labels is None else "error",
            level,
            confidence,
            n,
            thresholds,
            counts,
            p_values(counts, n, level),
            upper_bounds(counts, n, confidence),
            certified(counts, n, level, confidence),
            mean_layers(votes, thresholds),
        )
        good = np.flatnonzero(certificate.certified)
        return cls(float(thresholds[good[-1]]), certificate) if len(good) else FullModel(certificate)


@dataclass(frozen=True)
class FullModel:
    """Never stop: what is left when no early exit could be shown to be safe. Its risk of disagreement is 0."""

    certificate: Certificate = field(repr=False, compare=False)

    def exit_mask(self, votes: Votes) -> np.ndarray:
        """Return bool (example, layer), all False."""
        return np.zeros(votes.margin.shape, dtype=bool)

    def exit_layers(self, votes: Votes) -> np.ndarray:
        """Return the last layer for every example, int64 (example,)."""
        return _stops(self.exit_mask(votes))[0] + votes.first_layer

    def should_exit(self, layer: int, margin: float) -> bool:
        """Return False."""
        return False

    @property
    def images_needed(self) -> int | None:
        """How many calibration images would certify the most cautious threshold if it went wrong as often as seen here.

        None when it went wrong too often for any number of images, or for a million.
        """
        seen = self.certificate
        return images_needed(seen.level, seen.confidence, seen.losses[0] / seen.n if seen.n else 0.0)

    @property
    def sentence(self) -> str:
        """Why nothing was certified and what would help, for people."""
        seen, whole = self.certificate, "Every image runs through the whole model."
        lost, goal = int(seen.losses[0]), f"with {seen.confidence:.0%} confidence that it does on at most {percent(seen.level)}"
        count = f"{lost:,} of {seen.n:,} calibration images"
        fact = f"stopping at a margin of {seen.threshold[0]:g}, the result {_went_wrong(seen.risk)} on {count}"
        if self.images_needed is None:
            return f"No early exit is allowed: {fact}, too often for {percent(seen.level)}. Allow a higher risk. {whole}"
        if lost == 0:
            few = f"{seen.n:,} calibration images are too few" if seen.n else "there are no calibration images"
            return (
                f"No early exit is allowed: {few} to show {goal}, even if it never {_went_wrong(seen.risk)}; "
                f"{self.images_needed:,} would be needed. {whole}"
            )
        return (
            f"No early exit is allowed: {fact}, which does not show {goal}. If that share holds, about {self.images_needed:,} "
            f"calibration images would. {whole}"
        )


def losses(votes: Votes, full: np.ndarray, thresholds: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
    """Return which examples go wrong at each threshold.

    Parameters
    ----------
    votes : Votes
    full : np.ndarray
        int64 (example,): the full model's answers.
    thresholds : np.ndarray
        float (rung,): margins.
    labels : np.ndarray, optional
        int64 (example,).

    Returns
    -------
    np.ndarray
        bool (example, rung). Without labels: stopped early with another answer than the full model's. With labels: the final answer
        (the vote's where stopped early, the full model's elsewhere) is not the label.

    Raises
    ------
    UserError
        When there is not one answer, or label, per example.
    """
    for what, given in (("answers of the full model", full), ("labels", labels)):
        if given is not None and len(given) != len(votes.predicted):
            raise UserError(
                f"There are {len(given)} {what} for {len(votes.predicted)} images.", "Each image needs one.", "Give one for each."
            )
    full = np.asarray(full)
    truth = full if labels is None else np.asarray(labels)
    lost = np.empty((len(full), len(thresholds)), dtype=bool)
    for rung, threshold in enumerate(thresholds):
        lost[:, rung] = _answers(votes.margin >= threshold, votes.predicted, full) != truth
    return lost


def _stops(exit_mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the position on the layer axis where each example stops, int64, the last one if nowhere; whether it stopped, bool."""
    n, depth = exit_mask.shape
    stopped = exit_mask.any(axis=1)
    return np.where(stopped, exit_mask.argmax(axis=1) if depth else np.zeros(n, np.int64), depth - 1), np.asarray(stopped)


def _answers(exit_mask: np.ndarray, predicted: np.ndarray, full: np.ndarray) -> np.ndarray:
    """Return the final answer of each example, int64: the vote's where it stopped, the full model's elsewhere."""
    position, stopped = _stops(exit_mask)
    return np.where(stopped, predicted[np.arange(len(full)), position], full) if exit_mask.shape[1] else full


def mean_layers(votes: Votes, thresholds: np.ndarray) -> np.ndarray:
    """Return the average exit layer at each threshold, float64 (rung,), the last one where the full model answers; NaN without
    examples.
    """
    if not len(votes.margin):
        return np.full(len(thresholds), np.nan)
    return np.array([MarginPolicy(float(threshold)).exit_layers(votes).mean() for threshold in thresholds])


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a policy did with some images."""

    predicted: Int[np.ndarray, " example"]
    """int64 (example,): the vote's answer where it stopped, the full model's elsewhere."""
    layer: Int[np.ndarray, " example"]
    """int64 (example,): the exit layer; the last one where the full model answered."""
    stopped: Bool[np.ndarray, " example"]
    """bool (example,): whether the vote answered."""
    risk: Interval
    """Fraction that went wrong, with its two-sided Clopper-Pearson interval."""
    mean_layer: float
    """Average of ``layer``; NaN without images."""
    milliseconds: float
    """Expected per image, from the latency of every exit; NaN when latencies are not known."""
    speedup: float
    """Full model's latency over the expected one; NaN when latencies are not known."""


def outcome(
    policy: Policy,
    votes: Votes,
    full: np.ndarray,
    labels: np.ndarray | None = None,
    layer_ms: np.ndarray | None = None,
    full_ms: float = np.nan,
) -> Outcome:
    """Let a policy decide images whose votes and full answers are known.

    Parameters
    ----------
    policy : Policy
    votes : Votes
    full : np.ndarray
        int64 (example,): the full model's answers, taken where the policy stops nowhere.
    labels : np.ndarray, optional
        int64 (example,): given, the risk is an error; otherwise a disagreement with the full model.
    layer_ms : np.ndarray, optional
        float (layer,): milliseconds of an exit at each layer of the votes.
    full_ms : float
        Milliseconds of the full model's answer.
    """
    full = np.asarray(full)
    exit_mask = policy.exit_mask(votes)
    answer = _answers(exit_mask, votes.predicted, full)
    position, stopped = _stops(exit_mask)
    lost, n = int((answer != (full if labels is None else labels)).sum()), len(full)
    milliseconds = np.nan
    if layer_ms is not None and n:
        exit_ms = np.asarray(layer_ms, dtype=np.float64)[position]
        milliseconds = float(np.where(stopped, exit_ms, full_ms).mean())
    layer = position + votes.first_layer
    mean = float(layer.mean()) if n else np.nan
    return Outcome(answer, layer, stopped, exact_interval(lost, n), mean, milliseconds, full_ms / milliseconds)


@dataclass(frozen=True, eq=False)
class Trial:
    """A policy chosen on calibration images, and what it did with test images."""

    policy: RiskControlled | FullModel
    outcome: Outcome
    """Of the test images."""
    test_risk: Float[np.ndarray, " rung"]
    """float64 (rung,): of every threshold on the test images; NaN without any."""
    test_layer: Float[np.ndarray, " rung"]
    """float64 (rung,): average exit layer on the test images."""
    last_layer: int
    """Which layer is the whole model."""

    @property
    def sentence(self) -> str:
        """The choice and what it came to on the test images, for people."""
        seen = self.outcome
        if not seen.risk.n:
            return self.policy.sentence
        speed = f", {seen.speedup:.2f} times as fast as the full model" if np.isfinite(seen.speedup) else ""
        return (
            f"{self.policy.sentence} On {seen.risk.n:,} test images: {percent(seen.risk.value)} "
            f"({percent(seen.risk.low)} to {percent(seen.risk.high)}), exit layer {seen.mean_layer:.1f} of {self.last_layer} on "
            f"average{speed}."
        )


def try_out(
    policy: RiskControlled | FullModel,
    votes: Votes,
    full: np.ndarray,
    labels: np.ndarray | None = None,
    layer_ms: np.ndarray | None = None,
    full_ms: float = np.nan,
) -> Trial:
    """Measure a calibrated policy on test images; parameters as for `outcome`. ``labels`` are looked at for errors only."""
    labels = labels if policy.certificate.risk == "error" else None
    lost = losses(votes, full, policy.certificate.threshold, labels)
    risk = lost.mean(axis=0) if len(lost) else np.full(lost.shape[1], np.nan)
    result = outcome(policy, votes, full, labels, layer_ms, full_ms)
    last = votes.first_layer + votes.margin.shape[1] - 1
    return Trial(policy, result, risk, mean_layers(votes, policy.certificate.threshold), last)


def trial_of_run(
    run: RunRecord,
    level: float = 0.05,
    risk: Risk = "disagreement",
    calibration: float = 0.5,
    confidence: float = 0.95,
    seed: int = 0,
) -> Trial:
    """Split a run's test images in two, choose the policy on one part and measure it on the other.

    Where test examples share a picture or a group, one of each group is drawn first: what is certified rests on independent images.

    Parameters
    ----------
    run : Run
        With the baseline "full-model" among its comparisons.
    level : float
        The largest acceptable risk, in (0, 1).
    risk : str
        "disagreement" with the full model, or "error" against the labels.
    calibration : float
        Fraction of the test images to calibrate on, in (0, 1).
    confidence : float
    seed : int
        Of the split.

    Raises
    ------
    UserError
        When the run did not ask the full model, when its answers cannot be read and it was not calibrated,
        or for an unknown risk or a fraction outside (0, 1).
    """
    if risk not in RISKS:
        raise UserError(f"There is no risk called {risk!r}.", f"There are: {', '.join(RISKS)}.", "Choose one of these.")
    if not 0 < calibration < 1:
        raise UserError(f"A calibration share of {calibration:g} is not possible.", "It lies between 0 and 1.", "Use 0.5.")
    full, full_ms = _answers_of_full_model(run)
    order = np.random.default_rng(seed).permutation(one_of_each(group_index(run.test), seed))
    split = round(calibration * len(order))
    first, second = np.sort(order[:split]), np.sort(order[split:])
    labels = run.test.labels
    policy = RiskControlled.calibrated(
        rows_of(run.votes, first), full[first], level, labels[first] if risk == "error" else None, confidence
    )
    layer_ms = np.array([row.latency_ms for row in run.by_layer])
    return try_out(policy, rows_of(run.votes, second), full[second], labels[second], layer_ms, full_ms)


def _answers_of_full_model(run: RunRecord) -> tuple[np.ndarray, float]:
    """Return the class that the full model answers for every test image, int64 (example,), and its milliseconds.

    Where it cannot be told what its words mean these are the calibrated model's: words that nobody can read contradict nothing.
    """
    named = {method.name: method for method in run.baselines}
    cannot = "This run cannot say when an early answer is as good as the full model's."
    if FULL_MODEL not in named:
        raise UserError(cannot, "The full model was not asked.", f"Find again and compare with {FULL_MODEL!r}.")
    if run.answer_key is None or run.answer_key.known:
        return named[FULL_MODEL].predicted, run.latency_ms.get("full_model", np.nan)
    if CALIBRATED not in named:
        hint = f"Say what each class is answered with, or find again and compare with {CALIBRATED!r}."
        raise UserError(cannot, "It cannot be told what the full model's answers mean.", hint)
    return named[CALIBRATED].predicted, named[CALIBRATED].latency_ms


def rows_of(votes: Votes, index: np.ndarray) -> Votes:
    """Return the votes of the examples at ``index``, int (n,)."""
    return replace(votes, tally=votes.tally[index], predicted=votes.predicted[index], margin=votes.margin[index])


@dataclass(frozen=True, eq=False)
class Decided:
    """One image, decided while the model was running."""

    class_index: int
    """-1 when the full model's first token names no class."""
    layer: int
    """The last that ran; every block ran once."""
    stopped: bool
    """Whether the vote answered; otherwise the full model did, out of the same pass."""
    tally: Float[np.ndarray, "layer class"]
    """float32 (layer, class): the vote after every block that ran."""
    seconds: float
    """From prepared inputs to the answer, voting included."""
    logits: Float[np.ndarray, " vocabulary"] | None
    """float32 (vocabulary,) of the full model's first token; None when stopped."""
    token: str
    """The full model's first token; "" when stopped."""


def decide_stream(
    vlm: Vlm,
    inputs: Inputs,
    policy: Policy,
    voters: Sequence[Stumps],
    neurons: Neurons,
    classes: Sequence[str],
    question: str = "",
    weighting: str = "majority",
    dtype: Any = np.float16,
    key: AnswerKey | None = None,
) -> Decided:
    """Run one image block by block until the policy exits; nothing that was computed is computed again.

    Parameters
    ----------
    vlm : Vlm
    inputs : dict
        From ``vlm.prepare``, one example.
    policy : Policy
    voters : sequence of Stumps
        The super neurons of every exit layer, in the order of ``neurons.layers``.
    neurons : Neurons
        Those that the voters' columns count in.
    classes : sequence of str
    question : str
        To tell which class "yes" stands for.
    weighting : str
        As for `sn_viz.voting.classifier.vote`.
    dtype : type
        Of the activations that the thresholds were fitted on.
    key : AnswerKey, optional
        What each class is answered with; by default what names and question tell.

    Returns
    -------
    Decided
        When every block's vote is refused, the pass goes on through the last norm and the LM head, and the greedy first token is
        read as the full model's answer. Answers whose class needs a second token have to be generated.
    """
    from sn_viz.activations.reader import BlockReading, stream_layers
    from sn_viz.baselines.answers import parse_answer
    from sn_viz.voting.classifier import votes_by_layer

    if len(inputs["input_ids"]) != 1:
        raise ValueError(f"decide_stream decides one example at a time; {len(inputs['input_ids'])} were given")
    values = np.zeros((1, len(neurons)), dtype=dtype)
    said: list[Votes] = []

    def listen(reading: BlockReading) -> bool:
        start, end = neurons.up_to(reading.layer - 1), neurons.up_to(reading.layer)
        values[:, start:end] = reading.values
        here = voters[reading.layer - neurons.layers.start]
        said.append(votes_by_layer(values, [here], len(classes), weighting, reading.layer))
        return policy.should_exit(reading.layer, float(said[-1].margin[0, 0]))

    stream = stream_layers(vlm, inputs, neurons.site_names, listen)
    tally, last = np.concatenate([votes.tally[0] for votes in said]), stream.blocks[-1].layer
    if stream.logits is None:
        return Decided(int(said[-1].predicted[0, 0]), last, True, tally, stream.seconds, None, "")
    token = vlm.tokenizer.decode([int(stream.logits[0].argmax())])
    return Decided(parse_answer(token, classes, question, key), last, False, tally, stream.seconds, stream.logits[0], token)


def _went_wrong(risk: Risk) -> str:
    return "contradicted the full model" if risk == "disagreement" else "was wrong"
