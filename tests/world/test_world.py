"""The drawn world is deterministic and its truth is true."""

import numpy as np
import pytest

from sn_viz.errors import UserError
from sn_viz.world import questions
from sn_viz.world.scene import (
    NEW_KIND,
    SHIFTED_BACKGROUNDS,
    TRAINED_BACKGROUNDS,
    TRAINED_KINDS,
    Scene,
    Thing,
    draw_scene,
    sample_scene,
)
from sn_viz.world.tasks import NEVER_TRAINED, TASKS, draw_task


def drawn(seed: int, size: int = 64, **options):
    rng = np.random.default_rng(seed)
    scene = sample_scene(rng, **options)
    return scene, draw_scene(scene, size, rng)


@pytest.fixture(scope="module")
def five_hundred():
    return [drawn(seed, 32) for seed in range(500)]


def test_equal_seeds_draw_equal_pixels_and_other_seeds_do_not():
    one, two, other = (np.asarray(drawn(seed)[1].image) for seed in (3, 3, 4))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_training_never_shows_the_new_kind_nor_a_shifted_background():
    assert NEW_KIND not in TRAINED_KINDS
    assert not set(SHIFTED_BACKGROUNDS) & set(TRAINED_BACKGROUNDS)
    for seed in range(200):
        scene = sample_scene(np.random.default_rng(seed))
        assert NEW_KIND not in scene.kinds()
        assert scene.background in TRAINED_BACKGROUNDS


def test_a_near_thing_hides_a_far_one_at_the_same_place():
    far, near = Thing("ball", "red", 0.5, 0.5, 0.4, 0.1), Thing("house", "blue", 0.5, 0.5, 0.4, 0.9)
    drawing = draw_scene(Scene("plain", (far, near)), 128, np.random.default_rng(0))
    assert drawing.covers[1, 0] and not drawing.covers[0, 1]
    assert drawing.visible[0] < 0.4 < 0.95 < drawing.visible[1]


def test_what_must_be_there_is_there():
    for seed in range(100):
        scene = sample_scene(np.random.default_rng(seed), must=(("dog", "red"), ("car", None)))
        assert ("dog", "red") in {(t.kind, t.colour) for t in scene.things}
        assert "car" in scene.kinds()


def test_truth_does_not_depend_on_the_size_of_the_drawing():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        scene = sample_scene(rng)
        small, large = (draw_scene(scene, size, np.random.default_rng(seed)) for size in (64, 224))
        assert np.abs(small.visible - large.visible).max(initial=0) < 0.15


@pytest.mark.parametrize("family", list(questions.QUESTION_FAMILIES))
def test_yes_and_no_or_letters_are_balanced(family, five_hundred):
    answers, rng = [], np.random.default_rng(99)
    for scene, drawing in five_hundred:
        asked = questions.ask(family, scene, drawing, rng)
        answers += [asked.answer] if asked else []
    counts = {a: answers.count(a) / len(answers) for a in set(answers)}
    assert len(answers) > 60
    if set(counts) <= {"yes", "no"}:
        assert 0.4 < counts["yes"] < 0.6
    elif family.startswith("choice"):
        assert set(counts) == set("ABCD") and max(counts.values()) < 0.35


def test_presence_tells_the_truth(five_hundred):
    rng = np.random.default_rng(98)
    for scene, drawing in five_hundred:
        asked = questions.ask("presence", scene, drawing, rng)
        kind = next(k for k in TRAINED_KINDS if f" {k} " in asked.question.replace("?", " "))
        assert (kind in scene.kinds()) == (asked.answer == "yes")


def test_multiple_choice_offers_four_options_of_which_the_right_one_is_shown(five_hundred):
    rng = np.random.default_rng(96)
    for scene, drawing in five_hundred:
        if asked := questions.ask("choice-kind", scene, drawing, rng):
            words = asked.question.split("? ")[1].split()
            offered = dict(zip(words[::2], words[1::2], strict=True))
            assert list(offered) == list("ABCD")
            assert [kind in scene.kinds() for kind in offered.values()].count(True) == 1
            assert offered[asked.answer] in scene.kinds()


def test_left_of_tells_the_truth(five_hundred):
    found, rng = 0, np.random.default_rng(97)
    for scene, drawing in five_hundred:
        asked = questions.ask("relation", scene, drawing, rng)
        if asked and " left of " in asked.question:
            words = asked.question.replace("?", "").replace(" stand", "").split(" the ")
            a, b = words[1].split()[0], words[2]
            place = {t.kind: t.x for t in scene.things}
            assert (place[a] < place[b]) == (asked.answer == "yes")
            found += 1
    assert found > 10


def test_held_out_wordings_are_not_among_the_trained_ones():
    for family, wordings in questions.NEW_WORDINGS.items():
        assert not set(wordings) & set(questions.WORDINGS[family])


@pytest.mark.parametrize("name", list(TASKS))
def test_every_task_draws_balanced_labels_and_its_own_question(name):
    images = draw_task(name, 16, seed=0, size=64)
    again = draw_task(name, 16, seed=0, size=64)
    assert [p.sha256 for p in images.pictures] == [p.sha256 for p in again.pictures]
    counts = np.bincount(images.labels, minlength=len(images.classes))
    assert counts.max() - counts.min() <= 1
    assert images.question == TASKS[name].question
    assert len(set(images.classes)) == len(images.classes)


def test_different_seeds_share_no_picture():
    one, two = (draw_task("presence-dog", 30, seed, size=64) for seed in (0, 1))
    assert not {p.sha256 for p in one.pictures} & {p.sha256 for p in two.pictures}


def test_an_unknown_task_lists_what_there_is():
    with pytest.raises(UserError, match="presence-dog"):
        draw_task("presence-unicorn", 4, 0)


def test_never_trained_tasks_are_marked_so():
    assert len(NEVER_TRAINED) >= 6 and not any(TASKS[name].trained for name in NEVER_TRAINED)
