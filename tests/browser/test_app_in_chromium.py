"""The app as people meet it: a real server, a real browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.browser


def test_the_page_opens_on_a_pack_that_is_already_run(watched):
    watched.open()
    assert "super neurons" in watched.page.inner_text("#run-facts")
    assert "presence-dog" in watched.page.inner_text("#run-facts")
    watched.drawer()
    watched.page.wait_for_function("document.querySelectorAll('#labelled-set .sn-tile').length > 10")
    assert "nothing is sent anywhere" in watched.page.inner_text("body")
    watched.check()


def test_a_click_in_the_heatmap_changes_the_histogram(watched):
    watched.open()
    watched.section("Neurons")
    before, heat = watched.data("fig-histogram"), watched.data("fig-heatmap")
    assert heat["data"][0]["z"]
    box = watched.page.locator("#fig-heatmap .nsewdrag").first.bounding_box()
    watched.page.mouse.click(box["x"] + 0.46 * box["width"], box["y"] + 0.9 * box["height"])
    watched.page.wait_for_function(
        "t => document.querySelector('#fig-histogram .js-plotly-plot').layout.title.text !== t", arg=before["title"]
    )
    after = watched.data("fig-histogram")
    assert after["title"].startswith("L") and after["data"] != before["data"]
    layer = after["title"].split()[0][1:]
    assert f"layer {layer}," in watched.data("fig-units")["title"]
    watched.check()


def test_a_row_of_the_table_and_a_point_of_the_map_are_clickable(watched):
    watched.open()
    watched.section("Neurons")
    before = watched.data("fig-histogram")["title"]
    watched.page.click('#neuron-table [data-testid="cell-4-1"]')
    watched.page.wait_for_function(
        "t => document.querySelector('#fig-histogram .js-plotly-plot').layout.title.text !== t", arg=before
    )
    watched.data("fig-map")
    watched.page.locator("#fig-map").scroll_into_view_if_needed()
    point = watched.page.locator("#fig-map .scatterlayer .point").first.bounding_box()
    watched.page.mouse.move(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    watched.page.wait_for_timeout(300)
    watched.page.mouse.click(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    watched.page.wait_for_selector("#map-image .sn-tile img")
    watched.check()


def test_a_moved_threshold_moves_the_line_and_the_accuracy(watched):
    watched.open()
    watched.section("Neurons")
    watched.data("fig-histogram")
    assert "found threshold" in watched.page.inner_text("#neuron-facts")
    watched.page.locator("#threshold input[type=range]").focus()
    for _ in range(3):
        watched.page.keyboard.press("ArrowRight")
    watched.page.wait_for_function("document.querySelector('#neuron-facts').innerText.includes('your threshold')")
    watched.check()


def test_a_pack_is_run(watched):
    watched.open()
    watched.drawer()
    watched.page.locator('#packs .sn-card[data-name="anything-red"]').click()
    watched.page.wait_for_function("document.querySelector('#question textarea').value.includes('red')")
    watched.found("anything-red")
    assert "Done" in watched.page.inner_text("#status")
    watched.check()


def test_cancel_stops_a_run(watched):
    watched.open()
    watched.drawer()
    watched.page.locator('#packs .sn-card[data-name="night"]').click()
    watched.page.wait_for_function("document.querySelector('#question textarea').value.includes('night')")
    watched.page.click("#btn-find")
    watched.page.wait_for_function("document.querySelector('#status .sn-bar') !== null")
    watched.page.click("#btn-cancel:not([disabled])")
    watched.page.wait_for_function("document.querySelector('#status').innerText.includes('Stopped')", timeout=30_000)
    assert "night" not in watched.page.inner_text("#run-facts")
    assert watched.page.is_enabled("#btn-find")
    watched.check()


def test_uploaded_images_of_two_classes_are_run(watched, tmp_path: Path):
    watched.open()
    watched.drawer("My images")
    for number, (name, colour) in enumerate({"red": (200, 40, 40), "blue": (40, 60, 210)}.items(), start=1):
        watched.page.fill(f"#class-name-{number} textarea, #class-name-{number} input", name)
        watched.page.locator(f"#class-images-{number} input[type=file]").first.set_input_files(_images(tmp_path, name, colour))
        watched.page.wait_for_function(f"document.querySelectorAll('#class-images-{number} img').length >= 8")
    watched.page.fill("#question textarea", "Is it red?")
    assert "Is it red?" in watched.found("Your images")
    watched.section("Neurons")
    assert "red" in str(watched.data("fig-histogram")["data"])
    watched.check()


def _images(folder: Path, name: str, colour: tuple[int, int, int]) -> list[str]:
    rng = np.random.default_rng(len(name))
    paths = []
    for number in range(8):
        pixels = np.clip(np.array(colour) + rng.normal(0, 25, (48, 48, 3)), 0, 255).astype(np.uint8)
        path = folder / f"{name}-{number}.png"
        Image.fromarray(pixels).save(path)
        paths.append(str(path))
    return paths


def test_a_class_without_images_gets_a_sentence(watched):
    watched.open()
    watched.drawer("My images")
    watched.page.click("#btn-find")
    watched.page.wait_for_function("document.querySelector('#status').innerText.includes('There are no images yet')")
    watched.check()


def test_a_higher_risk_is_answered_with_another_sentence_and_figure(watched):
    watched.open()
    watched.section("Early exit")
    before = watched.data("fig-policies")
    watched.page.wait_for_function("document.querySelector('#policy-facts .sn-facts-title') !== null")
    said = watched.page.inner_text("#policy-facts")
    assert "10 %" in said and "calibration images" in said
    level = watched.page.locator("#risk-level input[type=number]")
    level.fill("30")
    level.press("Tab")
    watched.page.wait_for_function("document.querySelector('#policy-facts').innerText.includes('30 %')")
    assert watched.data("fig-policies")["data"] != before["data"]
    watched.page.get_by_label("Is wrong").check()
    watched.page.wait_for_function("!document.querySelector('#policy-facts').innerText.includes('contradicted')")
    watched.check()


def test_the_race_shows_both_answers(watched):
    watched.open()
    watched.section("Early exit")
    watched.data("fig-layers")
    watched.page.locator("#race-images .sn-tile").nth(2).click()
    watched.page.click("#btn-race")
    watched.page.wait_for_function("document.querySelector('#race-result').innerText.includes('the exit is ')", timeout=120_000)
    lanes = watched.page.locator("#race-lanes")
    assert lanes.locator(".sn-lane-full .sn-box").count() == 10 and lanes.locator(".sn-lane-done").count() == 2
    assert lanes.locator(".sn-lane-early .sn-box-unused").count() > 0 and "replay" in lanes.inner_text()
    watched.page.get_by_role("button", name="Votes and times as a figure").click()
    names = [trace.get("name", "") for trace in watched.data("fig-race")["data"]]
    assert any(name.startswith("exit:") for name in names) and any(name.startswith("full model:") for name in names)
    watched.check()


def test_cancel_stops_a_race_and_another_can_start(watched):
    watched.open()
    watched.section("Early exit")
    watched.data("fig-layers")
    assert watched.page.is_disabled("#btn-race-cancel")
    watched.page.click("#btn-race")
    watched.page.click("#btn-race-cancel:not([disabled])")
    watched.page.wait_for_function("document.querySelector('#race-result').innerText.includes('Stopped')")
    assert watched.page.is_disabled("#btn-race-cancel") and "the exit is " not in watched.page.inner_text("#race-result")
    watched.page.click("#btn-race")
    watched.page.wait_for_function("document.querySelector('#race-result').innerText.includes('the exit is ')", timeout=120_000)
    watched.check()


def test_a_link_opens_its_tab_and_layer_and_ignores_nonsense(watched):
    watched.open("?pack=presence-dog&layer=2&tab=exit&neuron=-5&t=nan&model=../../etc&x=1")
    watched.page.wait_for_function("document.querySelector('#exit-layer input[type=number]')?.value === '2'")
    assert "layer 2" in watched.page.inner_text("#exit-facts")
    watched.check()


def test_many_new_pictures_become_a_table_with_a_file_that_cannot_be_read_named(watched, tmp_path: Path):
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"new {number}.png")
    (tmp_path / "torn.png").write_bytes((tmp_path / "new 0.png").read_bytes()[:200])
    watched.open()
    watched.section("Early exit")
    page = watched.page
    page.locator("#batch-files input[type=file]").first.set_input_files(sorted(map(str, tmp_path.glob("*.png"))))
    page.wait_for_function("document.querySelector('#batch-files').innerText.includes('torn')", timeout=60_000)
    page.click("#btn-batch")
    page.wait_for_function("document.querySelectorAll('.sn-batch table tr').length === 5", timeout=120_000)
    named = {row.split("\t")[1]: row for row in page.locator(".sn-batch table tr").all_inner_texts()[1:]}
    assert set(named) == {"new 0.png", "new 1.png", "new 2.png", "torn.png"}
    assert all(named[f"new {number}.png"].split("\t")[2] in ("yes", "no") for number in range(3))
    assert "The file is damaged or cut short" in named["torn.png"]
    page.locator(".sn-batch-tile").first.click()
    page.wait_for_selector("dialog[open] img")
    watched.check()


def test_the_export_is_a_zip(watched):
    watched.open()
    watched.page.click("#btn-export")
    with watched.page.expect_download() as download:
        watched.page.click("#btn-save-run")
    assert download.value.suggested_filename.endswith(".zip")
    watched.check()


@pytest.mark.parametrize("watched", [(390, 844)], indirect=True)
def test_a_telephone_scrolls_in_one_direction_only(watched):
    watched.open()
    for section in ("Neurons", "Early exit", "Compare"):
        watched.section(section)
        watched.page.wait_for_timeout(700)
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= 390, section
    watched.drawer()
    watched.page.wait_for_timeout(700)
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= 390
    watched.check()


def test_the_figures_follow_a_dark_page(watched):
    watched.open("?__theme=dark")
    watched.section("Compare")
    watched.data("fig-compare")
    ink = watched.page.evaluate("document.querySelector('#fig-compare .js-plotly-plot').layout.font.color")
    assert int(ink[1:3], 16) > 128
    watched.check()
