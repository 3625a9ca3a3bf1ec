"""Many pictures at once: limits said first, batches, one bar, a failed batch again, a stop that keeps what came; and by drop."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.browser


def photographs(folder: Path, n: int, name: str, side: int = 64, quality: int = 80) -> list[str]:
    """Write ``n`` JPEGs unlike each other, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        few = np.random.default_rng([i, *name.encode()]).integers(0, 256, (7, 7, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(few).resize((side, side), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=quality)
        (folder / f"{name}-{i}.jpg").write_bytes(buffer.getvalue())
    return [str(folder / f"{name}-{i}.jpg") for i in range(n)]


def opened(watched):
    watched.open()
    watched.drawer("My images")
    watched.page.wait_for_selector("#class-card-1")
    return watched.page


def counted(page, number: int, text: str) -> None:
    page.wait_for_function("([n, t]) => document.querySelector(`#class-card-${n}`).innerText.includes(t)", arg=[number, text])


def test_batches_are_sent_again_when_one_fails_and_nothing_comes_twice(watched, tmp_path):
    page, sizes = opened(watched), []

    def upload(route):
        sizes.append(len(route.request.post_data_buffer or b""))
        if len(sizes) == 2:
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/gradio_api/upload", upload)
    page.locator("#class-images-1 input[type=file]").first.set_input_files(photographs(tmp_path, 150, "ripe"))
    counted(page, 1, "150 pictures")
    assert len(sizes) == 4, "three batches of at most 60, one of them twice"
    page.click("#btn-undo-card")
    counted(page, 1, "0 pictures")  # all batches are one step
    page.click("#btn-redo-card")
    counted(page, 1, "150 pictures")
    assert [text for text in watched.errors if "ERR_CONNECTION_RESET" not in text] == []


def test_a_stop_keeps_what_came_and_the_rest_is_sent_later(watched, tmp_path):
    page, waiting = opened(watched), []

    def upload(route):
        if waiting or page.locator("#class-images-2 .sn-tile").count() == 0:
            route.continue_()
        else:
            waiting.append(route)  # held back until the stop

    page.route("**/gradio_api/upload", upload)
    page.locator("#class-images-2 input[type=file]").first.set_input_files(photographs(tmp_path, 100, "green"))
    page.wait_for_function("document.querySelectorAll('#class-images-2 .sn-tile').length > 0")
    while not waiting:
        page.wait_for_timeout(50)
    page.click("#btn-stop-sending")
    page.wait_for_selector("#btn-resume-sending")
    assert "60 pictures came and stay; 40 pictures are missing" in page.inner_text(".sn-sending")
    counted(page, 2, "60 pictures")
    page.click("#btn-resume-sending")
    counted(page, 2, "100 pictures")
    watched.check()


def test_limits_are_said_before_the_first_byte_and_pictures_reduced_only_when_asked(watched, tmp_path):
    page, sizes = opened(watched), []
    page.on("request", lambda request: sizes.append(request.post_data_buffer) if "/upload" in request.url else None)
    page.evaluate(
        """() => { const field = document.querySelector('#class-images-1 input[type=file]'), moved = new DataTransfer();
        for (let i = 0; i < 10; i++) moved.items.add(new File([new Uint8Array(60 * 2 ** 20)], `${i}.jpg`, { type: 'image/jpeg' }));
        field.files = moved.files; field.dispatchEvent(new Event('change')); }"""
    )
    page.wait_for_selector("#btn-send-reduced")
    said = page.inner_text(".sn-ask-first")
    assert "10 pictures, 600 MB; this server takes 512 MB a visitor" in said and "the first 8 fit" in said
    assert "models look at 160 to 336" in said and not sizes
    page.get_by_role("button", name="Send none").click()
    assert page.locator(".sn-ask-first").count() == 0 and not sizes
    watched.check()


def test_a_folder_fills_the_cards_a_picture_is_dropped_on_its_card_and_moved(watched, tmp_path):
    page = opened(watched)
    for name in ("cat", "dog"):
        photographs(tmp_path / "pets" / name, 11, name)
    page.locator("#class-cards .sn-class-bar input[type=file]").set_input_files(str(tmp_path / "pets"))
    counted(page, 1, "11 pictures")
    counted(page, 2, "11 pictures")
    assert page.input_value("#class-name-1 input") == "cat" and page.input_value("#class-name-2 input") == "dog"
    page.evaluate(
        """async () => { const canvas = document.createElement('canvas'); canvas.width = canvas.height = 40;
        canvas.getContext('2d').fillRect(0, 0, 20, 20); const blob = await new Promise((done) => canvas.toBlob(done, 'image/png'));
        const moved = new DataTransfer(); moved.items.add(new File([blob], 'dropped.png', { type: 'image/png' }));
        document.querySelector('#class-card-2').dispatchEvent(new DragEvent('drop', { dataTransfer: moved, bubbles: true })); }"""
    )
    counted(page, 2, "12 pictures")
    page.locator("#class-images-1 .sn-tile").first.focus()
    page.keyboard.press("Enter")
    page.select_option("#move-chosen", label="dog")
    counted(page, 2, "13 pictures")
    page.locator("#class-card-1").focus()
    page.keyboard.press("Control+z")
    counted(page, 1, "11 pictures")
    page.keyboard.press("Control+Shift+z")
    counted(page, 1, "10 pictures")
    page.wait_for_function("document.querySelector('#set-told').innerText.includes('10 cat · 13 dog')")
    page.wait_for_selector("#class-say-1:not([hidden])")
    watched.check()


def test_a_table_or_zip_that_is_dropped_goes_to_the_files(watched):
    page = opened(watched)
    page.evaluate(
        """() => { const moved = new DataTransfer(); moved.items.add(new File(['image,label\\na.png,yes\\n'], 'set.csv'));
        document.querySelector('#class-card-1').dispatchEvent(new DragEvent('drop', { dataTransfer: moved, bubbles: true })); }"""
    )
    page.wait_for_function("document.querySelector('#upload-file')?.innerText.includes('set')")
    watched.check()
