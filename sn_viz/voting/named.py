"""Committees with a name, and how to speak of any: which neurons vote and how each counts.

Takes a run's choices or its findings; returns names and words. It knows nothing about models, images or how votes are counted.
"""

from __future__ import annotations

from sn_viz.types import Config, Interval, RunRecord, Stumps

PLAIN = {"rule": "best-split", "metric": "balanced-accuracy", "weighting": "majority"}
"""The paper's method: the neurons with the most accurate cuts, one vote each."""
BEST = {"rule": "best-split", "metric": "effect-size", "weighting": "logistic"}
"""What came out best of the votes that read no more than 64 scalars (`EXPERIMENTS.md`)."""
COMMITTEES = {
    "the paper's plain committee": {**PLAIN, "voters": 15},
    "64 by effect size": {**PLAIN, "metric": "effect-size", "voters": 64},
    "best scalars": {**BEST, "voters": 64},
}
"""Committees with a name: keywords of `Config` each."""


def named_committee(rule: str, metric: str, voters: float, weighting: str) -> str | None:
    """Return the name of a committee out of ``COMMITTEES``; None where it has none.

    Examples
    --------
    >>> named_committee("best-split", "balanced-accuracy", 15, "majority")
    "the paper's plain committee"
    """
    asked = {"rule": rule, "metric": metric, "voters": voters, "weighting": weighting}
    return next((name for name, chosen in COMMITTEES.items() if chosen == asked), None)


def is_plain(config: Config) -> bool:
    """Return whether a run's committee is the plain one of the paper, however many neurons vote."""
    return all(getattr(config, name) == value for name, value in PLAIN.items())


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
    name = named_committee(config.rule, config.metric, config.voters, config.weighting)
    name = f" ({name})" if name else " (the paper's plain method)" if is_plain(config) else ""
    return f"the best neurons by {metric_name(config.metric)}, {count}{name}"


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
