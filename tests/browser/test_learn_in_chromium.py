"""The lesson as a class meets it: guess, see, and go on in the workbench; by mouse, by keys, on a telephone."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser
TITLE = ".sn-learn-title"


def guess(page, which: int = 0) -> str:
    page.locator(".sn-learn-option").nth(which).click()
    page.wait_for_selector(".sn-learn-reveal")
    return page.inner_text(".sn-learn-reveal")


def test_a_step_asks_first_and_then_shows_what_was_recorded(watched):
    watched.open()
    watched.section("Learn")
    assert watched.page.inner_text(TITLE) == "One number can answer"
    assert watched.page.locator(".sn-learn-reveal").count() == 0
    said = guess(watched.page)
    assert "200 pictures" in said and "Recorded on" in said
    assert watched.page.locator(".sn-learn-svg").get_attribute("aria-label")
    watched.page.locator(".sn-learn-table summary").click()
    assert watched.page.locator(".sn-learn-table tbody tr").count() > 5
    assert watched.page.locator(".sn-learn-option[aria-pressed=true]").count() == 1
    watched.check()


def test_a_place_of_the_lesson_selects_its_neuron_and_its_cut_in_the_workbench(watched):
    watched.open()
    watched.section("Learn")
    guess(watched.page)
    assert "In the workbench now" in watched.page.inner_text(".sn-learn-live")
    watched.page.locator(".sn-learn-looks a").nth(1).click()
    watched.page.wait_for_function("document.querySelector('#neuron-facts').innerText.includes('your threshold')", timeout=120_000)
    watched.page.wait_for_function("document.querySelector('#neuron-page').getBoundingClientRect().top < innerHeight")
    assert "learn=1" in watched.page.url
    watched.check()


def test_another_set_is_opened_and_a_race_is_run_from_the_lesson(watched):
    watched.open("?learn=4")
    assert watched.page.inner_text(TITLE).startswith("They stop early")
    guess(watched.page)
    watched.page.locator(".sn-learn-looks a").first.click()
    watched.page.wait_for_function("document.querySelector('#race-result').innerText.includes('the exit is ')", timeout=240_000)
    watched.page.keyboard.press("Escape")
    watched.section("Learn")
    watched.page.locator(".sn-learn-steps button").nth(4).click()
    guess(watched.page)
    watched.page.locator(".sn-learn-looks a").first.click()
    watched.page.wait_for_function("document.querySelector('#run-facts').innerText.includes('left-of')", timeout=400_000)
    watched.page.wait_for_function("document.querySelector('.sn-learn-live')?.innerText.includes('left-of')", timeout=60_000)
    assert "left of" in watched.page.input_value("#question textarea")
    watched.check()


def test_a_teachers_link_presets_step_set_and_projector(watched):
    watched.open("?learn=3&pack=anything-red&projector=1")
    assert watched.page.inner_text(TITLE).startswith("The whole picture")
    assert "anything-red" in watched.page.inner_text("#run-facts")
    assert "sn-projector" in watched.page.get_attribute("body", "class")
    assert "learn=3" in watched.page.url and "projector=1" in watched.page.url
    watched.check()


def test_nonsense_in_a_link_opens_no_step(watched):
    watched.open("?learn=99&projector=yes")
    assert "sn-learn-open" not in (watched.page.get_attribute("body", "class") or "")
    watched.check()


def test_the_lesson_needs_no_mouse(watched):
    watched.open()
    page = watched.page
    page.locator(".sn-header nav a[data-section=learn]").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.classList.contains('sn-learn-title')")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.innerText === 'Luck with few pictures'")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("p")
    assert "sn-projector" in page.get_attribute("body", "class")
    page.keyboard.press("p")
    page.locator(".sn-learn-option").first.focus()
    page.keyboard.press("Space")
    page.wait_for_function("document.activeElement.classList.contains('sn-learn-reveal')")
    page.keyboard.press("Escape")
    page.wait_for_function("document.activeElement.dataset.section === 'learn'")
    assert not page.is_visible("#tab-learn")
    watched.check()


def test_a_word_is_explained_where_it_stands(watched):
    watched.open()
    page = watched.page
    watched.section("Learn")
    word = page.locator(".sn-learn-body .sn-term").first
    word.focus()
    page.keyboard.press("Enter")
    assert page.inner_text("#sn-term").lower().startswith(word.inner_text().lower().rstrip("s")[:5])
    assert word.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Escape")
    assert not page.is_visible("#sn-term") and page.is_visible("#tab-learn")
    page.keyboard.press("Escape")
    assert page.locator(".sn-panel .sn-term").count() > 0
    watched.check()


def test_the_printed_sheet_asks_and_tells_no_answer(watched):
    watched.open("?learn=1")
    page = watched.page
    page.evaluate(
        "void (window.print = () => { window.printed = document.getElementById('sn-sheet').innerText;"
        " dispatchEvent(new Event('afterprint')); })"
    )
    page.locator(".sn-learn-teacher summary").click()
    page.get_by_role("button", name="Print the questions").click()
    questions = page.evaluate("window.printed")
    page.get_by_role("button", name="Print the answers").click()
    answers = page.evaluate("window.printed")
    assert questions.count("☐") >= 18 and "☒" not in questions and answers.count("☒") == 8
    watched.check()


@pytest.mark.parametrize("watched", [(390, 844)], indirect=True)
def test_on_a_telephone_it_is_a_sheet_that_folds_when_it_leads_somewhere(watched):
    watched.open("?learn=1")
    page = watched.page
    assert page.evaluate("document.getElementById('tab-learn').getBoundingClientRect().top") > 250
    guess(page)
    page.locator(".sn-learn-looks a").first.click()
    page.wait_for_function("document.body.classList.contains('sn-learn-folded')")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Unfold").click()
    assert page.is_visible(".sn-learn-reveal")
    watched.check()
