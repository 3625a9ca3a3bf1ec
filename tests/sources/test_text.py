"""Labels, questions and cells from hostile hands."""

from __future__ import annotations

import csv
import io

import pytest

from sn_viz.errors import UserError
from sn_viz.sources import text as text_module
from sn_viz.sources.text import (
    clean,
    clean_question,
    csv_cell,
    cut,
    display_name,
    distinct_names,
    label_key,
    path_key,
    plain_cell,
    safe_file_name,
)


def test_twins_become_one_and_invisible_characters_go() -> None:
    assert clean("cafe\u0301") == clean("café")
    assert clean("a\u202eb\u200b\x00c\ud800\ufeff") == "abc"
    assert clean(" two\n\tlines\u2028here ") == "two lines here"
    assert clean("👩\u200d🚀 🍎") == "👩\u200d🚀 🍎"
    assert clean("ثمرة ناضجة") == "ثمرة ناضجة"


def test_markup_stays_as_literal_text() -> None:
    for text in ("<img src=x onerror=alert(1)>", "%{x}", "${value}", "../../x", "=cmd()"):
        assert clean(text) == text


def test_caps_hold() -> None:
    assert len(cut("x" * 10_000, 80)) == 80
    assert len(display_name("x" * 10_000 + ".png")) == 200 and display_name("x" * 10_000 + ".png").endswith(".png")
    with pytest.raises(UserError, match="too long.*10000 characters; 500"):
        clean_question("x" * 10_000)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "'=1", "'quoted", "cat", "", "''=x", "a=b"])
def test_cells_never_start_a_formula_and_come_back_unchanged(text: str) -> None:
    cell = csv_cell(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t"))
    assert plain_cell(cell) == text


def test_cells_survive_a_csv_file() -> None:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([csv_cell('=HYPERLINK("x","y")')])
    assert plain_cell(next(csv.reader(io.StringIO(buffer.getvalue())))[0]) == '=HYPERLINK("x","y")'


@pytest.mark.parametrize("text", ["../../x", "CON", "com1.txt", "a/b\\c:d", "", "...", "👍", "x" * 500, "ü" * 500, "a\0b", " nul "])
def test_file_names_are_safe(text: str) -> None:
    name = safe_file_name(text)
    assert name and len(name.encode()) <= 61 and not set(name) & set('/\\:*?"<>|\0.')
    assert name.casefold() not in {"con", "nul", "com1"}


@pytest.mark.parametrize("letter", ["\u0301", "\u0344", "\u0f73\u0f75", "\ufdfa", "\u1100\u1161\u11a8"])
def test_text_is_cut_before_it_is_normalised(letter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = text_module.unicodedata.normalize

    def normalize(form: str, text: str) -> str:
        run = longest = 0
        for character in text:
            run = run + 1 if text_module.unicodedata.category(character).startswith("M") else 0
            longest = max(longest, run)
        seen.append((len(text), longest))
        return real(form, text)

    monkeypatch.setattr(text_module.unicodedata, "normalize", normalize)
    for function in (clean, display_name, label_key, path_key, safe_file_name):
        function("a" + letter * 30_000)
    with pytest.raises(UserError, match="too long"):
        clean_question("a" + letter * 30_000)
    most = max(length for length, _ in seen)
    assert most <= 20 * text_module.RAW_CHARACTERS and max(run for _, run in seen) <= 2 * text_module.MARKS


@pytest.mark.parametrize("text", ["yes", "Yes", "YES", "yes ", "\u3000yes", "ｙｅｓ", '"yes"', "“Yes”", "y\u200bes"])
def test_spellings_of_one_label_have_one_key(text: str) -> None:
    assert label_key(text) == "yes"


def test_keys_keep_different_labels_and_paths_apart() -> None:
    assert len({label_key(text) for text in ("no cat", "no_cat", "cat", "cats", "café", "cafe", "1", "2", "'", '""')}) == 10
    assert path_key("A\\B//./c.PNG ") == "a/b/c.png" and path_key("cafe\u0301.png") == path_key("CAFÉ.png")
    assert path_key("a/b.png") != path_key("ab.png")


def test_names_say_what_tells_paths_apart_and_no_more() -> None:
    assert distinct_names(["/home/me/a/1.png", "/home/me/b/1.png", "/home/me/b/2.png"]) == ["a/1.png", "b/1.png", "2.png"]
    assert distinct_names(["1.png", "/1.png", "1.png"]) == ["1.png", "/1.png", "1.png (2)"]
    assert distinct_names([]) == [] and distinct_names([""]) == [""]
