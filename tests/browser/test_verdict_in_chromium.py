"""What stands where the number stands: the verdict, the warnings, and the mark of old results."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.browser


def test_old_results_are_marked_until_find(watched):
    watched.open()
    page = watched.page
    page.wait_for_selector("#run-facts .sn-verdict-beyond-luck")
    assert page.inner_text("#stale-mark").strip() == ""
    page.locator('#packs .sn-card[data-name="anything-red"]').click()
    page.wait_for_function("document.querySelector('#stale-mark').innerText.includes('From the earlier set-up')")
    watched.tab("Compare")
    watched.data("fig-compare")
    shown = "getComputedStyle(document.querySelector('#fig-compare'), '::before').content"
    assert "from the earlier set-up" in page.evaluate(shown)
    watched.tab("Examples")
    page.locator('#packs .sn-card[data-name="presence-dog"]').click()
    page.wait_for_function("document.querySelector('#stale-mark').innerText.trim() === ''")
    page.fill("#question textarea", "Is there any dog?")
    page.wait_for_function("document.querySelector('#stale-mark').innerText.includes('Question changed')")
    page.click("#btn-find")
    page.wait_for_function("document.querySelector('#run-facts').innerText.includes('Is there any dog?')", timeout=240_000)
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
    watched.tab("Zip or CSV")
    page.wait_for_function("document.querySelector('#question textarea').value === ''")  # the pack's own question goes
    page.fill("#question textarea", "Is there a dog?")
    page.locator("#upload-file input[type=file]").first.set_input_files(str(tmp_path / "set.zip"))
    page.wait_for_function("document.querySelector('#question textarea').value === 'Is it ripe?'")
    assert "Is there a dog?" in page.inner_text("#status") and "put aside" in page.inner_text("#status")
    watched.check()
