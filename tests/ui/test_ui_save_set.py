"""A set that was saved is the same set when it is opened again: classes, pictures, questions, groups and what is tested on."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import gradio as gr
import numpy as np
import pytest
from one_server import SERVER

from sn_viz.sources.classes import TEST, TRAIN
from sn_viz.sources.ingest import picture_from_pixels
from sn_viz.types import LabelledImages
from sn_viz.ui.components import edits, save_set
from sn_viz.ui.components.cards import Cards
from sn_viz.ui.components.edits import Edits
from sn_viz.ui.sections import examples_section
from sn_viz.ui.sections.examples_section import Where


@pytest.fixture()
def images() -> LabelledImages:
    rng = np.random.default_rng(0)
    pictures = tuple(picture_from_pixels(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)) for _ in range(8))
    return LabelledImages(tuple("abcdefgh"), pictures, np.arange(8) % 2, ("ripe", "un/ripe"), ("Is it ripe?",) * 8)


def by_content(images):
    parts, groups = images.parts or ("",) * len(images), images.groups or ("",) * len(images)
    rows = zip(images.pictures, images.labels, images.questions, groups, parts, strict=True)
    return {picture.sha256: (images.classes[label], *rest) for picture, label, *rest in rows}


@pytest.mark.parametrize("kind", ["plain", "grouped", "tested"])
def test_a_saved_set_is_the_same_when_it_is_opened(images, kind):
    groups = tuple("Eve" if i < 4 else "" for i in range(8))
    sides = tuple(TEST if i > 3 else TRAIN for i in range(8))
    whole = {"plain": images, "grouped": replace(images, groups=groups), "tested": replace(images, parts=sides)}[kind]
    path = save_set.written(SERVER, whole, "", lambda fraction, doing: None)
    assert by_content(examples_section.from_files([path], None)) == by_content(whole)


def test_the_question_in_the_box_is_saved_where_the_pictures_bring_none(images):
    path = save_set.written(SERVER, replace(images, questions=("",) * 8), "Is it red?", lambda fraction, doing: None)
    assert examples_section.from_files([path], None).question == "Is it red?"


def test_what_was_changed_by_hand_is_saved_and_told(images):
    where = ["own", "", Cards(), None, ""]
    SERVER.sets.put(images, f"saver|{Where.of(where).key}")
    made = edits.remove(images, Edits("own"), edits.example_at(images, 0))
    *_, (path, status) = save_set.save(SERVER, gr.Request(session_hash="saver"), made, "", *where)
    assert status["tone"] == "done" and "7 pictures" in status["text"]
    assert images.pictures[0].sha256 not in by_content(examples_section.from_files([path], None))
    with zipfile.ZipFile(path) as archive:
        about = json.loads(archive.read(save_set.ABOUT))
    assert about["changed_by_hand"] == ["1 image removed."]
    assert [one["pictures"] for one in about["classes"]] == [3, 4]


def test_nothing_is_saved_of_nothing():
    *_, (_, status) = save_set.save(SERVER, gr.Request(session_hash="nobody"), Edits(), "", "own", "", Cards(), None, "")
    assert status["tone"] == "error" and "no images" in status["text"]
