"""The compiled part of the search: sorts neurons and reads every cut off one scan.

Takes raw bit patterns of float16 or float32 values (example, neuron), labels and preallocated outputs; fills the outputs. It
knows nothing about rules, classes by name or files. Importing this module costs a second (numba): ``sn_viz.search`` imports it
only when it searches. Every kernel releases the interpreter lock, has fixed signatures and is compiled once per machine, for
16-bit and for 32-bit values apart, when it is first needed.

How it works. ``LANES`` neighbouring neurons are handled side by side, one per vector lane. Each value becomes an integer whose
order is the order of the values, with the example's label in its low 16 bits; a bitonic network sorts the rows of that block
with vector minima and maxima, so there is no branch and no scatter; a scan from the smallest to the largest value then counts.
"""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic as numba_intrinsic

intrinsic: Any = numba_intrinsic
"""Untyped: compiled code calls an intrinsic without its first parameter, the typing context, which no type checker knows."""

LANES = 16
"""Neurons side by side: one 512-bit register of 32-bit keys. Narrower machines use several registers."""
TILE = 256
"""Rows sorted together before larger merges: 16 kB of 32-bit keys stay in the first-level cache."""

BALANCED_ACCURACY, ACCURACY, ROC_AUC, F1 = range(4)
TOTAL, BEST, CUT, SIDE, MEMBERS, PENDING, BELOW = range(7)
"""Rows of a scan's state, int32 (row, LANES). One array, because the compiler checks every pair of arrays for overlap."""

WIDEST = np.finfo(np.float32).max
"""Gaps between neighbouring values that overflow float32 count as this wide."""


def _row(context, builder, kind, array, index):
    """Return a pointer to row ``index`` of ``array`` (row, LANES) as one vector."""
    data = context.make_array(kind)(context, builder, array).data
    vector = ir.VectorType(ir.IntType(kind.dtype.bitwidth), LANES)
    return builder.bitcast(builder.gep(data, [builder.mul(index, ir.Constant(index.type, LANES))]), vector.as_pointer())


def _ordered(builder, a, b):
    """Return the lane-wise minimum and maximum of two unsigned vectors."""
    less = builder.icmp_unsigned("<", a, b)
    return builder.select(less, a, b), builder.select(less, b, a)


@intrinsic
def _exchange(typingctx, keys, i, j):
    """Order rows i and j of ``keys`` lane by lane."""

    def codegen(context, builder, signature, args):
        array, i, j = args
        align = keys.dtype.bitwidth // 8
        rows = [_row(context, builder, keys, array, index) for index in (i, j)]
        ordered = _ordered(builder, *(builder.load(row, align=align) for row in rows))
        for value, row in zip(ordered, rows, strict=True):
            builder.store(value, row, align=align)
        return context.get_dummy_value()

    return types.void(keys, types.intp, types.intp), codegen


@intrinsic
def _exchange_four(typingctx, keys, i, step):
    """Order rows (i, i+2 step), (i+step, i+3 step), then (i, i+step), (i+2 step, i+3 step), staying in registers."""

    def codegen(context, builder, signature, args):
        array, i, step = args
        align = keys.dtype.bitwidth // 8
        index = [i]
        for _ in range(3):
            index.append(builder.add(index[-1], step))
        rows = [_row(context, builder, keys, array, at) for at in index]
        a, b, c, d = (builder.load(row, align=align) for row in rows)
        a, c = _ordered(builder, a, c)
        b, d = _ordered(builder, b, d)
        a, b = _ordered(builder, a, b)
        c, d = _ordered(builder, c, d)
        for value, row in zip((a, b, c, d), rows, strict=True):
            builder.store(value, row, align=align)
        return context.get_dummy_value()

    return types.void(keys, types.intp, types.intp), codegen


@njit(nogil=True, error_model="numpy")
def _mirror(keys, low, high, size):
    """First stage of a bitonic merge in rows [low, high): row i of each group of ``size`` meets row size-1-i."""
    start = low
    while start < high:
        for i in range(max(0, start + size - high), size // 2):
            _exchange(keys, start + i, start + size - 1 - i)
        start += size


@njit(nogil=True, error_model="numpy")
def _halve_once(keys, low, high, step):
    """One stage: row i meets row i + step. Rows from ``high`` on count as infinitely large."""
    start = low
    while start < high:
        for i in range(start, min(start + step, high - step)):
            _exchange(keys, i, i + step)
        start += 2 * step


@njit(nogil=True, error_model="numpy")
def _halve_twice(keys, low, high, step):
    """Two stages at once: 2 step, then step."""
    start = low
    while start < high:
        whole = min(start + step, high - 3 * step)
        for i in range(start, whole):
            _exchange_four(keys, i, step)
        for i in range(max(start, whole), min(start + step, high)):
            if i + 2 * step < high:
                _exchange(keys, i, i + 2 * step)
            if i + step < high:
                _exchange(keys, i, i + step)
        start += 4 * step


@njit(nogil=True, error_model="numpy")
def _merge(keys, low, high, step, last):
    """Stages step, step/2, ... down to ``last``."""
    while step >= 2 * last:
        _halve_twice(keys, low, high, step // 2)
        step //= 4
    if step >= last:
        _halve_once(keys, low, high, step)


@njit(nogil=True, error_model="numpy")
def sort_rows(keys):
    """Sort every lane of ``keys`` (row, LANES) in place: a bitonic network over the rows, tiles first."""
    n = len(keys)
    for low in range(0, n, TILE):
        high = min(n, low + TILE)
        size = 2
        while size < 2 * (high - low):
            _mirror(keys, low, high, size)
            _merge(keys, low, high, size // 4, 1)
            size *= 2
    size = 2 * TILE
    while size < 2 * n:
        _mirror(keys, 0, n, size)
        _merge(keys, 0, n, size // 4, TILE)
        for low in range(0, n, TILE):
            _merge(keys, low, min(n, low + TILE), TILE // 2, 1)
        size *= 2


@njit(nogil=True, error_model="numpy")
def _load(bits, start, low, keys, finite):
    """Fill ``keys`` (example, LANES) with order-preserving integers of columns start.. and ``low`` (example,) in the low bits.

    Minus zero counts as zero. Columns past the end become constant. ``finite`` (LANES,) tells which hold finite values only.
    """
    half = bits.itemsize == 2
    top = np.uint32(0x8000) if half else np.uint32(0x80000000)
    every = np.uint32(0xFFFF) if half else np.uint32(0xFFFFFFFF)
    exponent = np.uint32(0x7C00) if half else np.uint32(0x7F800000)
    n, m = bits.shape
    width = min(LANES, m - start)
    finite[:] = 1
    if width < LANES:
        keys[:] = 0
    for p in range(n):
        tag = np.uint32(low[p])
        for k in range(width):
            u = np.uint32(bits[p, start + k])
            finite[k] &= np.uint32((u & exponent) != exponent)
            u = np.uint32(0) if u == top else u
            ordered = np.uint32(u ^ every) if u & top else np.uint32(u | top)
            if half:
                keys[p, k] = np.uint32(np.uint32(ordered << np.uint32(16)) | tag)
            else:
                keys[p, k] = (np.uint64(ordered) << np.uint64(16)) | np.uint64(tag)


@njit(nogil=True, error_model="numpy")
def _decode(keys, half, patterns, values):
    """Turn sorted ``keys`` back into float32: ``patterns`` uint32 and ``values`` float32 (example, LANES) are one memory."""
    top = np.uint32(0x8000) if half else np.uint32(0x80000000)
    every = np.uint32(0xFFFF) if half else np.uint32(0xFFFFFFFF)
    flat_keys, flat_patterns, flat_values = keys.reshape(-1), patterns.reshape(-1), values.reshape(-1)
    for i in range(len(flat_keys)):
        u = np.uint32(flat_keys[i] >> np.uint32(16))
        u = np.uint32(u ^ (top if u & top else every))
        if half:
            u = np.uint32(np.uint32((u & np.uint32(0x7FFF)) << np.uint32(13)) | np.uint32((u & top) << np.uint32(16)))
        flat_patterns[i] = u
    if half:
        for i in range(len(flat_values)):
            flat_values[i] *= np.float32(2.0**112)


@njit(nogil=True, error_model="numpy")
def _scan_linear(keys, values, spoken, inside, outside, below, above, state, gap):
    """Find the cut with the highest linear quality in each lane: rows BEST, CUT and SIDE of ``state``, and its ``gap``.

    The total sums ``inside`` for members of class ``spoken`` and ``outside`` for others, from the smallest value up. A cut's
    quality is ``below + total`` when what lies below speaks for the class (SIDE 1), ``above - total`` when what lies above does.
    Equal quality: the wider gap, then the lower cut, then the side above.
    """
    state[:] = 0
    state[BEST] = -(2**31)
    gap[:] = 0
    for p in range(len(keys) - 1):
        at = np.int32(p)
        for k in range(LANES):
            member = np.int32(np.int32(keys[p, k] & np.uint32(0xFFFF)) == spoken)
            s = np.int32(state[TOTAL, k] + outside + member * np.int32(inside - outside))
            width = min(np.float32(values[p + 1, k] - values[p, k]), WIDEST)
            down = np.int32(below + s)
            up = np.int32(above - s)
            flip = np.int32(down > up)
            quality = down if down > up else up
            best, cut, side, widest = state[BEST, k], state[CUT, k], state[SIDE, k], gap[k]
            better = ((quality > best) | ((quality == best) & (width > widest))) & (width > 0)
            state[TOTAL, k] = s
            state[BEST, k] = quality if better else best
            state[CUT, k] = at if better else cut
            state[SIDE, k] = flip if better else side
            # a blend, not a choice: the compiler then keeps the whole loop in vector registers
            gap[k] = width * np.float32(better) + widest * np.float32(not better)


@njit(nogil=True, error_model="numpy")
def _scan_f1(keys, values, spoken, n_inside, state, gap, best):
    """Like ``_scan_linear`` for the F1 score, in ``best`` float64 (LANES,); equal fractions compare equal."""
    n = len(keys)
    state[:] = 0
    best[:] = -1.0
    gap[:] = 0
    for k in range(LANES):
        hits = 0
        for p in range(n - 1):
            hits += np.int64(keys[p, k] & np.uint32(0xFFFF)) == spoken
            width = min(np.float32(values[p + 1, k] - values[p, k]), WIDEST)
            down = 2 * hits / (n_inside + p + 1)
            up = 2 * (n_inside - hits) / (n_inside + n - p - 1)
            quality = max(down, up)
            if width > 0 and (quality > best[k] or (quality == best[k] and width > gap[k])):
                best[k] = quality
                gap[k] = width
                state[CUT, k] = p
                state[SIDE, k] = down > up


@njit(nogil=True, error_model="numpy")
def _rank_sums(keys, values, spoken, state):
    """Leave in TOTAL twice the Mann-Whitney count: over pairs (member, other), 2 where the member is larger, 1 where tied."""
    n = len(keys)
    state[:] = 0
    for p in range(n):
        last = p == n - 1
        after = p if last else p + 1
        for k in range(LANES):
            inside = np.int32(np.int32(keys[p, k] & np.uint32(0xFFFF)) == spoken)
            m = np.int32(state[MEMBERS, k] + inside)
            o = np.int32(state[PENDING, k] + np.int32(1) - inside)
            below = state[BELOW, k]
            counted = np.int32(m * np.int32(np.int32(below + below) + o))
            closes = last | (values[after, k] > values[p, k])
            state[TOTAL, k] = np.int32(state[TOTAL, k] + (counted if closes else np.int32(0)))
            state[BELOW, k] = np.int32(below + (o if closes else np.int32(0)))
            state[MEMBERS, k] = np.int32(0) if closes else m
            state[PENDING, k] = np.int32(0) if closes else o


@njit(nogil=True, error_model="numpy")
def _scan_one_side(keys, values, spoken, inside, outside, state, gap):
    """Like ``_scan_linear`` without offsets, with the SIDE of each lane already decided."""
    state[TOTAL] = 0
    state[BEST] = -(2**31)
    state[CUT] = 0
    gap[:] = 0
    for p in range(len(keys) - 1):
        at = np.int32(p)
        for k in range(LANES):
            member = np.int32(np.int32(keys[p, k] & np.uint32(0xFFFF)) == spoken)
            s = np.int32(state[TOTAL, k] + outside + member * np.int32(inside - outside))
            width = min(np.float32(values[p + 1, k] - values[p, k]), WIDEST)
            direction = np.int32(state[SIDE, k] + state[SIDE, k] - np.int32(1))
            quality = np.int32(s * direction)
            best, cut, widest = state[BEST, k], state[CUT, k], gap[k]
            better = ((quality > best) | ((quality == best) & (width > widest))) & (width > 0)
            state[TOTAL, k] = s
            state[BEST, k] = quality if better else best
            state[CUT, k] = at if better else cut
            gap[k] = width * np.float32(better) + widest * np.float32(not better)


@njit(nogil=True, error_model="numpy")
def _linear_weights(metric, n_inside, n_outside):
    """Return inside, outside, below, above, scale: a cut's score is (1 + quality / scale) / 2, or quality / scale for accuracy."""
    if metric == ACCURACY:
        return np.int32(1), np.int32(-1), np.int32(n_outside), np.int32(n_inside), np.float64(n_inside + n_outside)
    return np.int32(n_outside), np.int32(-n_inside), np.int32(0), np.int32(0), np.float64(n_inside) * np.float64(n_outside)


@njit(nogil=True, error_model="numpy")
def _between(low, high, positive):
    """Return a threshold that truly separates low < high for the given sign, the midpoint when float32 has one."""
    middle = np.float32((np.float64(low) + np.float64(high)) / 2)
    if middle <= low or middle >= high:
        return low if positive else high
    return middle


def _search(bits, low, counts, spoken, metric, keys, values, patterns, threshold, sign, score, margin):
    """Find the best stump of every column of ``bits`` for each spoken class.

    Parameters
    ----------
    bits : uint16 or uint32 (example, neuron)
        Bit patterns of the values.
    low : uint16 (example,)
        Labels.
    counts : int64 (class,)
        Examples of each class.
    spoken : int64 (output,)
        The classes that stumps speak for.
    metric : int
    keys, values, patterns : uint32 or uint64, float32, uint32 (example, LANES)
        Work space; the last two share memory.
    threshold, sign, score, margin : float32, int8, float32, float32 (neuron, output)
        Filled. Undefined: 0, 1, NaN, 0, which classes with no example, or all of them, are expected to hold already.
    """
    n, m = bits.shape
    finite = np.empty(LANES, np.uint32)
    state = np.empty((7, LANES), np.int32)
    gap = np.empty(LANES, np.float32)
    fraction = np.empty(LANES, np.float64)
    for start in range(0, m, LANES):
        _load(bits, start, low, keys, finite)
        sort_rows(keys)
        _decode(keys, bits.itemsize == 2, patterns, values)
        for output in range(len(spoken)):
            c = np.int32(spoken[output])
            n_in = counts[c]
            n_out = n - n_in
            if n_in == 0 or n_out == 0:
                continue
            inside, outside, below, above, scale = _linear_weights(metric, n_in, n_out)
            if metric == F1:
                _scan_f1(keys, values, c, n_in, state, gap, fraction)
            elif metric == ROC_AUC:
                _rank_sums(keys, values, c, state)
                for k in range(LANES):
                    area = state[TOTAL, k] / (2 * scale)
                    state[SIDE, k] = area < 0.5
                    fraction[k] = max(area, 1 - area)
                _scan_one_side(keys, values, c, inside, outside, state, gap)
            else:
                _scan_linear(keys, values, c, inside, outside, below, above, state, gap)
                for k in range(LANES):
                    fraction[k] = state[BEST, k] / scale if metric == ACCURACY else 0.5 + state[BEST, k] / (2 * scale)
            for k in range(min(LANES, m - start)):
                defined = finite[k] == 1 and values[0, k] < values[n - 1, k]
                positive = not defined or state[SIDE, k] == 0
                score[start + k, output] = np.float32(fraction[k]) if defined else np.float32(np.nan)
                sign[start + k, output] = 1 if positive else -1
                p = state[CUT, k]
                threshold[start + k, output] = _between(values[p, k], values[p + 1, k], positive) if defined else 0
                reach = np.float64(values[n - 1, k]) - np.float64(values[0, k])
                room = np.float64(values[p + 1, k]) - np.float64(values[p, k])
                margin[start + k, output] = np.float32(room / reach) if defined else np.float32(0)


def _null(bits, low, weights, below, above, metric, keys, values, patterns, best):
    """Raise ``best`` to the highest quality any column of ``bits`` reaches under each of many labellings.

    Each column is sorted once. ``weights`` int32 (example, labelling) are summed from the smallest value up, for all labellings
    side by side.

    Parameters
    ----------
    bits, keys, values, patterns
        As in the search.
    low : uint16 (example,)
        Row numbers.
    weights : int32 (example, labelling)
    below, above : int32 (labelling,)
        Offsets of the two sides; for F1 ``below`` is the number of members.
    metric : int
    best : float64 (labelling,)
        Updated in place.
    """
    n, m = bits.shape
    n_labellings = weights.shape[1]
    finite = np.empty(LANES, np.uint32)
    total = np.empty(n_labellings, np.int32)
    highest = np.full(n_labellings, -(2**31), np.int32)
    for start in range(0, m, LANES):
        _load(bits, start, low, keys, finite)
        sort_rows(keys)
        _decode(keys, bits.itemsize == 2, patterns, values)
        for k in range(min(LANES, m - start)):
            if finite[k] == 0 or not values[0, k] < values[n - 1, k]:
                continue
            total[:] = 0
            if metric == ROC_AUC:
                _null_ranks(keys, values, k, weights, total, highest)
            elif metric == F1:
                _null_f1(keys, values, k, weights, below, total, best)
            else:
                _null_linear(keys, values, k, weights, below, above, total, highest)
    if metric != F1:
        for j in range(n_labellings):
            best[j] = max(best[j], highest[j])


@njit(nogil=True, error_model="numpy")
def _null_linear(keys, values, k, weights, below, above, total, highest):
    """One sorted neuron: the best linear quality over its cuts, for every labelling."""
    for p in range(len(keys) - 1):
        row = np.int64(keys[p, k] & np.uint32(0xFFFF))
        if values[p + 1, k] > values[p, k]:
            for j in range(len(total)):
                s = np.int32(total[j] + weights[row, j])
                total[j] = s
                highest[j] = max(highest[j], max(np.int32(below[j] + s), np.int32(above[j] - s)))
        else:
            for j in range(len(total)):
                total[j] += weights[row, j]


@njit(nogil=True, error_model="numpy")
def _null_f1(keys, values, k, weights, members, total, best):
    """One sorted neuron: the best F1 over its cuts, for every labelling; ``weights`` are 0 or 1."""
    n = len(keys)
    for p in range(n - 1):
        row = np.int64(keys[p, k] & np.uint32(0xFFFF))
        cuts = values[p + 1, k] > values[p, k]
        for j in range(len(total)):
            hits = total[j] + weights[row, j]
            total[j] = hits
            if cuts:
                down = 2 * hits / (members[j] + p + 1)
                up = 2 * (members[j] - hits) / (members[j] + n - p - 1)
                best[j] = max(best[j], max(down, up))


@njit(nogil=True, error_model="numpy")
def _null_ranks(keys, values, k, weights, total, highest):
    """One sorted neuron: the rank sum of the members about its centre, for every labelling; ``weights`` are 0 or 1."""
    n = len(keys)
    first = 0
    while first < n:
        after = first + 1
        while after < n and values[after, k] == values[first, k]:
            after += 1
        rank = np.int32(first + after - n)
        for p in range(first, after):
            row = np.int64(keys[p, k] & np.uint32(0xFFFF))
            for j in range(len(total)):
                total[j] = np.int32(total[j] + np.int32(rank * weights[row, j]))
        first = after
    for j in range(len(total)):
        highest[j] = max(highest[j], abs(total[j]))


def _array(dtype, dimensions, readonly=False):
    return types.Array(dtype, dimensions, "C", readonly=readonly)


def _work(keys):
    return keys, _array(types.float32, 2), _array(types.uint32, 2)


def _search_tail(keys):
    stumps = _array(types.float32, 2), _array(types.int8, 2), _array(types.float32, 2), _array(types.float32, 2)
    return _array(types.int64, 1), _array(types.int64, 1), types.int64, *_work(keys), *stumps


def _null_tail(keys):
    offsets = _array(types.int32, 1), _array(types.int32, 1)
    return _array(types.int32, 2), *offsets, types.int64, *_work(keys), _array(types.float64, 1)


_compiling = Lock()


def search(bits: np.ndarray) -> Any:
    """Return the kernel `_search` for bit patterns of this width, compiling it if this machine has not yet."""
    return _compiled(_search, _search_tail, bits.dtype.itemsize)


def null(bits: np.ndarray) -> Any:
    """Return the kernel `_null` for bit patterns of this width, compiling it if this machine has not yet."""
    return _compiled(_null, _null_tail, bits.dtype.itemsize)


def _compiled(function: Any, tail: Any, itemsize: int) -> Any:
    with _compiling:
        return _compiled_once(function, tail, itemsize)


@cache
def _compiled_once(function: Any, tail: Any, itemsize: int) -> Any:
    bits, keys = (types.uint16, types.uint32) if itemsize == 2 else (types.uint32, types.uint64)
    signature = types.void(_array(bits, 2, readonly=True), _array(types.uint16, 1), *tail(_array(keys, 2)))
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        return njit([signature], cache=True, **options)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return njit([signature], **options)(function)  # neither the package nor the home folder can be written
