"""Overwritten neurons hold what they were set to, nothing else changes, and random ones are matched."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from sn_viz.activations.extract import extract, neurons_of
from sn_viz.activations.streaming import stream_layers
from sn_viz.checks import ablation
from sn_viz.checks.ablation import KINDS, ablate, matched_random, overwritten
from sn_viz.errors import UserError
from sn_viz.types import LabelledImages

QUESTION = "Is there a dog in this picture?"


def images_of(pictures):
    n = len(pictures)
    return LabelledImages(tuple(map(str, range(n))), tuple(pictures), np.arange(n) % 2, ("no", "yes"), (QUESTION,) * n)


@pytest.fixture(scope="module")
def probed(llava, noise_pictures):
    images = images_of(noise_pictures(6))
    return SimpleNamespace(images=images, seen=extract(llava, images, dtype=np.float32))


def test_a_neuron_holds_what_it_was_set_to_and_its_neighbours_are_as_before(any_vlm, noise_pictures):
    neurons = neurons_of(any_vlm)
    inputs = any_vlm.prepare(noise_pictures(2), [QUESTION, QUESTION])

    def read():  # the streaming hooks come later, so they see what was overwritten
        return np.concatenate([block.values for block in stream_layers(any_vlm, inputs).blocks], axis=1).astype(np.float32)

    before = read()
    for site in range(len(neurons.site_names)):
        column = np.flatnonzero((neurons.layer == 2) & (neurons.site == site))[[3]]
        with overwritten(any_vlm, neurons, column, np.array([[2.5], [-1.5]])):
            after = read()
        assert after[:, column[0]].tolist() == [2.5, -1.5]
        same_cell = (neurons.layer == 2) & (neurons.site == site)
        same_cell[column] = False
        np.testing.assert_allclose(after[:, same_cell | (neurons.layer < 2)], before[:, same_cell | (neurons.layer < 2)], atol=1e-5)
        assert np.abs(after[:, neurons.layer == 3] - before[:, neurons.layer == 3]).max() > 1e-4
    np.testing.assert_array_equal(read(), before)


@pytest.mark.parametrize("columns", [[0, 40, 100, 200], [200, 35, 100, 0, 33]])
def test_setting_neurons_to_what_they_are_changes_nothing_in_any_order(llava, probed, columns):
    neurons, columns = probed.seen.neurons, np.array(columns)
    before = llava.first_token_logits(probed.images.pictures, probed.images.questions, 6)
    with overwritten(llava, neurons, columns, probed.seen.values[:, columns]):
        after = llava.first_token_logits(probed.images.pictures, probed.images.questions, 6)
    np.testing.assert_allclose(after, before, atol=1e-4)


def test_overwriting_the_whole_last_residual_decides_the_answer(llava, probed, noise_pictures):
    neurons, seen = probed.seen.neurons, probed.seen
    last = np.flatnonzero((neurons.layer == 3) & (neurons.site == neurons.site_names.index("residual")))
    fresh = images_of(noise_pictures(5, seed=7))
    with pytest.raises(UserError, match="Choose fewer neurons"):
        ablate(llava, fresh, neurons, last, seen.values, seen.labels)
    found = ablate(llava, fresh, neurons, last, seen.values, seen.labels, "mean", n_draws=0)
    assert len(set(found.after.tolist())) == 1 and found.difference.n == 5 and np.isnan(found.difference.value)
    assert "random neurons were not tried" in found.sentence


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reports_chosen_against_random_on_the_same_images(llava, probed, noise_pictures, kind):
    fresh, chosen = images_of(noise_pictures(5, seed=7)), [1, 5, 50, 50]
    found = ablate(llava, fresh, probed.seen.neurons, chosen, probed.seen.values, probed.seen.labels, kind, n_draws=3, seed=1)
    assert found.n_neurons == 3 and found.random_after.shape == found.random_push.shape == (3, 5)
    assert found.moved.value == (found.after != found.before).mean()
    assert found.difference.value == pytest.approx(found.moved.value - (found.random_after != found.before).mean())
    assert found.push_difference.value == pytest.approx(found.push.mean() - found.random_push.mean())
    assert found.push_difference.low <= found.push_difference.value <= found.push_difference.high
    assert "3 neurons" in found.sentence and "5 images" in found.sentence
    again = ablate(llava, fresh, probed.seen.neurons, chosen, probed.seen.values, probed.seen.labels, kind, n_draws=3, seed=1)
    np.testing.assert_array_equal(found.random_push, again.random_push)
    assert found.difference == again.difference


def test_targets_are_means_of_the_right_images():
    values, labels = np.array([[1.0], [3.0], [np.nan], [8.0]]), np.array([0, 0, 1, 1])
    answered = np.array([0, 1, 1])
    assert ablation._targets("zero", values, labels, answered, 2).ravel().tolist() == [0, 0, 0]
    assert ablation._targets("mean", values, labels, answered, 2).ravel().tolist() == [4, 4, 4]
    assert ablation._targets("other-class", values, labels, answered, 2).ravel().tolist() == [8, 2, 2]
    with pytest.raises(UserError, match="no finite value"):
        ablation._targets("other-class", values, np.zeros(4, int), answered, 2)


def test_random_neurons_are_others_of_the_same_layers_and_sites(llava):
    neurons, chosen = neurons_of(llava), np.array([0, 1, 33, 200, 201, 202])
    drawn = matched_random(neurons, chosen, np.random.default_rng(0))
    assert not set(drawn) & set(chosen) and len(set(drawn)) == 6
    for part in ("layer", "site"):
        assert sorted(getattr(neurons, part)[drawn]) == sorted(getattr(neurons, part)[chosen])


def test_the_comparison_knows_a_plain_effect_from_none():
    random = np.random.default_rng(0)
    drawn = random.random((10, 200)) < 0.1
    share, gap = ablation._compared(random.random(200) < 0.6, drawn, random, np.arange(200))
    assert 0.05 < share.low < 0.1 < share.high < 0.15 and gap.low > 0.35 and gap.p_value == pytest.approx(1 / 11)
    _, gap = ablation._compared(random.random(200) < 0.1, drawn, random, np.arange(200))
    assert gap.low < 0 < gap.high


def test_images_that_belong_together_count_as_one():
    random, groups = np.random.default_rng(0), np.arange(200) // 10 * 10
    chosen, drawn = np.repeat(random.random(20) < 0.5, 10), np.repeat(random.random((10, 20)) < 0.3, 10, axis=1)
    share, gap = ablation._compared(chosen, drawn, random, groups)
    lone_share, lone_gap = ablation._compared(chosen, drawn, random, np.arange(200))
    assert (share.value, gap.value) == (lone_share.value, lone_gap.value)
    assert gap.high - gap.low > 2 * (lone_gap.high - lone_gap.low) and share.high - share.low > lone_share.high - lone_share.low


def test_what_cannot_be_overwritten_is_refused(llava, probed):
    arguments = llava, probed.images, probed.seen.neurons
    for chosen, kind, match in (([], "mean", "nothing to ablate"), ([1], "noise", "no ablation called")):
        with pytest.raises(UserError, match=match):
            ablate(*arguments, chosen, probed.seen.values, probed.seen.labels, kind)


def test_a_failure_leaves_no_hook_behind(llava, probed):
    def count():
        return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in llava.module.modules())

    before = count()
    with pytest.raises(RuntimeError), overwritten(llava, probed.seen.neurons, np.array([1, 130]), np.zeros((1, 2))):
        raise RuntimeError
    assert count() == before


def test_neurons_that_are_worked_out_from_the_pass_are_refused(llava, noise_pictures):
    images = images_of(noise_pictures(4))
    seen = extract(llava, images, sites=("residual", "attention-entropy"))
    entropies = np.flatnonzero(seen.neurons.site == 1)[:2]
    with pytest.raises(UserError, match="site 'attention-entropy' cannot be ablated"):
        ablate(llava, images, seen.neurons, entropies, seen.values, seen.labels)
    assert ablate(llava, images, seen.neurons, [0, 1], seen.values, seen.labels, n_draws=1).n_neurons == 2
