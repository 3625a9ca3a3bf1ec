"""How much the search takes at once: no result depends on it, but memory and speed do."""

import mmap
import os
from pathlib import Path

import numpy as np
import pytest

from sn_viz import matrix
from sn_viz.errors import UserError
from sn_viz.search import stumps as search
from sn_viz.search.stumps import find_stumps

MIB = 2**20


def endless(n_examples, n_neurons, dtype):
    """An array as large as one likes that takes no memory."""
    return np.broadcast_to(np.zeros((), dtype), (n_examples, n_neurons))


def strips_of(values, threads=1):
    """The strips of neurons that are handed out, in order."""
    taken = []
    search._in_strips(values, lambda slab, start, stop, offset: taken.append((offset + start, offset + stop)), threads=threads)
    return sorted(taken)


@pytest.mark.parametrize(
    ("n_examples", "width"), [(2, 2**20), (100, 20_928), (128, 16_384), (8192, 256), (30_000, 64), (60_000, 64)]
)
def test_a_thread_takes_about_two_million_values_at_a_time_in_bundles_of_64_neurons(n_examples, width):
    strips = strips_of(endless(n_examples, 2 * width + 1, np.float16))
    assert strips == [(0, width), (width, 2 * width), (2 * width, 2 * width + 1)]


def test_a_search_as_large_as_one_strip_is_one_strip():
    assert strips_of(endless(1024, 2048, np.float32)) == [(0, 2048)]
    assert strips_of(endless(1024, 0, np.float32)) == []


def test_few_values_are_shared_out_among_all_threads():
    assert strips_of(endless(48, 12_800, np.float16), threads=2) == [(0, 6400), (6400, 12_800)]
    assert [stop - start for start, stop in strips_of(endless(48, 1000, np.float16), threads=3)] == [384, 384, 232]
    assert strips_of(endless(48, 70, np.float16), threads=8) == [(0, 64), (64, 70)], "a strip has 64 neurons at least"


def test_values_of_another_type_are_converted_128_mib_at_a_time():
    pieces = [(slab.shape, slab.dtype, slab.nbytes, start) for slab, start in matrix.slabs(endless(64, 2**19 + 3, np.float64))]
    assert pieces == [((64, 2**19), np.float32, 128 * MIB, 0), ((64, 3), np.float32, 64 * 3 * 4, 2**19)]


def test_a_slab_has_at_least_64_neurons(monkeypatch):
    monkeypatch.setattr(matrix, "SLAB_BYTES", 4 * 60_000 * 65)
    for n_examples, width in ((60_000, 65), (60_001, 64), (80_000, 64)):
        assert next(matrix.slabs(endless(n_examples, 70, np.float64)))[0].shape == (n_examples, width)


def test_values_in_memory_are_taken_as_they_are():
    values = np.zeros((4, 9), np.float16)
    frozen = values.view()
    frozen.flags.writeable = False
    for same in (values, frozen, values[:, ::2], np.asfortranarray(values)):
        [(slab, start)] = matrix.slabs(same)
        assert slab is same and start == 0


class Watched(np.memmap):
    """A map that notes how many rows are read at once."""

    rows: list[int]

    def __getitem__(self, key):
        found = super().__getitem__(key)
        self.rows.append(len(found))
        return found


def map_of_zeros(path, n_rows, row_bytes):
    """A map of a file of zeros whose rows lie ``row_bytes`` apart; what is read of each is 100 numbers."""
    with path.open("wb") as file:
        file.truncate(n_rows * row_bytes)
    values = Watched(path, np.float16, "r", shape=(n_rows, row_bytes // 2))
    Watched.rows = []
    return np.memmap.__getitem__(values, (slice(None), slice(100)))


@pytest.mark.parametrize(
    ("n_rows", "row_bytes", "rows"), [(300, MIB, [256, 44]), (3, 512 * MIB, [1, 1, 1]), (5, 128 * MIB, [2, 2, 1])]
)
def test_a_file_is_read_256_mib_at_a_time_and_given_back(tmp_path, n_rows, row_bytes, rows):
    values = map_of_zeros(tmp_path / "values", n_rows, row_bytes)
    given_back = []
    values._mmap = type("Map", (), {"madvise": lambda self, advice: given_back.append(len(values.rows))})()
    [(slab, start)] = matrix.slabs(values)
    assert values.rows == rows and (slab == 0).all() and slab.shape == (n_rows, 100) and start == 0
    assert given_back == (list(range(1, len(rows) + 1)) if hasattr(mmap, "MADV_DONTNEED") else [])


def test_each_slab_of_a_file_is_read_into_its_own_place(tmp_path, monkeypatch):
    monkeypatch.setattr(matrix, "SLAB_BYTES", 64 * 12 * 2)
    monkeypatch.setattr(matrix, "MAPPED_BYTES", 5 * 200 * 2)
    values = np.random.default_rng(0).normal(size=(12, 200)).astype(np.float16)
    np.save(tmp_path / "values.npy", values)
    slabs = list(matrix.slabs(np.load(tmp_path / "values.npy", mmap_mode="r")))
    assert [start for _, start in slabs] == [0, 64, 128, 192]
    np.testing.assert_array_equal(np.concatenate([slab for slab, _ in slabs], axis=1), values)
    labels = np.arange(12) % 2
    from_file = find_stumps(np.load(tmp_path / "values.npy", mmap_mode="r"), labels)
    np.testing.assert_array_equal(from_file.threshold, find_stumps(values, labels).threshold)
    np.testing.assert_array_equal(from_file.margin, find_stumps(values, labels).margin)


@pytest.mark.parametrize("rule", ["zero", "midpoint"])
def test_a_fixed_rule_sees_a_mebibyte_of_float32_at_a_time(rule, monkeypatch):
    seen, wanted = [], search.RULES[rule]

    def watched(values, is_class):
        seen.append(values.shape)
        return wanted(values, is_class)

    monkeypatch.setitem(search.RULES._entries, "watched", watched)
    rng = np.random.default_rng(1)
    values, labels = rng.normal(size=(1000, 600)).astype(np.float16), rng.integers(0, 2, 1000)
    found, expected = find_stumps(values, labels, "watched", threads=1), find_stumps(values, labels, rule)
    assert [shape for shape in seen if shape[0] == 1000] == [(1000, 256), (1000, 256), (1000, 88)]
    for field in ("threshold", "sign", "score", "margin"):
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))


@pytest.mark.parametrize(
    ("n", "itemsize", "groups"),
    [(2, 2, 16), (1024, 2, 16), (1040, 2, 15), (1024, 4, 16), (1040, 4, 15), (9000, 2, 1), (60_000, 2, 1), (60_000, 4, 1)],
)
def test_a_thread_holds_a_mebibyte_of_sortable_keys_in_at_most_sixteen_groups(n, itemsize, groups):
    plan = search._in_order(np.zeros(n, np.int64))
    lanes = {2: 32, 4: 16}[itemsize]
    strip, keys, qualities = plan.work_space(itemsize)
    assert strip.shape == (groups * plan.rows, lanes) and strip.itemsize == itemsize
    assert keys.shape == (plan.rows, 16) and keys.itemsize == 2 * itemsize
    assert qualities.shape == (n, 16) and qualities.dtype == np.int32


def test_work_space_begins_on_a_cache_line_and_takes_no_more_than_one_besides():
    for shape in ((1, 16), (3, 32), (40, 16), (333, 16), (7, 5)):
        for dtype in (np.uint16, np.uint32, np.uint64):
            array = search._aligned(shape, dtype)
            assert array.shape == shape and array.dtype == dtype and array.ctypes.data % 64 == 0
            whole = array
            while whole.base is not None:
                whole = whole.base
            assert whole.nbytes == array.nbytes + 64


def anywhere(shape, dtype):
    """Memory that begins at an element of its type and at no longer word."""
    size = np.dtype(dtype).itemsize
    memory = np.empty(int(np.prod(shape)) * size + 128, np.uint8)
    first = -memory.ctypes.data % 64 + size
    return memory[first : first + int(np.prod(shape)) * size].view(dtype).reshape(shape)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_work_space_and_values_may_begin_anywhere(dtype, monkeypatch):
    rng = np.random.default_rng(2)
    values, labels = rng.normal(size=(37, 75)).astype(dtype), rng.permutation(np.arange(37) % 2)
    expected = [find_stumps(np.ascontiguousarray(values[:, 1:]), labels, metric=metric) for metric in ("f1", "roc-auc")]
    monkeypatch.setattr(search, "_aligned", anywhere)
    for one, metric in zip(expected, ("f1", "roc-auc"), strict=True):
        again = find_stumps(values[:, 1:], labels, metric=metric)
        np.testing.assert_array_equal(again.threshold, one.threshold)
        np.testing.assert_array_equal(again.score, one.score)


def test_rows_of_a_plan_come_in_blocks_of_sixteen():
    assert [search._whole_blocks(n) for n in (0, 1, 15, 16, 17, 32, 33, 100)] == [0, 16, 16, 16, 32, 32, 48, 112]
    plan = search._in_order(np.array([3, 1, 2]))
    assert plan.rows == 16 and plan.place.tolist() == plan.source.tolist() == [0, 1, 2] and plan.tags.tolist() == [3, 1, 2]
    assert len(plan.runs) == len(plan.ends) == 0


def test_classes_are_sorted_apart_the_first_of_every_two_falling():
    labels = np.array([1, 0, 1, 4, 1, 0])
    plan = search._by_class(labels, 5)
    assert plan.runs.tolist() == [0, 16, 32, 32, 32, 48] and plan.rows == 48
    assert plan.place.tolist() == [16, 0, 17, 32, 18, 1]
    assert plan.source.tolist() == [1, 0, 16, 17, 18, 32]
    assert plan.tags.tolist() == [0, 0, 1, 1, 1, 4] and plan.ends.tolist() == [2, 5, 5, 5, 6]


@pytest.mark.parametrize("n_classes", range(2, 8))
def test_which_classes_fall(n_classes):
    plan = search._by_class(np.repeat(np.arange(n_classes), 14), n_classes)
    falls = [bool(rows[0] > rows[1]) for rows in np.split(plan.source, n_classes)]
    assert falls == [c % 2 == 0 and c != n_classes - 1 for c in range(n_classes)]


@pytest.mark.parametrize(
    ("sizes", "apart"),
    [
        ([1] * 4, True),
        ([1] * 5, False),
        ([9] * 8, True),
        ([8] * 8, True),
        ([8] * 7 + [7], False),
        ([1, 1, 17], True),
        ([1, 1, 33], False),
    ],
)
def test_classes_are_sorted_apart_when_that_takes_at_most_twice_the_rows_or_64(sizes, apart):
    assert bool(len(search._by_class(np.repeat(np.arange(len(sizes)), sizes), len(sizes)).runs)) == apart


def test_values_whose_rows_are_in_one_piece_are_not_copied():
    values = np.zeros((5, 8), np.float16)
    bits, start, stop = search._bits(values[:, 1:], 2, 6)
    assert np.shares_memory(bits, values) and (start, stop) == (2, 6) and bits.dtype == np.uint16
    values[:] = np.arange(8)
    bits, start, stop = search._bits(np.asfortranarray(values), 2, 6)
    assert (start, stop) == (0, 4) and bits.view(np.float16)[0].tolist() == [2, 3, 4, 5]
    assert search._bits(values.astype(np.float32), 0, 1)[0].dtype == np.uint32


def test_up_to_a_million_stumps_are_searched_unasked_and_more_where_a_hundred_bytes_each_are_free(monkeypatch):
    monkeypatch.setattr(search, "_free_bytes", lambda: 0.0)
    search._check_memory(10**5, 10)
    with pytest.raises(UserError):
        search._check_memory(1, 10**6 + 1)
    monkeypatch.setattr(search, "_free_bytes", lambda: 3e9)
    search._check_memory(10**5, 300)
    with pytest.raises(UserError, match="100001 neurons for 300 classes take about 2.8 GiB; 2.8 GiB are free"):
        search._check_memory(10**5 + 1, 300)
    with pytest.raises(UserError, match="take about 83.8 GiB; 2.8 GiB"):
        search._check_memory(3 * 10**6, 300)


def test_the_system_tells_how_much_memory_can_be_had(tmp_path):
    if Path("/proc/meminfo").exists():
        page = os.sysconf("SC_PAGE_SIZE")
        assert page * os.sysconf("SC_AVPHYS_PAGES") / 4 < search._free_bytes() <= page * os.sysconf("SC_PHYS_PAGES")
    (tmp_path / "told").write_text("MemTotal:  9 kB\nMemAvailable:    3000 kB\nCached: 1 kB\n")
    assert search._free_bytes(tmp_path / "told") == 3000 * 1024
    (tmp_path / "told").write_text("MemTotal:  9 kB\n")
    assert search._free_bytes(tmp_path / "told") == search._free_bytes(tmp_path / "nothing") == float("inf")


@pytest.mark.parametrize(("n_examples", "fits"), [(1, False), (2, True), (60_000, True), (60_001, False)])
def test_two_to_sixty_thousand_examples_are_searched(n_examples, fits):
    values, labels = endless(n_examples, 0, np.float16), np.zeros(n_examples, int)
    if fits:
        assert len(find_stumps(values, labels)) == 0
    else:
        with pytest.raises(UserError, match=f"There are {n_examples} examples; 2 to 60,000 are allowed"):
            find_stumps(values, labels)
