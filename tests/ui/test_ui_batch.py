"""Many new pictures: each read once, what cannot be read is told, disagreements first, and a stop keeps what is done."""

from __future__ import annotations

import csv
import io
import zipfile

import gradio as gr
import numpy as np
import pytest
from one_server import SERVER
from PIL import Image

from sn_viz.early_exit.decide import Answer
from sn_viz.errors import Cancelled, UserError
from sn_viz.sources.new_pictures import new_pictures
from sn_viz.types import Prediction
from sn_viz.ui.components import batch, batch_panel

REQUEST = gr.Request(session_hash="one")


def png(colour):
    target = io.BytesIO()
    Image.new("RGB", (20, 16), colour).save(target, "PNG")
    return target.getvalue()


@pytest.fixture()
def files(tmp_path):
    """One picture, one file that is none, and a zip of two in a folder named like a class."""
    (tmp_path / "one.png").write_bytes(png((200, 0, 0)))
    (tmp_path / "=two.png").write_bytes(b"no picture")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("Dog/three.png", png((0, 200, 0)))
        archive.writestr("Dog/four.png", png((0, 0, 200)))
        archive.writestr("Dog/readme.txt", "nothing")
    return [str(tmp_path / name) for name in ("one.png", "=two.png", "set.zip")]


@pytest.fixture()
def said(monkeypatch):
    """Say "dog" of green pictures, clearly, and "no dog" of all others, blue ones narrowly; the full model always says dog."""

    class Predictor:
        @classmethod
        def of(cls, run, layer, question, vlm):
            return cls()

        def label(self, pictures, questions):
            _, green, blue = pictures[0].pixels[0, 0] > 100
            share = 0.55 if blue else 1.0
            return [Prediction("dog" if green else "no dog", int(green), 2, 5.0, (share, 1 - share), 2 * share - 1)]

    monkeypatch.setattr(batch, "Predictor", Predictor)
    monkeypatch.setattr(batch, "full_answers", lambda vlm, pictures, *more: [Answer("dog", 9.0) for _ in pictures])
    monkeypatch.setattr(batch_panel, "model_of", lambda config: None)


def rows_of(planted, files, ask_full=True, progress=lambda fraction, text: None):
    rows: list[batch.Row] = []
    with new_pictures(files, 100) as (pictures, _):
        batch.label_all(planted, None, pictures, 2, "Is there a dog?", ask_full, rows, progress)
    return rows


def test_disagreements_come_first_and_what_cannot_be_read_is_told(planted, files, said):
    rows = batch.in_order(rows_of(planted, files))
    assert [row.remarks for row in rows] == [("disagrees", "wrong", "unclear"), ("disagrees",), ("not read",), ()]
    assert rows[0].name == "Dog/four.png" and rows[0].label == "dog" and rows[-1].name == "Dog/three.png"
    assert "=two.png" in rows[2].failed
    told = batch.summary(rows)
    for part in ("3 pictures labelled", "2 of 3 unlike the full model", "1 of 2 unlike the name", "1 unclear", "1 not read"):
        assert part in told


def test_the_full_model_is_asked_only_when_wanted(planted, files, said):
    assert not any(row.full or "disagrees" in row.remarks for row in rows_of(planted, files, ask_full=False))


def test_a_stop_keeps_the_rows_until_then(planted, files, said):
    def progress(fraction, text):
        if fraction >= 0.5:
            raise Cancelled

    rows: list[batch.Row] = []
    with new_pictures(files, 100) as (pictures, _), pytest.raises(Cancelled):
        batch.label_all(planted, None, pictures, 2, "Is there a dog?", False, rows, progress)
    assert [row.name for row in rows] == ["one.png", "=two.png"]


def test_the_csv_reads_back_and_holds_no_formula(planted, files, said):
    rows = rows_of(planted, files)
    read = list(csv.DictReader(io.StringIO(batch.as_csv(rows))))
    assert [line["picture"] for line in read] == ["one.png", "'=two.png", "Dog/three.png", "Dog/four.png"]
    assert float(read[3]["margin"]) == pytest.approx(0.1) and read[1]["milliseconds"] == ""


def test_more_than_the_bound_are_left_out_and_counted(files):
    with new_pictures(files, 2) as (pictures, more):
        assert [each.name for each in pictures] == ["one.png", "=two.png"] and more == 2
    with pytest.raises(UserError, match="no pictures"), new_pictures([], 2):
        pass


def test_pictures_are_opened_one_by_one_and_whole(files):
    with new_pictures(files, 100) as (pictures, _):
        opened = pictures[2].open()
    assert pictures[2].folder == "Dog" and np.array_equal(opened.pixels[0, 0], (0, 200, 0))


def test_the_panel_ends_with_a_table_and_a_server_without_a_run_says_so(planted, run_key, files, said):
    last = list(batch_panel.label_them(SERVER, REQUEST, SERVER.stops.new(), run_key, files, True, 2))[-1]
    assert len(last[0]["rows"]) == 4 and last[0]["full"] and last[1]["tone"] == "done"
    refused = list(batch_panel.label_them(SERVER, REQUEST, SERVER.stops.new(), "", files, True, 2))[-1]
    assert refused[1]["tone"] == "error" and "No result is open" in refused[1]["text"]
