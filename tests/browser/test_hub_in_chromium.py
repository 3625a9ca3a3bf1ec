"""A model of the hub in the page of one's own machine: typed, fetched with bytes shown, cancelled, gone on with, and run."""

import socket

import pytest
from hub_stand_in import EMBEDDED, serving

from sn_viz.paths import ASSETS

pytestmark = pytest.mark.browser


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_typed_model_is_fetched_and_run(chromium, watch, start_server, tmp_path):
    with serving() as hub:
        repository = hub.add(EMBEDDED, ASSETS / "tiny-llava")
        hub.pause = 0.1
        settings = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
        with start_server(free_port(), **settings) as address:
            watched = watch(chromium.new_page(), address)
            page = watched.page
            page.set_default_timeout(300_000)
            watched.open()
            field = page.locator("#model input")
            field.fill(EMBEDDED)
            field.press("Enter")
            page.click("#btn-find")
            status = page.locator("#status")
            status.filter(has_text="of 13.7 MB").wait_for()
            assert "13.7 MB with safetensors weights" in status.inner_text() and "not gated" in status.inner_text()
            while hub.bytes_sent < 2_000_000:  # so that there is something to go on with
                page.wait_for_timeout(100)
            page.click("#btn-cancel")
            status.filter(has_text="Stopped").wait_for()
            sent, hub.pause = hub.bytes_sent, 0.0
            page.click("#btn-find")
            page.locator("#run-facts").filter(has_text=f"tiny-llava-copy@{repository.branches['main'][:7]}").wait_for()
            assert any("range" in headers for _, _, headers in hub.requests) and hub.bytes_sent > sent
            field.fill("https://evil.example/a/b")
            field.press("Enter")
            page.click("#btn-find")
            status.filter(has_text="is no model of the hub").wait_for()
            watched.check()
            page.close()
