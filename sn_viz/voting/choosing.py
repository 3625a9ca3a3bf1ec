"""Which committee votes, where nobody says which: the one that names left-out probing pictures best.

Takes values, labels and neurons; returns one of the committees with a name and what its rivals came to. It never sees a
test picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from sn_viz.formatting import percent
from sn_viz.search.stumps import Search, find_stumps
from sn_viz.types import Neurons, Progress
from sn_viz.voting.named import COMMITTEE_WORDS, COMMITTEES, Committee
from sn_viz.voting.statistics import LeftOut, left_out_committees, standard_error

CANDIDATES = ("64-by-effect-size", "64-by-accuracy", "plain")
"""Names out of ``COMMITTEES``, the most trusted first: the order in which they gained on the choosing tasks (`EXPERIMENTS.md`)."""
MOST_VOTERS = max(COMMITTEES[name].voters for name in CANDIDATES)
EXPECTED = COMMITTEES[CANDIDATES[0]]
"""Votes until it is known which does best: over pictures that are still being read."""
MARGIN = 0.5
"""A committee takes the place of one named before it where it is right more often by so many standard errors of the difference."""


@dataclass(frozen=True, eq=False)
class ChosenCommittee:
    """The committee that votes."""

    name: str
    left_out: LeftOut
    """What left-out examples say about its exit layers."""
    exits: tuple[int, ...]
    """The exit of each of ``CANDIDATES``, from 1: the first column."""
    accuracy: tuple[float, ...]
    """Of each there, on left-out examples; NaN where nothing could be left out. The best of three is a little too good."""
    by_trust: bool
    """Whether the examples were too few to choose by, so that the first of ``CANDIDATES`` votes."""

    @property
    def committee(self) -> Committee:
        """Its parts."""
        return COMMITTEES[self.name]


def choose_committee(
    values: Float[np.ndarray, "example neuron"],
    labels: Int[np.ndarray, " example"],
    neurons: Neurons,
    n_classes: int,
    seed: int = 0,
    progress: Progress | None = None,
    groups: Int[np.ndarray, " example"] | None = None,
    search: Search = find_stumps,
    exit_at: int | None = None,
) -> ChosenCommittee:
    """Choose among ``CANDIDATES`` by cross-validation on the probing examples, each at its own exit layer.

    Parameters
    ----------
    values, labels, neurons, n_classes, seed, progress, groups
        As for `sn_viz.voting.statistics.left_out_layers`.
    search : callable
        Finds the stumps of a fold, those that vote among the best ``MOST_VOTERS`` of every layer among them.
    exit_at : int, optional
        The exit layer, from 1 (the first of the neurons' layers), where it is given: all are then judged there.

    Returns
    -------
    ChosenCommittee
        With fewer than 20 groups of examples, where fifteen votes more or less are luck, the first of ``CANDIDATES``.
    """
    asked = [COMMITTEES[name] for name in CANDIDATES]
    judged = left_out_committees(
        values, np.asarray(labels), neurons, asked, n_classes, seed=seed, progress=progress, groups=groups, search=search
    )
    exits = tuple(one.exit_layer(groups) if exit_at is None else exit_at for one in judged)
    right = [one.right[:, at - 1] for one, at in zip(judged, exits, strict=True)]
    few = bool(len(judged[0].pooled)) or not len(right[0])
    best = 0 if few else _best(right, groups)
    accuracy = tuple(float(one.mean()) if len(one) else np.nan for one in right)
    return ChosenCommittee(CANDIDATES[best], judged[best], exits, accuracy, few)


def _best(right: Sequence[np.ndarray], groups: np.ndarray | None) -> int:
    best = 0
    for at, one in enumerate(right):
        gained = (one - right[best])[:, None]
        if gained.mean() > MARGIN * standard_error(gained, groups)[0] + 1e-9:
            best = at
    return best


def choice_told(chosen: ChosenCommittee, first_layer: int = 1) -> dict[str, Any]:
    """Return what is kept of the choice: every candidate with its exit and its share right, and a sentence."""
    rivals = [
        {"name": name, "exit_layer": exit_at + first_layer - 1, "left_out_accuracy": accuracy}
        for name, exit_at, accuracy in zip(CANDIDATES, chosen.exits, chosen.accuracy, strict=True)
    ]
    if chosen.by_trust:
        why = "It is the usual one: the probing images are too few to choose by."
    else:
        shares = ", ".join(f"{COMMITTEE_WORDS[one['name']]} {percent(one['left_out_accuracy'])}" for one in rivals)
        why = f"It was chosen on the probing images; right about left-out ones: {shares}."
        if chosen.accuracy[CANDIDATES.index(chosen.name)] < max(chosen.accuracy):
            why += " A lead below half a standard error counts for nothing."
    return {"chosen": chosen.name, "candidates": rivals, "by_trust": chosen.by_trust, "why": why}
