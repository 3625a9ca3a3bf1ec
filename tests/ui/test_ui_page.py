"""The page as it is built: ids, endpoints, and no path of this machine."""

from __future__ import annotations

import json

import gradio as gr
import pytest

from sn_viz.ui import packs, page

IDS = (
    "tab-examples tab-neurons tab-exit tab-compare btn-find btn-cancel btn-race btn-copy-link btn-export fig-heatmap fig-units "
    "fig-layers fig-histogram fig-map fig-race fig-tradeoff fig-compare fig-null fig-policies risk-level risk-kind policy-facts "
    "neuron-table neuron-page status"
).split()


@pytest.fixture(scope="module")
def built():
    patch = pytest.MonkeyPatch()
    patch.setattr(packs.AHEAD, "want", packs.run_key)
    yield page.build("/some/where/secret/my-model")
    patch.undo()


def test_every_element_of_the_contract_is_there(built):
    ids = {block.elem_id for block in built.blocks.values() if getattr(block, "elem_id", None)}
    assert set(IDS) <= ids


def test_five_endpoints_are_public_and_documented(built):
    public = {fn.api_name: fn for fn in built.fns.values() if fn.api_visibility == "public"}
    assert set(public) == {"packs", "find", "predict", "neuron", "exit_race"}
    assert all(len(fn.fn.__doc__) > 40 for fn in public.values())
    assert {fn.api_visibility for fn in built.fns.values()} == {"public", "private"}


def test_the_page_tells_no_path_of_this_machine(built):
    text = json.dumps(built.get_config_file(), default=str)
    assert "/some/where" not in text and "my-model" in text


def test_no_gradio_plot_and_no_template_that_shows_a_value(built):
    for block in built.blocks.values():
        assert not isinstance(block, gr.Plot)
        if isinstance(block, gr.HTML) and block.html_template != "${value}":
            assert "${" not in block.html_template and "{{" not in block.html_template


def test_a_link_to_ones_own_images_names_no_result(run_key):
    assert page.link_to(run_key, None, "m", 3, 2, 0.5, "neurons") == "?tab=neurons"
    assert page.link_to(run_key, "night", "m", 3, 2, 0.5, "neurons") == "?pack=night&model=m&layer=2&neuron=3&t=0.5&tab=neurons"


def test_the_strip_shows_both_methods_and_the_speedup(planted):
    labels = [fact["label"] for fact in page.strip_facts(planted)]
    assert labels[:3] == ["super neurons", "full model", "faster"]
