"""One webcam recording a class, until it is recorded again."""

import pytest

pytestmark = pytest.mark.browser


def capture(watched, card: str, n: int, at: int) -> None:
    """Take ``n`` pictures with the webcam of a class card; the film starts anew each time, so that ``at`` chooses other moments."""
    page = watched.page
    for number in range(1, n + 1):
        page.locator(f"{card} :is([aria-label='Capture from camera'], [aria-label='common.webcam'])").first.click()
        page.locator(card).get_by_text("Click to Access Webcam").click()
        page.wait_for_function("card => document.querySelector(`${card} video`)?.videoWidth > 0", arg=card)
        page.wait_for_timeout(500 + 900 * (at + number))
        page.click(f"{card} [aria-label='capture photo']")
        page.wait_for_function(
            "([card, n]) => document.querySelectorAll(`${card} .thumbnail-item`).length === n", arg=[card, number]
        )


def find(watched, text: str) -> str:
    """Press Find and return the strip once it says ``text``."""
    watched.page.click("#btn-find")
    watched.page.wait_for_function("t => document.querySelector('#run-facts').innerText.includes(t)", arg=text, timeout=240_000)
    return watched.page.inner_text("#run-facts")


def test_one_recording_a_class_gets_no_held_out_figure_and_a_second_one_does(film):
    film.open()
    film.drawer("My images")
    page = film.page
    for number in (1, 2):
        capture(film, f"#class-images-{number}", 2, 2 * number)
    page.wait_for_function("document.querySelector('#set-told')?.innerText.includes('2 no · 2 yes')")
    page.fill("#question textarea", "Is it there?")
    strip = find(film, "4 probing and 0 test images")
    assert (
        "one recording" in strip and "%" not in strip.split("searched")[0].split("held-out accuracy", 1)[-1].split("looked at")[0]
    )
    page.click("#btn-record-again")
    for number in (1, 2):
        page.wait_for_selector(f"#class-test-images-{number}", state="visible")
        capture(film, f"#class-test-images-{number}", 2, 4 + 2 * number)
    page.wait_for_function("document.querySelector('#set-told')?.innerText.includes('4 no · 4 yes')")
    strip = find(film, "4 probing and 4 test images")
    assert "%" in strip
    page.wait_for_selector("#btn-record-again", state="hidden")
    film.check()
