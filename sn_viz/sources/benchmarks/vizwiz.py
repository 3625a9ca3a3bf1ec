"""VizWiz: questions that blind people asked about photographs they took; can the photograph answer the question?

Published as ``Annotations/train.json`` and ``Annotations/val.json``: a list of objects with ``image``, ``question``, ``answers``
(ten of ``{answer, answer_confidence}``), ``answer_type`` and ``answerable`` (0 or 1). The classes are its answerability task's: no
and yes. Copies without ``answerable`` keep the ten answers; there a question counts as unanswerable when "unanswerable" (or, as the
first edition has it, "unsuitable") is given more often than any other answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sn_viz.sources.benchmarks import BENCHMARKS, NO, VAL, YES, Asked, Benchmark, HubSet
from sn_viz.sources.benchmarks.files import bytes_of_row, entries, field, find_file, picture_in, wrong
from sn_viz.sources.text import clean

LAYOUT = "Annotations/train.json, Annotations/val.json and the photographs in train and val"
UNANSWERABLE = {"unanswerable", "unsuitable", "unsuitable image"}


def local(folder: Path, part: str) -> Iterator[Asked]:
    """List the questions of ``part``."""
    path = find_file(folder, [f"Annotations/{part}.json", f"annotations/{part}.json", f"{part}.json"], LAYOUT)
    places = (part, f"images/{part}", "images", "")
    for number, entry in enumerate(entries(path), start=1):
        image = field(entry, "image", str, path.name, number)
        answer = answerable(entry, path.name, number)
        yield Asked(image, image, asked(entry, path.name, number), answer, picture_in(folder, places, image))


def row(entry: Mapping[str, Any], number: int, source: str) -> Asked | None:
    """Read a row of the hub: ``question``, ten ``answers`` as texts, and the picture."""
    name = f"row {number}"
    text, answer = asked(entry, source, number), answerable(entry, source, number)
    return Asked(name, name, text, answer, bytes_of_row(entry, number, source))


def asked(entry: Mapping[str, Any], source: str, number: object) -> str:
    """Return the question about the question."""
    text = clean(field(entry, "question", str, source, number))
    return f'Can this question be answered from the picture: "{text}"? Answer yes or no.'


def answerable(entry: Mapping[str, Any], source: str, number: object) -> str:
    """Return yes or no: the published field where there is one, else what most of the answers say.

    Examples
    --------
    >>> answerable({"answers": ["Unanswerable.", "unanswerable", "blue"]}, "val.json", 1)
    'no'
    """
    told = entry.get("answerable")
    if told is not None:
        if told not in (0, 1):
            raise wrong(source, number, f"Its 'answerable' is {told!r}; 0 and 1 are read.")
        return YES if told else NO
    answers = field(entry, "answers", list, source, number)
    words = Counter(_word(answer, source, number) for answer in answers)
    if not words:
        raise wrong(source, number, "It has no answers.")
    without = sum(n for word, n in words.items() if word in UNANSWERABLE)
    return NO if without > max((n for word, n in words.items() if word not in UNANSWERABLE), default=0) else YES


def _word(answer: object, source: str, number: object) -> str:
    text = field(answer, "answer", str, source, number) if isinstance(answer, Mapping) else str(answer)
    return clean(text).casefold().rstrip(".! ")


BENCHMARKS.register("vizwiz")(
    Benchmark(
        title="VizWiz",
        classes=(NO, YES),
        folder="vizwiz",
        layout=LAYOUT,
        home="Annotations and photographs: vizwiz.org, task visual question answering.",
        ours="That answerability is the task, and the sentence that asks for it.",
        local=local,
        row=row,
        hub=HubSet("lmms-lab/VizWiz-VQA", {VAL: "val"}),
    )
)
