"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sn_viz.config import Choice
from sn_viz.errors import UserError

JsonOption = Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write JSON to this file; - prints only JSON.")]
ModelOption = Annotated[
    str | None,
    typer.Option(help="Name, folder, or OWNER/NAME\\[@REVISION] of the hub.", show_default="SN_VIZ_MODEL, else an embedded one"),
]
QuickOption = Annotated[bool, typer.Option("--quick", help="Small sizes, few repetitions: a look, not a record.")]
DeviceOption = Annotated[str | None, typer.Option(help="cpu, cuda, ...", show_default="the fastest there is")]


def option(choice: Choice, default: str | bool = True) -> Any:
    """Return the option of a choice: its help; the bounds are checked where a run begins, for all ways in alike.

    ``default`` is said in place of the value that stands for it.
    """
    return typer.Option(help=choice.help, show_default=default)


def columns_given(texts: list[str] | None) -> dict[str, str] | None:
    """Return FIELD=COLUMN options as a mapping, None where there are none.

    Raises
    ------
    UserError
    """
    if not texts:
        return None
    pairs = [text.partition("=") for text in texts]
    if wrong := [text for text, (field, _, column) in zip(texts, pairs, strict=True) if not (field.strip() and column.strip())]:
        raise UserError(f"{wrong[0]!r} names no column.", "It is written FIELD=COLUMN.", "Write --column label=fine_label.")
    return {field.strip(): column.strip() for field, _, column in pairs}
