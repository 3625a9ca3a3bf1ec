"""The endpoints as tools of the model context protocol, called by the protocol's own client; needs the extra [mcp]."""

from __future__ import annotations

import asyncio
from ast import literal_eval

import pytest

from sn_viz.ui import api, page
from sn_viz.ui.server import launch, packs

pytestmark = pytest.mark.mcp


TOOLS = {"packs": "list_packs", "find": "find", "predict": "predict", "neuron": "describe_neuron", "exit_race": "exit_race"} | {
    "open": "open_run"
}
"""What the tool of each endpoint is called, behind a prefix that Gradio may put there."""


def _tool(tools, name):
    return next(tool for tool in tools if tool == name or tool.endswith(f"_{name}"))


def asked(address, *calls):
    """Return the tools by name, and the answers to ``calls``, each (endpoint, arguments), from one session."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def talk():
        where = f"{address.rstrip('/')}/gradio_api/mcp/"
        async with streamable_http_client(where) as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            return tools, [await session.call_tool(_tool(tools, TOOLS[name]), arguments) for name, arguments in calls]

    return asyncio.run(talk())


@pytest.fixture(scope="module")
def served(checkpoint):
    patch = pytest.MonkeyPatch()
    patch.setattr(packs.Prefetcher, "want", lambda _, name, arguments: packs.run_key(name, arguments))
    built = page.build(str(checkpoint("llava")))
    _, address, _ = launch.launch(built, mcp=True, prevent_thread_lock=True, quiet=True)
    yield address
    built.close()
    patch.undo()


def test_every_endpoint_is_a_tool_that_says_what_it_does(served):
    tools, _ = asked(served)
    assert {_tool(tools, name) for name in TOOLS.values()} == set(tools) and set(TOOLS) == set(api.RESULTS)
    assert all(len(tool.description) > 20 for tool in tools.values())
    assert not tools[_tool(tools, "find")].inputSchema.get("required")


def test_a_tool_finds_and_another_describes_what_was_found(served):
    _, (listed,) = asked(served, ("packs", {}))
    assert "presence-dog" in listed.content[0].text
    _, (found,) = asked(served, ("find", {"pack": "presence-dog"}))
    run = literal_eval(found.content[0].text)["run"]
    _, (neuron,) = asked(served, ("neuron", {"run": run, "neuron_index": 3}))
    assert literal_eval(neuron.content[0].text)["neuron"] == 3


def test_a_mistake_is_told_in_a_sentence(served):
    _, (refused,) = asked(served, ("neuron", {"run": "none", "neuron_index": 0}))
    assert refused.isError and "no longer here" in refused.content[0].text
