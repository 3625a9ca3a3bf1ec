"""The fixed list of questions on photographs: balanced enough, of distinct files, and answered by people."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sn_viz.bench.photo_questions import photo_questions
from sn_viz.errors import UserError


def test_there_are_ten_questions_most_of_them_about_kinds_things_or_people():
    asked = photo_questions()
    assert len({q.id for q in asked}) == len(asked) == 10
    assert sum(q.about in ("kinds", "things", "people") for q in asked) >= 6


@pytest.mark.parametrize("question", photo_questions(), ids=lambda q: q.id)
def test_probing_and_test_photographs_are_enough_and_distinct(question):
    probing, test = ([name for name, _ in part] for part in (question.probing, question.test))
    assert len(probing) == 64 and len(test) >= 200
    assert len({*probing, *test}) == len(probing) + len(test)
    assert np.bincount([label for _, label in question.probing]).tolist() == [32, 32]
    assert min(np.bincount([label for _, label in question.test])) >= 50
    assert question.terms and question.labels and all(len(commit) == 40 for commit in question.source.values())


def test_a_question_reads_its_photographs_from_the_unpacked_repository(tmp_path: Path):
    question = photo_questions()[0]
    for number, (name, _) in enumerate(question.probing + question.test):
        path = question.path(tmp_path, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (128, 130), (number % 256, number // 256, 0)).save(path)
    probing, test = question.load(tmp_path)
    assert (len(probing), len(test)) == (64, 200)
    assert probing.labels.tolist() == [label for _, label in question.probing]
    assert probing.pictures[3].pixels.shape == (130, 128, 3)


def test_a_missing_photograph_is_named_with_its_repository(tmp_path: Path):
    with pytest.raises(UserError, match="missing") as raised:
        photo_questions()[0].load(tmp_path)
    assert "Image-classification-using-CNN" in str(raised.value)
