"""``bench photos``: every method and both references on folders of photographs, with intervals."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from sn_viz.bench import photo_committees
from sn_viz.bench.photos import class_folder, lines, measure, probe, questions_in, thumbnail
from sn_viz.bench.tasks.committees import markdown
from sn_viz.cli import app
from sn_viz.errors import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two class folders: dark and light pictures of noise, which a thumbnail tells apart."""
    root = tmp_path_factory.mktemp("sets")
    rng = np.random.default_rng(0)
    for name, mean in (("dark", 70), ("light", 170)):
        place = root / "shades" / name
        place.mkdir(parents=True)
        for number in range(40):
            pixels = np.clip(rng.normal(mean, 40, (40, 50, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(place / f"{number:03d}.png")
    return root


def test_a_folder_of_class_folders_is_a_question_with_no_photograph_on_both_sides(folder):
    (question,) = questions_in(folder)
    assert question.classes == ("dark", "light") and question.question == "Is this a dark or a light?"
    probing, test = ({name for name, _ in part} for part in (question.probing, question.test))
    assert len(probing) == 40 and len(test) == 40 and not probing & test


def test_fewer_probing_photographs_are_taken_from_every_class(folder):
    (question,) = questions_in(folder, probing=8)
    assert questions_in(folder, probing=8, seed=1)[0].probing != question.probing == questions_in(folder, probing=8)[0].probing
    assert np.bincount([label for _, label in question.probing]).tolist() == [4, 4]


def test_five_probing_photographs_are_five(folder):
    (question,) = questions_in(folder, probing=5)
    assert np.bincount([label for _, label in question.probing]).tolist() == [3, 2]


def test_a_folder_of_something_else_is_passed_over_and_an_empty_one_refused(tmp_path):
    (tmp_path / "notes").mkdir()
    assert class_folder(tmp_path) is None
    with pytest.raises(UserError, match="no photographs"):
        questions_in(tmp_path)


@pytest.mark.long
def test_every_method_and_reference_stands_with_its_interval(folder, tiny_llava):
    (answers,) = measure(tiny_llava, folder, probing=20)
    assert answers.accuracy["thumbnail"].value > 0.95
    assert answers.accuracy["super neurons"].value > 0.9
    for method in ("super neurons", "exit 1", "thumbnail", "pooled tower, probe", "pooled tower, super neurons", "linear-probe"):
        interval = answers.accuracy[method]
        assert interval.n == 60 and interval.low <= interval.value + 1e-9 and interval.value <= interval.high + 1e-9
    assert answers.against_tower is not None and -1 <= answers.against_tower.low <= answers.against_tower.high <= 1
    head, _, row = lines([answers])
    assert head.count("|") == row.count("|") and "shades" in row


def test_committees_are_compared_on_each_question_up_to_all_its_photographs(folder, llava, tmp_path, monkeypatch):
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path))
    done = []
    table = photo_committees.measure(llava, folder, probing=20, draws=2, tell=done.append)
    assert len(done) == 4, "two draws of five, one of all twenty, and the full model"
    assert {(line.part, line.shots, line.n_tasks, line.n_draws) for line in table} == {("judging", 5, 1, 2), ("judging", 20, 1, 1)}
    plain = next(line for line in table if (line.shots, line.method) == (20, "plain"))
    assert len(plain.by_exit) == 3 and max(plain.by_exit) > 0.9, "shades are told apart"
    again: list[str] = []
    once_more = photo_committees.measure(llava, folder, probing=20, draws=2, tell=again.append)
    assert markdown(once_more) == markdown(table) and not again, "nothing is measured twice"
    with pytest.raises(UserError, match="cat-or-dog"):
        photo_committees.measure(llava, folder, only=["cat-or-dog"])


def test_an_unknown_question_is_refused_with_those_there_are(folder, tiny_llava):
    with pytest.raises(UserError, match="cat-or-dog") as raised:
        measure(tiny_llava, folder, only=["cat-or-dog"])
    assert "shades" in str(raised.value)


def test_the_references_are_what_they_say():
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4] = 255
    assert thumbnail(pixels).reshape(4, 4, 3)[:, 0, 0].tolist() == [1, 1, 0, 0]
    features = np.linspace(-1, 1, 40)[:, None]
    assert (probe(features, (features[:, 0] > 0).astype(int), features) == (features[:, 0] > 0)).mean() > 0.95


@pytest.mark.long
def test_the_command_prints_json(folder):
    done = CliRunner().invoke(app, ["bench", "photos", str(folder), "--model", "tiny-llava", "--probing", "20", "--json", "-"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)[0]["question"] == "shades"
