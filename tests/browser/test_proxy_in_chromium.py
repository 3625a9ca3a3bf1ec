"""The app behind a reverse proxy that serves it under a path of its own."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.browser
ROOT = "/class/room-1"
KEPT_TO_ITSELF = {"connection", "transfer-encoding", "keep-alive"}


def _handler(port: int) -> type[BaseHTTPRequestHandler]:
    class Proxy(BaseHTTPRequestHandler):
        """Passes on what lies under ``ROOT``, without it; everything else is not there."""

        def do_GET(self) -> None:
            if self.path == ROOT:
                self.send_response(301)
                self.send_header("location", f"{ROOT}/")
                self.end_headers()
                return
            if not self.path.startswith(f"{ROOT}/"):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            onward = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
            try:
                onward.request(self.command, self.path.removeprefix(ROOT) or "/", body, dict(self.headers))
                self._answer(onward.getresponse())
            except (OSError, http.client.IncompleteRead):
                pass  # the browser left, as it does when a page is closed, or the app has ended
            finally:
                onward.close()

        do_POST = do_HEAD = do_GET

        def _answer(self, answer: http.client.HTTPResponse) -> None:
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in KEPT_TO_ITSELF:
                    self.send_header(name, value)
            self.end_headers()
            while piece := answer.read1(65536):
                self.wfile.write(piece)
                self.wfile.flush()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Proxy


@pytest.fixture(scope="module")
def behind_a_proxy(start_server) -> Iterator[str]:
    """The address of the app as the proxy's visitors see it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with start_server(port, GRADIO_ROOT_PATH=ROOT):
        proxy = ThreadingHTTPServer(("127.0.0.1", 0), _handler(port))
        proxy.daemon_threads = True
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{proxy.server_port}{ROOT}"
        finally:
            proxy.shutdown()


def test_page_click_and_download_work_under_a_path(chromium, watch, behind_a_proxy):
    watched = watch(chromium.new_page(viewport={"width": 1280, "height": 900}), behind_a_proxy)
    watched.page.set_default_timeout(120_000)
    errors: list[str] = []
    watched.page.on("console", lambda line: errors.append(urlsplit(line.location["url"]).path) if line.type == "error" else None)
    watched.open()
    assert urlsplit(watched.page.url).path == f"{ROOT}/"
    assert watched.page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--primary-600')")
    watched.section("Neurons")
    before = watched.data("fig-histogram")["title"]
    box = watched.page.locator("#fig-heatmap .nsewdrag").first.bounding_box()
    watched.page.mouse.click(box["x"] + 0.96 * box["width"], box["y"] + 0.9 * box["height"])
    watched.page.wait_for_function(
        "t => document.querySelector('#fig-histogram .js-plotly-plot').layout.title.text !== t", arg=before
    )
    watched.page.click("#btn-export")
    with watched.page.expect_download() as download:
        watched.page.click("#btn-save-run")
    assert urlsplit(download.value.url).path.startswith(f"{ROOT}/gradio_api/")
    assert download.value.path().read_bytes()[:2] == b"PK"
    # Browsers look for an icon at the top of the host, which is not ours behind a proxy; nothing else may be missing.
    assert set(errors) <= {"/favicon.ico"} and len(watched.errors) == len(errors)
    assert watched.outside == []
    watched.page.close()
