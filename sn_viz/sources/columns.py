"""Which columns of a table of any kind hold the picture, the label, the question: found by name and kind, or asked for.

Takes what each column is called and what it can be; returns a column for each field. It reads no values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sn_viz.errors import UserError
from sn_viz.sources.rows import COLUMNS
from sn_viz.sources.text import listed, quoted

ALIASES = {
    **COLUMNS,
    "image": (*COLUMNS["image"], "img", "picture", "photo", "image_path", "jpg", "png"),
    "label": (*COLUMNS["label"], "labels", "category", "target", "cls"),
}
"""Names that columns go by, the likeliest first."""
FIELDS = ("image", "label", "question", "group", "split")
"""What may be asked for."""


class NoLabels(UserError):
    """Raised where a table has no column of labels."""


@dataclass(frozen=True)
class Asked:
    """Data together with the columns that a user named: field of ``FIELDS`` -> column."""

    data: Any
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Column:
    """One column, before any value of it is read."""

    name: str
    pictures: bool = False
    """Whether its values can be pictures: bytes, or a struct of bytes and path."""
    marked: bool = False
    """Whether the table itself says that they are pictures."""
    scalar: bool = False
    """Whether its values are texts, numbers or truth values."""
    class_names: tuple[str, ...] = field(default=(), repr=False)
    """What its numbers stand for, where the table says so."""


def asked_of(data: Any) -> tuple[Any, Mapping[str, str]]:
    """Return the data and the columns asked for, none where the data came without."""
    return (data.data, data.columns) if isinstance(data, Asked) else (data, {})


def checked(columns: Mapping[str, str]) -> dict[str, str]:
    """Return the columns asked for, when their fields are known ones.

    Raises
    ------
    UserError
    """
    if unknown := [quoted(str(name)) for name in columns if name not in FIELDS]:
        cause = f"A table has the fields {listed(list(FIELDS))}."
        raise UserError(f"There is no field {listed(unknown)}.", cause, "Write FIELD=COLUMN, as in label=fine_label.")
    return {str(name): str(column) for name, column in columns.items()}


def find_columns(columns: Sequence[Column], asked: Mapping[str, str], name: str) -> dict[str, Column]:
    """Return the column of each field that there is.

    Parameters
    ----------
    columns : sequence of Column
    asked : mapping
        Field -> the column that the user named.
    name : str
        What messages call the whole, quoted.

    Raises
    ------
    UserError
        When a column asked for is not there, or image or label cannot be told.
    """
    by_name = {column.name: column for column in columns}
    if len(by_name) < len(columns):
        names = [column.name for column in columns]
        twice = next(each for each in names if names.count(each) > 1)
        raise UserError(f"{name} has two columns {quoted(twice)}.", "Which of them holds cannot be told.", "Rename or remove one.")
    for wanted in asked.values():
        if wanted not in by_name:
            raise UserError(f"{name} has no column {quoted(wanted)}.", _there(columns), "Check the name.")
    found = {what: by_name[wanted] for what, wanted in asked.items()}
    if twice := next((wanted for wanted in asked.values() if list(asked.values()).count(wanted) > 1), None):
        fields = listed([what for what, wanted in asked.items() if wanted == twice])
        raise UserError(f"The column {quoted(twice)} was named for {fields}.", "A column holds one field.", "Name another.")
    lower = {column.name.casefold(): column for column in reversed(columns)}
    found.setdefault("image", _image(columns, lower, name))
    rest = {key: column for key, column in lower.items() if column.name != found["image"].name and column.scalar}
    if "label" not in found:
        found["label"] = _label(columns, rest, name)
    for what in ("question", "group", "split"):
        alias = next((alias for alias in ALIASES[what] if alias in rest and rest[alias] not in found.values()), None)
        if alias is not None:
            found.setdefault(what, rest[alias])
    for what, column in found.items():
        _check_capitals(what, column, columns, asked, name)
    return found


def others_note(columns: Sequence[Column], found: Mapping[str, Column], asked: Mapping[str, str], name: str) -> str:
    """Return the note on columns that could as well be the labels; "" where there are none, or where the label was asked for."""
    taken = {column.name for column in found.values()}
    could = [
        quoted(column.name)
        for column in columns
        if column.name not in taken and (column.class_names or (column.scalar and column.name.casefold() in ALIASES["label"]))
    ]
    if "label" in asked or not could:
        return ""
    label = quoted(found["label"].name)
    return f"The labels of {name} are its column {label}; {listed(could)} could be meant too, and is chosen by label=COLUMN."


def _check_capitals(what: str, taken: Column, columns: Sequence[Column], asked: Mapping[str, str], name: str) -> None:
    """Refuse a column that was not asked for and has a twin in other capitals, in which the same could stand."""
    twins = [column.name for column in columns if column.name.casefold() == taken.name.casefold()]
    if len(twins) > 1 and what not in asked:
        cause = "Which of them holds cannot be told."
        both = " and ".join(quoted(each) for each in twins[:2])
        raise UserError(f"{name} has the columns {both}.", cause, f"Name one of them: {what}={taken.name}.")


def _image(columns: Sequence[Column], lower: Mapping[str, Column], name: str) -> Column:
    marked = [column for column in columns if column.marked]
    able = marked or [column for column in columns if column.pictures]
    named = [lower[alias] for alias in ALIASES["image"] if alias in lower]
    among = [column for column in named if column in able] or able or [column for column in named if column.scalar]
    if not among:
        raise UserError(f"{name} has no column of images.", _there(columns), "Call it image, or name it: image=COLUMN.")
    if len(among) > 1 and not named:
        cause = f"It could be {listed([quoted(column.name) for column in among])}."
        raise UserError(f"{name} has several columns of images.", cause, "Name one of them: image=COLUMN.")
    return among[0]


def _label(columns: Sequence[Column], rest: Mapping[str, Column], name: str) -> Column:
    named = [rest[alias] for alias in ALIASES["label"] if alias in rest]
    classes = [column for column in columns if column.class_names]
    among = named or classes
    if not among:
        hint = "Call it label, or name it: label=COLUMN."
        if other := next((column for column in columns if column.name.casefold() in ALIASES["label"] and not column.scalar), None):
            cause = "Its values are neither texts nor numbers."
            raise UserError(
                f"The column {quoted(other.name)} of {name} was not read.", cause, "Write texts or numbers, or name another."
            )
        raise NoLabels(f"No column of {name} is called label or class.", _there(columns), hint)
    if len(among) > 1 and not named:
        cause = f"It could be {listed([quoted(column.name) for column in among])}."
        raise UserError(f"{name} has several columns of classes.", cause, f"Name one of them: label={among[0].name}.")
    return among[0]


def _there(columns: Sequence[Column]) -> str:
    return f"There are: {listed([quoted(column.name) for column in columns])}." if columns else "It has no columns at all."
