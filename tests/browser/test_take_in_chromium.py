"""Take it with you in a real browser: save, open what was saved, figures as PNG and SVG by keyboard, and be forgotten."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser


def opened(watched):
    watched.open()
    watched.data("fig-heatmap")
    watched.page.focus("#btn-export")
    watched.page.keyboard.press("Enter")
    watched.page.wait_for_selector("#take", state="visible")
    return watched.page


def test_save_asks_and_what_was_saved_opens_again(watched, tmp_path):
    page = opened(watched)
    page.check("#save-pictures label:has-text('figures only') input")
    with page.expect_download() as download:
        page.click("#btn-save-run")
    download.value.save_as(tmp_path / "run.zip")
    page.wait_for_function("document.querySelector('#take-status').textContent.includes('figures only')")
    page.set_input_files("#open-run input[type=file]", tmp_path / "run.zip")
    page.wait_for_function("document.querySelector('#run-facts').textContent.includes('saved without its pictures')")
    assert "Your images" in page.inner_text("#run-facts")
    watched.check()


def test_a_figure_is_saved_as_png_and_as_svg_by_keyboard(watched, tmp_path):
    watched.open()
    watched.data("fig-heatmap")
    for format, begins in (("png", b"\x89PNG"), ("svg", b"<svg")):
        button = watched.page.locator(f"#fig-heatmap .sn-take-figure button:has-text('{format.upper()}')")
        button.focus()
        with watched.page.expect_download() as download:
            watched.page.keyboard.press("Enter")
        assert download.value.suggested_filename == f"fig-heatmap.{format}"
        download.value.save_as(tmp_path / "figure")
        assert (tmp_path / "figure").read_bytes().startswith(begins)
        assert "Save this figure" in button.get_attribute("aria-label")
    watched.check()


def test_escape_closes_the_panel_and_gives_the_focus_back(watched):
    page = opened(watched)
    page.focus("#btn-csv")
    page.keyboard.press("Escape")
    page.wait_for_selector("#take", state="hidden")
    assert page.evaluate("document.activeElement.id") == "btn-export"
    watched.check()


def test_forget_me_says_what_it_deleted_and_opens_the_page_afresh(watched, tmp_path):
    page = opened(watched)
    with page.expect_download() as download:
        page.click("#btn-save-run")
    download.value.save_as(tmp_path / "run.zip")
    page.set_input_files("#open-run input[type=file]", tmp_path / "run.zip")
    page.wait_for_function("document.querySelector('#take-status').textContent.includes('Opened')")
    assert "This page runs on your own machine" in page.inner_text("#whose")
    page.click("#btn-forget")
    page.wait_for_function("document.querySelector('#take-status')?.textContent.includes('1 run')")
    page.wait_for_function("document.querySelector('#run-facts')?.textContent.includes('presence-dog')")
    watched.check()


@pytest.mark.parametrize("watched", [(390, 844)], indirect=True)
def test_on_a_telephone_the_panel_scrolls_in_one_direction_only(watched):
    page = opened(watched)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    watched.check()
