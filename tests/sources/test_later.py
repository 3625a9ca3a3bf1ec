"""Pictures that stay in their files: read again when they are needed, the same ones or not at all."""

import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sn_viz.errors import UserError
from sn_viz.memory import memory_bytes, picture_bytes
from sn_viz.sources import Budget, load_images
from sn_viz.sources.later import DECODED
from sn_viz.types import LabelledImages


def photograph(seed: int, side: int = 64) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))


@pytest.fixture
def folder(tmp_path) -> Path:
    for i in range(6):
        place = tmp_path / "pets" / ("cat" if i % 2 else "dog")
        place.mkdir(parents=True, exist_ok=True)
        photograph(i).save(place / f"{i}.jpg")
    return tmp_path / "pets"


def zipped(folder: Path, method: int) -> Path:
    path = folder.parent / "pets.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in sorted(folder.rglob("*.jpg")):
            archive.write(file, file.relative_to(folder))
    return path


def tarred(folder: Path) -> Path:
    path = folder.parent / "pets.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, "pets")
    return path


def as_bytes(folder: Path) -> list:
    return [(name, [(file.name, file.read_bytes()) for file in sorted((folder / name).iterdir())]) for name in ("cat", "dog")]


SOURCES = {
    "folder": lambda folder: folder,
    "zip": lambda folder: zipped(folder, zipfile.ZIP_DEFLATED),
    "stored zip": lambda folder: zipped(folder, zipfile.ZIP_STORED),
    "tar": tarred,
    "bytes": as_bytes,
}


def pixels_by_name(images: LabelledImages) -> dict[str, np.ndarray]:
    return {Path(name).name: picture.pixels for name, picture in zip(images.names, images.pictures, strict=True)}


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_read_again_equals_what_was_read_at_once(folder, source, monkeypatch):
    files = {file.name: np.asarray(Image.open(file)) for file in folder.rglob("*.jpg")}
    monkeypatch.setenv("SN_VIZ_MEMORY", "0")
    images = load_images(SOURCES[source](folder), "Is it a dog?")
    before = [picture.sha256 for picture in images.pictures]
    for _ in range(2):
        seen = pixels_by_name(images)
        assert seen.keys() == files.keys()
        assert all(np.array_equal(seen[name], files[name]) for name in files)
    assert [picture.sha256 for picture in images.pictures] == before
    assert {picture.shape for picture in images.pictures} == {(64, 64, 3)}


def test_no_pixels_of_a_folder_are_held_beyond_the_budget(folder, monkeypatch):
    monkeypatch.setenv("SN_VIZ_MEMORY", str(4 * 2 * 64 * 64 * 3 / 2**30))  # a quarter: two pictures
    images = load_images(folder, "Is it a dog?")
    assert picture_bytes() == 2 * 64 * 64 * 3
    for picture in images.pictures:
        assert picture.pixels.any()
        assert DECODED.n_bytes <= picture_bytes()
    assert not any("pixels" in vars(picture) for picture in images.pictures)
    assert sum(picture.kept_bytes for picture in images.pictures) == 0


@pytest.mark.parametrize("source", ["folder", "zip", "stored zip"])
def test_a_file_that_has_changed_is_named(folder, source, monkeypatch):
    monkeypatch.setenv("SN_VIZ_MEMORY", "0")
    path = SOURCES[source](folder)
    images = load_images(path, "Is it a dog?")
    for file in folder.rglob("*.jpg"):
        photograph(99).save(file)
    SOURCES[source](folder)
    for name, picture in zip(images.names, images.pictures, strict=True):
        with pytest.raises(UserError, match="has changed") as told:
            _ = picture.pixels
        assert name in str(told.value) and "Load the pictures again" in told.value.hint


@pytest.mark.parametrize("source", ["folder", "zip"])
def test_a_file_that_is_gone_is_named(folder, source, monkeypatch):
    monkeypatch.setenv("SN_VIZ_MEMORY", "0")
    path = SOURCES[source](folder)
    images = load_images(path, "Is it a dog?")
    for file in [*folder.rglob("*.jpg"), *folder.parent.glob("*.zip")]:
        file.unlink()
    for picture in images.pictures:
        with pytest.raises(UserError, match="can no longer be read"):
            _ = picture.pixels


@pytest.mark.parametrize("source", ["folder", "zip"])
def test_uploads_outlive_their_files(folder, source, monkeypatch):
    monkeypatch.setenv("SN_VIZ_MEMORY", "0")
    path = SOURCES[source](folder)
    images = load_images(path, "Is it a dog?", budget=Budget(files_may_go=True))
    expected = pixels_by_name(images)
    for file in [*folder.rglob("*.jpg"), *folder.parent.glob("*.zip")]:
        file.unlink()
    assert all(np.array_equal(seen, expected[name]) for name, seen in pixels_by_name(images).items())
    assert all(picture.kept_bytes > 0 for picture in images.pictures)


def test_where_nothing_can_be_written_bytes_stay_in_memory(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SN_VIZ_MEMORY", "0")
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path / "a file"))
    images = load_images(as_bytes(folder), "Is it a dog?")
    assert all(picture.pixels.shape == (64, 64, 3) for picture in images.pictures)


def test_whoever_measures_gets_the_pixels_before_the_clock_runs(folder, monkeypatch):
    monkeypatch.setenv("SN_VIZ_MEMORY", "0")
    picture = load_images(folder, "Is it a dog?").pictures[0]
    now = picture.decoded()
    assert now.pixels is now.pixels and now.sha256 == picture.sha256
    assert now.decoded() is now


def test_a_picture_travels_to_another_process_with_its_pixels(folder):
    picture = load_images(folder, "Is it a dog?").pictures[0]
    copy = pickle.loads(pickle.dumps(picture))
    assert np.array_equal(copy.pixels, picture.pixels) and copy.sha256 == picture.sha256


@pytest.mark.parametrize("said", ["much", "-1", "nan"])
def test_a_setting_that_is_no_amount_is_told(said, monkeypatch):
    monkeypatch.setenv("SN_VIZ_MEMORY", said)
    with pytest.raises(UserError, match="SN_VIZ_MEMORY"):
        memory_bytes()
    with pytest.raises(UserError, match="SN_VIZ_MEMORY is no amount"):
        load_images([("a", [("x.png", b"")])])


def test_a_reference_reads_the_same_picture_again_from_a_folder_or_a_zip_and_there_is_none_of_a_copy(folder, monkeypatch):
    for data in (folder, zipped(folder, zipfile.ZIP_DEFLATED)):
        pictures = load_images(data, "Is it a cat?").pictures
        references = pickle.loads(pickle.dumps([picture.reference() for picture in pictures]))
        monkeypatch.setenv("SN_VIZ_MEMORY", "0")
        DECODED.put("", np.zeros(1, np.uint8))  # nothing stays decoded
        for picture, reference in zip(pictures, references, strict=True):
            again = reference.picture()
            assert (again.sha256, again.shape, again.kept_bytes) == (picture.sha256, picture.shape, 0)
            np.testing.assert_array_equal(again.pixels, picture.pixels)
        assert len(pickle.dumps(references)) < 700 * len(references)
    assert [picture.reference() for picture in load_images(tarred(folder), "Is it a cat?").pictures] == [None] * 6
