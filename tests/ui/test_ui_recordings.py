"""Webcam recordings: one group a class, no held-out figure for a single one, and a second one to test on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from one_server import SERVER
from PIL import Image

from sn_viz.groups import group_index
from sn_viz.pipeline import load_splits
from sn_viz.ui import page
from sn_viz.ui.components.cards import Card, Cards, Shot
from sn_viz.ui.sections import examples_section
from sn_viz.ui.sections.examples_section import Where, from_galleries, recorded_once

NAMES = ("ripe", "unripe")


@pytest.fixture()
def taken(tmp_path):
    """Return ``take(n, seed, name)``: paths of ``n`` pictures unlike all others, in a folder each, as uploads lie."""

    def take(n: int, seed: int, name: str = "webcam_upload.jpeg") -> list[str]:
        rng, paths = np.random.default_rng(seed), []
        for number in range(n):
            folder = tmp_path / f"{seed}-{number}"
            folder.mkdir()
            small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
            small.resize((48, 48), Image.Resampling.BICUBIC).save(folder / name)
            paths.append(str(folder / name))
        return paths

    return take


def files(paths):
    """Return galleries' paths under names that are no webcam's."""
    return [str(Path(path).rename(Path(path).with_name(f"{i}.jpeg"))) for i, path in enumerate(paths)]


def shots(paths):
    """Return pictures as they lie on a card."""
    return tuple(Shot(path, Path(path).name, "webcam recording of it") for path in paths)


def counts(images):
    return {name: int((images.labels == label).sum()) for label, name in enumerate(images.classes)}


def split(images, seed=0):
    return load_splits(images, None, None, 0.5, seed)


def test_a_webcam_recording_is_one_group_and_files_are_not(taken):
    images = from_galleries(2, NAMES, [taken(4, 1), files(taken(4, 2))], "Is it ripe?")
    groups = group_index(images)
    assert len(set(groups[images.labels == images.classes.index("ripe")])) == 1
    assert len(set(groups[images.labels == images.classes.index("unripe")])) == 4
    assert recorded_once(images) == ("ripe",)


def test_a_class_of_one_recording_is_not_tested_and_is_named(taken):
    train, test = split(from_galleries(2, NAMES, [taken(4, 1), taken(4, 2)], "Is it ripe?"))
    assert len(train) == 8 and not len(test)
    assert "'ripe'" in test.notes[0] and "'unripe'" in test.notes[0] and "one recording" in test.notes[0]
    assert recorded_once(train) == train.classes


def test_a_recording_beside_files_can_be_tested(taken):
    train, test = split(from_galleries(2, NAMES, [taken(4, 1) + files(taken(4, 3)), files(taken(8, 2))], "Is it ripe?"))
    assert counts(test) == {"ripe": 4, "unripe": 4}
    assert len({*train.groups} & {"webcam recording of ripe"}) + len({*test.groups} & {"webcam recording of ripe"}) == 1


def test_a_second_recording_is_the_test(taken):
    again = [taken(3, 3), taken(2, 4)]
    train, test = split(from_galleries(2, NAMES, [taken(4, 1), taken(5, 2)], "Is it ripe?", again=again))
    assert len(train) == 9 and counts(test) == {"ripe": 3, "unripe": 2}
    assert all(name.startswith("test ") or "/test " in name for name in test.names)


@pytest.mark.parametrize("seed", range(4))
def test_files_are_drawn_beside_a_second_recording(taken, seed):
    images = from_galleries(2, NAMES, [taken(4, 1), files(taken(6, 2))], "Is it ripe?", again=[taken(3, 3), None])
    train, test = split(images, seed)
    assert counts(train) == {"ripe": 4, "unripe": 3} and counts(test) == {"ripe": 3, "unripe": 3}
    assert {"webcam recording of ripe", ""} == {*train.groups} and {"second webcam recording of ripe", ""} == {*test.groups}


def test_a_second_recording_of_one_class_alone_measures_nothing(taken):
    _, test = split(from_galleries(2, NAMES, [taken(4, 1), taken(4, 2)], "Is it ripe?", again=[taken(3, 3), None]))
    assert not len(test) and "'unripe'" in test.notes[0] and "'ripe'" not in test.notes[0]


def test_what_is_recorded_again_makes_another_set(taken):
    cards = Cards(tuple(Card(i, name, shots(taken(2, i))) for i, name in enumerate(NAMES, start=1)))
    once, twice = (Where.of(["own", "", each, None, ""]) for each in (cards, cards.add(1, shots(taken(2, 3)), again=True)))
    assert once.key != twice.key and once.name == twice.name
    assert len(examples_section.uploaded(twice)) == len(examples_section.uploaded(once)) + 2


def untested(run, groups):
    """Return ``run`` with everything held out taken away, and its probing images in ``groups``."""
    nothing = replace(run.test.take([]), notes=("No accuracy was measured, for it is one recording.",))
    return replace(run, train=replace(run.train, groups=groups), test=nothing)


def test_the_strip_says_so_and_offers_to_record_again(planted):
    groups = tuple("webcam recording of " + planted.train.classes[label] for label in planted.train.labels)
    key = SERVER.runs.put(untested(planted, groups))
    strip, button = page.show_strip(SERVER, key, None)
    assert strip["warnings"][0] == "No accuracy was measured, for it is one recording."
    assert strip["facts"][0]["value"] == "none" and not any("×" in fact["value"] or "%" in fact["value"] for fact in strip["facts"])
    assert button.visible
    cards = Cards(tuple(Card(i, name) for i, name in enumerate([*planted.train.classes, "third"], start=1)))
    _, selected, source, own, status, asking, shown = page.record_again(SERVER, key, cards)
    assert (selected["section"], source, own.selected) == ("examples", "own", "own") and "again" in status["text"]
    assert [card["again"] for card in shown["cards"]] == [[], [], None] and asking.asks_again == {1, 2}


@pytest.mark.parametrize("kind", ["held out", "a zip's groups", "a pack"])
def test_the_button_is_for_recordings_that_were_not_tested(planted, kind):
    named = tuple("webcam recording of " + planted.train.classes[label] for label in planted.train.labels)
    run = {"held out": planted, "a zip's groups": untested(planted, ("Eve",) * len(planted.train))}.get(
        kind, untested(planted, named)
    )
    _, button = page.show_strip(SERVER, SERVER.runs.put(run), "photos" if kind == "a pack" else None)
    assert not button.visible
