"""Rows of a benchmark from the Hugging Face Hub, streamed; pictures stay bytes until they are opened.

Takes the name of a data set and one of its splits; returns rows. The package ``datasets`` is optional and imported on use; no
code of a data set is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sn_viz.errors import UserError
from sn_viz.sources.hub import hub_failures
from sn_viz.sources.text import quoted

SHUFFLE = 1000
"""Rows held while shuffling: data sets keep the questions of one picture together."""
_REFERENCE = re.compile(r"(?P<name>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>[\w./-]+))?", re.ASCII)


def rows(reference: str, split: str, seed: int) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a split, shuffled by ``seed``.

    Parameters
    ----------
    reference : str
        ``OWNER/NAME`` or ``OWNER/NAME@REVISION``.
    split : str
        As the data set calls it.
    seed : int

    Raises
    ------
    UserError
        When the name is none, the package is missing, or the hub cannot be reached.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise UserError(f"{quoted(reference)} is not a data set of the hub.", "It is written OWNER/NAME.", "Check the name.")
    try:
        import datasets  # pyright: ignore[reportMissingImports]  # optional
    except ImportError:
        cause = "The package 'datasets' is not installed."
        raise UserError(f"{quoted(reference)} was not read.", cause, "Run: pip install datasets") from None
    try:
        stream = datasets.load_dataset(match["name"], split=split, streaming=True, revision=match["revision"])
        stream = stream.cast_column("image", datasets.Image(decode=False)).shuffle(seed=seed, buffer_size=SHUFFLE)
        yield from stream
    except hub_failures() as error:
        cause = f"The hub cannot be reached, or it has no such public data set with a split '{split}' and a column 'image'."
        raise UserError(f"{quoted(reference)} was not read.", cause, "Check name and network, or give a folder.") from error
