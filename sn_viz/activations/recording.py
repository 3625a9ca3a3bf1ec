"""Which passes run as recorded programs: short ones that repeat, once a recording has proved to be the pass, bit for bit.

Takes plans and inputs; returns programs (`sn_viz.activations.programs`). It knows nothing about labels or where to stop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from sn_viz.activations.hooks import Stop, cut_down, hooks, read_spots
from sn_viz.activations.passes import Buffer, Plan, run_pass
from sn_viz.activations.programs import AFTER, FAULTS, AtBlock, Stretch, Watch, recorded, run_in_order
from sn_viz.activations.replay import Prompt, Replay
from sn_viz.errors import UserError
from sn_viz.models.threads import SMALL
from sn_viz.models.vlm import Inputs, Vlm


class Recorder:
    """The recorded passes of one model.

    Parameters
    ----------
    vlm : Vlm
    replay : Replay
        Its passes; the programs are kept with their prompts there.
    """

    def __init__(self, vlm: Vlm, replay: Replay) -> None:
        self.vlm, self.replay = vlm, replay
        self.watch: Watch | None = None
        """Guards the programs, made with the first of them."""
        self.enabled = True
        """Whether passes are recorded; False once a program computed anything else than the model."""

    def records(self, inputs: Inputs) -> bool:
        """Return whether passes like this one, once repeated, are worth recording: small, on a processor."""
        small = self.vlm.device.type == "cpu" and not self.vlm.shared_out and self.vlm.n_weights * len(inputs["input_ids"]) <= SMALL
        return self.enabled and small and len(_pixels(inputs)) == 1

    def programs(self, inputs: Inputs, plan: Plan, after: int = AFTER) -> list[Stretch] | None:
        """Return a pass as programs, recorded when it has run ``after`` times before; None where it must run as it is."""
        if plan.transforms or not self.records(inputs):  # a transform may go by the values
            return None
        if self.watch is not None and not self.watch.unchanged():
            return None
        prompt = self.replay.known(inputs, max(plan.last, 0))
        if prompt is None:
            return None
        layers = range(min(plan.last, 0), plan.last + 1)  # those of the tower run as one stretch
        keys = [(plan.sites, layer, layer == plan.last and plan.cut) for layer in layers]
        prompt.passes[keys[-1]] += 1
        if all(key in prompt.programs for key in keys):
            return [prompt.programs[key] for key in keys]
        if prompt.passes[keys[-1]] >= after:  # its very first pass was not counted
            self._record(inputs, plan, prompt, keys)
        return None

    def _record(self, inputs: Inputs, plan: Plan, prompt: Prompt, keys: list[Any]) -> None:
        """Record every stretch of a pass that is not known yet, and compare it with the pass on this picture and on blank ones.

        ``enabled`` turns False where a bit differs, or where what runs depends on the pixels, as with parts left out when blank.
        """
        self.watch = self.watch or Watch(self.vlm.module)
        if not self.watch.unchanged():
            return
        try:
            programs = self._compared_programs(inputs, plan, prompt, keys)
        except (*FAULTS, UserError):  # a blank picture may leave a tower without anything to read
            programs = None
        if programs is None:
            self.enabled = False
        else:
            prompt.programs.update(zip(keys, programs, strict=True))

    def _compared_programs(self, inputs: Inputs, plan: Plan, prompt: Prompt, keys: list[Any]) -> list[Stretch] | None:
        """Return the stretches of a pass as programs; None where one of them computes anything else than the pass does.

        Where all but the last are known, these have been compared with a pass before, and what they handed on then was kept: only
        the last is recorded, and compared with the block that it stands for, on the same pictures.
        """
        *before, last = stretches = list(self._stretches(inputs, plan, prompt))
        if len(before) < len(prompt.handed_on) and all(key in prompt.programs for key in keys[:-1]):
            given = prompt.handed_on[len(before)]
            program = prompt.programs.get(keys[-1]) or recorded(last, given[0])
            same = all(_all_equal(program(value), last(value)) for value in given)
            return [*(prompt.programs[key] for key in keys[:-1]), program] if same else None
        name, pixels = _pixels(inputs)[0]
        value = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(0)).to(pixels)
        programs = []
        for key, stretch in zip(keys, stretches, strict=True):
            programs.append(prompt.programs.get(key) or recorded(stretch, value))
            value = stretch(value)[0]
        handed_on = []
        for other in (pixels, torch.zeros_like(pixels), torch.ones_like(pixels)):
            buffer, given = Buffer(plan, len(inputs["input_ids"]), self.vlm.device), {**inputs, name: other}
            run_pass(self.vlm, self.replay, plan, given, buffer.write)
            values, found = run_in_order(programs, other)
            if not _equal_bits(torch.cat(found, dim=1), buffer.values):
                return None
            handed_on.append(values)
        if len(programs) > len(prompt.handed_on):
            prompt.handed_on[:] = list(map(tuple, zip(*handed_on, strict=True)))
        return programs

    def _stretches(self, inputs: Inputs, plan: Plan, prompt: Prompt) -> Iterator[Stretch]:
        """Yield a pass as functions of one tensor, each returns the next one's argument and what was read on the way.

        The first goes from pixels to what the first block is given, or to an exit in the tower; then comes a block each. The last
        returns what was read alone.
        """
        replay, (name, _) = self.replay, _pixels(inputs)[0]

        def begin(pixels: torch.Tensor) -> torch.Tensor:
            given = {**inputs, name: pixels}
            return replay.begin(given, prompt) if plan.last > 0 else replay.features(given)

        yield self._stretch(inputs, plan, range(plan.layers.start, min(plan.last, 0) + 1), begin)
        for number in range(plan.last):
            layers = range(number + 1, number + 2)
            yield self._stretch(inputs, plan, layers, lambda hidden, number=number: replay.block(hidden, prompt, number))

    def _stretch(self, inputs: Inputs, plan: Plan, layers: range, go: Callable[[torch.Tensor], torch.Tensor]) -> Stretch:
        """Return ``go``, which runs ``layers``, as a function that returns too what is read there; behind the last it stops."""
        spots, last = tuple(spot for spot in plan.spots if spot.layer in layers), plan.last in layers

        def stretch(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
            seen: dict[tuple[int, int], torch.Tensor] = {}
            waiting = {spot[:2] for spot in spots}

            def write(layer: int, site: int, vector: torch.Tensor) -> None:
                seen[layer, site] = vector.float()
                if last and waiting <= seen.keys():
                    raise Stop

            with hooks() as handles:
                if last:
                    cut_down(plan.tail, handles)
                read_spots(self.vlm, spots, inputs, write, handles)
                try:
                    after = (go(tensor),)
                except Stop:
                    after = ()
            return (*after, *(seen[spot] for spot in sorted(seen)))

        return stretch


def run_programs(programs: Sequence[Stretch], inputs: Inputs, at_block: AtBlock | None = None) -> torch.Tensor:
    """Return float32 (batch, neuron): what the stretches read, one after the other."""
    return torch.cat(run_in_order(programs, _pixels(inputs)[0][1], at_block)[1], dim=1)


def _pixels(inputs: Inputs) -> list[tuple[str, torch.Tensor]]:
    """Return the inputs that are no whole numbers, by name."""
    return [(name, value) for name, value in inputs.items() if torch.is_tensor(value) and value.is_floating_point()]


def _all_equal(one: Sequence[torch.Tensor], other: Sequence[torch.Tensor]) -> bool:
    return len(one) == len(other) and all(map(_equal_bits, one, other))


def _equal_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one.view(torch.int32), other.view(torch.int32))
