"""The endpoints as tools of the model context protocol, called by the protocol's own client; needs the extra [mcp]."""

from __future__ import annotations

import asyncio
import json

import pytest

from sn_viz.ui import api, page
from sn_viz.ui.server import launch, packs

pytestmark = pytest.mark.mcp


def asked(address, *calls):
    """Return the tools' names and the answers to ``calls``, each (endpoint, arguments), from one session."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async def talk():
        where = f"{address.rstrip('/')}/gradio_api/mcp/"
        async with streamablehttp_client(where) as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            names = {name: next(tool for tool in tools if tool == name or tool.endswith(f"_{name}")) for name in api.RESULTS}
            return tools, names, [await session.call_tool(names[name], arguments) for name, arguments in calls]

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
    tools, names, _ = asked(served)
    assert set(names) == set(api.RESULTS) and len(tools) == len(api.RESULTS)
    assert all(len(tools[tool].description) > 20 for tool in names.values())
    assert not tools[names["find"]].inputSchema.get("required")


def test_a_tool_finds_and_another_describes_what_was_found(served):
    _, _, (listed,) = asked(served, ("packs", {}))
    assert "presence-dog" in listed.content[0].text
    _, _, (found,) = asked(served, ("find", {"pack": "presence-dog"}))
    run = json.loads(found.content[0].text)["run"]
    _, _, (neuron,) = asked(served, ("neuron", {"run": run, "neuron_index": 3}))
    assert json.loads(neuron.content[0].text)["neuron"] == 3


def test_a_mistake_is_told_in_a_sentence(served):
    _, _, (refused,) = asked(served, ("neuron", {"run": "none", "neuron_index": 0}))
    assert refused.isError and "no longer here" in refused.content[0].text
