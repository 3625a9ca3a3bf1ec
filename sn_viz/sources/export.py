"""Labelled images written to disk, in a form every source here reads back exactly.

Takes ``LabelledImages`` and a folder; writes one sub-folder of PNGs per class and ``images.csv``. It knows nothing about models.
"""

from __future__ import annotations

import csv
from pathlib import Path

from PIL import Image

from sn_viz.errors import UserError
from sn_viz.groups import all_groups
from sn_viz.sources.placed import TABLE
from sn_viz.sources.rows import EXACT
from sn_viz.sources.text import csv_cell, label_key, safe_file_name
from sn_viz.types import LabelledImages


def save_folders(images: LabelledImages, directory: str | Path) -> Path:
    """Write a data set as folders.

    Parameters
    ----------
    images : LabelledImages
        Every example labelled.
    directory : str or Path
        Created; it must be empty, for files of an earlier set would be read as part of this one.

    Returns
    -------
    Path
        The folder. ``images.csv`` in it has the columns image, label, question,
        group where there are groups, and split where some are to be tested on; cells that a
        spreadsheet would run are quoted. Where classes differ in their spelling alone, a column ``spelling`` keeps them apart.

    Raises
    ------
    UserError
        When the folder is not empty, cannot be written, or an image has no label.

    Notes
    -----
    Names of classes become safe folder names ("../x" becomes "x"); ``images.csv`` keeps the exact ones. Files are numbered, because
    display names are text and not paths.
    """
    directory = Path(directory)
    if (images.labels < 0).any():
        raise UserError("The images were not saved.", "Some have no class.", "Give every image a class.")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise UserError(f"'{directory}' is not empty.", "Images are saved into an empty folder.", "Choose another name.")
        _write(images, directory)
    except OSError as error:
        raise UserError(f"The images were not saved in '{directory}'.", f"{error.strerror}.", "Choose another folder.") from error
    return directory


def folder_names(classes: tuple[str, ...]) -> list[str]:
    """Return one safe folder name per class, all different even where capitals do not count.

    Examples
    --------
    >>> folder_names(("a/b", "a:b", "A?b"))
    ['a_b', 'a_b_2', 'A_b_3']
    """
    taken: set[str] = set()
    names = []
    for class_name in classes:
        base = name = safe_file_name(class_name)
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{base}_{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def _write(images: LabelledImages, directory: Path) -> None:
    folders = folder_names(images.classes)
    for folder in folders:
        (directory / folder).mkdir()
    with open(directory / TABLE, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        alike = len({label_key(name) for name in images.classes}) < len(images.classes)
        grouped = bool(images.groups)
        placed = len(set(images.parts)) > 1
        table.writerow(["image", "label", "question", *["group"] * grouped, *["split"] * placed, *["spelling"] * alike])
        parts = images.parts or ("",) * len(images)
        rows = zip(images.pictures, images.labels, images.questions, all_groups(images), parts, strict=True)
        for number, (picture, label, question, group, part) in enumerate(rows, start=1):
            name = f"{folders[label]}/{number:05d}.png"
            Image.fromarray(picture.pixels).save(directory / name, compress_level=1)
            cells = [csv_cell(name), csv_cell(images.classes[label]), csv_cell(question)]
            table.writerow([*cells, *[csv_cell(group)] * grouped, *[part] * placed, *[EXACT] * alike])
