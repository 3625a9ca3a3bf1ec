"""Annotations in the format of COCO become a question with a yes and a no."""

from __future__ import annotations

import json

import pytest
from image_files import png

from sn_viz.errors import UserError
from sn_viz.sources import load_images


@pytest.fixture
def annotations(tmp_path):
    """Twelve images, six with a dog, three with an umbrella, as COCO lays them out."""
    (tmp_path / "annotations").mkdir()
    (tmp_path / "val2017").mkdir()
    for i in range(12):
        (tmp_path / "val2017" / f"{i}.png").write_bytes(png(i))
    told = {
        "info": {"year": 2017},
        "images": [{"id": 100 + i, "file_name": f"{i}.png"} for i in range(12)],
        "categories": [{"id": 18, "name": "dog"}, {"id": 28, "name": "umbrella"}, {"id": 99, "name": "zebra"}],
        "annotations": [{"image_id": 100 + i, "category_id": 18, "bbox": [0, 0, 1, 1]} for i in (0, 0, 1, 2, 3, 4, 5)]
        + [{"image_id": 100 + i, "category_id": 28} for i in (3, 8, 9)],
    }
    path = tmp_path / "annotations" / "instances_val2017.json"
    path.write_text(json.dumps(told))
    return path


def named(images) -> dict[str, set[int]]:
    shown = {name: set() for name in images.classes}
    for name, label in zip(images.names, images.labels, strict=True):
        shown[images.classes[label]].add(int(name.removeprefix("val2017/").removesuffix(".png")))
    return shown


def test_the_kind_asked_for_is_a_question_with_as_many_noes(annotations) -> None:
    images = load_images(annotations, columns={"label": "Umbrella"})
    assert images.question == "Is there an umbrella in the picture?" and images.classes == ("no", "yes")
    assert named(images)["yes"] == {3, 8, 9} and len(named(images)["no"]) == 3 and not named(images)["no"] & {3, 8, 9}


def test_without_one_the_kind_nearest_to_half_is_taken_and_said(annotations) -> None:
    images = load_images(str(annotations))
    assert named(images)["yes"] == set(range(6)) and "nearest to half" in images.notes[0] and "'zebra'" in images.notes[0]


def test_the_same_images_are_drawn_every_time(annotations) -> None:
    assert (
        load_images(annotations, columns={"label": "umbrella"}).names
        == load_images(annotations, columns={"label": "umbrella"}).names
    )


def test_a_kind_that_is_not_there_or_never_shown(annotations) -> None:
    with pytest.raises(UserError, match="no kind 'cat'.*'dog', 'umbrella', 'zebra'"):
        load_images(annotations, columns={"label": "cat"})
    with pytest.raises(UserError, match="Nothing can be learnt about 'zebra'"):
        load_images(annotations, columns={"label": "zebra"})


def test_names_of_files_that_lead_out_are_refused(annotations) -> None:
    told = json.loads(annotations.read_text())
    for one in told["images"]:
        one["file_name"] = "../../" + one["file_name"]
    annotations.write_text(json.dumps(told))
    with pytest.raises(UserError, match="outside the table's folder"):
        load_images(annotations)


@pytest.mark.parametrize("text", ['{"images": []}', '{"images": [1], "annotations": 3}', '{"images": [', '{"info": {}}'])
def test_another_json_is_refused_in_a_sentence(tmp_path, text) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UserError, match="'x.json' was not read"):
        load_images(tmp_path / "x.json")


def test_categories_without_a_name_are_left_out_by_their_number(annotations) -> None:
    told = json.loads(annotations.read_text())
    told["categories"] += [{"id": 5, "name": None}, {"id": 6}, {"id": 7, "name": "  "}]
    told["annotations"] += [{"image_id": 100 + i, "category_id": 5} for i in range(6)]
    annotations.write_text(json.dumps(told))
    images = load_images(annotations)
    assert images.question == "Is there a dog in the picture?" and "None" not in " ".join(images.notes)
    assert "3 categories of" in images.notes[0] and "number 5, number 6, number 7" in images.notes[0]
    told["categories"] = [{"id": 18, "name": None}]
    told["annotations"] = [each | {"category_id": 18} for each in told["annotations"]]
    annotations.write_text(json.dumps(told))
    with pytest.raises(UserError, match="names no images, or no categories"):
        load_images(annotations)


def test_two_spellings_of_a_kind_are_one(annotations) -> None:
    told = json.loads(annotations.read_text())
    told["categories"].append({"id": 19, "name": "Dog"})
    told["annotations"].append({"image_id": 107, "category_id": 19})
    annotations.write_text(json.dumps(told))
    images = load_images(annotations, columns={"label": "DOG"})
    assert named(images)["no"] == {6, 8, 9, 10, 11}
    assert images.question == "Is there a dog in the picture?"


def test_keys_of_ones_own_may_come_first(annotations) -> None:
    told = {"type": "instances", "made by": "us", **json.loads(annotations.read_text())}
    annotations.write_text(json.dumps(told, indent=1))
    assert load_images(annotations).classes == ("no", "yes")


def test_annotations_that_name_no_image_are_counted(annotations) -> None:
    told = json.loads(annotations.read_text())
    for one in told["annotations"]:
        one["image_id"] = str(one["image_id"])
    annotations.write_text(json.dumps(told))
    with pytest.raises(UserError, match="0 images show it, 12 do not. 6 annotations name no image of the file"):
        load_images(annotations, columns={"label": "dog"})


def test_a_table_of_json_is_none(tmp_path) -> None:
    for i in range(4):
        (tmp_path / f"{i}.png").write_bytes(png(i))
    rows = [json.dumps({"image": f"{i}.png", "label": "ab"[i % 2], "annotations": []}) for i in range(4)]
    (tmp_path / "t.json").write_text("\n".join(rows))
    assert load_images(tmp_path / "t.json").classes == ("a", "b")
