"""ScienceQA: school questions with two to five choices; only those that come with a picture are asked.

Published as ``problems.json``: an object of problems by number, each with ``question``, ``choices``, ``answer`` (index of the right
choice), ``hint``, ``image`` (a file name, or null) and ``split``; ``pid_splits.json`` says the same splits and goes first where it
is there. Pictures lie in ``images/SPLIT/NUMBER/image.png``. The hint is put before the question; the
choices get letters in the published order, and the right letter is the class.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sn_viz.sources.benchmarks import BENCHMARKS, TRAIN, VAL, Asked, Benchmark, HubSet
from sn_viz.sources.benchmarks.files import bytes_of_row, field, find_file, keyed, picture_in, whole
from sn_viz.sources.benchmarks.letters import LETTERS, with_letters

LAYOUT = "problems.json, pid_splits.json and the pictures in images/train and images/val"
FOLDERS = ("", "data/scienceqa/", "scienceqa/")


def local(folder: Path, part: str) -> Iterator[Asked]:
    """List the questions of ``part`` that have a picture."""
    path = find_file(folder, [f"{place}problems.json" for place in FOLDERS], LAYOUT)
    members = _members(path.with_name("pid_splits.json"), part)
    places = (f"images/{part}", part, f"data/scienceqa/images/{part}", f"scienceqa/images/{part}")
    for number, problem in keyed(path):
        inside = field(problem, "split", str, path.name, number) == part if members is None else number in members
        if not inside or not problem.get("image"):
            continue
        image = f"{number}/{field(problem, 'image', str, path.name, number)}"
        question, answer = _asked(problem, number, path.name)
        yield Asked(image, image, question, answer, picture_in(folder, places, image))


def row(entry: Mapping[str, Any], number: int, source: str) -> Asked | None:
    """Read a row of the hub: the published fields, the picture or nothing in its place."""
    if not entry.get("image"):
        return None
    question, answer = _asked(entry, number, source)
    name = f"row {number}"
    return Asked(name, name, question, answer, bytes_of_row(entry, number, source))


def _asked(problem: Mapping[str, Any], number: object, source: str) -> tuple[str, str]:
    text, choices = field(problem, "question", str, source, number), field(problem, "choices", list, source, number)
    hint = str(problem.get("hint") or "").strip()
    asked = f"{hint} {text}" if hint else text
    return with_letters(asked, choices, field(problem, "answer", int, source, number), source, number)


def _members(path: Path, part: str) -> frozenset[str] | None:
    """Return the numbers of the problems of ``part``, or None where no file says."""
    if not path.is_file():
        return None
    return frozenset(map(str, field(whole(path), part, list, path.name, 1)))


_SAID = re.compile(r"The answer is ([A-Z])")


def read(answer: str, question: str, classes: tuple[str, ...]) -> int:
    """Return the class of an answer as published evaluators read it.

    The authors' (``models/run_gpt3.py`` of github.com/lupantech/ScienceQA) take the letter of the only "The answer is B"; LLaVA's
    (``llava/eval/eval_science_qa.py`` of github.com/haotian-liu/LLaVA), which most models with pictures are scored by, also a
    letter that is the whole answer, or that begins it with a full stop and a space. Anything else is a failed answer; where the
    authors' script would then draw a letter, this is -1.

    Examples
    --------
    >>> [read(answer, "", ("A", "B")) for answer in ("B", "B. a dog", "I think. The answer is B.", "a dog", "It is B")]
    [1, 1, 1, -1, -1]
    """
    text = answer.replace("\n", ". ")
    said = {text.strip()} & set(classes) or ({text[0]} if text[1:3] == ". " else set(_SAID.findall(text)))
    letter = said.pop() if len(said) == 1 else ""
    return classes.index(letter) if letter in classes else -1


BENCHMARKS.register("scienceqa")(
    Benchmark(
        title="ScienceQA",
        classes=LETTERS[:5],
        folder="scienceqa",
        layout=LAYOUT,
        home="Files and pictures: scienceqa.github.io (repository lupantech/ScienceQA).",
        ours="The wording that shows the choices and asks for one letter; lecture and solution are not shown.",
        local=local,
        row=row,
        hub=HubSet("derek-thomas/ScienceQA", {TRAIN: "train", VAL: "validation"}),
        read=read,
    )
)
