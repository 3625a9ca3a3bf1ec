"""A real server in its own process, on a free port, with the embedded model; and a browser page that notes what goes wrong."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., AbstractContextManager[str]]:
    """Return ``start(port, **environment)``: a context in which the app runs there; gives its address."""
    cache = tmp_path_factory.mktemp("cache")

    @contextmanager
    def start(port: int, **more: str) -> Iterator[str]:
        folder = tmp_path_factory.mktemp("server")
        named = {"SN_VIZ_PORT": str(port), "SN_VIZ_CACHE": str(cache), "GRADIO_TEMP_DIR": str(folder / "gradio")}
        with open(folder / "log.txt", "w") as log:
            process = subprocess.Popen(
                [sys.executable, "app.py"], cwd=ROOT, env={**os.environ, **named, **more}, stdout=log, stderr=subprocess.STDOUT
            )
        address = f"http://127.0.0.1:{port}/"
        try:
            _wait(address, process, folder / "log.txt")
            yield address
        finally:
            process.terminate()
            process.wait(20)

    return start


@pytest.fixture(scope="session")
def server(start_server) -> Iterator[str]:
    """The address of a running app."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with start_server(port) as address:
        yield address


def _wait(address: str, process: subprocess.Popen, log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.25)
    raise AssertionError(log.read_text())


def _cut_off(error: str) -> bool:
    """Return whether Gradio complains of a request that was under way when its page was left."""
    return error.startswith("AbortError") or "Connection errored out" in error


class Watched:
    """A page and what it complained about."""

    def __init__(self, page, address: str) -> None:
        self.page, self.address = page, address
        self.errors: list[str] = []
        self.outside: list[str] = []
        page.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: None if self._is_ours(request.url) else self.outside.append(request.url))

    def _is_ours(self, url: str) -> bool:
        return url.startswith((self.address, "data:", "blob:"))

    def open(self, query: str = "") -> None:
        """Open the page and wait until a finished run is shown."""
        before = len(self.errors)
        self.page.goto(self.address + query, wait_until="commit")
        self.errors[before:] = [error for error in self.errors[before:] if not _cut_off(error)]  # said by the page that was left
        self.page.wait_for_function(
            "document.querySelectorAll('#run-facts .sn-fact').length >= 3", timeout=600_000
        )  # the first one runs the pack

    def section(self, name: str) -> None:
        """Go to a section by its link in the header."""
        self.page.locator(".sn-header nav").get_by_text(name, exact=True).click()

    def drawer(self, source: str = "") -> None:
        """Open the drawer of pictures, at one of the ways in."""
        if "sn-drawer-open" not in (self.page.get_attribute("body", "class") or ""):
            self.page.click("#btn-data")
        if source:
            self.page.get_by_role("tab", name=source, exact=True).click()

    def close_drawer(self) -> None:
        self.page.keyboard.press("Escape")
        self.page.wait_for_function("!document.body.classList.contains('sn-drawer-open')")

    def found(self, says: str) -> str:
        """Press Find, wait until the run has ended, not only begun to fill, and return the strip, which then says ``says``."""
        self.page.click("#btn-find")
        ended = "t => document.querySelector('#status .sn-status').dataset.tone === 'done' && " + (
            "document.querySelector('#run-facts').innerText.includes(t)"
        )
        self.page.wait_for_function(ended, arg=says, timeout=400_000)
        return self.page.inner_text("#run-facts")

    def bring(self, figure: str) -> None:
        """Scroll to a figure, because only what is near is drawn, and wait until it is."""
        there = (
            "at => { const box = document.querySelector(at); if (!box) return false;"
            " const { top, bottom } = box.getBoundingClientRect(), near = bottom > 0 && top < innerHeight;"
            " if (!near) box.scrollIntoView({ block: 'center', behavior: 'instant' });"
            " return near && box.classList.contains('js-plotly-plot'); }"
        )
        self.page.wait_for_function(there, arg=f"#{figure} .sn-plot", polling=250, timeout=60_000)

    def data(self, figure: str) -> dict:
        """Return title and data of a drawn figure, once it is there."""
        self.bring(figure)
        drawn = f"document.querySelector('#{figure} .js-plotly-plot')"
        self.page.wait_for_function(f"{drawn}.data?.length > 0", timeout=60_000)
        return self.page.evaluate(
            f"(() => {{ const p = {drawn}; return {{title: p.layout.title.text, data: JSON.parse(JSON.stringify(p.data))}} }})()"
        )

    def check(self) -> None:
        """Nothing was logged as an error, and nothing left this machine."""
        assert self.errors == []
        assert self.outside == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Say with every failure what stood on the page: on another machine that is all there is to go by."""
    report = yield
    for name, value in getattr(item, "funcargs", {}).items():
        if report.when == "call" and report.failed and isinstance(value, Watched):
            shown = "() => ['#status', '#run-facts', '#stale-mark', '#answers', '#btn-find'].map(at => at + ': ' + " + (
                "(document.querySelector(at)?.innerText ?? 'not there')).join('\\n') + '\\nfields: ' + "
                "[...document.querySelectorAll('textarea, input[type=text]')].map(each => each.value).filter(Boolean).join(' | ')"
            )
            report.sections.append((f"the page of {name}", value.page.evaluate(shown)))
    return report


@pytest.fixture(scope="session")
def watch() -> type[Watched]:
    """Return ``watch(page, address)``: a page that notes what goes wrong."""
    return Watched


@pytest.fixture(params=[(1400, 900)])
def watched(request, chromium, server) -> Iterator[Watched]:
    width, height = request.param
    page = chromium.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(60_000)
    yield Watched(page, server)
    page.close()


@pytest.fixture()
def camera(chromium, server) -> Iterator[Watched]:
    """A page of a browser whose camera shows a test picture, and whose clipboard may be used."""
    with _with_camera(chromium) as page:
        yield Watched(page, server)


@pytest.fixture()
def film(chromium, server, tmp_path) -> Iterator[Watched]:
    """The same; the camera shows a film of three minutes, 30 pictures a second, each of them unlike all others."""
    rng = np.random.default_rng(0)
    with open(tmp_path / "film.mjpeg", "wb") as file:
        for _ in range(30 * 180):
            few = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
            few.resize((160, 120), Image.Resampling.BILINEAR).save(file, "JPEG", quality=70)
    with _with_camera(chromium, f"--use-file-for-fake-video-capture={tmp_path / 'film.mjpeg'}") as page:
        yield Watched(page, server)


@contextmanager
def _with_camera(chromium, *more: str) -> Iterator[Any]:
    told = ["--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", *more]
    browser = chromium.browser_type.launch(executable_path=shutil.which("chromium"), args=told)
    permissions = ["camera", "clipboard-read", "clipboard-write"]
    page = browser.new_context(viewport={"width": 1280, "height": 1000}, permissions=permissions).new_page()
    page.set_default_timeout(60_000)
    try:
        yield page
    finally:
        browser.close()
