"""What a worker does, in this process: jobs that travel as bytes, rows that land in files, blocks that are searched."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sn_viz
from sn_viz.activations.extract import extract, row_key, row_names
from sn_viz.activations.store import Store
from sn_viz.engines.worker import Copy, Kept, Lean, Null, Pass, Search, Setup, Worker, edges, pack, result_of, smallest
from sn_viz.errors import UserError
from sn_viz.matrix import SharedFile
from sn_viz.models.options import LoadOptions
from sn_viz.search.stumps import best_scores_under_null, find_stumps
from sn_viz.sources import later, load_images
from sn_viz.types import Neurons
from sn_viz.voting.voters import voters_by_layer

QUESTION = "Is it light?"


def worker_of(vlm, **changed):
    setup = Setup("tiny-llava", vlm.options, "cpu", vlm.key, 1, sn_viz.__version__)
    return Worker(Setup(**{**vars(setup), **changed}))


@pytest.fixture
def worker(tiny_llava, monkeypatch):
    monkeypatch.setattr("sn_viz.activations.model_cache.model_named", lambda *_, **__: tiny_llava)
    return worker_of(tiny_llava)


@pytest.fixture
def images(photographs, own_cache):
    return load_images(photographs(12), QUESTION)


def reading(images, file, store, vlm, rows):
    references = tuple(images.pictures[row].reference() for row in rows)
    return Pass(
        references, tuple(images.questions[row] for row in rows), vlm.n_layers, ("residual",),
        ((row_key(vlm, "residual"), ("residual",)),), file, tuple(rows), str(store),
    )  # fmt: skip


def test_a_batch_lands_in_the_matrix_and_in_the_store_and_nothing_of_it_comes_back(worker, images, own_cache, tiny_llava):
    alone = extract(tiny_llava, images.take([3, 1]), sites="residual", batch_size=2)
    file = SharedFile.create(own_cache, (12, len(alone.neurons)), np.float16)
    message = pack(reading(images, file, own_cache, tiny_llava, [3, 1]))
    answer = worker.do(message)
    assert result_of(answer) is None and len(answer) < 60
    np.testing.assert_array_equal(file.values()[[3, 1]].view(np.uint16), alone.values.view(np.uint16))
    names, kept = row_names(images), Store(own_cache).get(row_key(tiny_llava, "residual"), row_names(images))
    assert set(kept) == {names[3], names[1]}
    before = {path: path.read_bytes() for path in [*own_cache.glob("*/*.row"), own_cache / file.path]}
    worker.do(message)
    assert all(path.read_bytes() == data for path, data in before.items()), "done again, it writes the same"


def test_rows_of_the_store_are_copied_and_those_that_are_not_there_are_told(worker, own_cache):
    rng = np.random.default_rng(0)
    names, rows = [f"{i:064x}" for i in range(3)], rng.normal(size=(3, 200)).astype(np.float16)
    Store(own_cache).put("key", dict(zip(names[:2], rows, strict=False)))
    file = SharedFile.create(own_cache, (4, 150), np.float16)
    job = Copy(str(own_cache), ("other", "key"), tuple(map(bytes.fromhex, names)), file, ((0, 3), (1,), (2,)))
    assert result_of(worker.do(pack(job))) == [2]
    np.testing.assert_array_equal(file.values()[[0, 1, 3]], rows[[0, 1, 0], :150])


def test_another_folder_or_a_picture_that_is_not_there_is_a_sentence(worker, images, own_cache, tiny_llava, tmp_path, monkeypatch):
    monkeypatch.setenv("SN_VIZ_MEMORY", "0")
    later.DECODED.put("", np.zeros(1, np.uint8))  # nothing stays decoded
    file = SharedFile.create(own_cache, (12, 10), np.float16)
    elsewhere = SharedFile(str(tmp_path / "elsewhere" / "values-1.shared"), (12, 10), "float16", 64)
    with pytest.raises(UserError, match="SN_VIZ_CACHE"):
        result_of(worker.do(pack(Null(elsewhere, 0, 10, np.zeros(12, int), "accuracy", "best-split", 2, 0, None))))
    with pytest.raises(UserError, match="does not see the cache folder"):
        result_of(worker.do(pack(Copy(str(tmp_path / "no"), ("key",), (b"\0" * 32,), file, ((0,),)))))
    gone = images.pictures[0].reference()
    path, *others = gone.read.args
    gone = gone._replace(read=functools.partial(gone.read.func, path.with_name("gone.jpg"), *others))
    job = reading(images, file, own_cache, tiny_llava, [0])
    with pytest.raises(UserError, match="can no longer be read on .*Let all machines see the pictures"):
        result_of(worker.do(pack(Pass(**{**vars(job), "pictures": (gone,)}))))
    changed = images.pictures[0].reference()._replace(digest=b"\0" * 32)
    with pytest.raises(UserError, match="has changed"):
        result_of(worker.do(pack(Pass(**{**vars(job), "pictures": (changed,)}))))


def test_a_picture_that_only_the_sender_had_arrives_unharmed_or_not_at_all(own_cache, noise_pictures):
    own_cache.mkdir()
    (picture,) = noise_pictures(1)
    path = own_cache / "picture-1.shared"
    with open(path, "wb") as file:
        np.save(file, picture.pixels)
    kept = Kept(str(path), bytes.fromhex(picture.sha256))
    np.testing.assert_array_equal(kept.picture().pixels, picture.pixels)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="damaged on its way"):
        kept.picture()
    path.unlink()
    with pytest.raises(UserError, match="cache folder"):
        kept.picture()


def test_another_version_or_another_model_is_refused_before_any_work(tiny_llava, monkeypatch):
    monkeypatch.setattr("sn_viz.activations.model_cache.model_named", lambda *_, **__: tiny_llava)
    with pytest.raises(UserError, match=r"has sn_viz .*, where 0\.0\.0 is running"):
        result_of(worker_of(tiny_llava, version="0.0.0").ready())
    with pytest.raises(UserError, match="has another model"):
        result_of(worker_of(tiny_llava, key="other-key").ready())
    assert result_of(worker_of(tiny_llava).ready())


def test_the_options_of_a_model_travel():
    setup = Setup("x", LoadOptions(dtype="bfloat16", detail="low"), "cuda", "key", 3, "1")
    assert result_of(pack(("done", setup))) == setup


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_blocks_together_are_the_whole_search_bit_for_bit(tmp_path, tiny_llava, n_classes, dtype):
    rng = np.random.default_rng(1)
    values = np.round(rng.normal(size=(40, 1000)), 1).astype(dtype)
    values[:, ::97] = 0
    labels, neurons = rng.integers(0, n_classes, 40), layered(1000, 7)
    file = SharedFile.create(tmp_path, values.shape, dtype)
    file.write(list(range(40)), values)
    worker, rows = worker_of(tiny_llava), rng.integers(0, 40, 60)
    whole = find_stumps(values, labels, classes=n_classes, rows=rows)
    blocks = edges(1000, 3, file.width)
    assert len(blocks) == 3
    found = [
        result_of(
            worker.do(pack(Search(file, *block, smallest(labels), "best-split", "balanced-accuracy", n_classes, smallest(rows))))
        )
        for block in blocks
    ]
    for field in ("threshold", "sign", "score", "margin"):
        joined = np.concatenate([getattr(stumps, field) for _, stumps in found])
        np.testing.assert_array_equal(joined, getattr(whole, field))
        assert joined.dtype == getattr(whole, field).dtype
    null = [result_of(worker.do(pack(Null(file, *block, smallest(labels), "f1", "best-split", 9, 4, None)))) for block in blocks]
    np.testing.assert_array_equal(np.fmax.reduce(null), best_scores_under_null(values, labels, "f1", n_labellings=9, seed=4))
    assert neurons.n_layers == 7


def layered(n: int, n_layers: int) -> Neurons:
    layer = np.sort(np.arange(n) % n_layers + 1)
    return Neurons(np.zeros(n, np.int8), layer.astype(np.int16), np.arange(n, dtype=np.int32), ("residual",))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.integers(1, 6), st.integers(1, 5))
def test_voters_of_every_layer_are_among_the_candidates_of_the_blocks(seed, n_classes, k, n_blocks):
    from sn_viz.engines.ray import _joined
    from sn_viz.voting.voters import candidates

    rng = np.random.default_rng(seed)
    values = np.round(rng.normal(size=(12, 300)), 1).astype(np.float16)
    values[:, rng.random(300) < 0.2] = 1
    labels, neurons = np.arange(12) % n_classes, layered(300, 5)
    whole = find_stumps(values, labels, classes=n_classes)
    per, jobs, found = 1 if n_classes == 2 else n_classes, [], {}
    for i, (start, stop) in enumerate(edges(300, n_blocks, 20)):
        stumps = whole.take(slice(start * per, stop * per))
        ends = [min(max(neurons.up_to(layer), start), stop) - start for layer in neurons.layers]
        kept = candidates(stumps, ends, k, n_classes)
        jobs.append(Search(None, start, stop, labels, "", "", n_classes, None, k))  # type: ignore[arg-type]
        found[i] = kept, Lean.of(stumps.take(kept))
    expected = voters_by_layer(whole, neurons, k, n_classes)
    for one, other in zip(voters_by_layer(_joined(found, jobs, n_classes), neurons, k, n_classes), expected, strict=True):
        for field in ("neuron", "class_index", "threshold", "sign", "score", "margin"):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field))


@given(st.integers(1, 10_000), st.integers(1, 50), st.integers(1, 700))
def test_blocks_cover_every_neuron_once_and_begin_at_pieces(n_neurons, n_blocks, width):
    found = edges(n_neurons, n_blocks, width)
    assert [start for start, _ in found] == [0, *(stop for _, stop in found[:-1])] and found[-1][1] == n_neurons
    assert all(start % width == 0 and stop > start for start, stop in found) and len(found) <= n_blocks
