"""A policy tried on images whose votes and full answers are known: how often it goes wrong, how deep it stops, how fast it is.

Takes a policy and votes, or a finished run whose test images are split into calibration and test; returns what came of it. It
runs no model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from sn_viz.early_exit.certificates import exact_interval
from sn_viz.early_exit.policies import Policy, final_answers, first_exits, rows_of
from sn_viz.early_exit.risk_control import RISKS, FullModel, Risk, RiskControlled, losses, mean_layers
from sn_viz.errors import UserError
from sn_viz.formatting import percent
from sn_viz.groups import group_index, one_of_each
from sn_viz.types import Interval, RunRecord, Votes

FULL_MODEL, CALIBRATED = "full-model", "full-model-calibrated"
"""The name of the baseline whose answers disagreement is measured against."""


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
    answer = final_answers(exit_mask, votes.predicted, full)
    position, stopped = first_exits(exit_mask)
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
