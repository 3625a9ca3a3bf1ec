"""Extraction equals what transformers itself reports, whatever the batch, and costs one image an image."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from itertools import count

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sn_viz.activations.extract import extract, neurons_of
from sn_viz.activations.sites import site_names
from sn_viz.activations.store import Store
from sn_viz.errors import Cancelled, UserError
from sn_viz.models import load_model
from sn_viz.types import LabelledImages

QUESTIONS = ("Is there a dog in this picture?", "yes?", "What colour is the car?", "yes?", "How many? 1 2 3")


def labelled(pictures, questions):
    names = tuple(f"{i}.png" for i in range(len(pictures)))
    return LabelledImages(names, tuple(pictures), np.arange(len(pictures)) % 2, ("no", "yes"), tuple(questions))


def reported(vlm, pictures, questions):
    """Return transformers' own hidden states at the last prompt position, one example at a time: float32 (example, layer, unit)."""
    rows = []
    for picture, question in zip(pictures, questions, strict=True):
        with torch.inference_mode():
            states = vlm.module(**vlm.prepare([picture], [question]), output_hidden_states=True, use_cache=False).hidden_states
        rows.append(torch.stack([state[0, -1] for state in states[1:]]).numpy())
    return np.stack(rows)


def count_hooks(vlm):
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in vlm.module.modules())


class Memory:
    """A store that keeps rows in a dictionary and counts what is put."""

    def __init__(self):
        self.rows, self.n_put = {}, 0

    def get(self, key, names):
        return {name: self.rows[key, name] for name in names if (key, name) in self.rows}

    def put(self, key, rows):
        self.n_put += len(rows)
        self.rows.update({(key, name): row for name, row in rows.items()})


@pytest.mark.parametrize("batch_size", [1, 8])
def test_residuals_equal_what_transformers_reports(any_vlm, noise_pictures, batch_size):
    pictures = noise_pictures(3, 40, 56) + noise_pictures(2, 90, 30, seed=1)
    found = extract(any_vlm, labelled(pictures, QUESTIONS), batch_size=batch_size, dtype=np.float32)
    expected = reported(any_vlm, pictures, QUESTIONS)
    for layer in range(1, any_vlm.n_layers + 1):
        columns = (found.neurons.layer == layer) & (found.neurons.site == 0)
        residual = found.values[:, columns]
        if layer == any_vlm.n_layers:  # transformers reports the last one behind the final norm
            residual = any_vlm.norm(torch.tensor(residual)).numpy()
        np.testing.assert_allclose(residual, expected[:, layer - 1], atol=1e-4)


def test_every_site_holds_what_its_module_saw(any_vlm, noise_pictures):
    from sn_viz.activations.sites import SITES

    picture, seen = noise_pictures(1), {}
    handles = []
    for index, name in enumerate(SITES):
        module, side = SITES[name].module_of(any_vlm.blocks[1])

        def keep(_module, args, output, index=index, side=side):
            tensor = args[0] if side == "input" else output[0] if isinstance(output, tuple) else output
            seen[index] = tensor[0, -1].numpy()

        handles.append(module.register_forward_hook(keep))
    any_vlm.first_token_logits(picture, ["yes?"])
    for handle in handles:
        handle.remove()
    found = extract(any_vlm, picture, "yes?", dtype=np.float32)
    for index in range(len(found.neurons.site_names)):
        columns = (found.neurons.layer == 2) & (found.neurons.site == index)
        np.testing.assert_allclose(found.values[0, columns], seen[index], atol=1e-5)


def test_neurons_are_sorted_by_layer_site_and_unit(llava):
    neurons = neurons_of(llava)
    assert len(neurons) == 3 * (32 + 32 + 32 + 48) and neurons.n_layers == 3
    order = np.lexsort((neurons.unit, neurons.site, neurons.layer))
    np.testing.assert_array_equal(order, np.arange(len(neurons)))
    assert neurons.name(len(neurons) - 1) == "L3 mlp-neuron 47"
    assert (neurons.site.dtype, neurons.layer.dtype, neurons.unit.dtype) == (np.int8, np.int16, np.int32)


def test_rows_come_back_in_the_order_they_were_given(llava, noise_pictures):
    images = labelled(noise_pictures(5), QUESTIONS)
    found = extract(llava, images, batch_size=2)
    order = [3, 1, 4, 0, 2]
    np.testing.assert_array_equal(extract(llava, images.take(order), batch_size=2).values, found.values[order])
    np.testing.assert_array_equal(found.labels, images.labels)


def test_some_sites_and_layers_are_columns_of_the_whole(llava, noise_pictures):
    images = labelled(noise_pictures(3), QUESTIONS[:3])
    whole = extract(llava, images, dtype=np.float32)
    part = extract(llava, images, sites=["mlp-neuron", "residual"], up_to_layer=2, dtype=np.float32)
    names = {whole.neurons.name(i): i for i in range(len(whole.neurons))}
    columns = [names[part.neurons.name(i)] for i in range(len(part.neurons))]
    assert part.neurons.site_names == ("residual", "mlp-neuron") and part.neurons.n_layers == 2
    np.testing.assert_allclose(part.values, whole.values[:, columns], atol=1e-6)


def test_extraction_computes_no_logits(llava, noise_pictures):
    ran = []
    handles = [part.register_forward_hook(lambda *_: ran.append(1)) for part in (llava.norm, llava.lm_head)]
    extract(llava, noise_pictures(2), "yes?")
    for handle in handles:
        handle.remove()
    assert not ran


def test_adding_one_image_costs_one_image(llava, noise_pictures):
    memory, pictures = Memory(), noise_pictures(4)
    first = extract(llava, pictures[:3], "yes?", cache=memory)
    assert memory.n_put == 3
    second = extract(llava, pictures, "yes?", cache=memory)
    assert memory.n_put == 4 and second.key == first.key
    np.testing.assert_array_equal(second.values[:3], first.values)
    extract(llava, pictures[:1], "Is there a dog?", cache=memory)
    assert memory.n_put == 5, "another question is another row"


def test_a_second_process_finds_the_rows_on_disk(llava, noise_pictures, tmp_path, monkeypatch):
    from sn_viz.activations.store import Store

    first = extract(llava, noise_pictures(2), "yes?", cache=Store(tmp_path))
    monkeypatch.setattr(llava, "prepare", None)
    second = extract(llava, noise_pictures(2), "yes?", cache=Store(tmp_path))
    np.testing.assert_array_equal(second.values, first.values)


def test_a_cached_row_of_all_layers_serves_a_shallower_request(llava, noise_pictures):
    memory, pictures = Memory(), noise_pictures(2)
    whole = extract(llava, pictures, "yes?", cache=memory)
    shallow = extract(llava, pictures, "yes?", cache=memory, up_to_layer=1)
    assert memory.n_put == 2
    np.testing.assert_array_equal(shallow.values, whole.values[:, : shallow.neurons.up_to(1)])


def test_rows_of_one_model_are_never_another_models(llava, random_vlm, checkpoint, noise_pictures, tmp_path):
    copied = save_other_weights(checkpoint("llava"), tmp_path / "random-llava")
    other, pictures = load_model(copied, device="cpu"), noise_pictures(2)
    assert other.name == llava.name, "only what is in the files tells them apart"
    memory = Memory()
    first = extract(llava, pictures, "yes?", cache=memory)
    second = extract(other, pictures, "yes?", cache=memory)
    assert memory.n_put == 4 and first.key != second.key
    np.testing.assert_array_equal(second.values, extract(other, pictures, "yes?").values)
    assert not np.array_equal(second.values, first.values)


def save_other_weights(folder, copy):
    """Copy a model, with one weight changed."""
    shutil.copytree(folder, copy)
    (path,) = copy.glob("*.safetensors")
    weights = load_file(path)
    name = next(name for name in weights if name.endswith("layers.0.mlp.down_proj.weight") and "vision" not in name)
    save_file(weights | {name: 2 * weights[name]}, path, metadata={"format": "pt"})
    return copy


def test_the_same_picture_twice_is_read_once(llava, noise_pictures):
    memory, picture = Memory(), noise_pictures(1)
    found = extract(llava, picture * 3, "yes?", cache=memory)
    assert memory.n_put == 1
    np.testing.assert_array_equal(found.values[0], found.values[2])


def test_cancelling_keeps_what_was_read(llava, noise_pictures):
    memory = Memory()

    def stop_after_two(fraction, text):
        if fraction >= 0.5:
            raise Cancelled

    before = count_hooks(llava)
    with pytest.raises(Cancelled):
        extract(llava, noise_pictures(4), "yes?", cache=memory, batch_size=1, progress=stop_after_two)
    assert memory.n_put == 2
    assert count_hooks(llava) == before, "no hook may stay behind"


def test_large_rows_leave_the_cache_in_several_threads_and_damaged_ones_are_read_anew(llava, noise_pictures, tmp_path, monkeypatch):
    store, pictures = Store(tmp_path), noise_pictures(9)
    expected = extract(llava, pictures, "yes?", cache=store).values
    monkeypatch.setattr("sn_viz.activations.extract.LARGE_ROW", 100)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    read, told, n_read, both = Store._read, [], count(), threading.Barrier(2, timeout=20)

    def met(*given):
        if next(n_read) < 2:
            both.wait()  # one thread would wait for itself
        return read(*given)

    monkeypatch.setattr(Store, "_read", met)
    assert np.array_equal(extract(llava, pictures, "yes?", cache=store).values, expected)
    damaged = sorted(tmp_path.glob("*/*.row"))[4]
    damaged.write_bytes(damaged.read_bytes()[:-3])
    again = extract(llava, pictures, "yes?", cache=store, progress=lambda fraction, text: told.append(text))
    assert np.allclose(again.values, expected, atol=1e-2) and told == ["Reading image 8 of 9", "Reading image 9 of 9"]


def test_rows_that_are_copied_to_a_file_are_not_held_in_memory_as_well(llava, noise_pictures, tmp_path, monkeypatch):
    store, pictures, given_back = Store(tmp_path / "rows"), noise_pictures(5), []
    expected = extract(llava, pictures, "yes?", cache=store).values
    monkeypatch.setattr(os, "posix_fadvise", lambda *call: given_back.append(call[3]), raising=False)
    monkeypatch.setattr(os, "POSIX_FADV_DONTNEED", "not needed", raising=False)
    extract(llava, pictures, "yes?", cache=store)
    assert not given_back, "in memory they may be wanted again"
    monkeypatch.setenv("SN_VIZ_MEMORY", "0.000001")
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path / "matrix"))
    found = extract(llava, pictures, "yes?", cache=store).values
    assert np.array_equal(found, expected) and not found.flags.writeable
    assert given_back == ["not needed"] * 5


def test_reading_what_is_cached_tells_how_far_it_is_and_can_be_cancelled(llava, noise_pictures, tmp_path, monkeypatch):
    monkeypatch.setattr("sn_viz.activations.extract.TOLD_EACH", 2)
    store, pictures = Store(tmp_path), noise_pictures(20)
    extract(llava, pictures, "yes?", cache=store)

    def stop(fraction, text):
        if text == "Reading image 4 of 20":
            raise Cancelled

    monkeypatch.setattr("sn_viz.activations.extract.LARGE_ROW", 100)
    read, n_read = Store._read, []
    monkeypatch.setattr(Store, "_read", lambda *a: n_read.append(time.sleep(0.05)) or read(*a))
    with pytest.raises(Cancelled):
        extract(llava, pictures, "yes?", cache=store, progress=stop)
    assert len(n_read) < 20, "what waits is not read any more"


def test_progress_runs_from_nothing_to_all(llava, noise_pictures):
    told = []
    extract(llava, noise_pictures(3), "yes?", batch_size=2, progress=lambda fraction, text: told.append((fraction, text)))
    assert told == [(0.0, "Reading image 0 of 3"), (2 / 3, "Reading image 2 of 3"), (1.0, "Reading image 3 of 3")]


def test_large_values_are_cut_and_nan_stays(llava, noise_pictures, monkeypatch):
    original = llava.blocks[0].forward

    def overflowing(*args, **kwargs):
        output = original(*args, **kwargs).clone()
        output[:, -1, :4] = torch.tensor([1e6, -1e6, float("inf"), float("nan")])
        return output

    monkeypatch.setattr(llava.blocks[0], "forward", overflowing)
    values = extract(llava, noise_pictures(1), "yes?", sites="residual", up_to_layer=1).values[0, :4]
    np.testing.assert_array_equal(values, np.array([65504, -65504, 65504, np.nan], dtype=np.float16))


def test_paths_and_pil_images_work_too(llava, noise_pictures, tmp_path):
    from PIL import Image

    picture = noise_pictures(1)[0]
    image = Image.fromarray(picture.pixels)
    image.save(tmp_path / "one.png")
    found = extract(llava, [picture, image, tmp_path / "one.png", str(tmp_path / "one.png")], "yes?")
    assert all(np.array_equal(found.values[0], row) for row in found.values)
    assert found.labels.tolist() == [-1] * 4


def test_mistakes_give_a_sentence(llava, noise_pictures, tmp_path):
    with pytest.raises(UserError, match="no images"):
        extract(llava, [], "yes?")
    with pytest.raises(UserError, match="no question"):
        extract(llava, noise_pictures(1))
    with pytest.raises(UserError, match="no layer 9.*layers 1 to 3"):
        extract(llava, noise_pictures(1), "yes?", up_to_layer=9)
    with pytest.raises(UserError, match="no layer 0"):
        extract(llava, noise_pictures(1), "yes?", up_to_layer=0)
    with pytest.raises(UserError, match="no site called"):
        extract(llava, noise_pictures(1), "yes?", sites="nowhere")
    with pytest.raises(UserError):
        extract(llava, [tmp_path / "missing.png"], "yes?")
    with pytest.raises(UserError):
        extract(llava, [42], "yes?")


def test_the_embedded_model_is_read_like_any_other(tiny_llava, noise_pictures):
    found = extract(tiny_llava, noise_pictures(2), "Is there a dog?", dtype=np.float32)
    states = reported(tiny_llava, noise_pictures(2), ["Is there a dog?"] * 2)
    columns = (found.neurons.layer == 1) & (found.neurons.site == 0)
    np.testing.assert_allclose(found.values[:, columns], states[:, 0], atol=1e-4)


def test_sites_read_beside_are_found_in_the_cache_and_equal_their_own_pass(llava, noise_pictures, tmp_path, monkeypatch):
    from sn_viz.activations.store import Store

    pictures, cache = noise_pictures(3), Store(tmp_path)
    alone = extract(llava, pictures, "Is there a dog?", sites=("attention-head",))
    usual = extract(llava, pictures, "Is there a dog?", cache=cache, also=("residual", "attention-head"))
    assert usual.neurons.site_names == site_names("all")
    np.testing.assert_array_equal(usual.values, extract(llava, pictures, "Is there a dog?").values)
    monkeypatch.setattr(sys.modules["sn_viz.activations.extract"], "truncated_forward", None)  # a second pass would fail
    beside = extract(llava, pictures, "Is there a dog?", sites=("attention-head",), cache=cache)
    np.testing.assert_array_equal(beside.values, alone.values)
    assert beside.neurons.name(0) == alone.neurons.name(0) == "L1 attention-head 0"


def test_sites_that_the_pass_does_not_reach_are_not_read_beside(llava, noise_pictures, tmp_path):
    from sn_viz.activations.store import Store

    pictures, cache = noise_pictures(2), Store(tmp_path)
    tower = extract(llava, pictures, "yes?", sites="tower", cache=cache, also=("attention-head", "residual"))
    np.testing.assert_array_equal(tower.values, extract(llava, pictures, "yes?", sites="tower").values)
    alone = extract(llava, pictures, "yes?", sites="residual").values
    np.testing.assert_array_equal(extract(llava, pictures, "yes?", sites="residual", cache=cache).values, alone)


def test_sites_of_the_tower_are_read_beside_those_of_the_decoder(llava, noise_pictures, tmp_path, monkeypatch):
    from sn_viz.activations.store import Store

    pictures, cache = noise_pictures(2), Store(tmp_path)
    alone = extract(llava, pictures, "yes?", sites="tower-residual").values
    extract(llava, pictures, "yes?", cache=cache, also=("tower-residual",))
    monkeypatch.setattr(sys.modules["sn_viz.activations.extract"], "truncated_forward", None)  # a second pass would fail
    np.testing.assert_array_equal(extract(llava, pictures, "yes?", sites="tower-residual", cache=cache).values, alone)


def test_some_sites_of_what_was_read_are_what_reading_them_gives(llava, noise_pictures):
    pictures = noise_pictures(2)
    every = extract(llava, pictures, "Is there a dog?", sites=("all", "attention-head"))
    for names in (("mlp-neuron", "residual"), ("attention-head",), site_names("all")):
        some, alone = every.of_sites(names), extract(llava, pictures, "Is there a dog?", sites=names)
        np.testing.assert_array_equal(some.values, alone.values)
        assert some.neurons.site_names == alone.neurons.site_names
        for axis in ("site", "layer", "unit"):
            np.testing.assert_array_equal(getattr(some.neurons, axis), getattr(alone.neurons, axis))
