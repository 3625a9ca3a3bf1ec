"""CLEVR: drawn scenes of simple solids; the questions that yes or no answers.

Published as ``questions/CLEVR_train_questions.json`` and ``questions/CLEVR_val_questions.json``: an object whose list
``questions`` holds ``image_filename``, ``question`` and ``answer``. Questions with another answer (a number, a colour, a shape) are
passed over; the others are asked as they stand. Pictures lie in ``images/train`` and ``images/val``. The training questions are
700 MB of JSON and are read entry by entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sn_viz.sources.benchmarks import BENCHMARKS, NO, YES, Asked, Benchmark
from sn_viz.sources.benchmarks.files import arrays, bytes_of_row, field, find_file, picture_in
from sn_viz.sources.text import clean

LAYOUT = "questions/CLEVR_train_questions.json, questions/CLEVR_val_questions.json and the pictures in images/train and images/val"


def local(folder: Path, part: str) -> Iterator[Asked]:
    """List the yes/no questions of ``part``."""
    names = [f"{place}questions/CLEVR_{part}_questions.json" for place in ("", "CLEVR_v1.0/")]
    path = find_file(folder, [*names, f"CLEVR_{part}_questions.json"], LAYOUT)
    places = (f"images/{part}", f"CLEVR_v1.0/images/{part}", part)
    for number, (_, entry) in enumerate(arrays(path, {"questions"}), start=1):
        image, question, answer = (field(entry, name, str, path.name, number) for name in ("image_filename", "question", "answer"))
        if answer in (NO, YES):
            yield Asked(image, image, clean(question), answer, picture_in(folder, places, image))


def row(entry: Mapping[str, Any], number: int, source: str) -> Asked | None:
    """Read a row of a data set of the hub that keeps the published fields beside the picture."""
    image, question, answer = (field(entry, name, str, source, number) for name in ("image_filename", "question", "answer"))
    if answer not in (NO, YES):
        return None
    return Asked(image, image, clean(question), answer, bytes_of_row(entry, number, source))


BENCHMARKS.register("clevr")(
    Benchmark(
        title="CLEVR",
        classes=(NO, YES),
        folder="clevr",
        layout=LAYOUT,
        home="CLEVR v1.0 (18 GB): cs.stanford.edu/people/jcjohns/clevr.",
        ours="That only the yes/no questions are asked.",
        local=local,
        row=row,
    )
)
