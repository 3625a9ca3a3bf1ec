"""Which data sets of the hub a visitor may have read.

On one's own machine any, by its name; some are listed, so that a lesson can begin with photographs. On a server for others only
those that the operator names in SN_VIZ_DATASETS. Only a commit that the hub names is read, and at most a few hundred rows of it.
"""

from __future__ import annotations

import os

from sn_viz.errors import UserError
from sn_viz.sources.hub import SCHEME, Reference

DATASETS = "SN_VIZ_DATASETS"
LISTED = (
    ("cats or dogs (terms not stated)", "microsoft/cats_vs_dogs"),
    ("leaves of beans, healthy or ill (MIT)", "AI-Lab-Makerere/beans"),
    ("dishes of 101 kinds (terms not stated)", "ethz/food101"),
    ("ten kinds of things and animals, 32 pixels (terms not stated)", "uoft-cs/cifar10"),
)
"""Sets of photographs that the hub had when this was written, with their terms as the hub gave them."""
LETTERS = 300


def offered(public: bool) -> list[tuple[str, str]]:
    """Return (what is shown, what is read) of the data sets to choose from; of those listed here, what they are and their terms."""
    named = [text.strip() for text in os.environ.get(DATASETS, "").split(",") if text.strip()]
    return [(_shown(text), text) for text in [*named, *(() if public else (name for _, name in LISTED))]]


def _shown(text: str) -> str:
    what = next((what for what, name in LISTED if name == text.removeprefix(SCHEME).partition(":")[0].partition("@")[0]), "")
    return f"{text}: {what}" if what else text


def chosen(text: str, public: bool) -> str:
    """Return the reference ``hub:OWNER/NAME`` of what a visitor chose or typed.

    Raises
    ------
    UserError
        When it is not offered, or is no name of a data set.
    """
    plain = " ".join(str(text or "").split())[:LETTERS].removeprefix(SCHEME)
    if not plain:
        raise UserError("No data set was named.", "The field is empty.", "Choose one, or write OWNER/NAME.")
    if public and plain not in [name for _, name in offered(public)]:
        raise UserError("This data set is not offered here.", "The operator names those that are.", "Choose one of the list.")
    return Reference.of(SCHEME + plain).text
