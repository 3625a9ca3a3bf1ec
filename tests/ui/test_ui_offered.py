"""Who may choose which model, and who may have one fetched."""

from __future__ import annotations

import gradio as gr
import pytest
from hub_stand_in import EMBEDDED, nothing_listens, use
from one_server import SERVER

from sn_viz.errors import Cancelled, UserError
from sn_viz.models.hub.obtain import is_here, obtain
from sn_viz.ui.components import run_panel
from sn_viz.ui.server import launch as launching
from sn_viz.ui.server.hosts import served
from sn_viz.ui.server.offered import chosen, labels, models_here


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in ("SN_VIZ_MODELS", "SN_VIZ_MODEL_MAX_GB", "SPACE_ID", "SPACE_HOST", "SN_VIZ_HOST", "SN_VIZ_HOST_NAMES"):
        monkeypatch.delenv(name, raising=False)


def own_machine():
    models = models_here("tiny-llava")
    models.any_name = True
    return models


def statuses(models, model, stop_at=""):
    """Return what the page says while a model is fetched, up to the first image; stopped where ``stop_at`` is in a text."""
    job, said = SERVER.stops.new(), []
    for step in run_panel._fetch(SERVER, models, model, "somebody", SERVER.stops.flag(job)):
        said.append(step.text)
        if stop_at and stop_at in step.text:
            run_panel.cancel(SERVER, job)
    return said


def test_on_ones_own_machine_any_model_of_the_hub_may_be_typed():
    models = own_machine()
    for typed, name in (
        (" lab/model@v1 ", "lab/model@v1"),
        ("https://huggingface.co/lab/model", "lab/model"),
        ("qwen3-vl-2b", "qwen3-vl-2b"),
        ("smolvlm-256m@main", "smolvlm-256m@main"),
    ):
        assert chosen(models, typed) == name
    for wrong in ("/etc", "../models/x", "no-such", "", None, ["lab/model"], "https://evil.example/a/b", "a/b@" + "x" * 400):
        with pytest.raises(UserError):
            chosen(models, wrong)


def test_visitors_choose_among_what_is_offered(hub, monkeypatch):
    monkeypatch.setenv("SN_VIZ_MODELS", f"{EMBEDDED}, qwen3-vl-2b")
    models = models_here("tiny-llava")
    assert list(models) == ["tiny-llava", "tiny-gemma3", "tiny-photo", EMBEDDED, "qwen3-vl-2b"]
    assert chosen(models, EMBEDDED) == EMBEDDED
    for other in ("lab/model", "smolvlm-256m", f"{EMBEDDED}@main", f"https://huggingface.co/{EMBEDDED}", "/etc"):
        with pytest.raises(UserError, match="not offered here.*own machine"):
            chosen(models, other)
    assert hub.requests == []


def test_visitors_have_nothing_fetched_that_the_operator_has_not_named(hub):
    models = models_here("tiny-llava")
    blank = ["Is it?", EMBEDDED, [], "best-split", "balanced-accuracy", 15, "majority", "auto", 0.5, 0, []]
    with pytest.raises(UserError, match="not offered"):
        run_panel.checked(models, *blank)
    assert models.opened_by_a_link(EMBEDDED) == ("tiny-llava",)
    assert hub.requests == [] and not is_here(EMBEDDED)


def test_what_the_operator_names_is_fetched_up_to_a_size(hub, monkeypatch):
    monkeypatch.setenv("SN_VIZ_MODELS", EMBEDDED)
    monkeypatch.setenv("SN_VIZ_MODEL_MAX_GB", "0.001")
    with pytest.raises(UserError, match="13.7 MB; on this server up to 1.0 MB are fetched"):
        statuses(models_here("tiny-llava"), EMBEDDED)
    assert hub.bytes_sent == 0
    monkeypatch.setenv("SN_VIZ_MODEL_MAX_GB", "1")
    said = statuses(models_here("tiny-llava"), EMBEDDED)
    assert is_here(EMBEDDED) and "of 13.7 MB" in said[-1]


@pytest.mark.parametrize("text", ["much", "0", "-3", "nan", "inf"])
def test_a_size_that_is_none_is_told(monkeypatch, text):
    monkeypatch.setenv("SN_VIZ_MODEL_MAX_GB", text)
    with pytest.raises(UserError, match="SN_VIZ_MODEL_MAX_GB was not understood"):
        models_here("tiny-llava")


def test_the_page_shows_what_arrives_and_cancel_stops_it(hub):
    hub.break_after = 2_000_000  # many short connections, so that the stop is heard between two
    with pytest.raises(Cancelled):
        statuses(own_machine(), EMBEDDED, stop_at="of 13.7 MB")
    assert not is_here(EMBEDDED)
    hub.break_after = 0
    said = statuses(own_machine(), EMBEDDED)
    assert is_here(EMBEDDED) and "with safetensors weights" in said[-1] and "not gated" in said[-1]
    assert statuses(own_machine(), EMBEDDED) == []


def test_a_link_opens_another_model_only_where_it_is_here(hub, monkeypatch, tmp_path):
    models = own_machine()
    assert models.opened_by_a_link(EMBEDDED) == ("tiny-llava",)
    assert models.opened_by_a_link("tiny-gemma3") == ("tiny-llava", "tiny-gemma3")
    for odd in (None, "https://evil.example/a/b", "../../etc", 3):
        assert models.opened_by_a_link(odd) == ("tiny-llava",)
    obtain(EMBEDDED)
    asked = len(hub.requests)
    assert models.opened_by_a_link(EMBEDDED) == ("tiny-llava", EMBEDDED) and len(hub.requests) == asked
    models.any_name = False
    assert models.opened_by_a_link(EMBEDDED) == ("tiny-llava",)


def test_choices_tell_what_there_is_to_fetch(hub, monkeypatch):
    monkeypatch.setenv("SN_VIZ_MODELS", "lab/model")
    shown = {name: label for label, name in labels(models_here("tiny-llava"), any_name=True)}
    assert shown["tiny-llava"] == "tiny-llava" and shown["lab/model"] == "lab/model (to be fetched)"
    assert shown["qwen3-vl-2b"] == "qwen3-vl-2b (4.3 GB to be fetched)"
    assert "qwen3-vl-2b" not in {name: label for label, name in labels(models_here("tiny-llava"), any_name=False)}


@pytest.mark.parametrize(
    ("options", "public"),
    [
        ({}, False),
        ({"host": "0.0.0.0"}, True),
        ({"host_names": ["class.example.org"]}, True),
        ({"behind_proxy": True}, True),
    ],
)
def test_a_page_takes_other_names_only_where_it_is_launched_for_this_machine(monkeypatch, options, public):
    monkeypatch.setattr(gr.Blocks, "launch", lambda *_args, **_flags: None)
    monkeypatch.setattr(launching, "warm_up_beside", lambda: None)
    with gr.Blocks() as page:
        page.offered = models_here("tiny-llava")
    assert not page.offered.any_name
    launching.launch(page, 7999, **options)
    assert page.offered.any_name is not public
    assert (page.offered.most_bytes is None) is not public


def test_on_a_space_everybody_is_a_visitor(monkeypatch):
    monkeypatch.setenv("SPACE_ID", "somebody/space")
    assert served().is_public


def test_without_the_hub_a_typed_name_ends_in_a_sentence(hub, monkeypatch, tmp_path):
    use(monkeypatch, nothing_listens(), tmp_path / "empty")
    with pytest.raises(UserError, match="The hub did not answer"):
        statuses(own_machine(), "lab/model")
