"""The compiled part of the fixed threshold rules: values, sums of the classes, and what given cuts are worth.

Takes a block of values (example, neuron) and which examples belong to the class; fills preallocated outputs. It knows nothing about
rules by name, files or several classes. Like ``sn_viz.search.kernels.best_split``, whose cache it shares, it is imported only when
something is searched; it calls no compiled function of another file.

How it works. Nothing is sorted: rows are read one after the other, a few hundred neurons at a time, so that what is remembered of
each neuron stays in the first-level cache and the loops over neurons become vector instructions.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import types

from sn_viz.search.kernels import best_split
from sn_viz.search.kernels.best_split import ACCURACY, EFFECT_SIZE, F1, ROC_AUC

SIDE_BY_SIDE = 256
"""Neurons that are read together: a kilobyte of a row."""


def as_float32(bits: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return columns [start, stop) of bit patterns, uint16 or uint32 (example, neuron), as float32 in one piece.

    Half the time of a search went into numpy's own conversion of float16, one value after the other: a table of all of them is
    several times faster and exact.
    """
    if bits.itemsize == 4:
        return np.ascontiguousarray(bits[:, start:stop]).view(np.float32)
    made = np.empty((len(bits), stop - start), np.float32)
    halves()(bits, start, _every_half(), made)
    return made


@cache
def _every_half() -> np.ndarray:
    """Return what each of the 65,536 bit patterns of a float16 stands for, float32 (pattern,)."""
    return np.arange(2**16).astype(np.uint16).view(np.float16).astype(np.float32)


def class_sums(values: np.ndarray, is_class: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum of each neuron inside and outside a class.

    Parameters
    ----------
    values : float32 (example, neuron)
    is_class : bool (example,)

    Returns
    -------
    inside, outside : float64 (neuron,)
        Added up in float64, from the first example to the last; non-finite values make non-finite sums.
    """
    inside, outside = np.zeros((2, values.shape[1]))
    values, is_class = np.ascontiguousarray(values, np.float32), np.ascontiguousarray(is_class, np.bool_)
    sums()(values, is_class, inside, outside)
    return inside, outside


def halves() -> Any:
    """Return the kernel `_halves`, compiling it if this machine has not yet."""
    return best_split._compiled(_halves, _halves_signature, 2)


def sums() -> Any:
    """Return the kernel `_sums`, compiling it if this machine has not yet."""
    return best_split._compiled(_sums, _sums_signature, 4)


def cuts() -> Any:
    """Return the kernel `_cuts`, compiling it if this machine has not yet."""
    return best_split._compiled(_cuts, _cuts_signature, 4)


def _halves(bits, start, table, made):
    """Look up columns start.. of ``bits`` until ``made`` is full."""
    n, width = made.shape
    for i in range(n):
        for k in range(width):
            made[i, k] = table[bits[i, start + k]]


def _sums(values, is_class, inside, outside):
    """Add every row of ``values`` to ``inside`` or ``outside`` float64 (neuron,)."""
    n, width = values.shape
    for i in range(n):
        total = inside if is_class[i] else outside
        for k in range(width):
            total[k] += np.float64(values[i, k])


def _cuts(values, is_class, cut, metric, output, threshold, sign, score, margin):
    """Weigh one given cut of every neuron for one class.

    Parameters
    ----------
    values : float32 (example, neuron)
    is_class : bool (example,)
        With at least one example on either side.
    cut : float32 (neuron,)
    metric : int
        For the area under the curve and the effect size, sign and score of defined neurons are left as they are.
    output : int
        Which column to fill.
    threshold, sign, score, margin : float32, int8, float32, float32 (neuron, output)
        Undefined (a non-finite value, or constant): 0, 1, NaN, 0. A value equal to the cut is on neither side; among equal scores
        sign +1 wins. The margin is the gap around the cut as a fraction of the range, 0 where a side is empty.
    """
    n, width = values.shape
    n_inside = 0
    for i in range(n):
        n_inside += is_class[i]
    inside, outside = np.float64(n_inside), np.float64(n - n_inside)
    infinity, tile = np.float32(np.inf), min(width, SIDE_BY_SIDE)
    hits_above, hits_below = np.empty(tile, np.int32), np.empty(tile, np.int32)
    false_above, false_below = np.empty(tile, np.int32), np.empty(tile, np.int32)
    lowest, highest, doubt = np.empty(tile, np.float32), np.empty(tile, np.float32), np.empty(tile, np.float32)
    over, under, level = np.empty(tile, np.float32), np.empty(tile, np.float32), np.empty(tile, np.float32)
    for first in range(0, width, tile):
        used = min(tile, width - first)
        hits_above[:], hits_below[:], false_above[:], false_below[:], doubt[:] = 0, 0, 0, 0, 0
        lowest[:], highest[:], over[:], under[:] = infinity, -infinity, infinity, -infinity
        level[:used] = cut[first : first + used]
        for i in range(n):  # several short loops: with few arrays each, every one becomes vector instructions
            row = values[i, first : first + used]
            if is_class[i]:
                for k in range(used):
                    hits_above[k] += np.int32(row[k] > level[k])
                for k in range(used):
                    hits_below[k] += np.int32(row[k] < level[k])
            else:
                for k in range(used):
                    false_above[k] += np.int32(row[k] > level[k])
                for k in range(used):
                    false_below[k] += np.int32(row[k] < level[k])
            for k in range(used):
                lowest[k] = row[k] if row[k] < lowest[k] else lowest[k]
            for k in range(used):
                highest[k] = row[k] if row[k] > highest[k] else highest[k]
            for k in range(used):
                near = row[k] if row[k] >= level[k] else infinity
                over[k] = near if near < over[k] else over[k]
            for k in range(used):
                near = row[k] if row[k] <= level[k] else -infinity
                under[k] = near if near > under[k] else under[k]
            for k in range(used):
                doubt[k] += row[k] - row[k]  # zero, or NaN for ever after a value that is not finite
        for k in range(used):
            at = first + k
            low, high = lowest[k], highest[k]
            if doubt[k] != 0 or not low < high:
                threshold[at, output], margin[at, output] = np.float32(0), np.float32(0)
                sign[at, output], score[at, output] = 1, np.float32(np.nan)
                continue
            share = (np.float64(over[k]) - np.float64(under[k])) / (np.float64(high) - np.float64(low))
            threshold[at, output] = cut[at]
            margin[at, output] = np.float32(share) if np.isfinite(share) else np.float32(0)
            if metric in (ROC_AUC, EFFECT_SIZE):
                continue
            hits_up, hits_down = np.float64(hits_above[k]), np.float64(hits_below[k])
            false_up, false_down = np.float64(false_above[k]), np.float64(false_below[k])
            if metric == ACCURACY:
                rise = (hits_up + outside - false_up) / (inside + outside)
                fall = (hits_down + outside - false_down) / (inside + outside)
            elif metric == F1:
                rise = 2.0 * hits_up / (inside + hits_up + false_up)
                fall = 2.0 * hits_down / (inside + hits_down + false_down)
            else:
                rise = 0.5 + (hits_up * outside - false_up * inside) / (2.0 * inside * outside)
                fall = 0.5 + (hits_down * outside - false_down * inside) / (2.0 * inside * outside)
            sign[at, output] = -1 if fall > rise else 1
            score[at, output] = np.float32(max(rise, fall))


def _block(dtype: Any, dimensions: int) -> Any:
    return types.Array(dtype, dimensions, "C")


def _given(dtype: Any, dimensions: int) -> Any:
    """Return the type of an input, which may be write-protected, as memory-mapped arrays are."""
    return types.Array(dtype, dimensions, "C", readonly=True)


def _halves_signature(*_widths: Any) -> Any:
    bits = types.Array(types.uint16, 2, "A", readonly=True)
    return types.void(bits, types.int64, _given(types.float32, 1), _block(types.float32, 2))


def _sums_signature(*_widths: Any) -> Any:
    total = _block(types.float64, 1)
    return types.void(_given(types.float32, 2), _given(types.boolean, 1), total, total)


def _cuts_signature(*_widths: Any) -> Any:
    given = _given(types.float32, 2), _given(types.boolean, 1), _given(types.float32, 1), types.int64, types.int64
    stumps = [types.Array(kind, 2, "A") for kind in (types.float32, types.int8, types.float32, types.float32)]
    return types.void(*given, *stumps)
