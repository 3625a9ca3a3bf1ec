"""Values beyond a budget lie in a file: the same numbers, checked whenever they are read, with no room or none at all left."""

import errno
import gc

import numpy as np
import pytest

from sn_viz import matrix
from sn_viz.baselines.sparse_probe import effect_sizes
from sn_viz.errors import UserError
from sn_viz.matrix import Filling, mapped_file, read_columns, read_slab, slabs
from sn_viz.search.stumps import best_scores_under_null, find_stumps
from sn_viz.types import Neurons
from sn_viz.voting.statistics import cross_validated_layers, selection_stability
from sn_viz.voting.voters import voters_by_layer
from sn_viz.voting.votes import votes_by_layer

N, WIDTH = 40, 333


@pytest.fixture(autouse=True)
def small_slabs(monkeypatch, tmp_path):
    """Five neurons' worth of everything at a time would be silly; 64 are the least, and then there are six slabs."""
    monkeypatch.setattr(matrix, "SLAB_BYTES", 64 * N * 2)
    monkeypatch.setattr(matrix, "MAPPED_BYTES", 7 * WIDTH * 2)
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def plain() -> np.ndarray:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(N, WIDTH))
    values[:, ::50] += np.arange(N)[:, None] % 2 * 2
    values[3, 5], values[:, 6] = np.nan, 1
    return values.astype(np.float16)


def on_disk(values: np.ndarray) -> np.ndarray:
    filling = Filling(values.shape, values.dtype.type, most_bytes=0)
    for start in range(0, len(values), 6):
        rows = list(range(start, min(start + 6, len(values))))
        filling.put(rows, values[rows])
    assert mapped_file(filling.values) is not None
    return filling.values


def fields(stumps) -> list[np.ndarray]:
    return [stumps.neuron, stumps.class_index, stumps.threshold, stumps.sign, stumps.score, stumps.margin]


def assert_same(one, other) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("rule", ["best-split", "zero"])
def test_search_null_folds_and_stability_are_the_same_from_a_file(plain, n_classes, rule):
    mapped, labels = on_disk(plain), np.arange(N) % n_classes
    layer = np.repeat(np.arange(1, 4), 111).astype(np.int16)
    neurons = Neurons(np.zeros(WIDTH, np.int8), layer, np.arange(WIDTH, dtype=np.int32), ("residual",))
    stumps = [find_stumps(values, labels, rule, classes=n_classes) for values in (plain, mapped)]
    assert_same(*map(fields, stumps))
    voters = voters_by_layer(stumps[0], neurons, 5, n_classes)
    votes = [votes_by_layer(values, voters, n_classes) for values in (plain, mapped)]
    assert_same(*[(one.tally, one.predicted, one.margin) for one in votes])
    for values in (plain, mapped):
        seen = (
            best_scores_under_null(values, labels, rule=rule, n_labellings=5),
            cross_validated_layers(values, labels, neurons, rule, voters=5, n_classes=n_classes),
            selection_stability(values[:, :222], labels, voters[1].neuron, rule, voters=5, n_classes=n_classes, n_resamples=4),
            effect_sizes(values, labels, n_classes),
        )
        if values is plain:
            expected = seen
    assert_same(expected, seen)


def test_named_rows_are_searched_as_their_copy_would_be(plain):
    labels, rows = np.arange(N) % 2, np.random.default_rng(1).integers(0, N, 30)
    expected = fields(find_stumps(plain[rows], labels[rows]))
    for values in (plain, on_disk(plain), plain.astype(np.float64)):
        assert_same(fields(find_stumps(values, labels, rows=rows)), expected)


def test_columns_and_slabs_are_what_indexing_gives(plain):
    mapped, rows, columns = on_disk(plain), np.array([3, 3, 39, 0]), np.array([332, 0, 7])
    np.testing.assert_array_equal(read_columns(mapped, columns), plain[:, columns])
    np.testing.assert_array_equal(read_columns(mapped, columns, rows), plain[rows][:, columns])
    np.testing.assert_array_equal(read_columns(plain, columns, rows), plain[rows][:, columns])
    np.testing.assert_array_equal(read_slab(mapped[5:, 10:], 60, 200, rows[:2]), plain[5:, 10:][rows[:2], 60:200])
    assert [(slab.shape, start) for slab, start in slabs(mapped)][-1] == ((N, 333 - 320), 320)


@pytest.mark.parametrize("view", [slice(None), slice(4, None)])
def test_a_file_that_was_damaged_is_refused_and_not_searched(plain, view):
    filling = Filling(plain.shape, np.float16, most_bytes=0)
    filling.put(list(range(N)), plain)
    filling._file.seek((20 * WIDTH + 100) * 2)
    filling._file.write(b"\x12\x34")
    filling._file.flush()
    with pytest.raises(UserError, match="damaged"):
        find_stumps(filling.values[view], (np.arange(N) % 2)[view])
    intact = np.array([row for row in range(N) if row != 20])
    assert len(find_stumps(filling.values, np.arange(N) % 2, rows=intact)) == WIDTH


def test_within_the_budget_nothing_is_written(plain, tmp_path, monkeypatch):
    monkeypatch.setenv("SN_VIZ_MEMORY", str(4 * plain.nbytes / 2**30))
    assert mapped_file(Filling(plain.shape, np.float16).values) is None
    assert mapped_file(Filling((N + 1, WIDTH), np.float16).values) is not None


def test_the_file_has_no_name_and_goes_with_the_array(plain, tmp_path):
    values = on_disk(plain)
    assert list((tmp_path / "cache").iterdir()) == []
    n_known = len(matrix._CHECKED)
    del values
    gc.collect()
    assert len(matrix._CHECKED) == n_known - 1


def test_a_disk_without_room_is_told_before_anything_is_read(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(UserError, match="do not fit") as told:
        Filling((N, WIDTH), np.float16, most_bytes=0)
    assert "SN_VIZ_MEMORY" in told.value.hint
