"""The map of pictures: lasso, table, edits after looking, links."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser
CHOSEN = "#map-chosen h4"


@pytest.fixture()
def mapped(watched):
    """The page with its map in sight."""
    watched.open()
    watched.data("fig-map")
    watched.page.locator("#fig-map").scroll_into_view_if_needed()
    return watched


def lasso(page) -> None:
    """Draw around the left half of the map."""
    box = page.locator("#fig-map .nsewdrag").first.bounding_box()
    corners = [
        (box["x"] + x * box["width"], box["y"] + y * box["height"])
        for x, y in ((0.02, 0.02), (0.5, 0.02), (0.5, 0.98), (0.02, 0.98))
    ]
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in (*corners[1:], corners[0]):
        page.mouse.move(*corner, steps=8)
    page.mouse.up()


def choose(page, what: str) -> None:
    """Choose a group by the keyboard's way: the list and its button."""
    page.locator("#map-chosen").get_by_label("Choose", exact=True).select_option(label=what)
    page.locator("#map-chosen").get_by_role("button", name="Choose these pictures").click()


def test_a_lasso_fills_the_table_and_the_address(mapped):
    page = mapped.page
    lasso(page)
    page.wait_for_function(f"/^[1-9].*chosen$/.test(document.querySelector('{CHOSEN}').textContent)")
    n = int(page.inner_text(CHOSEN).split()[0])
    told = page.evaluate(
        "(() => { const p = document.querySelector('#fig-map .js-plotly-plot');"
        " return new Set(p.data.filter(t => t.meta != 'wrong')"
        ".flatMap(t => (t.selectedpoints ?? []).map(i => t.customdata[i].join()))).size })()"
    )
    assert 0 < n < 260 and told == n
    page.get_by_role("button", name="Choose none").click()
    page.wait_for_function(f"document.querySelector('{CHOSEN}').textContent.includes('none chosen')")
    mapped.check()


def test_pictures_or_dots(mapped):
    page = mapped.page
    page.wait_for_function("getComputedStyle(document.querySelector('#fig-map canvas')).display === 'block'")
    page.click("#fig-map button[data-key=dots]")
    page.wait_for_function("getComputedStyle(document.querySelector('#fig-map canvas')).display === 'none'")
    mapped.check()


def test_the_head_of_a_column_sorts_the_table_by_keyboard_too(mapped):
    page = mapped.page
    heads = page.locator("#map-chosen th:has(button)")
    assert heads.all_inner_texts()[-2] == "Margin"
    heads.nth(4).get_by_role("button").click()
    page.wait_for_selector("#map-chosen th[aria-sort=ascending]")
    first = page.locator("#map-chosen tbody tr td.sn-chosen-number").first.inner_text()
    page.locator("#map-chosen th[aria-sort=ascending] button").press("Enter")
    page.wait_for_selector("#map-chosen th[aria-sort=descending]")
    assert float(page.locator("#map-chosen tbody tr td.sn-chosen-number").first.inner_text()) >= float(first)
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Sort by margin"
    mapped.check()


def test_the_wrong_ones_are_chosen_travel_in_the_address_and_come_back(mapped):
    page = mapped.page
    choose(page, "answered wrong")
    page.wait_for_function("location.search.includes('pick=')")
    title, signs = page.inner_text(CHOSEN), page.locator("#map-chosen .sn-chosen-false").count()
    assert signs > 0 and signs == page.locator("#map-chosen tbody tr").count()
    mapped.open(page.evaluate("location.search"))
    page.wait_for_function("t => document.querySelector('#map-chosen h4')?.textContent === t", arg=title)
    mapped.check()


def test_leaving_out_a_test_picture_after_looking_marks_the_next_result(mapped):
    page = mapped.page
    choose(page, "answered wrong")
    page.wait_for_function(f"/^[1-9].*chosen$/.test(document.querySelector('{CHOSEN}').textContent)")
    n = int(page.inner_text(CHOSEN).split()[0])
    page.locator("#map-chosen").get_by_role("button", name="Leave the chosen pictures out").click()
    page.wait_for_function("document.querySelector('#stale-mark').innerText.includes('hanges by hand')")
    mapped.found(f"edited after looking ({n})")
    assert f"edited after looking ({n})" in page.inner_text("#exit-facts")
    mapped.bring("fig-layers")
    drawn = "t => JSON.stringify(document.querySelector('#fig-layers .js-plotly-plot').layout.annotations ?? '').includes(t)"
    page.wait_for_function(drawn, arg=f"edited after looking ({n})")
    mapped.check()
