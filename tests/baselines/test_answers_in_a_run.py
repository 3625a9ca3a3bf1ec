"""The answers of classes through a whole run: given, told by names, undefined; long answers; published rules; saved."""

import json

import numpy as np
import pytest

from sn_viz.baselines.answers import answer_key
from sn_viz.baselines.answers.said import written_answers
from sn_viz.baselines.full_model import note_on, unnamed_answers
from sn_viz.errors import UserError
from sn_viz.pipeline import find
from sn_viz.run import Run
from sn_viz.sources.benchmarks import BENCHMARKS
from sn_viz.storage.summary import summary
from sn_viz.types import LabelledImages, Picture

ASKED = "Is there a dog in the picture?"


def drawn(classes: tuple[str, str], n: int = 12) -> LabelledImages:
    random = np.random.default_rng(0)
    pictures = tuple(Picture(random.integers(0, 256, (32, 32, 3)).astype(np.uint8)) for _ in range(n))
    return LabelledImages(tuple(map(str, range(n))), pictures, np.arange(n) % 2, classes, (ASKED,) * n)


@pytest.fixture
def says_yes(llava, monkeypatch):
    """A model that writes yes to everything."""
    monkeypatch.setattr(llava, "generate", lambda pictures, questions, **more: ["Yes."] * len(pictures), raising=False)
    return llava


COMPARE = "full-model,full-model-calibrated,logit-lens"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path / "cache"))


def test_names_and_question_decide(says_yes, tmp_path):
    run = find(drawn(("dogs", "others")), None, says_yes, COMPARE, voters=3)
    facts = summary(run)
    assert facts["accuracy"]["full_model"]["value"] == np.mean(run.test.labels == 0), "yes is dogs"
    assert facts["answers"]["words"] == {"dogs": "yes", "others": "no"} and facts["answers"]["inferred"]
    assert facts["headline"]["full_model"] == "full_model" and facts["headline"]["inferred"]
    assert "Inferred" in run.baselines[0].note
    back = Run.load(run.save(tmp_path / "run"))
    assert back.answer_key == run.answer_key and back.config == run.config


def test_what_cannot_be_told_has_no_accuracy_and_the_calibrated_model_stands_in(says_yes, tmp_path):
    run = find(drawn(("alpha", "beta")), None, says_yes, COMPARE, voters=3)
    facts = summary(run)
    assert facts["accuracy"]["full_model"]["value"] is None and facts["answers"]["source"] == "unknown"
    assert facts["headline"]["full_model"] == "full_model_calibrated" and run.opponent.name == "full-model-calibrated"
    assert any(warning.startswith("Cannot tell") for warning in run.warnings)
    assert facts["baselines"][0]["named_no_class"] == [{"text": "Yes.", "count": len(run.test)}]
    assert np.isnan(Run.load(run.save(tmp_path / "run")).baselines[0].accuracy.value)
    json.dumps(facts, allow_nan=False)


def test_what_the_user_says_counts_and_is_kept(says_yes, tmp_path):
    run = find(drawn(("alpha", "beta")), None, says_yes, "full-model", voters=3, answers={"beta": "yes"})
    assert run.answer_key.source == "given" and not run.answer_key.inferred
    assert run.baselines[0].accuracy.value == np.mean(run.test.labels == 1)
    assert run.config.answers == (("beta", "yes"),) and Run.load(run.save(tmp_path / "run")).config.answers == run.config.answers
    with pytest.raises(UserError, match="no class called"):
        find(drawn(("alpha", "beta")), None, says_yes, "none", answers="gamma=yes")


def test_answers_that_named_no_class_are_shown_with_their_counts():
    said = ["a cat", "yes", "a cat", "hm"]
    predicted = np.array([-1, 1, -1, -1])
    assert unnamed_answers(said, predicted) == [("a cat", 2), ("hm", 1)]
    assert "“a cat” (2)" in note_on(answer_key(("no", "yes"), ASKED), said, predicted)


def test_an_answer_goes_on_while_it_names_no_class(llava, noise_pictures):
    pictures, heard = noise_pictures(2), []

    def never(row: int, text: str) -> int:
        heard.append((row, text))
        return -1

    short = llava.generate(pictures, [ASKED] * 2)
    long = llava.generate(pictures, [ASKED] * 2, reading=never, longest=24)
    soon = llava.generate(pictures, [ASKED] * 2, reading=lambda row, text: 0, longest=24)
    assert {row for row, _ in heard} == {0, 1}
    assert all(whole.startswith(start[: len(start) // 2]) for whole, start in zip(long, short, strict=True))
    assert soon == short, "an answer that names a class at once is no longer than before"
    assert written_answers(llava, pictures, [ASKED] * 2, None) == short


@pytest.mark.parametrize(
    ("name", "said", "right"),
    [
        ("pope", "The photograph shows a table.", 1),
        ("pope", "There isn't a dog", 1),
        ("pope", "No, there is not.", 0),
        ("pope", "A table. No dog.", 1),
        ("pope-random", "no", 0),
    ],
)
def test_pope_is_read_by_its_authors_rule(name, said, right):
    read = BENCHMARKS[name].read
    assert read is not None and read(said, ASKED, ("no", "yes")) == right


def test_only_benchmarks_with_a_published_rule_have_one():
    having = {name for name in BENCHMARKS if BENCHMARKS[name].read is not None}
    assert having == {"aokvqa", "pope", "pope-random", "pope-popular", "pope-adversarial", "scienceqa"}
