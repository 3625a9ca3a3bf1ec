"""One webcam recording a class, until it is recorded again."""

import pytest

pytestmark = pytest.mark.browser


def capture(watched, card: str, at: int) -> int:
    """Record with the webcam of a class card and return how many pictures there are; ``at`` chooses another moment of the film."""
    page = watched.page
    page.locator(card).get_by_role("button", name="Webcam").click()
    page.wait_for_function("card => document.querySelector(`${card} video`)?.videoWidth > 0", arg=card)
    page.wait_for_timeout(500 + 900 * at)
    page.locator(f"{card} .sn-hold").hover()
    page.mouse.down()
    page.wait_for_timeout(900)
    page.mouse.up()
    page.wait_for_function("card => document.querySelectorAll(`${card} .sn-tile`).length > 1", arg=card)
    page.wait_for_function("document.querySelector('.sn-sending').hidden")
    page.locator(card).get_by_role("button", name="Close the webcam").click()
    return page.locator(f"{card} .sn-tile").count()


def test_one_recording_a_class_gets_no_held_out_figure_and_a_second_one_does(film):
    film.open()
    film.drawer("My images")
    page = film.page
    first = [capture(film, f"#class-images-{number}", 2 * number) for number in (1, 2)]
    page.wait_for_function("t => document.querySelector('#set-told')?.innerText.includes(t)", arg=f"{first[1]} no · {first[0]} yes")
    page.fill("#question textarea", "Is it there?")
    strip = film.found(f"{sum(first)} probing and 0 test images")
    assert (
        "one recording" in strip and "%" not in strip.split("searched")[0].split("held-out accuracy", 1)[-1].split("looked at")[0]
    )
    page.click("#btn-record-again")
    page.wait_for_selector("#class-test-images-1", state="visible")
    second = [capture(film, f"#class-test-images-{number}", 4 + 2 * number) for number in (1, 2)]
    both = f"{first[1] + second[1]} no · {first[0] + second[0]} yes"
    page.wait_for_function("t => document.querySelector('#set-told')?.innerText.includes(t)", arg=both)
    strip = film.found(f"{sum(first)} probing and {sum(second)} test images")
    assert "%" in strip
    page.wait_for_selector("#btn-record-again", state="hidden")
    film.check()
