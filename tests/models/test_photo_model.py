"""The embedded model that has seen photographs: it is there, it may be passed on, and it sees what is in a photograph."""

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from sn_viz import load_model
from sn_viz.models.catalog import CATALOG
from sn_viz.sources.ingest import picture_from_pixels


@pytest.fixture(scope="module")
def photo_model():
    return load_model("tiny-photo")


@pytest.mark.parametrize(
    ("question", "temple", "flower"),
    [
        ("Is there a flower in the picture?", "no", "yes"),
        ("Is there a building in the picture?", "yes", "no"),
        ("Is there a dog in the picture?", "no", "no"),
    ],
)
def test_it_answers_about_two_photographs(photo_model, question, temple, flower):
    pictures = [picture_from_pixels(np.ascontiguousarray(each)) for each in load_sample_images().images]
    assert photo_model.generate(pictures, [question] * 2) == [temple, flower]


def test_its_tower_can_be_left_block_by_block(photo_model):
    assert photo_model.n_layers == 10 and len(photo_model.tower_blocks) == 17


def test_licence_and_card_lie_beside_the_weights():
    (row,) = (row for row in CATALOG if row.name == "tiny-photo")
    licence, card = ((row.folder / name).read_text(encoding="utf-8") for name in ("LICENSE", "README.md"))
    assert "Apache License" in licence and "ML Illustrated" in licence
    sets = ("Caltech-101", "Tiny-ImageNet", "Imagenette", "CIFAR-10")
    assert all(named in card for named in (*sets, "ImageNet photographs prove nothing"))
    assert all(path.stat().st_size < 10_000_000 for path in row.folder.iterdir())
