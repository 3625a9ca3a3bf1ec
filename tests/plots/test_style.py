"""The text boundary, the numbers and the colours every figure is drawn with."""

from __future__ import annotations

import itertools
import re

import numpy as np
import plotly.graph_objects as go
import pytest

from sn_viz.plots import reference, style
from sn_viz.plots.colour_words import SHADES, colour_named


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
    for colour in (*look.classes, look.accent, look.rival, look.luck, *look.methods, *(pair[dark] for pair in SHADES.values())):
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


@pytest.mark.parametrize("dark", [False, True])
def test_no_colour_means_both_a_method_and_a_class(dark):
    look = style.theme(dark)
    methods = (look.accent, look.rival, look.luck, *look.methods)
    assert not set(methods) & set(look.classes) and len(set(methods)) == len(methods)
    for method in (look.accent, look.rival):
        for colour in look.classes:
            assert difference(method, colour) > 25, (method, colour)


@pytest.mark.parametrize("dark", [False, True])
def test_colours_that_meet_stay_apart_for_the_colour_blind(dark):
    look = style.theme(dark)
    for kind in BLIND:
        assert difference(look.accent, look.rival, kind) > 20, kind
        for one, other in itertools.combinations(look.classes[:4], 2):
            assert difference(one, other, kind) > 10, (kind, one, other)


@pytest.mark.parametrize(
    ("name", "colour"),
    [
        ("red", "red"),
        ("Orange", "orange"),
        ("red car", "red"),
        ("rouge", "red"),
        ("grün", "green"),
        ("gru\u0308n", "green"),
        ("红色", "red"),
        ("grey_cat", "grey"),
        ("not red", None),
        ("no-red", None),
        ("red and blue", None),
        ("redwood", None),
        ("hundred", None),
        ("", None),
    ],
)
def test_a_colour_word_names_its_colour_unless_it_is_denied(name, colour):
    assert colour_named(name) == colour


@pytest.mark.parametrize("dark", [False, True])
def test_classes_called_after_colours_are_drawn_in_them(dark):
    red, orange = style.class_colours(("red", "orange"), dark)
    assert (red, orange) == (SHADES["red"][dark], SHADES["orange"][dark])
    assert style.class_colours(("orange", "red"), dark) == (orange, red)
    assert style.class_colours(("no", "yes"), dark) == style.theme(dark).classes[:2]


def test_a_class_without_a_colour_word_does_not_borrow_the_look_of_one_that_has():
    not_orange, orange = style.class_colours(("not orange", "orange"))
    assert orange == SHADES["orange"][0] and difference(orange, not_orange) > 25
    assert style.class_colours(("red car", "red bus")) == style.LIGHT.classes[:2]


def test_a_method_has_one_colour_in_every_figure():
    assert reference.method_colour("linear-probe") == reference.method_colour("Linear probe")
    assert (
        reference.method_colour("full-model") == style.LIGHT.rival
        and reference.method_colour("super-neurons") == style.LIGHT.accent
    )


BLIND = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
"""What is seen of linear red, green and blue (G. M. Machado, M. M. Oliveira and L. A. F. Fernandes, 2009)."""


def difference(one: str, other: str, blind: str = "") -> float:
    """Return the CIE 1976 colour difference, as people with that colour blindness see it."""
    return float(np.linalg.norm(lab(one, blind) - lab(other, blind)))


def lab(colour: str, blind: str) -> np.ndarray:
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(BLIND[blind]) @ linear, 0, 1) if blind else linear
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    f = np.where((t := xyz / [0.9505, 1, 1.089]) > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])
