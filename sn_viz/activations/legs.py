"""Many calls on one model: here, those of a small one side by side, or in legs on a GPU that is lent for seconds at a time.

Takes a model, a function and the arguments of each call; yields each result as soon as it is there. It knows nothing about what the
function does.

On ZeroGPU (``zero_gpu``) a model stays on the processor of the process that serves the page; where a GPU is lent it is loaded once
more by its name, so that nothing of threads, locks and hooks here is shared with there. A leg ends when its loan is three quarters
over, and the next one goes on from there; whoever reads the results can report progress, or stop, between any two of them.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sn_viz.activations.model_cache import LARGE, model_named
from sn_viz.activations.side_by_side import has_one_thread, side_by_side
from sn_viz.errors import UserError
from sn_viz.models import zero_gpu
from sn_viz.models.options import LoadOptions, dtype_name

if TYPE_CHECKING:
    from sn_viz.models.vlm import Vlm

CALLS_A_LEG = 8
"""Their pictures all travel to the process with the GPU, whether they are looked at or not."""
SHARE_OF_LOAN = 0.75
"""Of the seconds that were asked for, how many a leg takes; the rest is for the process to begin and end."""
FEWEST_WEIGHTS = LARGE
"""A smaller model stays on the processor: there it has answered before a GPU has been lent."""
LENT_DEVICE = "cuda"


def each(vlm: Vlm, task: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
    """Yield ``task(vlm, *call)`` for each of ``calls``, in order.

    Parameters
    ----------
    vlm : Vlm
        Without hooks, not locked, and with the weights it was loaded with: a lent GPU has the model as it was loaded.
    task : callable
        A function of a module; it, its arguments and what it returns may go to another process.
    calls : sequence of tuple
        The arguments after the model; each call should take a few seconds at most.

    Raises
    ------
    UserError
        As ``task`` does, and when no GPU is to be had.
    """
    if not is_lent(vlm):
        yield from side_by_side(vlm, task, calls) if has_one_thread(vlm) else (task(vlm, *call) for call in calls)
        return
    options, done = replace(vlm.options, dtype=dtype_name(vlm.dtype)), 0
    while done < len(calls):
        some = calls[done : done + CALLS_A_LEG]
        with closing(_told(lent()(vlm.source, options, task, some, zero_gpu.loan_seconds()))) as leg:
            for result in leg:
                done += 1
                yield result


def is_lent(vlm: Vlm) -> bool:
    """Return whether calls on this model run on a lent GPU: on ZeroGPU those of large models that can be loaded again."""
    return zero_gpu.is_on() and vlm.n_weights >= FEWEST_WEIGHTS and bool(vlm.source)


@functools.cache
def lent() -> Callable[..., Iterator[tuple[str, Any]]]:
    """Return `leg` so that it runs on a lent GPU; to be called once before the page is served."""
    return zero_gpu.on_lent_gpu(leg)


def leg(
    model: str, options: LoadOptions, task: Callable[..., Any], calls: Sequence[tuple[Any, ...]], seconds: float
) -> Iterator[tuple[str, Any]]:
    """Run as many of ``calls`` as fit into a loan, the first of them in any case; runs where the GPU is.

    Parameters
    ----------
    model : str
        Loaded once a process.
    options : LoadOptions
        As it is loaded here, so that the same is read there.
    task : callable
    calls : sequence of tuple
    seconds : float
        How long the GPU is lent.

    Yields
    ------
    tuple
        ("done", a result), or ("refused", the three parts of a ``UserError``), which is the last.
    """
    import torch

    began, longest = time.monotonic(), 0.0
    torch.set_num_threads(1)  # the threads of the process that this one was forked from are not here
    try:
        vlm = model_named(model, LENT_DEVICE, options=options)
        for call in calls:
            started = time.monotonic()
            if longest and started - began + 1.5 * longest > SHARE_OF_LOAN * seconds:
                return
            yield "done", task(vlm, *call)
            longest = max(longest, time.monotonic() - started)
    except UserError as error:
        yield "refused", (error.what, error.cause, error.hint)


def _told(results: Iterator[tuple[str, Any]]) -> Generator[Any, None, None]:
    """Yield what a leg did; raise what it, or whoever lends the GPU, refuses."""
    try:
        while True:
            try:
                kind, value = next(results)
            except StopIteration:
                return
            except Exception as error:  # of Gradio, which this part of the package does not know
                refused = zero_gpu.told(error)
                raise (refused or error) from error
            if kind == "refused":
                raise UserError(*value)
            yield value
    finally:
        close = getattr(results, "close", None)
        if close is not None:
            close()
