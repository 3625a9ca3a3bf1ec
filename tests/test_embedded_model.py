"""The model that ships: it knows its world, super neurons are found in it, and stopping it early saves time."""

from pathlib import Path

import numpy as np
import pytest

from sn_viz.baselines.answers import parse_answer
from sn_viz.pipeline import find
from sn_viz.tiny.tasks import draw_task

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "assets" / "tiny-llava"


@pytest.fixture(scope="module")
def dogs(tiny_llava):
    return find("pack:presence-dog", model=tiny_llava, compare="full-model,linear-probe")


def test_it_fits_in_25_megabytes_of_files_below_10():
    weights = [path.stat().st_size for path in FOLDER.glob("*.safetensors")]
    assert weights and sum(weights) <= 25_000_000
    assert max(path.stat().st_size for path in FOLDER.iterdir()) < 10_000_000


def test_its_card_says_what_it_is():
    card = (FOLDER / "README.md").read_text()
    assert all(word in card for word in ("Architecture", "Data", "Recipe", "Limits", "presence-any", "digits-three"))


@pytest.mark.parametrize(
    ("task", "least"), [("presence-any", 0.8), ("attribute-any", 0.8), ("choice-kind", 0.8), ("depth-any", 0.65)]
)
def test_the_full_model_answers_what_it_was_taught(tiny_llava, task, least):
    images = draw_task(task, 100, seed=77)
    texts = tiny_llava.generate(images.pictures, images.questions, batch_size=10)
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
