"""What a phone shows: tables that are wider than the screen scroll, and cut nothing."""

from __future__ import annotations

import gradio as gr
import pytest

from sn_viz.paths import ASSETS
from sn_viz.ui.components import neuron
from sn_viz.ui.sections import neurons_section

pytestmark = pytest.mark.browser

MEASURE = """() => {
    const table = document.querySelector("#neuron-table"), cells = [...table.querySelectorAll("[data-testid^=cell-1-]")];
    const heads = [...table.querySelectorAll("th")].filter(head => head.getBoundingClientRect().height);
    const viewport = cells[0].closest(".virtual-table-viewport");
    const left = elements => elements.map(element => Math.round(element.getBoundingClientRect().left));
    return {
        heads: left(heads), cells: left(cells), wide: viewport.scrollWidth, seen: viewport.clientWidth,
        page: document.documentElement.scrollWidth, cut: cells.filter(cell => cell.scrollWidth > cell.clientWidth).length,
        scrolls: getComputedStyle(viewport).overflowX,
    };
}"""


@pytest.mark.parametrize("width", [360, 412])
def test_the_table_of_neurons_scrolls_on_a_phone_and_its_cells_stand_under_their_headings(chromium, width):
    with gr.Blocks() as page:
        tab = neurons_section.layout()
        page.load(lambda: [[f"L12 {i}", "attention-output", "no dog", 0.951, 0.875, 15] for i in range(30)], None, tab.table)
    assert len(neuron.HEADERS) == 6
    _, address, _ = page.launch(prevent_thread_lock=True, quiet=True, css=(ASSETS / "page" / "style.css").read_text())
    phone = chromium.new_page(viewport={"width": width, "height": 800})
    try:
        phone.goto(address)
        phone.wait_for_selector('#neuron-table [data-testid="cell-1-1"]', state="attached")
        phone.wait_for_function("document.querySelector('.virtual-table-viewport').scrollWidth >= 520")
        seen = phone.evaluate(MEASURE)
    finally:
        phone.close()
        page.close()
    assert seen["heads"] == seen["cells"] and len(seen["cells"]) == 6 and not seen["cut"]
    assert seen["page"] == width and seen["wide"] >= 520 > seen["seen"] and seen["scrolls"] == "auto"
