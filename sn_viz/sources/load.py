"""Labelled images from anything that holds them: a path, a ``pack:``, ``hub:`` or ``bench:`` name, or images in memory.

Finds the source that reads the data and returns checked ``LabelledImages``. It knows nothing about models.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sn_viz.errors import UserError
from sn_viz.groups import all_groups
from sn_viz.memory import memory_bytes
from sn_viz.sources.budget import DEFAULT, Budget
from sn_viz.sources.columns import Asked, checked
from sn_viz.sources.gather import check, gather
from sn_viz.sources.source import SOURCES
from sn_viz.sources.spool import Spool
from sn_viz.sources.text import clean_question, distinct_names, quoted
from sn_viz.types import LabelledImages

PACK, HUB, BENCH = "pack:", "hub:", "bench:"
ALLOWED = (
    "Give a folder with one sub-folder of images per class, a zip of it, a CSV or JSONL table (image,label[,question][,group]), "
    "Parquet, a tar, a saved data set, annotations in the format of COCO, pack:NAME, hub:OWNER/NAME or bench:NAME=FOLDER."
)
PACKED = (".7z", ".rar", ".zst", ".lz4", ".br", ".lzma", ".z", ".gz", ".bz2", ".xz")
"""Ends of the names of files that are packed in a way that is not read."""
COLUMNED = "They are chosen in Parquet, saved data sets, data sets of the hub or in memory; the kind, in the format of COCO."


def load_images(
    data: object,
    question: str | None = None,
    *,
    labels: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    columns: Mapping[str, str] | None = None,
    budget: Budget = DEFAULT,
) -> LabelledImages:
    """Load labelled images from anything that holds them.

    Parameters
    ----------
    data : str, Path, LabelledImages, list, iterable or datasets.Dataset
        A folder with one sub-folder per class, a zip or tar of it, a CSV or JSONL table, Parquet, shards of WebDataset, a folder
        that ``save_to_disk`` wrote, annotations in the format of COCO, ``pack:NAME``, ``hub:OWNER/NAME[@REVISION][:CONFIG/SPLIT]``,
        ``bench:NAME=FOLDER`` (a published benchmark, see ``benchmarks``); or
        ``[(class name, [(file name, bytes or path)])]``; or anything that yields (picture, label) or (picture, label, question);
        or, with ``labels``, a list of paths, PIL images, uint8 arrays or Pictures.
    question : str or None
        Asked of every image; None keeps the questions that came with the data, or "" where there are none.
    labels : sequence of str or None
        The class name of each image, when ``data`` is a list of images.
    groups : sequence of str or None
        What each of them belongs to (a person, a recording), "" where to nothing: no group is ever on both sides of a split.
        Tables bring theirs in a column ``group``.
    columns : mapping of str to str or None
        Which column holds which field, where it cannot be told: ``{"label": "fine_label"}`` of a Parquet file, a saved data set, a
        data set of the hub or in memory; of annotations in the format of COCO ``{"label": "dog"}`` is the kind that is asked about.
    budget : Budget
        Limits on what is read.

    Returns
    -------
    LabelledImages
        At least two classes with at least two different images each. Two classes that read as no and yes are numbered 0 and 1.
        Notes name the files left out, duplicates dropped, and imbalance.

    Raises
    ------
    UserError
        When the data is missing, of another kind, unreadable, too large, or cannot be learnt from.

    Examples
    --------
    >>> images = [np.full((8, 8, 3), colour, np.uint8) for colour in ((200, 0, 0), (210, 0, 0), (0, 0, 9), (0, 0, 8))]
    >>> load_images(images, "Is it red?", labels=["yes", "yes", "no", "no"]).classes
    ('no', 'yes')
    """
    memory_bytes()  # a setting that is none is told before pictures are left out one by one for it
    budget = budget if budget.spool else replace(budget, spool=Spool())
    if isinstance(data, LabelledImages):
        return check(_ask(data, question, budget))
    if labels is not None:
        data = _labelled(data, labels, groups)
    if isinstance(data, str) and data.startswith(PACK):
        return check(_ask(_whole_pack(data.removeprefix(PACK)), question, budget))
    if isinstance(data, str) and data.startswith(BENCH):
        from sn_viz.sources.benchmarks.sample import load_benchmark

        return check(_ask(_joined(*load_benchmark(data, budget=budget)), question, budget))
    if isinstance(data, Path) or (isinstance(data, str) and not any(SOURCES[name].accepts(data) for name in SOURCES)):
        data = _existing(data)
    whole = Asked(data, checked(columns)) if columns else data
    for name in SOURCES:
        if SOURCES[name].accepts(whole):
            return gather(SOURCES[name].read(whole, budget), question, budget)
    if columns:
        raise UserError("Columns were named for data that has none to choose.", COLUMNED, "Leave them out, or rename the columns.")
    raise _another_kind(data)


def _ask(images: LabelledImages, question: str | None, budget: Budget) -> LabelledImages:
    return images.ask(question if question is None else clean_question(question, characters=budget.question_characters))


def _labelled(
    images: object, labels: Sequence[str], groups: Sequence[str] | None
) -> list[tuple[str, list[tuple[str, object, str]]]]:
    """Return images and their labels in the form of an upload."""
    if not isinstance(images, (list, tuple)) or len(images) != len(labels):
        arrived = f"{len(images)} images" if isinstance(images, (list, tuple)) else f"a {type(images).__name__}"
        raise UserError(
            "Images and labels do not match.", f"There are {len(labels)} labels for {arrived}.", "Give one label per image."
        )
    if groups is not None and len(groups) != len(images):
        there = f"There are {len(groups)} groups for {len(images)} images."
        raise UserError("Images and groups do not match.", there, 'Give one group per image, "" where it stands alone.')
    together = [""] * len(images) if groups is None else [str(group) for group in groups]
    names = distinct_names(
        [str(image) if isinstance(image, (str, Path)) else f"image {i}" for i, image in enumerate(images, start=1)]
    )
    rows = zip(names, images, labels, together, strict=True)
    return [(str(label), [(name, image, group)]) for name, image, label, group in rows]


def _whole_pack(name: str) -> LabelledImages:
    """Return a sample pack's probing images followed by its test images; the pipeline keeps the two apart."""
    from sn_viz.sources.pack import load_pack

    return _joined(*load_pack(name))


def _joined(train: LabelledImages, test: LabelledImages) -> LabelledImages:
    return replace(
        train,
        names=train.names + test.names,
        pictures=train.pictures + test.pictures,
        labels=np.concatenate([train.labels, test.labels]),
        questions=train.questions + test.questions,
        groups=all_groups(train) + all_groups(test) if train.groups or test.groups else (),
    )


def _existing(data: str | Path) -> str | Path:
    """Return a name with a scheme as it is, and anything else as the path of something that exists."""
    text = str(data)
    if text.startswith(HUB):
        return text
    if "://" in text:
        raise UserError(f"{quoted(text)} was not read.", "Addresses are not fetched.", ALLOWED)
    if not text.strip() or not os.path.exists(path := Path(text).expanduser()):
        raise UserError(f"There is no file or folder {quoted(text)}.", ALLOWED, f"Sample packs: {_packs()}.")
    return path


def _packs() -> str:
    from sn_viz.sources.pack import pack_names

    return ", ".join(pack.name for pack in pack_names())


def _another_kind(data: object) -> UserError:
    if isinstance(data, Path) and data.suffix.lower() in PACKED:
        cause = f"Files packed as {data.suffix.lower()} are not read."
        return UserError(f"{quoted(data.name)} holds no labelled images.", cause, "Pack the folder as a zip, or as a tar.gz.")
    if isinstance(data, Path):
        return UserError(f"{quoted(data.name)} holds no labelled images.", "It is a file of another kind.", ALLOWED)
    if isinstance(data, (list, tuple)) and data and isinstance(data[0], Mapping):
        cause = "A list of dicts was given."
        return UserError("The images were not read.", cause, "Give pairs (picture, label), or datasets.Dataset.from_list(rows).")
    if isinstance(data, (list, tuple)) and data and isinstance(data[0], (list, tuple)):
        cause = "Each item is (picture, label) or (picture, label, question), the label a text or a number."
        return UserError("The images were not read.", cause, "Give each picture one label.")
    if isinstance(data, (list, tuple)):
        return UserError("The images have no labels.", "A list of images was given.", "Pass labels, one class name per image.")
    if hasattr(data, "batch_size") and hasattr(data, "dataset"):
        cause = "It yields batches, where one picture with its label is expected."
        return UserError(f"A {type(data).__name__} was not read.", cause, "Give its data set: its attribute dataset.")
    return UserError(f"A {type(data).__name__} holds no labelled images.", ALLOWED)
