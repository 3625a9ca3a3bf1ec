"""The dispatch: every kind of data, packs, uploads, the hub, and what is none of these."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from image_files import class_folders, picture, png

from sn_viz.errors import UserError
from sn_viz.sources import SOURCES, Budget, load_images
from sn_viz.sources.classes import order_classes
from sn_viz.sources.pack import load_pack


def test_every_source_says_what_it_reads() -> None:
    assert {"folder", "zip", "csv", "jsonl", "upload", "hub"} <= set(SOURCES.names())
    for name in SOURCES:
        assert SOURCES[name].__doc__ and not SOURCES[name].accepts(object())


def test_neither_torch_nor_gradio_is_loaded() -> None:
    code = "import sys, sn_viz.sources as s; s.SOURCES.names; from sn_viz.sources import csv_file, hub, upload, zip_file; "
    code += "print([m for m in ('torch', 'gradio', 'datasets', 'pandas') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_pack_is_drawn_by_name() -> None:
    images = load_images("pack:night", "Is it night?")
    assert len(images) > 200 and images.classes == ("no", "yes") and images.question == "Is it night?"
    with pytest.raises(UserError, match="no sample pack called 'nothing'.*presence-dog"):
        load_images("pack:nothing")


def test_a_pack_keeps_the_order_of_its_classes() -> None:
    assert load_images("pack:colour-of-car").classes == load_pack("colour-of-car", 60, 60)[0].classes


@pytest.mark.parametrize("path", ["nowhere", "/no/such/folder", "", "a\0b", "x" * 5000, "~nobody/x"])
def test_a_missing_path_says_what_is_allowed_and_lists_packs(path: str) -> None:
    with pytest.raises(UserError, match="There is no file or folder.*zip.*CSV or JSONL.*Sample packs: presence-dog"):
        load_images(path)


def test_addresses_are_not_fetched() -> None:
    for address in ("https://example.org/a.zip", "file:///etc/passwd"):
        with pytest.raises(UserError, match="Addresses are not fetched"):
            load_images(address)


def test_other_kinds_of_data_are_refused(tmp_path) -> None:
    (tmp_path / "cat.png").write_bytes(png())
    for data in (tmp_path / "cat.png", 3, None, {"a": 1}):
        with pytest.raises(UserError, match="holds no labelled images"):
            load_images(data)


def test_an_upload_shows_names_and_opens_only_contents(tmp_path) -> None:
    (tmp_path / "hidden.png").write_bytes(png(5))
    groups = [
        ("yes", [("../../etc/passwd", png(1)), ("b.png", str(tmp_path / "hidden.png"))]),
        ("no", [("c.png", png(2)), ("d.png", png(3))]),
    ]
    images = load_images(groups, "Is it?")
    assert images.classes == ("no", "yes") and images.labels.tolist() == [1, 1, 0, 0]
    assert images.names[0] == "../../etc/passwd"


def test_names_given_twice_are_told_apart(tmp_path) -> None:
    upload = [("cat", [("1.png", png(1)), ("2.png", png(2))]), ("dog", [("1.png", png(3)), ("1.png", png(4))])]
    assert load_images(upload).names == ("cat/1.png", "2.png", "dog/1.png", "dog/1.png (2)")
    class_folders(tmp_path, a=2, b=2)
    paths = [tmp_path / name / f"{i}.png" for name in "ab" for i in range(2)]
    assert load_images(paths, labels=["x", "x", "y", "y"]).names == ("a/0.png", "a/1.png", "b/0.png", "b/1.png")


def test_an_upload_with_an_empty_or_nameless_class_is_refused() -> None:
    some = [("a.png", png(1)), ("b.png", png(2))]
    with pytest.raises(UserError, match="Class 'dog' has no image"):
        load_images([("cat", some), ("dog", [])])
    with pytest.raises(UserError, match="has no name"):
        load_images([("cat", some), ("  ", some)])
    with pytest.raises(UserError, match="No images were found"):
        load_images([])
    with pytest.raises(UserError, match="too many images"):
        load_images([("cat", some), ("dog", some)], budget=Budget(files=1))


def test_lists_of_images_take_labels(tmp_path) -> None:
    (tmp_path / "a.png").write_bytes(png(1))
    things = [tmp_path / "a.png", picture(2), np.asarray(picture(3)), png(4)]
    images = load_images(things, "Is it?", labels=["yes", "no", "yes", "no"])
    assert images.names == ("a.png", "image 2", "image 3", "image 4") and images.labels.tolist() == [1, 0, 1, 0]
    with pytest.raises(UserError, match="do not match.*1 labels for 4 images"):
        load_images(things, labels=["yes"])
    with pytest.raises(UserError, match="no labels"):
        load_images(things)


def test_loaded_images_are_asked_again(make_labelled) -> None:
    images = make_labelled([0, 1, 0, 1])
    assert load_images(images, "New?").question == "New?" and load_images(images).question == "Is it?"
    with pytest.raises(UserError, match="no class.*'0.png'"):
        load_images(make_labelled([-1, 0, 1, 0, 1]))
    with pytest.raises(UserError, match="too long"):
        load_images(images, "x" * 501)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["yes", "no"], ("no", "yes")),
        (["Yes", "No"], ("No", "Yes")),
        (["absent", "present"], ("absent", "present")),
        (["cat", "no cat"], ("no cat", "cat")),
        (["cat", "not_cat"], ("not_cat", "cat")),
        (["ripe", "unripe"], ("unripe", "ripe")),
        (["with dog", "without dog"], ("without dog", "with dog")),
        (["dog-absent", "dog-present"], ("dog-absent", "dog-present")),
        (["1", "0"], ("0", "1")),
        (["True", "False"], ("False", "True")),
        (["positive", "negative"], ("negative", "positive")),
        (["dog", "cat"], ("cat", "dog")),
        (["c", "a", "b"], ("a", "b", "c")),
    ],
)
def test_of_a_no_and_a_yes_the_no_comes_first(names: list[str], expected: tuple[str, ...]) -> None:
    assert order_classes(names) == expected


def test_real_folders_do_not_print_machine_paths(tmp_path) -> None:
    with pytest.raises(UserError) as caught:
        load_images(class_folders(tmp_path, cat=1, dog=2))
    assert str(tmp_path) not in str(caught.value)


def test_every_name_that_a_note_only_counts_is_kept(tmp_path) -> None:
    class_folders(tmp_path, cat=3, dog=3)
    for number in range(12):
        (tmp_path / "cat" / f"bad{number}.png").write_bytes(b"no image")
        (tmp_path / "dog" / f"again{number}.png").write_bytes((tmp_path / "dog" / "0.png").read_bytes())
    rows = "\n".join(f"gone{number}.png,cat" for number in range(12))
    (tmp_path / "labels.csv").write_text(f"image,label\n{rows}\n")
    images = load_images(tmp_path)
    assert all("and 7 more" in note for note in images.notes) and len(images.notes) == 3
    for name in ("bad", "again", "gone"):
        assert all(any(f"{name}{number}.png'" in line for line in images.left_out) for number in range(12))
