"""Pictures of a run that were chosen in its map or its table: which, what is told of each, and how they are written down.

Takes a run and rows; returns rows, table values, texts. A row counts the probing images first, then the test images, as the map
does. It knows nothing of widgets, and changes nothing: the edits are in ``edits``.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from sn_viz.errors import UserError
from sn_viz.plots import style
from sn_viz.sources.text import csv_cell
from sn_viz.storage.summary import as_json
from sn_viz.types import LabelledImages, RunRecord
from sn_viz.ui.components import views
from sn_viz.ui.components.edits import Edits, Example
from sn_viz.voting.settling import settles_at

PAGE_ROWS = 10
MOST_IN_A_LINK = 50
PREFIX = 8
"""Hexadecimal digits of a picture's sha256 that a link carries."""
_PICK = re.compile(rf"[0-9a-f]{{{PREFIX}}}(\.[0-9]{{1,3}})?(-[0-9a-f]{{{PREFIX}}}(\.[0-9]{{1,3}})?){{0,{MOST_IN_A_LINK - 1}}}")
PARTS = {"train": "probing", "test": "test"}
COLUMNS = ("name", "label", "vote", "full", "margin", "settles")
"""What the table can be sorted by."""


class Selection(NamedTuple):
    """What is chosen, of which run, and which page of the table is open; lives in the session."""

    of: str = ""
    """Key of the run."""
    rows: tuple[int, ...] = ()
    """Ascending."""
    page: int = 0
    all_shown: bool = False
    """Whether the table shows all pictures, or the chosen ones."""
    by: str = ""
    """The column by which the table is sorted, one of ``COLUMNS``; "" puts what was answered wrong first."""
    down: bool = False
    """Whether the largest comes first."""


class About(NamedTuple):
    """What a run says of one picture."""

    part: str
    """"train" or "test"."""
    example: int
    name: str
    sha256: str
    question: str
    label: str
    vote: str
    """At the run's exit layer; "" of a probing image: the neurons were chosen on it, so that its vote would say nothing."""
    right: bool | None
    """Whether the vote is the label; None of a probing image."""
    full_model: str
    """The class that the full model said, or its words in quotes; "" where it was not asked."""
    margin: float | None
    settles_at: str
    """Name of the layer from which on the vote stays the same; see `settles_at`."""


def n_rows(run: RunRecord) -> int:
    """Return how many pictures a run has."""
    return len(run.train) + len(run.test)


def place_of(run: RunRecord, row: int) -> tuple[str, LabelledImages, int]:
    """Return the part ("train" or "test") in which a row is, its images, and its place there."""
    n_train = len(run.train)
    return ("train", run.train, row) if row < n_train else ("test", run.test, row - n_train)


def row_of(run: RunRecord, part: object, example: object) -> int:
    """Return the row of a point of the map, as the browser told it.

    Raises
    ------
    UserError
        When there is no such point.
    """
    images = {"train": run.train, "test": run.test}.get(str(part))
    if images is None or isinstance(example, bool) or example not in range(len(images)):
        raise UserError("This point is not in the map.", "The page is older than the result.", "Reload the page.")
    return images_before(run, str(part)) + int(example)  # type: ignore[call-overload]


def images_before(run: RunRecord, part: str) -> int:
    """Return the row of the first image of a part."""
    return len(run.train) if part == "test" else 0


def checked_rows(run: RunRecord, rows: object) -> tuple[int, ...]:
    """Return rows as the browser sent them, each once, ascending.

    Raises
    ------
    UserError
        When they are not whole numbers of rows that exist.
    """
    n = n_rows(run)
    if not isinstance(rows, list) or not all(type(row) is int and 0 <= row < n for row in rows):
        raise UserError("This choice was not understood.", "The page is older than the result.", "Reload the page.")
    return tuple(sorted(set(rows)))


def wrong_rows(run: RunRecord) -> list[int]:
    """Return the test images whose vote at the exit layer is not their label."""
    if not len(run.test):
        return []
    wrong = (run.votes.predicted[:, run.exit_index] != run.test.labels) & (run.test.labels >= 0)
    return (len(run.train) + np.flatnonzero(wrong)).tolist()


def rows_where(run: RunRecord, what: object, name: object = None) -> tuple[int, ...]:
    """Return the rows of one kind: "all", "none", "wrong", "right", "train", "test", or the "class" called ``name``.

    Raises
    ------
    UserError
        For any other kind, or a class that does not exist.
    """
    n_train, n = len(run.train), n_rows(run)
    if what == "class" and name in run.train.classes:
        label = run.train.classes.index(str(name))
        return tuple(np.flatnonzero(np.concatenate([run.train.labels, run.test.labels]) == label).tolist())
    wrong = wrong_rows(run)
    known = {
        "all": range(n),
        "none": (),
        "wrong": wrong,
        "right": [row for row in range(n_train, n) if row not in set(wrong) and run.test.labels[row - n_train] >= 0],
        "train": range(n_train),
        "test": range(n_train, n),
    }
    if not isinstance(what, str) or what not in known:
        raise UserError("This choice was not understood.", "There is no such group of pictures.", "Choose from the list.")
    return tuple(known[what])


def in_order(run: RunRecord, rows: Iterable[int], by: str = "", down: bool = False) -> list[int]:
    """Return rows as the table lists them.

    By default the test images that were answered wrong, the other test images, the probing images; sorted by a column, what has no
    value in it comes last either way.
    """
    wrong, n_train = set(wrong_rows(run)), len(run.train)
    usual = sorted(rows, key=lambda row: (row < n_train, row not in wrong, row))
    if not by:
        return usual
    values = dict(zip(usual, _sorted_by(run, usual, by), strict=True))
    told = [row for row in usual if values[row] is not None]
    return sorted(told, key=values.__getitem__, reverse=down) + [row for row in usual if values[row] is None]


def _sorted_by(run: RunRecord, rows: Sequence[int], by: str) -> list[Any]:
    """Return what stands in the column ``by`` for each row; None where nothing does."""
    if by == "settles":
        settled = settles_at(run.votes) if len(run.test) else np.empty(0, np.int64)
        return [None if row < len(run.train) else int(settled[row - len(run.train)]) for row in rows]
    field = {"full": "full_model"}.get(by, by)
    values = [getattr(each, field) for each in about(run, rows)]
    return [value.casefold() or None if isinstance(value, str) else value for value in values]


def sorted_by(selection: Selection, by: object) -> Selection:
    """Return the selection with its table sorted by a column: upwards first, then downwards, then as usual again.

    Raises
    ------
    UserError
        When there is no such column.
    """
    if by not in COLUMNS:
        raise UserError("The table was not sorted.", "It has no such column.", "Reload the page.")
    if selection.by != by:
        return selection._replace(by=str(by), down=False, page=0)
    return selection._replace(by="" if selection.down else selection.by, down=not selection.down, page=0)


def about(run: RunRecord, rows: Iterable[int]) -> list[About]:
    """Return what the run says of each row."""
    settled = settles_at(run.votes) if len(run.test) else np.empty(0, np.int64)
    return [_about(run, row, settled) for row in rows]


def _about(run: RunRecord, row: int, settled: np.ndarray) -> About:
    part, images, at = place_of(run, row)
    name = images.classes[images.labels[at]] if images.labels[at] >= 0 else "unlabelled"
    known = part, at, images.names[at], images.pictures[at].sha256, images.questions[at], name
    if part == "train":
        return About(*known, "", None, "", None, "")
    said, margin = int(run.votes.predicted[at, run.exit_index]), float(run.votes.margin[at, run.exit_index])
    right = None if images.labels[at] < 0 else bool(said == images.labels[at])
    layer = run.neurons.layer_name(int(settled[at]))
    return About(*known, images.classes[said], right, _full_model(run, at), margin if np.isfinite(margin) else None, layer)


def _full_model(run: RunRecord, example: int) -> str:
    full = run.opponent
    if full is None:
        return ""
    said = int(full.predicted[example])
    if said >= 0:
        return run.test.classes[said]
    return f"“{full.answers[example][:40]}”" if full.answers else "no class"


def carried_over(selection: Selection, before: RunRecord | None, run: RunRecord, key: str) -> Selection:
    """Return the selection in a new run: the same pictures with the same questions, where they are still there."""
    if before is None or not selection.rows:
        return Selection(key)
    chosen = {_example(before, row) for row in selection.rows if row < n_rows(before)}
    return Selection(key, tuple(row for row in range(n_rows(run)) if _example(run, row) in chosen))


def _example(run: RunRecord, row: int) -> Example:
    _, images, at = place_of(run, row)
    return Example(images.pictures[at].sha256, images.questions[at])


def examples_in(run: RunRecord, row: int, sets: Sequence[LabelledImages]) -> list[Example]:
    """Return the examples of ``sets``, as they were loaded, that became a row of the run.

    Where one question was asked of every picture instead of their own, all examples of the picture did.

    Raises
    ------
    UserError
        When there is none: the sets are not those that the run was made of.
    """
    wanted = _example(run, row)
    anyhow = run.config.question is not None
    found = [
        Example(picture.sha256, question)
        for images in sets
        for picture, question in zip(images.pictures, images.questions, strict=True)
        if picture.sha256 == wanted.sha256 and (anyhow or question == wanted.question)
    ]
    if not found:
        raise UserError(
            "This picture is not in the set that is set up now.",
            "The result was made of another set.",
            "Open “Pictures” and choose the set of this result, or press Find super neurons.",
        )
    return list(dict.fromkeys(found))


def pending(run: RunRecord, row: int, made: Edits) -> str | None:
    """Return what the edits will do to a row with the next run: the class it moves to, "" when it is left out, None for nothing."""
    wanted, anyhow = _example(run, row), run.config.question is not None
    for example, to in reversed(made.made):
        if example.sha256 == wanted.sha256 and (anyhow or example.question == wanted.question):
            return "" if to is None else to
    return None


def picks_of(run: RunRecord, rows: Sequence[int]) -> str:
    """Return the chosen pictures as a link carries them: beginnings of their hashes, with the place among equal ones; "" for none
    and for more than a link carries."""
    if not 0 < len(rows) <= MOST_IN_A_LINK:
        return ""
    alike = _alike(run)
    return "-".join(_pick(run, row, alike) for row in rows)


def _pick(run: RunRecord, row: int, alike: dict[str, list[int]]) -> str:
    start = _start(run, row)
    same = alike[start]
    return start if len(same) == 1 else f"{start}.{same.index(row)}"


def _start(run: RunRecord, row: int) -> str:
    return _example(run, row).sha256[:PREFIX]


def _alike(run: RunRecord) -> dict[str, list[int]]:
    alike: dict[str, list[int]] = {}
    for row in range(n_rows(run)):
        alike.setdefault(_start(run, row), []).append(row)
    return alike


def is_pick(text: object) -> bool:
    """Return whether a link's text names at most ``MOST_IN_A_LINK`` pictures as ``picks_of`` does."""
    return isinstance(text, str) and len(text) <= 13 * MOST_IN_A_LINK and _PICK.fullmatch(text) is not None


def picked(run: RunRecord, picks: str) -> tuple[tuple[int, ...], int]:
    """Return the rows that a link names, and how many of its pictures are not in the run."""
    alike, rows, missing = _alike(run), set(), 0
    for pick in picks.split("-"):
        start, _, place = pick.partition(".")
        same = alike.get(start, [])
        if (place and int(place) >= len(same)) or not same or (not place and len(same) > 1):
            missing += 1
        else:
            rows.add(same[int(place or 0)])
    return tuple(sorted(rows)), missing


def table(run: RunRecord, selection: Selection, made: Edits, said: str | None = "") -> dict[str, Any]:
    """Return the value of the table: one page of the chosen pictures, or of all where none is chosen or all are asked for.

    ``said`` is what was done; None leaves the words that stand there.
    """
    chosen, n = set(selection.rows), n_rows(run)
    everything = selection.all_shown or not chosen
    listed = in_order(run, range(n) if everything else selection.rows, selection.by, selection.down)
    pages = max(1, -(-len(listed) // PAGE_ROWS))
    page = min(max(selection.page, 0), pages - 1)
    shown = listed[page * PAGE_ROWS : (page + 1) * PAGE_ROWS]
    n_test = sum(row >= len(run.train) for row in chosen)
    mixed = not run.shown.question
    return {
        "chosen": list(selection.rows),
        "title": f"{len(chosen):,} of {n:,} pictures chosen" if chosen else f"All {n:,} pictures, none chosen",
        "note": f"{n_test:,} test, {len(chosen) - n_test:,} probing" if chosen else "",
        "said": said,
        "classes": list(run.train.classes),
        "colours": [list(pair) for pair in style.colour_pairs(run.train.classes)],
        "tested": bool(len(run.test)),
        "exit": run.neurons.layer_name(run.exit_layer),
        "all": everything,
        "page": page,
        "pages": pages,
        "by": selection.by,
        "down": selection.down,
        "undo": bool(made.made),
        "rows": [_told(run, row, each, row in chosen, made, mixed) for row, each in zip(shown, about(run, shown), strict=True)],
    }


def _told(run: RunRecord, row: int, each: About, is_chosen: bool, made: Edits, mixed: bool) -> dict[str, Any]:
    _, images, at = place_of(run, row)
    return {
        "row": row,
        "src": views.thumbnail(images.pictures[at], 64),
        "name": each.name[:80],
        "question": each.question[:120] if mixed else "",
        "label": each.label,
        "vote": each.vote,
        "right": each.right,
        "full": each.full_model[:80],
        "margin": None if each.margin is None else f"{each.margin:.2f}",
        "settles": each.settles_at,
        "part": PARTS[each.part],
        "chosen": is_chosen,
        "pending": pending(run, row, made),
    }


FIELDS = (
    "name",
    "sha256",
    "question",
    "part",
    "label",
    "vote",
    "right",
    "full_model",
    "margin",
    "vote_settles_at_layer",
)


def _values(each: About) -> dict[str, Any]:
    told = each.name, each.sha256, each.question, PARTS[each.part], each.label, each.vote, each.right, each.full_model, each.margin
    return dict(zip(FIELDS, (*told, each.settles_at), strict=True))


def as_csv(run: RunRecord, rows: Sequence[int]) -> str:
    """Return the chosen pictures as CSV, a line each; a cell that a spreadsheet would run as a formula is quoted."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*FIELDS, "edited_after_looking"])
    for each in about(run, rows):
        cells = [csv_cell(cell) if isinstance(cell, str) else "" if cell is None else cell for cell in _values(each).values()]
        writer.writerow([*cells, run.edited_after_looking])
    return text.getvalue()


def as_text(run: RunRecord, rows: Sequence[int]) -> str:
    """Return the chosen pictures as JSON, with what they were asked of."""
    facts = {
        "model": run.config.model_name,
        "classes": run.train.classes,
        "exit_layer": run.exit_layer,
        "edited_after_looking": run.edited_after_looking,
        "pictures": [{name: None if value == "" else value for name, value in _values(each).items()} for each in about(run, rows)],
    }
    return json.dumps(as_json(facts), indent=1, ensure_ascii=False, allow_nan=False)
