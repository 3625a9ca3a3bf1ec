"""The neuron docked beside the heatmap: its cut, counts, strips and neighbours, and the one selection that every view shows."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser
SHOWN = "document.querySelector('#neuron-facts').innerText"


def opened(watched, query: str = ""):
    watched.open(query)
    watched.data("fig-histogram")
    watched.page.wait_for_selector(".sn-cut-handle[aria-valuenow]")
    watched.section("Neurons")
    watched.page.wait_for_timeout(1200)
    return watched.page


def counted(page) -> list[int]:
    return page.evaluate("[...document.querySelectorAll('#neuron-counts .sn-count b')].map((each) => Number(each.textContent))")


def valued(page) -> float:
    return float(page.get_attribute(".sn-cut-handle", "aria-valuenow"))


def middle(page) -> tuple[float, float]:
    box = page.locator(".sn-cut-handle").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.parametrize("watched", [(1440, 900)], indirect=True)
def test_the_heatmap_and_all_of_the_neuron_are_seen_together(watched):
    page = opened(watched)
    page.wait_for_selector("#neuron-alike .sn-alike-one")
    for element in ("heatmap-panel", "neuron-page"):
        box = page.locator(f"#{element}").bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 900, (element, box)
    page.locator("#neuron-table").scroll_into_view_if_needed()
    page.click('#neuron-table [data-testid="cell-2-0"]')
    page.wait_for_timeout(1500)
    title = page.locator("#neuron-facts .sn-facts-title").bounding_box()
    assert 0 <= title["y"] <= 860, "what a click in the table changes is in sight"
    watched.check()


def test_a_cut_is_dragged_without_a_request_and_brings_the_held_out_figure_on_release(watched):
    page = opened(watched)
    before, requests = counted(page), []
    assert sum(before) == 60 and "found threshold" in page.inner_text("#neuron-facts")
    page.on("request", lambda request: requests.append(request.url) if '"cut"' in (request.post_data or "") else None)
    x, y = middle(page)
    page.mouse.move(x, y)
    page.mouse.down()
    seen = []
    for step in range(1, 16):
        page.mouse.move(x + 5 * step, y)
        seen.append(tuple(counted(page)))
    assert len(set(seen)) > 3 and all(sum(each) == 60 for each in seen)
    assert requests == []
    assert page.locator(".sn-flip").count() > 0 and page.locator(".sn-cut-flips i").count() > 0
    page.mouse.up()
    page.wait_for_function(f"{SHOWN}.includes('cut chosen by hand')")
    assert "your threshold" in page.inner_text("#neuron-facts") and counted(page) == list(seen[-1])
    assert len(requests) == 1
    page.wait_for_function("location.search.includes('&t=')")
    address = page.evaluate("location.search")
    page.dblclick(".sn-cut-handle")
    page.wait_for_function(f"{SHOWN}.includes('found threshold')")
    assert counted(page) == before and page.locator(".sn-flip").count() == 0
    page.wait_for_function("!location.search.includes('&t=')")
    watched.open(address)
    page.wait_for_function(f"{SHOWN}.includes('cut chosen by hand')")
    page.wait_for_selector(".sn-cut-handle[aria-valuenow]")
    assert counted(page) == list(seen[-1])
    watched.check()


def test_arrow_keys_move_the_cut_and_reset_brings_it_back(watched):
    page = opened(watched)
    before = valued(page)
    page.focus(".sn-cut-handle")
    for key in ("ArrowRight", "PageUp", "PageUp"):
        page.keyboard.press(key)
    assert valued(page) > before and "chosen by hand" in page.get_attribute(".sn-cut-handle", "aria-valuetext")
    page.wait_for_function(f"{SHOWN}.includes('cut chosen by hand')")
    page.keyboard.press("Home")
    page.wait_for_timeout(900)
    assert valued(page) == float(page.get_attribute(".sn-cut-handle", "aria-valuemin"))
    page.click("#btn-threshold-reset")
    page.wait_for_function(f"{SHOWN}.includes('found threshold')")
    assert valued(page) == before
    watched.check()


def test_the_slider_moves_the_line_too(watched):
    page = opened(watched)
    before = valued(page)
    page.locator("#threshold input[type=range]").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(f"{SHOWN}.includes('cut chosen by hand')")
    page.wait_for_function("b => Number(document.querySelector('.sn-cut-handle').getAttribute('aria-valuenow')) > b", arg=before)
    watched.check()


def test_the_sliders_thumb_is_dragged_without_a_request_and_brings_the_held_out_figure_on_release(watched):
    page = opened(watched)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url) if request.method == "POST" else None)
    slider = page.locator("#threshold input[type=range]")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    seen = []
    for step in range(1, 12):
        page.mouse.move(x + 12 * step, y)
        seen.append((valued(page), tuple(counted(page)), float(page.input_value("#threshold input[type=number]"))))
    assert len({value for value, *_ in seen}) > 8 and len({counts for _, counts, _ in seen}) > 2
    assert all(sum(counts) == 60 and number == pytest.approx(value, rel=1e-3) for value, counts, number in seen)
    assert requests == []
    page.mouse.up()
    page.wait_for_function(f"{SHOWN}.includes('cut chosen by hand')")
    assert len(requests) >= 1 and counted(page) == list(seen[-1][1]) and valued(page) == pytest.approx(seen[-1][0], rel=1e-3)
    watched.check()


@pytest.mark.parametrize("watched", [(390, 844)], indirect=True)
def test_a_finger_drags_the_cut(watched):
    page = opened(watched)
    page.locator("#fig-histogram").scroll_into_view_if_needed()
    before, (x, y) = valued(page), middle(page)
    finger = page.context.new_cdp_session(page)
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 10):
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x - 6 * step, "y": y}]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function(f"{SHOWN}.includes('cut chosen by hand')")
    assert valued(page) < before
    watched.check()


def test_a_count_shows_its_pictures_which_enlarge_and_are_walked_through_by_keys(watched):
    page = opened(watched)
    page.click(".sn-count-hits")
    page.wait_for_function("document.querySelector('#neuron-images .sn-strips-head strong')?.textContent.startsWith('Is “yes”')")
    titles = page.locator("#neuron-images h4").all_inner_texts()
    assert [title.split()[0] for title in titles] == ["probing", "test"]
    page.locator("#neuron-images .sn-tile").first.click()
    page.wait_for_selector("dialog[open]")
    first = page.inner_text("#enlarge-caption")
    page.wait_for_function("document.querySelector('dialog img').naturalWidth > 200")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#enlarge-caption") != first and page.inner_text(".sn-enlarge-at").startswith("2 of")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#enlarge-caption") == first
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog[open]", state="detached")
    assert page.evaluate("document.activeElement.classList.contains('sn-tile')")
    page.click(".sn-back")
    assert page.locator("#neuron-images h4").count() == 3
    watched.check()


def test_one_selection_is_shown_by_every_view_whichever_changes_it(watched):
    page = opened(watched)
    page.focus("#fig-heatmap .sn-plot")
    before = page.inner_text("#neuron-facts .sn-facts-title")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("t => document.querySelector('#neuron-facts .sn-facts-title').innerText !== t", arg=before)
    shown = page.inner_text("#neuron-facts .sn-facts-title")
    place = shown.rsplit(" · ", 1)[0]
    assert page.inner_text("#heatmap-said").startswith(f"{place}: best effect size (Cohen's d)")
    layer = int(place.split()[1])
    page.wait_for_function(
        "l => { const p = document.querySelector('#fig-heatmap .js-plotly-plot'); return p.layout.shapes[0].x0 === l - 0.5 }",
        arg=layer,
    )
    assert f"layer {layer}," in watched.data("fig-units")["title"]
    page.wait_for_function("document.querySelector('#fig-units .js-plotly-plot').layout.shapes.length === 1")
    page.wait_for_function("l => location.search.includes(`layer=${l}&site=`)", arg=layer)
    page.click('#neuron-table [data-testid="cell-0-0"]')
    number = page.inner_text('#neuron-table [data-testid="cell-0-0"]').strip()
    page.wait_for_function("n => location.search.includes(`neuron=${n}`)", arg=number)
    page.wait_for_function(
        "n => document.querySelector('#neuron-table .sn-row-selected')?.innerText.trim().startsWith(n)", arg=number
    )
    before = page.inner_text("#neuron-facts .sn-facts-title")
    page.locator("#neuron-alike .sn-alike-one").first.click()
    page.wait_for_function("t => document.querySelector('#neuron-facts .sn-facts-title').innerText !== t", arg=before)
    watched.check()


def test_the_colours_of_the_scale_outlive_a_change_of_the_address(watched):
    page = opened(watched)
    page.focus("#fig-heatmap .sn-plot")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("location.search.includes('layer=')")
    fills = "[...document.querySelectorAll('#fig-heatmap .cbfill, #fig-heatmap [clip-path]')].map((each) => each.outerHTML)"
    page.wait_for_selector("#fig-heatmap .cbfill", state="attached")
    assert "url(" in "".join(page.evaluate(fills)) and "url(http" not in "".join(page.evaluate(fills)).replace("'", "").replace(
        '"', ""
    )
    watched.check()


def test_the_heatmap_shows_what_is_chosen_and_numbers_on_demand(watched):
    page = opened(watched)
    before = watched.data("fig-heatmap")["data"][0]
    assert "texttemplate" not in before
    page.locator("#heatmap-view").get_by_text("held-out score").click()
    page.locator("#heatmap-numbers input").check()
    page.wait_for_function("document.querySelector('#fig-heatmap .js-plotly-plot').data[0].texttemplate === '%{text}'")
    page.wait_for_function("location.search.includes('view=held-out')")
    after = watched.data("fig-heatmap")["data"][0]
    assert after["z"] != before["z"] and page.locator("#fig-heatmap .heatmap-label").count() > 10
    watched.check()
