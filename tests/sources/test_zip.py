"""Zip archives: sound ones equal their folder, hostile ones are refused or lose the hostile entry."""

from __future__ import annotations

import stat
import struct
import zipfile

import pytest
from image_files import png, two_classes, zipped

from sn_viz.errors import UserError
from sn_viz.sources import Budget, load_images

BIG = b"BM" + bytes(6 << 20)


def notes_of(path, **budget) -> str:
    """Load an archive whose sound entries are two classes of two, and return the notes."""
    before = set(path.parent.iterdir())
    images = load_images(path, budget=Budget(**budget))
    assert len(images) == 4 and images.classes == ("cat", "dog")
    assert set(path.parent.iterdir()) == before and not (path.parent.parent / "evil.png").exists()
    return " ".join(images.notes)


def test_a_zip_of_class_folders_is_read_whatever_wraps_them(tmp_path) -> None:
    assert notes_of(zipped(tmp_path / "a.zip", two_classes())) == ""
    wrapped = {f"my pets/{name}": data for name, data in two_classes().items()}
    wrapped |= {"__MACOSX/cat/._0.png": b"x", "my pets/.DS_Store": b"x", "my pets/cat/Thumbs.db": b"x", "my pets/README.txt": b"x"}
    said = notes_of(zipped(tmp_path / "b.zip", wrapped))
    for name in ("__MACOSX", ".DS_Store", "Thumbs.db", "my pets/README.txt"):
        assert f"'{name}'" in said
    assert notes_of(zipped(tmp_path / "c.zip", {name.replace("/", "\\"): data for name, data in two_classes().items()})) == ""


@pytest.mark.parametrize(
    "name", ["../evil.png", "cat/../../evil.png", "/tmp/evil.png", "C:/evil.png", "..\\evil.png", "C:evil.png"]
)
def test_zip_slip_is_left_out_and_named(tmp_path, name: str) -> None:
    said = notes_of(zipped(tmp_path / "a.zip", two_classes() | {name: png(99)}))
    assert "evil.png" in said and "leads out of the archive" in said


def test_names_that_are_empty_or_endless_are_named_and_the_rest_loads(tmp_path) -> None:
    odd = {"x": png(99), "y" * 60_000: png(98), "z/" * 5000 + "z.png": png(97), "cat/w.png": png(96), "//": b"", ".": png(95)}
    path = zipped(tmp_path / "a.zip", two_classes() | odd)
    data = path.read_bytes()
    # the same file with nothing but a name of no letters
    for nameless in (data.replace(b"cat/w.png", b"\0at/w.png"), _renamed(data, b"cat/w.png", b"")):
        path.write_bytes(nameless)
        said = notes_of(path)
        assert "An entry without a name" in said and "long names" in said and "yyy" in said


def test_deep_names_take_no_time(tmp_path) -> None:
    from sn_viz.sources.zip_file import entries_of, opened_archive

    path = zipped(tmp_path / "a.zip", {"a/" * 32_000 + f"{i}.png": b"" for i in range(100)} | two_classes())
    with opened_archive(path, Budget()) as archive:
        entries, notes = entries_of(archive, "a.zip", Budget())
    assert len(entries) == 4 and "100 entries" in notes[0]


@pytest.mark.parametrize(
    ("encoding", "names"),
    [("utf-8", ("niño", "niña")), ("gbk", ("猫", "狗")), ("cp932", ("猫", "犬")), ("cp437", ("niño", "niña"))],
)
def test_names_without_the_flag_are_read_as_they_were_written(tmp_path, encoding: str, names: tuple[str, str]) -> None:
    path = tmp_path / "a.zip"
    entries = {f"{name}/{i}.png": png(10 * number + i) for number, name in enumerate(names) for i in range(2)}
    written = {name.encode(encoding).hex() + ".png": (name, content) for name, content in entries.items()}
    zipped(path, {name: content for name, (_, content) in written.items()})
    data = path.read_bytes()
    for stand_in, (name, _) in written.items():
        raw = name.encode(encoding)
        stub = stand_in.encode()
        assert len(stub) >= len(raw)
        data = _renamed(data, stub, raw)
    path.write_bytes(data)
    images = load_images(path)
    assert set(images.classes) == set(names)
    assert ("is a guess" in " ".join(images.notes)) == (encoding != "utf-8")


def _renamed(data: bytes, old: bytes, new: bytes) -> bytes:
    """Rename an entry in the bytes of an archive, padding its extra field so that nothing moves."""
    out = bytearray(data)
    pad = len(old) - len(new)
    for magic, name_at, length_at in ((b"PK\3\4", 30, 26), (b"PK\1\2", 46, 28)):
        at = -1
        while (at := out.find(magic, at + 1)) >= 0:
            if out[at + name_at : at + name_at + len(old)] == old:
                struct.pack_into("<HH", out, at + length_at, len(new), pad)
                filler = struct.pack("<HH", 0xCAFE, pad - 4) + bytes(pad - 4)
                out[at + name_at : at + name_at + len(old)] = new + filler
    return bytes(out)


def test_splits_in_a_zip_are_splits(tmp_path) -> None:
    entries = {
        f"pets/{split}/{name}": png(i + 50 * (split == "test"))
        for split in ("train", "test")
        for i, name in enumerate(two_classes())
    }
    images = load_images(zipped(tmp_path / "a.zip", entries))
    assert images.classes == ("cat", "dog") and images.parts == ("train",) * 4 + ("test",) * 4


def test_a_table_in_the_zip_holds_whatever_its_slashes(tmp_path) -> None:
    table = "image,label\nCAT\\0.png,no\ncat/1.png,no\ndog\\0.PNG,yes\ndog\\1.png,yes\ndog\\2.png,yes\n"
    images = load_images(zipped(tmp_path / "a.zip", two_classes() | {"images.csv": table.encode()}))
    assert images.classes == ("no", "yes") and "'dog\\2.png' (row 6)" in " ".join(images.notes)


def test_links_nested_archives_and_unusual_methods_are_left_out(tmp_path) -> None:
    path = zipped(tmp_path / "a.zip", two_classes() | {"cat/inner.zip": b"PK\3\4", "cat/inner.png": b"PK\3\4" + bytes(60)})
    link = zipfile.ZipInfo("cat/passwd.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("dog/lzma.png", png(98), zipfile.ZIP_LZMA)
    said = notes_of(path)
    for words in ("passwd.png", "link", "inner.zip", "archive inside", "inner.png", "lzma.png", "compressed in a way"):
        assert words in said


def test_encrypted_entries_are_named(tmp_path) -> None:
    path = zipped(tmp_path / "a.zip", two_classes() | {"dog/secret.png": png(97)})
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\1\2")
    data[at + 8] |= 1
    path.write_bytes(data)
    assert "dog/secret.png" in notes_of(path) and "encrypted" in notes_of(path)


def test_an_archive_with_nothing_but_encrypted_entries_says_so(tmp_path) -> None:
    path = zipped(tmp_path / "a.zip", two_classes())
    data = bytearray(path.read_bytes())
    at = -1
    while (at := data.find(b"PK\1\2", at + 1)) >= 0:
        data[at + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="None of the 4 files.*encrypted.*password"):
        load_images(path)


def test_a_bomb_is_stopped_while_inflating(tmp_path) -> None:
    path = zipped(tmp_path / "a.zip", two_classes() | {"cat/bomb.bmp": BIG})
    assert "cat/bomb.bmp" in notes_of(path) and "200 times its size" in notes_of(path)
    assert "inflates to more than 2 MiB" in notes_of(path, inflated_ratio=10_000, file_bytes=2 << 20)
    with pytest.raises(UserError, match="'a.zip' was not read. It inflates to more than 3 MiB"):
        load_images(path, budget=Budget(inflated_bytes=3 << 20, inflated_ratio=10_000))


@pytest.mark.parametrize(("claim", "words"), [(10, "damaged, or its header is untrue"), (1 << 31, "")])
def test_lying_headers_are_not_believed(tmp_path, claim: int, words: str) -> None:
    path = zipped(tmp_path / "a.zip", two_classes() | {"dog/liar.png": png(0)[:-20] + bytes(20)})
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\1\2")
    struct.pack_into("<L", data, at + 24, claim)
    path.write_bytes(data)
    said = notes_of(path)
    assert "dog/liar.png" in said and words in said


def test_flipped_bits_are_noticed(tmp_path) -> None:
    path = zipped(tmp_path / "a.zip", {"cat/flip.png": png(96)} | two_classes(), zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[200] ^= 255
    path.write_bytes(data)
    assert "cat/flip.png" in notes_of(path) and "damaged" in notes_of(path)


def test_what_is_not_an_archive_or_is_cut_short_is_refused(tmp_path) -> None:
    whole = zipped(tmp_path / "whole.zip", two_classes()).read_bytes()
    for name, data in {"text.zip": b"hello", "empty.zip": b"", "cut.zip": whole[:-30], "tail.zip": whole[-22:]}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match=f"'{name}' was not read.*not a zip archive, or it is cut short"):
            load_images(tmp_path / name)


def test_a_directory_that_is_too_large_is_not_read(tmp_path, monkeypatch) -> None:
    path = zipped(tmp_path / "a.zip", {f"cat/{i}": b"" for i in range(300)})
    with pytest.raises(UserError, match="more than 200 files"):
        load_images(path, budget=Budget(files=200))
    monkeypatch.setattr(zipfile.ZipFile, "__init__", lambda *_: pytest.fail("read"))
    for files in (20, 60):
        with pytest.raises(UserError, match="directory is too large"):
            load_images(path, budget=Budget(files=files))
    with pytest.raises(UserError, match="larger than"):
        load_images(path, budget=Budget(zip_bytes=100))


def test_an_archive_without_files_is_refused(tmp_path) -> None:
    with pytest.raises(UserError, match="holds no files"):
        load_images(zipped(tmp_path / "a.zip", {}))


def test_random_damage_gives_images_or_a_sentence(tmp_path) -> None:
    import numpy as np

    rng = np.random.default_rng(1)
    whole = zipped(tmp_path / "whole.zip", two_classes()).read_bytes()
    end = whole.find(b"PK\1\2")
    for case in range(150):
        data = bytearray(whole)
        for at in rng.integers(end if case % 2 else 0, len(data), 4):
            data[at] = rng.integers(256)
        (tmp_path / "x.zip").write_bytes(data)
        try:
            assert len(load_images(tmp_path / "x.zip")) <= 4
        except UserError as error:
            assert str(error)


def test_folders_of_a_zip_without_files_are_named(tmp_path) -> None:
    path = zipped(tmp_path / "a.zip", {**two_classes(), "bird/": b"", "cat/": b"", "__MACOSX/": b""})
    assert "1 folder without files: 'bird'." in load_images(path).notes
