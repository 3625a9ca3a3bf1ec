"""Take it with you: what is saved opens again, tables say what the page says, and whoever asks is forgotten."""

from __future__ import annotations

import csv
import gc
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from planted_run import make_run

from sn_viz.activations.extract import row_names
from sn_viz.activations.store import Store
from sn_viz.errors import UserError
from sn_viz.export import tables
from sn_viz.sources.ingest import picture_from_pixels
from sn_viz.storage.run_arrays import arrays_of
from sn_viz.types import Picture
from sn_viz.ui.components import take_panel, views
from sn_viz.ui.server import export
from sn_viz.ui.server.forget import forget, forget_idle
from sn_viz.ui.server.state import new_server
from sn_viz.ui.server.visits import Visits, browser_of
from sn_viz.voting.statistics import accuracy_interval


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server of its own, with folders of its own."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path / "cache"))
    (tmp_path / "uploads").mkdir()
    return new_server()


def own_run(seed=0):
    """A planted run on pictures that nobody else has."""
    run, rng = make_run(), np.random.default_rng(seed)

    def mine(images):
        pixels = rng.integers(0, 256, (len(images), 20, 24, 3), dtype=np.uint8)
        return replace(images, pictures=tuple(map(picture_from_pixels, pixels)))

    def measured(predicted):
        return accuracy_interval(predicted == run.test.labels)

    by_layer = tuple(replace(row, accuracy=measured(run.votes.predicted[:, i])) for i, row in enumerate(run.by_layer))
    baselines = tuple(replace(b, accuracy=measured(b.predicted)) for b in run.baselines)
    return replace(run, train=mine(run.train), test=mine(run.test), by_layer=by_layer, baselines=baselines)


def upload(server, tmp_path, data, name="run.zip"):
    folder = tmp_path / "uploads" / f"{len(data):x}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return str(folder / name)


@pytest.mark.parametrize("kind", ["pictures", "thumbnails", "figures"])
def test_what_save_makes_opens_again_with_everything_that_was_found(server, tmp_path, kind, monkeypatch):
    run = own_run()
    if kind != "pictures":
        monkeypatch.setattr(export, "_report", lambda run: b"a report")  # drawn once is enough
    path = export.bundle(server, server.runs.put(run), kind)
    with zipfile.ZipFile(path) as archive:
        assert {"report.html", "neurons.csv", "run/run.json", "run/run.sha256"} <= set(archive.namelist())
    key, back = take_panel.open_zip(server, "me", upload(server, tmp_path, Path(path).read_bytes()))
    ours, theirs = arrays_of(run), arrays_of(back)
    assert all(np.array_equal(ours[name], theirs[name], equal_nan=True) for name in ours)
    assert server.runs.get(key) is back and server.runs.keys_of("me") == [key]


def test_a_zip_that_is_no_run_is_refused_in_a_sentence(server, tmp_path):
    with pytest.raises(UserError, match="not a zip archive"):
        take_panel.open_zip(server, "me", upload(server, tmp_path, b"nothing"))
    with pytest.raises(UserError, match="No file arrived"):
        take_panel.open_zip(server, "me", None)
    assert len(server.runs) == 0


def test_a_large_run_is_saved_with_thumbnails_unless_somebody_says_otherwise(server):
    run = own_run()
    assert export.usual_pictures(run) == "pictures"
    large = tuple(picture_from_pixels(np.full((1024, 1024, 3), i, np.uint8)) for i in range(17))
    many = replace(run.train.take(np.arange(17) % len(run.train)), pictures=large)
    assert export.usual_pictures(replace(run, train=many)) == "thumbnails"


@pytest.mark.parametrize("name", list(tables.TABLES))
def test_a_table_is_the_same_as_csv_and_as_json(name):
    rows = tables.rows_of(make_run(), name)
    read = list(csv.DictReader(io.StringIO(tables.as_csv(rows))))
    assert json.loads(tables.as_json_text(rows)) == rows
    assert [list(row) for row in read] == [list(row) for row in rows]
    assert rows or name == "methods"


def test_the_table_of_pictures_says_what_was_said_of_test_pictures_alone():
    run = own_run()
    rows = tables.rows_of(run, "pictures")
    tested = [row for row in rows if row["split"] == "test"]
    assert len(rows) == len(run.train) + len(run.test)
    assert np.mean([row["right"] for row in tested]) == pytest.approx(run.by_layer[run.exit_index].accuracy.value)
    assert {row["said"] for row in rows if row["split"] == "probing"} == {None}


def test_what_there_is_not_cannot_be_taken(server):
    key = server.runs.put(make_run())
    for what, detail in (("exe", ""), ("csv", "../../etc"), ("run", "everything")):
        with pytest.raises(UserError, match="There (is|are)"):
            export.taken_away(server, key, what, detail)


@pytest.mark.parametrize("what", ["report", "script", "notebook"])
def test_report_script_and_notebook_are_made_once(server, what):
    key = server.runs.put(make_run())
    path = export.taken_away(server, key, what)
    assert Path(path).stat().st_size > 1000 and export.taken_away(server, key, what) == path


def test_nothing_of_a_visitor_is_left_on_disk_or_in_memory(server, tmp_path):
    run = own_run(seed=7)
    shas = {picture.sha256 for split in (run.train, run.test) for picture in split.pictures}
    key = server.runs.put(run, owner="me")
    server.sets.put(run.train, "me|set", "me")
    store, names = Store(), [*row_names(run.train), *row_names(run.test)]
    store.put("a model", dict.fromkeys(names, np.zeros(3, np.float32)))
    store.put("another model", dict.fromkeys(names, np.zeros(3, np.float32)))
    export.taken_away(server, key, "script")
    views.thumbnail(run.train.pictures[0])
    mine = upload(server, tmp_path, b"my photograph", "me.png")
    server.uploads.count("me", [mine])
    server.visits.opened("visitor 1", "me")
    server.visits.arrived("visitor 1", [upload(server, tmp_path, b"another, never used", "never.png")])

    found = forget(server, ["me"], "visitor 1")
    del run
    gc.collect()
    assert (found.runs, found.sets, found.files, found.rows) == (1, 1, 3, 2 * len(set(names)))
    assert list((tmp_path / "uploads").rglob("*")) == []
    assert list((tmp_path / "cache").rglob("*.row")) == []
    assert server.runs.find(key) is None and server.sets.find("me|set") is None
    assert not [one for one in gc.get_objects() if type(one) is Picture and one.__dict__.get("sha256") in shas]
    assert not [kept for kept in views.thumbnail.cache if kept[0] in shas]
    assert forget(server, ["me"], "visitor 1").sentence == "There was nothing of yours here."


def test_what_others_brought_and_the_sample_packs_stay(server, tmp_path):
    mine, theirs, pack = own_run(1), own_run(2), make_run()
    server.runs.put(mine, owner="me")
    kept, shared = server.runs.put(theirs, owner="you"), server.runs.put(pack, "pack.night.1")
    Store().put("a model", dict.fromkeys(row_names(theirs.train), np.zeros(3, np.float32)))
    both = upload(server, tmp_path, b"the same photograph", "both.png")
    server.visits.arrived("visitor 1", [both])
    server.visits.arrived("visitor 2", [both])
    forget(server, ["me"], "visitor 1")
    assert server.runs.get(kept) is theirs and server.runs.get(shared) is pack
    assert Path(both).is_file()
    assert len(list((tmp_path / "cache").rglob("*.row"))) == len(set(row_names(theirs.train)))


def test_earlier_openings_of_the_page_in_one_browser_are_forgotten_too(server):
    server.visits.opened("visitor 1", "morning")
    server.visits.opened("visitor 1", "noon")
    keys = [server.runs.put(own_run(i), owner=session) for i, session in enumerate(("morning", "noon"))]
    assert forget(server, ["noon"], "visitor 1").runs == 2
    assert [server.runs.find(key) for key in keys] == [None, None]


def test_who_used_nothing_for_long_is_forgotten(server):
    key = server.runs.put(own_run(), owner="me")
    server.runs.put(make_run(), "pack.night.1")
    assert forget_idle(server, 3600) == 0 and server.runs.find(key) is not None
    assert forget_idle(server, -1) == 1 and server.runs.find(key) is None
    assert server.runs.find("pack.night.1") is not None


def test_a_file_outside_the_upload_folder_is_never_deleted(server, tmp_path):
    outside = tmp_path / "precious.txt"
    outside.write_text("mine")
    server.visits.arrived("visitor 1", [str(outside), str(tmp_path / "uploads" / ".." / "precious.txt")])
    assert forget(server, ["me"], "visitor 1").files == 0 and outside.is_file()


def test_a_browser_is_known_by_a_cookie_of_ours_alone():
    token = "0123456789abcdef" * 2
    assert browser_of({"sn_viz_visitor": f"{token}.{'f' * 32}"}) == f"visitor {token}"
    assert browser_of({}) == browser_of({"sn_viz_visitor": "../.."}) == ""


def test_a_browser_that_opens_the_page_for_ever_is_remembered_within_bounds():
    visits = Visits()
    for number in range(500):
        visits.opened("visitor 1", f"session {number}")
    assert len(visits.sessions_of("visitor 1")) == 100 and "session 499" in visits.sessions_of("visitor 1")


def test_half_a_run_is_not_taken(server):
    with pytest.raises(gr.Error):
        export.bundle(server, "no such key")
