"""Reads a model up to a layer, and really stops it there.

Takes a ``Vlm``, prepared inputs and names of sites; returns the values of the neurons at the last prompt position (in the vision
tower: averaged over the patches of the picture), in the project's order (layer, then site, then unit). It knows nothing about
labels or thresholds; `sn_viz.early_exit.policies` says where to stop.

What is found out about a model once, and serves every later pass, is kept by its `Reader`: where its sites live, what may be cut,
which passes were planned, replayed and recorded.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeVar

import numpy as np
import torch

from sn_viz.activations.hooks import cut_down, hooks, read_spots
from sn_viz.activations.layout import Layout
from sn_viz.activations.passes import Buffer, Plan, plan_pass, run_pass
from sn_viz.activations.programs import AFTER, AtBlock
from sn_viz.activations.recording import Recorder, run_programs
from sn_viz.activations.replay import Replay
from sn_viz.activations.sites import transform_of
from sn_viz.activations.tail import boldest_exact_cut, tail_parts
from sn_viz.activations.trials import noise_batch, noise_pair
from sn_viz.models.vlm import Inputs, Vlm

Ran = TypeVar("Ran")


class Reader:
    """What passes over one model share. Make it with `reader_of`, so that there is one for each model.

    Parameters
    ----------
    vlm : Vlm
        Locked during every pass.
    """

    def __init__(self, vlm: Vlm) -> None:
        self.vlm = vlm
        self.layout = Layout(vlm)
        """Where the sites live."""
        self.replay = Replay(vlm.module, list(vlm.blocks), vlm.forward_options())
        """Passes without the code around the blocks."""
        self.recorder = Recorder(vlm, self.replay)
        """Passes as recorded programs."""
        self._plans: dict[tuple[tuple[str, ...], int, str], Plan] = {}
        self._tail_cut: str | None = None

    def get_ready(self, sites: Sequence[str]) -> None:
        """Try out, once a model, all that the first passes would try out: widths of ``sites``, cuts, replayed passes."""
        self.layout.widths(sites)
        self.tail_cut()
        with self.vlm.lock, self.vlm.threads(1), torch.inference_mode():
            self._try_replay()

    def plan(self, sites: tuple[str, ...], exit_layer: int, cut: str) -> Plan:
        """Return the plan of a pass up to ``exit_layer``, worked out once a model."""
        key = (sites, exit_layer, cut)
        if key not in self._plans:
            self._plans[key] = plan_pass(self.layout, sites, exit_layer, cut)
        return self._plans[key]

    def values(self, inputs: Inputs, plan: Plan, dtype: type[np.floating], at_block: AtBlock | None = None) -> np.ndarray:
        """Run the pass of ``plan`` and return what it reads, (batch, neuron)."""
        vlm, batch = self.vlm, len(inputs["input_ids"])
        buffer = Buffer(plan, batch, inputs["input_ids"].device)
        with vlm.lock, vlm.threads(batch), torch.inference_mode():
            self._try_replay()
            programs = self.recorder.programs(inputs, plan)
            if programs is None:
                run_pass(vlm, self.replay, plan, inputs, buffer.write, at_block)
            else:
                buffer.values = run_programs(programs, inputs, at_block)
        return buffer.read(plan.layers, dtype)

    def get_recorded(self, inputs: Inputs, plan: Plan) -> None:
        """Learn the prompt of ``inputs`` from one pass, where it is not known, and record the pass of ``plan`` at once."""
        if self.replay.known(inputs, plan.last) is None:
            self.values(inputs, plan, np.float16)
        with self.vlm.lock, self.vlm.threads(len(inputs["input_ids"])), torch.inference_mode():
            self.recorder.programs(inputs, plan, after=0)

    def tail_cut(self) -> str:
        """Return which part of the exit block may run on the last position only: an entry of `sn_viz.activations.tail.CUTS`.

        Tried out on first use, on two small noise pictures.
        """
        if self._tail_cut is None:
            sites, inputs = tuple(filter(self._allows_cuts, self.layout.available())), noise_batch(self.vlm)

            def read(layer: int, cut: str) -> np.ndarray:
                return self.values(inputs, self.plan(sites, layer, cut), np.float32)

            self._tail_cut = boldest_exact_cut(self.layout, sites, read)
        return self._tail_cut

    def cut_of(self, sites: Sequence[str], exit_layer: int) -> str:
        """Return the cut of a pass up to ``exit_layer`` that reads ``sites``: a transform is given the whole prompt."""
        return self.tail_cut() if exit_layer >= 1 and all(map(self._allows_cuts, sites)) else "none"

    def _allows_cuts(self, site: str) -> bool:
        """Return whether a site is read by position, or before any cut."""
        return transform_of(site) is None or all(side == "attention" for _, side in self.layout.places(site))

    def _try_replay(self) -> None:
        if self.replay.works is None:
            self.replay.works = self.replay.equals_the_model(*noise_pair(self.vlm))


_READERS: weakref.WeakKeyDictionary[Vlm, Reader] = weakref.WeakKeyDictionary()
_MAKING = Lock()


def reader_of(vlm: Vlm) -> Reader:
    """Return the reader of a model, made on first use.

    It holds the model weakly: both go when nobody else holds the model.
    """
    reader = _READERS.get(vlm)
    if reader is None:
        with _MAKING:
            reader = _READERS.get(vlm)
            if reader is None:
                reader = _READERS[vlm] = Reader(weakref.proxy(vlm))
    return reader


def share_what_is_known(vlm: Vlm, twin: Vlm) -> None:
    """Spare a model with the same weights what was tried out on the other: widths of sites, cuts, replayed passes."""
    known, new = reader_of(vlm), reader_of(twin)
    new.layout.take_widths(known.layout)
    new.replay.works, new._tail_cut = known.replay.works, known._tail_cut


def truncated_forward(
    vlm: Vlm,
    inputs: Inputs,
    exit_layer: int,
    sites: str | Sequence[str] = "all",
    dtype: type[np.floating] = np.float16,
    at_block: AtBlock | None = None,
) -> np.ndarray:
    """Run the model up to a layer, and no further.

    Parameters
    ----------
    vlm : Vlm
    inputs : dict
        From ``vlm.prepare``.
    exit_layer : int
        From 1; layer 1 runs block 0 only. With sites in the vision tower also 0 and less: 0 is the tower's last block.
    sites : str or sequence of str
        Names of sites; "all" means all that the model's decoder has.
    dtype : type
        ``np.float16`` or ``np.float32``. In float16, values beyond its range are cut to its largest number, so infinities become
        finite too; NaN stays NaN.
    at_block : callable, optional
        Told the layer of each decoder block, from 1, when it is about to begin.

    Returns
    -------
    np.ndarray
        (batch, neuron): every neuron up to ``exit_layer``, in the order layer, site, unit.

    Raises
    ------
    UserError
        When there is no such layer or site.
    """
    reader = reader_of(vlm)
    chosen = reader.layout.available(sites)
    reader.layout.check_layer(chosen, exit_layer)
    return reader.values(inputs, reader.plan(chosen, exit_layer, reader.cut_of(chosen, exit_layer)), dtype, at_block)


def read_during(
    vlm: Vlm,
    inputs: Inputs,
    exit_layer: int,
    run: Callable[[], Ran],
    sites: str | Sequence[str] = "all",
    dtype: type[np.floating] = np.float16,
) -> tuple[np.ndarray | None, Ran]:
    """Read, in the first pass that ``run`` makes, what `truncated_forward` reads of ``inputs``, bit for bit; the pass goes on.

    Parameters
    ----------
    vlm, inputs, exit_layer, sites, dtype
        As for `truncated_forward`; the layer must be the last.
    run : callable
        Passes over ``inputs``, and as often as it likes over what follows; logits other than the last position's mean nothing.

    Returns
    -------
    tuple
        (batch, neuron), or None where ``run`` made no such pass, and what ``run`` returned.
    """
    reader = reader_of(vlm)
    chosen = reader.layout.available(sites)
    plan = reader.plan(chosen, exit_layer, reader.cut_of(chosen, exit_layer))
    buffer, waiting = Buffer(plan, len(inputs["input_ids"]), inputs["input_ids"].device), {spot[:2] for spot in plan.spots}

    def write(layer: int, site: int, vector: torch.Tensor) -> None:
        if (layer, site) in waiting and len(vector) == len(buffer.values):
            waiting.remove((layer, site))
            buffer.write(layer, site, vector)

    def leave_alone(*_: Any) -> None:
        """Take the hooks off before a pass that follows the one that was read."""
        if not waiting:
            while handles:
                handles.pop().remove()

    if plan.last != vlm.n_layers:  # the cut belongs to the last block
        return None, run()
    with vlm.lock, hooks() as handles:
        handles.append(vlm.module.register_forward_pre_hook(leave_alone))
        cut_down(plan.tail, handles)
        read_spots(vlm, plan.spots, inputs, write, handles)
        ran = run()
    return None if waiting else buffer.read(plan.layers, dtype), ran


def get_ready(vlm: Vlm, sites: str | Sequence[str] = "all") -> None:
    """Try out, once a model, all that exits try out on first use, so that no image waits for it: widths, cuts, replayed passes."""
    reader = reader_of(vlm)
    reader.get_ready(reader.layout.available(sites))


def warm_up(vlm: Vlm, inputs: Inputs, exit_layer: int, sites: str | Sequence[str] = "all") -> None:
    """Do what only the first passes over a prompt up to a layer do; afterwards they all take the same time.

    Of several layers the deepest first, which takes less time in all: what is found out about its blocks serves the others.
    """
    reader = reader_of(vlm)
    chosen = reader.layout.available(sites)
    reader.get_recorded(inputs, reader.plan(chosen, exit_layer, reader.cut_of(chosen, exit_layer)))


def n_before_recorded(vlm: Vlm, inputs: Inputs) -> int:
    """Return how many passes over a prompt that is known end with one that is recorded; 0 where none is."""
    return AFTER if reader_of(vlm).recorder.records(inputs) else 0


@contextmanager
def last_position_only(vlm: Vlm, layer: int) -> Iterator[None]:
    """Let the tail of one block compute the last position only, as in an exit there; for measuring what an exit must cost."""
    reader = reader_of(vlm)
    parts = tail_parts(reader.layout.block(layer), reader.tail_cut())
    with vlm.lock, hooks() as handles:
        cut_down(parts, handles)
        yield
