"""What the widgets of the run panel say, as the keywords of ``pipeline.find``.

Takes raw widget values, which the browser may forge; returns checked ``Arguments``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sn_viz.activations.sites import SITES, site_names
from sn_viz.baselines import BASELINES
from sn_viz.config import METRIC, RULE, SEED, TEST_SIZE, VOTERS, WEIGHTING, Choice
from sn_viz.errors import UserError
from sn_viz.ui.server.offered import chosen

MAX_QUESTION = 300


@dataclass(frozen=True)
class Arguments:
    """One run's choices, hashable."""

    model: str
    question: str | None = None
    """None keeps the questions of the data."""
    sites: tuple[str, ...] = ()
    """Empty means all those of the language model."""
    rule: str = RULE.default
    metric: str = METRIC.default
    voters: int = VOTERS.default
    weighting: str = WEIGHTING.default
    exit_layer: int | str | None = None
    """From 1, or a name such as "V4"; None chooses it on the probing images."""
    test_size: float = TEST_SIZE.default
    seed: int = SEED.default
    compare: tuple[str, ...] = ("all",)
    answers: tuple[tuple[str, str], ...] = ()
    """(class, its answer) as the user gave them."""

    def keywords(self) -> dict[str, Any]:
        """Return the keywords of ``pipeline.find``."""
        compare = "all" if self.compare == ("all",) else list(self.compare)
        chosen = {"sites": list(self.sites) or "all", "compare": compare, "exit_layer": self.exit_layer or "auto"}
        return {**asdict(self), **chosen, "answers": dict(self.answers)}


def checked(
    models: Mapping[str, str],
    question: str | None,
    model: str,
    sites: list[str],
    rule: str,
    metric: str,
    voters: float,
    weighting: str,
    exit_layer: float | str,
    test_size: float,
    seed: float,
    compare: list[str],
) -> Arguments:
    """Return checked arguments; ``models`` maps what people choose to the name or folder of each model.

    Raises
    ------
    UserError
        For a choice that does not exist, a number out of range or a question that is too long.
    """
    source = chosen(models, model)
    _check_kinds(question, sites, compare)
    question = " ".join((question or "").split())
    if len(question) > MAX_QUESTION:
        raise UserError(
            "The question is too long.", f"It has {len(question)} characters; at most {MAX_QUESTION} are asked.", "Shorten it."
        )
    sites, compare = list(sites or []), list(compare or [])
    read = site_names(str(name) for name in sites)
    for name in compare:
        if name != "all":
            BASELINES[str(name)]
    for choice, name in ((RULE, rule), (METRIC, metric), (WEIGHTING, weighting)):
        choice.check(name)
    return Arguments(
        model=source,
        question=question or None,
        sites=() if read == tuple(SITES.usual()) else read,
        rule=rule,
        metric=metric,
        voters=_whole("voters", voters, *bounds(VOTERS)),
        weighting=weighting,
        exit_layer=_layer(exit_layer),
        test_size=_between("test share", test_size, *bounds(TEST_SIZE)),
        seed=_whole("seed", seed, *bounds(SEED)),
        compare=("all",)
        if set(compare) == set(BASELINES.usual())
        else tuple(name for name in BASELINES.names() if name in compare),
    )


def bounds(choice: Choice) -> tuple[Any, Any]:
    """Return the least and the most that a visitor may ask for."""
    assert choice.visitors is not None
    return choice.visitors


def _check_kinds(question: Any, sites: Any, compare: Any) -> None:
    """Raise a UserError unless a question is a text and choices are lists of texts; the browser may send anything."""
    if not isinstance(question, str | None):
        raise UserError("The question is no text.", f"{str(question)[:30]!r} arrived.", "Write it in words.")
    for what, names in (("sites", sites), ("methods to compare with", compare)):
        if names and not (isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)):
            raise UserError(f"The {what} are no list of names.", f"{str(names)[:30]!r} arrived.", "Choose them again.")


def _layer(typed: Any) -> int | str | None:
    """Return a number, or the name of a block of the vision tower; None for 0, "auto" or nothing. The model may still lack it."""
    text = " ".join(typed.split()).upper() if isinstance(typed, str) else typed
    if text in ("", "AUTO", None):
        return None
    if isinstance(text, str) and re.fullmatch(r"V[0-9]{1,4}", text):
        return text
    number = int(text) if isinstance(text, str) and re.fullmatch(r"[0-9]{1,4}", text) else text
    try:
        return _whole("exit layer", number, 0, 1000) or None
    except UserError as error:
        cause = f"{str(typed)[:30]!r} arrived."
        raise UserError("The exit layer was not understood.", cause, "Use auto, a number such as 3, or V4 in the tower.") from error


def _whole(what: str, value: Any, low: int, high: int) -> int:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or value != value
        or not low <= value <= high
        or value != int(value)
    ):
        raise UserError(f"The {what} must be a whole number.", f"{str(value)[:30]!r} arrived.", f"Use {low} to {high}.")
    return int(value)


def _between(what: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise UserError(f"The {what} must be a number.", f"{str(value)[:30]!r} arrived.", f"Use {low} to {high}.")
    return float(value)
