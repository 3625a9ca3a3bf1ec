"""What may be asked of a finished run that needs its model again: one file each, under the name users type.

Takes a ``Run``, its model and ``Options``; returns the run with one more entry in ``findings``, plain JSON values that are saved
with it. Figures in ``sn_viz.plots`` show them. To add a check, copy a neighbour: app and command line find it by its registration.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from sn_viz.early_exit.decide import check_model
from sn_viz.errors import UserError
from sn_viz.progress import part, silent
from sn_viz.registry import Registry
from sn_viz.storage.lighter import check_has_pictures
from sn_viz.types import LabelledImages, Progress, RunRecord

if TYPE_CHECKING:
    from sn_viz.models import Vlm

AnyRun = TypeVar("AnyRun", bound=RunRecord)
WORDINGS = (
    "Look at the picture. {question}",
    "{question} Answer briefly.",
    "Please tell me: {question}",
    "I am not sure. {question} Thank you.",
)
"""The same question in other words, when a person gives none."""
MOST_WORDINGS = 8
MOST_IMAGES = 500


@dataclass(frozen=True)
class Options:
    """What a person may choose."""

    wordings: tuple[str, ...] = WORDINGS
    """Each a question, or words around ``{question}``."""
    strength: float = 0.5
    """How much pictures are changed, from 0 (not) to 1."""
    n_images: int = 100
    """Test images asked about, at most."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise UserError(f"A strength of {self.strength:g} is not offered.", "It lies between 0 and 1.", "Choose 0.5.")
        if not 1 <= self.n_images <= MOST_IMAGES:
            raise UserError(f"{self.n_images} images are not offered.", f"It may be 1 to {MOST_IMAGES}.", "Choose 100.")
        if not 1 <= len(self.wordings) <= MOST_WORDINGS:
            raise UserError(
                f"{len(self.wordings)} wordings were given.",
                f"There may be 1 to {MOST_WORDINGS}.",
                "Write one a line; {question} stands for the question itself.",
            )


@dataclass(frozen=True)
class Check:
    """One kind of question to a finished run."""

    title: str
    """What it answers, in a few words."""
    ask: Callable[[RunRecord, Vlm, Options, Progress], dict[str, Any]]
    """Returns plain JSON values, with a ``sentence`` for people."""


CHECKS: Registry[Check] = Registry("check", __name__)


def examine(run: AnyRun, names: Sequence[str], vlm: Vlm, options: Options | None = None, progress: Progress = silent) -> AnyRun:
    """Ask a run the named checks, one after the other.

    Parameters
    ----------
    run : Run
    names : sequence of str
        Names of ``CHECKS``.
    vlm : Vlm
        The run's own model.
    options : Options, optional
    progress : callable
        May raise ``Cancelled``; the run is then as it was.

    Returns
    -------
    The same kind of run
        With its findings.

    Raises
    ------
    UserError
        For an unknown check, another model, or a run that a check cannot be asked of.
    """
    checks = [CHECKS[name] for name in names]
    check_has_pictures(run)
    check_model(run, vlm)
    if not len(run.test):
        raise UserError("This run cannot be put to the test.", run.no_held_out, "Find again with images to test on.")
    found = {
        name: check.ask(run, vlm, options or Options(), part(progress, i / len(names), (i + 1) / len(names)))
        for i, (name, check) in enumerate(zip(names, checks, strict=True))
    }
    return replace(run, findings={**run.findings, **found})


def sample(images: LabelledImages, n: int, seed: int) -> LabelledImages:
    """Return at most ``n`` labelled images, as many of each class as can be, always the same for a seed."""
    rng = np.random.default_rng(seed)
    known = np.flatnonzero(images.labels >= 0)
    order = known[rng.permutation(len(known))]
    turn = np.empty(len(order), int)
    for label in range(len(images.classes)):
        of_class = images.labels[order] == label
        turn[of_class] = np.arange(of_class.sum())
    return images.take(np.sort(order[np.argsort(turn, kind="stable")][:n]))
