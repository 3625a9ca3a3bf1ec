"""Labels, questions and cells from hostile hands."""

from __future__ import annotations

import csv
import io

import pytest

from sn_viz.errors import UserError
from sn_viz.sources.text import clean, clean_question, csv_cell, cut, display_name, plain_cell, safe_file_name


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
