"""Each published benchmark, read from small files in its own form: what is asked, what the answers become, what is refused."""

from __future__ import annotations

import json
import sys
import types

import numpy as np
import pytest
from benchmark_files import MAKERS, aokvqa, clevr, instaorder, pope, scienceqa, vizwiz, write_json
from image_files import png

from sn_viz.errors import UserError
from sn_viz.sources import load_images
from sn_viz.sources.benchmarks import BENCHMARKS, published
from sn_viz.sources.benchmarks import files as files_module
from sn_viz.sources.benchmarks.files import arrays, entries, keyed
from sn_viz.sources.benchmarks.instaorder import BLUE, RED, Outline, marked, pair_of
from sn_viz.sources.benchmarks.sample import load_benchmark
from sn_viz.sources.benchmarks.vizwiz import answerable
from sn_viz.sources.ingest import picture_from_pixels


def changed(path, change):
    """Apply ``change`` to a file of JSON."""
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


@pytest.fixture(params=MAKERS)
def made(request, tmp_path):
    return request.param, MAKERS[request.param](tmp_path / "files")


def test_every_benchmark_says_where_its_files_come_from() -> None:
    assert set(published.names()) <= set(BENCHMARKS.names())
    for name in BENCHMARKS:
        one = BENCHMARKS[name]
        assert one.title and one.layout and one.home and one.ours and len(one.classes) >= 2


def test_every_benchmark_is_read_and_its_sides_share_no_picture(made) -> None:
    name, folder = made
    train, test = load_benchmark(f"bench:{name}={folder}", n_train=10, n_test=10, seed=1)
    assert train.classes == test.classes and len(train) >= 7 and len(test) >= 7
    assert set(train.classes) <= set(BENCHMARKS[name].classes)
    assert not {p.sha256 for p in train.pictures} & {p.sha256 for p in test.pictures}
    assert all(train.questions) and set(np.unique(train.labels)) == set(range(len(train.classes)))


def test_the_same_seed_draws_the_same_questions_and_another_seed_others(made) -> None:
    name, folder = made
    first, again, other = (load_benchmark(f"bench:{name}={folder}", 14, 14, seed)[1] for seed in (3, 3, 4))
    asked = [[(p.sha256, q) for p, q in zip(s.pictures, s.questions, strict=True)] for s in (first, again, other)]
    assert asked[0] == asked[1] != asked[2] and np.array_equal(first.labels, again.labels)


def test_the_sample_does_not_depend_on_the_order_of_the_file(tmp_path) -> None:
    folder = vizwiz(tmp_path)
    before = load_benchmark(f"bench:vizwiz={folder}", 8, 7)[1]
    changed(folder / "Annotations" / "val.json", list.reverse)
    assert load_benchmark(f"bench:vizwiz={folder}", 8, 7)[1].names == before.names


def test_load_images_joins_both_sides(tmp_path) -> None:
    images = load_images(f"bench:pope={pope(tmp_path)}")
    assert images.classes == ("no", "yes") and images.question == ""
    assert len(images) == 8 * 6 and images.labels.mean() == 0.5  # a photograph is asked in one of the three settings
    assert len({question.split()[-4] for question in images.questions} & {"0", "1", "2"}) > 1
    assert load_images(f"bench:vizwiz={vizwiz(tmp_path / 'v')}", "Sharp?").question == "Sharp?"


def test_pope_keeps_its_wording_and_its_settings_apart(tmp_path) -> None:
    train, _ = load_benchmark(f"bench:pope-popular={pope(tmp_path)}", 100, 100)
    assert set(train.questions) == {f"Is there a {k} in the image?" for k in ("dog", "chair", "car", "cup 1", "person 1", "book 1")}
    assert (train.labels == 1).mean() == 0.5


def test_pope_reads_a_list_too_and_labels_in_capitals(tmp_path) -> None:
    path = pope(tmp_path) / "coco_pope_random.json"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    write_json(path, [row | {"label": f" {row['label'].capitalize()}."} for row in rows])
    assert load_benchmark(f"bench:pope-random={tmp_path}", 9, 9)[0].classes == ("no", "yes")
    write_json(path, [row | {"label": "maybe"} for row in rows])
    with pytest.raises(UserError, match="Entry 1 of 'coco_pope_random.json'.*'maybe'; yes and no"):
        load_benchmark(f"bench:pope-random={tmp_path}", 9, 9)


def test_photographs_may_lie_in_a_coco_folder_beside(tmp_path) -> None:
    pope(tmp_path / "pope")
    (tmp_path / "coco").mkdir()
    (tmp_path / "pope" / "val2014").rename(tmp_path / "coco" / "val2014")
    assert len(load_benchmark(f"bench:pope={tmp_path / 'pope'}", 9, 9)[0]) == 9


def test_choices_become_letters(tmp_path) -> None:
    train, _ = load_benchmark(f"bench:aokvqa={aokvqa(tmp_path)}", 16, 16)
    assert train.classes == ("A", "B", "C", "D")
    assert train.question == "What is the man waiting for? A. a cab B. a train C. rain D. lunch. Answer with one letter."
    right = {name: int(name[:12]) % 4 for name in train.names}
    assert all(right[name] == label for name, label in zip(train.names, train.labels, strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[2].pop("correct_choice_idx"), "Entry 3 of 'aokvqa_v1p0_val.json'.*no 'correct_choice_idx'.*question"),
        (lambda rows: rows[0].update(correct_choice_idx=4), "right choice is number 4 of 4"),
        (lambda rows: rows[0].update(correct_choice_idx=True), "not a whole number"),
        (lambda rows: rows[0].update(choices=["only"]), "1 choices"),
        (lambda rows: rows[0].update(image_id="12"), "'image_id' is not a whole number but '12'"),
        (lambda rows: rows.insert(0, "text"), "Entry 1 .*not a JSON object"),
    ],
)
def test_a_wrong_field_is_named(tmp_path, change, message) -> None:
    changed(aokvqa(tmp_path) / "aokvqa_v1p0_val.json", change)
    with pytest.raises(UserError, match=message):
        load_benchmark(f"bench:aokvqa={tmp_path}")


def test_scienceqa_asks_only_about_pictures_and_leaves_rare_letters_out(tmp_path) -> None:
    train, test = load_benchmark(f"bench:scienceqa={scienceqa(tmp_path)}", 50, 50)
    assert train.classes == ("A", "B") and len(train) == 7 and len(test) == 8
    assert {"Look at the picture. Which is magnetic? A. copper B. iron. Answer with one letter."} < set(train.questions)
    assert any("1 questions whose answer is E were left out" in note for note in train.notes)
    assert all(name.startswith("10") for name in test.names)


def test_scienceqa_goes_by_its_table_of_splits_and_by_the_field_without_it(tmp_path) -> None:
    folder = scienceqa(tmp_path)
    changed(folder / "problems.json", lambda problems: [p.update(split="test") for p in problems.values()])
    for part in ("train", "val"):
        for picture in (folder / "images" / part).iterdir():
            assert picture.is_dir()
    assert len(load_benchmark(f"bench:scienceqa={folder}", 50, 50)[1]) == 8
    (folder / "pid_splits.json").unlink()
    with pytest.raises(UserError, match="No probing question of ScienceQA"):
        load_benchmark(f"bench:scienceqa={folder}", 50, 50)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"answerable": 1, "answers": []}, "yes"),
        ({"answerable": 0}, "no"),
        ({"answers": ["unanswerable"] * 6 + ["blue"] * 4}, "no"),
        ({"answers": ["Unsuitable image", "unanswerable.", "blue"]}, "no"),
        ({"answers": ["unanswerable", "blue"]}, "yes"),
        ({"answers": [{"answer": "unanswerable", "answer_confidence": "yes"}] * 2 + [{"answer": "tea"}]}, "no"),
        ({"answers": ["unanswerable"] * 4 + [f"word {i}" for i in range(6)]}, "no"),
    ],
)
def test_vizwiz_answerability(entry, expected) -> None:
    assert answerable(entry, "val.json", 1) == expected


@pytest.mark.parametrize("entry", [{}, {"answerable": 2}, {"answerable": "yes"}, {"answers": []}, {"answers": "blue"}])
def test_vizwiz_without_an_answer_is_refused(entry) -> None:
    with pytest.raises(UserError, match="Entry 7 of 'val.json'"):
        answerable(entry, "val.json", 7)


def test_vizwiz_asks_about_the_question(tmp_path) -> None:
    train, _ = load_benchmark(f"bench:vizwiz={vizwiz(tmp_path)}", 8, 8)
    assert train.question == 'Can this question be answered from the picture: "What is in this tin?"? Answer yes or no.'


def test_clevr_keeps_yes_and_no_and_reads_entry_by_entry(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(files_module, "CHUNK", 7)  # every entry lies across many reads
    train, _ = load_benchmark(f"bench:clevr={clevr(tmp_path)}", 50, 50)
    assert set(train.questions) == {"Is there a cube?", "Is there a ball?"} and len(train) == 12


def test_clevr_without_its_list_is_refused(tmp_path) -> None:
    path = clevr(tmp_path) / "questions" / "CLEVR_val_questions.json"
    changed(path, lambda value: value.update(items=value.pop("questions")))
    with pytest.raises(UserError, match="no list 'questions'. There are: info, items"):
        load_benchmark(f"bench:clevr={tmp_path}")


def test_instaorder_marks_two_objects_and_the_answer_follows_the_colours(tmp_path) -> None:
    for order, words in (("occlusion", "cover a part of"), ("depth", "nearer to the camera than")):
        train, _ = load_benchmark(f"bench:instaorder-{order}={instaorder(tmp_path / order)}", 24, 24)
        assert train.classes == ("no", "yes") and words in train.question
        for picture, label in zip(train.pictures, train.labels, strict=True):
            # the object on the left is the one in front: yes where it is the red one
            red = np.argwhere((picture.pixels == RED).all(axis=2))[:, 1]
            blue = np.argwhere((picture.pixels == BLUE).all(axis=2))[:, 1]
            assert len(red) and len(blue) and (red.mean() < blue.mean()) == bool(label)


def test_instaorder_asks_one_sided_orders_only() -> None:
    entry = {"image_id": 5, "instance_ids": [50, 51, 52], "depth": [{"order": "0=1"}]}
    both = {"order": "0<1 & 1<0"}
    assert pair_of(entry | {"occlusion": [both]}, "occlusion", "f", 1) is None and pair_of(entry, "depth", "f", 1) is None
    pair = pair_of(entry | {"occlusion": [both, {"order": "2<1"}]}, "occlusion", "f", 1)
    assert pair is not None and {pair.red, pair.blue} == {52, 51} and (pair.answer == "yes") == (pair.red == 52)
    for wrong in ("0>1", "a<b", "0<9"):
        with pytest.raises(UserError, match="Entry 1 of 'f'"):
            pair_of(entry | {"occlusion": [{"order": wrong}]}, "occlusion", "f", 1)
    with pytest.raises(UserError, match="no 'occlusion'"):
        pair_of(entry, "occlusion", "f", 1)


def test_outlines_follow_a_picture_that_was_scaled() -> None:
    picture = picture_from_pixels(np.zeros((50, 100, 3), np.uint8))
    box = Outline(((20.0, 20.0, 60.0, 20.0, 60.0, 60.0, 20.0, 60.0),))
    drawn = marked(picture, box, Outline(((180.0, 80.0, 199.0, 80.0, 199.0, 99.0),)), (200, 100))
    rows, columns = np.nonzero((drawn.pixels == RED).all(axis=2))
    assert abs(rows.min() - 10) <= 1 and abs(columns.max() - 30) <= 1 and drawn.sha256 != picture.sha256


def test_crowds_are_marked_by_their_box(tmp_path) -> None:
    path = instaorder(tmp_path) / "annotations" / "instances_train2017.json"
    rle = {"counts": [1, 2], "size": [16, 20]}
    changed(path, lambda value: [one.update(segmentation=rle, iscrowd=1) for one in value["annotations"]])
    assert len(load_benchmark(f"bench:instaorder-depth={tmp_path}", 8, 8)[0]) == 8


def test_objects_that_coco_lacks_are_named(tmp_path) -> None:
    path = instaorder(tmp_path) / "annotations" / "instances_val2017.json"
    changed(path, lambda value: value["annotations"].clear())
    with pytest.raises(UserError, match="of photograph 1001 of 'InstaOrder_val2017.json'.*not in instances_val2017.json"):
        load_benchmark(f"bench:instaorder-depth={tmp_path}", 8, 8)


def test_missing_pictures_are_passed_over_and_counted(tmp_path) -> None:
    folder = vizwiz(tmp_path)
    (folder / "val" / "VizWiz_val_00001000.jpg").unlink()
    (folder / "val" / "VizWiz_val_00001001.jpg").write_bytes(b"GIF89a broken")
    _, test = load_benchmark(f"bench:vizwiz={folder}", 8, 8)
    assert len(test) == 6 and any("2 pictures for test were passed over" in note for note in test.notes)
    assert any("there are 6 test questions, 8 were asked for" in note for note in test.notes)


def test_no_picture_at_all_says_which_folders_were_tried(tmp_path) -> None:
    folder = vizwiz(tmp_path)
    (folder / "val").rename(folder / "elsewhere")
    with pytest.raises(
        UserError, match="No test question of VizWiz could be read.*No such file is in val, images/val.*Annotations"
    ):
        load_benchmark(f"bench:vizwiz={folder}", 8, 8)


def test_a_picture_outside_of_the_folder_is_never_opened(tmp_path) -> None:
    folder = vizwiz(tmp_path / "vizwiz")
    (tmp_path / "secret.png").write_bytes(png(9))
    hostile = ["../secret.png", str(tmp_path / "secret.png"), "..\\secret.png"] * 3
    changed(folder / "Annotations" / "val.json", lambda rows: [r.update(image=h) for r, h in zip(rows, hostile, strict=False)])
    with pytest.raises(UserError, match="leads out of the benchmark's folder"):
        load_benchmark(f"bench:vizwiz={folder}", 8, 8)


def test_without_a_training_part_both_sides_come_from_the_other_and_it_is_said(tmp_path) -> None:
    folder = clevr(tmp_path)
    (folder / "questions" / "CLEVR_train_questions.json").unlink()
    train, test = load_benchmark(f"bench:clevr={folder}", 6, 6)
    assert not {p.sha256 for p in train.pictures} & {p.sha256 for p in test.pictures}
    assert any("CLEVR_train_questions.json' is not in the folder" in note for note in train.notes)
    (folder / "questions" / "CLEVR_val_questions.json").unlink()
    with pytest.raises(UserError, match="CLEVR_val_questions.json' is not in the folder.*holds questions/CLEVR_train"):
        load_benchmark(f"bench:clevr={folder}", 6, 6)


def test_the_same_picture_in_both_parts_is_tested_on_never(tmp_path) -> None:
    folder = vizwiz(tmp_path)
    for i in range(4):
        (folder / "val" / f"VizWiz_val_{1000 + i:08d}.jpg").write_bytes(
            (folder / "train" / f"VizWiz_train_{i:08d}.jpg").read_bytes()
        )
    train, test = load_benchmark(f"bench:vizwiz={folder}", 8, 8)
    assert len(train) == 8 and len(test) == 4
    assert not {p.sha256 for p in train.pictures} & {p.sha256 for p in test.pictures}


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("bench:nothing=/x", "no published benchmark called 'nothing'.*pope-popular.*scienceqa"),
        ("bench:", "no published benchmark called ''"),
        ("bench:pope", "does not say where the files are.*coco_pope_random.json.*github.com.*bench:pope=FOLDER, or bench:pope=hub"),
        ("bench:pope=/no/such/folder", "no folder '/no/such/folder'.*coco_pope_random.json"),
        ("bench:clevr=hub", "CLEVR was not read from the hub.*bench:clevr=FOLDER, or bench:clevr=hub:OWNER/NAME"),
        ("bench:instaorder-depth=hub:a/b", "InstaOrder depth was not read from the hub"),
        ("bench:pope=hub:../../etc", "not a data set of the hub"),
    ],
)
def test_a_wrong_reference_says_what_there_is(reference, message) -> None:
    with pytest.raises(UserError, match=message):
        load_images(reference)


@pytest.mark.parametrize("text", ["[{", '[{"a": 1}', '[{"a": 1} {"a": 2}]', '{"a": 1}\n{"a"', "\0", "nonsense", "[1]"])
def test_damaged_entries_are_one_sentence(tmp_path, text) -> None:
    path = tmp_path / "some.json"
    path.write_text(text)
    with pytest.raises(UserError, match="'some.json' was not read"):
        list(entries(path))


@pytest.mark.parametrize("text", ["", "{", '{"a": [', '{"questions": [{"a": 1}', '{"questions" [', "[]", '{"questions": [3]}'])
def test_damaged_lists_are_one_sentence(tmp_path, text) -> None:
    path = tmp_path / "some.json"
    path.write_text(text)
    with pytest.raises(UserError, match="'some.json' was not read"):
        list(arrays(path, {"questions"}))
    if '": [' not in text:
        with pytest.raises(UserError, match="'some.json' was not read"):
            list(keyed(path))


def test_bytes_that_are_no_text_are_refused(tmp_path) -> None:
    path = tmp_path / "some.json"
    path.write_bytes(b'[{"a": "\xff\xfe"}]')
    with pytest.raises(UserError, match="'some.json'.*UTF-8"):
        list(entries(path))


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 1 << 20])
def test_json_is_read_the_same_in_pieces_of_any_size(tmp_path, monkeypatch, chunk) -> None:
    monkeypatch.setattr(files_module, "CHUNK", chunk)
    rows = [{"a": 12345, "b": ["]", "}", '"', "\u00e9"]}, {}, {"c": {"questions": [1]}}]
    value = {"n": 12345, "skipped": [{"x": 1}], "questions": rows, "after": None}
    assert [e for _, e in arrays(write_json(tmp_path / "a.json", value), {"questions"})] == rows
    assert list(entries(write_json(tmp_path / "b.json", rows))) == rows
    (tmp_path / "c.json").write_text("\n\n".join(map(json.dumps, rows)))
    assert list(entries(tmp_path / "c.json")) == rows
    assert dict(keyed(write_json(tmp_path / "d.json", {"1": rows[0], "2": {}}))) == {"1": rows[0], "2": {}}
    assert list(entries(write_json(tmp_path / "e.json", []))) == []


class Stream(list):
    """Stands in for a streamed data set."""

    def cast_column(self, *_):
        return self

    def shuffle(self, **_):
        return self


@pytest.fixture
def hub(monkeypatch):
    """Return ``install(splits)``: the rows of each split, or an error to raise."""

    def install(splits):
        asked: list[tuple] = []

        def load_dataset(name, split, streaming, revision):
            asked.append((name, split, revision))
            assert streaming
            if isinstance(splits, Exception):
                raise splits
            return Stream(splits[split])

        module = types.ModuleType("datasets")
        module.Image = lambda decode: None
        module.load_dataset = load_dataset
        monkeypatch.setitem(sys.modules, "datasets", module)
        return asked

    return install


def image(seed):
    return {"image": {"bytes": png(seed), "path": None}}


def test_pope_from_the_hub(hub) -> None:
    rows = [
        image(i) | {"image_source": f"COCO_{i}", "question": f"Is there a {k}?", "answer": a, "category": c, "question_id": "1"}
        for i in range(6)
        for k, a, c in (("dog", "yes", "random"), ("cat", "no", "random"), ("cup", "no", "popular"))
    ]
    asked = hub({"test": rows})
    train, test = load_benchmark("bench:pope-random=hub", 4, 4)
    assert asked == [("lmms-lab/POPE", "test", None)]
    assert set(train.questions) == {"Is there a dog?", "Is there a cat?"}
    assert not {p.sha256 for p in train.pictures} & {p.sha256 for p in test.pictures}


def test_multiple_choice_from_the_hub(hub) -> None:
    row = {"question": "Which?", "choices": ["a", "b"], "hint": ""}
    parts = {
        split: [image(i) | row | {"answer": i % 2, "correct_choice_idx": i % 2} for i in range(first, first + 8)]
        for split, first in (("train", 0), ("validation", 100))
    }
    parts["train"].insert(0, row | {"image": None, "answer": 0, "correct_choice_idx": 0})
    hub(parts)
    train, _ = load_benchmark("bench:scienceqa=hub", 6, 6)
    assert train.classes == ("A", "B") and len(train) == 6
    asked = hub(parts)
    train, test = load_benchmark("bench:aokvqa=hub:some/copy@abc", 6, 6)
    assert asked == [("some/copy", "train", "abc"), ("some/copy", "validation", "abc")]
    assert len(test) == 6 and train.question == "Which? A. a B. b. Answer with one letter."


def test_vizwiz_and_clevr_from_the_hub(hub) -> None:
    rows = [
        image(i) | {"question": "What?", "answers": ["unanswerable"] * 9 + ["tea"] if i % 2 else ["tea"] * 10} for i in range(20)
    ]
    hub({"val": rows})
    train, _ = load_benchmark("bench:vizwiz=hub", 6, 6)
    assert train.classes == ("no", "yes") and any("one part" in note for note in train.notes)
    rows = [image(i) | {"image_filename": f"{i}.png", "question": "Is it?", "answer": ("yes", "no", "3")[i % 3]} for i in range(30)]
    hub({"train": rows[:15], "val": rows[15:]})
    assert len(load_benchmark("bench:clevr=hub:some/clevr", 6, 6)[1]) == 6


def test_the_hub_offline_or_in_another_form_is_one_sentence(hub, monkeypatch) -> None:
    hub(ConnectionError("no network"))
    with pytest.raises(UserError, match="'lmms-lab/POPE' was not read.*cannot be reached.*give a folder"):
        load_benchmark("bench:pope=hub")
    hub({"test": [image(1) | {"question": "?"}]})
    with pytest.raises(UserError, match="Entry 1 of 'lmms-lab/POPE'.*no 'category'"):
        load_benchmark("bench:pope=hub")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match="pip install datasets"):
        load_benchmark("bench:pope=hub")
