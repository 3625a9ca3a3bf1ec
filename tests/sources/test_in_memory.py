"""What a program holds: data sets of the package ``datasets``, and anything that yields pictures with labels."""

from __future__ import annotations

import datasets
import numpy as np
import pytest
import torch
from image_files import picture as drawn
from image_files import png
from PIL import Image

from sn_viz.errors import UserError
from sn_viz.sources import Budget, load_images
from sn_viz.sources.ingest import as_picture


def picture(i: int):
    """Return the picture that ``png(i)`` holds."""
    return as_picture(drawn(i))


HASHES = [picture(i).sha256 for i in range(8)]


def pixels(i: int) -> np.ndarray:
    return picture(i).pixels


def pets() -> datasets.Dataset:
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"]), "question": datasets.Value("string")}
    )
    rows = {"image": [Image.fromarray(pixels(i)) for i in range(8)], "label": [0, 1] * 4, "question": ["Which?"] * 8}
    return datasets.Dataset.from_dict(rows, features=features)


def test_a_data_set_is_read_as_it_is() -> None:
    images = load_images(pets())
    assert images.classes == ("cat", "dog") and images.question == "Which?" and [p.sha256 for p in images.pictures] == HASHES
    assert pets()[0]["image"].size == (picture(0).pixels.shape[1], picture(0).pixels.shape[0]), "and it decodes as before"


def test_a_stream_is_read_up_to_the_budget_and_says_so() -> None:
    images = load_images(pets().to_iterable_dataset(), budget=Budget(files=6))
    assert len(images) == 6 and "Only the first 6 rows of the data set were read." in images.notes


def test_columns_of_a_data_set_can_be_named() -> None:
    rows = pets().rename_columns({"image": "left", "label": "kind"}).add_column("right", [png(i) for i in range(10, 18)])
    images = load_images(rows, columns={"image": "right", "label": "kind"})
    assert images.pictures[0].sha256 == picture(10).sha256 and images.classes == ("cat", "dog")


@pytest.mark.parametrize(
    "make",
    [
        lambda: ((pixels(i), "ab"[i % 2]) for i in range(8)),
        lambda: [(Image.fromarray(pixels(i)), "ab"[i % 2]) for i in range(8)],
        lambda: zip((png(i) for i in range(8)), "abababab", strict=True),
        lambda: tuple([picture(i), "ab"[i % 2]] for i in range(8)),
    ],
    ids=["generator of arrays", "list of PIL images", "zip of bytes", "tuple of lists"],
)
def test_pairs_of_any_kind(make) -> None:
    images = load_images(make(), "Which?")
    assert images.classes == ("a", "b") and [p.sha256 for p in images.pictures] == HASHES and images.question == "Which?"


def test_a_third_value_is_the_question() -> None:
    assert load_images([(pixels(i), "ab"[i % 2], "Ripe?") for i in range(8)]).question == "Ripe?"


def test_a_set_with_numbers_and_names_of_classes() -> None:
    class Folder:
        """As torchvision's data sets are: a length, items, and what the numbers stand for."""

        classes = ("cat", "dog")

        def __len__(self) -> int:
            return 8

        def __getitem__(self, index: int) -> tuple[Image.Image, int]:
            return Image.fromarray(pixels(index)), index % 2

    assert load_images(Folder()).classes == ("cat", "dog")


def test_a_file_of_this_machine_is_only_opened_for_its_owner(tmp_path) -> None:
    (tmp_path / "a.png").write_bytes(png(1))
    pairs = [(tmp_path / "a.png", "a"), (png(2), "a"), (png(3), "b"), (png(4), "b")]
    assert len(load_images(pairs)) == 4


def test_what_yields_something_else_is_refused() -> None:
    with pytest.raises(UserError, match="'image 2' was not read. A int arrived where"):
        load_images(iter([(pixels(0), "a"), 3]))
    for data in ([1, 2], np.zeros((3, 8, 8, 3), np.uint8), {}):
        with pytest.raises(UserError, match=r"have no labels|holds no labelled"):
            load_images(data)


def test_a_missing_label_leaves_its_image_out_and_whole_numbers_need_no_point() -> None:
    images = load_images([(pixels(i), None if i == 0 else float("nan") if i == 1 else float(i % 2)) for i in range(8)])
    assert images.classes == ("0", "1") and len(images) == 6 and "2 images without a label left out." in images.notes


@pytest.mark.parametrize("label", [np.int64, np.array, torch.tensor, lambda i: float(i)], ids=["numpy", "array", "tensor", "float"])
def test_a_number_is_a_label_in_whatever_it_is_wrapped(label) -> None:
    pairs = [(pixels(i), label(i % 2)) for i in range(8)]
    assert load_images(pairs).classes == ("0", "1")


def test_words_may_be_bytes_and_names_hold_for_wrapped_numbers() -> None:
    assert load_images([(pixels(i), b"cat" if i % 2 else b"dog") for i in range(8)]).classes == ("cat", "dog")
    assert load_images(pets().with_format("numpy")).classes == ("cat", "dog")


def test_splits_of_a_data_set_are_used() -> None:
    more = pets().map(lambda row, i: {"image": Image.fromarray(pixels(20 + i))}, with_indices=True)
    images = load_images(datasets.DatasetDict(train=pets(), test=more))
    assert images.parts == ("train",) * 8 + ("test",) * 8 and "The splits of the data set are used" in images.notes[0]


def test_a_stream_may_say_only_in_its_rows_what_its_columns_are() -> None:
    rows = datasets.IterableDataset.from_generator(lambda: ({"image": png(i), "label": "ab"[i % 2]} for i in range(8)))
    assert rows.features is None and load_images(rows).classes == ("a", "b")


def test_one_row_without_a_label_is_one() -> None:
    rows = datasets.Dataset.from_dict({"image": [png(i) for i in range(8)], "label": ["a", "b", None, *"abaab"]})
    assert "1 row of the data set has no label and was left out." in load_images(rows).notes
