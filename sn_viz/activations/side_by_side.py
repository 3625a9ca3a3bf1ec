"""Many calls on one small model on a processor, several at a time: each in a thread of its own, which computes with one.

Takes a model, a function and the arguments of each call; yields the results in order. A small pass shared out over threads loses a
third of its time to waiting for them inside every layer (EXPERIMENTS.md). A pass of a small model always has one thread here, so
the last bits of what is read do not depend on the number of cores. It knows nothing about what the function does.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from sn_viz.activations.reader import share_what_is_known
from sn_viz.models.threads import n_threads, use_threads

if TYPE_CHECKING:
    from sn_viz.models.vlm import Vlm

log = logging.getLogger(__name__)
MOST_WEIGHTS = 5e7
"""A larger model keeps several threads busy within one pass."""
MOST = 4
"""Passes at a time: what Python itself does between them runs one after the other."""


def has_one_thread(vlm: Vlm) -> bool:
    """Return whether every pass of many has one thread: those of small models on a processor."""
    return vlm.device.type == "cpu" and not vlm.shared_out and not vlm.quantised and vlm.n_weights <= MOST_WEIGHTS


def side_by_side(
    vlm: Vlm, task: Callable[..., Any], calls: Iterable[tuple[Any, ...]], beside: Sequence[Vlm] | None = None
) -> Iterator[Any]:
    """Yield ``task(vlm, *call)`` for each of ``calls``, in order; each call has one thread.

    Parameters
    ----------
    vlm : Vlm
        `has_one_thread`, without hooks, not locked by the caller. Calls are shared out over it and copies with its weights.
    task : callable
    calls : iterable of tuple
        The arguments after the model; taken as they are needed.
    beside : sequence of Vlm, optional
        Its `twins`, where whoever calls keeps them.
    """
    before = n_threads()
    free: SimpleQueue[Vlm] = SimpleQueue()
    if beside is None:
        beside = twins(vlm, len(calls) if isinstance(calls, Sized) else MOST)
    models = [vlm, *beside]
    n = len(models)
    for one in models:
        free.put(one)

    def carry_out(call: tuple[Any, ...]) -> Any:
        model = free.get()
        try:
            return task(model, *call)
        finally:
            free.put(model)

    pool = ThreadPoolExecutor(n, initializer=use_threads, initargs=(1,))
    waiting: deque[Future[Any]] = deque()
    try:
        for call in calls:
            waiting.append(pool.submit(carry_out, call))
            if len(waiting) > n:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        use_threads(before)  # part of it is the process's, not the thread's


def twins(vlm: Vlm, n_calls: int = MOST) -> list[Vlm]:
    """Return copies that share the weights, as many as ``n_calls`` have threads for beside ``vlm``.

    None where the modules cannot be copied: then calls run one after the other.
    """
    try:
        copies = [vlm.twin() for _ in range(min(n_threads(), MOST, n_calls) - 1)]
    except (TypeError, ValueError, AttributeError, RuntimeError, NotImplementedError) as error:
        log.info("%s is not copied, so its passes run one after the other: %r", vlm.name, error)
        return []
    for twin in copies:
        share_what_is_known(vlm, twin)
    return copies
