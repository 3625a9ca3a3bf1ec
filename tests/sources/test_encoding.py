"""Encodings that a file does not state: the usual ones are found, and said aloud."""

from __future__ import annotations

import pytest

from sn_viz.errors import UserError
from sn_viz.sources.encoding import decode_names, decode_text

TABLES = {
    "cp1252": ["früh,unreif", "niño,niña", "“café”,naïve", "größe,x", "Straße,Fußweg", "pêche,été", "não,maçã"],
    "cp1250": ["żaba,łoś"],
    "cp1251": ["кошка,собака", "да,нет"],
    "gb18030": ["狗,猫", "苹果,香蕉", "是,否", "有,无", "这是猫吗？,是"],
    "cp932": ["犬,猫", "はい,いいえ", "これは犬ですか,はい"],
    "big5": ["貓,狗", "蘋果,香蕉", "是,否", "這是貓嗎？,有"],
    "cp949": ["개,고양이", "예,아니오", "사과,바나나"],
}
CASES = [(encoding, text) for encoding, texts in TABLES.items() for text in texts]


@pytest.mark.parametrize(("encoding", "labels"), CASES)
def test_a_table_is_read_as_it_was_written_and_says_that_this_is_a_guess(encoding: str, labels: str) -> None:
    table = "image,label\r\n" + "".join(f"a{i}.png,{label}\r\n" for i, label in enumerate(labels.split(",")))
    text, note = decode_text(table.encode(encoding), "t.csv")
    assert text == table and "is a guess" in note and "'t.csv'" in note


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "ascii"])
def test_what_is_stated_or_plain_needs_no_note(encoding: str) -> None:
    table = "image,label\na.png,x\n" if encoding == "ascii" else "image,label\na.png,猫\n"
    assert decode_text(table.encode(encoding), "t.csv") == (table, "")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_found(encoding: str) -> None:
    text, note = decode_text("image,label\na.png,niño\n".encode(encoding), "t.csv")
    assert text == "image,label\na.png,niño\n" and "UTF-16" in note


def test_nul_is_refused_with_its_row() -> None:
    with pytest.raises(UserError, match="Row 2 of 't.csv'.*NUL"):
        decode_text(b"image,label\na\0.png,x\n" + b"b.png,y\n" * 9, "t.csv")


@pytest.mark.parametrize(("encoding", "labels"), [c for c in CASES if c[0] in ("gb18030", "cp932", "big5", "cp949")])
def test_names_in_a_zip_are_read_as_they_were_written(encoding: str, labels: str) -> None:
    names = [f"{label}/1.png" for label in labels.split(",")]
    read, note = decode_names([name.encode(encoding) for name in names], "a.zip")
    assert read == names and "is a guess" in note and read[0] in note


@pytest.mark.parametrize("name", ["niño/1.png", "Äpfel/2.png", "garçon/3.png"])
def test_western_names_of_dos_are_read_too(name: str) -> None:
    assert decode_names([name.encode("cp437"), b"plain/1.png"], "a.zip")[0] == [name, "plain/1.png"]


def test_utf_8_names_need_no_note() -> None:
    assert decode_names(["niño/猫.png".encode()], "a.zip") == (["niño/猫.png"], "")
