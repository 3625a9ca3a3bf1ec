"""Arrays and tensors become the picture that they hold, or a sentence."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import torch
from image_files import picture as drawn
from image_files import png

from sn_viz.errors import UserError
from sn_viz.sources import load_images
from sn_viz.sources.ingest import as_picture

PIXELS = np.asarray(drawn(1))
FORMS = {
    "channels first": PIXELS.transpose(2, 0, 1),
    "64 bit": PIXELS.astype(np.int64),
    "0 to 1": PIXELS / 255,
    "0 to 1 in 32 bit, channels first": (PIXELS / 255).astype(np.float32).transpose(2, 0, 1),
    "tensor": torch.tensor(PIXELS),
    "tensor, channels first": torch.tensor(PIXELS.transpose(2, 0, 1)),
    "tensor of 0 to 1 that learns": torch.nn.Parameter(torch.tensor(PIXELS.transpose(2, 0, 1) / 255)),
    "all seen through": np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, np.uint8)]),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_pixels_are_the_same_picture_in_every_form(form) -> None:
    assert as_picture(FORMS[form]).sha256 == as_picture(PIXELS).sha256


@pytest.mark.parametrize("shape", [lambda grey: grey, lambda grey: grey[:, :, None], lambda grey: grey[None]])
def test_grey_is_grey_in_all_three_channels(shape) -> None:
    assert (as_picture(shape(PIXELS[:, :, 0])).pixels == PIXELS[:, :, :1]).all()


def test_where_the_channels_could_be_first_or_last_they_are_last() -> None:
    square = PIXELS[:3, :8]
    assert (as_picture(square).pixels == square).all()


@pytest.mark.parametrize("odd", [PIXELS / 100 - 1, PIXELS.astype(np.int32) * 300, PIXELS * np.nan, PIXELS.astype(complex)])
def test_numbers_that_are_no_pixels_are_told(odd) -> None:
    with pytest.raises(UserError, match="'x' was not read.*its numbers are not those of pixels.*from 0 to 1"):
        as_picture(odd, "x")


@pytest.mark.parametrize("shape", [(8,), (2, 8, 8, 3), (8, 8, 2), (0, 8, 3), (5, 8, 8)])
def test_shapes_that_are_none_of_a_picture_are_told(shape) -> None:
    with pytest.raises(UserError, match="'x' was not read. It is uint8"):
        as_picture(np.zeros(shape, np.uint8), "x")


def test_a_data_set_of_tensors_is_read() -> None:
    pixels = torch.stack([torch.tensor(np.asarray(drawn(i)).transpose(2, 0, 1)) for i in range(8)])
    images = load_images(torch.utils.data.TensorDataset(pixels, torch.arange(8) % 2))
    assert images.classes == ("0", "1") and images.pictures[3].sha256 == as_picture(drawn(3)).sha256


WRITTEN = base64.b64encode(png(1))


@pytest.mark.parametrize("text", [WRITTEN, WRITTEN.decode(), f"data:image/png;base64,{WRITTEN.decode()}"])
def test_pictures_written_as_text_are_told_and_not_shown(text) -> None:
    with pytest.raises(UserError, match=r"'image 1' was not read. It is a picture written as text \(base64\).*b64decode") as told:
        load_images([(text, "ab"[i % 2]) for i in range(4)])
    assert WRITTEN.decode()[20:40] not in str(told.value)


def test_pictures_written_as_text_in_a_table_are_told_by_their_row(tmp_path) -> None:
    (tmp_path / "t.csv").write_text("image,label\n" + "".join(f"{WRITTEN.decode()},{label}\n" for label in "abab"))
    with pytest.raises(UserError, match=r"Row 2 of 't.csv' was not read. Its picture is written as text"):
        load_images(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([([PIXELS, PIXELS], "a"), ([PIXELS], "b")], "It is a list, where one picture was expected"),
        ([("https://example.org/a.png", "a"), ("https://example.org/b.png", "b")], "It is an address"),
        ([{"image": PIXELS, "label": "a"}], "A list of dicts was given"),
        ([(PIXELS, ["a", "b"])], "Give each picture one label"),
        ([(PIXELS, "a", "b", "c")], "Give each picture one label"),
        (torch.utils.data.DataLoader([(1, 2)]), "It yields batches.*attribute dataset"),
    ],
)
def test_what_a_program_may_bring_instead_is_told(data, said) -> None:
    with pytest.raises(UserError, match=said):
        load_images(data)
