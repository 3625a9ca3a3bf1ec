"""Pictures chosen in the map: what is told of them, how they are edited, written down, and how they travel in a link."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from one_server import SERVER
from planted_run import HOSTILE, make_run

from sn_viz.early_exit.policies import rows_of
from sn_viz.errors import UserError
from sn_viz.ui import page
from sn_viz.ui.components import chosen, edits, map_panel
from sn_viz.ui.components.cards import Cards
from sn_viz.ui.components.chosen import Selection
from sn_viz.ui.components.edits import Edits
from sn_viz.ui.components.link import read_link
from sn_viz.ui.sections import examples_section
from sn_viz.ui.server.looked import Looked, edited_since, looked_at

OWN = ["own", "", Cards(), None, ""]
"""What the widgets say of a set of somebody's own images."""


class Visit(SimpleNamespace):
    """Stands for the request of one visitor."""


@pytest.fixture()
def of_own(planted, monkeypatch):
    """Return a run, its key, and a visitor whose set that is set up now is the one it was made of."""
    images = replace(
        planted.train,
        names=planted.train.names + planted.test.names,
        pictures=planted.train.pictures + planted.test.pictures,
        questions=planted.train.questions + planted.test.questions,
        labels=np.concatenate([planted.train.labels, planted.test.labels]),
    )
    monkeypatch.setattr(examples_section, "loaded", lambda server, where, owner: images)
    return planted, SERVER.runs.put(planted), Visit(session_hash="someone", client=None)


def say(do, of_own, selection, made, event, **more):
    _, key, visit = of_own
    return map_panel.edit(SERVER, event(do=do, **more), visit, key, selection, made, *OWN)


def test_votes_margins_and_layers_are_those_of_the_run(planted):
    run = planted
    first, tested = chosen.about(run, [0, len(run.train) + 7])
    assert (first.part, first.vote, first.right, first.margin, first.full_model) == ("train", "", None, None, "")
    said = run.votes.predicted[7]
    assert tested.vote == run.train.classes[said[run.exit_index]] and tested.right == (said[run.exit_index] == run.test.labels[7])
    assert tested.margin == pytest.approx(float(run.votes.margin[7, run.exit_index]))
    settled = int(tested.settles_at)
    assert (said[settled - 1 :] == said[-1]).all() and (settled == 1 or said[settled - 2] != said[-1])


def test_wrong_and_right_are_told_of_test_images_only():
    run = make_run(n_train=9, n_test=30, n_layers=3, n_units=6, classes=("red", "green", "blue"))
    wrong, right = chosen.rows_where(run, "wrong"), chosen.rows_where(run, "right")
    assert len(wrong) + len(right) == 30 and min(*wrong, *right) >= 9 and not set(wrong) & set(right)
    greens = chosen.rows_where(run, "class", "green")
    assert len(greens) == 13 and {each.label for each in chosen.about(run, greens)} == {"green"}


def test_a_run_without_test_images_has_a_table_without_votes(planted):
    from sn_viz.types import Votes

    nothing = Votes(planted.votes.tally[:0], planted.votes.predicted[:0], planted.votes.margin[:0])
    run = replace(planted, test=planted.test.take([]), test_values=planted.test_values[:0], votes=nothing, baselines=())
    told = chosen.table(run, Selection("k", (0, 1)), Edits())
    assert [row["vote"] for row in told["rows"]] == ["", ""] and not told["tested"] and chosen.rows_where(run, "wrong") == ()


def test_the_table_pages_through_everything_where_nothing_is_chosen(planted, run_key, event):
    selection, told = map_panel.choose(SERVER, run_key, Selection(run_key), Edits(), event(do="page", page=2))
    assert (
        told["all"] and told["pages"] == 10 and [row["row"] for row in told["rows"]] == chosen.in_order(planted, range(100))[20:30]
    )
    selection, told = map_panel.choose(SERVER, run_key, selection, Edits(), event(do="toggle", row=23))
    assert selection.rows == (23,) and told["all"] and told["page"] == 2
    selection, told = map_panel.choose(SERVER, run_key, selection, Edits(), event(do="show", all=False))
    assert [row["row"] for row in told["rows"]] == [23]


def test_the_head_of_a_column_sorts_upwards_then_downwards_then_not(planted, run_key, event):
    def margins(told):
        return [float(row["margin"]) for row in told["rows"]]

    everything = chosen.in_order(planted, range(100))
    selection, told = map_panel.choose(SERVER, run_key, Selection(run_key), Edits(), event(do="sort", by="margin"))
    assert (told["by"], told["down"]) == ("margin", False) and margins(told) == sorted(margins(told))
    lowest = margins(told)[0]
    selection, told = map_panel.choose(SERVER, run_key, selection, Edits(), event(do="sort", by="margin"))
    assert told["down"] and margins(told) == sorted(margins(told), reverse=True) and margins(told)[-1] >= lowest
    selection, told = map_panel.choose(SERVER, run_key, selection, Edits(), event(do="sort", by="margin"))
    assert told["by"] == "" and [row["row"] for row in told["rows"]] == everything[:10]


@pytest.mark.parametrize("by", chosen.COLUMNS)
def test_sorted_by_any_column_every_row_is_there_once_and_those_without_a_value_are_last(planted, by):
    for down in (False, True):
        rows = chosen.in_order(planted, range(100), by, down)
        assert sorted(rows) == list(range(100))
        if by not in ("name", "label"):
            assert set(rows[60:]) == set(range(40))


def test_a_choice_keeps_the_order_of_the_table(planted, run_key, event):
    selection, _ = map_panel.choose(SERVER, run_key, Selection(run_key), Edits(), event(do="sort", by="settles"))
    selection, told = map_panel.choose(SERVER, run_key, selection, Edits(), event(do="test"))
    assert told["by"] == "settles" and selection.rows == tuple(range(40, 100))


@pytest.mark.parametrize("by", ["", "picture", None, ["margin"], {}])
def test_a_table_is_not_sorted_by_what_is_no_column(run_key, event, by):
    with pytest.raises(gr.Error, match="no such column"):
        map_panel.choose(SERVER, run_key, Selection(run_key), Edits(), event(do="sort", by=by))


def test_the_wrong_ones_come_first_and_the_probing_ones_last(planted):
    rows = chosen.in_order(planted, range(100))
    wrong = chosen.rows_where(planted, "wrong")
    assert tuple(rows[: len(wrong)]) == wrong and sorted(rows) == list(range(100)) and min(rows[:60]) >= 40


def test_a_lasso_is_checked(run_key, event):
    selection, told = map_panel.choose(SERVER, run_key, Selection(), Edits(), event(do="rows", rows=[44, 3, 3]))
    assert selection == Selection(run_key, (3, 44)) and told["note"] == "1 test, 1 probing"
    for rows in ([100], [-1], ["3"], [True], [1.0], "3", None, {}):
        with pytest.raises(gr.Error, match="was not understood"):
            map_panel.choose(SERVER, run_key, Selection(), Edits(), event(do="rows", rows=rows))
    for what in ("lasso", None, "class", 3):
        with pytest.raises(gr.Error, match="was not understood"):
            map_panel.choose(SERVER, run_key, Selection(), Edits(), event(do=what))


def test_relabelled_pictures_are_edits_of_the_set_and_one_undo_takes_them_back(of_own, event):
    _, key, _ = of_own
    made, told = say("move", of_own, Selection(key, (0, 41, 42)), Edits("own"), event, to="dog")
    assert [to for _, to in made.made] == ["dog"] * 3 and "Test pictures among them: 2" in told["said"]
    assert [row["pending"] for row in told["rows"]] == ["dog"] * 3
    one, _ = say("leave", of_own, Selection(key), made, event, rows=[5])
    back, _ = say("undo", of_own, Selection(key), one, event)
    assert back == made and say("undo", of_own, Selection(key), back, event)[0].made == ()
    with pytest.raises(gr.Error, match="nothing to undo"):
        say("undo", of_own, Selection(key), Edits("own"), event)


def test_the_edits_change_the_set_that_the_next_find_reads(of_own, event):
    run, key, _ = of_own
    images = examples_section.loaded(SERVER, None, "")
    made, _ = say("leave", of_own, Selection(key, (41,)), Edits("own"), event)
    made, _ = say("move", of_own, Selection(key), made, event, rows=[44], to="dog")
    changed = edits.apply(images, made)
    assert len(changed) == 99 and changed.labels[changed.names.index("test-4.png")] == 1 and images.labels[44] == 0
    found = replace(run, train=changed.take(range(40)), test=changed.take(range(40, 99)))
    assert edited_since(Looked(), found) == 0 and edited_since(looked_at(Looked(), run), found) == 2


def test_nothing_is_edited_without_a_choice_or_in_another_set(of_own, event, monkeypatch):
    run, key, _ = of_own
    for do, more in (("move", {"to": "dog"}), ("leave", {}), ("paint", {"rows": [1]})):
        with pytest.raises(gr.Error, match="No picture is chosen"):
            say(do, of_own, Selection(key), Edits("own"), event, **more)
    with pytest.raises(gr.Error, match="no class"):
        say("move", of_own, Selection(key, (1,)), Edits("own"), event, to="cat")
    monkeypatch.setattr(examples_section, "loaded", lambda server, where, owner: run.train)
    with pytest.raises(gr.Error, match="not in the set that is set up now"):
        say("leave", of_own, Selection(key, (41,)), Edits("own"), event)


def test_one_picture_with_two_questions_is_edited_apart_and_with_one_question_of_all_together(planted):
    again = replace(planted.test.take([0]), questions=("Is there a cat?",))
    loaded = replace(
        planted.test,
        names=planted.test.names + again.names,
        pictures=planted.test.pictures + again.pictures,
        questions=planted.test.questions + again.questions,
        labels=np.append(planted.test.labels, 1),
    )
    own_questions = replace(planted, config=replace(planted.config, question=None), test=loaded)
    row = len(planted.train) + 60
    assert [e.question for e in chosen.examples_in(own_questions, row, [loaded])] == ["Is there a cat?"]
    asked_of_all = replace(own_questions, config=planted.config, test=loaded.ask("Is there a dog?"))
    assert len(chosen.examples_in(asked_of_all, row, [loaded])) == 2


def test_a_picture_goes_to_the_race_only_when_it_was_held_out(planted, run_key, event):
    example, *_ = map_panel.to_the_race(SERVER, run_key, event(row=47))
    assert example == 7
    with pytest.raises(gr.Error, match="probing picture"):
        map_panel.to_the_race(SERVER, run_key, event(row=3))


def test_csv_and_json_name_the_pictures_and_their_hashes(run_key, event):
    run = make_run(names=("=SUM(A1)", *HOSTILE))
    rows = list(csv.DictReader(io.StringIO(chosen.as_csv(run, [0, 47]))))
    assert rows[0]["name"] == "'=SUM(A1)" and rows[0]["part"] == "probing" and rows[0]["vote"] == "" and rows[0]["right"] == ""
    assert rows[1]["sha256"] == run.test.pictures[7].sha256 and rows[1]["vote"] in run.train.classes
    told = json.loads(chosen.as_text(replace(run, edited_after_looking=2), [0, 47]))
    assert told["edited_after_looking"] == 2 and told["pictures"][0]["vote"] is None
    assert told["pictures"][1]["margin"] == pytest.approx(float(run.votes.margin[7, run.exit_index]))
    kept = map_panel.keep(SERVER, run_key, Selection(run_key, (1, 2)), Edits(), event(kind="csv"))
    assert kept["file"]["name"] == "chosen-pictures.csv" and kept["file"]["text"].count("\n") == 3
    with pytest.raises(gr.Error, match="not understood"):
        map_panel.keep(SERVER, run_key, Selection(), Edits(), event(kind="exe"))


def test_a_lasso_travels_as_beginnings_of_hashes_and_comes_back(planted):
    rows = (3, 41, 60)
    text = chosen.picks_of(planted, rows)
    assert len(text) == 26 and text.startswith(planted.train.pictures[3].sha256[:8])
    assert read_link({"pick": text}, (), ()).pick == text and chosen.picked(planted, text) == (rows, 0)
    assert chosen.picked(planted, f"{text}-00000000") == (rows, 1)
    assert chosen.picks_of(planted, tuple(range(50))) and chosen.picks_of(planted, tuple(range(51))) == ""


def test_one_picture_with_two_questions_travels_with_its_place(planted):
    twice = replace(planted.test.take([0, 0]), questions=("Is there a dog?", "Is there a cat?"))
    run = replace(planted, test=twice)
    text = chosen.picks_of(run, (41,))
    assert text.endswith(".1") and chosen.picked(run, text) == ((41,), 0)
    assert chosen.picked(run, text.replace(".1", ".2")) == ((), 1) and chosen.picked(run, text.partition(".")[0]) == ((), 1)


def test_a_link_with_anything_else_in_it_chooses_nothing():
    for text in (
        "",
        "xyz",
        "abcdef0",
        "ABCDEF01",
        "abcdef01-",
        "abcdef01.1234",
        "-".join(["abcdef01"] * 51),
        None,
        5,
        "abcdef01\n",
    ):
        assert read_link({"pick": text}, (), ()).pick is None


def test_a_link_restores_the_selection_and_the_next_run_keeps_the_same_pictures(planted, run_key):
    link = read_link({"pick": chosen.picks_of(planted, (3, 41)) + "-00000000"}, (), ())
    selection, told = map_panel.show_chosen(SERVER, run_key, Selection(), Edits(), link)
    assert selection.rows == (3, 41) and "1 of its pictures is not in this result" in told["said"]
    rows = np.array([5, 1])
    turned = replace(planted, train=planted.train.take(range(10)), test=planted.test.take(rows), votes=rows_of(planted.votes, rows))
    turned = SERVER.runs.put(replace(turned, baselines=()))
    again, _ = map_panel.show_chosen(SERVER, turned, selection, Edits(), link)
    assert again == Selection(turned, (3, 11))


def test_a_row_that_does_not_exist_is_refused(planted):
    with pytest.raises(UserError, match="not in the map"):
        chosen.row_of(planted, "test", 10**6)
    with pytest.raises(UserError, match="not in the map"):
        chosen.row_of(planted, "elsewhere", 0)


def test_looking_is_remembered_by_visitor(run_key, planted):
    one, other = Visit(session_hash="one", client=None), Visit(session_hash="other", client=None)
    map_panel.remember(SERVER, one, run_key)
    seen = SERVER.looked.find("one")
    assert seen is not None and len(seen.tested) == len(planted.test) and SERVER.looked.find("other") is None
    map_panel.remember(SERVER, other, "gone")
    assert SERVER.looked.find("other") is None


def test_the_link_of_a_pack_carries_the_lasso_and_that_of_ones_own_pictures_does_not(planted, run_key):
    where = "m", 3, 2, None, "best", "neurons"
    few, many = Selection(run_key, (3, 41)), Selection(run_key, tuple(range(51)))
    assert f"pick={chosen.picks_of(planted, (3, 41))}" in page.link_to(SERVER, run_key, "night", *where, few)
    assert "pick" not in page.link_to(SERVER, run_key, "night", *where, many)
    assert page.link_to(SERVER, run_key, None, *where, few) == "?tab=neurons"
    assert "send the run" in page._not_linked(None, few) and "51 chosen" in page._not_linked("night", many)


def test_the_link_of_an_edited_result_says_so(planted):
    key = SERVER.runs.put(replace(planted, edited_after_looking=3))
    query = page.link_to(SERVER, key, None, "m", 3, 2, None, "best", "neurons")
    assert query == "?tab=neurons&edited=3" and read_link({"edited": "3"}, (), ()).edited == 3
    assert read_link({"edited": "-3"}, (), ()).edited is None
