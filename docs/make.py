"""Write the pages and pictures of docs/ that are made from the code.

python docs/make.py glossary architecture teaching     # at once
python docs/make.py screenshot                # starts the app and a Chromium; a minute or two
"""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))

from draw_architecture import draw  # noqa: E402

from sn_viz import glossary  # noqa: E402

SIZE = {"width": 1400, "height": 1460}
"""Of the screenshot, in pixels."""
START_SECONDS = 180


def write_glossary() -> Path:
    """Write the page of words; a test holds it to this."""
    target = DOCS / "glossary.md"
    target.write_text(glossary.as_markdown(), encoding="utf-8")
    return target


def write_teaching() -> Path:
    """Write the page of the lesson with its printed sheet; a test holds it to this."""
    from sn_viz.lessons import sheet

    target = DOCS / "teaching.md"
    target.write_text(sheet.as_markdown(), encoding="utf-8")
    return target


def write_architecture() -> Path:
    """Write the picture of the architecture; a test looks whether it still holds."""
    target = DOCS / "architecture.svg"
    target.write_text(draw(ROOT / "sn_viz"), encoding="utf-8")
    return target


def write_screenshot() -> Path:
    """Take the picture of the README: the page on the first sample pack, in 256 colours."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    target = DOCS / "screenshot.png"
    with _running_app() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu", "--font-render-hinting=none"]
        )
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(f"{address}?pack=presence-dog")
        page.wait_for_function("document.querySelectorAll('#run-facts .sn-fact').length >= 3", timeout=600_000)
        for figure in ("fig-heatmap", "fig-units", "fig-histogram"):
            page.wait_for_function(f"document.querySelector('#{figure} .js-plotly-plot')?.data?.length > 0", timeout=120_000)
        page.wait_for_timeout(2000)  # transitions end
        taken = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        browser.close()
    taken.quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)
    return target


@contextmanager
def _running_app() -> Iterator[str]:
    """Serve the app on a free port with an empty cache; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        own = {"SN_VIZ_PORT": str(port), "SN_VIZ_CACHE": folder, "GRADIO_TEMP_DIR": f"{folder}/gradio"}
        process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=os.environ | own, stdout=subprocess.DEVNULL)
        try:
            _wait_for(f"http://127.0.0.1:{port}/", process)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait(30)


def _wait_for(address: str, process: subprocess.Popen) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.25)
    sys.exit("The app did not start.")


MADE: dict[str, Callable[[], Path]] = {
    "glossary": write_glossary,
    "teaching": write_teaching,
    "architecture": write_architecture,
    "screenshot": write_screenshot,
}


def main(names: list[str]) -> None:
    if unknown := [name for name in names or ["nothing"] if name not in MADE]:
        sys.exit(f"Nothing is called {unknown[0]!r}. There are: {', '.join(MADE)}.")
    for name in names:
        print(MADE[name]())


if __name__ == "__main__":
    main(sys.argv[1:])
