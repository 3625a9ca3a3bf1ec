"""Deep links: anyone can write one."""

from __future__ import annotations

import pytest

from sn_viz.ui.link import Link, read_link, write_link

PACKS, MODELS = ("presence-dog", "night"), ("tiny-llava",)


def test_a_link_comes_back_as_it_was():
    from urllib.parse import parse_qsl

    link = Link("night", "tiny-llava", 3, 120, -0.25, "exit")
    assert read_link(dict(parse_qsl(write_link(link).lstrip("?"))), PACKS, MODELS) == link


@pytest.mark.parametrize(
    "query",
    [
        {"pack": "../../etc", "model": "/etc", "layer": "-1", "neuron": "1e9", "t": "nan", "tab": "learn"},
        {"layer": "0", "neuron": "٣", "t": "inf", "tab": "<b>"},
        {"layer": "9" * 5000, "neuron": "", "t": "", "tab": ""},
        {},
    ],
)
def test_nonsense_is_left_out(query):
    assert read_link(query, PACKS, MODELS) == Link()
