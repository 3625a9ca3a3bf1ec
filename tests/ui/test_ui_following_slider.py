"""A value sent just before the bounds moved is no fault of the server."""

from __future__ import annotations

import gradio as gr
import pytest

from sn_viz.ui.components.following_slider import FollowingSlider
from sn_viz.ui.sections import exit_section, neurons_section


@pytest.mark.parametrize(("sent", "got"), [(0.5, 0.5), (99, 99.0), (-3, -3.0), ("x", 0.1), (None, 0.1), (float("nan"), 0.1)])
def test_any_number_is_taken_and_nothing_else(sent, got):
    with gr.Blocks():
        slider = FollowingSlider(-0.2, 0.12, value=0.1)
    assert slider.preprocess(sent) == got


def test_cut_and_exit_follow_the_run():
    with gr.Blocks():
        cut, layer = neurons_section.layout().threshold, exit_section.layout().layer
    assert isinstance(cut, FollowingSlider) and isinstance(layer, FollowingSlider)
    assert cut.get_block_name() == layer.get_block_name() == "slider"
