"""Test images that were relabelled or left out after their result had been seen: counted, whatever way they went."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from planted_run import make_run

from sn_viz.plots.words import depth_words
from sn_viz.report.page import page
from sn_viz.run import Run
from sn_viz.storage.summary import summary
from sn_viz.types import LabelledImages, RunRecord, Votes
from sn_viz.ui.components import figures
from sn_viz.ui.server.looked import Looked, edited_since, looked_at, marked
from sn_viz.voting.verdict import verdict


@pytest.fixture(scope="module")
def run() -> RunRecord:
    return make_run(n_train=12, n_test=10, n_layers=3, n_units=6)


@pytest.fixture()
def seen(run) -> Looked:
    return looked_at(Looked(), run)


def relabelled(images: LabelledImages, *rows: int) -> LabelledImages:
    labels = images.labels.copy()
    labels[list(rows)] = 1 - labels[list(rows)]
    return replace(images, labels=labels)


def without(images: LabelledImages, *rows: int) -> LabelledImages:
    return images.take([row for row in range(len(images)) if row not in rows])


def put_together(*parts: LabelledImages) -> LabelledImages:
    return replace(
        parts[0],
        names=sum((part.names for part in parts), ()),
        pictures=sum((part.pictures for part in parts), ()),
        questions=sum((part.questions for part in parts), ()),
        labels=np.concatenate([part.labels for part in parts]),
    )


def test_the_same_set_found_again_is_not_edited(run, seen):
    assert edited_since(seen, run) == 0


def test_relabelled_and_left_out_test_images_are_counted(run, seen):
    assert edited_since(seen, replace(run, test=relabelled(run.test, 0, 3))) == 2
    assert edited_since(seen, replace(run, test=without(relabelled(run.test, 0), 5, 6))) == 3


def test_probing_images_may_be_edited(run, seen):
    assert edited_since(seen, replace(run, train=without(relabelled(run.train, 0), 1))) == 0


def test_nothing_counts_before_a_result_was_shown(run):
    assert edited_since(Looked(), replace(run, test=relabelled(run.test, 0))) == 0


def test_an_edit_that_was_taken_back_is_none(run, seen):
    once = looked_at(seen, replace(run, test=relabelled(run.test, 0)))
    assert edited_since(once, run) == 0 and edited_since(once, replace(run, test=relabelled(run.test, 0))) == 1


def test_an_edit_made_before_looking_is_none_and_taking_it_back_afterwards_is_one(run):
    early = replace(run, test=relabelled(run.test, 0))
    seen = looked_at(Looked(), early)
    assert edited_since(seen, early) == 0 and edited_since(seen, run) == 1


def test_moving_between_probing_and_test_hides_nothing(run, seen):
    edited = relabelled(run.test, 2)
    swapped = replace(run, train=put_together(without(run.train, 0), edited.take([2])), test=put_together(without(edited, 2)))
    assert edited_since(seen, swapped) == 1
    turned = replace(run, train=edited, test=run.train)  # the test holds no picture that was tested on, but none is new
    assert edited_since(seen, turned) == 1
    again = looked_at(seen, turned)
    assert edited_since(again, replace(run, train=relabelled(run.train, 4), test=without(run.test, 1))) == 2


def test_new_test_images_end_it_and_a_mixture_does_not(run, seen):
    new = make_run(n_train=12, n_test=10, n_layers=3, n_units=6, seed=9)
    edited = relabelled(run.test, 0)
    assert edited_since(seen, replace(run, train=put_together(run.train, edited), test=new.test)) == 0
    assert edited_since(seen, replace(run, test=put_together(edited, new.test))) == 1


def test_one_picture_with_two_questions_is_two_examples(run):
    twice = put_together(run.test, replace(run.test.take([0]), questions=("Is there a cat?",)))
    seen = looked_at(Looked(), replace(run, test=twice))
    assert edited_since(seen, replace(run, test=twice)) == 0
    assert edited_since(seen, replace(run, test=relabelled(twice, 10))) == 1
    assert edited_since(seen, replace(run, test=without(twice, 10)), {run.test.pictures[0].sha256}) == 1
    assert edited_since(seen, replace(run, test=without(twice, 0, 10)), {run.test.pictures[0].sha256}) == 2


def test_a_question_in_other_words_does_not_hide_what_the_page_edited(run, seen):
    edited, sha, words = relabelled(run.test, 0), run.test.pictures[0].sha256, "Do you see a dog?"
    reworded = replace(run, train=run.train.ask(words), test=edited.ask(words))
    assert edited_since(seen, reworded, {sha}) == 1
    assert edited_since(looked_at(seen, reworded), replace(reworded, test=run.test.ask(words)), {sha}) == 1
    assert edited_since(seen, replace(reworded, test=without(edited, 0).ask(words)), {sha}) == 1
    assert edited_since(seen, replace(run, test=edited.ask("  is there A dog? "))) == 1


def test_a_renamed_class_is_no_edit_and_hides_none(run, seen):
    named = {"classes": ("none", "dog")}
    renamed = replace(run, train=replace(run.train, **named), test=replace(run.test, **named))
    assert edited_since(seen, renamed) == 0
    assert edited_since(seen, replace(renamed, test=relabelled(renamed.test, 0))) == 1


def test_several_classes_are_told_apart():
    run = make_run(n_train=12, n_test=12, n_layers=2, n_units=6, classes=("red", "green", "blue"))
    seen = looked_at(Looked(), run)
    labels = run.test.labels.copy()
    labels[:2] = (labels[:2] + 1) % 3
    assert edited_since(seen, replace(run, test=replace(run.test, labels=labels))) == 2


def test_without_test_images_there_is_nothing_to_mark(run, seen):
    nothing = replace(run, test=run.test.take([]))
    assert looked_at(Looked(), nothing) == Looked()
    assert edited_since(seen, nothing) == 0


def test_an_opened_run_brings_its_count(run):
    opened = replace(run, edited_after_looking=3)
    seen = looked_at(Looked(), opened)
    assert edited_since(seen, run) == 3 and edited_since(seen, replace(run, test=without(run.test, 0))) == 4
    assert looked_at(seen, replace(run, edited_after_looking=4)).edited == 3  # found here: its count is counted anew


def test_the_mark_stands_in_verdict_report_json_and_figures(run, seen):
    found = marked(replace(run, test=relabelled(run.test, 0, 1)), seen)
    said = "edited after looking (2)"
    assert found.held_out_mark == said and said in verdict(found).sentence and said in verdict(found, 1).sentence
    assert (
        found.warnings[0].startswith("Edited after looking (2): 2 test images were")
        and verdict(found).reasons[0] == found.warnings[0]
    )
    assert summary(found)["edited_after_looking"] == 2 and summary(run)["edited_after_looking"] == 0
    assert page(found).count(said) >= 8 and said not in page(run)
    assert said in figures.draw("compare", found) and said in figures.draw("layers", found)
    assert said not in figures.draw("null", found) and said not in figures.draw("compare", run)
    assert said in depth_words(found) and said not in depth_words(run)
    assert marked(run, seen) is run and marked(run, None) is run


def test_the_mark_is_saved_and_comes_back(tmp_path):
    from planted_run import measured

    found = replace(measured(make_run()), edited_after_looking=5)
    again = Run.load(found.save(tmp_path / "run"))
    assert again.edited_after_looking == 5 and json.loads(again.to_json())["edited_after_looking"] == 5
    plain = replace(found, edited_after_looking=0).save(tmp_path / "plain")
    kept = json.loads((plain / "run.json").read_text("utf-8"))
    assert "edited_after_looking" not in kept and Run.load(plain).edited_after_looking == 0


def test_the_next_find_takes_the_edits_of_a_packs_test_images_and_is_marked(run, monkeypatch):
    from sn_viz.ui.components import run_panel
    from sn_viz.ui.components.answer_row import Guess
    from sn_viz.ui.components.edits import Edit, Edits, example_at
    from sn_viz.ui.sections.examples_section import Where
    from sn_viz.ui.server import packs
    from sn_viz.ui.server.arguments import Arguments
    from sn_viz.ui.server.session import Shelf
    from sn_viz.ui.server.state import new_server

    def found_of(images, test, **_):
        """Stands for the search: what it is given is what is shown."""
        votes = Votes(
            *(np.zeros(shape, kind) for shape, kind in (((len(test), 3, 2), float), ((len(test), 3), int), ((len(test), 3), float)))
        )
        return replace(run, train=images, test=test, votes=votes, baselines=())

    monkeypatch.setattr(run_panel, "find", found_of)
    server, (train, test) = new_server(), (packs.load_pack("night")[0], packs.held_out("night"))
    where = Where("pack", "night", 2, None, (), ())
    asking = test.question

    def find_with(*made: Edit) -> RunRecord:
        asked = run_panel.Asked(Edits("pack:night", made), asking, (), Guess(), (), where)
        runs: Shelf[RunRecord] = Shelf("result", 10**9, lambda run: 1)
        work = run_panel._work(server, asked, Arguments("tiny-llava", question=asking), "me", run_panel.Filling(runs, "me"))
        return runs.get(work(lambda fraction, doing: None))

    probing, other = Edit(example_at(train, 0), None), train.classes[1 - test.labels[3]]
    first = find_with(probing)
    assert len(first.train) == len(train) - 1 and not first.edited_after_looking
    server.looked.put(looked_at(Looked(), first), "me")
    second = find_with(probing, Edit(example_at(test, 3), other), Edit(example_at(test, 5), None))
    assert len(second.test) == len(test) - 1 and second.test.classes[second.test.labels[3]] == other
    assert second.edited_after_looking == 2 and "edited after looking (2)" in verdict(second).sentence
    server.looked.put(looked_at(server.looked.get("me"), second), "me")
    assert find_with(probing, Edit(example_at(test, 5), None)).edited_after_looking == 1
    assert find_with(probing).edited_after_looking == 0
