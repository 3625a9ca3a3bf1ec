"""Class cards: pictures come, move and go, and every step can be taken back and made again."""

from __future__ import annotations

import hashlib
from copy import deepcopy

import gradio as gr
import numpy as np
import pytest
from one_server import SERVER
from PIL import Image

from sn_viz.errors import UserError
from sn_viz.ui.components import class_cards
from sn_viz.ui.components.cards import FEW, MAX_CLASSES, Cards, Shot
from sn_viz.ui.components.edits import Edit, Edits, Example
from sn_viz.ui.sections import examples_section
from sn_viz.ui.sections.examples_section import Where
from sn_viz.ui.server.paths import upload_folder


def shots(n, start=0):
    return [Shot(f"/up/{i}/{i}.png", f"{i}.png") for i in range(start, start + n)]


def counts(cards):
    return {one.name: len(one.shots) for one in cards.cards}


def test_a_renamed_card_keeps_its_pictures_and_is_found_by_its_new_name():
    cards = Cards().add(1, shots(3)).rename(1, "  ripe ")
    assert counts(cards) == {"ripe": 3, "no": 0}
    assert cards.card_called("RIPE")[1] == 1


def test_every_step_is_undone_and_made_again():
    steps = [Cards()]
    steps.append(steps[-1].add(1, shots(3)))
    steps.append(steps[-1].rename(1, "ripe"))
    steps.append(steps[-1].move(["/up/0/0.png"], 2))
    steps.append(steps[-1].remove(["/up/1/1.png"], 1))
    steps.append(steps[-1].append())
    steps.append(steps[-1].without(3))
    now = steps[-1]
    for before in reversed(steps[:-1]):
        now = now.undo()
        assert now.cards == before.cards
    assert now.undo() is now
    for after in steps[1:]:
        now = now.redo()
        assert now.cards == after.cards
    assert now.redo() is now
    assert not now.undo().rename(1, "green").future, "what is done anew cannot be made again"


def test_the_batches_of_one_upload_are_one_undo():
    cards = Cards().add(1, shots(2), step="a").add(1, shots(2, 2), step="a").add(1, shots(2, 4), step="b")
    assert counts(cards.undo())["yes"] == 4 and counts(cards.undo().undo())["yes"] == 0


def test_the_same_file_twice_is_there_once():
    cards = Cards().add(1, shots(2)).add(1, shots(2))
    assert counts(cards)["yes"] == 2 and len(cards.past) == 1


def test_folders_fill_the_cards_by_their_names():
    cards = Cards()
    for name in ("cat", "dog", "bird"):
        cards, number = cards.card_called(name)
        cards = cards.add(number, shots(2, 10 * number))
    assert counts(cards) == {"cat": 2, "dog": 2, "bird": 2}
    assert cards.card_called("Dog")[1] == 2


def test_there_are_two_to_six_classes_in_sentences():
    cards = Cards()
    with pytest.raises(UserError, match="at least 2 classes"):
        cards.without(1)
    for _ in range(MAX_CLASSES - 2):
        cards = cards.append()
    assert len(set(counts(cards))) == MAX_CLASSES
    with pytest.raises(UserError, match="one folder per class"):
        cards.append()
    ids = [one.id for one in cards.without(3).append().cards]
    assert len(set(ids)) == MAX_CLASSES


def test_what_stands_in_the_way_is_said_on_the_card():
    cards = Cards().add(1, shots(FEW)).add(2, [Shot("/up/0/other.png", "other.png"), *shots(2, 50)])
    notes = cards.notes()
    assert "1 picture also on the card 'no': take one off" in notes[1][0]
    assert any("Unbalanced: 3 pictures here, 10 pictures of 'yes'" in note for note in notes[2])
    alike = Cards().add(1, [*shots(FEW), Shot("/up/0/again.png", "again.png")]).add(2, shots(FEW, 50))
    assert alike.notes() == {1: ["1 picture is here more than once. Each counts once; nothing to do."], 2: []}
    few = Cards().add(1, shots(4)).add(2, shots(4, 50)).notes()
    assert all("fewer than 10" in note for notes in few.values() for note in notes) and few[1] and few[2]


def test_a_copy_of_cards_costs_nothing():
    cards = Cards().add(1, shots(3))
    assert deepcopy(cards) is cards


@pytest.fixture()
def uploads():
    """Return ``make(n, seed)``: what the script says of pictures that it has sent."""

    def make(n, seed=0):
        sent, rng = [], np.random.default_rng(seed)
        for i in range(n):
            pixels = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
            folder = upload_folder() / hashlib.sha256(pixels.tobytes()).hexdigest()
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / f"{i}.png")
            sent.append({"at": str(folder / f"{i}.png"), "name": f"{i}.png"})
        return sent

    return make


def act(cards, made, event, **what):
    return examples_section.act(SERVER, event(**what), cards, made)


def test_uploaded_pictures_lie_on_their_card_and_become_the_set(uploads, event):
    cards, _, value, touched = act(Cards(), Edits(), event, do="add", card=1, shots=uploads(3), seq=7, more=True)
    assert value["ack"] == 7 and [card["count"] for card in value["cards"]] == [3, 0] and touched == gr.skip()
    cards, _, value, touched = act(cards, Edits(), event, do="add", card=2, shots=uploads(2, 1), seq=8)
    assert touched != gr.skip(), "the last batch tells everybody"
    images = examples_section.loaded(SERVER, Where.of(["own", "", cards, None, ""]), "somebody with cards")
    assert dict(zip(images.classes, np.bincount(images.labels).tolist(), strict=True)) == {"yes": 3, "no": 2}


def test_a_recording_is_a_group(uploads, event):
    sent = [{**one, "group": "abc1"} for one in uploads(3)] + [{**one, "group": "abc2"} for one in uploads(2, 1)]
    cards, *_ = act(Cards(), Edits(), event, do="add", card=1, shots=sent)
    assert {shot.group for shot in cards.cards[0].shots} == {"webcam recording of yes abc1", "webcam recording of yes abc2"}


@pytest.mark.parametrize(
    "what",
    [
        "add",
        {"do": "format"},
        {"do": "add", "card": 99, "shots": []},
        {"do": "add", "card": 1, "shots": [{"at": "/etc/passwd"}]},
        {"do": "add", "card": 1, "shots": [{"at": "/uploads/../../etc/passwd"}]},
        {"do": "add", "card": 1, "shots": "all"},
        {"do": "move", "paths": ["/etc/passwd"], "to": 1},
        {"do": "rename", "card": 1, "name": "   "},
        {"do": "rename", "card": 1, "name": {"a": 1}},
        {"do": "drop", "card": 1},
    ],
)
def test_what_the_page_could_not_have_sent_changes_nothing_and_is_said(what):
    cards, _, value, touched = examples_section.act(SERVER, gr.EventData(None, what), Cards(), Edits())
    assert cards == Cards() and value["wrong"] and value["said"] and touched == gr.skip()
    assert "/etc" not in value["said"]


def test_changes_by_hand_follow_a_class_that_is_renamed_and_back(event):
    made = Edits("own", (Edit(Example("0" * 64, "?"), "yes"),))
    cards, renamed, *_ = act(Cards(), made, event, do="rename", card=1, name="ripe")
    assert renamed.made[0].to == "ripe"
    _, back, *_ = act(cards, renamed, event, do="undo")
    assert back.made[0].to == "yes"


def test_the_limits_are_told_before_anything_is_sent():
    told = class_cards.shown(Cards(), SERVER.arrivals)["limits"]
    assert told["batch"] < 96 * 2**20 and told["file"] == 64 * 2**20 and told["visitor"] == 512 * 2**20
    assert 0 < told["room"] <= 4096 * 2**20


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../../etc/passwd", "relative.png", "http://127.0.0.1/x.png", "", None, ["x"], "x\0.png"]
)
def test_a_card_takes_no_file_that_was_not_uploaded_and_says_the_same_of_each(path):
    for event in ({"card": 1, "shots": [{"at": path}]}, {"card": 1, "shots": [{"at": path, "group": "g1"}], "again": True}):
        with pytest.raises(UserError, match="This file was not read"):
            class_cards._add(Cards(), event)
