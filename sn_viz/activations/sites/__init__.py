"""Sites: which tensor of a block is read. One file each; those of the vision tower lie in the folder ``tower``.

Takes a block; returns the module to hook, the side to read, and what to make of what is there. It knows nothing about prompts,
layers or labels.
"""

from __future__ import annotations

import hashlib
import inspect
import marshal
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, Protocol

from sn_viz.errors import UserError
from sn_viz.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import nn

Side = Literal["input", "output", "attention"]
Place = tuple["nn.Module", Side]
"""A module, and what of it is read: its input, its output, or (of an attention module in the decoder) how its heads attend from the
last prompt position, float32 (batch, head, 1, key)."""
Transform = Callable[[Any], "torch.Tensor"]
"""What a site makes of what its place holds; see `Site`."""


class Site(Protocol):
    """A place in every block of one kind that holds one vector per position.

    A site may have a method ``transform(self, held)`` besides, where what its place holds is no such vector yet. It is given what
    the place holds, for all positions of the prompt: the tensor at an input, whatever the module returns at an output (often a
    tuple), the weights of attention. It returns a tensor of one vector per position, (batch, position, unit), or per example,
    (batch, unit), of which the last position is kept as of every site; in the vision tower (picture, patch, unit), which is then
    averaged over the patches. There are as many units whatever the prompt. It must depend on nothing else and change nothing.
    """

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
PATCH_MEANS = "means2"
"""Which way the vision tower's patches are averaged: from 2 on without padding, whatever the tower."""


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


def transform_of(name: str) -> Transform | None:
    """Return what the site of that name makes of what its place holds, or None where it is read as it is."""
    return getattr(site_called(name), "transform", None)


def key_of(name: str) -> str:
    """Return what tells values of a site from others in the cache.

    That is its name, in the vision tower also how the patches of a picture are averaged, and with a transform a digest of what
    defines it.
    """
    return "~".join((name, *([PATCH_MEANS] if in_tower(name) else []), *transform_versions((name,)).values()))


def transform_versions(names: Iterable[str]) -> dict[str, str]:
    """Return a digest of the source that defines it for each of the sites that has a transform, by name."""
    found = {}
    for name in names:
        transform = transform_of(name)
        if transform is not None:
            files = dict.fromkeys((type(site_called(name)).__module__, transform.__module__))
            found[name] = hashlib.sha256(b"".join(_source(file, transform) for file in files)).hexdigest()[:8]
    return found


def _source(module: str, transform: Any) -> bytes:
    try:
        return inspect.getsource(sys.modules[module]).encode()
    except (OSError, TypeError):  # typed in, or run from compiled files alone
        return marshal.dumps(transform.__code__)


def in_tower(name: str) -> bool:
    """Return whether a site lives in the vision tower."""
    return name in TOWER_SITES.names()


def site_called(name: str) -> Site:
    """Return the site of that name, wherever it lives."""
    return (TOWER_SITES if in_tower(name) else SITES)[name]
