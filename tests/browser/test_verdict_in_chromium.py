"""What stands where the number stands: the verdict, the warnings, and the mark of old results."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sn_viz.sources.pack import load_pack

pytestmark = pytest.mark.browser
OLD = "document.querySelector('#stale-mark').innerText.trim()"


def test_old_results_are_marked_until_find(watched):
    watched.open()
    page = watched.page
    page.wait_for_selector("#run-facts .sn-verdict-beyond-luck")
    assert page.inner_text("#stale-mark .sn-stale-mark") == ""
    watched.drawer()
    page.locator('#packs .sn-card[data-name="anything-red"]').click()
    page.wait_for_function("document.querySelector('#stale-mark').innerText.includes('From the earlier set-up')")
    watched.section("Compare")
    watched.data("fig-compare")
    shown = "getComputedStyle(document.querySelector('#fig-compare'), '::before').content"
    assert "from the earlier set-up" in page.evaluate(shown)
    watched.drawer()
    page.locator('#packs .sn-card[data-name="presence-dog"]').click()
    page.wait_for_function("document.querySelector('#stale-mark').innerText.trim() === ''")
    page.fill("#question textarea", "Is there any dog?")
    page.wait_for_function("document.querySelector('#stale-mark').innerText.includes('Question changed')")
    watched.found("Is there any dog?")
    page.wait_for_function("document.querySelector('#stale-mark').innerText.trim() === ''")
    assert page.evaluate(shown) in ("none", "normal")
    watched.check()


def test_a_new_files_question_wins_over_an_old_one_aloud(watched, tmp_path: Path):
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        rows = ["image,label,question"]
        for i in range(8):
            Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(tmp_path / "one.png")
            archive.write(tmp_path / "one.png", f"{i}.png")
            rows.append(f"{i}.png,{('no', 'yes')[i % 2]},Is it ripe?")
        archive.writestr("images.csv", "\n".join(rows))
    watched.open()
    page = watched.page
    watched.drawer("Files")
    page.wait_for_function("document.querySelector('#question textarea').value === ''")  # the pack's own question goes
    page.fill("#question textarea", "Is there a dog?")
    page.locator("#upload-file input[type=file]").first.set_input_files(str(tmp_path / "set.zip"))
    page.wait_for_function("document.querySelector('#question textarea').value === 'Is it ripe?'")
    assert "Is there a dog?" in page.inner_text("#status") and "put aside" in page.inner_text("#status")
    watched.check()


def uploaded(watched, tmp_path: Path, classes: tuple[str, str], question: str) -> None:
    """Upload drawn scenes as a zip of two folders whose names are ``classes``, and ask."""
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for i, (image, is_dog) in enumerate(scenes(24)):
            image.save(tmp_path / "one.png")
            archive.write(tmp_path / "one.png", f"{classes[0 if is_dog else 1]}/{i}.png")
    watched.drawer("Files")
    watched.page.wait_for_function("document.querySelector('#question textarea').value === ''")
    watched.page.locator("#upload-file input[type=file]").first.set_input_files(str(tmp_path / "set.zip"))
    watched.page.wait_for_function("name => document.querySelector('#set-told')?.innerText.includes(name)", arg=classes[1])
    watched.page.fill("#question textarea", question)
    watched.page.locator("#question textarea").blur()
    watched.page.wait_for_function("name => document.querySelector('#class-answer-1').innerText.includes(name)", arg=classes[0])


def scenes(n: int) -> list[tuple[Image.Image, bool]]:
    """Return drawn scenes, and whether there is a dog."""
    probing = load_pack("presence-dog")[0]
    yes = probing.classes.index("yes")
    return [(Image.fromarray(probing.pictures[i].pixels), probing.labels[i] == yes) for i in range(n)]


def test_what_cannot_be_told_is_said_and_an_answer_typed_in_its_field_is_used(watched, tmp_path: Path):
    watched.open()
    page = watched.page
    uploaded(watched, tmp_path, ("alpha", "beta"), "Is there a dog in the picture?")
    first = page.locator("#class-answer-1 input, #class-answer-1 textarea")
    assert first.input_value() == "" and "Neither the names nor the question" in page.inner_text("#answers-told")
    strip = watched.found("Your images")
    assert "full model, calibrated" in strip or "cannot tell" in strip
    watched.section("Compare")
    page.wait_for_function("document.querySelector('#compare-table').innerText.includes('Cannot tell')")
    watched.drawer()
    first.fill("yes")
    page.wait_for_function(f"{OLD}.includes('Answers changed')")
    first.fill("")
    page.wait_for_function(f"{OLD} === ''")
    first.fill("yes")
    watched.found("answers given")
    page.wait_for_function(f"{OLD} === ''")
    assert "inferred" not in page.inner_text("#run-facts") and "cannot tell" not in page.inner_text("#run-facts")
    watched.section("Compare")
    page.wait_for_function("document.querySelector('#compare-table').innerText.includes('Given: yes = alpha, no = beta')")
    assert "inferred" not in page.inner_text("#compare-table").lower()
    watched.check()
