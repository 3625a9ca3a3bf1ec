"""Sites: every one is found in every architecture, and is what its name says."""

from __future__ import annotations

import pytest
from torch import nn

from sn_viz.activations.sites import SITES, site_names
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
            assert side in ("input", "output") and any(module is part for part in block.modules())


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
