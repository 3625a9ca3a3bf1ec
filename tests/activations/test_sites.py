"""Sites: every one is found in every architecture, and is what its name says."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from sn_viz.activations.extract import neurons_of
from sn_viz.activations.reader import reader_of, truncated_forward
from sn_viz.activations.sites import SITES, site_names, transform_of
from sn_viz.errors import UserError


def test_sites_come_in_forward_order():
    assert SITES.names()[:4] == ["residual", "attention-output", "mlp-output", "mlp-neuron"]
    assert site_names(["mlp-neuron", "residual"]) == ("residual", "mlp-neuron")
    assert site_names() == site_names("all") == tuple(SITES.usual())
    assert site_names("residual") == ("residual",)


def test_a_site_that_is_read_by_name_only_is_not_one_of_all():
    assert "attention-head" not in site_names("all")
    assert site_names(["attention-head", "all"]) == (*site_names("all"), "attention-head")


def test_an_unknown_site_lists_the_others():
    with pytest.raises(UserError, match="no site called 'nowhere'.*mlp-neuron"):
        site_names("nowhere")


def test_every_site_keeps_the_contract(any_vlm):
    for name in SITES:
        assert SITES[name].name == name and SITES[name].__doc__
        for block in any_vlm.blocks:
            module, side = SITES[name].module_of(block)
            assert side in ("input", "output", "attention") and any(module is part for part in block.modules())
        assert transform_of(name) is None or callable(transform_of(name))


def test_every_site_gives_finite_numbers_as_many_as_it_is_wide_alone_and_beside_others(any_vlm, noise_pictures):
    inputs = any_vlm.prepare(noise_pictures(2), ["Is there a dog in this picture?", "yes?"])
    every = truncated_forward(any_vlm, inputs, 3, SITES.names(), np.float32)
    where = neurons_of(any_vlm, SITES.names())
    for number, name in enumerate(SITES):
        widths = reader_of(any_vlm).layout.widths((name,))
        alone = truncated_forward(any_vlm, inputs, 3, name, np.float32)
        assert alone.shape == (2, widths.sum()) and (widths > 0).all() and np.isfinite(alone).all()
        np.testing.assert_allclose(alone, every[:, where.site == number], atol=1e-4)


def test_neurons_are_the_input_of_the_last_linear_layer(any_vlm):
    module, side = SITES["mlp-neuron"].module_of(any_vlm.blocks[0])
    assert side == "input" and (module.in_features, module.out_features) == (48, 32)


class Bare(nn.Module):
    """A block without attention and MLP modules."""


@pytest.mark.parametrize("name", ["attention-output", "mlp-output", "mlp-neuron"])
def test_a_block_without_the_place_gives_a_sentence(name):
    with pytest.raises(UserError, match=name):
        SITES[name].module_of(Bare())


def test_an_unnamed_mlp_is_known_by_its_shape():
    block, mlp = nn.Module(), nn.Module()
    mlp.up, mlp.down = nn.Linear(8, 16), nn.Linear(16, 8)
    block.mlp = mlp
    assert SITES["mlp-neuron"].module_of(block) == (mlp.down, "input")


def test_an_mlp_without_a_module_of_its_own_is_found_in_the_block():
    block = nn.Module()
    block.fc1, block.fc2 = nn.Linear(8, 16), nn.Linear(16, 8)
    assert SITES["mlp-neuron"].module_of(block) == (block.fc2, "input")
    assert SITES["mlp-output"].module_of(block) == (block.fc2, "output")


def test_a_router_is_not_taken_for_neurons():
    block, mlp = nn.Module(), nn.Module()
    mlp.first, mlp.router = nn.Linear(8, 8), nn.Linear(8, 4)
    block.mlp = mlp
    with pytest.raises(UserError, match="mlp-neuron"):
        SITES["mlp-neuron"].module_of(block)
