"""Our clickable figure, and what a browser may claim was clicked."""

from __future__ import annotations

import json

import plotly.graph_objects as go
import pytest

from sn_viz.errors import UserError
from sn_viz.ui.components.plotly_view import Pick, payload, plotly_view


def test_the_text_holds_both_looks_and_no_markup():
    text = payload(lambda dark: go.Figure(layout={"title": {"text": "</script><b>" + ("dark" if dark else "light")}}), "a figure")
    assert "<" not in text
    value = json.loads(text)
    assert value["light"]["layout"]["title"]["text"].endswith("light") and value["dark"]["layout"]["title"]["text"].endswith("dark")


def test_the_template_never_shows_a_value():
    view = plotly_view("fig-x")
    assert "${" not in view.html_template and "{{" not in view.html_template and "'pick'" in view.js_on_load


def test_a_click_is_read(event):
    pick = Pick.read(event(x=3, y="residual", curve=0, point=[2, 5], custom=[3, "residual", 17]))
    assert (pick.x, pick.y, pick.point, pick.custom) == (3, "residual", (2, 5), (3, "residual", 17))


@pytest.mark.parametrize(
    "forged",
    [
        {"x": {"a": 1}, "point": 0},
        {"x": float("nan"), "point": 0},
        {"x": "y" * 1000, "point": 0},
        {"x": 1, "point": -1},
        {"x": 1, "point": True},
        {"x": 1, "point": "0"},
        {"x": 1, "point": None},
        {"x": 1, "point": 0, "custom": [[1]]},
    ],
)
def test_a_forged_click_is_refused(event, forged):
    with pytest.raises(UserError):
        Pick.read(event(**forged))
