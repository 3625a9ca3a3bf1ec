"""The compiled part of the search: sorts neurons and reads every cut off one scan.

Takes raw bit patterns of float16 or float32 values (example, neuron), labels and preallocated outputs; fills the outputs. It
knows nothing about rules, classes by name or files. Importing this module costs a second (numba): ``sn_viz.search.stumps`` imports
it only when it searches. Every kernel releases the interpreter lock, has fixed signatures and is compiled once per machine, for
16-bit and for 32-bit values apart, when it is first needed.

How it works. Neighbouring neurons are handled side by side, one per vector lane. Each value becomes an integer whose order is the
order of the values. The examples of each class are sorted apart, so that a 16-bit value needs a 16-bit lane and no room for its
label; only the last merge, of the sorted classes, works on twice the width with a tag (the class) in the low 16 bits. A scan from
the smallest to the largest value then counts, with all it remembers in vector registers.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core import config as numba_config

from sn_viz.paths import cache_folder
from sn_viz.search.kernels.sort import intrinsic, kernel_part, lanes_of, load, merge_runs, sort_rows, store, vector_at

settings: Any = numba_config
"""numba's settings, which it makes as it reads the environment; no type checker sees them."""

LANES = 16
"""Neurons scanned side by side: one 512-bit register of 32-bit numbers. Narrower machines use several registers."""

BALANCED_ACCURACY, ACCURACY, ROC_AUC, F1, EFFECT_SIZE = range(5)
TOTAL, BEST, CUT, SIDE = STATE = tuple(range(4))
"""Rows of a scan's result, int32 (row, LANES)."""
BELOW, ABOVE, SMALLEST, LARGEST = EDGES = tuple(range(4))
"""Rows of the values around a cut and at both ends."""

NO_CUT = np.iinfo(np.int32).min
"""The quality of what is no cut, for equal values lie around it."""

WIDEST = np.finfo(np.float32).max
"""Gaps between neighbouring values that overflow float32 count as this wide."""

FURTHEST = 1000.0
"""An effect size is never larger: where neither class spreads at all it would be infinite."""


def _splat(builder: Any, value: Any) -> Any:
    """Return a vector with ``value`` in every lane."""
    kind = ir.VectorType(value.type, LANES)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    order = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), order)


def _constant(number: float, kind: Any, lanes: int = LANES) -> Any:
    return ir.Constant(ir.VectorType(kind, lanes), [number] * lanes)


@intrinsic
def _load_row(typingctx, bits, example, start, strip, row):
    """Put columns start.. of one example into one row of ``strip``, as integers in the order of the values; minus zero is zero."""

    def codegen(context, builder, signature, args):
        bits_value, example, start, strip_value, row = args
        width = bits.dtype.bitwidth
        lanes, number = lanes_of(width), ir.IntType(width)
        source = context.make_array(bits)(context, builder, bits_value)
        stride = builder.extract_value(source.strides, 0)
        address = builder.add(builder.ptrtoint(source.data, stride.type), builder.mul(example, stride))
        address = builder.add(address, builder.mul(start, ir.Constant(start.type, width // 8)))
        u = load(builder, builder.inttoptr(address, ir.VectorType(number, lanes).as_pointer()))
        top = _constant(1 << (width - 1), number, lanes)
        negative = builder.ashr(u, _constant(width - 1, number, lanes))
        ordered = builder.xor(u, builder.or_(negative, top))
        ordered = builder.select(builder.icmp_unsigned("==", u, top), top, ordered)
        store(builder, ordered, vector_at(context, builder, strip, strip_value, row))
        return context.get_dummy_value()

    return types.void(bits, types.intp, types.intp, strip, types.intp), codegen


@intrinsic
def _widen(typingctx, strip, row, half, tag, keys, to):
    """Put LANES keys of one row of ``strip``, its lower or upper half, above ``tag`` into row ``to`` of ``keys``."""

    def codegen(context, builder, signature, args):
        strip_value, row, half, tag, keys_value, to = args
        narrow, wide = ir.IntType(strip.dtype.bitwidth), ir.IntType(keys.dtype.bitwidth)
        data = context.make_array(strip)(context, builder, strip_value).data
        lanes = lanes_of(strip.dtype.bitwidth)
        first = builder.add(builder.mul(row, ir.Constant(row.type, lanes)), builder.mul(half, ir.Constant(half.type, LANES)))
        place = builder.bitcast(builder.gep(data, [first]), ir.VectorType(narrow, LANES).as_pointer())
        key = builder.zext(load(builder, place), ir.VectorType(wide, LANES))
        key = builder.or_(builder.shl(key, _constant(16, wide)), _splat(builder, builder.zext(tag, wide)))
        store(builder, key, vector_at(context, builder, keys, keys_value, to))
        return context.get_dummy_value()

    return types.void(strip, types.intp, types.intp, types.uint16, keys, types.intp), codegen


def _row_of(context, builder, kind, array, row):
    """Return a row of ``array`` as one vector."""
    return load(builder, vector_at(context, builder, kind, array, row))


def _member(builder, key, spoken):
    """Return which lanes of ``key`` carry the tag ``spoken``, a vector of truth values."""
    number = ir.VectorType(ir.IntType(32), LANES)
    low = key if key.type == number else builder.trunc(key, number)
    return builder.icmp_unsigned("==", builder.and_(low, _constant(0xFFFF, number.element)), spoken)


def _rises(builder, key, following):
    """Return in which lanes the value of ``following`` is larger: the keys differ above their tags."""
    tags = _constant(0xFFFF, key.type.element)
    return builder.icmp_unsigned(">", following, builder.or_(key, tags))


def _value_of(builder, key):
    """Return the values that sorted keys stand for, a vector of float32."""
    number, half = ir.IntType(32), key.type.element.width == 32
    u = builder.lshr(key, _constant(16, key.type.element))
    if not half:
        u = builder.trunc(u, ir.VectorType(number, LANES))
    top = 0x8000 if half else 0x80000000
    positive = builder.icmp_unsigned("!=", builder.and_(u, _constant(top, number)), _constant(0, number))
    u = builder.xor(u, builder.select(positive, _constant(top, number), _constant(2 * top - 1, number)))
    real = ir.VectorType(ir.FloatType(), LANES)
    if not half:
        return builder.bitcast(u, real)
    # a float16 shifted into place is a float32 whose exponent is too small by 112, subnormal numbers included
    magnitude = builder.shl(builder.and_(u, _constant(0x7FFF, number)), _constant(13, number))
    sign = builder.shl(builder.and_(u, _constant(top, number)), _constant(16, number))
    return builder.fmul(builder.bitcast(builder.or_(magnitude, sign), real), _constant(2.0**112, ir.FloatType()))


class _Lanes:
    """What a scan remembers between rows, by name: vectors that the compiler keeps in registers."""

    def __init__(self, builder, **first):
        self._builder = builder
        self._places = {name: cgutils.alloca_once_value(builder, value) for name, value in first.items()}

    def __getitem__(self, name):
        return self._builder.load(self._places[name])

    def keep(self, where=None, **values):
        """Remember ``values``, or only those lanes of them that ``where`` names."""
        for name, value in values.items():
            self._builder.store(value if where is None else self._builder.select(where, value, self[name]), self._places[name])

    def put(self, context, kind, array, **rows):
        """Store what is remembered into rows of ``array``."""
        for name, row in rows.items():
            place = vector_at(context, self._builder, kind, array, ir.Constant(ir.IntType(64), row))
            store(self._builder, self[name], place)


def _cut_scan(sided):
    """Return an intrinsic f(keys, qualities, n, spoken, inside, outside, below, above, state) that weighs every cut.

    The total sums ``inside`` for members of class ``spoken`` and ``outside`` for others, from the smallest value up. A cut's
    quality is ``below + total`` when what lies below speaks for the class (side 1), ``above - total`` when what lies above does
    (side 0); the larger of both, and of two equal ones side 0, or, when ``sided``, that of the SIDE which ``state`` holds. All are
    even, so that ``qualities`` int32 (example, LANES) has the side in the lowest bit; where equal values allow no cut it is the
    lowest number. BEST of ``state`` becomes the highest of them.
    """

    @intrinsic
    def scan(typingctx, keys, qualities, n, spoken, inside, outside, below, above, state):
        def codegen(context, builder, signature, args):
            keys_value, qualities_value, n, spoken, inside, outside, below, above, state_value = args
            number, index = ir.IntType(32), ir.IntType(64)
            spoken, inside, outside, below, above = (_splat(builder, one) for one in (spoken, inside, outside, below, above))
            lowest, none = _constant(NO_CUT, number), _constant(0, number)
            side = _row_of(context, builder, state, state_value, ir.Constant(index, SIDE)) if sided else none
            is_low = builder.icmp_signed("!=", side, none)
            key = _row_of(context, builder, keys, keys_value, ir.Constant(index, 0))
            held = _Lanes(builder, total=none, best=lowest, key=key)
            with cgutils.for_range(builder, builder.sub(n, ir.Constant(index, 1)), intp=index) as loop:
                key = held["key"]
                following = _row_of(context, builder, keys, keys_value, builder.add(loop.index, ir.Constant(index, 1)))
                total = builder.add(held["total"], builder.select(_member(builder, key, spoken), inside, outside))
                down, up = builder.add(below, total), builder.sub(above, total)
                flip = is_low if sided else builder.icmp_signed(">", down, up)
                quality = builder.select(flip, builder.or_(down, _constant(1, number)), up)
                quality = builder.select(_rises(builder, key, following), quality, lowest)
                store(builder, quality, vector_at(context, builder, qualities, qualities_value, loop.index))
                best = held["best"]
                held.keep(total=total, key=following, best=builder.select(builder.icmp_signed(">", quality, best), quality, best))
            held.put(context, state, state_value, best=BEST)
            return context.get_dummy_value()

        weight = types.int32
        return types.void(keys, qualities, types.intp, weight, weight, weight, weight, weight, state), codegen

    return scan


_scan_linear = _cut_scan(sided=False)
_scan_one_side = _cut_scan(sided=True)


@intrinsic
def _widest_cut(typingctx, keys, qualities, n, state):
    """Fill CUT and SIDE of ``state``: in each lane, of the cuts as good as BEST, the one with the widest gap, then the lowest."""

    def codegen(context, builder, signature, args):
        keys_value, qualities_value, n, state_value = args
        number, real, index = ir.IntType(32), ir.FloatType(), ir.IntType(64)
        one, none = _constant(1, number), _constant(0, number)
        best = builder.or_(_row_of(context, builder, state, state_value, ir.Constant(index, BEST)), one)
        held = _Lanes(builder, cut=none, side=none, gap=_constant(0.0, real))
        with cgutils.for_range(builder, builder.sub(n, ir.Constant(index, 1)), intp=index) as loop:
            quality = _row_of(context, builder, qualities, qualities_value, loop.index)
            hit = builder.icmp_signed("==", builder.or_(quality, one), best)
            mask = builder.bitcast(hit, ir.IntType(LANES))
            with builder.if_then(builder.icmp_unsigned("!=", mask, ir.Constant(mask.type, 0)), likely=False):
                after = builder.add(loop.index, ir.Constant(index, 1))
                low, high = (_value_of(builder, _row_of(context, builder, keys, keys_value, row)) for row in (loop.index, after))
                width, widest = builder.fsub(high, low), _constant(float(WIDEST), real)
                width = builder.select(builder.fcmp_ordered("<", width, widest), width, widest)
                wider = builder.and_(hit, builder.fcmp_ordered(">", width, held["gap"]))
                at = _splat(builder, builder.trunc(loop.index, number))
                held.keep(wider, cut=at, side=builder.and_(quality, one), gap=width)
        held.put(context, state, state_value, cut=CUT, side=SIDE)
        return context.get_dummy_value()

    return types.void(keys, qualities, types.intp, state), codegen


@intrinsic
def _decode_row(typingctx, keys, values, row):
    """Fill a row of ``values`` float32 (row, LANES) with what the same row of ``keys`` stands for."""

    def codegen(context, builder, signature, args):
        keys_value, values_value, row = args
        value = _value_of(builder, _row_of(context, builder, keys, keys_value, row))
        store(builder, value, vector_at(context, builder, values, values_value, row))
        return context.get_dummy_value()

    return types.void(keys, values, types.intp), codegen


@intrinsic
def _rank_sums(typingctx, keys, n, spoken, state):
    """Leave in TOTAL twice the Mann-Whitney count: over pairs (member, other), 2 where the member is larger, 1 where tied."""

    def codegen(context, builder, signature, args):
        keys_value, n, spoken, state_value = args
        number, index = ir.IntType(32), ir.IntType(64)
        spoken, none, unit = _splat(builder, spoken), _constant(0, number), _constant(1, number)
        last = builder.sub(n, ir.Constant(index, 1))
        key = _row_of(context, builder, keys, keys_value, ir.Constant(index, 0))
        held = _Lanes(builder, total=none, members=none, others=none, below=none, key=key)
        with cgutils.for_range(builder, n, intp=index) as loop:
            key = held["key"]
            member = _member(builder, key, spoken)
            members = builder.add(held["members"], builder.select(member, unit, none))
            others = builder.add(held["others"], builder.select(member, none, unit))
            ends = builder.icmp_signed("==", loop.index, last)
            after = builder.select(ends, loop.index, builder.add(loop.index, ir.Constant(index, 1)))
            following = _row_of(context, builder, keys, keys_value, after)
            closes = builder.or_(_rises(builder, key, following), _splat(builder, ends))
            below = held["below"]
            counted = builder.mul(members, builder.add(builder.add(below, below), others))
            held.keep(closes, total=builder.add(held["total"], counted), below=builder.add(below, others))
            held.keep(members=builder.select(closes, none, members), others=builder.select(closes, none, others), key=following)
        held.put(context, state, state_value, total=TOTAL)
        return context.get_dummy_value()

    return types.void(keys, types.intp, types.int32, state), codegen


@kernel_part
def _load_strip(bits, start, stop, place, rows, strip):
    """Fill ``strip`` with columns [start, stop): group g of lanes in rows [g rows, (g + 1) rows), example p in row ``place[p]``.

    Rows that hold no example stay as they are, and so do lanes past ``stop``.
    """
    n, lanes = len(place), strip.shape[1]
    part = stop - (stop - start) % lanes  # where the last group begins that does not fill its lanes
    for p in range(n):
        for g, first in enumerate(range(start, part, lanes)):
            _load_row(bits, p, first, strip, g * rows + place[p])
    if part < stop:
        rest, group = np.zeros((1, lanes), strip.dtype), (part - start) // lanes * rows
        for p in range(n):
            for k in range(part, stop):
                rest[0, k - part] = bits[p, k]
            _load_row(rest, 0, 0, strip, group + place[p])


@kernel_part
def _sorted_lanes(strip, group, half, source, tags, ends, keys):
    """Fill ``keys`` with LANES sorted neurons of ``strip``, from rows ``group``.. on.

    ``source`` names the row of each example and ``tags`` its tag; ``ends`` as in ``merge_runs``, or empty where nothing is sorted.
    """
    n = len(source)
    for i in range(n):
        _widen(strip, group + source[i], half, tags[i], keys, i)
    if len(ends):
        merge_runs(keys, ends.copy())
    else:
        keys[n:] = np.iinfo(keys.dtype).max
        sort_rows(keys, np.int64(0), len(keys))


@kernel_part
def _is_defined(smallest, largest, half):
    """Tell from the smallest and the largest key of a neuron that it is finite and not constant; NaN is at either end."""
    low, high = np.uint32(smallest >> np.uint32(16)), np.uint32(largest >> np.uint32(16))
    if half:
        return low > np.uint32(0x03FF) and high < np.uint32(0xFC00) and low < high
    return low > np.uint32(0x007FFFFF) and high < np.uint32(0xFF800000) and low < high


@kernel_part
def _differ(key, following):
    """Tell whether two keys stand for different values."""
    return key >> np.uint32(16) != following >> np.uint32(16)


@kernel_part
def _scan_f1(keys, qualities, n, spoken, n_inside, state, best):
    """Like a linear scan, for the F1 score, which is left in ``best`` float64 (LANES,); equal fractions compare equal.

    ``qualities`` are 0 where a cut is as good as the best, with the side in the lowest bit.
    """
    hits = np.empty(LANES, np.int32)
    best[:] = 0.0
    for look in range(2):
        hits[:] = 0
        for p in range(n - 1):
            for k in range(LANES):
                hits[k] += np.int32(np.int32(keys[p, k] & np.uint32(0xFFFF)) == spoken)
                down = 2.0 * hits[k] / (n_inside + p + 1)
                up = 2.0 * (n_inside - hits[k]) / (n_inside + n - p - 1)
                quality = max(down, up)
                rises = _differ(keys[p, k], keys[p + 1, k])
                if look == 0:
                    best[k] = max(best[k], quality if rises else 0.0)
                else:
                    qualities[p, k] = np.int32(down > up) if rises and quality == best[k] else np.int32(NO_CUT)
    state[BEST] = 0


@kernel_part
def _centre(keys, n, values, spread):
    """Fill ``values`` float64 (example, LANES) with what sorted keys stand for, less its mean; ``spread`` with its squares' sum.

    Sums are float64 and run from the smallest value up, here and wherever effect sizes are computed, so that equal values give
    equal bits.
    """
    shown = np.empty((n, LANES), np.float32)
    total = np.zeros(LANES, np.float64)
    for p in range(n):
        _decode_row(keys, shown, p)
        for k in range(LANES):
            values[p, k] = np.float64(shown[p, k])
            total[k] += values[p, k]
    spread[:] = 0.0
    for p in range(n):
        for k in range(LANES):
            values[p, k] -= total[k] / n
            spread[k] += values[p, k] * values[p, k]


@kernel_part
def _class_sums(keys, n, spoken, values, apart):
    """Fill ``apart`` float64 (LANES) with the sums of the centred values over the members of class ``spoken``."""
    apart[:] = 0.0
    for p in range(n):
        for k in range(LANES):
            if np.int32(keys[p, k] & np.uint32(0xFFFF)) == spoken:
                apart[k] += values[p, k]


@njit(nogil=True, error_model="numpy")
def _effect_size(share, n_inside, n_outside):
    """Return the class means' distance in pooled deviations (Cohen's d) from the classes' share of all squares.

    ``share`` is the squared sum of the centred values over the class, over the sum of all squares; d rises with it.
    """
    n = n_inside + n_outside
    weight = np.float64(n) / (np.float64(n_inside) * np.float64(n_outside))
    between = share * weight
    if not between < 1.0:
        return FURTHEST
    d = np.sqrt(between / (1.0 - between) * max(n - 2, 1) * weight)
    return d if d < FURTHEST else FURTHEST


@kernel_part
def _linear_weights(metric, n_inside, n_outside):
    """Return inside, outside, below, above, scale: a cut's score is (1 + quality / scale) / 2, or quality / scale for accuracy."""
    if metric == ACCURACY:
        return np.int32(2), np.int32(-2), np.int32(2 * n_outside), np.int32(2 * n_inside), 2.0 * (n_inside + n_outside)
    return np.int32(2 * n_outside), np.int32(-2 * n_inside), np.int32(0), np.int32(0), 2.0 * n_inside * n_outside


@kernel_part
def _between(low, high, positive):
    """Return a threshold that truly separates low < high for the given sign, the midpoint when float32 has one."""
    middle = np.float32((np.float64(low) + np.float64(high)) / 2)
    if middle <= low or middle >= high:
        return low if positive else high
    return middle


def _search(
    bits, start, stop, place, rows, runs, source, tags, ends, counts, spoken, metric,
    strip, keys, qualities, threshold, sign, score, margin,
):  # fmt: skip
    """Find the best stump of columns [start, stop) of ``bits`` for each spoken class.

    Parameters
    ----------
    bits : uint16 or uint32 (example, neuron)
        Bit patterns of the values; rows may lie apart, the columns of one row side by side.
    start, stop : int
    place : int64 (example,)
        The row of each example in a group of ``strip``.
    rows : int
        Rows of a group.
    runs : int64 (run + 1,)
        Where the runs of a group begin and end: classes, each sorted apart; empty when nothing is sorted apart.
    source, tags, ends
        As in ``_sorted_lanes``; a tag is a class.
    counts : int64 (class,)
        Examples of each class.
    spoken : int64 (output,)
        The classes that stumps speak for.
    metric : int
    strip, keys, qualities : uint16, uint32 (or uint32, uint64), int32 (row, lane)
        Work space.
    threshold, sign, score, margin : float32, int8, float32, float32 (stop - start, output)
        Filled. Undefined, as for classes that hold no example or all of them: 0, 1, NaN, 0.
    """
    n, lanes, half = len(place), strip.shape[1], strip.itemsize == 2
    width = len(strip) // rows * lanes
    state = np.zeros((len(STATE), LANES), np.int32)
    edges = np.empty((len(EDGES), LANES), keys.dtype)
    beside = np.empty((len(EDGES), LANES), np.float32)
    fraction = np.empty(LANES, np.float64)
    centred = np.empty((n if metric == EFFECT_SIZE else 1, LANES), np.float64)
    spread, apart = np.empty(LANES, np.float64), np.empty(LANES, np.float64)
    strip[:] = np.iinfo(strip.dtype).max  # rows without an example: sorting leaves them where they are
    for first in range(start, stop, width):
        after = min(first + width, stop)
        _load_strip(bits, first, after, place, rows, strip)
        for g, left in enumerate(range(first, after, lanes)):
            for run in range(len(runs) - 1):
                sort_rows(strip, g * rows + runs[run], g * rows + runs[run + 1])
            for part, at in enumerate(range(left, min(left + lanes, after), LANES)):
                _sorted_lanes(strip, g * rows, part, source, tags, ends, keys)
                if metric == EFFECT_SIZE:
                    _centre(keys, n, centred, spread)
                for output in range(len(spoken)):
                    n_inside = counts[spoken[output]]
                    if metric == EFFECT_SIZE:
                        _class_sums(keys, n, np.int32(spoken[output]), centred, apart)
                        for k in range(LANES):
                            state[SIDE, k] = apart[k] < 0
                            fraction[k] = _effect_size(apart[k] * apart[k] / spread[k], n_inside, n - n_inside)
                    _best_cuts(keys, qualities, n, spoken[output], n_inside, metric, state, fraction)
                    for k in range(LANES):
                        p = state[CUT, k]
                        edges[BELOW, k], edges[ABOVE, k] = keys[p, k], keys[p + 1, k]
                        edges[SMALLEST, k], edges[LARGEST, k] = keys[0, k], keys[n - 1, k]
                    for row in EDGES:
                        _decode_row(edges, beside, row)
                    for k in range(min(LANES, after - at)):
                        defined = 0 < n_inside < n and _is_defined(keys[0, k], keys[n - 1, k], half)
                        positive = not defined or state[SIDE, k] == 0
                        low, high = beside[BELOW, k], beside[ABOVE, k]
                        reach = np.float64(beside[LARGEST, k]) - np.float64(beside[SMALLEST, k])
                        share = np.float32((np.float64(high) - np.float64(low)) / reach)
                        i = at - start + k
                        score[i, output] = np.float32(fraction[k]) if defined else np.float32(np.nan)
                        sign[i, output] = 1 if positive else -1
                        threshold[i, output] = _between(low, high, positive) if defined else np.float32(0)
                        margin[i, output] = share if defined else np.float32(0)


@kernel_part
def _best_cuts(keys, qualities, n, spoken, n_inside, metric, state, fraction):
    """Find the best cut of every lane for one class: CUT and SIDE of ``state``, and its score, ``fraction`` float64 (LANES,).

    For effect sizes score and side are there already, and only the cut is looked for.
    """
    c = np.int32(spoken)
    inside, outside, below, above, scale = _linear_weights(metric, n_inside, n - n_inside)
    if metric == F1:
        _scan_f1(keys, qualities, n, c, n_inside, state, fraction)
    elif metric == ROC_AUC:
        _rank_sums(keys, n, c, state)
        for k in range(LANES):
            area = state[TOTAL, k] / scale
            state[SIDE, k] = area < 0.5
            fraction[k] = max(area, 1 - area)
        _scan_one_side(keys, qualities, n, c, inside, outside, below, above, state)
    elif metric == EFFECT_SIZE:
        _scan_one_side(keys, qualities, n, c, inside, outside, below, above, state)
    else:
        _scan_linear(keys, qualities, n, c, inside, outside, below, above, state)
        for k in range(LANES):
            quality = (state[BEST, k] & ~1) / scale
            fraction[k] = quality if metric == ACCURACY else 0.5 + quality / 2
    _widest_cut(keys, qualities, n, state)


def _null(
    bits, start, stop, place, rows, runs, source, tags, ends, weights, below, above, metric, strip, keys, best
):  # fmt: skip
    """Raise ``best`` to the highest quality any column [start, stop) of ``bits`` reaches under each of many labellings.

    For effect sizes it is the largest share of all squares, see ``_effect_size``.

    Each column is sorted once. ``weights`` int32 (example, labelling) are summed from the smallest value up, for all labellings
    side by side.

    Parameters
    ----------
    bits, start, stop, place, rows, runs, source, tags, ends, strip, keys
        As in the search; a tag is the number of an example and ``runs`` is empty.
    weights : int32 (example, labelling)
    below, above : int32 (labelling,)
        Offsets of the two sides; for F1 ``below`` is the number of members.
    metric : int
    best : float64 (labelling,)
        Updated in place.
    """
    n, lanes, half = len(place), strip.shape[1], strip.itemsize == 2
    width = len(strip) // rows * lanes
    n_labellings = weights.shape[1]
    total = np.empty(n_labellings, np.int32)
    highest = np.full(n_labellings, NO_CUT, np.int32)
    centred = np.empty((n if metric == EFFECT_SIZE else 1, LANES), np.float64)
    spread, apart = np.empty(LANES, np.float64), np.empty(n_labellings, np.float64)
    for first in range(start, stop, width):
        after = min(first + width, stop)
        _load_strip(bits, first, after, place, rows, strip)
        for g, left in enumerate(range(first, after, lanes)):
            for part, at in enumerate(range(left, min(left + lanes, after), LANES)):
                _sorted_lanes(strip, g * rows, part, source, tags, ends, keys)
                if metric == EFFECT_SIZE:
                    _centre(keys, n, centred, spread)
                for k in range(min(LANES, after - at)):
                    if not _is_defined(keys[0, k], keys[n - 1, k], half):
                        continue
                    total[:] = 0
                    if metric == EFFECT_SIZE:
                        _null_shares(keys, n, k, weights, centred, spread[k], apart, best)
                    elif metric == ROC_AUC:
                        _null_ranks(keys, n, k, weights, total, highest)
                    elif metric == F1:
                        _null_f1(keys, n, k, weights, below, total, best)
                    else:
                        _null_linear(keys, n, k, weights, below, above, total, highest)
    if metric != F1 and metric != EFFECT_SIZE:
        for j in range(n_labellings):
            best[j] = max(best[j], highest[j])


@kernel_part
def _null_linear(keys, n, k, weights, below, above, total, highest):
    """One sorted neuron: the best linear quality over its cuts, for every labelling."""
    for p in range(n - 1):
        row = np.int64(keys[p, k] & np.uint32(0xFFFF))
        if _differ(keys[p, k], keys[p + 1, k]):
            for j in range(len(total)):
                s = np.int32(total[j] + weights[row, j])
                total[j] = s
                highest[j] = max(highest[j], max(np.int32(below[j] + s), np.int32(above[j] - s)))
        else:
            for j in range(len(total)):
                total[j] += weights[row, j]


@kernel_part
def _null_f1(keys, n, k, weights, members, total, best):
    """One sorted neuron: the best F1 over its cuts, for every labelling; ``weights`` are 0 or 1."""
    for p in range(n - 1):
        row = np.int64(keys[p, k] & np.uint32(0xFFFF))
        cuts = _differ(keys[p, k], keys[p + 1, k])
        for j in range(len(total)):
            hits = total[j] + weights[row, j]
            total[j] = hits
            if cuts:
                down = 2 * hits / (members[j] + p + 1)
                up = 2 * (members[j] - hits) / (members[j] + n - p - 1)
                best[j] = max(best[j], max(down, up))


@kernel_part
def _null_ranks(keys, n, k, weights, total, highest):
    """One sorted neuron: the rank sum of the members about its centre, for every labelling; ``weights`` are 0 or 1."""
    first = 0
    for after in range(1, n + 1):
        if after < n and not _differ(keys[first, k], keys[after, k]):
            continue
        rank = np.int32(first + after - n)
        for p in range(first, after):
            row = np.int64(keys[p, k] & np.uint32(0xFFFF))
            for j in range(len(total)):
                total[j] = np.int32(total[j] + np.int32(rank * weights[row, j]))
        first = after
    for j in range(len(total)):
        highest[j] = max(highest[j], abs(total[j]))


@kernel_part
def _null_shares(keys, n, k, weights, centred, spread, apart, best):
    """One sorted neuron: the members' share of all squares, for every labelling; ``weights`` are 0 or 1."""
    apart[:] = 0.0
    for p in range(n):
        row, value = np.int64(keys[p, k] & np.uint32(0xFFFF)), centred[p, k]
        for j in range(len(apart)):
            apart[j] += value * weights[row, j]
    for j in range(len(apart)):
        best[j] = max(best[j], apart[j] * apart[j] / spread)


def effect_size(share: np.ndarray, n_inside: int, n_outside: int) -> np.ndarray:
    """Return the effect sizes behind shares of all squares, float64, bit for bit as the search computes them."""
    return np.array([_effect_size(one, n_inside, n_outside) for one in np.asarray(share, np.float64)])


def _array(dtype, dimensions, layout="C", readonly=False):
    return types.Array(dtype, dimensions, layout, readonly=readonly)


def _search_signature(bits, keys):
    whole, tags = _array(types.int64, 1), _array(types.uint16, 1)
    runs = whole, types.int64, whole, whole, tags, whole
    work = _array(bits, 2), _array(keys, 2), _array(types.int32, 2)
    stumps = _array(types.float32, 2), _array(types.int8, 2), _array(types.float32, 2), _array(types.float32, 2)
    values = _array(bits, 2, "A", readonly=True)
    return types.void(values, types.int64, types.int64, *runs, whole, whole, types.int64, *work, *stumps)


def _null_signature(bits, keys):
    whole, tags, offsets = _array(types.int64, 1), _array(types.uint16, 1), _array(types.int32, 1)
    work = _array(bits, 2), _array(keys, 2)
    values = _array(bits, 2, "A", readonly=True)
    runs = whole, types.int64, whole, whole, tags, whole
    weights = _array(types.int32, 2), offsets, offsets
    return types.void(values, types.int64, types.int64, *runs, *weights, types.int64, *work, _array(types.float64, 1))


_compiling = Lock()


def search(itemsize: int) -> Any:
    """Return the kernel `_search` for values of 2 or 4 bytes, compiling it if this machine has not yet."""
    return _compiled(_search, _search_signature, itemsize)


def null(itemsize: int) -> Any:
    """Return the kernel `_null` for values of 2 or 4 bytes, compiling it if this machine has not yet."""
    return _compiled(_null, _null_signature, itemsize)


def _compiled(function: Any, signature: Any, itemsize: int) -> Any:
    with _compiling:
        return _compiled_once(function, signature, itemsize)


@cache
def _compiled_once(function: Any, signature: Any, itemsize: int) -> Any:
    typed = signature(types.uint16, types.uint32) if itemsize == 2 else signature(types.uint32, types.uint64)
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    folder, before = kernel_folder(), settings.CACHE_DIR
    if folder is None:
        return njit([typed], **options)(function)
    settings.CACHE_DIR = str(folder)
    try:
        return njit([typed], cache=True, **options)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return njit([typed], **options)(function)
    finally:
        settings.CACHE_DIR = before


def kept() -> bool:
    """Return whether an earlier process left the kernels of the search on disk, or none could."""
    folder = kernel_folder()
    return folder is None or all(any(folder.rglob(f"*.{kernel.__name__}-*.nbi")) for kernel in (_search, _null))


def kernel_folder() -> Path | None:
    """Return where compiled kernels are kept, made if needed; None where nothing can be written.

    The first that can be written of: what NUMBA_CACHE_DIR names, this package's own ``__pycache__``, the user's cache folder, the
    folder of the activations. Its name holds a digest of the sources, so that no kernel outlives a change of any of the files.
    """
    here = Path(__file__)
    sources = b"".join(path.read_bytes() for path in (here, *map(here.with_name, ("sort.py", "fixed.py"))))
    name = f"kernels-{hashlib.sha256(sources).hexdigest()[:12]}"
    users = Path(os.environ.get("XDG_CACHE_HOME") or Path(os.path.expanduser("~"), ".cache"), "sn_viz")
    asked = [Path(settings.CACHE_DIR)] if settings.CACHE_DIR else []
    for parent in (*asked, here.with_name("__pycache__"), users, cache_folder()):
        try:
            (parent / name).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=parent / name):
                return parent / name
        except OSError:
            continue  # read-only, full or in the way of a file: the next place may do
    return None
