"""Where the sites of a model live: in which layers, at which modules, and how wide they are.

Takes a ``Vlm`` and names of sites; returns names, layers, modules and widths. It knows nothing about exits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from sn_viz.activations.hooks import Spot, hooks, read_spots
from sn_viz.activations.sites import Place, in_tower, site_called, site_names, transform_of
from sn_viz.activations.trials import noise_batch
from sn_viz.errors import UserError
from sn_viz.models.vlm import Vlm


class Layout:
    """The sites of one model.

    Parameters
    ----------
    vlm : Vlm
    """

    def __init__(self, vlm: Vlm) -> None:
        self.vlm = vlm
        self._places: dict[str, list[Place]] = {}
        self._widths: dict[str, np.ndarray] = {}
        """int64 (block,) by name of the site."""

    def available(self, sites: str | Sequence[str] = "all") -> tuple[str, ...]:
        """Return the chosen sites in the registries' order.

        "all" (of the decoder) and "tower" leave out what the model does not have; a name insists on it.

        Raises
        ------
        UserError
            When there is no site of that name, here or at all.
        """
        names = site_names(sites)
        asked = ({sites} if isinstance(sites, str) else set(sites)) or {"all"}
        for name in names:
            if name in asked or (not self.vlm.tower_blocks and in_tower(name)):
                self.places(name)
        return tuple(name for name in names if self.has(name))

    def has(self, name: str) -> bool:
        """Return whether every block of its kind has the site of that name."""
        try:
            return bool(self.places(name))
        except UserError:
            return False

    def places(self, name: str) -> list[Place]:
        """Return where to read a site in every block, looked up once. Raises UserError where a block does not have it.

        Weights of attention are found by trying: the first call that names such a site runs two small pictures through the model.
        """
        if name not in self._places:
            if in_tower(name) and not self.vlm.tower_blocks:
                raise UserError(
                    f"The site {name!r} is not there.",
                    f"The vision tower of {type(self.vlm.module).__name__} is no plain stack of blocks.",
                    "Leave it out.",
                )
            blocks = self.vlm.tower_blocks if in_tower(name) else self.vlm.blocks
            found = [site_called(name).module_of(block) for block in blocks]
            if any(side == "attention" for _, side in found):
                self._widths[name] = self._tried(name, found)
            self._places[name] = found
        return self._places[name]

    def layers(self, sites: Sequence[str]) -> range:
        """Return the layers that hold the chosen sites: from the tower's first block where one of them lives there, else from 1."""
        lives_in_tower = [in_tower(name) for name in sites]
        start = 1 - len(self.vlm.tower_blocks) if any(lives_in_tower) else 1
        return range(start, 1 + (0 if all(lives_in_tower) else self.vlm.n_layers))

    def check_layer(self, sites: Sequence[str], layer: int) -> None:
        """Raise a UserError unless ``layer`` is one of ``layers(sites)``; the message lists them."""
        layers = self.layers(sites)
        if layer not in layers:
            raise UserError(
                f"There is no layer {layer}.", f"{self.vlm.name} has layers {spoken_layers(layers)}.", "Choose one of these."
            )

    def block(self, layer: int) -> nn.Module:
        """Return the block behind which ``layer`` lies; layer 0 is the last of the tower."""
        return self.vlm.blocks[layer - 1] if layer >= 1 else self.vlm.tower_blocks[layer - 1]

    def spots(self, sites: Sequence[str], layers: range) -> tuple[Spot, ...]:
        """Return every place to read in ``layers``."""
        return tuple(
            Spot(layer, index, self.places(name)[layer - 1], transform_of(name))
            for layer in layers
            for index, name in enumerate(sites)
            if in_tower(name) == (layer < 1)
        )

    def widths(self, sites: Sequence[str]) -> np.ndarray:
        """Return how many neurons each site has in each layer.

        Parameters
        ----------
        sites : sequence of str
            Names of sites that the model has. The first call that names a site runs two small pictures through the model.

        Returns
        -------
        np.ndarray
            int64 (layer, site), one row for each of ``layers(sites)``; 0 where a layer does not hold the site, or where the model
            leaves out that block.
        """
        missing = [name for name in sites if name not in self._widths]
        if missing:
            self._widths |= self._seen_widths(missing, self.spots(missing, self.layers(missing)))
        layers = self.layers(sites)
        widths = np.zeros((len(layers), len(sites)), dtype=np.int64)
        for column, name in enumerate(sites):
            blocks = self._widths[name]
            start = (1 - len(blocks) if in_tower(name) else 1) - layers.start
            widths[start : start + len(blocks), column] = blocks
        return widths

    def take_widths(self, other: Layout) -> None:
        """Take the widths that were seen in a model with the same weights."""
        self._widths |= other._widths

    def _tried(self, name: str, places: Sequence[Place]) -> np.ndarray:
        """Return how wide a site was that may not be there, int64 (block,). Raises UserError where it was not."""
        if in_tower(name):
            raise UserError(f"The site {name!r} is not there.", "Attention is read in the decoder only.", "Leave it out.")
        try:
            spots = [Spot(layer, 0, place, transform_of(name)) for layer, place in enumerate(places, start=1)]
            return self._seen_widths((name,), spots)[name]
        except UserError as error:
            raise UserError(f"The site {name!r} is not there.", error.cause, "Leave it out.") from error

    def _seen_widths(self, sites: Sequence[str], spots: Sequence[Spot]) -> dict[str, np.ndarray]:
        """Return int64 (block,) by name: how wide each site was in a pass over noise that reads ``spots``."""
        seen = {name: np.zeros(len(self.vlm.tower_blocks if in_tower(name) else self.vlm.blocks), dtype=np.int64) for name in sites}

        def note(layer: int, site: int, vector: torch.Tensor) -> None:
            seen[sites[site]][layer - 1] = vector.shape[-1]

        inputs = noise_batch(self.vlm)
        with self.vlm.lock, torch.inference_mode(), hooks() as handles:
            read_spots(self.vlm, spots, inputs, note, handles)
            self.vlm.module(**inputs, **self.vlm.forward_options())
        return seen


def spoken_layers(layers: range) -> str:
    """Return what layers there are, for people: "1 to 12", or "V1 to V4 (-3 to 0) and 1 to 12"."""
    decoder = f"1 to {layers[-1]}" if layers and layers[-1] >= 1 else ""
    tower = f"V1 to V{1 - layers.start} ({layers.start} to 0)" if layers.start < 1 else ""
    return " and ".join(filter(None, (tower, decoder)))
