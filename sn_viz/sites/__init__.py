"""Sites: which tensor of a decoder block is read. One file each.

Takes a block; returns the module to hook and the side to read. It knows nothing about prompts, layers or labels.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Protocol

from sn_viz.registry import Registry

if TYPE_CHECKING:
    from torch import nn

Side = Literal["input", "output"]
Place = tuple["nn.Module", Side]
"""A module, and whether its input or its output is read."""


class Site(Protocol):
    """A place in every decoder block that holds one vector per position."""

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


SITES: Registry[Site] = Registry("site", "sn_viz.sites")


def site_names(sites: str | Iterable[str] = "all") -> tuple[str, ...]:
    """Return the names of the chosen sites in the registry's order, each once.

    Parameters
    ----------
    sites : str or iterable of str
        "all", one name, or several; nothing chosen means all.

    Raises
    ------
    UserError
        When there is no site of that name.
    """
    chosen = {sites} if isinstance(sites, str) else set(sites)
    if not chosen or chosen == {"all"}:
        return tuple(SITES.names())
    for name in sorted(chosen):
        SITES[name]
    return tuple(name for name in SITES.names() if name in chosen)


# The order in which people meet them; files dropped into this folder follow in the order of their names.
from sn_viz.sites import residual, attention_output, mlp_output, mlp_neuron  # noqa: E402, F401, I001
