"""Parquet and saved data sets: pictures and labels are found whatever the columns hold, and nothing of a file is trusted."""

from __future__ import annotations

import json
import subprocess
import sys

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from image_files import picture as drawn
from image_files import png
from PIL import Image

from sn_viz.errors import UserError
from sn_viz.sources import Budget, load_images
from sn_viz.sources.ingest import as_picture
from sn_viz.splits.split import own_split

CLASSES = ("cat", "dog")


def picture(i: int):
    """Return the picture that ``png(i)`` holds."""
    return as_picture(drawn(i))


def pets(n: int = 8) -> datasets.Dataset:
    """Return a data set as the hub has them: a struct of bytes and path, and numbers that stand for names."""
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(CLASSES))})
    images = [Image.fromarray(picture(i).pixels) for i in range(n)]
    return datasets.Dataset.from_dict({"image": images, "label": [i % 2 for i in range(n)]}, features=features)


def table(path, **columns) -> None:
    parquet.write_table(pa.table(columns), path)


def test_a_parquet_of_the_hub_is_read_with_the_names_of_its_classes(tmp_path) -> None:
    pets().to_parquet(tmp_path / "pets.parquet")
    images = load_images(tmp_path / "pets.parquet", "Which?")
    assert images.classes == CLASSES and images.labels.tolist() == [0, 1] * 4 and images.question == "Which?"
    assert [p.sha256 for p in images.pictures] == [picture(i).sha256 for i in range(8)]


def test_bytes_paths_questions_groups_and_splits(tmp_path) -> None:
    for i in range(6):
        (tmp_path / f"{i}.png").write_bytes(png(i))
    more = {"question": ["Ripe?"] * 6, "group": ["a", "a", "b", "b", "c", "c"], "split": ["train"] * 4 + ["test"] * 2}
    label = ["yes", "no"] * 3
    table(tmp_path / "by_bytes.parquet", image=[png(i) for i in range(6)], label=label, **more)
    table(tmp_path / "by_path.parquet", image=[f"{i}.png" for i in range(6)], label=label, **more)
    by_bytes, by_path = (load_images(tmp_path / f"by_{name}.parquet") for name in ("bytes", "path"))
    for images in (by_bytes, by_path):
        assert images.classes == ("no", "yes") and images.question == "Ripe?" and images.parts == ("train",) * 4 + ("test",) * 2
        assert images.groups == tuple("aabbcc") and "The splits in" in images.notes[0]
    assert [p.sha256 for p in by_bytes.pictures] == [p.sha256 for p in by_path.pictures]


def test_a_path_leads_nowhere_but_beside_the_table(tmp_path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "secret.png").write_bytes(png(1))
    for path in ("../secret.png", str(tmp_path / "secret.png"), "https://example.org/a.png"):
        table(tmp_path / "inside" / "t.parquet", image=[path, "b.png"], label=["a", "b"])
        with pytest.raises(UserError, match=r"outside the table's folder|is an address"):
            load_images(tmp_path / "inside" / "t.parquet")


def test_a_column_that_cannot_be_told_is_asked_for(tmp_path) -> None:
    features = {"fine": datasets.ClassLabel(names=["a", "b"]), "coarse": datasets.ClassLabel(names=["x", "y"])}
    images = [Image.fromarray(picture(i).pixels) for i in range(8)]
    rows = {"picture": images, "fine": [0, 1] * 4, "coarse": [0] * 4 + [1] * 4}
    file = tmp_path / "two.parquet"
    datasets.Dataset.from_dict(rows, features=datasets.Features({"picture": datasets.Image(), **features})).to_parquet(file)
    with pytest.raises(UserError, match="several columns of classes.*'fine', 'coarse'.*label=fine"):
        load_images(file)
    assert load_images(file, columns={"label": "coarse"}).classes == ("x", "y")
    with pytest.raises(UserError, match="no column 'colour'.*'picture'"):
        load_images(file, columns={"label": "colour"})
    with pytest.raises(UserError, match="no field 'lable'"):
        load_images(file, columns={"lable": "fine"})
    with pytest.raises(UserError, match="no column of images"):
        table(tmp_path / "none.parquet", number=[1.5, 2.5], label=["a", "b"])
        load_images(tmp_path / "none.parquet")


def test_columns_of_data_without_columns_are_refused(tmp_path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(UserError, match="Columns were named for data that has none"):
        load_images(tmp_path, columns={"label": "x"})


def test_rows_without_a_label_or_a_picture_are_named(tmp_path) -> None:
    file = tmp_path / "t.parquet"
    table(file, image=[png(0), png(1), None, png(3), b"nothing", png(5)], label=["a", None, "a", "b", "b", "b"])
    with pytest.raises(UserError, match=r"Row 2 of 't.parquet' has no label.*2 files left out|Class 'a' has only one"):
        load_images(file)
    table(file, image=[png(i) for i in range(5)] + [None, b"x"], label=["a", "b", "a", "b", None, "a", "b"])
    told = " ".join(load_images(file).notes)
    assert "Row 5 of 't.parquet' has no label" in told and "row 6" in told and "row 7" in told


def test_of_a_long_table_a_random_part_is_read_and_said(tmp_path) -> None:
    file = tmp_path / "long.parquet"
    table(file, image=[png(i) for i in range(40)], label=["a"] * 20 + ["b"] * 20)  # sorted by class, as many are
    images = load_images(file, budget=Budget(files=16))
    assert len(images) == 16 and len(images.classes) == 2
    assert "has 40 rows; 16 of them were read, chosen at random" in images.notes[0]
    assert images.names == load_images(file, budget=Budget(files=16)).names


def test_a_folder_of_parquet_files_is_read_by_its_splits(tmp_path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "README.md").write_text("about")
    pets(4).to_parquet(tmp_path / "data" / "train-00000-of-00002.parquet")
    pets(8).select(range(4, 8)).to_parquet(tmp_path / "data" / "train-00001-of-00002-a1b2.parquet")
    pets(12).select(range(8, 12)).to_parquet(tmp_path / "data" / "validation-00000-of-00001.parquet")
    images = load_images(tmp_path)
    assert images.parts == ("train",) * 8 + ("test",) * 4 and "splits" in images.notes[0]


def test_saved_data_sets_are_read_with_their_splits(tmp_path) -> None:
    pets().save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict(train=pets(4), test=pets(8).select(range(4, 8))).save_to_disk(str(tmp_path / "two"))
    assert load_images(tmp_path / "one").classes == CLASSES and not load_images(tmp_path / "one").parts
    assert load_images(tmp_path / "two").parts == ("train",) * 4 + ("test",) * 4


def test_a_saved_data_set_names_no_file_of_elsewhere(tmp_path) -> None:
    pets().save_to_disk(str(tmp_path / "one"))
    for name in ("../../etc/passwd", "/etc/passwd", "dataset_info.json", 3):
        (tmp_path / "one" / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
        with pytest.raises(UserError, match="description is damaged"):
            load_images(tmp_path / "one")


def test_damaged_files_are_refused_in_a_sentence(tmp_path) -> None:
    pets().to_parquet(tmp_path / "good.parquet")
    good = (tmp_path / "good.parquet").read_bytes()
    file = tmp_path / "bad.parquet"
    rng = np.random.default_rng(0)
    for data in (b"", b"PAR1", good[:100] + good[-40:], good[: len(good) // 2], bytes(rng.integers(0, 256, 500, np.uint8))):
        file.write_bytes(data)
        with pytest.raises(UserError, match="'bad.parquet' was not read"):
            load_images(file)


@pytest.mark.long
def test_a_file_that_inflates_without_end_costs_this_process_nothing(tmp_path) -> None:
    file = tmp_path / "bomb.parquet"
    huge = pa.DictionaryArray.from_arrays(pa.array([0] * 40, pa.int32()), pa.array([b"\0" * (100 << 20)]))
    parquet.write_table(pa.table({"image": huge, "label": ["a", "b"] * 20}), file, compression="zstd", store_schema=False)
    assert file.stat().st_size < 1 << 20
    code = (
        "from sn_viz.sources import load_images; from sn_viz.errors import UserError\n"
        f"try: load_images({str(file)!r})\n"
        "except UserError as error: print(error)\n"
        "print([line for line in open('/proc/self/status') if line.startswith('VmHWM')][0].split()[1])"
    )
    said, peak = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert "was not read" in said or "could be read" in said
    assert int(peak) < 400 << 10, "kilobytes"


def test_without_pyarrow_it_says_how_to_get_it(tmp_path, monkeypatch) -> None:
    pets().to_parquet(tmp_path / "pets.parquet")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="'pyarrow' is not installed.*pip install pyarrow"):
        load_images(tmp_path / "pets.parquet")


def test_whole_numbers_beside_a_missing_one_are_labels_and_dates_are_not(tmp_path) -> None:
    file, images = tmp_path / "t.parquet", [png(i) for i in range(7)]
    table(file, image=images, label=[0.0, 1.0, None, 0.0, 1.0, float("nan"), 0.0])
    assert load_images(file).classes == ("0", "1") and len(load_images(file)) == 5
    table(file, image=images, label=pa.array([1, 2] * 3 + [1], pa.timestamp("s")))
    with pytest.raises(UserError, match="column 'label' of 't.parquet' was not read.*neither texts nor numbers"):
        load_images(file)


def test_two_columns_of_one_name_are_refused(tmp_path) -> None:
    columns = [pa.array([png(i) for i in range(4)]), pa.array(list("abab")), pa.array(list("cdcd"))]
    parquet.write_table(pa.Table.from_arrays(columns, ["image", "label", "label"]), tmp_path / "t.parquet")
    with pytest.raises(UserError, match="two columns 'label'"):
        load_images(tmp_path / "t.parquet")


def test_images_beside_a_parquet_file_are_named_unless_a_row_names_them(tmp_path) -> None:
    pets().to_parquet(tmp_path / "pets.parquet")
    for name in ("one.png", "two.PNG"):
        (tmp_path / name).write_bytes(png(9))
    told = " ".join(load_images(tmp_path).notes)
    assert "2 images beside the Parquet files" in told and "'one.png', 'two.PNG'" in told and "no row names them" in told
    (tmp_path / "pets.parquet").unlink()
    for i in range(8):
        (tmp_path / f"{i}.png").write_bytes(png(i))
    table(tmp_path / "paths.parquet", image=[f"{i}.png" for i in range(8)], label=["a", "b"] * 4)
    told = " ".join(load_images(tmp_path).notes)
    assert "2 images beside" in told and "'0.png'" not in told


def test_splits_with_other_columns_are_each_read_by_their_own(tmp_path) -> None:
    renamed = pets(8).select(range(4, 8)).rename_columns({"image": "picture", "label": "class"})
    datasets.DatasetDict(train=pets(4), test=renamed).save_to_disk(str(tmp_path / "two"))
    images = load_images(tmp_path / "two")
    assert images.classes == CLASSES and images.parts == ("train",) * 4 + ("test",) * 4
    without = pets(8).select(range(4, 8)).remove_columns("label")
    datasets.DatasetDict(train=pets(4), test=without).save_to_disk(str(tmp_path / "less"))
    less = load_images(tmp_path / "less")
    assert len(less) == 4 and "The split 'test' has no labels, so nothing is tested on it." in less.notes
    datasets.DatasetDict(train=without, test=pets(4)).save_to_disk(str(tmp_path / "none"))
    with pytest.raises(UserError, match="none, split train"):
        load_images(tmp_path / "none")


def test_files_of_one_split_with_other_columns_are_named(tmp_path) -> None:
    pets(4).to_parquet(tmp_path / "train-00000-of-00002.parquet")
    pets(4).rename_column("label", "kind").to_parquet(tmp_path / "train-00001-of-00002.parquet")
    with pytest.raises(UserError, match=r"'train-00001-of-00002.parquet' has no column 'label'"):
        load_images(tmp_path)


def words(kind: pa.DataType) -> pa.Array:
    return pa.array([b"cat", b"dog"] * 4, pa.binary()) if kind == pa.binary() else pa.array(list(CLASSES) * 4, kind)


@pytest.mark.parametrize("kind", [pa.binary(), pa.string_view(), pa.large_string()], ids=str)
def test_words_and_pictures_are_read_however_arrow_keeps_them(tmp_path, kind) -> None:
    pictures = pa.array([png(i) for i in range(8)], pa.binary_view())
    table(tmp_path / "t.parquet", image=pictures, label=words(kind))
    assert load_images(tmp_path / "t.parquet").classes == CLASSES


def test_decimals_are_numbers(tmp_path) -> None:
    table(tmp_path / "t.parquet", image=[png(i) for i in range(8)], label=pa.array([1, 2] * 4).cast(pa.decimal128(21, 2)))
    assert load_images(tmp_path / "t.parquet").classes == ("1", "2")


def test_bytes_that_are_no_text_are_no_labels(tmp_path) -> None:
    table(tmp_path / "t.parquet", image=[png(i) for i in range(8)], label=[b"\x80\x04pickled", b"\xff"] * 4)
    with pytest.raises(UserError, match="bytes that are no text"):
        load_images(tmp_path / "t.parquet")


@pytest.mark.parametrize(
    "told", [b"{", b"[]", b'{"info": [1]}', b'{"info": {"features": [1]}}', b'{"info": {"features": {"label": 3}}}']
)
def test_a_table_is_read_without_what_is_damaged_of_its_description(tmp_path, told) -> None:
    rows = pa.table({"image": [png(i) for i in range(8)], "label": list(CLASSES) * 4})
    parquet.write_table(rows.replace_schema_metadata({b"huggingface": told}), tmp_path / "t.parquet")
    assert load_images(tmp_path / "t.parquet").classes == CLASSES


def named(path, names, labels, first: int = 0) -> None:
    """Write a table whose numbers stand for names."""
    told = {"info": {"features": {"label": {"_type": "ClassLabel", "names": names}}}}
    rows = pa.table({"image": [png(first + i) for i in range(8)], "label": labels})
    parquet.write_table(rows.replace_schema_metadata({b"huggingface": json.dumps(told).encode()}), path)


def test_each_file_says_what_its_own_numbers_stand_for(tmp_path) -> None:
    named(tmp_path / "train-00000-of-00002.parquet", ["cat", "dog"], [0, 1] * 4)
    named(tmp_path / "train-00001-of-00002.parquet", ["dog", "cat"], [0, 1] * 4, first=8)
    images = load_images(tmp_path)
    assert images.labels.tolist() == [0, 1] * 4 + [1, 0] * 4 and images.classes == CLASSES


def test_names_by_number_and_numbers_with_a_point_are_understood(tmp_path) -> None:
    named(tmp_path / "t.parquet", {"0": "cat", "1": "dog"}, [0.0, 1.0, float("nan"), 1.0, 0.0, 1.0, 0.0, 1.0])
    images = load_images(tmp_path / "t.parquet")
    assert images.classes == CLASSES and len(images) == 7


def test_files_of_which_one_has_words_and_one_numbers_are_refused(tmp_path) -> None:
    for i, label in enumerate((list(CLASSES) * 4, [0, 1] * 4)):
        table(tmp_path / f"train-0000{i}-of-00002.parquet", image=[png(8 * i + k) for k in range(8)], label=label)
    with pytest.raises(UserError, match="holds int64 in 'train-00001-of-00002.parquet' and string in the first"):
        load_images(tmp_path)


def test_two_columns_that_differ_in_capitals_are_refused_until_one_is_named(tmp_path) -> None:
    file = tmp_path / "t.parquet"
    table(file, image=[png(i) for i in range(8)], Label=list(CLASSES) * 4, label=["x", "y"] * 4)
    with pytest.raises(UserError, match="has the columns 'Label' and 'label'"):
        load_images(file)
    assert load_images(file, columns={"label": "label"}).classes == ("x", "y")
    with pytest.raises(UserError, match="'image' was named for image, label"):
        load_images(file, columns={"image": "image", "label": "image"})


def test_a_split_that_was_saved_without_a_row_is_said_to_be_empty(tmp_path) -> None:
    datasets.DatasetDict(train=pets(), test=pets().select([])).save_to_disk(str(tmp_path / "pets"))
    images = load_images(tmp_path / "pets")
    assert len(images) == 8
    with pytest.raises(UserError, match="test split is empty"):
        own_split(images)


def test_of_two_columns_that_could_be_the_labels_the_other_one_is_told(tmp_path) -> None:
    table(tmp_path / "two.parquet", image=[png(i) for i in range(8)], label=list("abababab"), answer=list("ccddccdd"))
    images = load_images(tmp_path / "two.parquet")
    said = "The labels of 'two.parquet' are its column 'label'; 'answer' could be meant too, and is chosen by label=COLUMN."
    assert images.classes == ("a", "b") and said in images.notes
    assert load_images(tmp_path / "two.parquet", columns={"label": "label"}).notes == ()
    rows = datasets.load_dataset("parquet", data_files=str(tmp_path / "two.parquet"), split="train", cache_dir=str(tmp_path / "c"))
    assert said.replace("'two.parquet'", "the data set") in load_images(rows).notes
