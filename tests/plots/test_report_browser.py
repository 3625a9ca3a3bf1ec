"""The report in a real Chromium: it draws, offline, at every width, and hostile names stay text."""

from __future__ import annotations

import pytest
from planted_run import HOSTILE, make_run, planted_column

from sn_viz.report import page as report

pytestmark = pytest.mark.browser
LOUD = "<img src=x onerror=alert(1)>", "%{x} <b>b</b>"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    run = make_run(n_train=6, n_test=6, classes=LOUD, names=HOSTILE)
    return report.write_report(run, path).as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_the_page_draws_offline_without_a_word_on_the_console(chromium, address, width, scheme):
    context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True)
    page, told, asked = context.new_page(), [], []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("dialog", lambda dialog: (told.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_selector("#figure-map-correct .main-svg")
    assert not told and [url for url in asked if not url.startswith("data:")] == [address]
    assert page.locator(".figure .main-svg").count() >= 9
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_hostile_class_names_are_read_as_they_were_written(chromium, address):
    page = chromium.new_page()
    page.goto(address)
    legend = page.locator("#figure-map .legendtext").all_text_contents()
    assert [text.rsplit(" (", 1)[0] for text in legend] == [*LOUD, "answered wrong"]
    assert page.locator("#figure-map a, #figure-map img").count() == 0
    page.close()


def test_a_click_on_a_cell_names_its_neuron(chromium, address):
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    page.goto(address)
    page.evaluate("document.getElementById('figure-heatmap').on('plotly_click', e => { window.picked = e.points[0].customdata; })")
    area = page.locator("#figure-heatmap .nsewdrag").first
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 1.5 / 6, box["y"] + box["height"] * 3.5 / 4)
    page.wait_for_function("window.picked")
    assert page.evaluate("window.picked") == [2, "mlp-neuron", planted_column(make_run().neurons)]
    page.close()
