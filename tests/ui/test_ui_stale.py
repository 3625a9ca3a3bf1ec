"""Old results are marked as old while something new is set up; a new file's questions win over an old one, aloud."""

from __future__ import annotations

import gradio as gr
import numpy as np
import pytest
from one_server import SERVER
from planted_run import make_run

from sn_viz.config import LOADING
from sn_viz.types import LabelledImages, Picture
from sn_viz.ui.components import run_panel, stale
from sn_viz.ui.components.answer_row import Guess
from sn_viz.ui.components.cards import MAX_CLASSES, Cards
from sn_viz.ui.components.edits import Edits
from sn_viz.ui.sections import examples_section
from sn_viz.ui.server.quotas import visitor

REQUEST = gr.Request(session_hash="someone")
CHOICES = ["tiny-llava", ["residual"], "best-split", "balanced-accuracy", 15, "majority", "auto", 0.5, 0, ["sav"]]
CHOICES += ["auto", *(choice.default for choice in LOADING)]


def where(source="pack", pack="presence-dog", files=None):
    return [source, pack, Cards(), files, ""]


GUESS = Guess(("dogs", "others"), ("yes", "no"))


def boxes(*written):
    return [*written, *[""] * (MAX_CLASSES - len(written))]


def setup(question="Is there a dog?", choices=CHOICES, guess=GUESS, written=("yes", "no"), **of):
    return run_panel.setup_in(Edits(), question, *choices, guess, *boxes(*written), *where(**of))


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
    place = examples_section.Where.of(where("file", files=["/some/upload.zip"]))
    SERVER.sets.put(images, f"{visitor(REQUEST)}|{place.key}")
    return run_panel.own_questions(SERVER, REQUEST, question, taken, *where("file", files=["/some/upload.zip"])), place.key


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


def test_an_answer_written_by_hand_makes_the_result_old_until_it_is_taken_back():
    assert stale.told(setup(), setup(written=("no", "yes")))["text"].startswith("Answers changed")
    assert stale.told(setup(), setup(written=("yes", "no"))) == {}
    assert stale.told(setup(), setup(written=("yes", ""))) == {}, "an empty field says nothing"
    assert stale.told(setup(written=("no", "yes")), setup(written=("no", "yes"))) == {}


MODELS = {"tiny-llava": "tiny-llava"}


@pytest.fixture()
def find_asks(monkeypatch):
    """Return ``asks(images, question, ...)``: what Find runs and shows for a file that nobody has looked at."""
    seen = {}

    def pretend(images, **named):
        seen.update(images=images, **named)
        return make_run()

    monkeypatch.setattr(run_panel, "find", pretend)

    def asks(images, question, asked_by="", guess=GUESS, written=("yes", "no")):
        place = examples_section.Where.of(where("file", files=["/some/unread.zip"]))
        owner = visitor(REQUEST)
        SERVER.sets.put(images, f"{owner}|{place.key}")
        values = Edits(), question, *CHOICES, guess, *boxes(*written), *where("file", files=["/some/unread.zip"])
        return seen, place.key, list(run_panel.stream(SERVER, MODELS, owner, SERVER.stops.new(), asked_by, *values))

    return asks


def test_find_before_a_file_was_read_asks_the_files_own_question(find_asks):
    seen, key, steps = find_asks(of_file(*["Is it ripe?"] * 8), "Is there a dog?")
    assert set(seen["images"].questions) == {"Is it ripe?"} and seen["question"] in (None, "Is it ripe?")
    told = next(step for step in steps if step[-1] == key)
    assert told[-2] == "Is it ripe?" and "Is there a dog?" in told[0]["detail"] and "put aside" in told[0]["detail"]
    last = steps[-1]
    assert last[0]["text"] == "Done" and stale.told(last[6], last[6]._replace()) == {}
    shown = setup(question="Is it ripe?", guess=Guess(), source="file", files=["/some/unread.zip"])
    assert stale.told(last[6], shown) == {}


def test_a_question_typed_after_a_file_was_read_is_asked(find_asks):
    images = of_file(*["Is it ripe?"] * 8)
    place = examples_section.Where.of(where("file", files=["/some/unread.zip"]))
    seen, _, _ = find_asks(images, "Is it a fruit?", asked_by=place.key)
    assert set(seen["images"].questions) == {"Is it a fruit?"}


def test_fields_that_speak_of_another_set_are_nobodys_word(find_asks):
    seen, _, _ = find_asks(of_file(*["Is it ripe?"] * 8), "", written=("no", "yes"))
    assert not seen["answers"]
    seen, _, _ = find_asks(of_file(*["Is it ripe?"] * 8), "", guess=Guess(("no", "yes"), ("no", "yes")), written=("yes", "no"))
    assert dict(seen["answers"]) == {"no": "yes", "yes": "no"}
