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


def test_more_probing_photographs_come_out_of_the_same_folders_but_no_copy_of_a_test_photograph(tmp_path: Path):
    question, rng = photo_questions()[0], np.random.default_rng(0)

    def unlike() -> Image.Image:
        return Image.fromarray(rng.integers(0, 256, (5, 5, 3), np.uint8)).resize((130, 130), Image.Resampling.NEAREST)

    for name, _ in question.probing + question.test:
        path = question.path(tmp_path, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        unlike().save(path, quality=95)
    copied = question.path(tmp_path, question.test[0][0])
    for number in range(6):
        for name in (question.test[0][0], question.test[-1][0]):
            unlike().save(question.path(tmp_path, name).with_name(f"more{number}.jpg"), quality=95)
    copied.with_name("more0.jpg").write_bytes(copied.read_bytes())
    more = question.with_more(tmp_path, 72)
    added = more.probing[64:]
    assert more.probing[:64] == question.probing and more.test == question.test
    assert np.bincount([label for _, label in added]).tolist() == [4, 4]
    wide = question.with_more(tmp_path, 1000).probing[64:]
    copy = str(Path(question.test[0][0]).with_name("more0.jpg"))
    assert len(wide) == 11 and copy not in [name for name, _ in wide]
    assert question.with_more(tmp_path, 64) is question


def test_a_question_about_several_repositories_knows_no_more_photographs(tmp_path: Path):
    question = next(q for q in photo_questions() if len(q.source) > 1)
    assert question.with_more(tmp_path, 500) is question
