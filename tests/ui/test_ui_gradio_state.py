"""What Gradio keeps of a visitor: the values of its states, no copy of the page."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import gradio as gr

from sn_viz.ui.server import results
from sn_viz.ui.server.gradio_state import LightSessions
from sn_viz.ui.server.hosts import served
from sn_viz.ui.server.launch import guards


def page() -> gr.Blocks:
    with gr.Blocks() as page:
        gr.State([1, 2])
        gr.Textbox("seen by everybody")
    return page


def state_of(blocks: gr.Blocks) -> int:
    return next(key for key, block in blocks.blocks.items() if isinstance(block, gr.State))


def test_a_new_session_holds_no_copy_of_the_page():
    session = LightSessions(page())["a visitor"]
    assert session.config_values == {}


def test_the_value_of_a_state_is_each_visitors_own():
    blocks = page()
    sessions, key = LightSessions(blocks), state_of(blocks)
    sessions["one"][key] = [3]
    assert sessions["one"][key] == [3]
    assert sessions["another"][key] == [1, 2]


def test_a_changed_component_is_the_visitors_own():
    blocks = page()
    sessions = LightSessions(blocks)
    key = next(key for key, block in blocks.blocks.items() if isinstance(block, gr.Textbox))
    sessions["one"][key] = gr.Textbox("mine", render=False)
    assert sessions["one"][key].value == "mine"
    assert sessions["another"][key].value == "seen by everybody"


def test_what_was_shown_is_not_remembered():
    blocks = page()
    session = LightSessions(blocks)["one"]
    session._update_value_in_config(state_of(blocks), "a secret")
    assert "a secret" not in str(session.config_values)


def test_the_served_app_keeps_light_sessions():
    blocks = page()
    app = SimpleNamespace(middleware_stack=None, get_blocks=lambda: blocks)

    async def started() -> None:
        async with guards(None, served())(app):
            assert isinstance(app.state_holder, LightSessions)
            assert blocks.state_holder is app.state_holder

    asyncio.run(started())


def test_the_schema_of_a_result_is_made_once_and_handed_out_as_a_copy():
    first = results.Result(results.NeuronResult, render=False).api_info()
    first["properties"].clear()
    again = results.Result(results.NeuronResult, render=False).api_info()
    assert set(again["properties"]) == set(results.NeuronResult.__annotations__)
    assert results.told(results.NeuronResult) is results.told(results.NeuronResult)
