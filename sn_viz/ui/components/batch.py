"""Many new pictures at once: what the vote says of each, where it stopped and how long that took, as rows of a table.

Takes a run, its model and pictures; fills a list of rows, one picture decoded at a time, so that a job that is stopped keeps what
is done. It knows nothing of widgets.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from sn_viz.baselines.answers import parse_answer
from sn_viz.early_exit.decide import Predictor, full_answers
from sn_viz.errors import UserError
from sn_viz.models import Vlm
from sn_viz.sources.new_pictures import NewPicture
from sn_viz.sources.text import label_key
from sn_viz.types import Progress, RunRecord
from sn_viz.ui.components import views

MOST = 500
"""Pictures of one batch."""
UNCLEAR = 0.2
"""A smaller margin of the vote is called unclear: between two classes, closer than 60 to 40."""
PIXELS = 144
ORDER = ("disagrees", "wrong", "unclear", "not read", "")
"""Which rows come first."""
HEADINGS = ("picture", "vote", "margin", "exit layer", "milliseconds", "full model", "label", "remark")


@dataclass(frozen=True)
class Row:
    """One picture."""

    name: str
    src: str
    """A small data URL; "" when it could not be read."""
    vote: str
    margin: float
    layer: str
    milliseconds: float
    full: str
    """What the full model wrote; "" when it was not asked."""
    full_label: str
    """The class that it names; "" when it names none."""
    label: str
    """What the folder says it shows; "" when it says nothing."""
    failed: str = ""
    """Why it was not read."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What to look at, the most telling first."""
        if self.failed:
            return ("not read",)
        said = (
            ("disagrees", bool(self.full_label) and self.full_label != self.vote),
            ("wrong", bool(self.label) and self.label != self.vote),
            ("unclear", self.margin < UNCLEAR),
        )
        return tuple(name for name, holds in said if holds)


def label_all(
    run: RunRecord,
    vlm: Vlm,
    pictures: Sequence[NewPicture],
    layer: int,
    question: str,
    ask_full: bool,
    rows: list[Row],
    progress: Progress,
) -> None:
    """Label ``pictures`` one by one, each in a pass that stops after ``layer``, and append a row for each to ``rows``.

    ``progress`` is called between pictures and may raise ``Cancelled``; the rows until then stay. What cannot be read gets a row
    that says so.
    """
    decide = Predictor.of(run, layer, question, vlm)
    known = {label_key(name): name for name in run.train.classes}
    for number, each in enumerate(pictures):
        progress(number / len(pictures), f"{number} of {len(pictures)} pictures")
        label = known.get(label_key(each.folder), "") if each.folder else ""
        try:
            picture = each.open()
        except UserError as error:
            rows.append(Row(each.name, "", "", 0.0, "", float("nan"), "", "", label, str(error)))
            continue
        said = decide.label([picture], [question])[0]
        full = full_answers(vlm, [picture], [question], run.answer_key)[0].text if ask_full else ""
        named = parse_answer(full, run.train.classes, question, run.answer_key) if ask_full else -1
        rows.append(
            Row(
                each.name,
                views.thumbnail(picture, PIXELS),
                said.label,
                said.margin,
                run.neurons.layer_name(said.exit_layer),
                said.milliseconds,
                full,
                run.train.classes[named] if named >= 0 else "",
                label,
            )
        )


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Return disagreements first, then what is wrong, then what is unclear; equals by how close the vote was."""
    return sorted(rows, key=lambda row: (ORDER.index(next(iter(row.remarks), "")), row.margin))


def summary(rows: Sequence[Row]) -> str:
    """Return how many there are of each kind."""
    read = [row for row in rows if not row.failed]
    compared, labelled = [row for row in read if row.full_label], [row for row in read if row.label]
    said = [f"{len(read)} pictures labelled"]
    if compared:
        said.append(f"{sum('disagrees' in row.remarks for row in compared)} of {len(compared)} unlike the full model")
    if labelled:
        said.append(f"{sum('wrong' in row.remarks for row in labelled)} of {len(labelled)} unlike the name of their folder")
    said.append(f"{sum('unclear' in row.remarks for row in read)} unclear")
    if len(read) < len(rows):
        said.append(f"{len(rows) - len(read)} not read")
    return ", ".join(said) + "."


def as_csv(rows: Sequence[Row]) -> str:
    """Return the table as CSV; a text that a spreadsheet would take for a formula begins with an apostrophe."""
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow(HEADINGS)
    for row in rows:
        remark = row.failed or " ".join(row.remarks)
        numbers = ("", "", "") if row.failed else (f"{row.margin:.4f}", row.layer, f"{row.milliseconds:.2f}")
        writer.writerow([_plain(row.name), _plain(row.vote), *numbers, _plain(row.full), _plain(row.label), _plain(remark)])
    return target.getvalue()


def _plain(text: str) -> str:
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
