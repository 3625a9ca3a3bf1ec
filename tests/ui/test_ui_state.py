"""What a server keeps is its own, and begins when it serves."""

from __future__ import annotations

import threading

import gradio as gr
import pytest

from sn_viz.activations import model_cache
from sn_viz.models import load
from sn_viz.ui import page
from sn_viz.ui.server import launch as serving
from sn_viz.ui.server import packs


def endpoint(built, name):
    return next(fn.fn for fn in built.fns.values() if fn.api_name == name)


def test_building_the_page_starts_no_thread_and_loads_no_model(monkeypatch):
    loaded, model_was_asked_for = [], model_cache._loaded.cache_info()
    monkeypatch.setattr(load, "load_model", lambda *args, **named: loaded.append(args))
    before = set(threading.enumerate())
    page.build()
    assert set(threading.enumerate()) <= before
    assert not loaded and model_cache._loaded.cache_info() == model_was_asked_for


def test_the_first_pack_is_asked_for_when_the_page_is_served_and_not_before(monkeypatch):
    asked = []
    monkeypatch.setattr(packs.Prefetcher, "want", lambda self, name, arguments: asked.append((self, name)))
    monkeypatch.setattr(serving, "warm_up_beside", lambda: None)
    built = page.build()
    assert not asked
    monkeypatch.setattr(built, "launch", lambda **named: "served")
    assert serving.launch(built, 7000) == "served"
    assert asked == [(built.kept.prefetch, packs.FIRST_PACK)]


def test_two_pages_in_one_process_share_no_result(planted):
    one, other = page.build(), page.build()
    key = one.kept.runs.put(planted)
    assert endpoint(one, "neuron")(key, 0)["neuron"] == 0
    with pytest.raises(gr.Error, match="no longer here"):
        endpoint(other, "neuron")(key, 0)
    mine, theirs = vars(one.kept), vars(other.kept)
    assert mine.keys() == theirs.keys() and all(mine[name] is not theirs[name] for name in mine)
