"""Images handed over class by class, as the app's upload does.

Takes ``[(class name, [(file name, bytes or path)])]``, perhaps with a group after each, and then "train" or "test"; returns images
to open. File names are only shown, never opened; one that is given twice gets its class, or a number.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator

from sn_viz.errors import UserError
from sn_viz.sources.budget import Budget
from sn_viz.sources.gather import Found
from sn_viz.sources.later import picture_of
from sn_viz.sources.source import SOURCES
from sn_viz.sources.text import numbered, quoted
from sn_viz.types import Picture


@SOURCES.register("upload")
class Upload:
    """A list of (class name, [(file name, bytes, path or image)]); a third value of a file names its group, a fourth its side."""

    @staticmethod
    def accepts(data: object) -> bool:
        return isinstance(data, (list, tuple)) and all(
            isinstance(group, (list, tuple))
            and len(group) == 2
            and isinstance(group[0], str)
            and isinstance(group[1], (list, tuple))
            for group in data
        )

    @staticmethod
    def read(data: list, budget: Budget) -> Iterator[Found]:
        """Yield the files of each class; names that two classes share are told apart by the class."""
        given = Counter(name for _, files in data for name, *_ in files)
        shown = [name if given[name] == 1 else f"{class_name}/{name}" for class_name, files in data for name, *_ in files]
        names = iter(numbered(shown))
        for class_name, files in data:
            if not class_name.strip():
                raise UserError("A class has no name.", f"It comes with {len(files)} files.", "Name every class.")
            if not files:
                yield Found(class_name, class_name, functools.partial(_nothing, class_name))
            for _, content, *more in files:
                name, (group, part) = next(names), (*more, "", "")[:2]
                yield Found(name, class_name, functools.partial(picture_of, content, name, budget), part=part, group=group)


def _nothing(class_name: str) -> Picture:
    raise UserError(f"{quoted(class_name)} was not read.", "No file was given for this class.", "Add images to it.")
