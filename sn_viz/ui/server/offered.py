"""Which models a visitor may choose, and who may have one fetched from the hub.

On one's own machine: the embedded ones, those of the table, and any other by its name. On a server for others: the embedded ones,
the operator's default, and what SN_VIZ_MODELS names, up to SN_VIZ_MODEL_MAX_GB; visitors have nothing else fetched.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from sn_viz.errors import UserError
from sn_viz.models.catalog import CATALOG, model_names, resolve_name
from sn_viz.models.hub.fetch import size
from sn_viz.models.hub.name import read_name
from sn_viz.models.hub.obtain import is_here
from sn_viz.sources.pack import model_of_pack

MODELS = "SN_VIZ_MODELS"
MAX_GB = "SN_VIZ_MODEL_MAX_GB"
USUAL_MAX_GB = 20.0
MOST_LETTERS = 300
Usual = Callable[[str | None], str]
"""Tells which model answers where nobody chose: about a pack by its name, and about people's own images (None)."""


class Offered(Mapping[str, str]):
    """The models that are offered: what people choose -> name or folder, which stays on the server.

    Parameters
    ----------
    named : mapping of str to str
        The default first.
    largest : float
        Bytes of a model that a visitor may have fetched.
    """

    def __init__(self, named: Mapping[str, str], largest: float) -> None:
        self._named, self.largest = dict(named), largest
        self.any_name = False
        """Whether any other model of the hub may be named too; ``launch`` says so of a page for this machine only."""

    @property
    def most_bytes(self) -> float | None:
        """Of a model that may be fetched; None on one's own machine."""
        return None if self.any_name else self.largest

    def __getitem__(self, name: str) -> str:
        return self._named[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)

    def typed(self, text: str) -> str | None:
        """Return the model of the hub that was typed, where any may be; None otherwise.

        Raises
        ------
        UserError
            When it is an address that leads to no model.
        """
        if not self.any_name or len(text) > MOST_LETTERS:
            return None
        if text.partition("@")[0] in model_names():
            return text
        found = read_name(text)
        return None if found is None else str(found)

    def opened_by_a_link(self, text: object) -> tuple[str, ...]:
        """Return what a link may name as the model: the default, and another only if nothing need be fetched for it."""
        first = next(iter(self))
        try:
            found = None if not isinstance(text, str) else self[text] if text in self else self.typed(text)
            return (first, str(text)) if found is not None and is_here(found) else (first,)
        except UserError:
            return (first,)


def chosen(models: Mapping[str, str], model: object) -> str:
    """Return the name or folder of what a visitor chose or typed.

    Raises
    ------
    UserError
        When it is not offered.
    """
    if isinstance(model, str) and model in models:
        return models[model]
    if isinstance(model, str) and isinstance(models, Offered) and (found := models.typed(model.strip())) is not None:
        return found
    hint = "Choose one of these."
    if isinstance(models, Offered):
        other = "type one of the hub as OWNER/NAME" if models.any_name else "run sn_viz on your own machine for any other"
        hint = f"Choose one of these, or {other}."
    raise UserError(f"The model {str(model)[:60]!r} is not offered here.", f"There are: {', '.join(models)}.", hint)


def models_here(default: str) -> Offered:
    """Return the models that are offered wherever the page is served, the default first.

    Parameters
    ----------
    default : str
        Name or folder of the model that answers where nobody chose.
    """
    sources = [default, *(row.name for row in CATALOG if row.folder and row.folder.is_dir()), *_named_by_operator()]
    named: dict[str, str] = {}
    for source in sources:
        named.setdefault(Path(source).name if Path(source).is_absolute() else source, source)
    return Offered(named, most_bytes())


def usual_model(models: Mapping[str, str], asked: str | None) -> Usual:
    """Return what tells which model answers where nobody chose: a pack's own, else the default; the operator's word goes first."""
    first = next(iter(models))
    named = asked is not None or bool(os.environ.get("SN_VIZ_MODEL"))

    def usual(pack: str | None) -> str:
        """Return the model for a pack, or for people's own images (None)."""
        own = None if named or pack is None else model_of_pack(pack)
        return own if own in models else first

    return usual


def labels(models: Mapping[str, str], any_name: bool) -> list[tuple[str, str]]:
    """Return (what is shown, what is chosen) of each; with ``any_name`` also of those in the table of models.

    Of one that is not here it is shown how much there is to fetch.
    """
    known = {row.name: row.n_bytes for row in CATALOG}
    sources = {**models, **({name: name for name in known if name not in models} if any_name else {})}

    def label(name: str, source: str) -> str:
        try:
            if is_here(source):
                return name
        except UserError:  # a folder that is gone: told to whoever chooses it
            return name
        return f"{name} ({f'{size(known[name])} ' if name in known else ''}to be fetched)"

    return [(label(name, source), name) for name, source in sources.items()]


def _named_by_operator() -> list[str]:
    given = (text.strip() for text in os.environ.get(MODELS, "").split(","))
    return [resolve_name(text) for text in given if text]


def most_bytes() -> float:
    """Return the largest model that a visitor may have fetched, as the environment says.

    Raises
    ------
    UserError
        When it is no number above nought.
    """
    text = os.environ.get(MAX_GB, "").strip() or str(USUAL_MAX_GB)
    try:
        most = float(text)
    except ValueError:
        most = 0.0
    if not 0 < most < 1e6:
        raise UserError(f"{MAX_GB} was not understood.", f"It is {text[:20]!r}.", f"Set it to gigabytes, such as {USUAL_MAX_GB:g}.")
    return most * 1e9
