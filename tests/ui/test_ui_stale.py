"""Old results are marked as old while something new is set up; a new file's questions win over an old one, aloud."""

from __future__ import annotations

import gradio as gr
import numpy as np
import pytest

from sn_viz.types import LabelledImages, Picture
from sn_viz.ui import examples_tab, run_panel, stale
from sn_viz.ui.edits import Edits
from sn_viz.ui.session import SETS
from sn_viz.ui.share import visitor

REQUEST = gr.Request(session_hash="someone")
CHOICES = ["tiny-llava", ["residual"], "best-split", "balanced-accuracy", 15, "majority", "auto", 0.5, 0, ["sav"]]


def where(source="pack", pack="presence-dog", files=None):
    return [source, pack, 2, files, *examples_tab.NAMES, *[None] * examples_tab.MAX_CLASSES]


def setup(question="Is there a dog?", choices=CHOICES, **of):
    return run_panel.setup_in(Edits(), question, *choices, *where(**of))


def test_the_same_set_up_is_not_old():
    assert stale.told(setup(), setup(question=" Is there  a dog? ")) == {}
    assert stale.told(None, setup()) == {}


@pytest.mark.parametrize(
    ("now", "what"),
    [
        (setup(pack="night"), "Examples changed"),
        (setup(question="Is it night?"), "Question changed"),
        (setup(choices=[*CHOICES[:4], 3, *CHOICES[5:]]), "Choices changed"),
        (setup(source="file", files=["/a/x.zip"]), "Examples changed"),
        (setup(pack="night", question="Is it night?"), "Examples and question changed"),
    ],
)
def test_what_has_changed_is_said(now, what):
    told = stale.told(setup(), now)
    assert told["title"] == "From the earlier set-up" and told["text"].startswith(what) and "Find super neurons" in told["text"]


def of_file(*questions):
    picture = Picture(np.zeros((2, 2, 3), np.uint8))
    n = len(questions)
    names = tuple(f"{i}.png" for i in range(n))
    return LabelledImages(names, (picture,) * n, np.arange(n) % 2, ("no", "yes"), questions)


def asked(images, question, taken=""):
    place = examples_tab.Where.of(where("file", files=["/some/upload.zip"]))
    SETS.put(images, f"{visitor(REQUEST)}|{place.key}")
    return run_panel.own_questions(REQUEST, question, taken, *where("file", files=["/some/upload.zip"])), place.key


def test_a_new_files_question_wins_over_one_left_in_the_box_and_says_so():
    (question, taken, status), key = asked(of_file("Is it ripe?", "Is it ripe?"), "Is there a dog?")
    assert (question, taken) == ("Is it ripe?", key)
    assert "Is it ripe?" in status["text"] and "Is there a dog?" in status["detail"]


def test_questions_that_differ_empty_the_box():
    (question, _, status), _ = asked(of_file("Ripe?", "Green?"), "Is there a dog?")
    assert question == "" and "2 questions of its own" in status["text"] and "Is there a dog?" in status["detail"]


def test_they_win_once_and_what_is_typed_afterwards_stays():
    images = of_file("Is it ripe?", "Is it ripe?")
    _, key = asked(images, "Is there a dog?")
    (question, taken, status), _ = asked(images, "Is it a fruit?", key)
    assert not isinstance(question, str) and not isinstance(taken, str) and not status.get("text")


def test_a_file_without_questions_leaves_the_box():
    (question, taken, _), key = asked(of_file("", ""), "Is there a dog?")
    assert not isinstance(question, str) and taken == key


def test_a_question_that_replaces_those_of_the_file_is_noted():
    images = of_file("Ripe?", "Green?")
    assert "instead of the 2 questions" in run_panel.told_of_question(images, "Is it a fruit?").notes[-1]
    assert run_panel.told_of_question(images, None) is images
    assert run_panel.told_of_question(of_file("Ripe?"), "Ripe?").notes == ()


def test_an_answer_written_by_hand_makes_the_result_old_until_find():
    told = stale.told(run_panel.with_other_answers(setup()), setup())
    assert told["text"].startswith("Answers changed") and run_panel.with_other_answers(None) is None
