"""Our clickable figure: a Plotly figure in the page whose clicks reach Python.

Takes a function that draws a figure for a light or a dark page; returns the text the page draws. ``gr.Plot`` has no click
event, so this stands on ``gr.HTML`` with a fixed template. It knows nothing about what is drawn.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr
import plotly.graph_objects as go

from sn_viz.errors import UserError
from sn_viz.plots.style import Drawing

_WHEN_READY = "const go = () => window.snViz?.{name} ? {call} : setTimeout(go, 40); go();"


def when_ready(call: str) -> str:
    """Return the start-up JavaScript of a component: ``call``, such as "snViz.plot(...)", as soon as its script is there."""
    name = call.removeprefix("snViz.").partition("(")[0]
    return _WHEN_READY.replace("{name}", name).replace("{call}", call)


def plotly_view(elem_id: str, drawn_by: str = "plot", **more: Any) -> gr.HTML:
    """Return a figure place; ``.pick(handler)`` hears clicks, whose ``gr.EventData`` goes through ``Pick.read``.

    Parameters
    ----------
    elem_id : str
        Id of the element in the page.
    drawn_by : str
        The function of the page's ``snViz`` that draws it.
    **more
        Passed to ``gr.HTML``.
    """
    return gr.HTML(
        None,
        elem_id=elem_id,
        elem_classes=["sn-figure"],
        html_template='<div class="sn-plot sn-plot-waiting"></div>',
        js_on_load=when_ready(f"snViz.{drawn_by}(element, props, watch, (where) => trigger('pick', where))"),
        apply_default_css=False,
        **more,
    )


def payload(draw: Callable[[bool], go.Figure | Drawing], label: str, **more: Any) -> str:
    """Return the JSON text of the figure ``draw(dark)`` in both looks; ``<`` never appears in it.

    Parameters
    ----------
    draw : callable
        Takes True for a dark page, returns the figure, or the drawing as it is.
    label : str
        What the figure shows, for people who hear the page.
    **more
        Plain values for the page's script.
    """
    light, dark = (_plain(draw(is_dark)) for is_dark in (False, True))
    return json.dumps({"light": light, "dark": dark, "label": label, **more}, allow_nan=False).replace("<", "\\u003c")


def _plain(figure: go.Figure | Drawing) -> Drawing:
    return figure if isinstance(figure, dict) else json.loads(figure.to_json())


@dataclass(frozen=True)
class Pick:
    """One click in a figure, as the browser told it; nothing in it is trusted beyond its type."""

    x: float | str | None
    y: float | str | None
    curve: int
    point: tuple[int, ...]
    """Index of the point in its trace; (row, column) in a heatmap."""
    custom: tuple[float | str, ...]
    """The point's customdata, flattened."""

    @classmethod
    def read(cls, event: gr.EventData) -> Pick:
        """Return the click in ``event``.

        Raises
        ------
        UserError
            When the browser sent anything else than numbers and short texts.
        """
        data = event._data if isinstance(event._data, dict) else {}
        point = data.get("point")
        custom = data.get("custom")
        return cls(
            _coordinate(data.get("x")),
            _coordinate(data.get("y")),
            _index(data.get("curve", 0)),
            tuple(_index(i) for i in (point if isinstance(point, list) else [point])[:2]),
            tuple(c for c in map(_coordinate, (custom if isinstance(custom, list) else [custom])[:16]) if c is not None),
        )


def _refuse() -> UserError:
    return UserError(
        "This click was not understood.", "The page sent something that is not a point of the figure.", "Reload the page."
    )


def _coordinate(value: Any) -> float | str | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)):
        return value
    if isinstance(value, str) and len(value) <= 200:
        return value
    raise _refuse()


def _index(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31:
        return value
    raise _refuse()
