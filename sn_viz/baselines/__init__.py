"""Other methods, on the very same images as the super neurons: one file each, under the name users see.

Takes a ``Context`` (the model, both splits and their activations); returns a ``Baseline``. Knows nothing about super neurons.

To add one, copy a neighbour: a function ``run(context) -> Baseline`` under ``@BASELINES.register("name")``. Its docstring is shown
in the app. Everything it fits or chooses comes from ``context.train``; ``context.test`` is only predicted. One that reads sites of
its own says so with ``@reads("site")``: they are then read in the same pass as the neurons and wait in the cache. One that leaves
the model alone says so with ``@without_model``, and runs beside those that do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sn_viz.baselines.answers.key import answer_key
from sn_viz.groups import group_index
from sn_viz.latency import median_milliseconds
from sn_viz.matrix import read_columns
from sn_viz.progress import part, silent
from sn_viz.registry import Registry
from sn_viz.types import Activations, AnswerKey, Baseline, Interval, LabelledImages, Neurons, Picture, Progress
from sn_viz.voting.statistics import accuracy_interval

if TYPE_CHECKING:
    from sn_viz.activations.store import Store
    from sn_viz.models import Vlm

LabelOf = Callable[[tuple[Picture, str]], object]
"""From one decoded picture and its question to a label."""
N_TIMED = 5
"""How many test images the latency of a method is the median of."""


class Residual(Sequence[tuple[np.ndarray, np.ndarray]]):
    """The residual stream after each layer, (probing, test), each copied out of all values when it is asked for.

    Parameters
    ----------
    train, test : float16 or float32 (example, neuron)
    columns : sequence of int (unit,)
        Of each layer.
    """

    def __init__(self, train: np.ndarray, test: np.ndarray, columns: Sequence[np.ndarray]) -> None:
        self._sides, self._columns = (train, test), columns

    def __len__(self) -> int:
        return len(self._columns)

    def __getitem__(self, index: Any) -> Any:
        seen, unseen = (read_columns(side, self._columns[index]).astype(np.float32) for side in self._sides)
        return seen, unseen


@dataclass(frozen=True, eq=False)
class Context:
    """What a baseline may look at."""

    vlm: Vlm
    train: LabelledImages
    test: LabelledImages
    train_values: np.ndarray
    """float16 or float32 (example, neuron) of the probing split."""
    test_values: np.ndarray
    """float16 or float32 (example, neuron) of the test split."""
    neurons: Neurons
    seed: int = 0
    progress: Progress = silent
    """Called with fractions of this baseline alone."""
    cache: Store | None = None
    """Where activations are kept."""
    answer_key: AnswerKey | None = None
    """What each class is answered with, where more is known of it than names and questions tell."""
    to_time: list[LabelOf] | None = None
    """Takes what `latency_ms` was given, for whoever times all methods in turns later; without it that is timed at once."""

    @cached_property
    def key(self) -> AnswerKey:
        """What each class is answered with; the one mapping for written answers, logits and training targets."""
        return self.answer_key or answer_key(self.train.classes, self.train.questions, rule=self.train.answer_rule)

    @property
    def n_classes(self) -> int:
        return len(self.train.classes)

    @cached_property
    def groups(self) -> np.ndarray:
        """Which probing examples belong together, int64 (example,): folds and images held back are drawn by whole groups."""
        return group_index(self.train)

    @cached_property
    def test_groups(self) -> np.ndarray:
        """Which test examples belong together, int64 (example,)."""
        return group_index(self.test)

    @cached_property
    def residual(self) -> Residual:
        """The residual stream after each layer, layer 1 first: (probing, test), float32 (example, unit) each.

        Read from the run's own activations; extracted afresh only when the run left the residual site out.
        """
        train, test, neurons = self.train_values, self.test_values, self.neurons
        if "residual" not in neurons.site_names:
            seen, unseen = self.read(("residual",))
            train, test, neurons = seen.values, unseen.values, seen.neurons
        layers = range(1, neurons.n_layers + 1)
        columns = [np.flatnonzero((neurons.layer == l) & (neurons.site == neurons.site_names.index("residual"))) for l in layers]
        return Residual(train, test, columns)

    def read(self, sites: Sequence[str]) -> tuple[Activations, Activations]:
        """Return what the probing and the test images show at ``sites``: from the cache, where they were read with the neurons."""
        from sn_viz.activations.extract import extract

        half = len(self.train) / (len(self.train) + len(self.test))
        spans = (self.train, 0.0, half), (self.test, half, 1.0)
        seen, unseen = (
            extract(self.vlm, split, sites=sites, progress=part(self.progress, start, stop), cache=self.cache)
            for split, start, stop in spans
        )
        return seen, unseen

    def accuracy(self, predicted: np.ndarray) -> Interval:
        """Return the share of test images whose label is ``predicted`` (int (example,)), with its interval; NaN without any."""
        return accuracy_interval(predicted == self.test.labels, self.test_groups)

    def latency_ms(self, label_of: LabelOf) -> float:
        """Return the median milliseconds of ``label_of((picture, question))`` over a few images, of the test where it has any.

        NaN where it is left to be timed later (``to_time``).
        """
        if self.to_time is not None:
            self.to_time.append(label_of)
            return float("nan")
        timed = self.test if len(self.test) else self.train
        shown = [picture.decoded() for picture in timed.pictures[:N_TIMED]]
        return median_milliseconds(label_of, list(zip(shown, timed.questions[:N_TIMED], strict=True)))


BASELINES: Registry[Callable[[Context], Baseline]] = Registry("baseline", "sn_viz.baselines")


def reads(*sites: str) -> Callable[[Callable[[Context], Baseline]], Callable[[Context], Baseline]]:
    """Return a decorator that notes which sites a baseline reads, whatever the search reads."""

    def note(run: Callable[[Context], Baseline]) -> Callable[[Context], Baseline]:
        setattr(run, "sites", sites)  # noqa: B010 - a function has no such attribute for a type checker
        return run

    return note


def without_model(run: Callable[[Context], Baseline]) -> Callable[[Context], Baseline]:
    """Note that a baseline computes with what was read, so that it can run beside one that lets the model look again.

    What of it was not read with the neurons it has read first, as ``Context.residual`` does; passes wait for one another.
    """
    setattr(run, "without_model", True)  # noqa: B010 - a function has no such attribute for a type checker
    return run


def needs_model(name: str) -> bool:
    """Return whether the named baseline does more than compute with what was read."""
    return not getattr(BASELINES[name], "without_model", False)


def sites_read_by(names: Sequence[str]) -> tuple[str, ...]:
    """Return the sites that the named baselines read, each once."""
    return tuple(dict.fromkeys(site for name in names for site in getattr(BASELINES[name], "sites", ())))
