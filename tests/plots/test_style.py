"""The text boundary, the numbers and the colours every figure is drawn with."""

from __future__ import annotations

import re

import numpy as np
import plotly.graph_objects as go
import pytest

from sn_viz.plots import style


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=alert(1)>",
        '<a href="https://example.org">x</a>',
        "%{x}",
        "%{customdata[0]}",
        "<b>bold</b>",
        "$x^2$",
        "&lt;b&gt;",
    ],
)
def test_literal_leaves_nothing_for_plotly_to_interpret(text):
    shown = style.literal(text)
    assert "<" not in shown and "%{" not in shown and "$" not in shown
    assert not re.search(r"&(?!amp;|lt;|gt;|#123;|#36;)", shown)


def test_literal_can_be_read_back():
    from html import unescape

    text = 'a <b>&amp; %{x} $y$ "quoted" 🐶'
    assert unescape(style.literal(text)) == text


def test_plain_words_and_joined_emoji_stay_as_they_are():
    family = "👩\u200d👧"
    assert style.literal(f"ripe tomato {family}") == f"ripe tomato {family}"


def test_right_to_left_text_is_isolated_and_overrides_are_removed():
    assert style.literal("כלב") == "\u2068כלב\u2069"
    assert "\u202e" not in style.literal("safe\u202egnp.exe")


def test_long_text_is_cut_before_it_is_escaped():
    shown = style.literal("<" * 10_000)
    assert shown == "&lt;" * (style.TEXT_LIMIT - 1) + "…"


def test_control_characters_become_spaces():
    assert style.literal("a\nb\x00c") == "a b c"


def test_wrapped_breaks_between_words_and_stays_literal():
    assert style.wrapped("attention-output", 10) == "attention<br>output"
    assert style.wrapped("<br> dog", 10) == "&lt;br&gt; dog"


def test_numbers_round_to_significant_digits_and_hide_what_is_not_finite():
    assert style.numbers(np.array([0.123456, np.nan, 12345.6, -np.inf])) == [0.1235, None, 12350.0, None]
    assert style.numbers(np.float16([[0.1, 0.2]]), digits=3) == [[0.1, 0.2]]


@pytest.mark.parametrize("dark", [False, True])
def test_every_colour_reads_on_its_page(dark):
    look = style.theme(dark)
    for colour in (*look.classes, look.accent, look.rival, look.luck):
        assert contrast(colour, look.page) >= 3, colour
    for colour in (look.ink, look.faint):
        assert contrast(colour, look.page) >= 4.5, colour


@pytest.mark.parametrize("dark", [False, True])
def test_the_heatmap_scale_moves_one_way_in_lightness(dark):
    steps = np.diff([luminance(colour) for _, colour in style.theme(dark).scale])
    assert (steps > 0).all() or (steps < 0).all()


def test_the_paper_is_transparent_and_small():
    figure = style.empty("Nothing yet", "No data.")
    assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert figure.layout.title.text == "Nothing yet"
    assert len(figure.to_json()) < 3000
    go.Figure(figure.to_dict())


def luminance(colour: str) -> float:
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
