"""Annotations in the format of COCO (``instances_*.json``), asked as "is there a KIND in the picture?".

Takes the path of the JSON, with the kind asked for as its column ``label``; returns images to open. The kind is one of its
categories; where none is asked for, the one nearest to half of the images, which is said. As many images without it as with it.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sn_viz.errors import UserError
from sn_viz.sources.budget import Budget
from sn_viz.sources.columns import Asked, asked_of
from sn_viz.sources.gather import Found, Note
from sn_viz.sources.ingest import read_file
from sn_viz.sources.rows import Row, Table, open_rows
from sn_viz.sources.source import SOURCES
from sn_viz.sources.text import clean, label_key, listed, quoted

HEAD = 4096
_BEGINS = re.compile(rb"\s*(?:\xef\xbb\xbf)?\{\s*\"(?:info|images|annotations|categories|licenses)\"\s*:\s*[\[{]")
_HOLDS = re.compile(rb"\"(?:images|annotations|categories)\"\s*:\s*\[\s*[\]{]")
"""For files that begin with a key of their own."""
_A_ROW = re.compile(rb"\"(?:image|file_name)\"\s*:\s*\"[^\n]*\}\s*\n\s*\{")
"""Two objects on two lines: a table of rows."""
A_CLASS = 1000
"""The most images with the kind, and without it."""
SEED = 0


@SOURCES.register("coco")
class Coco:
    """A JSON of annotations in the format of COCO: is there a KIND in the picture? (columns: label=KIND)"""

    @staticmethod
    def accepts(data: object) -> bool:
        path = asked_of(data)[0]
        if not (isinstance(path, Path) and path.suffix.lower() == ".json" and path.is_file()):
            return False
        try:
            with open(path, "rb") as file:
                head = file.read(HEAD)
            return bool(_BEGINS.match(head) or (_HOLDS.search(head) and not _A_ROW.search(head)))
        except OSError:
            return False

    @staticmethod
    def read(data: Path | Asked, budget: Budget) -> Iterator[Found | Note]:
        path, asked = asked_of(data)
        images, kinds, shown, nameless = _parsed(read_file(path, path.name, budget.table_bytes), path.name)
        if nameless:
            n = f"{len(nameless)} categor{'ies' if len(nameless) > 1 else 'y'}"
            yield Note(f"{n} of {quoted(path.name)} without a name left out: {listed([f'number {at}' for at in nameless])}.")
        kind = _kind(asked.get("label"), kinds, shown, len(images), path.name)
        yes = sorted(shown[kind] & set(images), key=str)
        no = sorted(set(images) - shown[kind], key=str)
        rng = np.random.default_rng(SEED)
        n = min(len(yes), len(no), A_CLASS, budget.files // 2)
        if n < 2:
            strays = f" {n_strays:,} annotations name no image of the file." if (n_strays := len(shown[kind] - set(images))) else ""
            cause = f"{len(yes):,} images show it, {len(no):,} do not.{strays}"
            raise UserError(f"Nothing can be learnt about {quoted(kind)}.", cause, "Ask for another kind: label=KIND.")
        chosen = [(at[int(i)], answer) for at, answer in ((yes, "yes"), (no, "no")) for i in rng.permutation(len(at))[:n]]
        others = listed([quoted(name) for name in sorted(kinds.values(), key=lambda name: -len(shown[name]))[:12]])
        which = "asked for" if asked.get("label") else "the kind nearest to half of the images"
        yield Note(
            f"Yes means that {quoted(kind)} is among the annotations ({which}); {n:,} images with it and {n:,} without, of "
            f"{len(yes):,} and {len(no):,}, chosen at random. There are also: {others}."
        )
        question = f"Is there {_article(kind)} {kind} in the picture?"
        rows = tuple(Row(number, images[at], answer, question) for number, (at, answer) in enumerate(chosen, start=1))
        home = path.parent.parent if path.parent.name == "annotations" else path.parent
        yield from open_rows(Table(_beside(rows, home)), home / path.name, budget)


def _beside(rows: tuple[Row, ...], home: Path) -> tuple[Row, ...]:
    """Return the rows with the folder that holds the images, where it is one of those next to the annotations."""
    for folder in ("", *sorted(entry.name for entry in home.iterdir() if entry.is_dir() and not entry.name.startswith("."))):
        if rows and (home / folder / rows[0].image).is_file():
            return tuple(replace(row, image=f"{folder}/{row.image}" if folder else row.image) for row in rows)
    return rows


def _parsed(data: bytes, name: str) -> tuple[dict[Any, str], dict[Any, str], dict[str, set], list]:
    """Return file name by image, name by category, the images by name of category, and the categories without a name."""
    try:
        told = json.loads(data)
        images = {one["id"]: str(one["file_name"]) for one in told["images"]}
        kinds = _one_spelling({one["id"]: clean(str(one.get("name") or "")) for one in told["categories"]})
        shown: dict[str, set] = defaultdict(set)
        for one in told["annotations"]:
            if kinds[one["category_id"]]:
                shown[kinds[one["category_id"]]].add(one["image_id"])
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        cause = "It has not the images, annotations and categories that the format of COCO has."
        raise UserError(f"{quoted(name)} was not read.", cause, "Give an instances_*.json.") from None
    nameless = [at for at, kind in kinds.items() if not kind]
    named = {at: kind for at, kind in kinds.items() if kind}
    if not images or not named:
        raise UserError(f"{quoted(name)} was not read.", "It names no images, or no categories.", "Give an instances_*.json.")
    return images, named, defaultdict(set, shown), nameless


def _one_spelling(kinds: Mapping[Any, str]) -> dict[Any, str]:
    """Return the names of the categories, those that differ in capitals alone as the first of them: else one would be a no."""
    first: dict[str, str] = {}
    return {at: first.setdefault(label_key(kind), kind) for at, kind in kinds.items()}


def _kind(asked: str | None, kinds: Mapping[Any, str], shown: Mapping[str, set], n: int, name: str) -> str:
    names = sorted(set(kinds.values()))
    if asked is None:
        return min(names, key=lambda kind: (abs(2 * len(shown[kind]) - n), kind))
    found = [kind for kind in names if label_key(kind) == label_key(asked)]
    if not found:
        cause = f"There are: {listed([quoted(kind) for kind in names])}."
        raise UserError(f"{quoted(name)} has no kind {quoted(asked)}.", cause, "Choose one of these.")
    return found[0]


def _article(noun: str) -> str:
    return "an" if noun[:1].casefold() in "aeiou" else "a"
