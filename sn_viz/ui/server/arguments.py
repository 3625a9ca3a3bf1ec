"""What the widgets of the run panel say, as the keywords of ``pipeline.find``.

Takes raw widget values, which the browser may forge; returns checked ``Arguments``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from sn_viz.activations.sites import SITES, site_names
from sn_viz.baselines import BASELINES
from sn_viz.config import (
    ATTN,
    COMMITTEE,
    DETAIL,
    DEVICE_MAP,
    DTYPE,
    LOADING,
    METRIC,
    QUANTIZE,
    RULE,
    SEED,
    TEST_SIZE,
    VOTERS,
    WEIGHTING,
    Choice,
)
from sn_viz.errors import UserError
from sn_viz.models.options import LoadOptions
from sn_viz.ui.server.offered import Offered, chosen
from sn_viz.voting.named import AUTO, Committee

MAX_QUESTION = 300


@dataclass(frozen=True, repr=False)
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
    dtype: str = DTYPE.default
    device_map: str = DEVICE_MAP.default
    quantize: str = QUANTIZE.default
    attn: str = ATTN.default
    detail: str = DETAIL.default
    committee: str = COMMITTEE.default
    """"auto"; else rule, metric, voters and weighting say who votes."""

    @property
    def loading(self) -> LoadOptions:
        """How the model is loaded."""
        return LoadOptions(self.dtype, self.device_map, self.quantize, self.attn, self.detail)

    def __repr__(self) -> str:
        """Return the choices as text, as before there was a choice where it says nothing new, so that keys of runs stay."""
        told = {one.name: getattr(self, one.name) for one in fields(self)}
        usual = {choice.name: choice.default for choice in LOADING} | {"committee": ""}
        shown = (f"{name}={value!r}" for name, value in told.items() if name not in usual or value != usual[name])
        return f"{type(self).__name__}({', '.join(shown)})"

    def keywords(self) -> dict[str, Any]:
        """Return the keywords of ``pipeline.find``."""
        compare = "all" if self.compare == ("all",) else list(self.compare)
        chosen = {"sites": list(self.sites) or "all", "compare": compare, "exit_layer": self.exit_layer or "auto"}
        asked = {**asdict(self), **chosen, "answers": dict(self.answers)}
        if self.committee == AUTO:
            return {name: value for name, value in asked.items() if name not in Committee._fields}
        return asked | {"committee": COMMITTEE.default}


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
    committee: str | None = None,
    *loading: str,
) -> Arguments:
    """Return checked arguments; ``models`` maps what people choose to the name or folder of each model.

    ``committee`` is None where its parts have no name together. ``loading`` are the values of ``config.LOADING`` in order, none for
    the usual ones.

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
    if committee is not None:
        COMMITTEE.check(committee)
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
        committee=AUTO if committee == AUTO else "",
        **_loading(models, loading),
    )


def _loading(models: Mapping[str, str], given: Sequence[Any]) -> dict[str, str]:
    """Return how the model is to be loaded; visitors of a server for others have it as its operator loads it."""
    chosen = {choice.name: value for choice, value in zip(LOADING, given, strict=False)}
    for choice in LOADING:
        if choice.name in chosen:
            choice.check(chosen[choice.name])
    if (
        isinstance(models, Offered)
        and not models.any_name
        and any(chosen[c.name] != c.default for c in LOADING if c.name in chosen)
    ):
        raise UserError(
            "The model is loaded in its usual way here.",
            "Many people share this server.",
            "Run sn_viz on your own machine to choose how.",
        )
    return chosen


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
