"""The cache gives back exactly what was put in, or nothing."""

import errno
import hashlib
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sn_viz.activations import store as module
from sn_viz.activations.store import Store
from sn_viz.errors import UserError
from sn_viz.matrix import SharedFile

ROOT = Path(module.__file__).parents[2]


def rows_of(seed, n=3, width=50, dtype=np.float16):
    rng = np.random.default_rng(seed)
    return {f"{i:064x}": rng.normal(size=width).astype(dtype) for i in range(n)}


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) and a[k].dtype == b[k].dtype for k in a)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "cache")


def entry(store):
    (path,) = store.root.glob("*/*.row")
    return path


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_what_is_put_comes_back_in_another_process_too(store, dtype):
    rows = rows_of(0, dtype=dtype)
    store.put("model.question", rows)
    assert same(Store(store.root).get("model.question", list(rows)), rows)
    assert store.get("another key", list(rows)) == {}
    assert store.get("model.question", ["absent"]) == {}


def test_names_and_keys_are_text_and_never_paths(store):
    rows = {"../../x": np.ones(2, np.float16), "CON": np.zeros(2, np.float16), "": np.ones(1, np.float16)}
    store.put("../../../etc/passwd\0", rows)
    assert same(store.get("../../../etc/passwd\0", list(rows)), rows)
    assert {path.name for path in store.root.parent.iterdir()} == {"cache"}


def test_nan_and_infinity_survive(store):
    row = np.array([np.nan, np.inf, -0.0, 65504], np.float16)
    store.put("k", {"a": row})
    assert store.get("k", ["a"])["a"].tobytes() == row.tobytes()


def test_every_flipped_bit_is_detected_and_computed_again(store):
    rng = np.random.default_rng(0)
    rows = rows_of(1, n=1, width=200)
    store.put("k", rows)
    path = entry(store)
    good = path.read_bytes()
    for _ in range(60):
        bad = bytearray(good)
        bad[rng.integers(len(bad))] ^= 1 << rng.integers(8)
        path.write_bytes(bad)
        assert store.get("k", list(rows)) == {}
        assert not path.exists()
        store.put("k", rows)
        assert same(store.get("k", list(rows)), rows)
    assert len(list((store.root / "quarantine").iterdir())) == 60


@pytest.mark.parametrize(
    "damage", ["empty", "short", "a digest alone", "nothing else", "half", "zeroed tail", "longer", "another word"]
)
def test_truncated_zeroed_and_foreign_entries_are_put_aside(store, damage):
    rows = rows_of(2, n=1)
    store.put("k", rows)
    path = entry(store)
    good = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "short": good[:20],
            "a digest alone": hashlib.sha256(b"").digest(),
            "nothing else": good[:8] + hashlib.sha256(good[:8]).digest(),
            "half": good[: len(good) // 2],
            "zeroed tail": good[:-40] + bytes(40),
            "longer": good + b"x",
            "another word": b"X" + good[1:-32] + hashlib.sha256(b"X" + good[1:-32]).digest(),
        }[damage]
    )
    assert store.get("k", list(rows)) == {}
    assert len(list((store.root / "quarantine").glob("*.bad"))) == 1


@pytest.mark.parametrize(("one", "two"), [(("k", "a"), ("other", "a")), (("k", "a"), ("k", "b"))])
def test_an_entry_in_the_place_of_another_is_put_aside(store, one, two):
    for number, (key, name) in enumerate((one, two)):
        store.put(key, {name: np.full(4, number, np.float16)})
    first, second = store.root.glob("*/*.row")
    swapped = first.read_bytes(), second.read_bytes()
    second.write_bytes(swapped[0])
    first.write_bytes(swapped[1])
    assert all(store.get(key, [name]) == {} for key, name in (one, two))
    assert len(list((store.root / "quarantine").glob("*.bad"))) == 2


def test_verify_names_the_damaged_and_leaves_the_rest(store):
    rows = rows_of(3)
    store.put("k", rows)
    assert store.verify() == ()
    path = sorted(store.root.glob("*/*.row"))[0]
    path.write_bytes(path.read_bytes()[:-1])
    assert store.verify() == (path.relative_to(store.root).as_posix(),)
    assert store.verify() == () and len(store.get("k", list(rows))) == 2


def test_entries_are_immutable(store):
    store.put("k", {"a": np.ones(3, np.float16)})
    store.put("k", {"a": np.zeros(3, np.float16)})
    assert store.get("k", ["a"])["a"].tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="read-only"):
        store.get("k", ["a"])["a"][0] = 5


def test_clear_by_age_and_size(store):
    assert store.size() == 0 and store.clear() == 0
    store.put("k", rows_of(4))
    old = sorted(store.root.glob("*/*.row"))[0]
    os.utime(old, (0, 0))
    assert store.size() > 300
    assert store.clear(older_than=3600) == 1 and not old.exists()
    (store.root / "mine").mkdir()
    (store.root / "mine" / "letter.tmp").write_text("somebody else's")
    assert store.clear() == 2 and store.size() == 0
    assert (store.root / "mine" / "letter.tmp").exists()


def test_matrices_that_workers_share_are_no_entries_and_go_when_nobody_writes_to_them_any_more(store):
    store.put("k", rows := rows_of(2))
    shared = [SharedFile.create(store.root, (3, 1000), np.float16) for _ in range(2)]
    os.utime(shared[0].path, (time.time() - 2 * module.ABANDONED_SECONDS,) * 2)
    assert store.size() < 2000 and store.verify() == ()
    store.max_bytes = 10_000
    store.bound()
    assert store.get("k", list(rows)).keys() == rows.keys(), "a large matrix drives out no row"
    assert store.clear() == len(rows)
    assert [Path(one.path).exists() for one in shared] == [False, True]


def test_one_of_many_writers_leaves_bounding_to_somebody_else(tmp_path):
    store = Store(tmp_path, max_bytes=None)
    for i in range(20):
        store.put("k", {f"{i}": np.zeros(1000, np.float16)})
    assert store.size() > 40_000
    bounded = Store(tmp_path, max_bytes=20_000)
    bounded.bound()
    assert bounded.size() <= 18_000 + 3000


def test_the_oldest_entries_leave_a_full_cache(tmp_path):
    store = Store(tmp_path, max_bytes=4000)
    for i in range(8):
        store.put("k", {str(i): np.full(300, i, np.float16)})
        for path in store.root.glob("*/*.row"):
            os.utime(path, (path.stat().st_mtime - 10,) * 2)
    assert store.size() <= 4000
    kept = store.get("k", [str(i) for i in range(8)])
    assert list(kept) == [str(i) for i in range(8 - len(kept), 8)] and len(kept) >= 3


def test_a_full_cache_is_emptied_until_it_is_a_tenth_smaller(store):
    store.put("k", {"00": np.zeros(20, np.float16)})
    each = store.size()
    store.max_bytes = 20 * each
    store.put("k", {f"{i:02}": np.zeros(20, np.float16) for i in range(1, 20)})
    assert store.size() == 20 * each, "just full"
    store.put("k", {"20": np.zeros(20, np.float16)})
    assert store.size() == 18 * each


def test_past_the_bound_goes_what_was_put_aside_or_left_by_dead_writers_but_not_what_is_being_written(tmp_path):
    store = Store(tmp_path, max_bytes=1000)
    store.put("k", {"a": np.zeros(4, np.float16)})
    folder = entry(store).parent
    (tmp_path / "quarantine").mkdir()
    aside, dead, alive = tmp_path / "quarantine" / "x.bad", folder / "x.tmp", folder / "y.tmp"
    for path in (aside, dead, alive):
        path.write_bytes(bytes(10))
    os.utime(dead, (time.time() - 2 * module.ABANDONED_SECONDS,) * 2)
    store.put("k", {"b": np.zeros(4, np.float16)})
    assert aside.exists() and dead.exists(), "below the bound"
    store.put("k", {"c": np.zeros(4000, np.float16)})
    assert [path.exists() for path in (aside, dead, alive)] == [False, False, True]


def test_a_cache_holds_three_thousand_images_of_a_large_model_four_times():
    assert 4 * 3000 * 745_000 * 2 < Store().max_bytes <= 20e9


def test_the_names_of_new_entries_are_flushed_to_disk_after_their_bytes(store, monkeypatch):
    flushed, flush = [], os.fsync

    def seen(handle):
        flushed.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        flush(handle)

    monkeypatch.setattr(module.os, "fsync", seen)
    store.put("k", rows_of(9, n=2))
    folder = ["folder"] if hasattr(os, "O_DIRECTORY") else []
    assert flushed == ["file", "file", *folder]
    store.put("k", rows_of(9, n=2))
    assert flushed == ["file", "file", *folder], "nothing new was written"


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_full_disk_leaves_no_part_of_an_entry(store, monkeypatch, fails):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module.os, fails, full)
        with pytest.raises(UserError, match="full"):
            store.put("k", rows_of(5))
    assert [path for path in store.root.rglob("*") if path.is_file()] == []
    store.put("k", rows_of(5))
    assert len(store.get("k", list(rows_of(5)))) == 3


def test_a_folder_that_cannot_be_written_gets_a_sentence(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match="cannot be written"):
        Store(tmp_path / "file").put("k", rows_of(6))


def test_the_environment_is_read_when_called(tmp_path, monkeypatch):
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path / "here"))
    assert Store().root == tmp_path / "here"
    monkeypatch.delenv("SN_VIZ_CACHE")
    assert Store().root == ROOT / "cache", "beside the checkout, wherever it is called from"
    monkeypatch.setenv("SN_VIZ_CACHE", "~/activations")
    assert Store().root == Path.home() / "activations"


@pytest.mark.parametrize("row", [np.array([object()]), np.float16(1), np.ones((2, 2), np.float16), np.ones(3)])
def test_only_rows_of_numbers_are_kept(store, row):
    with pytest.raises(ValueError, match="float16, float32 or uint8"):
        store.put("k", {"a": row})


def write_and_read(root, seed, failures):
    store, rows = Store(root), rows_of(7, n=20, width=5000)
    for _ in range(5):
        store.put("k", rows)
        if not same(store.get("k", list(rows)), rows):
            failures.put(seed)


def test_two_processes_on_one_key_see_whole_entries_or_none(store):
    context = multiprocessing.get_context("spawn")
    failures = context.Queue()
    writers = [context.Process(target=write_and_read, args=(store.root, seed, failures)) for seed in (1, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0] and failures.empty()
    assert store.verify() == () and not list(store.root.glob("*/*.tmp"))


def test_two_hundred_rows_are_read_well_under_a_tenth_of_a_second(store):
    rows = rows_of(8, n=200, width=20_000)
    store.put("k", rows)
    seconds = []
    for _ in range(5):
        start = time.process_time()
        assert len(store.get("k", list(rows))) == 200
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.1


@pytest.mark.kill
def test_a_killed_writer_leaves_whole_entries_or_none(store):
    code = (
        "import sys, numpy as np; from sn_viz.activations.store import Store\n"
        "store, i = Store(sys.argv[1]), 0\n"
        "print('go', flush=True)\n"
        "while True: store.put('k', {str(i): np.full(400_000, i % 1000, np.float16)}); i += 1\n"
    )
    rng = np.random.default_rng(0)
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", code, str(store.root)], stdout=subprocess.PIPE) as writer:
            writer.stdout.readline()
            time.sleep(0.05 + 0.2 * rng.random())
            writer.send_signal(signal.SIGKILL)
        assert store.verify() == ()
        rows = store.get("k", [str(i) for i in range(5000)])
        assert rows and all((row == int(name) % 1000).all() and len(row) == 400_000 for name, row in rows.items())
        store.put("k", {"after": np.ones(4, np.float16)})
        assert "after" in store.get("k", ["after"])
        store.clear()
