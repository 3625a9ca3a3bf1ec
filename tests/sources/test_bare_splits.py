"""A test split without labels, as public benchmarks have it: the validation split is tested on instead, and that is said."""

from __future__ import annotations

import io
import shutil
import tarfile

import datasets
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from image_files import picture, png

from sn_viz.sources import load_images

LABELS = {"train": "abababab", "validation": "abababab", "test": ""}


def at(split: str, i: int) -> int:
    return 10 * list(LABELS).index(split) + i


def columns(split: str, missing: object = None) -> dict[str, list]:
    return {"image": [png(at(split, i)) for i in range(8)], "label": list(LABELS[split]) or [missing] * 8}


def parquet_files(folder, splits):
    for split in splits:
        columns_ = columns(split)
        parquet.write_table(
            pa.table({"image": columns_["image"], "label": pa.array(columns_["label"], pa.string())}), folder / f"{split}.parquet"
        )
    return folder


def parquet_files_without_the_column(folder, splits):
    parquet_files(folder, splits)
    parquet.write_table(pa.table({"image": columns("test")["image"]}), folder / "test.parquet")
    return folder


def parquet_column(folder, splits):
    rows = [(image, label, split) for split in splits for image, label in zip(*columns(split).values(), strict=True)]
    image, label, said = zip(*rows, strict=True)
    table = pa.table({"image": image, "label": pa.array(label, pa.string()), "split": said})
    parquet.write_table(table, folder / "all.parquet")
    return folder / "all.parquet"


def data_sets(folder, splits):
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})
    numbers = {"a": 0, "b": 1, -1: -1}  # as the hub's own test splits are numbered
    made = {
        split: {
            "image": [picture(at(split, i)) for i in range(8)],
            "label": [numbers[label] for label in columns(split, -1)["label"]],
        }
        for split in splits
    }
    return datasets.DatasetDict({split: datasets.Dataset.from_dict(rows, features=features) for split, rows in made.items()})


def streams(folder, splits):
    return datasets.IterableDatasetDict({split: rows.to_iterable_dataset() for split, rows in data_sets(folder, splits).items()})


def saved(folder, splits):
    data_sets(folder, splits).save_to_disk(str(folder / "saved"))
    return folder / "saved"


def class_folders(folder, splits):
    for split in splits:
        for i, label in enumerate(LABELS[split] or " " * 8):
            place = folder / "set" / split / label.strip()
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{i}.png").write_bytes(png(at(split, i)))
    return folder / "set"


def zipped(folder, splits):
    return folder / shutil.make_archive(str(folder / "set"), "zip", class_folders(folder, splits))


def with_tables(folder, splits):
    for split in splits:
        (folder / "set" / split).mkdir(parents=True)
        for i in range(8):
            (folder / "set" / split / f"{i}.png").write_bytes(png(at(split, i)))
        rows = "".join(f"{i}.png,{label}\n" for i, label in enumerate(LABELS[split]))
        if rows:
            (folder / "set" / split / "metadata.csv").write_text(f"file_name,label\n{rows}")
    return folder / "set"


def table(folder, splits):
    rows = []
    for split in splits:
        for i, label in enumerate(columns(split, "")["label"]):
            (folder / f"{split}{i}.png").write_bytes(png(at(split, i)))
            rows.append(f"{split}{i}.png,{label},{split}")
    (folder / "t.csv").write_text("\n".join(["image,label,split", *rows]))
    return folder / "t.csv"


def shards(folder, splits):
    for split in splits:
        with tarfile.open(folder / f"{split}-000.tar", "w") as archive:
            for i in range(8):
                label = [(f"{i}.cls", LABELS[split][i].encode())] if LABELS[split] else []
                for name, data in [(f"{i}.png", png(at(split, i))), *label]:
                    member = tarfile.TarInfo(name)
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
    return folder


FORMS = [
    *(parquet_files, parquet_files_without_the_column, parquet_column, data_sets, streams, saved),
    *(class_folders, zipped, with_tables, table, shards),
]


@pytest.mark.parametrize("form", FORMS)
def test_the_validation_split_is_tested_on_where_the_test_split_has_no_labels(tmp_path, form) -> None:
    images = load_images(form(tmp_path, list(LABELS)))
    assert images.parts == ("train",) * 8 + ("test",) * 8
    told = " ".join(images.notes)
    assert "the validation split is used for testing" in told and "The split 'test' has no labels" in told


@pytest.mark.parametrize("form", FORMS)
def test_with_a_training_split_alone_the_test_images_are_taken_from_it(tmp_path, form) -> None:
    images = load_images(form(tmp_path, ["train", "test"]))
    assert images.parts == () and len(images) == 8
    told = " ".join(images.notes)
    assert "The split 'test' has no labels" in told or "all rows with a label are in one, 'train'" in told


@pytest.mark.parametrize("form", [parquet_files, parquet_column, data_sets, class_folders, table, shards])
def test_a_test_split_with_labels_is_tested_on(tmp_path, form, monkeypatch) -> None:
    monkeypatch.setitem(LABELS, "test", "abababab")
    images = load_images(form(tmp_path, list(LABELS)))
    assert images.parts == ("train",) * 16 + ("test",) * 8 and "no labels" not in " ".join(images.notes)
