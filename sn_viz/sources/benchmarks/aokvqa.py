"""A-OKVQA: questions about photographs of COCO that need knowledge of the world, with four choices.

Published as ``aokvqa_v1p0_train.json`` and ``aokvqa_v1p0_val.json``: a list of objects with ``image_id`` (a number: the photograph
is ``train2017/000000299207.jpg`` or the like), ``question``, ``choices`` and ``correct_choice_idx``. This is its multiple-choice
task; the choices get letters in the order in which they are published, and the right letter is the class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sn_viz.sources.benchmarks import BENCHMARKS, TRAIN, VAL, Asked, Benchmark, HubSet
from sn_viz.sources.benchmarks.files import bytes_of_row, entries, field, find_file, picture_in
from sn_viz.sources.benchmarks.letters import LETTERS, choices_of, with_letters

LAYOUT = "aokvqa_v1p0_train.json, aokvqa_v1p0_val.json and the photographs in train2017 and val2017"


def local(folder: Path, part: str) -> Iterator[Asked]:
    """List the questions of ``part``."""
    path = find_file(folder, [f"aokvqa_v1p0_{part}.json", f"annotations/aokvqa_v1p0_{part}.json"], LAYOUT)
    places = (f"{part}2017", f"images/{part}2017", "images", f"../coco/{part}2017")
    for number, entry in enumerate(entries(path), start=1):
        image = f"{field(entry, 'image_id', int, path.name, number):012d}.jpg"
        question, answer = _asked(entry, number, path.name)
        yield Asked(image, image, question, answer, picture_in(folder, places, image))


def row(entry: Mapping[str, Any], number: int, source: str) -> Asked | None:
    """Read a row of the hub: the published fields and the picture."""
    question, answer = _asked(entry, number, source)
    name = f"row {number}"
    return Asked(name, name, question, answer, bytes_of_row(entry, number, source))


def _asked(entry: Mapping[str, Any], number: int, source: str) -> tuple[str, str]:
    text, choices = field(entry, "question", str, source, number), field(entry, "choices", list, source, number)
    return with_letters(text, choices, field(entry, "correct_choice_idx", int, source, number), source, number)


def read(answer: str, question: str, classes: tuple[str, ...]) -> int:
    """Return the choice that an answer equals (``evaluation/eval_predictions.py`` of github.com/allenai/aokvqa).

    There a prediction is a choice's own text and must equal it. The question asks for a letter here, so that a letter alone, with
    or without a full stop, stands for its choice.

    Examples
    --------
    >>> [read(said, "? A. a cat B. a dog. Answer with one letter.", ("A", "B")) for said in ("B.", "a dog", "It is a dog")]
    [1, 1, -1]
    """
    said = answer.strip()
    if said.rstrip(".") in classes:
        return classes.index(said.rstrip("."))
    letters = [letter for letter, choice in choices_of(question) if choice == said.rstrip(".")]
    return classes.index(letters[0]) if len(letters) == 1 and letters[0] in classes else -1


BENCHMARKS.register("aokvqa")(
    Benchmark(
        title="A-OKVQA",
        classes=LETTERS[:4],
        folder="aokvqa",
        layout=LAYOUT,
        home="The JSON files: aokvqa.allenai.org. The photographs: train2017 and val2017 of cocodataset.org.",
        ours="The wording that shows the choices and asks for one letter.",
        local=local,
        row=row,
        hub=HubSet("HuggingFaceM4/A-OKVQA", {TRAIN: "train", VAL: "validation"}),
        read=read,
    )
)
