"""What people land on: there at once, a replay that says so, and a click goes on."""

import pytest

pytestmark = pytest.mark.browser

SEEN = "id => { const b = document.querySelector(id).getBoundingClientRect(); return b.top >= 0 && b.bottom <= innerHeight; }"


def test_the_story_and_the_strip_are_seen_without_scrolling_and_a_click_goes_on(watched):
    watched.page.set_viewport_size({"width": 1440, "height": 900})
    watched.open()
    page = watched.page
    page.wait_for_function("document.querySelectorAll('#story .sn-lane-done').length === 2")
    told = page.inner_text("#story")
    assert "replay of a recorded run" in told and "other photographs" in told and "Luck:" in told and "CC BY" in told
    natural = "[...document.querySelectorAll('#story .sn-story-picture img')].map(each => each.naturalWidth)"
    assert page.evaluate(natural)[0] > 300
    assert page.evaluate(SEEN, "#story") and page.evaluate(SEEN, "#run-facts")
    page.locator("#story .sn-story-said").click()
    page.wait_for_selector("#story .sn-story-line")
    page.wait_for_function("snViz.section() === 'neurons'")
    assert "neuron=" in page.url and page.locator("#story .sn-story-open").is_hidden()
    watched.section("Story")
    page.wait_for_selector("#story .sn-story-open")
    watched.check()


def test_it_is_there_before_gradio_has_built_the_page_and_a_click_then_is_not_lost(watched):
    page, held = watched.page, []
    page.route("**/assets/Blocks-*.js", lambda request: held.append(request))
    page.goto(watched.address)
    page.wait_for_function("document.querySelectorAll('#sn-first .sn-lane-done').length === 2")
    told = page.inner_text("#sn-first")
    assert "replay of a recorded run" in told and "other photographs" in told and "Early exit" in told
    assert not page.locator("gradio-app #story").count()
    page.click("#sn-first .sn-story-said")
    page.wait_for_selector("#sn-first .sn-story-line")
    for request in held:
        request.continue_()
    page.unroute("**/assets/Blocks-*.js")
    page.wait_for_selector("#story .sn-story-line")
    page.wait_for_function("snViz.section() === 'neurons'")
    assert not page.locator("#sn-first").count() and page.locator(".sn-story-line").count() == 1
    watched.check()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_moves_nowhere_when_the_page_is_built(watched, scheme):
    page, held = watched.page, []
    page.emulate_media(color_scheme=scheme)
    page.route("**/assets/Blocks-*.js", lambda request: held.append(request))
    page.goto(watched.address)
    box = "where => (({ x, y, width }) => [x, y, width])(document.querySelector(`${where} .sn-story-open`).getBoundingClientRect())"
    page.wait_for_selector("#sn-first .sn-story-open")
    before, dark = page.evaluate(box, "#sn-first"), page.evaluate("document.body.classList.contains('dark')")
    for request in held:
        request.continue_()
    page.unroute("**/assets/Blocks-*.js")
    page.wait_for_selector("#story .sn-story-open")
    page.wait_for_timeout(500)
    assert page.evaluate(box, "#story") == pytest.approx(before, abs=2)
    assert page.evaluate("document.body.classList.contains('dark')") == dark == (scheme == "dark")
    watched.check()


def test_behind_a_link_it_is_one_line(watched):
    watched.open("?pack=presence-dog")
    assert watched.page.locator("#story .sn-story-open").is_hidden()
    watched.page.click("#story .sn-story-line")
    watched.page.wait_for_selector("#story .sn-story-open")
    watched.check()


def test_people_who_want_no_motion_see_the_end_at_once(watched):
    watched.page.emulate_media(reduced_motion="reduce")
    watched.page.goto(watched.address)
    watched.page.wait_for_selector("#story .sn-lane")
    assert watched.page.locator("#story .sn-lane-done").count() == 2
    assert watched.page.locator("#story .sn-replay").is_visible()
    watched.check()
