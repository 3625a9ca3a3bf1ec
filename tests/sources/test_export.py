"""Saved folders come back exactly, whatever the labels are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sn_viz.errors import UserError
from sn_viz.sources import load_images, save_folders

HOSTILE = ("../../x", "=cmd()", "CON", "con", "<img src=x onerror=alert(1)>", "a/b", "a:b", "%{x}", "é\u202c")


def test_labels_questions_and_pixels_come_back(make_labelled, tmp_path) -> None:
    images = make_labelled([i // 2 for i in range(18)], classes=HOSTILE)
    images = replace(images, questions=tuple(f"=Is it {i}?" for i in range(18)))
    folder = save_folders(images, tmp_path / "set")
    assert sorted(tmp_path.iterdir()) == [folder]
    for data in (folder, folder / "images.csv"):
        again = load_images(data)
        said = {
            (p.sha256, again.classes[label], q) for p, label, q in zip(again.pictures, again.labels, again.questions, strict=True)
        }
        plain = [name.replace("\u202c", "") for name in HOSTILE]
        assert said == {
            (p.sha256, plain[label], q) for p, label, q in zip(images.pictures, images.labels, images.questions, strict=True)
        }


def test_no_cell_starts_a_formula(make_labelled, tmp_path) -> None:
    folder = save_folders(make_labelled([0, 0, 1, 1], classes=("=cmd()", "@x")), tmp_path / "set")
    for line in (folder / "images.csv").read_text().splitlines():
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in line.split(","))


def test_a_folder_in_use_is_not_written_to(make_labelled, tmp_path) -> None:
    images = make_labelled([0, 0, 1, 1])
    save_folders(images, tmp_path / "set")
    with pytest.raises(UserError, match="not empty"):
        save_folders(images, tmp_path / "set")
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="not saved"):
        save_folders(images, tmp_path / "file")
    with pytest.raises(UserError, match="no class"):
        save_folders(make_labelled([-1, 0]), tmp_path / "other")
