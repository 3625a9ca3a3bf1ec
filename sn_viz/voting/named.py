"""Committees with a name, and how to speak of any: which neurons vote and how each counts.

Takes a run's choices or its findings; returns names and words. It knows nothing about models, images or how votes are counted.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sn_viz.types import Config, Interval, RunRecord, Stumps

AUTO = "auto"
"""The committee that did best on left-out probing pictures votes, see `sn_viz.voting.choosing`."""


class Committee(NamedTuple):
    """Which neurons vote and how: keywords of `sn_viz.types.Config`."""

    rule: str
    metric: str
    voters: int
    weighting: str

    @classmethod
    def of(cls, config: Config) -> Committee:
        """Return the committee of a run."""
        return cls(config.rule, config.metric, config.voters, config.weighting)


PLAIN = Committee("best-split", "balanced-accuracy", 15, "majority")
"""The paper's method: the neurons with the most accurate cuts, one vote each."""
COMMITTEES = {
    "plain": PLAIN,
    "64-by-accuracy": PLAIN._replace(voters=64),
    "64-by-effect-size": PLAIN._replace(metric="effect-size", voters=64),
    "best-scalars": PLAIN._replace(metric="effect-size", voters=64, weighting="logistic"),
}
"""Committees with a name; the last came out best of the votes that read no more than 64 scalars (`EXPERIMENTS.md`)."""
COMMITTEE_WORDS = {
    AUTO: "chosen on your pictures",
    "plain": "the paper's plain committee",
    "64-by-accuracy": "64 by accuracy",
    "64-by-effect-size": "64 by effect size",
    "best-scalars": "best scalars",
}
"""What each is called, for people."""


def committee_asked(name: str, **parts: str | int | None) -> dict[str, Any]:
    """Return what of `sn_viz.types.Config` says who votes, from a committee's name and what was asked for beside it.

    Parameters
    ----------
    name : str
        "auto" or one of ``COMMITTEES``.
    **parts
        rule, metric, voters, weighting; None where nothing was asked. Whatever was asked for stands, and "auto" is then the plain
        committee with these parts.

    Examples
    --------
    >>> committee_asked("auto", voters=31, metric=None)
    {'rule': 'best-split', 'metric': 'balanced-accuracy', 'voters': 31, 'weighting': 'majority', 'committee': ''}
    """
    asked = {part: value for part, value in parts.items() if value is not None}
    base = COMMITTEES.get(name, PLAIN)._asdict()
    return {**base, **asked, "committee": AUTO if name == AUTO and not asked else ""}


def named_committee(*parts: Any) -> str | None:
    """Return the name of the committee out of ``COMMITTEES`` with this rule, metric, number of voters and weighting, or None.

    Examples
    --------
    >>> named_committee("best-split", "balanced-accuracy", 15, "majority")
    'plain'
    """
    return next((name for name, committee in COMMITTEES.items() if committee == parts), None)


def is_plain(config: Config) -> bool:
    """Return whether a run's committee is the plain one of the paper, however many neurons vote."""
    return Committee.of(config)._replace(voters=PLAIN.voters) == PLAIN


def committee_words(config: Config) -> str:
    """Return which committee votes, for people.

    Examples
    --------
    >>> committee_words(Config())
    "the best neurons by balanced accuracy, one vote each (the paper's plain committee)"
    """
    from sn_viz.formatting import metric_name

    count = {
        "majority": "one vote each",
        "log-odds": "each counting by the odds that it is right",
        "logistic": "their yes and no weighed by a logistic regression",
    }.get(config.weighting, f"weighed by {config.weighting}")
    known = named_committee(*Committee.of(config))
    name = f" ({COMMITTEE_WORDS[known]})" if known else " (the paper's plain method)" if is_plain(config) else ""
    return f"the best neurons by {metric_name(config.metric)}, {count}{name}"


def is_chosen(run: RunRecord) -> bool:
    """Return whether a run's committee did best on left-out probing pictures: neither asked for, nor taken for want of pictures."""
    choice = run.findings.get("committee", {}).get("choice")
    return isinstance(choice, dict) and choice.get("by_trust") is False


def counts_words(voters: Stumps, at: int) -> str:
    """Return how much one voter counts, for people: its weight where weights were fitted."""
    return "1 vote" if voters.weight is None else f"{float(voters.weight[at]):+.2f}"


def gain_of(run: RunRecord) -> Interval | None:
    """Return what a run's committee gained over the plain one at its exit, on its test images; None where nothing was compared."""
    found = run.findings.get("committee", {}).get("gain") or {}
    try:
        value, low, high = (float(found[name]) for name in ("value", "low", "high"))
        return Interval(value, low, high, int(found["n"]))
    except (KeyError, TypeError, ValueError):
        return None
