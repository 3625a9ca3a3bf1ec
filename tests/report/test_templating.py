"""The report's templates: what is filled in is escaped unless it is HTML already, and nothing may be missing."""

from __future__ import annotations

import re
from importlib import resources
from types import SimpleNamespace

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from sn_viz.report.page import Card, Examples
from sn_viz.report.templating import CLIPPED, fill, outside, part

EVIL = "</script><img src=x onerror=alert(1)>\"'&"
FIGURE = SimpleNamespace(heading=EVIL, sentence=EVIL, key=EVIL)
FOUND = SimpleNamespace(kind=EVIL, sentence=EVIL)
PIECES = {
    "figure": (FIGURE, EVIL),
    "verdict": (FOUND,),
    "warnings": ([EVIL],),
    "findings": ([EVIL],),
    "table": ((EVIL,), [(EVIL,)]),
    "method": (EVIL, EVIL),
    "class_name": (EVIL,),
    "voters": (EVIL, [(EVIL,)]),
    "examples": ([Examples(EVIL, [Card(EVIL, EVIL, EVIL, EVIL)])],),
    "example": (Card(EVIL, EVIL, EVIL, EVIL),),
}


def templates() -> dict[str, str]:
    folder = resources.files("sn_viz.report").joinpath("templates")
    return {each.name: each.read_text("utf-8") for each in folder.iterdir()}


@pytest.mark.parametrize("piece", PIECES)
def test_every_piece_escapes_all_that_it_is_given(piece):
    made = part(piece, *PIECES[piece])
    assert "onerror=alert(1)" in made and "&lt;img src=x" in made
    assert EVIL[:9] not in made and "<img src=x" not in made and EVIL[-3:] not in made


def test_every_piece_is_tried():
    assert {line.split()[2].split("(")[0] for line in templates()["parts.html"].splitlines() if line.startswith("{% macro")} == set(
        PIECES
    )


def test_html_that_a_piece_made_is_taken_as_it_is():
    assert "<td><b>1</b></td><td>&lt;b&gt;</td>" in part("table", ("a", "b"), [(Markup("<b>1</b>"), "<b>")])


def test_no_template_turns_escaping_off():
    assert {"page.html", "body.html", "parts.html", "page.css", "draw.js"} == set(templates())
    assert not [name for name, text in templates().items() if re.search(r"\|\s*safe|autoescape", text)]


def test_a_template_that_lacks_a_value_is_no_page():
    with pytest.raises(UndefinedError, match="question"):
        fill("body.html")


def test_text_from_outside_is_escaped_clipped_and_keeps_its_direction_to_itself():
    assert outside("<i>") == "&lt;i&gt;" and outside(3) == "3"
    assert outside("\u05d0<") == "<bdi>\u05d0&lt;</bdi>"
    assert outside("a" * CLIPPED) == "a" * CLIPPED and outside("a" * (CLIPPED + 1)) == f"<bdi>{'a' * (CLIPPED - 1)}…</bdi>"


def test_json_cannot_end_the_script_element_it_stands_in():
    values = dict.fromkeys(("title", "body", "words", "plotly"), "")
    made = fill("page.html", figures={"a": EVIL}, config={}, **values)
    assert made.count("</script>") == 3 and "onerror=alert(1)\\u003e" in made
    with pytest.raises(ValueError, match="Out of range float"):
        fill("page.html", figures={"a": float("nan")}, config={}, **values)


def test_a_title_holds_text_alone_for_elements_in_it_would_be_read_out():
    values = dict.fromkeys(("body", "words", "plotly"), "")
    made = fill("page.html", title="\u05d0 <b>" + "x" * CLIPPED, figures={}, config={}, **values)
    title = made.split("<title>")[1].split("</title>")[0]
    assert title.startswith("Super neurons: \u05d0 &lt;b&gt;xx") and title.endswith("x…") and "<" not in title
