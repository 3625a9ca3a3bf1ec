"""What a run will take is measured before it begins, and said with a cheaper choice beside it, where it takes long."""

from __future__ import annotations

import numpy as np
import pytest

from sn_viz import pipeline
from sn_viz.activations.extract import extract
from sn_viz.activations.store import Store
from sn_viz.early_exit import estimate as estimating
from sn_viz.early_exit.estimate import Estimate, estimate, spoken
from sn_viz.models import load_model
from sn_viz.models.options import LoadOptions


@pytest.fixture
def every_run_is_long(monkeypatch):
    monkeypatch.setattr(estimating, "SHORT", 0)
    monkeypatch.setattr(estimating, "LONG", 0)


@pytest.fixture(scope="module")
def looking_closely(checkpoint):
    return load_model(checkpoint("idefics3"), device="cpu", options=LoadOptions(detail="published"))


def test_the_time_is_that_of_all_passes_and_the_cheaper_choice_stands_beside_it():
    whole = Estimate(260, 200, 20, seconds_each=1.5, cheaper_each=0.1)
    assert whole.seconds == pytest.approx(720) and whole.is_long
    assert "about 12 minutes: 260 pictures read, 200 pictures answered, 20 passes timed, 1.5 s each" in whole.sentence
    assert "with --detail low about 48 s" in whole.sentence and "low about 48 s" in whole.short


def test_without_another_way_to_look_the_cheaper_choice_is_another():
    assert "with --compare none about 70 s" in Estimate(60, 200, 10, 1.0).sentence
    assert "half the pictures take half as long" in Estimate(60, 0, 10, 1.0).sentence
    assert "--compare none" in Estimate(60, 200, 10, 1.0, cheaper_each=2.0).sentence, "low detail that takes longer is no help"


def test_half_a_minute_is_where_it_begins():
    assert not Estimate(20, 0, 0, 1.5).is_long and Estimate(21, 0, 0, 1.5).is_long


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "1 s"), (99, "99 s"), (100, "2 minutes"), (5400, "90 minutes"), (9000, "2.5 hours")]
)
def test_times_are_spoken(seconds, said):
    assert spoken(seconds) == said


def test_what_the_cache_holds_is_not_counted(llava, make_labelled, tmp_path, every_run_is_long):
    train, test, cache = make_labelled([0, 1, 0, 1]), make_labelled([0, 1], first=100), Store(tmp_path)
    fresh = estimate(llava, train, test, compare=("full-model", "sav"), cache=cache)
    assert (fresh.reading, fresh.answering) == (6, 2) and fresh.seconds_each > 0
    assert estimate(llava, train, test, compare=("full-model",), cache=cache, answered=1).answering == 1, "one answer is kept"
    extract(llava, train, cache=cache)
    assert estimate(llava, train, test, cache=cache).reading == 2


def test_a_run_that_takes_seconds_anywhere_is_not_measured(llava, make_labelled):
    assert estimate(llava, make_labelled([0, 1]), make_labelled([0, 1], first=100)) is None


def test_the_closer_look_is_compared_with_low_detail_and_stays_as_it_is(looking_closely, make_labelled, every_run_is_long):
    vlm, images = looking_closely, make_labelled([0, 1, 0, 1])
    before = vlm.prepare(images.pictures[:1], ["Is it?"])
    found = estimate(vlm, images, images.take([]))
    assert found.cheaper_each is not None and found.cheaper_each > 0
    after = vlm.prepare(images.pictures[:1], ["Is it?"])
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert after["pixel_values"].shape[1] > 1, "it looks closely again"


def run_of(vlm, make_labelled, **more):
    train, test = make_labelled([0, 1] * 4), make_labelled([0, 1] * 3, first=100)
    config = pipeline.Config(question="Is it?", sites=("residual",), loading=vlm.options.told())
    return pipeline.run(config, train, test, vlm, **more)


def test_a_long_run_says_so_first_and_beside_every_step(looking_closely, make_labelled, tmp_path, every_run_is_long):
    said, steps = [], []
    run = run_of(
        looking_closely,
        make_labelled,
        cache=Store(tmp_path),
        progress=lambda fraction, doing: steps.append((len(said), doing)),
        say=said.append,
    )
    (sentence,) = said
    assert sentence == run.findings["estimate"]["sentence"]
    reading = [(before, doing) for before, doing in steps if "Reading image" in doing]
    assert reading and all(before == 1 and " in all; " in doing for before, doing in reading)
    assert run.findings["detail"]["level"] == "published"


def test_low_detail_is_said_with_the_run(checkpoint, make_labelled, tmp_path):
    vlm = load_model(checkpoint("idefics3"), device="cpu")
    run = run_of(vlm, make_labelled, cache=Store(tmp_path), say=pytest.fail)
    assert vlm.look.sentence in run.warnings and run.config.loading == (("detail", "low"),)
    assert run.findings["detail"]["level"] == "low" and "estimate" not in run.findings
