"""Exits below the language model: the vision tower's blocks are read, pooled and stopped behind like any other."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from test_pipeline import draw

from sn_viz.activations.extract import extract, neurons_of
from sn_viz.activations.layout import Layout
from sn_viz.activations.reader import get_ready, truncated_forward
from sn_viz.activations.sites import TOWER_SITES, site_names
from sn_viz.activations.streaming import stream_layers
from sn_viz.activations.tower import picture_means
from sn_viz.errors import UserError
from sn_viz.pipeline import find
from sn_viz.plots.words import FIXED, depth_words
from sn_viz.report.page import summary
from sn_viz.run import Run
from sn_viz.types import LabelledImages, layer_name

QUESTION = "What colour is it?"


def keep(kept, _module, _args, output):
    kept.append(output[0] if isinstance(output, tuple) else output)


def by_hand(vlm, pictures):
    """Return what the blocks of a whole pass hold, pooled one picture at a time: float32 (picture, block, unit)."""
    rows = []
    for picture in pictures:
        kept, handles = [], []
        for block in vlm.tower_blocks:
            handles.append(block.register_forward_hook(partial(keep, kept)))
        vlm.first_token_logits([picture], ["yes?"])
        for handle in handles:
            handle.remove()
        rows.append([state.reshape(-1, state.shape[-1]).float().mean(dim=0).numpy() for state in kept])
    return np.array(rows)


@pytest.fixture
def calls():
    """Count calls of tower blocks, of everything else that has weights outside the tower, and of the decoder's blocks."""
    handles = []

    def watch(vlm):
        counter = Counter()
        parts = {("tower", v): block for v, block in enumerate(vlm.tower_blocks, start=1)}
        parts |= {("block", layer): block for layer, block in enumerate(vlm.blocks, start=1)}
        words = ("projector", "connector", "merger")
        parts |= {(path,): part for path, part in vlm.module.named_modules() if path.endswith(words)}
        for name, part in parts.items():
            handles.append(part.register_forward_pre_hook(lambda *_, name=name: counter.update([name])))
        return counter

    yield watch
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("batch_size", [1, 8])
def test_the_tower_holds_what_a_whole_pass_pooled_by_hand_holds(any_vlm, noise_pictures, batch_size):
    pictures = noise_pictures(3, 40, 56) + noise_pictures(2, 90, 30, seed=1)
    found = extract(any_vlm, pictures, "yes?", sites="tower", batch_size=batch_size, dtype=np.float32)
    assert list(found.neurons.layers) == [-1, 0] and found.neurons.n_layers == 0
    expected = by_hand(any_vlm, pictures)
    for block, layer in enumerate(found.neurons.layers):
        columns = (found.neurons.layer == layer) & (found.neurons.site == 0)
        np.testing.assert_allclose(found.values[:, columns], expected[:, block], atol=1e-5)
    assert np.bincount(found.neurons.site).tolist() == [2 * 16, 2 * 24]


@pytest.mark.parametrize("layer", [-1, 0])
def test_behind_an_exit_in_the_tower_nothing_runs(any_vlm, noise_pictures, calls, layer):
    inputs = any_vlm.prepare(noise_pictures(2), ["yes?"] * 2)
    get_ready(any_vlm, "tower")
    ran = calls(any_vlm)
    truncated_forward(any_vlm, inputs, layer, "tower")
    assert ran == {("tower", v): 1 for v in range(1, layer + 3)}


def test_an_early_exit_reads_what_the_whole_pass_reads(any_vlm, noise_pictures):
    inputs = any_vlm.prepare(noise_pictures(2), ["yes?"] * 2)
    sites = ("tower", "residual")
    stream = stream_layers(any_vlm, inputs, sites)
    assert [block.layer for block in stream.blocks] == [-1, 0, 1, 2, 3]
    full = np.concatenate([block.values for block in stream.blocks], axis=1)
    for layer in (-1, 0, 1, 3):
        early = truncated_forward(any_vlm, inputs, layer, sites)
        assert early.shape[1] == neurons_of(any_vlm, sites).up_to(layer) == neurons_of(any_vlm, sites, layer).up_to(layer)
        np.testing.assert_allclose(early.astype(np.float32), full[:, : early.shape[1]].astype(np.float32), atol=1e-3)


def test_all_stays_the_language_model_and_tower_adds_to_it(llava):
    assert not set(site_names("all")) & set(TOWER_SITES)
    assert site_names(["tower", "all"]) == (*site_names("all"), *TOWER_SITES)
    neurons = neurons_of(llava, ["all", "tower"])
    order = np.lexsort((neurons.unit, neurons.site, neurons.layer))
    np.testing.assert_array_equal(order, np.arange(len(neurons)))
    assert list(neurons.layers) == [-1, 0, 1, 2, 3] and (neurons.n_tower, neurons.n_layers) == (2, 3)
    assert neurons.name(0) == "V1 tower-residual 0" and neurons.name(neurons.up_to(0)) == "L1 residual 0"
    assert neurons.up_to(0) == 2 * (16 + 24) and list(neurons_of(llava).layers) == [1, 2, 3]


def test_layers_have_names():
    assert [layer_name(layer, 27) for layer in (-26, 0, 1, 12)] == ["V1", "V27", "1", "12"]


def test_every_site_of_the_tower_keeps_the_contract(any_vlm):
    for name in TOWER_SITES:
        assert TOWER_SITES[name].name == name and TOWER_SITES[name].__doc__
        for block in any_vlm.tower_blocks:
            module, side = TOWER_SITES[name].module_of(block)
            assert side in ("input", "output") and any(module is part for part in block.modules())


def test_mistakes_give_a_sentence(checkpoint, noise_pictures):
    from sn_viz.models import load_model

    vlm = load_model(checkpoint("llava"), device="cpu")
    inputs = vlm.prepare(noise_pictures(1), ["yes?"])
    with pytest.raises(UserError, match=r"no layer 1.*V1 to V2 \(-1 to 0\)"):
        truncated_forward(vlm, inputs, 1, "tower")
    with pytest.raises(UserError, match=r"no layer -2.*V1 to V2 \(-1 to 0\) and 1 to 3"):
        truncated_forward(vlm, inputs, -2, ("all", "tower"))
    vlm.tower_blocks = []
    layout = Layout(vlm)
    with pytest.raises(UserError, match="vision tower of LlavaForConditionalGeneration is no plain stack"):
        layout.available("tower")
    assert layout.available() == site_names("all")


def test_crops_of_one_picture_are_averaged_and_padding_is_no_crop():
    states = torch.arange(3 * 2 * 4, dtype=torch.float32).reshape(3, 2, 4)
    pixels = torch.ones(2, 2, 3, 8, 8)
    pixels[1, 1] = 0
    inputs = {"input_ids": torch.zeros(2, 5), "pixel_values": pixels}
    expected = torch.stack([states[:2].mean(dim=(0, 1)), states[2].mean(dim=0)])
    torch.testing.assert_close(picture_means(states, inputs), expected)
    torch.testing.assert_close(picture_means(states[:2], inputs, class_token=True), states[:2, 1])
    with pytest.raises(UserError, match="does not divide into 2 pictures"):
        picture_means(states, {"input_ids": torch.zeros(2, 5)})


def test_packed_pictures_of_different_sizes_are_kept_apart():
    states = torch.arange(10 * 3, dtype=torch.float32).reshape(10, 3)
    inputs = {"input_ids": torch.zeros(2, 5), "image_grid_thw": torch.tensor([[1, 2, 2], [1, 2, 3]])}
    torch.testing.assert_close(picture_means(states, inputs), torch.stack([states[:4].mean(0), states[4:].mean(0)]))
    with pytest.raises(UserError, match="9 vectors"):
        picture_means(states[:9], inputs)


def test_what_nothing_else_divides_is_shared_out_by_image_tokens():
    states, tokens = torch.randn(1, 12, 4), torch.tensor([[7, 7, 5, 5], [7, 5, 5, 5]])
    expected = torch.stack([states[0, :8].mean(0), states[0, 8:].mean(0)])
    torch.testing.assert_close(picture_means(states, {"input_ids": tokens}, image_token=7), expected)
    crops = torch.randn(3, 2, 4)
    expected = torch.stack([crops[:2].mean((0, 1)), crops[2].mean(0)])
    torch.testing.assert_close(picture_means(crops, {"input_ids": tokens}, image_token=7), expected)
    for wrong in (None, 9):
        with pytest.raises(UserError, match="does not divide"):
            picture_means(states, {"input_ids": tokens}, image_token=wrong)
    with pytest.raises(UserError, match="11 vectors"):
        picture_means(states[:, :11], {"input_ids": tokens}, image_token=7)


def test_crops_of_different_sizes_are_shared_out_by_their_patches():
    states, tokens = torch.randn(3, 4, 2), torch.tensor([[7, 7, 7, 5], [5, 7, 7, 5]])
    kept = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1]])
    inputs = {"input_ids": tokens, "pixel_attention_mask": kept}
    expected = torch.stack([(states[0].mean(0) + states[1, :2].mean(0)) / 2, states[2].mean(0)])
    torch.testing.assert_close(picture_means(states, inputs, image_token=7), expected)


def test_patches_that_are_padding_do_not_count():
    states = torch.randn(2, 4, 3)
    expected = torch.stack([states[0].mean(0), states[1, :2].mean(0)])
    kept = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    pixels = kept.reshape(2, 1, 2, 2).repeat_interleave(8, 2).repeat_interleave(8, 3)
    positions = torch.zeros(2, 4, 2, dtype=torch.long)
    positions[1, 2:] = -1
    told = {"pixel_attention_mask": kept}, {"pixel_attention_mask": pixels}, {"image_position_ids": positions}
    for inputs in told:
        torch.testing.assert_close(picture_means(states, {"input_ids": torch.zeros(2, 5), **inputs}), expected)
    tiles = {"aspect_ratio_mask": torch.tensor([[[1, 1]], [[1, 0]]])}
    torch.testing.assert_close(picture_means(states, {"input_ids": torch.zeros(2, 5), **tiles}), expected)
    after_class = picture_means(states, {"input_ids": torch.zeros(2, 5), **tiles}, class_token=True)
    torch.testing.assert_close(after_class, torch.stack([states[0, 1:].mean(0), states[1, 1]]))


def test_padding_that_the_tower_looked_at_is_no_crop():
    states, pixels = torch.randn(4, 2, 3), torch.ones(2, 2, 3, 8, 8)
    pixels[1, 1] = 0
    inputs = {"input_ids": torch.zeros(2, 5), "image_pixel_values": pixels}
    torch.testing.assert_close(picture_means(states, inputs), torch.stack([states[:2].mean((0, 1)), states[2].mean(0)]))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("SN_VIZ_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield draw(tmp_path_factory.mktemp("data"))
    patch.undo()


@pytest.fixture(scope="module")
def found(world, llava):
    return find(world, QUESTION, llava, sites="all,tower", voters=5, compare=["linear-probe"], exit_layer="V2")


def test_a_run_with_the_tower_is_found_saved_reopened_and_predicts(found, llava, noise_pictures, tmp_path, calls):
    assert found.exit_layer == 0 and [row.layer for row in found.by_layer] == [-1, 0, 1, 2, 3]
    assert found.votes.tally.shape[1] == len(found.voters) == 5 and len(found.baselines[0].by_layer) == 3
    assert found.by_layer[found.exit_index].accuracy.value >= 0.9, "colours can be told without a question"
    assert all(found.neurons.layer[found.voters[index].neuron].max() <= layer for index, layer in enumerate(found.neurons.layers))
    back = Run.load(found.save(tmp_path / "run"))
    assert (back.exit_layer, back.votes.first_layer, list(back.neurons.layers)) == (0, -1, [-1, 0, 1, 2, 3])
    ran = calls(llava)
    from sn_viz.early_exit.decide import predict

    said = [one.class_index for one in predict(back, found.test, vlm=llava)]
    assert said == found.votes.predicted[:, found.exit_index].tolist()
    assert not any(name[0] == "block" for name in ran)
    for index, layer in enumerate(back.neurons.layers):
        said = [one.class_index for one in predict(back, found.test, layer, vlm=llava)]
        assert said == found.votes.predicted[:, index].tolist()
    facts = json.loads(found.to_json())
    assert [row["name"] for row in facts["by_layer"]] == ["V1", "V2", "1", "2", "3"]
    assert (facts["exit_layer"], facts["exit_layer_name"], facts["n_layers"], facts["n_tower_layers"]) == (0, "V2", 3, 2)
    assert {one["layer"] for one in facts["neurons"]} <= {-1, 0}


def test_the_automatic_choice_may_fall_on_the_tower(world, llava):
    auto = find(world, QUESTION, llava, sites="all,tower", compare="none")
    assert auto.exit_layer in auto.neurons.layers and auto.exit_layer <= 0
    only = find(world, QUESTION, llava, sites="tower", compare="none")
    assert list(only.neurons.layers) == [-1, 0] and only.exit_layer in (-1, 0) and len(only.by_layer) == 2
    said, stop = depth_words(only), f"Stopping after block V{only.exit_layer + 2} of the vision tower"
    assert said.startswith(f"{stop} is what cross-validation") and said.endswith(FIXED) and str(summary(only)).startswith(stop)
    several = replace(only.test, questions=tuple(f"{i}?" for i in range(len(only.test))))
    assert depth_words(replace(only, test=several)).endswith("an exit there can only guess what is asked.")


def test_a_reader_is_told_that_the_tower_never_sees_the_question(found, llava):
    from sn_viz.report.caveats import plain_warnings

    def told(train):
        parts = (found.stumps, found.null_scores, found.baselines, found.votes, found.exit_layer, found.neurons)
        return any("vision tower never sees the question" in line for line in plain_warnings(train, found.test, *parts))

    several: LabelledImages = replace(found.train, questions=tuple(f"{i}?" for i in range(len(found.train))))
    assert told(several) and not told(found.train)


def test_the_tower_does_not_depend_on_the_question(llava, noise_pictures):
    pictures = noise_pictures(2)
    one, other = (extract(llava, pictures, text, sites="tower").values for text in ("yes?", "Is there a dog in this picture?"))
    np.testing.assert_array_equal(one, other)


def test_tables_call_layers_by_name(found):
    from rich.console import Console

    from sn_viz.report.tables import print_run

    console = Console(record=True, width=140)
    print_run(found, console)
    text = console.export_text()
    assert "2 blocks of the vision tower and 3 layers" in text and "exit at layer V2" in text and "-> V2" in text
