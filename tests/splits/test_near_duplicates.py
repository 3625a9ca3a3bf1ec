"""One photograph re-encoded, rescaled or cropped is found again; different pictures are left alone."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from sn_viz.sources.pack import load_pack
from sn_viz.splits.near_duplicates import near_duplicates
from sn_viz.types import Picture
from sn_viz.world.scene import draw_scene, sample_scene


def encoded(image, form, **how):
    file = BytesIO()
    image.save(file, form, **how)
    return Image.open(BytesIO(file.getvalue())).convert("RGB")


def cropped(image, left, top, right, bottom):
    width, height = image.size
    return image.crop((round(left * width), round(top * height), width - round(right * width), height - round(bottom * height)))


ALTERED = {
    "JPEG": lambda image: encoded(image, "JPEG", quality=40),
    "WebP": lambda image: encoded(image, "WEBP", quality=50),
    "half as large": lambda image: image.resize((image.width // 2, image.height // 2)),
    "twice as large": lambda image: image.resize((image.width * 2, image.height * 2)),
    "cropped at one corner": lambda image: cropped(image, 0.05, 0.05, 0, 0),
    "cropped all round": lambda image: cropped(image, 0.05, 0.05, 0.05, 0.05),
    "cropped, smaller, JPEG": lambda image: encoded(cropped(image, 0, 0.04, 0.03, 0).resize((200, 180)), "JPEG", quality=60),
}


def photographs():
    """Return different crops of two photographs, and drawn scenes."""
    crops = [
        Image.fromarray(photo[top : top + 200, left : left + 200])
        for photo in load_sample_images().images
        for top in (0, 205)
        for left in (0, 210, 420)
    ]
    return crops + [Image.fromarray(picture.pixels) for picture in load_pack("presence-any", 18, 2)[0].pictures]


def pictures(images):
    return [Picture(np.asarray(image)) for image in images]


@pytest.mark.parametrize("how", ALTERED)
def test_an_altered_copy_is_found_beside_all_the_others_and_nothing_else_is(how):
    originals = photographs()
    n = len(originals)
    found = near_duplicates(pictures([*originals, *(ALTERED[how](image) for image in originals)]))
    copies = {(i, i + n) for i in range(n)}
    assert set(found) <= copies
    assert len(copies - set(found)) <= 0.01 * n, copies - set(found)


def test_it_does_not_matter_which_of_the_two_is_the_crop():
    image = photographs()[0]
    small = cropped(image, 0.05, 0, 0.05, 0.03)
    assert near_duplicates(pictures([image, small])) == near_duplicates(pictures([small, image])) == [(0, 1)]


def test_scenes_on_one_background_with_another_thing_in_them_are_different():
    for seed in range(12):
        scene = sample_scene(np.random.default_rng(seed), n_things=3, degraded="")
        last = scene.things[-1]
        fewer = replace(scene, things=scene.things[:-1])
        other = replace(scene, things=(*scene.things[:-1], replace(last, colour="red" if last.colour != "red" else "blue")))
        drawn = [draw_scene(one, 224, np.random.default_rng(seed)).image for one in (scene, fewer, other)]
        assert near_duplicates(pictures(drawn)) == []


@pytest.mark.parametrize("name", ["presence-dog", "answerable", "night", "digits-three"])
def test_no_two_pictures_of_a_pack_are_one(name):
    shown = [picture for split in load_pack(name, 40, 40) for picture in split.pictures]
    assert near_duplicates(shown) == []


def test_plain_pictures_are_compared_as_they_are_only():
    greys = [Picture(np.full((32, 32, 3), grey, np.uint8)) for grey in (10, 11, 11, 200)]
    assert near_duplicates(greys) == [] and near_duplicates([]) == [] and near_duplicates(greys[:1]) == []


def test_a_mirrored_or_darker_copy_is_another_picture():
    image = photographs()[0]
    darker = Image.fromarray((np.asarray(image) * 0.5).astype(np.uint8))
    assert near_duplicates(pictures([image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), darker])) == []
