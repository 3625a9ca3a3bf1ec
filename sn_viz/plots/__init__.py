"""Figures: every module has ``info(run or arrays, ...) -> Info`` (computes) and ``figure(info, dark=False)`` (only draws).

They take finished values, return Plotly figures, and know nothing of models, files or the page they appear on. Each registers a
``Plot``, which says where it is shown and how it is made of a run; the report and the page show what is registered, so a new figure
is one new file. To add one, copy ``null.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sn_viz.registry import Registry

if TYPE_CHECKING:
    import plotly.graph_objects as go

TABS = ("neurons", "exit", "compare")
"""Where in the app a figure may appear."""


@dataclass(frozen=True)
class Plot:
    """One kind of figure: what it is called, where it is shown and how it is made."""

    title: str
    """Its heading in the report, and what people who hear the page are told."""
    sentence: str
    """What it shows and how to read it."""
    order: int
    """Figures are shown in this order, equals by name; the report puts those up to 20 before its first table."""
    figure: Callable[..., go.Figure]
    """Called as figure(info, dark) with what ``info`` returned."""
    info: Callable[..., Any] | None = None
    """Called as info(run); None when there is nothing to draw. A plot without it is drawn only live, from values of its own."""
    tab: str | None = None
    """The tab of the app that shows it, one of ``TABS``; None shows it nowhere in the app."""
    in_report: bool = True
    """Whether the report shows it; it needs an ``info``."""
    again: str | None = None
    """Name of an earlier plot shown anew: ``info`` is then called as info(run, what the earlier one's info returned)."""
    missing: str = "There is nothing to show of this run."
    """What the app says where ``info`` returned None."""
    held_out: bool = False
    """Whether it shows figures measured on the test images: then it wears the mark of a run whose test was edited after looking."""
    hint: str = ""
    """A short sentence below the figure in the app."""

    def __post_init__(self) -> None:
        if self.tab is not None and self.tab not in TABS:
            raise ValueError(f"no tab {self.tab!r}; there are {TABS}")


PLOTS: Registry[Plot] = Registry("plot", __name__)


def ordered(tab: str | None = None) -> list[str]:
    """Return the names of all plots in order of showing; with ``tab`` only of those which that tab shows."""
    names = [name for name in PLOTS if tab is None or PLOTS[name].tab == tab]
    return sorted(names, key=lambda name: (PLOTS[name].order, name))
