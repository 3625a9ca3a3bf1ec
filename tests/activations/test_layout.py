"""Sites live in certain layers and are so wide; people are told which layers there are."""

from __future__ import annotations

import pytest

from sn_viz.activations.layout import spoken_layers
from sn_viz.activations.reader import reader_of
from sn_viz.errors import UserError


@pytest.mark.parametrize(
    ("sites", "layers", "spoken"),
    [
        (("residual",), range(1, 4), "1 to 3"),
        (("tower-residual",), range(-1, 1), "V1 to V2 (-1 to 0)"),
        (("residual", "tower-residual"), range(-1, 4), "V1 to V2 (-1 to 0) and 1 to 3"),
    ],
)
def test_layers_are_those_that_hold_a_site_and_are_told_by_name(llava, sites, layers, spoken):
    layout = reader_of(llava).layout
    assert layout.layers(sites) == layers and spoken_layers(layers) == spoken
    for layer in (layers.start - 1, layers.stop):
        with pytest.raises(UserError, match=f"no layer {layer}") as refused:
            layout.check_layer(sites, layer)
        assert f"layers {spoken}." in str(refused.value)
    layout.check_layer(sites, layers[0]), layout.check_layer(sites, layers[-1])


def test_a_single_layer_is_told_as_well():
    assert spoken_layers(range(1, 2)) == "1 to 1" and spoken_layers(range(0, 1)) == "V1 to V1 (0 to 0)"


def test_each_site_is_as_wide_as_its_vectors_where_it_lives_and_of_no_width_elsewhere(llava):
    widths = reader_of(llava).layout.widths(("tower-residual", "residual"))
    assert widths.tolist() == [[16, 0]] * 2 + [[widths[-1, 1], 0][::-1]] * 3 and widths[-1, 1] > 0
    assert reader_of(llava).layout.widths(("residual",)).tolist() == [[widths[-1, 1]]] * 3
