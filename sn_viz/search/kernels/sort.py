"""The sorting part of the compiled search: many short columns of integers, sorted side by side in vector registers.

Takes work arrays of unsigned keys (row, lane), one column a lane; sorts every lane in place. It knows nothing about labels, scores
or floating-point numbers. For ``sn_viz.search.kernels.best_split``, which compiles it.

How it works. There is no branch on data and no scatter: all lanes go through one sorting network, so a comparison of two rows is a
vector minimum and a vector maximum. Memory traffic is what a network costs, so up to sixteen rows are loaded, taken through four
stages in registers and stored. Sixteen rows at a time are sorted by Batcher's odd-even network; longer runs by bitonic merges,
whose rows past the end count as infinitely large, so that no length needs to be a power of two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic as numba_intrinsic

intrinsic: Any = numba_intrinsic
"""Untyped: compiled code calls an intrinsic without its first parameter, the typing context, which no type checker knows."""

_options: Any = {"nogil": True, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
kernel_part: Any = njit(**_options)
"""Compiles what compiled code alone calls: without the wrappers for Python and C that is a tenth less work."""

BLOCK = 16
"""Rows sorted in registers; runs begin and end on a multiple of it."""
HALVES = tuple(2**k for k in reversed(range(16)))
"""Every power of two below the number of rows that can be sorted, the largest first."""
TILE = 256
"""Rows merged depth first: 16 kB stay in the first-level cache."""
LOOKS = 2
"""How often a group is taken through registers until it is small: four stages each, so of 32,768 rows 128 are left, of 256 one."""

Pairs = Sequence[tuple[int, int]]


def lanes_of(bits: int) -> int:
    """Return how many keys of this width lie side by side: one 512-bit register, two for 64-bit keys."""
    return 32 if bits == 16 else 16


def vector_at(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    """Return a pointer to row ``index`` of ``array`` (row, lane) as one vector."""
    bits = kind.dtype.bitwidth
    lanes = lanes_of(bits)
    data = context.make_array(kind)(context, builder, array).data
    element = ir.IntType(bits) if isinstance(kind.dtype, types.Integer) else ir.FloatType()
    pointer = builder.gep(data, [builder.mul(index, ir.Constant(index.type, lanes))])
    return builder.bitcast(pointer, ir.VectorType(element, lanes).as_pointer())


def load(builder: Any, place: Any) -> Any:
    """Return the vector at ``place``, which may begin at any of its elements."""
    return builder.load(place, align=_align(place.type.pointee))


def store(builder: Any, vector: Any, place: Any) -> None:
    """Put a vector at ``place``, which may begin at any of its elements."""
    builder.store(vector, place, align=_align(vector.type))


def _align(vector: Any) -> int:
    """Return the bytes of an element."""
    return 4 if isinstance(vector.element, ir.FloatType) else vector.element.width // 8


def odd_even(n: int) -> list[tuple[int, int]]:
    """Return the comparisons of Batcher's odd-even merge sort of ``n`` rows, a power of two."""

    def merge(low: int, size: int, step: int) -> None:
        if 2 * step >= size:
            pairs.append((low, low + step))
            return
        merge(low, size, 2 * step)
        merge(low + step, size, 2 * step)
        pairs.extend((i, i + step) for i in range(low + step, low + size - step, 2 * step))

    def sort(low: int, size: int) -> None:
        if size > 1:
            sort(low, size // 2)
            sort(low + size // 2, size // 2)
            merge(low, size, 1)

    pairs: list[tuple[int, int]] = []
    sort(0, n)
    return pairs


def halving(n: int) -> list[tuple[int, int]]:
    """Return the comparisons that sort a bitonic sequence of ``n`` rows, a power of two."""
    if n == 1:
        return []
    half = n // 2
    inner = _twice(halving(half), half)
    return [*((i, i + half) for i in range(half)), *inner]


def mirrored(n: int) -> list[tuple[int, int]]:
    """Return the comparisons that merge two ascending runs of ``n // 2`` rows each: the first stage meets head to tail."""
    half = n // 2
    return [*zip(range(half), reversed(range(half, n)), strict=True), *_twice(halving(half), half)]


def _twice(pairs: Pairs, shift: int) -> list[tuple[int, int]]:
    return [*pairs, *((i + shift, j + shift) for i, j in pairs)]


def _in_registers(pairs: Pairs, rows: int) -> Any:
    """Return an intrinsic f(keys, i, j, step): ``pairs`` among ``rows`` rows, half from i on and half from j on, ``step`` apart."""

    @intrinsic
    def exchange(typingctx, keys, i, j, step):
        def codegen(context, builder, signature, args):
            array, *firsts, step = args
            places = []
            for first in firsts:
                for _ in range(rows // 2):
                    places.append(vector_at(context, builder, keys, array, first))
                    first = builder.add(first, step)
            held = [load(builder, place) for place in places]
            for a, b in pairs:
                less = builder.icmp_unsigned("<", held[a], held[b])
                held[a], held[b] = builder.select(less, held[a], held[b]), builder.select(less, held[b], held[a])
            for value, place in zip(held, places, strict=True):
                store(builder, value, place)
            return context.get_dummy_value()

        return types.void(keys, types.intp, types.intp, types.intp), codegen

    return exchange


_sort_block = _in_registers(odd_even(16), 16)
_mirror_16 = _in_registers(mirrored(16), 16)
_halve_16 = _in_registers(halving(16), 16)
_halve_8 = _in_registers(halving(8), 8)
_halve_4 = _in_registers(halving(4), 4)
_exchange = _in_registers(halving(2), 2)


@kernel_part
def _merge_whole(keys, low, high, size):
    """Sort every bitonic group of ``size`` rows, a power of two, in [low, high), which they fill; large groups first."""
    for _ in range(LOOKS):
        if size > TILE:
            unit = size // 16
            for start in range(low, high, size):
                for i in range(start, start + unit):
                    _halve_16(keys, i, i + 8 * unit, unit)
            size = unit
    if size < 2:
        return
    for start in range(low, high, size):
        inner = size
        for _ in range(LOOKS):
            if inner >= 16:
                unit = inner // 16
                for group in range(start, start + size, inner):
                    for i in range(group, group + unit):
                        _halve_16(keys, i, i + 8 * unit, unit)
                inner = unit
        if inner == 8:
            for group in range(start, start + size, 8):
                _halve_8(keys, group, group + 4, 1)
        elif inner == 4:
            for group in range(start, start + size, 4):
                _halve_4(keys, group, group + 2, 1)
        elif inner == 2:
            for group in range(start, start + size, 2):
                _exchange(keys, group, group + 1, 1)


@kernel_part
def merge_valley(keys, low, high):
    """Sort rows [low, high), any number, of which the first fall and the rest rise: what is past the end counts as infinite."""
    for size in HALVES:
        if size < high - low:
            for i in range(low, high - size):
                _exchange(keys, i, i + size, 1)
            _merge_whole(keys, low, low + size, size)
            low += size


@kernel_part
def _merge_halves(keys, low, high, half):
    """Merge neighbours among the sorted runs of ``half`` rows that fill [low, high), the last of which may be shorter."""
    unit = half // 8
    for start in range(low, high, 2 * half):
        middle, stop = start + half, start + 2 * half
        if stop <= high:
            for i in range(unit):
                _mirror_16(keys, start + i, middle + unit - 1 - i, unit)
            _merge_whole(keys, start, stop, unit)
        elif middle < high:
            for i in range(stop - high, half):
                _exchange(keys, start + i, stop - 1 - i, 1)
            _merge_whole(keys, start, middle, half)
            merge_valley(keys, middle, high)


@kernel_part
def sort_rows(keys, low, high):
    """Sort every lane of rows [low, high) of ``keys`` (row, lane); a multiple of ``BLOCK`` rows."""
    for start in range(low, high, BLOCK):
        _sort_block(keys, start, start + 8, 1)
    for half in HALVES[::-1]:
        if BLOCK <= half < high - low:
            _merge_halves(keys, low, high, half)


@kernel_part
def merge_runs(keys, ends):
    """Merge the runs [0, ends[0]), [ends[0], ends[1]), ... of ``keys``: neighbours in pairs, until one is left, which rises.

    Runs rise, but the first of every pair falls: so neighbours form a valley. ``ends`` int64 (run,) is used up.
    """
    runs = len(ends)
    for _ in HALVES:
        if runs < 2:
            return
        low, merged, left = np.int64(0), 0, runs - runs // 2  # with a literal 0 what is called would be compiled once more
        for second in range(1, runs, 2):
            high = ends[second]
            merge_valley(keys, low, high)
            ends[merged] = high
            merged += 1
            if merged % 2 and merged < left:
                _reverse(keys, low, high)
            low = high
        ends[merged:left] = ends[runs - 1]  # the last of an odd number waits
        runs = left


@kernel_part
def _reverse(keys, low, high):
    """Turn rows [low, high) around."""
    for i in range((high - low) // 2):
        a, b = low + i, high - 1 - i
        for k in range(keys.shape[1]):
            keys[a, k], keys[b, k] = keys[b, k], keys[a, k]
