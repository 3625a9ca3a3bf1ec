"""Deep links: anyone can write one."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qsl

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn_viz.ui.components.link import TABS, Link, read_link, write_link

PACKS, MODELS = ("presence-dog", "night"), ("tiny-llava",)


def test_a_link_comes_back_as_it_was():
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


known = {
    "pack": st.sampled_from(PACKS),
    "model": st.sampled_from(MODELS),
    "layer": st.integers(1, 1000),
    "neuron": st.integers(0, 2**31),
    "t": st.floats(-(2.0**90), 2.0**90, width=32),
    "tab": st.sampled_from(TABS),
}
anything = st.text() | st.integers() | st.floats() | st.none() | st.lists(st.text()) | st.binary() | st.booleans()


@given(st.dictionaries(st.sampled_from([*known, "site", "__class__"]) | st.text(), anything))
def test_parameters_of_any_kind_are_left_out_or_are_allowed(query):
    link = read_link(query, PACKS, MODELS)
    for name, value in vars(link).items():
        assert value is None or isinstance(value, int | float | str)
        if name in ("pack", "model", "tab") and value is not None:
            assert value in {"pack": PACKS, "model": MODELS, "tab": TABS}[name]
    assert link.t is None or abs(link.t) < 1e30


@given(st.fixed_dictionaries({}, optional=known))
def test_any_allowed_link_comes_back_as_it_was(parts):
    there = read_link(dict(parse_qsl(write_link(Link(**parts)).lstrip("?"))), PACKS, MODELS)
    assert replace(there, t=there.t and np.float32(there.t)) == Link(**parts)
