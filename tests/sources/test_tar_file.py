"""Tar archives: WebDataset and class folders; no name is a path, nothing is unpacked, nothing pickled is opened."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import pickle
import sys
import tarfile

import datasets
import pytest
from image_files import picture as drawn
from image_files import png

from sn_viz.errors import UserError
from sn_viz.sources import Budget, load_images
from sn_viz.sources.ingest import as_picture
from sn_viz.sources.tar_file import TEXT_BYTES


def picture(i: int):
    """Return the picture that ``png(i)`` holds."""
    return as_picture(drawn(i))


def pack(path, members, mode: str = "w", **kinds) -> None:
    """Write a tar of (name, bytes); ``kinds`` are given to every member."""
    with tarfile.open(path, mode) as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            for what, value in kinds.items():
                setattr(member, what, value)
            archive.addfile(member, io.BytesIO(data))


def samples(n: int = 8, **more) -> list[tuple[str, bytes]]:
    return [member for i in range(n) for member in ((f"{i:05}.png", png(i)), (f"{i:05}.cls", str(i % 2).encode()))]


def test_numbers_of_classes_get_their_names_wherever_these_stand(tmp_path) -> None:
    file = tmp_path / "pets.tar"
    pack(file, [*samples(), ("classnames.txt", b"cat\ndog\n")])
    images = load_images(file)
    assert images.classes == ("cat", "dog") and images.labels.tolist() == [0, 1] * 4
    assert [p.sha256 for p in images.pictures] == [picture(i).sha256 for i in range(8)]


def test_json_brings_label_question_and_group(tmp_path) -> None:
    file = tmp_path / "q.tar.gz"
    told = [json.dumps({"label": ("no", "yes")[i % 2], "question": "Ripe?", "group": f"g{i // 2}"}).encode() for i in range(8)]
    pack(file, [m for i in range(8) for m in ((f"a/{i}.png", png(i)), (f"a/{i}.json", told[i]))], "w:gz")
    images = load_images(file)
    assert images.classes == ("no", "yes") and images.question == "Ripe?" and images.groups[:3] == ("g0", "g0", "g1")


def test_class_folders_and_splits_in_a_tar(tmp_path) -> None:
    file = tmp_path / "folders.tgz"
    pack(
        file,
        [
            (f"pets/{part}/{'ab'[i % 2]}/{part}{i}.png", png(i + 8 * (part == "test")))
            for part in ("train", "test")
            for i in range(4)
        ],
        "w:gz",
    )
    images = load_images(file)
    assert images.classes == ("a", "b") and images.parts == ("train",) * 4 + ("test",) * 4


def test_shards_in_a_folder_are_read_by_their_splits(tmp_path) -> None:
    pack(tmp_path / "train-000000.tar", samples(4))
    pack(tmp_path / "train-000001.tar", [(name.replace("0000", "0001"), data) for name, data in samples(8)[8:]])
    pack(
        tmp_path / "test-000000.tar",
        [(f"{i}.{kind}", data) for i in (20, 21, 22, 23) for kind, data in (("png", png(i)), ("cls", b"01"[i % 2 : i % 2 + 1]))],
    )
    images = load_images(tmp_path)
    assert images.parts == ("train",) * 8 + ("test",) * 4 and images.names[0] == "train-000000.tar/00000.png"


def test_what_is_pickled_is_counted_and_never_opened(tmp_path) -> None:
    file = tmp_path / "p.tar"
    trap = b"cos\nsystem\n(S'touch " + str(tmp_path / "trap").encode() + b"'\ntR."
    pack(file, [*samples(), *((f"{i:05}.{kind}", trap) for i in range(8) for kind in ("pyd", "pth"))])
    # what belongs to a sample comes behind all others here: another key, and so a sample without a picture
    told = " ".join(load_images(file).notes)
    assert "not opened: .pyd (8), .pth (8)" in told and not (tmp_path / "trap").exists()


def test_images_without_a_label_are_named(tmp_path) -> None:
    file = tmp_path / "t.tar"
    pack(file, [*samples(4), ("99999.png", png(50))])
    assert "1 image of 't.tar' without a label left out: '99999.png'." in load_images(file).notes


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_passed_over(tmp_path, kind) -> None:
    file = tmp_path / "l.tar"
    with tarfile.open(file, "w") as archive:
        for name, data in samples(4):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("00009.png")
        link.type, link.linkname = kind, "/etc/passwd"
        archive.addfile(link)
    assert len(load_images(file)) == 4


def test_names_that_lead_out_are_only_names(tmp_path) -> None:
    file = tmp_path / "n.tar"
    pack(file, [m for i in range(4) for m in ((f"../../x/{i}.png", png(i)), (f"../../x/{i}.cls", b"ab"[i % 2 : i % 2 + 1]))])
    assert load_images(file).classes == ("a", "b") and not (tmp_path.parent.parent / "x").exists()


def test_damage_and_other_kinds_are_refused(tmp_path) -> None:
    file = tmp_path / "bad.tar"
    pack(tmp_path / "good.tar", samples())
    good = (tmp_path / "good.tar").read_bytes()
    for data in (b"", b"no tar at all" * 100, good[:700], gzip.compress(good)[:200], gzip.compress(b"x" * 5000)):
        file.write_bytes(data)
        with pytest.raises(UserError, match="'bad.tar' was not read"):
            load_images(file)


def test_what_inflates_beyond_the_budget_is_refused(tmp_path) -> None:
    file = tmp_path / "bomb.tar.gz"
    pack(file, [("a/1.png", b"\0" * (8 << 20)), ("b/1.png", png(1))], "w:gz")
    assert file.stat().st_size < 1 << 17
    with pytest.raises(UserError, match="inflates to more than 1 MiB"):
        load_images(file, budget=Budget(inflated_bytes=1 << 20))
    pack(
        file,
        [("a/1.png", b"\0" * (2 << 20)), *((f"{c}/{i}.png", png(i + 9 * (c == "b"))) for c in "ab" for i in range(2, 5))],
        "w:gz",
    )
    told = " ".join(load_images(file, budget=Budget(file_bytes=1 << 20)).notes)
    assert "a/1.png" in told and "larger than 1 MiB" in told


def test_an_overlong_header_is_refused_unread(tmp_path) -> None:
    file = tmp_path / "h.tar"
    with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("a/1.png")
        member.pax_headers = {"comment": "x" * (2 * TEXT_BYTES)}
        archive.addfile(member)
    with pytest.raises(UserError, match="'h.tar' was not read"):
        load_images(file)


def test_too_many_members_are_refused(tmp_path) -> None:
    pack(tmp_path / "many.tar", [(f"a/{i}.txt", b"x") for i in range(60)])
    with pytest.raises(UserError, match="more than 40 files"):
        load_images(tmp_path / "many.tar", budget=Budget(files=10))


def test_a_tar_that_the_package_datasets_reads_is_read_alike(tmp_path) -> None:
    pack(tmp_path / "train-000.tar", samples())
    theirs = datasets.load_dataset(
        "webdataset", data_files=str(tmp_path / "train-000.tar"), split="train", cache_dir=str(tmp_path / "c")
    )
    ours = load_images(tmp_path / "train-000.tar")
    assert [str(row["cls"]) for row in theirs] == [ours.classes[label] for label in ours.labels]
    assert [row["__key__"] + ".png" for row in theirs] == list(ours.names)


def test_labels_may_stand_behind_all_images(tmp_path) -> None:
    parts = samples()
    pack(tmp_path / "t.tar", parts[::2] + parts[1::2])
    assert load_images(tmp_path / "t.tar").labels.tolist() == [0, 1] * 4


@pytest.mark.parametrize("beside", ["a/0.json", "a/0.txt"])
def test_folders_say_the_class_though_other_facts_lie_beside_an_image(tmp_path, beside) -> None:
    pack(tmp_path / "t.tar", [*((f"{'ab'[i % 2]}/{i}.png", png(i)) for i in range(8)), (beside, b'{"width": 20}')])
    assert load_images(tmp_path / "t.tar").classes == ("a", "b")


def test_a_sign_that_only_looks_like_a_number_is_a_word(tmp_path) -> None:
    named = [m for i in range(8) for m in ((f"{i}.png", png(i)), (f"{i}.cls", ("0", "²")[i % 2].encode()))]
    pack(tmp_path / "t.tar", [("classnames.txt", b"cat\ndog"), *named])
    assert set(load_images(tmp_path / "t.tar").classes) == {"cat", "²"}


def test_labels_of_any_size_are_bounded(tmp_path) -> None:
    pack(
        tmp_path / "t.tar",
        [(f"{i}.{kind}", data) for i in range(4) for kind, data in (("png", png(i)), ("json", b"{}" + b" " * 9000))],
    )
    with pytest.raises(UserError, match="labels are larger than 0 MiB together"):
        load_images(tmp_path / "t.tar", budget=Budget(table_bytes=20_000))


def test_a_table_among_the_images_says_what_it_says_in_a_folder(tmp_path) -> None:
    rows = [{"file_name": f"{i}.png", "label": ("no", "yes")[i % 2], "question": "Ripe?", "group": f"g{i // 2}"} for i in range(8)]
    table = "".join(json.dumps(row) + "\n" for row in rows).encode()
    for name, where in (("metadata.jsonl", 0), ("pets/metadata.jsonl", 8)):  # before the images, and behind them in a folder
        members = [(f"{name.rpartition('/')[0]}/{i}.png".lstrip("/"), png(i)) for i in range(8)]
        members.insert(where, (name, table))
        pack(tmp_path / "pets.tar", members)
        images = load_images(tmp_path / "pets.tar")
        assert images.classes == ("no", "yes") and images.labels.tolist() == [0, 1] * 4 and images.question == "Ripe?"
        assert images.groups[:3] == ("g0", "g0", "g1")
        assert [p.sha256 for p in images.pictures] == [picture(i).sha256 for i in range(8)]


def test_an_image_beside_a_table_that_no_row_names_is_left_out_by_name(tmp_path) -> None:
    table = "\n".join(["file_name,label", *(f"{i}.png,{'ab'[i % 2]}" for i in range(8))]).encode()
    pack(tmp_path / "t.tar", [("pets/metadata.csv", table), *((f"pets/{i}.png", png(i)) for i in range(9))])
    images = load_images(tmp_path / "t.tar")
    assert images.classes == ("a", "b") and len(images) == 8
    assert "8.png" in " ".join(images.notes) and "no row names it" in " ".join(images.notes)


def test_tables_of_splits_in_a_tar_and_images_that_none_names(tmp_path) -> None:
    def csv(first: int, n: int) -> bytes:
        return "\n".join(["file_name,label", *(f"{i}.png,{'ab'[i % 2]}" for i in range(first, first + n))]).encode()

    members = [("train/metadata.csv", csv(0, 8)), ("test/metadata.csv", csv(8, 4))]
    members += [(f"{'train' if i < 8 else 'test'}/{i}.png", png(i)) for i in range(13)]
    pack(tmp_path / "pets.tar.gz", members, "w:gz")
    images = load_images(tmp_path / "pets.tar.gz")
    assert images.classes == ("a", "b") and images.parts == ("train",) * 8 + ("test",) * 4
    assert "12.png" in " ".join(images.notes)


def test_a_table_in_a_tar_is_bounded(tmp_path) -> None:
    pack(tmp_path / "t.tar", [("metadata.csv", b"file_name,label\n" + b"x.png,a\n" * 1000), *samples()])
    with pytest.raises(UserError, match="Its tables are larger"):
        load_images(tmp_path / "t.tar", budget=Budget(table_bytes=4000))


@pytest.mark.parametrize(("name", "kind"), [("a.tar.bz2", "bz2"), ("a.tbz2", "bz2"), ("a.tar.xz", "xz"), ("a.txz", "xz")])
def test_bzip2_and_xz_are_unpacked_and_counted_too(tmp_path, name, kind) -> None:
    pack(tmp_path / name, samples(), f"w:{kind}")
    assert len(load_images(tmp_path / name)) == 8
    pack(tmp_path / name, [*samples(), ("zeros.bin", bytes(30 << 20))], f"w:{kind}")
    with pytest.raises(UserError, match="inflates to more than"):
        load_images(tmp_path / name, budget=Budget(inflated_bytes=20 << 20))
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:50])
    with pytest.raises(UserError, match="damaged or cut short"):
        load_images(tmp_path / name)


def test_xz_in_several_streams_is_one_and_one_that_asks_for_much_memory_is_refused(tmp_path, monkeypatch) -> None:
    pack(tmp_path / "whole.tar", samples())
    whole = (tmp_path / "whole.tar").read_bytes()
    (tmp_path / "a.tar.xz").write_bytes(lzma.compress(whole[:5000]) + bytes(4) + lzma.compress(whole[5000:]) + bytes(8))
    assert len(load_images(tmp_path / "a.tar.xz")) == 8
    monkeypatch.setattr("sn_viz.sources.xz.MEMORY_BYTES", 1 << 20)
    with pytest.raises(UserError, match="damaged"):
        load_images(tmp_path / "a.tar.xz")


def test_without_lzma_it_is_told(tmp_path, monkeypatch) -> None:
    pack(tmp_path / "a.tar.xz", samples(), "w:xz")
    monkeypatch.setitem(sys.modules, "lzma", None)
    with pytest.raises(UserError, match="'a.tar.xz' was not read. This Python is built without lzma.*tar.gz"):
        load_images(tmp_path / "a.tar.xz")


@pytest.mark.parametrize("name", ["a.tar.zst", "a.7z", "a.rar", "a.png.bz2"])
def test_files_packed_in_other_ways_are_told(tmp_path, name) -> None:
    (tmp_path / name).write_bytes(b"x" * 100)
    with pytest.raises(UserError, match=f"'{name}' holds no labelled images. Files packed as .* are not read. Pack the folder as"):
        load_images(tmp_path / name)


def test_images_beside_archives_are_named(tmp_path) -> None:
    pack(tmp_path / "pets.tar", samples())
    (tmp_path / "loose.png").write_bytes(png(9))
    assert "1 image beside the archives" in " ".join(load_images(tmp_path).notes)


@pytest.mark.timeout(60)
def test_a_member_that_says_it_is_endless_is_cut_short(tmp_path) -> None:
    member = tarfile.TarInfo("0.png")
    member.size = 2**50
    (tmp_path / "long.tar").write_bytes(member.tobuf() + bytes(512))
    with pytest.raises(UserError, match="cut short"):
        load_images(tmp_path / "long.tar")


def beside(kind: str, *labels: bytes) -> list[tuple[str, bytes]]:
    return [member for i, label in enumerate(labels) for member in ((f"{i}.png", png(i)), (f"{i}.{kind}", label))]


@pytest.mark.parametrize(("kind", "label"), [("cls", pickle.dumps("cat")), ("pkl", b"x"), ("cls", b" "), ("json", b"{")])
def test_files_beside_the_images_that_give_no_label_are_told(tmp_path, kind, label) -> None:
    pack(tmp_path / "x.tar", beside(kind, *[label] * 6))
    with pytest.raises(UserError, match=rf"No image has a label: .* \.{kind} \(6\)"):
        load_images(tmp_path / "x.tar")


def test_a_label_that_is_no_text_is_named_and_others_are_read_by_their_mark(tmp_path) -> None:
    labels = ["cat".encode("utf-16"), "\ufeffdog".encode(), b"cat", b"dog", "naïve".encode("latin-1"), pickle.dumps("dog")]
    pack(tmp_path / "x.tar", beside("cls", *labels))
    images = load_images(tmp_path / "x.tar")
    assert images.classes == ("cat", "dog") and images.labels.tolist() == [0, 1, 0, 1]
    assert "2 labels of 'x.tar' not read, for they are no text: '4.cls', '5.cls'." in images.notes


def test_a_label_of_json_may_be_a_number_with_a_point(tmp_path) -> None:
    pack(tmp_path / "x.tar", beside("json", *[json.dumps({"label": float(i % 2)}).encode() for i in range(6)]))
    assert load_images(tmp_path / "x.tar").classes == ("0", "1")


def test_an_image_with_two_labels_is_refused(tmp_path) -> None:
    pack(tmp_path / "x.tar", [*samples(), ("00000.png", png(20)), ("00000.cls", b"1")])
    with pytest.raises(UserError, match="'00000.cls' twice, and the two differ"):
        load_images(tmp_path / "x.tar")


@pytest.mark.parametrize("where", ["in the first shard", "beside the shards"])
def test_names_of_classes_hold_for_all_shards(tmp_path, where) -> None:
    first = where == "in the first shard"
    pack(tmp_path / "a-0000.tar", [*samples(), *([("classnames.txt", b"cat\ndog")] if first else [])])
    pack(tmp_path / "a-0001.tar", [(f"{i}.{kind}", data) for i in range(8) for kind, data in (("png", png(8 + i)), ("cls", b"1"))])
    if not first:
        (tmp_path / "classnames.txt").write_text("cat\ndog\n")
    images = load_images(tmp_path)
    assert images.classes == ("cat", "dog") and len(images) == 16
