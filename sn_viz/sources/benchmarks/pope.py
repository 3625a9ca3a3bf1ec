"""POPE: is a named object in a photograph of COCO? Yes and no in equal parts, asked in three settings.

Published as ``coco_pope_random.json``, ``coco_pope_popular.json`` and ``coco_pope_adversarial.json``: one JSON object a line with
``image``, ``text`` and ``label`` (yes or no). The questions are asked as they stand. There is one part only, so probing and test
questions come from it and share no photograph. The settings differ in the absent objects only, so to join them would repeat every
yes: ``pope`` takes the questions of each photograph from one setting, picked by the photograph's name, and stays half yes, half no.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sn_viz.sources.benchmarks import BENCHMARKS, NO, VAL, YES, Asked, Benchmark, HubSet
from sn_viz.sources.benchmarks.files import bytes_of_row, entries, field, find_file, picture_in, wrong
from sn_viz.sources.text import clean

SETTINGS = ("random", "popular", "adversarial")
LAYOUT = "coco_pope_random.json, coco_pope_popular.json, coco_pope_adversarial.json and the photographs in val2014"
PLACES = ("val2014", "images", "images/val2014", "", "../coco/val2014")
FOLDERS = ("", "coco/", "output/coco/")


def yes_or_no(label: str, source: str, number: object) -> str:
    """Return a label as its class; case, spaces and a full stop do not matter, any other word is an error."""
    word = label.strip().rstrip(".").casefold()
    if word not in (NO, YES):
        raise wrong(source, number, f"Its label is {label!r}; yes and no are read.")
    return word


def local(folder: Path, part: str, settings: tuple[str, ...]) -> Iterator[Asked]:
    """List the questions of some settings; ``part`` is the only one there is."""
    for setting in settings:
        path = find_file(folder, [f"{place}coco_pope_{setting}.json" for place in FOLDERS], LAYOUT)
        for number, entry in enumerate(entries(path), start=1):
            image, text, label = (field(entry, name, str, path.name, number) for name in ("image", "text", "label"))
            answer = yes_or_no(label, path.name, number)
            if setting_of(image, settings) == setting:
                yield Asked(image, image, clean(text), answer, picture_in(folder, PLACES, image))


def setting_of(image: str, settings: tuple[str, ...]) -> str:
    """Return which of ``settings`` the photograph ``image`` is asked in: always the same one, and each about equally often."""
    return settings[hashlib.sha256(image.encode()).digest()[0] % len(settings)]


def row(entry: Mapping[str, Any], number: int, source: str, settings: tuple[str, ...]) -> Asked | None:
    """Read a row of the hub: ``image_source, question, answer, category`` and the picture."""
    setting = field(entry, "category", str, source, number)
    image, text, label = (field(entry, name, str, source, number) for name in ("image_source", "question", "answer"))
    if setting != setting_of(image, settings):
        return None
    return Asked(image, image, clean(text), yes_or_no(label, source, number), bytes_of_row(entry, number, source))


def read(answer: str, question: str, classes: tuple[str, ...]) -> int:
    """Return the class of an answer as POPE's authors read it (``evaluate.py`` of github.com/AoiDragon/POPE).

    Of what stands before the first full stop the commas are taken out and the words parted at spaces; "No", "no" or "not" among
    them makes a no, anything else is a yes: even an answer that says nothing, or one such as "There isn't a dog".

    Examples
    --------
    >>> [read(answer, "", ("no", "yes")) for answer in ("Yes.", "There is not", "No, there is a cat.", "A photograph. No dog.", "")]
    [1, 0, 0, 1, 1]
    """
    said = answer.partition(".")[0].replace(",", "").split(" ")
    return classes.index(NO if {"No", "no", "not"} & set(said) else YES)


def _benchmark(title: str, settings: tuple[str, ...]) -> Benchmark:
    return Benchmark(
        title=title,
        classes=(NO, YES),
        folder="pope",
        layout=LAYOUT,
        home="The JSON files: folder output/coco of github.com/AoiDragon/POPE. The photographs: val2014 of cocodataset.org.",
        ours="Probing photographs come from the one part there is, and are not in the test; pope picks one setting a photograph.",
        local=functools.partial(local, settings=settings),
        row=functools.partial(row, settings=settings),
        hub=HubSet("lmms-lab/POPE", {VAL: "test"}),
        parts=(VAL, VAL),
        read=read,
    )


BENCHMARKS.register("pope")(_benchmark("POPE", SETTINGS))
for _setting in SETTINGS:
    BENCHMARKS.register(f"pope-{_setting}")(_benchmark(f"POPE {_setting}", (_setting,)))
