"""The models that ship: they know their world, super neurons are found in them, and stopping them early saves time."""

import numpy as np
import pytest

from sn_viz.baselines.answers import parse_answer
from sn_viz.models import load_model
from sn_viz.models.catalog import CATALOG
from sn_viz.pipeline import find
from sn_viz.world.tasks import draw_task

EMBEDDED = [row for row in CATALOG if row.folder]


NAMES = [row.name if row.name == "tiny-llava" else pytest.param(row.name, marks=pytest.mark.long) for row in EMBEDDED]
"""The first in the fast suite, the others in the long one."""


@pytest.fixture(scope="module", params=NAMES)
def embedded(request, tiny_llava):
    return tiny_llava if request.param == tiny_llava.name else load_model(request.param, device="cpu")


@pytest.fixture(scope="module")
def dogs(embedded):
    return find("pack:presence-dog", model=embedded, compare="full-model,linear-probe")


@pytest.mark.parametrize("row", EMBEDDED, ids=lambda row: row.name)
def test_it_fits_in_25_megabytes_of_files_below_10(row):
    weights = [path.stat().st_size for path in row.folder.glob("*.safetensors")]
    assert weights and sum(weights) <= 25_000_000
    assert max(path.stat().st_size for path in row.folder.iterdir()) < 10_000_000


@pytest.mark.parametrize("row", EMBEDDED, ids=lambda row: row.name)
def test_its_licence_lies_beside_it(row):
    assert "MIT License" in (row.folder / "LICENSE").read_text()


@pytest.mark.parametrize("row", EMBEDDED, ids=lambda row: row.name)
def test_its_card_says_what_it_is(row):
    card = (row.folder / "README.md").read_text()
    assert all(word in card for word in ("Architecture", "Data", "Recipe", "Limits", "presence-any", "digits-three"))


@pytest.mark.parametrize(
    ("task", "least"), [("presence-any", 0.8), ("attribute-any", 0.8), ("choice-kind", 0.8), ("depth-any", 0.65)]
)
def test_the_full_model_answers_what_it_was_taught(embedded, task, least):
    images = draw_task(task, 100, seed=77)
    texts = embedded.generate(images.pictures, images.questions, batch_size=10)
    said = np.array([parse_answer(text, images.classes, q) for text, q in zip(texts, images.questions, strict=True)])
    assert (said >= 0).mean() >= 0.99
    assert (said == images.labels).mean() >= least


def test_super_neurons_answer_and_stopping_there_is_faster(dogs):
    at_exit = dogs.by_layer[dogs.exit_layer - 1]
    assert at_exit.accuracy.value > 0.85
    assert dogs.exit_layer < dogs.neurons.n_layers
    assert dogs.latency_ms["early_exit"] < dogs.latency_ms["full_model"]
    assert np.nanmax(dogs.stumps.score) > np.percentile(dogs.null_scores, 95)


def test_a_meaningless_labelling_is_not_answered(tiny_llava):
    images = draw_task("presence-dog", 80, seed=78)
    coin = np.random.default_rng(0).permutation(images.labels)
    found = find(
        images.__class__(images.names, images.pictures, coin, images.classes, images.questions), model=tiny_llava, compare="none"
    )
    accuracy = found.by_layer[found.exit_layer - 1].accuracy
    assert accuracy.low < 0.5
    assert any("luck" in warning for warning in found.warnings)
