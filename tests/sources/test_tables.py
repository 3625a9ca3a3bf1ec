"""CSV and JSONL tables, with the row number in every complaint."""

from __future__ import annotations

import json
import os
import zipfile

import pytest
from image_files import png

from sn_viz.errors import UserError
from sn_viz.sources import Budget, load_images

ROWS = ["a.png,no", "b.png,yes", "c.png,no", "d.png,yes"]


@pytest.fixture
def home(tmp_path):
    (tmp_path / "data").mkdir()
    for seed, name in enumerate("abcd"):
        (tmp_path / "data" / f"{name}.png").write_bytes(png(seed))
    (tmp_path / "outside.png").write_bytes(png(40))
    return tmp_path / "data"


def load(home, text: str | bytes, name: str = "t.csv", **options):
    (home / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_images(home / name, **options)


def refusal(home, text: str | bytes, name: str = "t.csv", **options) -> str:
    with pytest.raises(UserError) as caught:
        load(home, text, name, **options)
    return str(caught.value)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_separators_and_encodings(home, separator: str, encoding: str) -> None:
    lines = ["image,label", "a.png,unreif", "b.png,früh", "c.png,unreif", "d.png,früh"]
    images = load(home, "\r\n".join(lines).replace(",", separator).encode(encoding))
    assert images.classes == ("früh", "unreif") and images.labels.tolist() == [1, 0, 1, 0]


def test_questions_quotes_and_other_columns(home) -> None:
    rows = [
        "id,Label,Image,Question",
        '1,no,a.png,"Red, or not?"',
        '2,yes,b.png,"Is it\nred?"',
        "3,no,c.png,x",
        "",
        "4,yes,d.png,x",
    ]
    images = load(home, "\n".join(rows))
    assert images.questions == ("Red, or not?", "Is it red?", "x", "x")
    assert images.question == "" and load_images(home / "t.csv", "Same?").question == "Same?"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([*ROWS, "b.png"], "Row 6 of 't.csv'.*missing cells: 1 where the header has 2"),
        (["a.png,no,extra", *ROWS], "Row 2 of 't.csv'.*extra cells: 3"),
        ([*ROWS, "a.png,no"], "Row 6.*repeats row 2"),
        ([*ROWS, "a.png,yes"], "Row 6.*repeats row 2 with another label.*a.png"),
        (["a.png,no", ",yes"], "Row 3.*no image"),
        (["a.png, "], "Row 2.*no label"),
        (["a.png,no", "b.p\0ng,yes"], "Row 3.*NUL"),
        (['a.png,"no'], "Row 2.*not well-formed CSV"),
        (["../outside.png,no"], "Row 2.*outside the table's folder"),
        (["x/../../outside.png,no"], "Row 2.*outside"),
        (["..\\outside.png,no"], "Row 2.*outside"),
        (["/etc/passwd,no"], "Row 2.*outside"),
        (["C:\\x.png,no"], "Row 2.*outside"),
        (["http://127.0.0.1/x.png,no"], "Row 2.*address.*files only"),
        (["a.png,\u202e"], "class of 'a.png' has no name"),
    ],
)
def test_bad_rows_are_named(home, rows: list[str], words: str) -> None:
    import re

    assert re.search(words, refusal(home, "\n".join(["image,label", *rows])))


def test_a_link_out_of_the_folder_is_refused(home) -> None:
    (home / "link.png").symlink_to(home.parent / "outside.png")
    assert "outside the table's folder" in refusal(home, "image,label\nlink.png,no")


def test_a_missing_image_is_named_and_the_rest_loads(home) -> None:
    images = load(home, "\n".join(["image,label", *ROWS, "gone.png,yes", f"{'x' * 400}.png,no"]))
    assert len(images) == 4 and "gone.png (row 6)" in images.notes[0] and "no such file" in images.notes[0]


def test_headers_without_the_needed_columns_are_refused(home) -> None:
    assert "Row 1 of 't.csv' has no column 'image'" in refusal(home, "a,b\n1,2")
    assert "no column 'label'" in refusal(home, "image,kind\na.png,2") and "'kind'" in refusal(home, "image,kind\na.png,2")
    assert "no rows" in refusal(home, "image,label\n")
    assert refusal(home, b"")
    assert "encoding" in refusal(home, b"image,label\n\x98\xff,\x81\x8d\x90")
    assert "too many rows" in refusal(home, "\n".join(["image,label", *ROWS]), budget=Budget(files=3))
    assert "question" in refusal(home, "image,label,question\na.png,no," + "x" * 600)


def test_long_labels_are_cut_with_a_note_unless_they_collide(home) -> None:
    long = "x" * 10_000
    images = load(home, f"image,label\na.png,{long}\nb.png,no\nc.png,{long}\nd.png,no")
    assert max(map(len, images.classes)) == 80 and "cut to 80 characters" in images.notes[0]
    assert "look alike" in refusal(home, f"image,label\na.png,{long}1\nb.png,{long}2\nc.png,no")


def test_quoted_formulas_come_back_as_they_were(home) -> None:
    images = load(home, "image,label\na.png,'=cmd()\nb.png,no\nc.png,'=cmd()\nd.png,no")
    assert images.classes == ("=cmd()", "no")


def test_one_image_may_be_asked_two_questions_with_two_answers(home) -> None:
    rows = ["a.png,yes,Dog?", "a.png,no,Cat?", "b.png,yes,Dog?", "b.png,no,Cat?"]
    images = load(home, "\n".join(["image,label,question", *rows]))
    assert len(images) == 4 and images.pictures[0] is images.pictures[1]
    with pytest.raises(UserError, match="same image is in two classes"):
        load_images(home / "t.csv", "One question?")


def test_popes_own_file_is_understood(home) -> None:
    (home / "images").mkdir()
    for seed in range(2):
        (home / "images" / f"COCO_{seed}.png").write_bytes(png(seed))
    entries = [
        {"question_id": i, "image": f"COCO_{i // 2}.png", "text": f"Is there a thing {i % 2}?", "label": ("yes", "no")[i % 2]}
        for i in range(4)
    ]
    for name in ("coco_pope_random.json", "x.jsonl"):
        images = load(home, "\n".join(json.dumps(entry) for entry in entries), name)
        assert images.classes == ("no", "yes") and images.labels.tolist() == [1, 0, 1, 0]
        assert images.questions[1] == "Is there a thing 1?"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "Row 2 of 't.jsonl'.*not JSON"),
        ("[" * 100_000, "Row 2.*not JSON"),
        ("[1]", "Row 2.*not a JSON object"),
        ('{"image": "b.png"}', "Row 2.*no 'label'"),
        ('{"image": ["b.png"], "label": 1}', "Row 2.*'image' is not a text"),
        ('{"image": "a.png", "label": "no"}', "Row 2.*repeats row 1"),
        ('{"image": "../outside.png", "label": "no"}', "Row 2.*outside"),
        ('{"image": "a\\u0000.png", "label": "no"}', "a.png"),
    ],
)
def test_bad_lines_are_named(home, line: str, words: str) -> None:
    import re

    assert re.search(words, refusal(home, '{"image": "a.png", "label": "no"}\n' + line, "t.jsonl"))


def test_labels_may_be_numbers_or_truth_values(home) -> None:
    lines = [{"image": f"{name}.png", "label": value} for name, value in zip("abcd", (True, False, True, False), strict=True)]
    assert load(home, "\n".join(map(json.dumps, lines)), "t.jsonl").classes == ("false", "true")


SPELLINGS = ["yes", "Yes", "YES", "no", "No", "no ", "ｙｅｓ", '"no"']


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_spellings_of_one_label_are_one_class_and_said(home, kind: str) -> None:
    for seed in range(len(SPELLINGS)):
        (home / f"{seed}.png").write_bytes(png(seed + 50))
    if kind == "csv":
        rows = ["image,label", *(f'{i}.png,"{label.replace(chr(34), chr(34) * 2)}"' for i, label in enumerate(SPELLINGS))]
        images = load(home, "\n".join(rows))
    else:
        rows = [json.dumps({"image": f"{i}.png", "label": label}) for i, label in enumerate(SPELLINGS)]
        images = load(home, "\n".join(rows), "t.jsonl")
    assert images.classes == ("no", "yes") and images.labels.tolist() == [1, 1, 1, 0, 0, 0, 1, 0]
    assert any("4 spellings were read as one class, 'yes'" in note and "'YES'" in note for note in images.notes)


def test_single_letters_are_told_apart_by_case_unless_they_abbreviate_yes_and_no(home) -> None:
    for seed in range(8):
        (home / f"{seed}.png").write_bytes(png(seed + 50))
    letters = load(home, "image,label\n" + "".join(f"{i}.png,{label}\n" for i, label in enumerate("aAbBaAbB")))
    assert letters.classes == ("A", "B", "a", "b") and "told apart by case" in " ".join(letters.notes)
    assert load(home, "image,label\n" + "".join(f"{i}.png,{label}\n" for i, label in enumerate("yYnNyYnN"))).classes == ("n", "y")


@pytest.mark.parametrize("missing", ["", " ", "NaN", "nan", "#N/A", "<NA>", "NaT"])
def test_a_missing_label_is_no_class_and_its_rows_are_numbered(home, missing: str) -> None:
    images = load(
        home, "\n".join(["image,label", *ROWS, f"a.png,{missing}", f"b.png,{missing}"]).replace("a.png,no", "a.png,no", 1)
    )
    assert images.classes == ("no", "yes") and len(images) == 4
    assert "Rows 6, 7 of 't.csv' have no label" in " ".join(images.notes)


@pytest.mark.parametrize("word", ["NA", "N/A", "null", "NULL", "None"])
def test_a_class_may_be_called_as_others_call_what_is_missing_which_is_said(home, word: str) -> None:
    images = load(home, f"image,label\na.png,{word}\nb.png,EU\nc.png,{word}\nd.png,EU")
    assert images.classes == ("EU", word) and len(images) == 4
    assert f"Read as the name of a class in 't.csv': '{word}' (2 rows)." in " ".join(images.notes)
    lines = [json.dumps({"image": f"{name}.png", "label": label}) for name, label in zip("abcd", (word, "EU") * 2, strict=True)]
    assert load(home, "\n".join(lines), "t.jsonl").classes == ("EU", word)


def test_none_and_na_in_small_letters_are_words(home) -> None:
    assert load(home, "image,label\na.png,none\nb.png,na\nc.png,none\nd.png,na").classes == ("na", "none")


def test_missing_labels_of_json_are_dropped_and_numbered(home) -> None:
    lines = [json.dumps({"image": f"{name}.png", "label": label}) for name, label in zip("abcd", "xyxy", strict=True)]
    lines += [
        f'{{"image": "{name}.png", "label": {label}, "question": "{label}"}}'
        for name, label in (("a", "NaN"), ("b", "null"), ("c", "1e999"))
    ]
    images = load(home, "\n".join(lines), "t.jsonl")
    assert images.classes == ("x", "y") and "Rows 5, 6, 7 of 't.jsonl' have no label" in " ".join(images.notes)


def test_blanks_after_a_separator_do_not_count(home) -> None:
    rows = ["image, label, question", 'a.png, "y", "Is it, or not?"', 'b.png, "n", x', 'c.png, "y", x', "d.png, n, x"]
    images = load(home, "\n".join(rows))
    assert images.classes == ("n", "y") and images.questions[0] == "Is it, or not?"


def test_a_separator_may_be_stated(home) -> None:
    assert load(home, "sep=;\nimage;label\n" + "\n".join(ROWS).replace(",", ";")).classes == ("no", "yes")
    assert "Row 3 of 't.csv' was not read. It has missing cells" in refusal(home, "sep=;\nimage;label\na.png")


@pytest.mark.parametrize("name", ["A.png", "./a.png", ".\\A.PNG", "a.PNG "])
def test_images_are_found_whatever_slashes_and_capitals(home, name: str) -> None:
    (home / "photos").mkdir()
    (home / "photos" / "café.png").write_bytes(png(30))
    images = load(home, "\n".join(["image,label", f"{name},no", *ROWS[1:], "Photos\\café.PNG,no"]))
    assert len(images) == 5 and images.notes == ()


def test_spellings_that_mean_several_files_are_named(home) -> None:
    for name in ("x.png", "X.PNG"):
        (home / name).write_bytes(png(ord(name[0])))
    assert "2 files of that name" in " ".join(load(home, "\n".join(["image,label", *ROWS, "X.png,no"])).notes)


BIG = {
    "cell": "image,label\na.png," + "x" * 200_000,
    "row of cells": "image,label\n" + "," * 3_000_000,
    "row of lines": "image,label\n" + '"\n",' * 500_000,
    "header": "," * 3_000_000,
    "blank lines": "image,label\n" + "\n" * 300_000,
    "open quote": 'image,label\na.png,"' + "x\n" * 1_000_000,
}


@pytest.mark.parametrize("case", BIG)
def test_endless_cells_and_rows_are_refused(home, case: str) -> None:
    assert "'t.csv'" in refusal(home, BIG[case])


BIG_LINES = {
    "line": '{"image": "a.png", "label": "' + "x" * 2_000_000 + '"}',
    "nested": '{"image": "a.png", "label": 1, "x": ' + "[" * 40_000 + "]" * 40_000 + "}",
    "number": '{"image": "a.png", "label": ' + "9" * 90_000 + "}",
    "blank lines": "\n" * 300_000,
}


@pytest.mark.parametrize("case", BIG_LINES)
def test_endless_lines_depths_and_numbers_are_refused(home, case: str) -> None:
    assert "'t.jsonl'" in refusal(home, BIG_LINES[case], "t.jsonl")


def test_a_huge_number_that_python_reads_is_a_label_like_others(home) -> None:
    lines = [f'{{"image": "{name}.png", "label": {label}}}' for name, label in zip("abcd", ("1" + "0" * 400, 2) * 2, strict=True)]
    assert load(home, "\n".join(lines), "t.jsonl").classes[1] == "2"


def test_a_long_path_is_named_and_not_looked_for(home) -> None:
    said = " ".join(load(home, "\n".join(["image,label", *ROWS, "a/" * 50_000 + "a.png,no"])).notes)
    assert ("no such file" in said and "(row 6)" in said) or "a/a/a" in said


def test_paths_that_lead_nowhere_are_not_resolved_folder_by_folder(home, monkeypatch) -> None:
    real = os.lstat
    asked = []
    monkeypatch.setattr(os, "lstat", lambda *args, **options: asked.append(args) or real(*args, **options))
    deep = [f"{i}{'/a' * 400}.png,no" for i in range(50)]
    assert "50 files left out" in " ".join(load(home, "\n".join(["image,label", *ROWS, *deep])).notes)
    assert len(asked) < 50 * 20


def test_a_guessed_encoding_is_said(home) -> None:
    images = load(home, "image,label\na.png,früh\nb.png,spät\nc.png,früh\nd.png,spät".encode("cp1252"))
    assert images.classes == ("früh", "spät") and "Windows-1252" in images.notes[0] and "guess" in images.notes[0]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "folder", "zip"])
def test_a_column_of_splits_is_used_and_told(home, tmp_path, kind: str) -> None:
    splits = ("Train", "train ", "TEST", "test")
    if kind == "jsonl":
        rows = [{"image": row[:5], "label": row[6:], "subset": split} for row, split in zip(ROWS, splits, strict=True)]
        images = load(home, "\n".join(map(json.dumps, rows)), "t.jsonl")
    else:
        table = "image,label,split\n" + "\n".join(f"{row},{split}" for row, split in zip(ROWS, splits, strict=True))
        (home / ("labels.csv" if kind != "csv" else "t.csv")).write_text(table)
        if kind == "zip":
            with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
                for path in home.iterdir():
                    archive.write(path, path.name)
        images = load_images({"csv": home / "t.csv", "folder": home, "zip": tmp_path / "all.zip"}[kind])
    assert images.parts == ("train", "train", "test", "test")
    assert "neurons are found on the training split and tested on the test split" in " ".join(images.notes)


def test_splits_that_are_none_are_named_and_not_used(home) -> None:
    images = load(home, "image,label,split\n" + "\n".join(f"{row},fold {i}" for i, row in enumerate(ROWS)))
    assert images.parts == () and "'fold 0'" in images.notes[0] and "not used" in images.notes[0]
    one = load(home, "image,label,split\n" + "\n".join(f"{row},train" for row in ROWS))
    assert one.parts == () and "all rows are in one" in one.notes[0]


def test_rows_without_a_split_join_the_training_and_validation_tests_where_nothing_else_does(home) -> None:
    splits = ("train", "", "val", "val")
    images = load(home, "image,label,split\n" + "\n".join(f"{row},{split}" for row, split in zip(ROWS, splits, strict=True)))
    assert images.parts == ("train", "train", "test", "test") and "1 row without a split" in images.notes[0]


def test_columns_that_are_not_used_are_named(home) -> None:
    images = load(home, "id,image,label,source\n" + "\n".join(f"{i},{row},web" for i, row in enumerate(ROWS)))
    assert images.notes == ("Columns that are not used: 'id', 'source'.",)


def test_a_field_that_is_there_twice_is_refused(home) -> None:
    assert "two columns 'label'" in refusal(home, "image,label,label\n" + "\n".join(f"{row},x" for row in ROWS))
    line = '{"image": "a.png", "label": "no", "label": "yes"}'
    assert "Row 1 of 't.jsonl' was not read. It has 'label' twice" in refusal(home, line, "t.jsonl")


def test_a_number_is_one_label_with_and_without_its_point(home) -> None:
    images = load(home, "image,label\na.png,1\nb.png,1.0\nc.png,0\nd.png,0.0\n")
    assert images.classes == ("0", "1") and images.labels.tolist() == [1, 1, 0, 0]
    assert "2 spellings were read as one class, '1': '1', '1.0'." in images.notes


def test_named_groups_are_said_to_stay_together(tmp_path) -> None:
    for i in range(6):
        (tmp_path / f"{i}.png").write_bytes(png(i))
    rows = [f"{i}.png,{'ab'[i % 2]},person {i // 2}" for i in range(6)]
    (tmp_path / "t.csv").write_text("image,label,group\n" + "\n".join(rows))
    told = "3 groups are named ('person 0', 'person 1', 'person 2'): all images of one stay on one side of every split and fold."
    assert told in load_images(tmp_path / "t.csv").notes
