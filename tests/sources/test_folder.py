"""Folders: what is loaded, what is left out, what is refused."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from image_files import class_folders, encoded, picture, png

from sn_viz.errors import UserError
from sn_viz.sources import Budget, load_images
from sn_viz.sources.classes import split_of


def test_each_sub_folder_is_a_class(tmp_path) -> None:
    images = load_images(class_folders(tmp_path, cat=2, dog=3), "Is it a cat?")
    assert images.classes == ("cat", "dog") and images.labels.tolist() == [0, 0, 1, 1, 1]
    assert images.names[:2] == ("cat/0.png", "cat/1.png")
    assert images.question == "Is it a cat?" and images.notes == ()


def test_wrapping_folders_are_passed_through(tmp_path) -> None:
    class_folders(tmp_path / "a" / "b", cat=2, dog=2)
    assert load_images(str(tmp_path)).classes == ("cat", "dog")


SYSTEM = (
    "__MACOSX",
    "@eaDir",
    "$RECYCLE.BIN",
    "Thumbs",
    "System Volume Information",
    "lost+found",
    ".ipynb_checkpoints",
    ".thumbnails",
)


def test_files_that_systems_leave_behind_are_ignored(tmp_path) -> None:
    class_folders(tmp_path, cat=2, dog=2, **dict.fromkeys(SYSTEM, 2))
    class_folders(tmp_path / "cat", **{"@eaDir": 2})
    names = (".DS_Store", "cat/.hidden.png", "cat/Thumbs.db", "dog/desktop.ini", "dog/THUMBS.DB")
    for name in (*names, "README.md"):
        (tmp_path / name).write_bytes(b"x")
    images = load_images(tmp_path)
    said = " ".join(images.notes)
    assert len(images) == 4 and images.classes == ("cat", "dog")
    for name in (*SYSTEM, *names, "README.md"):
        assert f"'{name.split('/')[-1]}'" in said


def test_a_class_may_be_called_like_no_system(tmp_path) -> None:
    images = load_images(class_folders(tmp_path, none=2, na=2, null=2, thumb=2, **{"...": 2}))
    assert images.classes == ("...", "na", "none", "null", "thumb") and images.notes == ()


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


def test_links_are_followed_once(tmp_path) -> None:
    class_folders(tmp_path / "data", cat=2, dog=2)
    class_folders(tmp_path / "elsewhere", bird=2)
    (tmp_path / "elsewhere" / "bird" / "2.png").write_bytes(png(70))
    for number in range(3):
        (tmp_path / "elsewhere" / "bird" / f"{number}.png").write_bytes(png(70 + number))
    (tmp_path / "data" / "bird").symlink_to(tmp_path / "elsewhere" / "bird")
    (tmp_path / "data" / "dog" / "link.png").symlink_to(tmp_path / "elsewhere" / "bird" / "2.png")
    (tmp_path / "elsewhere" / "bird" / "2.png").rename(tmp_path / "elsewhere" / "moved.png")
    (tmp_path / "data" / "cat" / "loop").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "again").symlink_to(tmp_path / "data" / "dog")
    (tmp_path / "data" / "cat" / "broken.png").symlink_to(tmp_path / "nowhere")
    images = load_images(tmp_path / "data")
    said = " ".join(images.notes)
    assert images.classes == ("bird", "cat", "dog") and len(images) == 6
    for words in (
        "'again' was left out: it is a link to the folder that was read as 'dog'",
        "cat/loop",
        "cat/broken.png",
        "dog/link.png",
    ):
        assert words in said


def test_folders_without_files_and_folders_that_cannot_be_read_are_named(tmp_path) -> None:
    class_folders(tmp_path, cat=2, dog=2, empty=0)
    assert "1 folder without files: 'empty'" in load_images(tmp_path).notes[0]


SPLITS = [
    ("train", "test"),
    ("Training", "Validation"),
    ("train", "val", "test"),
    ("TRAIN", "dev"),
    ("train2017", "val2017"),
    ("train_set", "test_set"),
]


@pytest.mark.parametrize("names", SPLITS)
@pytest.mark.parametrize("inside", [True, False])
def test_folders_that_are_splits_are_used_as_splits(tmp_path, names: tuple[str, ...], inside: bool) -> None:
    for seed, split in enumerate(names):
        for offset, name in enumerate(("cat", "dog")):
            folder = tmp_path / split / name if inside else tmp_path / name / split
            folder.mkdir(parents=True)
            for number in range(2):
                (folder / f"{number}.png").write_bytes(png(100 * seed + 10 * offset + number))
    images = load_images(tmp_path)
    assert images.classes == ("cat", "dog") and "are splits" in images.notes[0]
    three = len(names) == 3
    assert Counter(images.parts) == ({"train": 8, "test": 4} if three else {"train": 4, "test": 4})
    in_test = {name for name, part in zip(images.names, images.parts, strict=True) if part == "test"}
    assert all(names[-1] in name for name in in_test)


def test_splits_without_class_folders_are_refused_with_what_to_do(tmp_path) -> None:
    with pytest.raises(UserError, match="in the split 'test', but in no class folder.*one sub-folder for each class"):
        load_images(class_folders(tmp_path, train=3, test=3))


def test_classes_that_only_look_like_splits_stay_classes(tmp_path) -> None:
    assert load_images(class_folders(tmp_path / "a", train=2, car=2)).classes == ("car", "train")
    assert load_images(class_folders(tmp_path / "b", train=2, test=2, bus=2)).classes == ("bus", "test", "train")


def test_what_lies_outside_of_every_split_is_named(tmp_path) -> None:
    for seed, split in enumerate(("train", "test", "unlabelled")):
        class_folders(tmp_path / split, cat=2, dog=2)
        for path in (tmp_path / split).rglob("*.png"):
            path.write_bytes(png(int(path.stem) + 10 * (path.parent.name == "cat") + 100 * seed))
    images = load_images(tmp_path)
    assert len(images) == 8 and "unlabelled/cat/0.png" in " ".join(images.notes) and "none of the splits" in " ".join(images.notes)


@pytest.mark.parametrize("name", ["images.csv", "metadata.csv", "labels.csv", "images.tsv"])
def test_a_table_in_the_folder_holds_whatever_its_slashes_and_capitals(tmp_path, name: str) -> None:
    class_folders(tmp_path, cat=2, café=2)
    rows = ["image,label,question", "CAT\\0.PNG,ripe,Is it?", "./cat/1.png,unripe,Is it?", "café\\0.png,ripe,Is it?"]
    text = "\n".join([*rows, "café/1.png,unripe,", "gone.png,ripe,Is it?"])
    (tmp_path / name).write_text(text.replace(",", "\t") if name.endswith("tsv") else text)
    images = load_images(tmp_path)
    assert images.classes == ("unripe", "ripe") and len(images) == 4
    assert sorted(images.questions) == ["", "Is it?", "Is it?", "Is it?"]
    assert "matches no file in the folder: 'gone.png' (row 6)" in " ".join(images.notes)


def test_a_table_labels_images_that_lie_in_no_class_folder(tmp_path) -> None:
    rows = []
    for number in range(6):
        (tmp_path / f"{number}.png").write_bytes(png(number))
        label = ("a", "b", None)[number % 3]
        rows.append(json.dumps({"file_name": f"{number}.png", "label": label}))
    (tmp_path / "metadata.jsonl").write_text("\n".join(rows))
    images = load_images(tmp_path)
    assert images.classes == ("a", "b") and len(images) == 4
    assert "Rows 3, 6 of 'metadata.jsonl' have no label" in " ".join(images.notes)


def test_a_table_of_another_kind_is_named_and_images_csv_must_be_right(tmp_path) -> None:
    class_folders(tmp_path, cat=2, dog=2)
    (tmp_path / "metadata.csv").write_text("file_name,caption\ncat/0.png,a cat\n")
    assert "'metadata.csv' was not used" in load_images(tmp_path).notes[0]
    (tmp_path / "images.csv").write_text("image,caption\ncat/0.png,a cat\n")
    with pytest.raises(UserError, match="Row 1 of 'images.csv' has no column 'label'"):
        load_images(tmp_path)


def test_one_image_listed_with_two_questions_is_asked_both(tmp_path) -> None:
    class_folders(tmp_path, x=2)
    (tmp_path / "images.csv").write_text(
        "image,label,question\n" + "".join(f"x/{i}.png,{a},Is it {a}?\n" for i in (0, 1) for a in "yn")
    )
    images = load_images(tmp_path)
    assert len(images) == 4 and images.classes == ("n", "y")


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


def test_three_hundred_classes_are_read(tmp_path) -> None:
    images = load_images(class_folders(tmp_path, **{f"c{i:03d}": 2 for i in range(300)}))
    assert len(images.classes) == 300 and len(images) == 600


def test_too_many_files_or_classes_are_refused(tmp_path) -> None:
    class_folders(tmp_path, **{f"c{i}": 2 for i in range(6)})
    with pytest.raises(UserError, match="too many files"):
        load_images(tmp_path, budget=Budget(files=5))
    with pytest.raises(UserError, match="too many classes"):
        load_images(tmp_path, budget=Budget(labels=5))


def test_what_a_program_hands_over_decoded_may_not_be_too_large_together() -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 256, (40, 40, 3), dtype=np.uint8) for _ in range(4)]
    with pytest.raises(UserError, match="too large together"):
        load_images(arrays, labels=["a", "a", "b", "b"], budget=Budget(memory_bytes=9000))


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Trainingsdaten", "Testdaten"),
        ("seg_train", "seg_test"),
        ("entrenamiento", "prueba"),
        ("训练集", "测试集"),
        ("x_train", "x_test"),
    ],
)
def test_splits_are_understood_in_other_words_and_languages(tmp_path, train: str, test: str) -> None:
    for seed, path in enumerate(f"{split}/{name}" for split in (train, test) for name in ("cat", "dog")):
        (tmp_path / path).mkdir(parents=True)
        for number in range(2):
            (tmp_path / path / f"{number}.png").write_bytes(png(10 * seed + number))
    images = load_images(tmp_path)
    assert images.classes == ("cat", "dog") and set(images.parts) == {"train", "test"}


@pytest.mark.parametrize(
    "name", ["trainer", "trains", "testament", "tester", "developer", "valley", "training shoe", "tests of time"]
)
def test_classes_that_only_begin_like_splits_are_classes(name: str) -> None:
    assert split_of(name) == ""
