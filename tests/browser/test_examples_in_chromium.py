"""Ways in: a table with a zip, the webcam, the clipboard; and a set that is changed by hand."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.browser
COLOURS = {"red": (200, 40, 40), "blue": (40, 60, 210)}


def _png(colour: tuple[int, int, int], seed: int) -> bytes:
    pixels = np.clip(np.array(colour) + np.random.default_rng(seed).normal(0, 25, (48, 48, 3)), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _told(watched, text: str) -> None:
    watched.page.wait_for_function("t => document.querySelector('#set-told')?.innerText.includes(t)", arg=text)


def test_images_of_a_set_are_moved_removed_and_taken_back(watched):
    watched.open()
    watched.drawer()
    tiles = watched.page.locator("#labelled-set .sn-group .sn-tile")
    _told(watched, "30 no · 30 yes")
    tiles.nth(2).click()
    watched.page.wait_for_selector("#set-image img")
    watched.page.locator("#set-class").get_by_text("yes", exact=True).click()
    _told(watched, "29 no · 31 yes")
    assert "is now in “yes”" in watched.page.inner_text("#set-told")
    assert watched.page.locator("#labelled-set .sn-group").nth(1).locator(".sn-mark-picked").count() == 1
    watched.page.click("#btn-remove-image")
    _told(watched, "29 no · 30 yes")
    assert watched.page.is_disabled("#btn-remove-image")
    watched.page.click("#btn-undo-edit")
    _told(watched, "29 no · 31 yes")
    watched.page.click("#btn-undo-edit")
    _told(watched, "30 no · 30 yes")
    assert "Undone" in watched.page.inner_text("#set-told") and watched.page.is_disabled("#btn-undo-edit")
    count = tiles.count()
    watched.page.locator("#labelled-set button.sn-more").first.click()
    watched.page.wait_for_function("n => document.querySelectorAll('#labelled-set .sn-tile').length > n", arg=count)
    watched.check()


def test_a_table_with_a_zip_of_its_images_is_shown_changed_and_run(watched, tmp_path: Path):
    rows = ["image,label"]
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for name, colour in COLOURS.items():
            for i in range(8):
                archive.writestr(f"all/{name}{i}.png", _png(colour, i + len(name)))
                rows.append(f"{name}{i}.png,{name}")
    (tmp_path / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    watched.open()
    watched.drawer("Files")
    watched.page.locator("#upload-file input[type=file]").first.set_input_files(
        [str(tmp_path / "labels.csv"), str(tmp_path / "pictures.zip")]
    )
    _told(watched, "8 red")
    watched.page.locator("#labelled-set .sn-tile").first.click()
    watched.page.wait_for_selector("#set-image img")
    watched.page.click("#btn-remove-image")
    _told(watched, "1 image removed")
    watched.page.fill("#question textarea", "Is it red?")
    facts = watched.found("changed by hand")
    probing, test = (int(part.split()[-1]) for part in facts.split(" test images")[0].split(" probing and "))
    assert "Is it red?" in facts and probing + test == 15
    watched.check()


COPY = """async (colour) => {
  const canvas = document.createElement("canvas"); canvas.width = canvas.height = 48;
  const pen = canvas.getContext("2d"); pen.fillStyle = colour; pen.fillRect(0, 0, 48, 48);
  const png = await new Promise((done) => canvas.toBlob(done, "image/png"));
  await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
}"""


def test_webcam_pictures_and_pasted_ones_become_examples_of_their_class(camera):
    camera.open()
    camera.drawer("My images")
    page = camera.page
    page.locator("#class-images-1").get_by_role("button", name="Webcam").click()
    page.wait_for_function("document.querySelector('#class-images-1 video')?.videoWidth > 0")
    page.locator("#class-images-1 .sn-hold").hover()
    page.mouse.down()
    page.wait_for_timeout(1200)
    page.mouse.up()
    page.wait_for_function("document.querySelector('#class-card-1').innerText.includes('1 recording')")
    assert page.locator("#class-images-1 .sn-tile").count() > 1, "held for a second, it takes several pictures"
    page.locator("#class-images-1").get_by_role("button", name="Close the webcam").click()
    page.locator("#class-card-2").focus()
    for number, colour in enumerate(("#c03030", "#a02020"), start=1):
        page.evaluate(COPY, colour)
        page.keyboard.press("Control+v")
        page.wait_for_function("n => document.querySelectorAll('#class-images-2 .sn-tile').length === n", arg=number)
    _told(camera, "2 no")
    _told(camera, "yes")
    page.wait_for_function("document.querySelector('#class-images-1 .sn-tile img').naturalWidth > 0")
    ratio = page.locator("#class-images-1 .sn-tile img").first.evaluate("image => image.naturalWidth / image.naturalHeight")
    assert ratio > 1.2  # the camera's picture is wide, a pasted one square
    camera.check()


def test_every_way_in_is_offered_for_a_class_and_for_the_race(watched):
    watched.open()
    watched.drawer("My images")
    for label in ("Choose files", "Folder", "Webcam"):
        assert watched.page.locator("#class-images-1").get_by_role("button", name=label, exact=True).count() == 1, label
    watched.section("Early exit")
    for label in ("Upload file", "Capture from camera", "Paste from clipboard"):
        assert watched.page.locator(f"#race-upload [aria-label='{label}']").count() == 1, label
    watched.check()
