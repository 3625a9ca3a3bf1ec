"""Deep links: anyone can write one."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qsl

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn_viz.plots.heatmap import SHOWN
from sn_viz.ui.components.link import TABS, Link, read_link, write_link

PACKS, MODELS = ("presence-dog", "night"), ("tiny-llava",)


def test_a_link_comes_back_as_it_was():
    link = Link("night", "tiny-llava", 3, "mlp-output", 120, -0.25, 4, "voters", "exit")
    assert read_link(dict(parse_qsl(write_link(link).lstrip("?"))), PACKS, MODELS) == link


@pytest.mark.parametrize(
    "query",
    [
        {"pack": "../../etc", "model": "/etc", "layer": "-1", "neuron": "1e9", "t": "nan", "tab": "elsewhere"},
        {"layer": "0", "neuron": "٣", "t": "inf", "tab": "<b>", "exit": "0", "site": "<b>", "view": "best "},
        {"site": "x" * 61, "view": "__class__", "exit": "-3"},
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
    "site": st.sampled_from(("residual", "attention-output", "tower-mlp-neuron")),
    "t": st.floats(-(2.0**90), 2.0**90, width=32),
    "exit": st.integers(1, 1000),
    "view": st.sampled_from(tuple(SHOWN)),
    "tab": st.sampled_from(TABS),
}
anything = st.text() | st.integers() | st.floats() | st.none() | st.lists(st.text()) | st.binary() | st.booleans()


@given(st.dictionaries(st.sampled_from([*known, "__class__"]) | st.text(), anything))
def test_parameters_of_any_kind_are_left_out_or_are_allowed(query):
    link = read_link(query, PACKS, MODELS)
    for name, value in vars(link).items():
        assert value is None or isinstance(value, int | float | str)
        if name in ("pack", "model", "view", "tab") and value is not None:
            assert value in {"pack": PACKS, "model": MODELS, "view": SHOWN, "tab": TABS}[name]
    assert link.site is None or (len(link.site) <= 60 and link.site.isascii() and not set(link.site) & set(" <>&?=/.\"'"))
    assert link.t is None or abs(link.t) < 1e30


@given(st.fixed_dictionaries({}, optional=known))
def test_any_allowed_link_comes_back_as_it_was(parts):
    there = read_link(dict(parse_qsl(write_link(Link(**parts)).lstrip("?"))), PACKS, MODELS)
    assert replace(there, t=there.t and np.float32(there.t)) == Link(**parts)


@given(st.fixed_dictionaries({}, optional=known))
def test_an_old_link_asks_for_its_layer_as_exit_and_a_new_one_for_its_exit(parts):
    link = Link(**parts)
    old = {name: value for name, value in parts.items() if name in ("pack", "model", "layer", "neuron", "t", "tab")}
    assert Link(**old).exit_layer == parts.get("layer")
    assert "exit" not in parts or link.exit_layer == parts["exit"]


def test_the_parameters_stand_in_the_order_that_the_documents_name():
    whole = write_link(Link("night", "m", 3, "residual", 7, 0.5, 2, "luck", "neurons"))
    assert whole == "?pack=night&model=m&layer=3&site=residual&neuron=7&t=0.5&exit=2&view=luck&tab=neurons"
