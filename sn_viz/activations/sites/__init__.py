"""Sites: which tensor of a block is read. One file each; those of the vision tower lie in the folder ``tower``.

Takes a block; returns the module to hook and the side to read. It knows nothing about prompts, layers or labels.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Protocol

from sn_viz.errors import UserError
from sn_viz.registry import Registry

if TYPE_CHECKING:
    from torch import nn

Side = Literal["input", "output"]
Place = tuple["nn.Module", Side]
"""A module, and whether its input or its output is read."""


class Site(Protocol):
    """A place in every block of one kind that holds one vector per position."""

    name: str
    __doc__: str | None

    def module_of(self, block: nn.Module) -> Place:
        """Return the module of ``block`` to watch, and whether its input or its output is the site.

        Raises
        ------
        UserError
            When this block has no such place.
        """
        ...


SITES: Registry[Site] = Registry(
    "site", "sn_viz.activations.sites", first=("residual", "attention_output", "mlp_output", "mlp_neuron", "attention_head")
)
"""Places in decoder blocks, read at the last prompt position; costly ones only when they are named."""
TOWER_SITES: Registry[Site] = Registry(
    "site of the vision tower", "sn_viz.activations.sites.tower", first=("residual", "mlp_neuron")
)
"""Places in the blocks of the vision tower, averaged over the patches of the picture."""


def site_names(sites: str | Iterable[str] = "all") -> tuple[str, ...]:
    """Return the names of the chosen sites in the registries' order, each once, those of the decoder first.

    Parameters
    ----------
    sites : str or iterable of str
        Names; "all" stands for every usual site of the decoder and "tower" for every site of the vision tower, so that
        ``("all", "tower")`` is everything. Nothing chosen means "all".

    Raises
    ------
    UserError
        When there is no site of that name.
    """
    asked = ({sites} if isinstance(sites, str) else set(sites)) or {"all"}
    chosen = asked - {"all", "tower"}
    chosen |= set(SITES.usual()) if "all" in asked else set()
    chosen |= set(TOWER_SITES.names()) if "tower" in asked else set()
    known = (*SITES.names(), *TOWER_SITES.names())
    for name in sorted(chosen.difference(known)):
        raise UserError(f"There is no site called {name!r}.", f"There are: {', '.join(known)}.", "Choose one of these.")
    return tuple(name for name in known if name in chosen)


def in_tower(name: str) -> bool:
    """Return whether a site lives in the vision tower."""
    return name in TOWER_SITES.names()


def site_called(name: str) -> Site:
    """Return the site of that name, wherever it lives."""
    return (TOWER_SITES if in_tower(name) else SITES)[name]
