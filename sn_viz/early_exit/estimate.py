"""How long a run will take, measured before it begins, and a cheaper way to have it.

Takes a loaded model, the pictures and what will be done with them; passes over one of them, as often as a clock needs, and returns
what all of it will take. It knows nothing about what is found.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sn_viz.activations.extract import n_unread
from sn_viz.activations.reader import get_ready, truncated_forward
from sn_viz.activations.store import Store
from sn_viz.models.detail import applied
from sn_viz.models.vlm import Vlm
from sn_viz.types import LabelledImages, Picture

LONG = 30.0
"""Seconds from which a run's time is said beforehand."""
FEW = 3
"""Pictures that are timed, less where one alone takes long."""
ENOUGH = 2.0
"""Seconds after which no further picture is timed."""
SHORT = 5e9
"""Weights times passes of a run that takes seconds anywhere: it is not measured."""
TIMING = 8
"""Passes that measure latencies, at least: answer, first token, chosen and last exit, each unmeasured and once by the clock."""
ANSWERING = {"full-model": (0, 1), "full-model-calibrated": (1, 1)}
"""Baselines that let the whole model look again: how often at each probing and each test picture."""


@dataclass(frozen=True)
class Estimate:
    """What a run will take."""

    reading: int
    """Pictures to be read, those in the cache left out."""
    answering: int
    """Pictures that other methods let the model answer."""
    timing: int
    """Passes that measure latencies."""
    seconds_each: float
    """Measured on the first pictures of this run."""
    cheaper_each: float | None = None
    """The same at low detail; None where there is none, or it is low already."""

    @property
    def seconds(self) -> float:
        """Of the whole run, but for what does not run the model."""
        return self.passes * self.seconds_each

    @property
    def passes(self) -> int:
        """All passes together."""
        return self.reading + self.answering + self.timing

    @property
    def is_long(self) -> bool:
        """Whether it is worth a word beforehand."""
        return self.seconds > LONG

    @property
    def cheaper(self) -> str:
        """Say what takes less, and how long that takes."""
        if self.cheaper_each is not None and self.cheaper_each < self.seconds_each:
            return f"with --detail low about {spoken(self.passes * self.cheaper_each)}"
        if self.answering:
            return f"with --compare none about {spoken((self.reading + self.timing) * self.seconds_each)}"
        return "half the pictures take half as long"

    @property
    def sentence(self) -> str:
        """Say what the run will take, of what that is made, and what takes less."""
        made_of = {"read": self.reading, "answered": self.answering}
        parts = [f"{n:,} pictures {done}" for done, n in made_of.items() if n] + [f"{self.timing:,} passes timed"]
        each = f"{self.seconds_each:.2g} s each, as measured on the first"
        return f"This run takes about {spoken(self.seconds)}: {', '.join(parts)}, {each}; {self.cheaper}."

    @property
    def short(self) -> str:
        """The same in a few words, for beside a bar."""
        return f"about {spoken(self.seconds)} in all; {self.cheaper}"


def estimate(
    vlm: Vlm,
    train: LabelledImages,
    test: LabelledImages,
    sites: str | Sequence[str] = "all",
    compare: Sequence[str] = (),
    cache: Store | None = None,
    answered: int = 0,
) -> Estimate | None:
    """Measure a few pictures of a run, and return what the whole will take.

    Parameters
    ----------
    vlm : Vlm
    train, test : LabelledImages
    sites : str or sequence of str
        What is read.
    compare : sequence of str
        Names of baselines.
    cache : Store, optional
        What it holds takes no time.
    answered : int
        Of the test pictures, those whose written answer is kept.

    Returns
    -------
    Estimate or None
        Where the model, looking closely, takes long, the same pictures are timed at low detail too. None for a run that takes
        seconds anywhere.
    """
    reading = sum(n_unread(vlm, split, sites, cache) for split in (train, test) if len(split))
    often = [ANSWERING.get(name, (0, 0)) for name in compare if len(test)]
    answering = sum(first * len(train) + second * len(test) for first, second in often) - answered
    if vlm.n_weights * (reading + answering + TIMING) < SHORT:
        return None
    examples = list(zip(train.pictures, train.questions, strict=True))[:FEW]
    get_ready(vlm, sites)
    each = _seconds(vlm, examples)
    found = Estimate(reading, answering, TIMING, each)
    if not found.is_long or not vlm.look.matters or vlm.look.level == "low":
        return found
    with vlm.lock, applied(vlm.look.changes):
        return Estimate(reading, answering, TIMING, each, _seconds(vlm, examples, plainly=True))


def spoken(seconds: float) -> str:
    """Return a time for people.

    Examples
    --------
    >>> spoken(41), spoken(400), spoken(7200)
    ('41 s', '7 minutes', '2 hours')
    """
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    if seconds < 100 * 60:
        return f"{round(seconds / 60)} minutes"
    return f"{seconds / 3600:.2g} hours"


def _seconds(vlm: Vlm, examples: Sequence[tuple[Picture, str]], plainly: bool = False) -> float:
    """Return the seconds of a pass over one picture, the least of a few; ``plainly`` uses nothing that is remembered of prompts."""
    taken: list[float] = []
    for picture, question in examples:
        start = time.perf_counter()
        if plainly:
            vlm.logits_of(vlm.prepare_anew([picture], [question]))
        else:
            truncated_forward(vlm, vlm.prepare([picture], [question]), vlm.n_layers)
        taken.append(time.perf_counter() - start)
        if sum(taken) > ENOUGH:
            break
    return min(taken)
