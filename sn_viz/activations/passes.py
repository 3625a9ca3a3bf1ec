"""One forward pass up to a layer: what it reads, where it stops, and where the values go.

How the stop works: a hook on the exit block raises a private exception once the last site needed there has been read, so later
blocks, the final norm and the LM head never run, in any family; behind an exit inside the tower neither the projector nor the
decoder. It knows nothing about which cuts are exact (`sn_viz.activations.tail`) or when a pass is recorded
(`sn_viz.activations.recording`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from sn_viz.activations.hooks import Spot, Stop, Write, cut_down, hooks, read_spots
from sn_viz.activations.layout import Layout
from sn_viz.activations.programs import AtBlock
from sn_viz.activations.replay import Replay
from sn_viz.activations.tail import tail_parts
from sn_viz.models.vlm import Inputs, Vlm

HALF_MAX = float(np.finfo(np.float16).max)


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything about a pass up to a layer that does not depend on its inputs."""

    layers: range
    """Layers asked for."""
    last: int
    """The last of them that holds anything: there the pass stops."""
    due: tuple[int, ...]
    """Sites, as indices, that are read there."""
    spots: tuple[Spot, ...]
    """Every place to read."""
    sites: tuple[str, ...]
    """Names of the sites, by index."""
    edges: tuple[int, ...]
    """Where each cell (layer, site) begins on the neuron axis, and the end of the last."""
    cut: str
    """What of the exit block runs on the last position only: an entry of `sn_viz.activations.tail.CUTS`."""
    tail: tuple[nn.Module, ...]
    """The parts of the exit block that this means."""

    @property
    def transforms(self) -> bool:
        """Whether anything is made of what a place holds."""
        return any(spot.transform is not None for spot in self.spots)

    def cell(self, layer: int, site: int) -> int:
        """Return the position of a cell in ``edges``."""
        return (layer - self.layers.start) * len(self.sites) + site


def plan_pass(layout: Layout, sites: Sequence[str], exit_layer: int, cut: str) -> Plan:
    """Return the plan of a pass up to ``exit_layer`` that reads ``sites``."""
    layers = range(layout.layers(sites).start, exit_layer + 1)
    widths = layout.widths(sites)[: len(layers)]
    row = int(np.flatnonzero(widths.any(axis=1)).max(initial=0))
    return Plan(
        layers=layers,
        last=layers[row],
        due=tuple(np.flatnonzero(widths[row]).tolist()),
        spots=layout.spots(sites, layers[: row + 1]),
        sites=tuple(sites),
        edges=tuple(np.concatenate([[0], np.cumsum(widths.ravel())]).tolist()),
        cut=cut,
        tail=tail_parts(layout.block(layers[row]), cut) if layers[row] >= 1 else (),
    )


class Buffer:
    """One batch of values, laid out by layer, site and unit, filled by hooks; cut to float16's range only at the end."""

    def __init__(self, plan: Plan, batch: int, device: torch.device) -> None:
        self.plan = plan
        self.values = torch.empty((batch, plan.edges[-1]), dtype=torch.float32, device=device)

    def write(self, layer: int, site: int, vector: torch.Tensor) -> None:
        """Keep ``vector`` (batch, unit)."""
        cell = self.plan.cell(layer, site)
        self.values[:, self.plan.edges[cell] : self.plan.edges[cell + 1]] = vector

    def read(self, layers: range, dtype: type[np.floating]) -> np.ndarray:
        """Return a copy of the values of ``layers``, (batch, neuron)."""
        start, stop = self.plan.cell(layers[0], 0), self.plan.cell(layers[-1] + 1, 0)
        values = self.values[:, self.plan.edges[start] : self.plan.edges[stop]]
        if dtype == np.float16:
            values = values.clamp(-HALF_MAX, HALF_MAX).to(torch.float16)
        return values.cpu().numpy()


def run_pass(vlm: Vlm, replay: Replay, plan: Plan, inputs: Inputs, write: Write, at_block: AtBlock | None = None) -> None:
    """Run blocks up to the last layer of ``plan``, hand what every site holds to ``write``, and stop.

    The pass ends as soon as all that is due in the last layer was read. Of each decoder block ``at_block`` is told when it is about
    to begin. Call it with the model locked, under ``torch.inference_mode``.
    """
    waiting = set(plan.due)

    def write_and_stop(layer: int, site: int, vector: torch.Tensor) -> None:
        write(layer, site, vector)
        if layer == plan.last:
            waiting.discard(site)
            if not waiting:
                raise Stop

    with hooks() as handles:
        if at_block is not None:
            for layer, block in enumerate(vlm.blocks[: max(plan.last, 0)], start=1):
                handles.append(block.register_forward_pre_hook(lambda *_, layer=layer: at_block(layer)))
        cut_down(plan.tail, handles)
        read_spots(vlm, plan.spots, inputs, write_and_stop, handles)
        try:
            replay(inputs, max(plan.last, 0))
        except Stop:
            return
    raise AssertionError(f"{type(vlm.module).__name__} never reached layer {plan.last} at {sorted(waiting)}")
