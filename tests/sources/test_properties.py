"""What holds for every input: pictures or a sentence, never anything else, and never for long."""

from __future__ import annotations

import csv
import io
import json
import tempfile
import unicodedata
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from image_files import encoded, picture, png, zipped

from sn_viz.errors import UserError
from sn_viz.sources import load_images
from sn_viz.sources.budget import Budget
from sn_viz.sources.csv_file import parse_csv
from sn_viz.sources.encoding import decode_names, decode_text
from sn_viz.sources.ingest import KEEP_SIDE, decode
from sn_viz.sources.jsonl_file import parse_jsonl
from sn_viz.sources.rows import PathIndex, Table, label_of
from sn_viz.sources.text import (
    NAME_CHARACTERS,
    clean,
    clean_question,
    csv_cell,
    display_name,
    distinct_names,
    label_key,
    path_key,
    plain_cell,
    safe_file_name,
)
from sn_viz.types import LabelledImages, Picture

FEW = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
SMALL = Budget(files=200, file_bytes=1 << 20, table_bytes=1 << 20, pixels=1_000_000)
KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF")
WHOLE = [encoded(picture(1, 40, 30), kind) for kind in KINDS] + [
    encoded(picture(2, 40, 30), "JPEG", progressive=True),
    encoded(picture(3, 40, 30).quantize(8), "PNG", transparency=1),
    encoded(picture(4, 40, 30), "GIF", save_all=True, append_images=[picture(5, 40, 30)]),
]
any_text = st.text(st.characters(), max_size=80)
odd_text = st.text(st.sampled_from("yes NO\"\u201c\u201d'=,;\t\n\\/.\u0301\u200b\u202e\u00e9\uff39\u732b{}[]:0"), max_size=30)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(WHOLE)))
    for at, byte in draw(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=8)):
        data[at] = byte
    at, more = draw(st.integers(0, len(data))), draw(st.binary(max_size=40))
    return bytes(data[:at]) + more + bytes(data[at : draw(st.integers(at, len(data)))])


@FEW
@given(st.one_of(damaged(), st.binary(max_size=200)), any_text)
def test_bytes_become_a_picture_or_a_sentence(data: bytes, name: str) -> None:
    try:
        found = decode(data, name, SMALL)
    except UserError as error:
        assert "was not read" in str(error)
    else:
        assert isinstance(found, Picture) and found.pixels.ndim == 3 and max(found.pixels.shape[:2]) <= KEEP_SIDE


@FEW
@given(st.one_of(any_text, odd_text))
def test_clean_text_is_one_short_line_and_stays_as_it_is(text: str) -> None:
    for plain in (clean(text), display_name(text)):
        assert clean(plain) == plain and unicodedata.is_normalized("NFC", plain)
        assert not any(unicodedata.category(c) in ("Cc", "Cs", "Co") for c in plain)
    assert len(display_name(text)) <= NAME_CHARACTERS
    assert label_key(clean(text)) == label_key(text) == label_key(f" {text} ")
    assert safe_file_name(text) == safe_file_name(safe_file_name(text))
    assert clean_question(text) == clean(text)


@FEW
@given(st.one_of(any_text, odd_text))
def test_cells_come_back_and_start_no_formula(text: str) -> None:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([csv_cell(text), "x"])
    assert plain_cell(next(csv.reader(io.StringIO(buffer.getvalue(), newline="")))[0]) == text
    assert not csv_cell(text).startswith(("=", "+", "-", "@"))


@FEW
@given(st.lists(st.text(st.sampled_from("ab./"), min_size=1, max_size=8), max_size=8))
def test_names_are_distinct(paths: list[str]) -> None:
    names = distinct_names(paths)
    assert len(set(names)) == len(paths)


@FEW
@given(st.lists(st.text(st.sampled_from("aAbB.\u00e9\u0301"), min_size=1, max_size=5), max_size=6, unique=True), st.data())
def test_a_path_finds_itself_or_what_is_spelled_like_it(paths: list[str], data: st.DataObject) -> None:
    index = PathIndex((path, path) for path in paths)
    assert all(index.find(path) == [path] for path in paths)
    if paths:
        path = data.draw(st.sampled_from(paths))
        found = index.find(unicodedata.normalize("NFD", path.swapcase()))
        assert all(path_key(one) == path_key(path) for one in found) and found


@st.composite
def tables(draw: st.DrawFn) -> list[tuple[str, str, str]]:
    """Rows (image, label, question) of different images."""
    word = st.one_of(st.sampled_from(["yes", "No", "NaN", "", "caf\u00e9", "\u732b", "=1"]), odd_text)
    labels = draw(st.lists(st.tuples(word, word), min_size=1, max_size=6))
    return [(f"im/{i}.png", label, question) for i, (label, question) in enumerate(labels)]


@FEW
@given(tables(), st.sampled_from([",", ";", "\t"]), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_a_csv_gives_back_what_was_written(rows: list[tuple[str, str, str]], separator: str, encoding: str) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=separator, quoting=csv.QUOTE_ALL).writerows([("image", "label", "question"), *rows])
    table = parse_csv(buffer.getvalue().encode(encoding), "t.csv", SMALL)
    assert [(row.image, row.label, row.question) for row in table.rows] == [
        (image, label_of(plain_cell(label)), plain_cell(question)) for image, label, question in rows
    ]


@FEW
@given(tables())
def test_a_jsonl_gives_back_what_was_written(rows: list[tuple[str, str, str]]) -> None:
    text = "\n".join(json.dumps({"image": image, "label": label, "question": question}) for image, label, question in rows)
    table = parse_jsonl(text.encode(), "t.jsonl", SMALL)
    assert [(row.image, row.label, row.question) for row in table.rows] == [(i, label_of(a), q) for i, a, q in rows]


@FEW
@given(st.one_of(st.binary(max_size=300), odd_text.map(lambda text: f"image,label\n{text}".encode(errors="replace"))))
@example(b"\xff\xfe")
@example(b"image,label\n" + b'"' * 99)
@example(b"sep=,")
def test_any_bytes_are_a_table_or_a_sentence(data: bytes) -> None:
    for parse, name in ((parse_csv, "t.csv"), (parse_jsonl, "t.jsonl")):
        try:
            assert isinstance(parse(data, name, SMALL), Table)
        except UserError as error:
            assert f"'{name}'" in str(error)
    try:
        text, _ = decode_text(data, "t.csv")
    except UserError:
        return
    assert "\0" not in text


@FEW
@given(st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=5))
def test_names_in_any_bytes_are_read(names: list[bytes]) -> None:
    assert len(decode_names(names, "a.zip")[0]) == len(names)


@settings(FEW, max_examples=40)
@given(
    st.dictionaries(
        st.one_of(odd_text, st.sampled_from(["train/a/1.png", "a/images.csv", "images.csv"])), st.integers(0, 2), max_size=5
    )
)
@example({"/": 1, "//": 0})
@example({"images.csv": 2, "a/1.png": 1})
def test_any_archive_is_images_or_a_sentence(entries: dict[str, int]) -> None:
    contents = (png(90), b"", b"image,label\ncat/0.png,x\n")
    with tempfile.TemporaryDirectory() as folder:
        path = zipped(
            Path(folder) / "a.zip", {f"{name}/{i}.png": png(i + 2 * (name == "dog")) for name in ("cat", "dog") for i in range(2)}
        )
        with zipfile.ZipFile(path, "a") as archive:
            for name, content in entries.items():
                if not name:
                    continue  # the library that writes it refuses
                archive.writestr(name.encode("utf-8", "replace").decode(), contents[content])
        try:
            images = load_images(path, budget=SMALL)
        except UserError as error:
            assert str(error) and folder not in str(error)
        else:
            assert isinstance(images, LabelledImages) and len(images.classes) >= 2
            assert len(set(map(label_key, images.classes))) == len(images.classes)


@pytest.mark.parametrize("kind", KINDS)
def test_the_pictures_that_are_damaged_are_sound_before(kind: str) -> None:
    assert decode(WHOLE[KINDS.index(kind)], kind, SMALL).pixels.shape == (30, 40, 3)
