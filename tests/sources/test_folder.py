"""Folders: what is loaded, what is left out, what is refused."""

from __future__ import annotations

import os

import pytest
from image_files import class_folders, encoded, picture, png

from sn_viz.errors import UserError
from sn_viz.sources import Budget, load_images


def test_each_sub_folder_is_a_class(tmp_path) -> None:
    images = load_images(class_folders(tmp_path, cat=2, dog=3), "Is it a cat?")
    assert images.classes == ("cat", "dog") and images.labels.tolist() == [0, 0, 1, 1, 1]
    assert images.names[:2] == ("cat/0.png", "cat/1.png")
    assert images.question == "Is it a cat?" and images.notes == ()


def test_wrapping_folders_are_passed_through(tmp_path) -> None:
    class_folders(tmp_path / "a" / "b", cat=2, dog=2)
    assert load_images(str(tmp_path)).classes == ("cat", "dog")


def test_files_that_systems_leave_behind_are_ignored(tmp_path) -> None:
    class_folders(tmp_path, cat=2, dog=2, __MACOSX=3)
    for name in (".DS_Store", "cat/.hidden.png", "cat/Thumbs.db", "dog/desktop.ini", "README.md"):
        (tmp_path / name).write_bytes(b"x")
    images = load_images(tmp_path)
    assert len(images) == 4 and images.notes == ()


def test_unreadable_files_are_named_and_the_rest_loads(tmp_path) -> None:
    class_folders(tmp_path, cat=2, dog=2)
    (tmp_path / "cat" / "empty.png").write_bytes(b"")
    (tmp_path / "cat" / "cut.png").write_bytes(png(50)[:-300])
    (tmp_path / "dog" / "notes.txt").write_text("hello")
    (tmp_path / "stray.png").write_bytes(png(51))
    images = load_images(tmp_path)
    said = " ".join(images.notes)
    assert len(images) == 4
    for words in (
        "cat/empty.png",
        "is empty",
        "cat/cut.png",
        "damaged",
        "dog/notes.txt",
        "not an image",
        "stray.png",
        "no class folder",
    ):
        assert words in said


def test_nothing_readable_is_an_error(tmp_path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(2):
            (tmp_path / name / f"{number}.png").write_bytes(b"")
    with pytest.raises(UserError, match="None of the 4 files could be read.*cat/0.png.*empty"):
        load_images(tmp_path)


def test_an_empty_folder_says_what_is_expected(tmp_path) -> None:
    with pytest.raises(UserError, match="No images were found.*sub-folder"):
        load_images(tmp_path)


def test_images_without_class_folders_say_what_is_expected(tmp_path) -> None:
    (tmp_path / "a.png").write_bytes(png(1))
    with pytest.raises(UserError, match="a.png.*no class folder.*sub-folder for each class"):
        load_images(tmp_path)


def test_one_class_is_refused(tmp_path) -> None:
    with pytest.raises(UserError, match="At least two classes are needed. Only 'cat'"):
        load_images(class_folders(tmp_path, cat=5))


def test_one_image_per_class_is_refused(tmp_path) -> None:
    with pytest.raises(UserError, match="Class 'cat' has only one image.*At least 2 different images.*Add images"):
        load_images(class_folders(tmp_path, cat=1, dog=1))


def test_a_class_whose_files_are_all_unreadable_says_why(tmp_path) -> None:
    class_folders(tmp_path, cat=2)
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 60)
    with pytest.raises(UserError, match="Class 'dog' has no image that could be read.*dog/a.heic.*HEIC"):
        load_images(tmp_path)


def test_the_same_image_in_two_classes_names_both_files(tmp_path) -> None:
    class_folders(tmp_path, cat=2, dog=2)
    (tmp_path / "cat" / "same.png").write_bytes(png(77))
    (tmp_path / "dog" / "twin.bmp").write_bytes(encoded(picture(77), "BMP"))
    with pytest.raises(UserError, match="same image is in two classes.*cat/same.png.*dog/twin.bmp"):
        load_images(tmp_path)


def test_duplicates_inside_a_class_are_dropped_with_a_note(tmp_path) -> None:
    class_folders(tmp_path, cat=2, dog=2)
    (tmp_path / "cat" / "again.png").write_bytes((tmp_path / "cat" / "0.png").read_bytes())
    images = load_images(tmp_path)
    assert len(images) == 4 and "1 exact duplicate left out" in images.notes[0]


def test_imbalance_is_noted_beyond_four_to_one(tmp_path) -> None:
    assert load_images(class_folders(tmp_path / "a", cat=2, dog=8)).notes == ()
    notes = load_images(class_folders(tmp_path / "b", cat=2, dog=9)).notes
    assert "unbalanced: 'dog' has 9 images, 'cat' has 2" in notes[0]


def test_links_out_of_the_folder_are_not_followed(tmp_path) -> None:
    class_folders(tmp_path / "data", cat=2, dog=2)
    class_folders(tmp_path / "private", secret=2)
    os.symlink(tmp_path / "private" / "secret" / "0.png", tmp_path / "data" / "cat" / "link.png")
    os.symlink(tmp_path / "private" / "secret", tmp_path / "data" / "secret")
    images = load_images(tmp_path / "data")
    assert len(images) == 4 and images.classes == ("cat", "dog")
    assert "cat/link.png" in images.notes[0] and "leads out of the folder" in images.notes[0]


def test_hostile_class_names_are_literal_text(tmp_path) -> None:
    names = ["<img src=x onerror=alert(1)>", "=cmd()", "%{x}", "CON", "🍎", "ثمرة\u202e", "-1"]
    for seed, name in enumerate(names):
        (tmp_path / name.replace("/", "_")).mkdir()
        for number in range(2):
            (tmp_path / name / f"{number}.png").write_bytes(png(10 * seed + number))
    classes = load_images(tmp_path).classes
    assert set(classes) == {name.replace("\u202e", "") for name in names}


def test_twin_spellings_are_one_class(tmp_path) -> None:
    class_folders(tmp_path, **{"cafe\u0301": 2, "caf\u00e9": 2, "bar": 2})
    images = load_images(tmp_path)
    assert images.classes == ("bar", "café") and "2 spellings" in images.notes[0]


def test_too_many_files_or_classes_are_refused(tmp_path) -> None:
    class_folders(tmp_path, **{f"c{i}": 2 for i in range(6)})
    with pytest.raises(UserError, match="too many files"):
        load_images(tmp_path, budget=Budget(files=5))
    with pytest.raises(UserError, match="too many classes"):
        load_images(tmp_path, budget=Budget(labels=5))
    with pytest.raises(UserError, match="too large together"):
        load_images(tmp_path, budget=Budget(memory_bytes=3000))
